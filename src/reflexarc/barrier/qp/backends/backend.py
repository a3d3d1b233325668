# SPDX-License-Identifier: Apache-2.0
"""What a solver must offer to be used by the filter."""

from typing import NamedTuple, Protocol

from reflexarc.core.types import Array


class Answer(NamedTuple):
    """What a solver says; nobody believes it before `kkt_residual` does."""

    z: Array
    """Candidate, shape (n,)."""
    duals: Array
    """Of the bounds (negative at a lower one), then of the rows; shape (n + m,)."""
    iterations: int
    infeasible: bool
    """The solver says that no point satisfies rows and bounds."""


class Backend(Protocol):
    """Solver of   minimise |z - z_0|^2 / 2   subject to   A z <= b,  lower <= z <= upper.

    The answer must be a function of the problem alone: whatever a solver keeps between calls (a workspace, a
    step size, a warm start) must not show in it, or a recorded run cannot be replayed bit by bit.
    """

    tolerance: float
    """KKT residual that the solver reaches on a well-conditioned problem."""

    def solve(self, target: Array, rows: Array, offsets: Array, lower: Array, upper: Array) -> Answer:
        """Solve for rows of unit length, shape (m, n) with m up to the capacity given at construction."""
        ...
