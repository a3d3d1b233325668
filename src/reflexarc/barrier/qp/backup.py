# SPDX-License-Identifier: Apache-2.0
"""What is sent when the filter has no answer: the input of a backup law that was certified beforehand."""

from typing import NamedTuple, Protocol

from reflexarc.barrier.qp.filter import FilterQp
from reflexarc.barrier.qp.problem import QpProblem, QpSolution
from reflexarc.core.types import Array


class Backup(Protocol):
    """A law that keeps the system safe by itself from every state in which the filter is used."""

    def __call__(self) -> Array:
        """Return the backup input for the present state, shape (n,); never raises."""
        ...


class Filtered(NamedTuple):
    """What to send, and why."""

    u: Array
    """Input, shape (n,); always finite and within the bounds."""
    backup: bool
    """Whether `u` is the backup's."""
    solution: QpSolution


def filter_or_backup(solver: FilterQp, problem: QpProblem, backup: Backup) -> Filtered:
    """Return the filter's answer if there is one, otherwise the backup's input."""
    solution = solver.solve(problem)
    if solution.found:
        return Filtered(solution.u, False, solution)
    return Filtered(backup(), True, solution)
