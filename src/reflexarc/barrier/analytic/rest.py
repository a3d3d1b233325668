# SPDX-License-Identifier: Apache-2.0
r"""Backup sets around rest, for systems that balance or hover: stop by LQR, and know where that ends.

Split the state into positions p and the rest y (speeds, tilt), with p' = C y near rest. The law u = clip(u_eq - K y)
uses the LQR gain of the linearised y-dynamics, V(y) = y' P y decreases, and the place where the system comes to rest
is p_rest = p + W y with W = -C (A - B K)^{-1}. The set

    S = { V(y) <= c,   l_rest(p + W y) >= sway sqrt(V / c) + kappa V }

lets positions swing by at most sway = max |W y| over V <= c on the way, and by kappa V for what the linearisation
misses. c is the largest level within which the input does not saturate and the tilt stays within its limits, shrunk
until V decreases at random states of the nonlinear, sampled loop; kappa is 1.3 times the largest drift of p + W y per
decrease of V seen there. Sampled evidence, not a proof; `BackupBarrier.check_set` repeats it on other samples.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import solve_continuous_are

from reflexarc.barrier.analytic.backup import BackupSet
from reflexarc.barrier.analytic.laws import box_of
from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array
from reflexarc.robots.systems.integrate import stepper
from reflexarc.robots.systems.system import System

_SHRINK = 0.8
_TRIES = 40
_INFLATION = 1.3
_SAMPLES = 2000


def rest_backup(
    system: System,
    equilibrium: Array,
    positions: Sequence[int],
    room: Callable[[Any], Any],
    limits: Array,
    state_weight: Array,
    input_weight: Array,
    period: float | None = None,
    seed: int = 0,
) -> BackupSet:
    """Return law and set.

    Args:
        system: with a box of inputs; x = 0 but for the positions, with u = `equilibrium`, is rest.
        equilibrium: u_eq, shape (m,).
        positions: indices of p; the dynamics do not depend on them.
        room: l_rest, how far a place at rest (len(p),) is from failing, 1-Lipschitz. [m]
        limits: largest |y_i| in S, shape (n - len(p),).
        state_weight: diagonal of the LQR's state weight, shape (n - len(p),).
        input_weight: diagonal of its input weight, shape (m,).
        period: of the sampled law; None takes the system's. [s]
        seed: of the check.

    Raises:
        ModelError: no level c was found within which V decreases.
    """
    lower, upper = box_of(system)
    p_index = np.asarray(positions)
    y_index = np.setdiff1d(np.arange(system.n), p_index)
    with jax.enable_x64(True):
        rest = jnp.zeros(system.n)
        rate = jax.jacfwd(lambda x: system.f(x) + system.g(x) @ jnp.asarray(equilibrium))(rest)
        a, b = np.asarray(rate), np.asarray(system.g(rest))
    a_y, b_y, c_y = a[np.ix_(y_index, y_index)], b[y_index], a[np.ix_(p_index, y_index)]
    p_matrix = solve_continuous_are(a_y, b_y, np.diag(state_weight), np.diag(input_weight))
    gain = (b_y.T @ p_matrix) / np.asarray(input_weight)[:, None]
    to_rest = -c_y @ np.linalg.inv(a_y - b_y @ gain)
    inverse = np.linalg.inv(p_matrix)
    room_up = np.minimum(upper - equilibrium, equilibrium - lower)
    level = min(
        float(np.min(room_up**2 / np.einsum("ij,jk,ik->i", gain, inverse, gain))),
        float(np.min(np.asarray(limits) ** 2 / np.diag(inverse))),
    )

    def law(x):
        return jnp.clip(equilibrium - gain @ x[y_index], lower, upper)

    shape = np.linalg.cholesky(inverse)  # y = sqrt(V) shape @ unit vector
    rng = np.random.default_rng(seed)
    level, kappa = _certified_level(
        system, law, p_matrix, shape, to_rest, y_index, p_index, level, period, rng
    )
    sway = float(np.sqrt(level * np.linalg.eigvalsh(to_rest @ inverse @ to_rest.T).max()))

    def inside(x):
        y = x[y_index]
        v = y @ p_matrix @ y
        place = x[p_index] + to_rest @ y
        swing = sway * jnp.sqrt(v / level + 1e-12)
        return jnp.minimum(1.0 - v / level, room(place) - swing - kappa * v)

    def sample(rng: np.random.Generator, count: int) -> Array:
        states = np.zeros((count, system.n))
        states[:, p_index] = rng.uniform(system.low[p_index], system.high[p_index], (count, len(p_index)))
        states[:, y_index] = _ellipsoid(rng, count, shape, level)
        return states

    return BackupSet(law, inside, sample)


def _ellipsoid(rng: np.random.Generator, count: int, shape: Array, level: float) -> Array:
    """Points y with V <= level, most of them near the border."""
    way = rng.normal(size=(count, len(shape)))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    radius = np.sqrt(level * rng.random(count) ** (1.0 / len(shape)))
    return radius[:, None] * (way @ shape.T)


def _certified_level(
    system: System, law, p_matrix, shape, to_rest, y_index, p_index, level, period, rng
) -> tuple[float, float]:
    """Shrink the level until V decreases in every sampled period; return it and kappa."""
    advance = stepper(system, period)
    apply = jax.jit(jax.vmap(law))

    def energy(states: Array) -> Array:
        y = states[:, y_index]
        return np.einsum("ki,ij,kj->k", y, p_matrix, y)

    for _ in range(_TRIES):
        states = np.zeros((_SAMPLES, system.n))
        states[:, y_index] = _ellipsoid(rng, _SAMPLES, shape, level)
        with jax.enable_x64(True):
            u = np.asarray(apply(states))
        after = advance(states, u)[-1]
        drop = energy(states) - energy(after)
        if (drop > 0.0).all():
            shift = (after - states)[:, p_index] + (after - states)[:, y_index] @ to_rest.T
            return level, _INFLATION * float(np.max(np.linalg.norm(shift, axis=1) / drop))
        level *= _SHRINK
    raise ModelError(
        f"{system.name}: the stopping law does not decrease V in any ellipsoid down to level {level:.3g}; "
        "no backup set was made"
    )
