# SPDX-License-Identifier: Apache-2.0
"""The filter for many states at once: one row, a box of inputs, optionally the one-step check and a delay.

For rollouts and benchmarks. The filter for the robot, with several rows and tiers, is `filter.AnalyticFilter`; both
give the same input where both apply.
"""

import jax
import numpy as np

from reflexarc.barrier.analytic.latency import LatencyPredictor
from reflexarc.barrier.analytic.project import project
from reflexarc.barrier.analytic.rows import RowFunction
from reflexarc.barrier.analytic.sampled import OneStepGuard
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.rollout import Decision
from reflexarc.robots.systems.system import System


class BatchFilter:
    """Project onto one row and the box, then, with a guard, move towards the backup until the check passes.

    Without a guard an infeasible row gets the box's best corner, and a row in which the input does not enter lets the
    nominal input pass: what a plain CBF filter does, and why it creeps through its barrier at rest.
    """

    def __init__(self, system: System, row: RowFunction, guard: OneStepGuard | None = None):
        """Compile.

        Args:
            system: with a box of inputs.
            row: function with one row.
            guard: the one-step check; None does without.

        Raises:
            ConfigError: the inputs are a ball.
        """
        if system.inputs.kind != "box":
            raise ConfigError(f"{system.name}: the closed-form filter needs a box of inputs; none was made")
        lower, upper = np.asarray(system.inputs.lower), np.asarray(system.inputs.upper)
        self._guard = guard

        def answer(x, wanted):
            a, b, _ = row(x)
            return project(wanted, a[0], b[0], lower, upper)

        self._answer = jax.jit(jax.vmap(answer))

    def __call__(self, x: Array, wanted: Array) -> Decision:
        """Return the decision for states (batch, n) and nominal inputs (batch, m)."""
        with jax.enable_x64(True):
            u, feasible = (np.asarray(part) for part in self._answer(x, wanted))
        if self._guard is not None:
            u = self._guard.admit(x, u).u
        return Decision(u, ~feasible)


class DelayedFilter:
    """A filter that decides for the state in which its input will act, see `latency.py`."""

    def __init__(self, inner: BatchFilter, predictor: LatencyPredictor, period: float, initial: Array):
        """Start at time 0 with `initial` (batch, m) acting until the first input does."""
        self._inner, self._predictor, self._period = inner, predictor, period
        self._predictor.clear(initial)
        self._step = 0

    def __call__(self, x: Array, wanted: Array) -> Decision:
        """Return the decision; to be called once per period."""
        now = self._step * self._period
        decision = self._inner(self._predictor.predict(x, now, now).x, wanted)
        self._predictor.sent(decision.u, now)
        self._step += 1
        return decision
