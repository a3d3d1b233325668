# SPDX-License-Identifier: Apache-2.0
r"""The filter's programme: solved, checked, and honest about what it had to give up.

Whatever is wrong ends in the next safer answer, in this order:

1. The chosen solver's answer, if it passes `kkt_residual`, which shares nothing with any solver.
2. If that solver fails or errs: the reference solver's answer to the same programme, if it passes.
3. If the rows contradict each other: the answer of the relaxed programme (`tiers`), with its slack, if it passes.
4. `found = False` and a reason (data that are not finite, contradictory hard rows, an answer that is late, more slack
   than allowed). The caller then sends its certified backup, see `backup`.
"""

import time

import numpy as np

from reflexarc.barrier.qp.backends import Backend, make_backend
from reflexarc.barrier.qp.backends.daqp import Daqp
from reflexarc.barrier.qp.problem import QpProblem, QpSolution
from reflexarc.barrier.qp.residual import kkt_residual
from reflexarc.barrier.qp.scaling import REASONS, scale_problem, translate
from reflexarc.barrier.qp.tiers import Outcome, Relaxation
from reflexarc.core.errors import ConfigError


class FilterQp:
    """Solver of `QpProblem` for n inputs and at most `capacity` rows."""

    def __init__(
        self,
        n: int,
        capacity: int,
        backend: str | Backend = "daqp",
        tolerance: float | None = None,
        max_slack: float = np.inf,
        deadline: float = np.inf,
        penalty: float = 1e6,
    ):
        """Set the solver up; relaxing has one of its own, made when it is first needed.

        Args:
            n: number of inputs.
            capacity: largest number of rows.
            backend: name in `BACKENDS`, or a solver.
            tolerance: largest KKT residual of an answer that is used, in units of sqrt(w) u; ten times what the
                solver promises if None.
            max_slack: largest violation of a row that is returned as an answer, in the row's units.
            deadline: an answer that took longer is late and not used. [s]
            penalty: rho, see the module; larger than the multipliers of any feasible problem.

        Raises:
            ConfigError: a number out of range, an unknown solver, or one that is not installed.
        """
        if n < 1 or capacity < 0:
            raise ConfigError(f"a filter needs n >= 1 inputs and capacity >= 0 rows, got {n} and {capacity}")
        for name, value in (("max_slack", max_slack), ("deadline", deadline), ("penalty", penalty)):
            if not value > 0.0:
                raise ConfigError(f"{name} must be positive, got {value!r}")
        self.n, self.capacity, self.max_slack, self.deadline = n, capacity, max_slack, deadline
        self._backend = make_backend(backend, n, capacity) if isinstance(backend, str) else backend
        self.tolerance = 10.0 * self._backend.tolerance if tolerance is None else tolerance
        if not self.tolerance > 0.0:
            raise ConfigError(f"tolerance must be positive, got {tolerance!r}")
        self._tiers = Relaxation(n, capacity, self.tolerance, penalty)
        self._scale = np.ones(n)
        self._target, self._lower, self._upper = np.zeros(n), np.zeros(n), np.zeros(n)
        self._rows, self._offsets = np.zeros((capacity, n)), np.zeros(capacity)
        self._lengths = np.zeros(capacity)
        self._kept = np.zeros(capacity, dtype=np.int64)

    def solve(self, problem: QpProblem) -> QpSolution:
        """Return the answer of the module's programme.

        Raises:
            ValueError: shapes that do not fit each other or this filter; a mistake of the program, not of the data.
        """
        started = time.perf_counter()
        m = len(problem.offsets)
        self._check_shapes(problem, m)
        used = scale_problem(
            problem.target,
            problem.weight,
            problem.rows,
            problem.offsets,
            problem.lower,
            problem.upper,
            self._scale,
            self._target,
            self._rows,
            self._offsets,
            self._lower,
            self._upper,
            self._lengths,
            self._kept,
        )
        if used < 0:
            return self._failed(m, 0, started, REASONS[used])
        rows, offsets, lower, upper = self._rows[:used], self._offsets[:used], self._lower, self._upper
        answer = self._backend.solve(self._target, rows, offsets, lower, upper)
        residual = np.inf
        if not answer.infeasible:
            residual = kkt_residual(answer.z, answer.duals, self._target, rows, offsets, lower, upper)
            if residual <= self.tolerance:
                outcome = Outcome(answer.z, answer.duals, residual, -1, answer.iterations, "")
                return self._finish(problem, used, outcome, started)
        outcome = self._tiers.relax(
            self._target,
            rows,
            offsets,
            lower,
            upper,
            np.asarray(problem.tiers)[self._kept[:used]],
            answer,
            second_opinion=not isinstance(self._backend, Daqp),
        )
        if outcome.z is None:
            return self._failed(m, outcome.iterations, started, outcome.reason)
        return self._finish(problem, used, outcome, started)

    def _finish(self, problem: QpProblem, used: int, outcome: Outcome, started: float) -> QpSolution:
        """Translate back into the caller's units and refuse what is late or has too much slack."""
        m, tier, reason = len(problem.offsets), outcome.tier, outcome.reason
        u, multipliers, slack = np.empty(self.n), np.zeros(self.n + m), np.zeros(m)
        worst = translate(
            outcome.z,
            outcome.duals,
            problem.rows,
            problem.offsets,
            problem.lower,
            problem.upper,
            self._scale,
            self._lengths,
            self._kept[:used],
            self.tolerance,
            tier >= 0,
            u,
            multipliers,
            slack,
        )
        if worst == 0.0:
            tier = -1
        active = tuple(multipliers[self.n :].nonzero()[0].tolist())
        seconds = time.perf_counter() - started
        found = True
        if worst > self.max_slack:
            found = False
            reason = (
                f"a row would be broken by {worst:.3g}, more than the {self.max_slack:.3g} that are allowed"
            )
        elif seconds > self.deadline:
            found = False
            reason = f"the answer came after {seconds * 1e6:.0f} us, later than {self.deadline * 1e6:.0f} us"
        return QpSolution(
            found,
            u,
            multipliers,
            slack,
            tier,
            active,
            float(outcome.residual),
            outcome.iterations,
            seconds,
            reason,
        )

    def _failed(self, m: int, iterations: int, started: float, reason: str) -> QpSolution:
        nothing, seconds = np.full(self.n, np.nan), time.perf_counter() - started
        return QpSolution(
            False, nothing, np.zeros(self.n + m), np.zeros(m), -1, (), np.inf, iterations, seconds, reason
        )

    def _check_shapes(self, problem: QpProblem, m: int) -> None:
        n = self.n
        target, weight, rows, offsets, tiers, lower, upper = problem
        vectors = (n,) == target.shape == weight.shape == lower.shape == upper.shape
        if vectors and rows.shape == (m, n) and (m,) == offsets.shape == tiers.shape and m <= self.capacity:
            return
        if m > self.capacity:
            raise ValueError(f"{m} rows, but the filter was made for at most {self.capacity}")
        expected = {
            "target": (n,),
            "weight": (n,),
            "rows": (m, n),
            "offsets": (m,),
            "tiers": (m,),
            "lower": (n,),
            "upper": (n,),
        }
        for value, (name, shape) in zip(problem, expected.items(), strict=True):
            if value.shape != shape:
                raise ValueError(f"QpProblem.{name} must have shape {shape}, got {value.shape}")
