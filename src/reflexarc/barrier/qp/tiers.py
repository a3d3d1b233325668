# SPDX-License-Identifier: Apache-2.0
r"""What gives way when not all rows can hold: comfort first, then collision, never a HARD row or a bound.

1. COMFORT rows give way, by the smallest possible worst violation t.
2. If that is not enough: COLLISION rows give way by their smallest possible worst violation, and COMFORT rows only
   if they still must.

The order of tiers is lexicographic. t, in units of sqrt(w) u, is found by one more variable at the price
rho t + t^2 / 2: an exact penalty (Han and Mangasarian, Math. Prog. 17, 1979), so that t is no larger than needed
as long as the multipliers stay below rho. Only the rows that hold t up are then relaxed, by t, and the programme is
solved again. Every one of these programmes is strictly convex, solved by the reference solver whatever solver the
filter uses (a price of a million is beyond operator splitting), and its answer checked like any other.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reflexarc.barrier.qp.backends import Answer, Backend
from reflexarc.barrier.qp.backends.daqp import Daqp
from reflexarc.barrier.qp.problem import Tier
from reflexarc.barrier.qp.residual import kkt_residual
from reflexarc.core.types import Array

_ROOM = 1e-7
"""Room over the smallest slack when the next programme is solved under it, in units of sqrt(w) u."""


class Outcome(NamedTuple):
    """What came of a programme, in the solver's units."""

    z: Array | None
    """None if nothing passed the check."""
    duals: Array
    residual: float
    tier: int
    iterations: int
    reason: str


class Relaxation:
    """Solver of the relaxed programmes for n variables and at most `capacity` rows."""

    def __init__(self, n: int, capacity: int, tolerance: float, penalty: float):
        """Remember the sizes; the solvers are made when first needed.

        Args:
            n: number of variables.
            capacity: largest number of rows.
            tolerance: largest KKT residual of an answer that is used.
            penalty: rho, see the module.
        """
        self.n, self.capacity, self.tolerance, self.penalty = n, capacity, tolerance, penalty
        self._plain_solver: Backend | None = None
        self._wide_solver: Backend | None = None
        self._iterations = 0

    def relax(
        self,
        target: Array,
        rows: Array,
        offsets: Array,
        lower: Array,
        upper: Array,
        tiers: npt.NDArray,
        refused: Answer,
        second_opinion: bool,
    ) -> Outcome:
        """Return the answer of the first programme in the module's order that has one.

        Args:
            target: z_0, shape (n,).
            rows: A, unit length, shape (m, n).
            offsets: b, shape (m,).
            lower: shape (n,).
            upper: shape (n,).
            tiers: `Tier` of each row, shape (m,); any other number counts as HARD.
            refused: the chosen solver's answer, of which there is no use.
            second_opinion: ask the reference solver for the unrelaxed programme first.
        """
        self._iterations, data = refused.iterations, (target, lower, upper)
        contradiction = refused.infeasible
        if second_opinion:
            answer, residual = self._plain(data, rows, offsets)
            if residual <= self.tolerance:
                what = "called the programme infeasible" if contradiction else "gave what the check refused"
                reason = f"the chosen solver {what}; the reference solver's answer was used"
                return self._outcome(answer, residual, -1, reason)
            contradiction = answer.infeasible
        why = (
            "the rows contradict each other or the bounds"
            if contradiction
            else "no solution passed the check"
        )
        comfort, collision = tiers == Tier.COMFORT, tiers == Tier.COLLISION
        everything = np.ones(len(offsets), dtype=bool)
        for tier, soft in ((Tier.COMFORT, comfort), (Tier.COLLISION, collision)):
            if not soft.any():
                continue
            answer, residual, relaxed = None, np.inf, offsets
            if tier == Tier.COLLISION:
                relaxed = self._raised(data, rows, offsets, collision, ~comfort)
                if relaxed is not None:
                    answer, residual = self._plain(data, rows, relaxed)
            if relaxed is not None and residual > self.tolerance and comfort.any():
                relaxed = self._raised(data, rows, relaxed, comfort, everything)
                if relaxed is not None:
                    answer, residual = self._plain(data, rows, relaxed)
            if answer is not None and residual <= self.tolerance:
                return self._outcome(answer, residual, tier, f"{why}: {tier.name} rows were relaxed")
        reason = f"{why}, and relaxing what may be relaxed does not help; no input was found"
        return Outcome(None, np.zeros(0), np.inf, -1, self._iterations, reason)

    def _outcome(self, answer: Answer, residual: float, tier: int, reason: str) -> Outcome:
        return Outcome(answer.z, answer.duals, residual, int(tier), self._iterations, reason)

    def _raised(
        self,
        data: tuple[Array, Array, Array],
        rows: Array,
        offsets: Array,
        soft: npt.NDArray[np.bool_],
        among: npt.NDArray[np.bool_],
    ) -> Array | None:
        """Return the offsets with those `soft` rows raised that must give way; None if that is not enough.

        The slack is one more variable with the target -rho: (t + rho)^2 / 2 is rho t + t^2 / 2 but for a constant.

        Args:
            data: target, lower and upper.
            rows: of unit length.
            offsets: of the rows.
            soft: rows that may give way.
            among: rows that count at all.
        """
        if self._wide_solver is None:
            self._wide_solver = Daqp(self.n + 1, self.capacity)
        target, lower, upper = data
        length = np.where(soft, math.sqrt(2.0), 1.0)[among]
        wide = np.column_stack([rows, -soft.astype(float)])[among] / length[:, None]
        answer, residual = self._ask(
            self._wide_solver,
            np.append(target, -self.penalty),
            np.ascontiguousarray(wide),
            offsets[among] / length,
            np.append(lower, 0.0),
            np.append(upper, np.inf),
        )
        if residual > self.tolerance:
            return None
        room = float(answer.z[-1]) + _ROOM
        holding = soft.copy()
        holding[among] &= answer.duals[self.n + 1 :] > self.tolerance
        raised = offsets + room * holding
        _, residual = self._plain(data, rows[among], raised[among])
        return raised if residual <= self.tolerance else offsets + room * soft

    def _plain(self, data: tuple[Array, Array, Array], rows: Array, offsets: Array) -> tuple[Answer, float]:
        """Solve without slack."""
        if self._plain_solver is None:
            self._plain_solver = Daqp(self.n, self.capacity)
        target, lower, upper = data
        return self._ask(self._plain_solver, target, rows, offsets, lower, upper)

    def _ask(
        self, solver: Backend, target: Array, rows: Array, offsets: Array, lower: Array, upper: Array
    ) -> tuple[Answer, float]:
        """Ask the solver and check its answer."""
        answer = solver.solve(target, rows, offsets, lower, upper)
        self._iterations += answer.iterations
        if answer.infeasible:
            return answer, np.inf
        return answer, float(kkt_residual(answer.z, answer.duals, target, rows, offsets, lower, upper))
