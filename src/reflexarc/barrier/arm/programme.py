# SPDX-License-Identifier: Apache-2.0
"""Solve a filter's programme by working sets, or say that there is no answer. Shared by velocity and torque filter."""

from typing import NamedTuple

import numpy as np

from reflexarc.barrier.arm.working_set import breakable, choose, clip, gather, worst_excess
from reflexarc.barrier.qp import FilterQp, QpProblem, QpSolution
from reflexarc.core.types import Array

ROUNDS = 6
"""Programmes per tick before all rows are taken at once."""
FEASIBLE = 1e-7
"""By how much (over |a_i|) a row that was left out may be broken; the check of a solution allows 1e-6."""


class Answer(NamedTuple):
    """Outcome of the programme."""

    found: bool
    u: Array
    """Shape (n,); meaningless unless `found`."""
    slack: float
    tier: int
    rows: int
    """Of the last programme; 0 if the target was admissible."""
    residual: float
    iterations: int
    reason: str


class WorkingProgramme:
    """min sum_j w_j (u_j - target_j)^2 over A u <= b and bounds, with few rows at a time and a check of all."""

    def __init__(
        self, n: int, capacity: int, working_rows: int, solver: FilterQp, weight: Array, screening: bool
    ):
        """Allocate for at most `capacity` rows.

        Args:
            n: number of inputs.
            capacity: most rows.
            working_rows: of the first programme; 0 takes all at once.
            solver: of the programme.
            weight: w, shape (n,).
            screening: whether rows that no u within the bounds can break are left out.
        """
        self.normals = np.zeros((capacity, n))
        self.offsets = np.zeros(capacity)
        self.tiers = np.zeros(capacity, dtype=np.int64)
        self.lower, self.upper = np.zeros(n), np.zeros(n)
        self._solver, self._weight = solver, weight
        self._few, self._screening = working_rows, screening
        self._chosen = np.zeros(capacity, dtype=np.bool_)
        self._excess = np.zeros(capacity + 1)
        self._members = np.zeros(capacity + 1, dtype=np.int64)
        self._picked = np.zeros((capacity, n)), np.zeros(capacity), np.zeros(capacity, dtype=np.int64)
        self._start = np.zeros(n)

    def solve(self, count: int, target: Array) -> Answer:
        """Solve with the first `count` rows of `normals`, `offsets`, `tiers` and with `lower`, `upper`."""
        clip(target, self.lower, self.upper, self._start)
        worst, _ = worst_excess(self.normals, self.offsets, count, self._start)
        if worst <= 0.0:
            return Answer(True, self._start.copy(), 0.0, -1, 0, 0.0, 0, "")
        if self._few == 0 or count <= self._few:
            return self._solve_all(count, target, 0)
        used = self._take(count)
        if used <= self._few:
            return self._answer(self._solve_members(used, target), used, 0)
        self._chosen[:count] = False
        used, iterations, u, floor = 0, 0, self._start, -np.inf
        for _ in range(ROUNDS):
            used = choose(
                self.normals,
                self.offsets,
                count,
                u,
                self.lower,
                self.upper,
                self._few,
                floor,
                self._chosen,
                used,
                self._excess,
                self._members,
            )
            solution = self._solve_members(used, target)
            iterations += solution.iterations
            if not solution.found or solution.tier >= 0:
                return self._solve_all(count, target, iterations)
            u = solution.u
            worst, _ = worst_excess(self.normals, self.offsets, count, u)
            if worst <= max(FEASIBLE, solution.residual):
                return Answer(True, u, 0.0, -1, used, solution.residual, iterations, "")
            floor = FEASIBLE
        return self._solve_all(count, target, iterations)

    def _solve_all(self, count: int, target: Array, iterations: int) -> Answer:
        used = self._take(count)
        return self._answer(self._solve_members(used, target), used, iterations)

    def _take(self, count: int) -> int:
        """Fill the members with all rows that can be broken, or with all rows; return how many."""
        if self._screening:
            return breakable(self.normals, self.offsets, count, self.lower, self.upper, self._members)
        self._members[:count] = np.arange(count)
        return count

    @staticmethod
    def _answer(solution: QpSolution, used: int, iterations: int) -> Answer:
        slack = float(solution.slack.max()) if used and solution.found else 0.0
        return Answer(
            solution.found,
            solution.u,
            slack,
            int(solution.tier),
            used,
            solution.residual,
            iterations + solution.iterations,
            solution.reason,
        )

    def _solve_members(self, used: int, target: Array) -> QpSolution:
        normals, offsets, tiers = self._picked
        gather(self.normals, self.offsets, self.tiers, self._members, used, normals, offsets, tiers)
        return self._solver.solve(
            QpProblem(
                target, self._weight, normals[:used], offsets[:used], tiers[:used], self.lower, self.upper
            )
        )
