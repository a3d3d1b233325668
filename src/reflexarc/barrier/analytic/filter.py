# SPDX-License-Identifier: Apache-2.0
"""The filter for one robot: rows, the tiered programme, the one-step check, and the backup law behind them.

    nominal input -> rows A u <= b -> `FilterQp` -> `OneStepGuard` -> input

What can go wrong has a decided end: contradictory rows are relaxed by the programme and the guard has the last word;
a row in which the input does not enter is dropped if it holds and counts as infeasible if it does not; if the
programme has no answer the guard starts from the nominal input; if not even the backup input passes, the state was
outside the safe set, and the backup input is sent and said to be unsafe. `PlannedBackup` adds what to do without a
usable state, or when an answer is late.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from reflexarc.barrier.analytic.backup import BackupBarrier
from reflexarc.barrier.analytic.rows import VANISHING, RowFunction, stack
from reflexarc.barrier.analytic.sampled import OneStepGuard
from reflexarc.barrier.qp import FilterQp, QpProblem, Tier
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.integrate import clip_input
from reflexarc.robots.systems.rollout import Decision, input_range
from reflexarc.robots.systems.system import System


class Answer(NamedTuple):
    """What the filter decided for one state."""

    u: Array
    """Input, shape (m,); finite and within the bounds."""
    h: float
    """Smallest barrier value of the rows."""
    infeasible: bool
    """No input satisfied all rows."""
    share: float
    """Share of the step from the backup to the programme's input that passed the one-step check; 1 without a guard."""
    safe: bool
    """The one-step check passed, or there is none."""
    backup: bool
    """The backup's own input, or its plan, is sent."""
    reason: str
    """Empty when the rows held and nothing was changed; otherwise what happened."""
    seconds: float
    """Wall time of rows, programme and check. [s]"""


class AnalyticFilter:
    """The chain of the module's text; a `rollout.Filter` for batches, `step` for one state."""

    def __init__(
        self,
        system: System,
        rows: Sequence[RowFunction],
        guard: OneStepGuard | None = None,
        count: int | None = None,
        backend: str = "daqp",
    ):
        """Compile the rows.

        Args:
            system: the model and the input bounds.
            rows: row functions; all in the tier COLLISION, the bounds are hard.
            guard: the one-step check.
            count: only the `count` rows with the smallest room at the nominal input enter the programme; None: all.
            backend: solver of the programme.

        Raises:
            ConfigError: no rows.
        """
        if not rows:
            raise ConfigError(f"{system.name}: a filter needs at least one row function; none was made")
        self.system, self._guard = system, guard
        self._rows = jax.jit(jax.vmap(stack(rows)))
        with jax.enable_x64(True):
            sizes = jax.eval_shape(stack(rows), jax.ShapeDtypeStruct((system.n,), np.float64))
        total = sizes.b.shape[0]
        self._count = min(total, count or total)
        self._solver = FilterQp(system.m, self._count, backend)
        self._weight = 1.0 / input_range(system) ** 2
        if system.inputs.kind == "ball":
            self._upper = np.full(system.m, system.inputs.radius)
            self._lower = -self._upper
        else:
            self._lower = np.asarray(system.inputs.lower, dtype=np.float64)
            self._upper = np.asarray(system.inputs.upper, dtype=np.float64)
        self._tiers = np.full(self._count, Tier.COLLISION)

    def __call__(self, x: Array, wanted: Array) -> Decision:
        """Return the decision for states (batch, n) and nominal inputs (batch, m)."""
        answers = self.answers(x, wanted)
        return Decision(
            np.array([answer.u for answer in answers]), np.array([answer.infeasible for answer in answers])
        )

    def step(self, x: Array, wanted: Array) -> Answer:
        """Return the answer for one state (n,) and nominal input (m,)."""
        return self.answers(np.asarray(x)[None], np.asarray(wanted)[None])[0]

    def answers(self, x: Array, wanted: Array) -> list[Answer]:
        """Return the answers for states (batch, n) and nominal inputs (batch, m)."""
        started = time.perf_counter()
        with jax.enable_x64(True):
            a, b, h = (np.asarray(part) for part in self._rows(np.asarray(x, dtype=np.float64)))
        shared = (time.perf_counter() - started) / len(x)
        results = [self._programme(a[i], b[i], wanted[i]) for i in range(len(x))]
        u = clip_input(self.system, np.array([r[0] for r in results]))
        started = time.perf_counter()
        share, safe = np.ones(len(x)), np.ones(len(x), dtype=bool)
        if self._guard is not None:
            u, share, safe = self._guard.admit(x, u)
        shared += (time.perf_counter() - started) / len(x)
        answers = []
        for i, (_, infeasible, reason, seconds) in enumerate(results):
            answers.append(
                Answer(
                    u[i],
                    float(h[i].min()),
                    infeasible,
                    float(share[i]),
                    bool(safe[i]),
                    bool(share[i] == 0.0),
                    _with_check(reason, float(share[i]), bool(safe[i])),
                    seconds + shared,
                )
            )
        return answers

    def _programme(self, a: Array, b: Array, wanted: Array) -> tuple[Array, bool, str, float]:
        """Solve for one state; return input, infeasible, reason, seconds."""
        started = time.perf_counter()
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            reason = "a row is not finite: no programme was posed"
            return wanted, True, reason, time.perf_counter() - started
        reach = np.abs(a) @ np.maximum(np.abs(self._lower), np.abs(self._upper))
        vanishing = reach <= VANISHING
        stuck = int((vanishing & (b < 0.0)).sum())
        keep = np.flatnonzero(~vanishing)
        room = (b[keep] - a[keep] @ wanted) / np.linalg.norm(a[keep], axis=1)
        if len(keep) > self._count:
            keep = keep[np.argpartition(room, self._count)[: self._count]]
        solution = self._solver.solve(
            QpProblem(
                np.ascontiguousarray(wanted),
                self._weight,
                np.ascontiguousarray(a[keep]),
                b[keep],
                self._tiers[: len(keep)],
                self._lower,
                self._upper,
            )
        )
        reason = solution.reason
        if stuck:
            reason = f"{reason}; " * bool(reason) + f"{stuck} rows are violated and do not contain the input"
        u = solution.u if solution.found else wanted
        infeasible = bool(stuck or not solution.found or solution.tier >= 0)
        return u, infeasible, reason, time.perf_counter() - started


