# SPDX-License-Identifier: Apache-2.0
"""Closed loops of a batch of starts with a filter between the nominal controller and the system."""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array
from reflexarc.robots.systems.integrate import LONGEST_SUBSTEP, clip_input, held_path
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
    """Smallest l(x), or value of `watch`, over the episode, also between the samples; in the units of l."""
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
    delay: int = 0,
    watch: Callable[[Any], Any] | None = None,
    longest: float = LONGEST_SUBSTEP,
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
        delay: periods from the filter's answer until it acts; before the first one acts, zero does (clipped to the
            admissible inputs).
        watch: function of one state whose smallest value is reported in place of the system's margin.
        longest: longest Runge-Kutta step, and longest time between two looks at the margin. [s]
        tolerance: difference to the nominal input, as a share of the input's range, from which a step counts
            as an intervention.
        keep_path: also return the states at the samples.

    Raises:
        ModelError: the filter answered an input that is not finite, or the state left the finite numbers.
    """
    steps = system.steps if steps is None else steps
    begin, advance = _loop_functions(system, period, longest, watch or system.margin)
    x = np.array(starts, dtype=np.float64)
    scale = input_range(system)
    with jax.enable_x64(True):
        margin, wanted = (np.asarray(part) for part in begin(x))
    reward, intervened, infeasible = np.zeros(len(x)), np.zeros(len(x)), np.zeros(len(x))
    path = [x]
    queue = deque([np.zeros((len(x), system.m))] * delay)
    for step in range(steps):
        decision = safety(x, wanted)
        if not np.isfinite(decision.u).all():
            raise ModelError(f"{system.name}: the filter answered {decision.u} in step {step}; stopped")
        intervened += (np.abs(decision.u - wanted) > tolerance * scale).any(axis=1)
        infeasible += decision.infeasible
        queue.append(decision.u)
        with jax.enable_x64(True):
            x, least, gained, wanted = (
                np.asarray(part) for part in advance(x, clip_input(system, queue.popleft()))
            )
        if not np.isfinite(x).all():
            raise ModelError(f"{system.name}: the state is no longer finite in step {step}; stopped")
        margin = np.minimum(margin, least)
        reward += gained
        if keep_path:
            path.append(x)
    kept = np.array(path) if keep_path else np.empty((0, len(x), system.n))
    return Rollout(margin, reward, intervened / steps, infeasible / steps, x, kept)


def input_range(system: System) -> Array:
    """Return the width of the admissible inputs per coordinate, shape (m,)."""
    if system.inputs.kind == "ball":
        return np.full(system.m, 2.0 * system.inputs.radius)
    return np.asarray(system.inputs.upper - system.inputs.lower, dtype=np.float64)


def _loop_functions(system: System, period: float | None, longest: float, watch: Callable[[Any], Any]):
    """Compile the loop: (x) -> margin, nominal input; (x, u) -> next x, least margin on the way, reward, nominal."""
    along = held_path(system, period, longest)

    def begin(x):
        return jnp.min(watch(x)), system.nominal(x)

    def advance(x, u):
        path = along(x, u)
        least = jnp.min(jax.vmap(lambda state: jnp.min(watch(state)))(path))
        return path[-1], least, system.reward(path[-1]), system.nominal(path[-1])

    return jax.jit(jax.vmap(begin)), jax.jit(jax.vmap(advance))
