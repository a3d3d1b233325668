# SPDX-License-Identifier: Apache-2.0
r"""The filter's programme, solved in tiers, checked, and honest about what it had to give up.

1. All rows hold: minimise the distance to the nominal input.
2. If that is infeasible: COMFORT rows give way, by the smallest possible worst violation t.
3. If that is infeasible too: COLLISION rows give way by their smallest possible worst violation, and COMFORT rows
   only if they still must.

The order of tiers is lexicographic. t, in units of sqrt(w) u, is found by one more variable at the price
rho t + t^2 / 2: an exact penalty (Han and Mangasarian, Math. Prog. 17, 1979), so that t is no larger than needed
as long as the multipliers stay below rho. Only the rows that hold t up are then relaxed, by t, and the programme is
solved again. Bounds and HARD rows are never relaxed.

Every programme is strictly convex, and its answer is used only after `kkt_residual`, which shares nothing with the
solver. Whatever is wrong (data that are not finite, contradictory rows, a solver that errs, an answer that is late,
more slack than allowed) ends in `found = False` and a reason; the caller then sends its certified backup.
"""

import math
import time

import numba
import numpy as np
import numpy.typing as npt

from reflexarc.barrier.qp.backends import Answer, Backend, make_backend
from reflexarc.barrier.qp.problem import QpProblem, QpSolution, Tier
from reflexarc.barrier.qp.residual import kkt_residual
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

