# SPDX-License-Identifier: Apache-2.0
r"""Gains that the input bounds can honour: an offline search for states where they cannot.

A (high-order) barrier with gains alpha_1 .. alpha_r can be enforced at x only if its surplus

    s(x) = max_{u admissible} L_f psi_{r-1} + L_g psi_{r-1} u + alpha_r(psi_{r-1})

is not negative. Two questions are asked, each answered by a counterexample or by the smallest surplus found:

- `search_set`: is s >= 0 on the whole set {psi_i >= 0} within a box? Then the filter is feasible for ever from
  anywhere in it. Random states, refined around the worst.
- `search_reachable`: is s >= 0 on what the *filtered* loop reaches from given starts, whatever the nominal input
  does? A weaker demand, and the usual one: a position barrier with a linear gain fails the first on any large
  box, since psi_1 >= 0 alone allows speeds that no start leads to. Held extreme inputs and random switching ones.

Both are searches, not proofs; what they reject is rejected with a state that anyone can check.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.barrier.analytic.hocbf import chain, check_relative_degree
from reflexarc.barrier.analytic.project import project
from reflexarc.barrier.analytic.rows import Barrier, lie_derivatives
from reflexarc.barrier.analytic.sampled import random_inputs
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.integrate import rk4, wrap
from reflexarc.robots.systems.system import System

ROUNDING = -1e-9
"""A surplus above this is not negative."""
_CORNERS = 64
"""Most held extreme inputs."""
_REFINEMENTS = (0.3, 0.1, 0.03, 0.01, 0.003)
"""Jumps around the worst states, in units of the box."""


class GainReport(NamedTuple):
    """Answer of a search."""

    honoured: bool
    """No state with a negative surplus was found."""
    surplus: float
    """Smallest surplus found. [units of h / s^r]"""
    state: tuple[float, ...]
    """Where it is."""
    checked: int
    """States looked at that lie in the set."""
    question: Literal["set", "reachable"]


class GainError(ConfigError):
    """The input bounds cannot honour the gains."""

    def __init__(self, system: str, gains: Sequence[float], report: GainReport, largest: float):
        self.report, self.largest = report, largest
        allowed = (
            f"the same gains times {largest:.4g} ({[round(g * largest, 4) for g in gains]})"
            if largest > 0.0
            else "none in this proportion"
        )
        super().__init__(
            f"{system}: the input bounds cannot honour the gains {list(gains)}: at the state "
            f"{[round(v, 6) for v in report.state]} the best admissible input falls short by "
            f"{-report.surplus:.4g}; allowed: {allowed}; the barrier was not made"
        )


def surplus_function(system: System, h: Barrier):
    """Return traceable (x, gains) -> (surplus, psi (r, k), a, b) for linear gains of shape (r,)."""

    def evaluate(x, gains):
        functions = chain(system, h, [gains[i] for i in range(gains.shape[0])])
        psi = jnp.stack([jnp.atleast_1d(f(x)) for f in functions])
        value, drift, actuation, _ = lie_derivatives(system, functions[-1], x)
        b = drift + gains[-1] * value
        return jnp.min(b + _best(system, actuation)), psi, -actuation, b

    return evaluate


def _best(system: System, actuation):
    """max_u of L_g psi u over the admissible inputs, per row."""
    if system.inputs.kind == "ball":
        return system.inputs.radius * jnp.sqrt(jnp.sum(actuation**2, axis=1) + 1e-300)
    lower, upper = jnp.asarray(system.inputs.lower), jnp.asarray(system.inputs.upper)
    return jnp.sum(jnp.maximum(actuation * lower, actuation * upper), axis=1)


def search_set(
    system: System,
    h: Barrier,
    gains: Sequence[float],
    low: Array | None = None,
    high: Array | None = None,
    samples: int = 20000,
    seed: int = 0,
) -> GainReport:
    """Search {psi_i >= 0} within the box for a state of negative surplus.

    Args:
        system: the dynamics and the input bounds.
        h: the barrier.
        gains: linear gains alpha_1 .. alpha_r. [1/s]
        low: lower corner; None takes the system's.
        high: upper corner; None takes the system's.
        samples: states per round.
        seed: of the generator.

    Raises:
        ConfigError: no sampled state lies in the set.
    """
    rng = np.random.default_rng(seed)
    low = system.low if low is None else np.asarray(low, dtype=np.float64)
    high = system.high if high is None else np.asarray(high, dtype=np.float64)
    evaluate = jax.jit(jax.vmap(surplus_function(system, h), in_axes=(0, None)))
    alpha = np.asarray(gains, dtype=np.float64)
    states = rng.uniform(low, high, (samples, system.n))
    worst, where, checked = np.inf, states[0], 0
    for radius in (*_REFINEMENTS, 0.0):
        with jax.enable_x64(True):
            surplus, psi, _, _ = (np.asarray(part) for part in evaluate(states, alpha))
        inside = (psi >= 0.0).all(axis=(1, 2)) & np.isfinite(surplus)
        checked += int(inside.sum())
        if not checked:
            raise ConfigError(
                f"{system.name}: none of {samples} states in the box satisfies psi_i >= 0; "
                "give a box that meets the set"
            )
        if not inside.any():
            break
        surplus = np.where(inside, surplus, np.inf)
        least = int(np.argmin(surplus))
        if surplus[least] < worst:
            worst, where = float(surplus[least]), states[least]
        best = np.argsort(surplus)[: max(1, min(samples // 100, int(inside.sum())))]
        chosen = best[rng.integers(0, len(best), samples)]
        jump = radius * (high - low) * rng.uniform(-1.0, 1.0, (samples, system.n))
        states = np.clip(states[chosen] + jump, low, high)
    return GainReport(worst >= ROUNDING, worst, tuple(map(float, where)), checked, "set")


class ReachableSearch:
    """The second question, compiled once for several gains."""

    def __init__(
        self,
        system: System,
        h: Barrier,
        starts: Array,
        horizon: float,
        period: float = 0.002,
        sequences: int = 16,
        switching: float = 0.2,
        seed: int = 0,
    ):
        """Prepare the nominal inputs.

        Args:
            system: the dynamics and the input bounds; a box.
            h: the barrier, scalar.
            starts: shape (k, n).
            horizon: how long each loop runs. [s]
            period: of the loop; short, so that sampling plays no part. [s]
            sequences: random switching sequences per start, besides the held corners.
            switching: how long a random input is held. [s]
            seed: of the generator.

        Raises:
            ConfigError: the inputs are a ball, for which the loop's closed-form filter does not work.
        """
        if system.inputs.kind != "box":
            raise ConfigError(f"{system.name}: the reachable search needs a box of inputs, use `search_set`")
        rng = np.random.default_rng(seed)
        starts = np.atleast_2d(np.asarray(starts, dtype=np.float64))
        steps = round(horizon / period)
        blocks = max(1, round(horizon / switching))
        corners = np.array(list(itertools.islice(itertools.product((0.0, 1.0), repeat=system.m), _CORNERS)))
        span = system.inputs.upper - system.inputs.lower
        held = np.repeat((system.inputs.lower + corners * span)[:, None], blocks, axis=1)
        random = random_inputs(system, sequences * blocks, rng).reshape(sequences, blocks, system.m)
        wanted = np.concatenate([held, random])
        self._states = np.repeat(starts, len(wanted), axis=0)
        self._wanted = np.tile(wanted, (len(starts), 1, 1))
        self.steps, self.system = steps, system
        evaluate = surplus_function(system, h)
        lower, upper = np.asarray(system.inputs.lower), np.asarray(system.inputs.upper)

        def loop(start, sequence, gains):
            def step(carry, k):
                x, worst, where, count = carry
                surplus, psi, a, b = evaluate(x, gains)
                inside = jnp.all(psi >= 0.0)
                less = inside & (surplus < worst)
                u, _ = project(sequence[(k * blocks) // steps], a[0], b[0], lower, upper)
                following = wrap(system, rk4(system, x, u, period))
                return (
                    following,
                    jnp.where(less, surplus, worst),
                    jnp.where(less, x, where),
                    count + inside,
                ), None

            start_of_loop = (start, jnp.inf * jnp.ones(()), start, 0)
            (_, worst, where, count), _ = jax.lax.scan(step, start_of_loop, jnp.arange(steps))
            return worst, where, count

        self._loops = jax.jit(jax.vmap(loop, in_axes=(0, 0, None)))

    def __call__(self, gains: Sequence[float]) -> GainReport:
        """Search with these linear gains."""
        with jax.enable_x64(True):
            worst, where, count = (
                np.asarray(part)
                for part in self._loops(self._states, self._wanted, np.asarray(gains, dtype=np.float64))
            )
        least = int(np.argmin(worst))
        return GainReport(
            bool(worst[least] >= ROUNDING),
            float(worst[least]),
            tuple(map(float, where[least])),
            int(count.sum()),
            "reachable",
        )


def largest_scale(
    search: Callable[[Sequence[float]], GainReport], gains: Sequence[float], tolerance: float = 1e-3
) -> float:
    """Return the largest c in [0, 1] for which c * gains is honoured, by bisection; 0 when none above 1e-3 is."""
    if search(gains).honoured:
        return 1.0
    low, high = 0.0, 1.0
    while high - low > tolerance:
        middle = 0.5 * (low + high)
        if search([middle * g for g in gains]).honoured:
            low = middle
        else:
            high = middle
    return low


def require_gains(
    system: System,
    h: Barrier,
    gains: Sequence[float],
    search: Callable[[Sequence[float]], GainReport] | None = None,
) -> GainReport:
    """Return the report of gains that the bounds honour.

    Args:
        system: the dynamics and the input bounds.
        h: the barrier.
        gains: linear gains, one per relative degree. [1/s]
        search: `ReachableSearch`, or None for `search_set` over the system's box.

    Raises:
        GainError: a counterexample was found; names it, and the largest gains in the same proportion.
        ModelError: the relative degree is not len(gains).
    """
    check_relative_degree(system, h, len(gains))
    ask = search or (lambda g: search_set(system, h, g))
    report = ask(gains)
    if not report.honoured:
        raise GainError(system.name, gains, report, largest_scale(ask, gains))
    return report