def _with_check(reason: str, share: float, safe: bool) -> str:
    """Add what the one-step check found."""
    if safe and share == 1.0:
        return reason
    found = (
        f"the one-step check admits {share:.1%} of the step"
        if safe
        else "not even the backup input passes the one-step check"
    )
    return f"{reason}; {found}" if reason else found


class PlannedBackup:
    """A filter with the plan of the cycle before: executed when the state is no state or the answer is late."""

    def __init__(
        self,
        inner: AnalyticFilter,
        barrier: BackupBarrier,
        deadline: float = np.inf,
        clock: Callable[[], float] = time.perf_counter,
    ):
        """Start without a plan; the first `step` must succeed.

        Args:
            inner: the filter, with the guard of `barrier`.
            barrier: gives the plans.
            deadline: an answer that took longer is not used. [s]
            clock: for the deadline.
        """
        self._inner, self._barrier, self._deadline, self._clock = inner, barrier, deadline, clock
        self._plan: Array | None = None
        self._used = 0

    def step(self, x: Array, wanted: Array) -> Answer:
        """Return the filter's answer, or the plan's next input; called once per period.

        Raises:
            ConfigError: the very first state is not usable: there is no plan yet.
        """
        started = self._clock()
        if np.isfinite(x).all() and np.isfinite(wanted).all():
            answer = self._inner.step(x, wanted)
            plan = self._barrier.plan(self._barrier.predict(x, answer.u))
            late = self._clock() - started > self._deadline
            if answer.safe and np.isfinite(plan).all() and not (late and self._plan is not None):
                self._plan, self._used = plan, 0
                return answer
            reason = "late" if late else answer.reason
        else:
            reason = "the state or the nominal input is not finite"
        if self._plan is None:
            raise ConfigError(
                f"{reason}, and no backup plan exists before the first answer; nothing was sent"
            )
        u = self._plan[min(self._used, len(self._plan) - 1)]
        self._used += 1
        seconds = self._clock() - started
        text = f"{reason}: input {self._used} of the previous backup plan"
        return Answer(u, float("nan"), True, 0.0, True, True, text, seconds)