_ROOM = 1e-7
"""Room over the smallest slack when the next tier is solved under it, in units of sqrt(w) u."""
_ZERO_ROW = 1e-12
_RELAXING = "daqp"
"""Finds the smallest slack, whatever solver the filter uses: the price rho is beyond operator splitting."""
_WRONG_WEIGHT, _WRONG_BOUNDS, _WRONG_DATA, _NEVER = -1, -2, -3, -4
_REASONS = {
    _WRONG_WEIGHT: "a weight is not a positive, finite number; nothing was solved",
    _WRONG_BOUNDS: "a lower bound lies above its upper bound, or one is not a number; nothing was solved",
    _WRONG_DATA: "the target, a row or an offset is not finite; nothing was solved",
    _NEVER: "a row of zeros with a negative offset can never hold; nothing was solved",
}


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
        """Set the solver up; the search for the smallest slack gets one of its own when it is first needed.

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
        self._relaxing: Backend | None = None
        self.tolerance = 10.0 * self._backend.tolerance if tolerance is None else tolerance
        if not self.tolerance > 0.0:
            raise ConfigError(f"tolerance must be positive, got {tolerance!r}")
        self._penalty = penalty
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
        used = _scale_problem(
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
        run = _Run(problem, started)
        if used < 0:
            return self._failed(run, _REASONS[used])
        rows, offsets = self._rows[:used], self._offsets[:used]
        answer, residual = self._ask(
            self._backend, run, self._target, rows, offsets, self._lower, self._upper
        )
        if residual <= self.tolerance:
            return self._finish(run, answer.z, answer.duals, used, residual, -1, "")
        return self._relax(run, rows, offsets, used, answer.infeasible)

    def _relax(self, run: "_Run", rows: Array, offsets: Array, used: int, infeasible: bool) -> QpSolution:
        """Let rows give way, comfort first."""
        tiers = np.asarray(run.problem.tiers)[self._kept[:used]]
        comfort, collision = tiers == Tier.COMFORT, tiers == Tier.COLLISION
        why = "the rows contradict each other or the bounds" if infeasible else "no solution passed the check"
        for tier in (Tier.COMFORT, Tier.COLLISION):
            if not (tiers == tier).any():
                continue
            relaxed = offsets
            if tier == Tier.COLLISION:
                relaxed = self._raised(run, rows, offsets, collision, ~comfort)
            answer, residual = None, np.inf
            if relaxed is not None and tier == Tier.COLLISION:
                answer, residual = self._plain(run, rows, relaxed)
            if relaxed is not None and residual > self.tolerance and comfort.any():
                relaxed = self._raised(run, rows, relaxed, comfort, np.ones(used, dtype=bool))
                if relaxed is not None:
                    answer, residual = self._plain(run, rows, relaxed)
            if answer is not None and residual <= self.tolerance:
                reason = f"{why}: {tier.name} rows were relaxed"
                return self._finish(run, answer.z, answer.duals, used, residual, tier, reason)
        return self._failed(run, f"{why}, and relaxing what may be relaxed does not help; no input was found")

    def _raised(
        self,
        run: "_Run",
        rows: Array,
        offsets: Array,
        soft: npt.NDArray[np.bool_],
        among: npt.NDArray[np.bool_],
    ) -> Array | None:
        """Return the offsets with those `soft` rows raised that must give way; None if that is not enough.

        The slack is one more variable with the target -rho: (t + rho)^2 / 2 is rho t + t^2 / 2 but for a constant.

        Args:
            run: bookkeeping.
            rows: of unit length.
            offsets: of the rows.
            soft: rows that may give way.
            among: rows that count at all.
        """
        if self._relaxing is None:
            self._relaxing = make_backend(_RELAXING, self.n + 1, self.capacity)
        length = np.where(soft, math.sqrt(2.0), 1.0)[among]
        wide = np.column_stack([rows, -soft.astype(float)])[among] / length[:, None]
        answer, residual = self._ask(
            self._relaxing,
            run,
            np.append(self._target, -self._penalty),
            np.ascontiguousarray(wide),
            offsets[among] / length,
            np.append(self._lower, 0.0),
            np.append(self._upper, np.inf),
        )
        if residual > self.tolerance:
            return None
        room = float(answer.z[-1]) + _ROOM
        holding = soft.copy()
        holding[among] &= answer.duals[self.n + 1 :] > self.tolerance
        raised = offsets + room * holding
        _, residual = self._plain(run, rows[among], raised[among])
        return raised if residual <= self.tolerance else offsets + room * soft

    def _plain(self, run: "_Run", rows: Array, offsets: Array) -> tuple[Answer, float]:
        """Solve without slack."""
        return self._ask(self._backend, run, self._target, rows, offsets, self._lower, self._upper)

    @staticmethod
    def _ask(
        backend: Backend, run: "_Run", target: Array, rows: Array, offsets: Array, lower: Array, upper: Array
    ) -> tuple[Answer, float]:
        """Ask the solver and check its answer."""
        answer = backend.solve(target, rows, offsets, lower, upper)
        run.iterations += answer.iterations
        if answer.infeasible:
            return answer, np.inf
        return answer, float(kkt_residual(answer.z, answer.duals, target, rows, offsets, lower, upper))

    def _finish(
        self, run: "_Run", z: Array, duals: Array, used: int, residual: float, tier: int, reason: str
    ) -> QpSolution:
        """Translate back into the caller's units and refuse what is late or has too much slack."""
        problem, m = run.problem, len(run.problem.offsets)
        u, multipliers, slack = np.empty(self.n), np.zeros(self.n + m), np.zeros(m)
        worst = _translate(
            z,
            duals,
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
        active = tuple(multipliers[self.n :].nonzero()[0].tolist())
        seconds = time.perf_counter() - run.started
        if worst > self.max_slack:
            reason = (
                f"a row would be broken by {worst:.3g}, more than the {self.max_slack:.3g} that are allowed"
            )
        elif seconds > self.deadline:
            reason = f"the answer came after {seconds * 1e6:.0f} us, later than {self.deadline * 1e6:.0f} us"
        else:
            return QpSolution(
                True, u, multipliers, slack, tier, active, residual, run.iterations, seconds, reason
            )
        return QpSolution(
            False, u, multipliers, slack, tier, active, residual, run.iterations, seconds, reason
        )

    def _failed(self, run: "_Run", reason: str) -> QpSolution:
        m = len(run.problem.offsets)
        nothing = np.full(self.n, np.nan)
        seconds = time.perf_counter() - run.started
        return QpSolution(
            False, nothing, np.zeros(self.n + m), np.zeros(m), -1, (), np.inf, run.iterations, seconds, reason
        )

    def _check_shapes(self, problem: QpProblem, m: int) -> None:
        n = self.n
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


class _Run:
    """Bookkeeping of one call."""

    __slots__ = ("iterations", "problem", "started")

    def __init__(self, problem: QpProblem, started: float):
        self.problem, self.started, self.iterations = problem, started, 0


@numba.njit(cache=True)
def _scale_problem(target, weight, rows, offsets, lower, upper, scale, z, a, b, low, high, lengths, kept):
    """Write the problem in z = sqrt(w) u with rows of unit length; return how many rows are left, or a code < 0.

    Rows of zeros that hold anyway are dropped, and so are rows without a limit (b = inf).
    """
    n, m = target.shape[0], offsets.shape[0]
    for j in range(n):
        if not (weight[j] > 0.0 and np.isfinite(weight[j])):
            return _WRONG_WEIGHT
        if not lower[j] <= upper[j]:
            return _WRONG_BOUNDS
        scale[j] = np.sqrt(weight[j])
        z[j], low[j], high[j] = target[j] * scale[j], lower[j] * scale[j], upper[j] * scale[j]
        if not np.isfinite(z[j]):
            return _WRONG_DATA
    used = 0
    for i in range(m):
        length2 = 0.0
        for j in range(n):
            a[used, j] = rows[i, j] / scale[j]
            length2 += a[used, j] * a[used, j]
        if not np.isfinite(length2) or np.isnan(offsets[i]) or offsets[i] == -np.inf:
            return _WRONG_DATA
        length = np.sqrt(length2)
        if length <= _ZERO_ROW:
            if offsets[i] < 0.0:
                return _NEVER
            continue
        if offsets[i] == np.inf:
            continue
        for j in range(n):
            a[used, j] /= length
        b[used], lengths[used], kept[used] = offsets[i] / length, length, i
        used += 1
    return used


@numba.njit(cache=True)
def _translate(
    z, duals, rows, offsets, lower, upper, scale, lengths, kept, tolerance, relaxed, u, multipliers, slack
):
    """Fill input, multipliers and slack in the caller's units; return the largest slack."""
    n, m = z.shape[0], offsets.shape[0]
    for j in range(n):
        u[j] = min(upper[j], max(lower[j], z[j] / scale[j]))  # the bounds hold exactly, rounding or not
        multipliers[j] = duals[j] * scale[j]
    for k in range(kept.shape[0]):
        if duals[n + k] > tolerance:
            multipliers[n + kept[k]] = duals[n + k] / lengths[k]
    worst = 0.0
    if relaxed:
        for i in range(m):
            value, length2 = -offsets[i], 0.0
            for j in range(n):
                value += rows[i, j] * u[j]
                length2 += (rows[i, j] / scale[j]) ** 2
            if value > tolerance * np.sqrt(length2):
                slack[i] = value
                worst = max(worst, value)
    return worst
