# SPDX-License-Identifier: Apache-2.0
r"""Sampling: what a barrier needs when the input is held for a period T.

Two ways, both for all times and not only at the samples.

*Additive margin* (`taylor_margin`). Let M bound -h'' along every held input in the region. If at each sample

    L_f h + L_g h u >= -alpha h + nu,    nu = M T / 2,    alpha T <= 1

then h >= 0 at all times: on [0, T], h(t) >= c(t) = h + t h' - M t^2 / 2, which is concave, hence at least
min(c(0), c(T)) = min(h, (1 - alpha T) h) >= 0. (The Taylor form of the margins of Breeden, Garg, Panagou, L-CSS 2022,
and of the sampling-aware CBF, arXiv 2511.11897; no Lipschitz constants of alpha or of the controller enter.) The
row stays feasible only where max_u h' >= nu on h = 0: exact barriers fail that, a braking barrier with a
reaction time tau >= T satisfies it.

*One-step check* (`OneStepGuard`). The model is integrated over the period with the input held, and the input is moved
towards a backup input until

    h(phi_t(x, u)) >= slack for t on a grid of spacing delta over (0, T],    value(phi_T(x, u)) >= 0,

slack = M delta^2 / 8 covering the gaps of the grid. This is the exact (zero-order) condition of sampled-data CBFs
(SD-CBF, arXiv 2203.11470; zero-order CBF, arXiv 2411.17079) without their class-K rate, costs no distance, and holds
for ever if the backup keeps {value >= 0}: from an admitted state the backup itself is always admissible.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.barrier.analytic.rows import Barrier
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.integrate import LONGEST_SUBSTEP, rk4, wrap
from reflexarc.robots.systems.system import System

_SHARES, _LEVELS = 16, 3
"""The share of the step from backup to wanted input is searched 16 at a time, three times: exact to 1 / 4096."""


def curvature_bound(
    system: System,
    h: Barrier,
    low: Array | None = None,
    high: Array | None = None,
    samples: int = 20000,
    seed: int = 0,
) -> float:
    """Return M: the largest -h'' along held inputs, over random states of the box and random and extreme inputs.

    A sampled supremum, refined around the worst states; give the box that the robot works in.

    Args:
        system: the dynamics.
        h: the barrier; of several values the worst counts.
        low: lower corner; None takes the system's.
        high: upper corner; None takes the system's.
        samples: number of states.
        seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    low = system.low if low is None else np.asarray(low, dtype=np.float64)
    high = system.high if high is None else np.asarray(high, dtype=np.float64)

    def bend(x, u):
        def rate(state):
            return system.f(state) + system.g(state) @ u

        def slope(state):
            return jax.jvp(lambda s: jnp.atleast_1d(h(s)), (state,), (rate(state),))[1]

        return jnp.max(-jax.jvp(slope, (x,), (rate(x),))[1])

    evaluate = jax.jit(jax.vmap(bend))
    states, inputs = rng.uniform(low, high, (samples, system.n)), random_inputs(system, samples, rng)
    worst = -np.inf
    for radius in (0.2, 0.05, 0.01, 0.0):
        with jax.enable_x64(True):
            bends = np.asarray(evaluate(states, inputs))
        bends = np.where(np.isfinite(bends), bends, -np.inf)
        worst = max(worst, float(bends.max()))
        best = np.argsort(bends)[-max(1, samples // 100) :]
        chosen = best[rng.integers(0, len(best), samples)]
        jump = radius * (high - low) * rng.uniform(-1.0, 1.0, (samples, system.n))
        states, inputs = np.clip(states[chosen] + jump, low, high), inputs[chosen]
    return max(worst, 0.0)


def random_inputs(system: System, count: int, rng: np.random.Generator) -> Array:
    """Return admissible inputs (count, m): half of them extreme, half uniform."""
    if system.inputs.kind == "ball":
        way = rng.normal(size=(count, system.m))
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        length = np.where(rng.random(count) < 0.5, 1.0, rng.random(count) ** (1.0 / system.m))
        return system.inputs.radius * length[:, None] * way
    share = rng.random((count, system.m))
    share[: count // 2] = np.round(share[: count // 2])
    return system.inputs.lower + share * (system.inputs.upper - system.inputs.lower)


def taylor_margin(curvature: float, period: float, alpha: float) -> float:
    """Return nu = M T / 2. [units of h per second]

    Raises:
        ConfigError: alpha T > 1: then a held input may overshoot whatever the margin.
    """
    if not (period > 0.0 and alpha > 0.0 and curvature >= 0.0) or alpha * period > 1.0:
        raise ConfigError(
            f"gain {alpha} 1/s with a period of {period} s (curvature {curvature}): gain times period must be in "
            f"(0, 1], so at most {1.0 / max(period, 1e-300):.4g} 1/s; no margin was computed"
        )
    return 0.5 * curvature * period


class Admitted(NamedTuple):
    """What the one-step check lets through, for a batch."""

    u: Array
    """Shape (batch, m)."""
    share: Array
    """Share of the step from the backup to the wanted input; 1 where nothing was changed, shape (batch,)."""
    safe: np.ndarray
    """False where not even the backup input passes: the state was outside the set, shape (batch,)."""


class OneStepGuard:
    """The one-step check of the module's text, compiled for batches."""

    def __init__(
        self,
        system: System,
        keep: Barrier,
        backup: Callable[[Any], Any],
        value: Barrier | None = None,
        period: float | None = None,
        curvature: float = 0.0,
        longest: float = LONGEST_SUBSTEP,
    ):
        """Compile nothing yet.

        Args:
            system: the model.
            keep: h, must stay above the slack along the period; scalar or (k,).
            backup: policy (n,) -> (m,) that keeps {value >= 0} when its input is held for a period.
            value: must be >= 0 at the end of the period; None takes `keep` less the slack.
            period: T; None takes the system's. [s]
            curvature: M of `keep`, see `curvature_bound`.
            longest: longest spacing delta of the grid. [s]
        """
        self.system = system
        self.period = system.period if period is None else period
        count = max(1, math.ceil(self.period / longest - 1e-9))
        spacing = self.period / count
        self.slack = curvature * spacing * spacing / 8.0

        def passes(x, u):
            def step(state, _):
                state = wrap(system, rk4(system, state, u, spacing))
                return state, jnp.min(keep(state))

            end, along = jax.lax.scan(step, x, None, length=count)
            last = jnp.min(keep(end)) - self.slack if value is None else jnp.min(value(end))
            good = (jnp.min(along) >= self.slack) & (last >= 0.0)
            return good & jnp.all(jnp.isfinite(end))

        grid = np.arange(1, _SHARES) / _SHARES

        def admit(x, wanted):
            reserve = backup(x)

            def at(share):
                return reserve + share * (wanted - reserve)

            def refine(_, bounds):
                low, width = bounds
                shares = low + width * grid
                good = jax.vmap(lambda share: passes(x, at(share)))(shares)
                last = jnp.where(jnp.all(good), len(grid), jnp.argmin(good))  # first that fails
                return jnp.where(last > 0, shares[last - 1], low), width / (len(grid) + 1)

            whole, safe = passes(x, wanted), passes(x, reserve)
            low, _ = jax.lax.fori_loop(0, _LEVELS, refine, (jnp.zeros(()), jnp.ones(())))
            share = jnp.where(whole, 1.0, jnp.where(safe, low, 0.0))
            return at(share), share, whole | safe

        self._admit = jax.jit(jax.vmap(admit))

    def admit(self, x: Array, wanted: Array) -> Admitted:
        """Return the admitted inputs for states (batch, n) and wanted inputs (batch, m)."""
        with jax.enable_x64(True):
            u, share, safe = self._admit(
                np.asarray(x, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
            )
            return Admitted(np.asarray(u), np.asarray(share), np.asarray(safe))
