# SPDX-License-Identifier: Apache-2.0
r"""Closed loop of a filter and a system, many starts at once.

The filter keeps the barrier's row for the nominal input,

    grad V . (f(x) + g(x) u) - eps |grad V| + alpha V(x) >= 0,     u in U,

with f, g true or learned and eps the bound on the learned model's error (0 for the true one).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reflexarc.barrier.learn.projection import project, unbounded_then_clip
from reflexarc.barrier.learn.simulate import batched
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import System

Controller = Callable[[Array, Array], tuple[Array, np.ndarray]]
"""State (batch, n) and nominal input (batch, m) to input (batch, m) and whether it could be found, (batch,)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to each start."""

    violated: np.ndarray
    """Whether l < 0 was reached, shape (batch,)."""
    returns: Array
    """Sum of rewards, shape (batch,)."""
    least_margin: Array
    """Smallest l on the way, shape (batch,)."""
    filtered: Array
    """Share of steps on which the input differed from the nominal one, shape (batch,)."""
    infeasible: Array
    """Share of steps on which no admissible input satisfied the row, shape (batch,)."""


def simulate(
    system: System, starts: Array, controller: Controller, steps: int | None = None, clip: bool = False
) -> Outcome:
    """Run the closed loop from `starts` (batch, n) for `steps` periods (default: the system's episode).

    An episode goes on after a violation; the input differs where it is off by more than 1e-6. With `clip` the state is
    kept within the system's region, as the published boat environment does.
    """
    functions = batched(system)
    x = np.asarray(starts, dtype=float)
    count = system.steps if steps is None else steps
    returns, filtered, infeasible = np.zeros((3, len(x)))
    least = np.asarray(functions.margin(x), dtype=float)
    for _ in range(count):
        nominal = np.asarray(functions.nominal(x), dtype=float)
        u, found = controller(x, nominal)
        filtered += np.abs(u - nominal).max(axis=1) > 1e-6
        infeasible += ~found
        x = np.asarray(functions.step(x, u, system.period), dtype=float)
        if clip:
            x = np.clip(x, system.low, system.high)
        returns += np.asarray(functions.reward(x), dtype=float)
        least = np.minimum(least, np.asarray(functions.margin(x), dtype=float))
    return Outcome(least < 0.0, returns, least, filtered / count, infeasible / count)


def bounded_filter(
    system: System,
    value_and_gradient: Callable[[Array], tuple[Array, Array]],
    alpha: float,
    affine: Callable[[Array], tuple[Array, Array]] | None = None,
    model_error: float = 0.0,
) -> Controller:
    """Return the filter with the input bounds inside the programme, falling back on argmax of L_gV u.

    Args:
        system: bounds, and dynamics where `affine` is None.
        value_and_gradient: V and its gradient for a batch.
        alpha: gain of the row. [1/s]
        affine: learned f (batch, n) and g (batch, n, m).
        model_error: eps, in units of x'.
    """
    model = affine or batched(system).affine

    def control(x: Array, nominal: Array) -> tuple[Array, np.ndarray]:
        value, gradient = value_and_gradient(x)
        drift, actuation = (np.asarray(part, dtype=float) for part in model(x))
        a = np.einsum("bn,bnm->bm", gradient, actuation)
        c = -alpha * value - (gradient * drift).sum(axis=1)
        c = c + model_error * np.linalg.norm(gradient, axis=1)
        return project(nominal, a, c, system.inputs)

    return control


def published_filter(
    system: System,
    value_and_gradient: Callable[[Array], tuple[Array, Array]],
    alpha: float = 1.0,
    affine: Callable[[Array], tuple[Array, Array]] | None = None,
) -> Controller:
    """Return the published code's filter: projection without bounds, then clipped."""
    model = affine or batched(system).affine

    def control(x: Array, nominal: Array) -> tuple[Array, np.ndarray]:
        value, gradient = value_and_gradient(x)
        drift, actuation = (np.asarray(part, dtype=float) for part in model(x))
        a = np.einsum("bn,bnm->bm", gradient, actuation)
        u = unbounded_then_clip(nominal, a, -alpha * value - (gradient * drift).sum(axis=1), system.inputs)
        return u, np.ones(len(x), dtype=bool)

    return control


def unfiltered(x: Array, nominal: Array) -> tuple[Array, np.ndarray]:
    """Controller that sends the nominal input."""
    return nominal, np.ones(len(x), dtype=bool)


def safe_starts(
    low: Array, high: Array, value: Callable[[Array], Array], count: int, seed: int, above: float = 0.02
) -> Array:
    """Return `count` starts, uniform between `low` and `high` where the true value exceeds `above`."""
    rng = np.random.default_rng(seed)
    kept: list[Array] = []
    have = 0
    while have < count:
        x = rng.uniform(low, high, (4 * count, len(low)))
        x = x[value(x) > above]
        kept.append(x)
        have += len(x)
    return np.concatenate(kept)[:count]
