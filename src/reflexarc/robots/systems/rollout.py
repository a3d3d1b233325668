# SPDX-License-Identifier: Apache-2.0
"""Closed loops of a batch of starts with a filter between the nominal controller and the system."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array
from reflexarc.robots.systems.integrate import batched, clip_input, stepper
from reflexarc.robots.systems.system import System


class Decision(NamedTuple):
    """What a filter answers for a batch of states."""

    u: Array
    """Inputs to apply, shape (batch, m)."""
    infeasible: Array
    """True where no input satisfied all rows and the fallback answered, shape (batch,)."""


Filter = Callable[[Array, Array], Decision]
"""From states (batch, n) and nominal inputs (batch, m) to a decision."""


class Rollout(NamedTuple):
    """The figures of a batch of closed loops, each of shape (batch,) but the last two."""

    margin: Array
    """Smallest l(x) over the episode, also between the samples; in the units of l."""
    reward: Array
    """Sum of rewards over the steps."""
    intervened: Array
    """Share of steps in which the input differs from the nominal one by more than `tolerance`."""
    infeasible: Array
    """Share of steps that the filter called infeasible."""
    final: Array
    """State at the end, shape (batch, n)."""
    path: Array
    """States at the samples, shape (steps + 1, batch, n); empty when not asked for."""

    @property
    def violated(self) -> np.ndarray:
        """True where the episode had l < 0, shape (batch,)."""
        return self.margin < 0.0


def unfiltered(x: Array, u: Array) -> Decision:
    """Pass the nominal input through."""
    return Decision(u, np.zeros(len(x), dtype=bool))


def rollout(
    system: System,
    starts: Array,
    safety: Filter = unfiltered,
    *,
    period: float | None = None,
    steps: int | None = None,
    tolerance: float = 1e-6,
    keep_path: bool = False,
) -> Rollout:
    """Run the closed loop from each start.

    Args:
        system: the system; its nominal controller gives the nominal inputs.
        starts: shape (batch, n).
        safety: the filter.
        period: time between two inputs; None takes the system's. [s]
        steps: number of periods; None takes the system's.
        tolerance: difference to the nominal input, as a share of the input's range, from which a step counts
            as an intervention.
        keep_path: also return the states at the samples.

    Raises:
        ModelError: the filter answered an input that is not finite, or the state left the finite numbers.
    """
    steps = system.steps if steps is None else steps
    advance, nominal = stepper(system, period), batched(system.nominal)
    margin_of, reward_of = batched(system.margin), batched(system.reward)
    x = np.array(starts, dtype=np.float64)
    scale = input_range(system)
    margin, reward = margin_of(x), np.zeros(len(x))
    intervened, infeasible = np.zeros(len(x)), np.zeros(len(x))
    path = [x]
    for step in range(steps):
        wanted = nominal(x)
        decision = safety(x, wanted)
        if not np.isfinite(decision.u).all():
            raise ModelError(f"{system.name}: the filter answered {decision.u} in step {step}; stopped")
        intervened += (np.abs(decision.u - wanted) > tolerance * scale).any(axis=1)
        infeasible += decision.infeasible
        between = advance(x, clip_input(system, decision.u))
        x = between[-1]
        if not np.isfinite(x).all():
            raise ModelError(f"{system.name}: the state is no longer finite in step {step}; stopped")
        for state in between:
            margin = np.minimum(margin, margin_of(state))
        reward += reward_of(x)
        if keep_path:
            path.append(x)
    kept = np.array(path) if keep_path else np.empty((0, len(x), system.n))
    return Rollout(margin, reward, intervened / steps, infeasible / steps, x, kept)


def input_range(system: System) -> Array:
    """Return the width of the admissible inputs per coordinate, shape (m,)."""
    if system.inputs.kind == "ball":
        return np.full(system.m, 2.0 * system.inputs.radius)
    return np.asarray(system.inputs.upper - system.inputs.lower, dtype=np.float64)
