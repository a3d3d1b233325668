# SPDX-License-Identifier: Apache-2.0
r"""The one problem that every barrier filter poses, and the one answer that it gets.

    minimise   sum_j w_j (u_j - u_nom,j)^2 / 2
    subject to A u <= b        (one tier per row)
               lower <= u <= upper

A barrier h with L_f h + L_g h u + alpha(h) >= 0 gives the row -L_g h u <= L_f h + alpha(h).
"""

from enum import IntEnum
from typing import NamedTuple

import numpy.typing as npt

from reflexarc.core.types import Array


class Tier(IntEnum):
    """What gives way first when not all rows can hold; bounds and HARD rows never do."""

    HARD = 0
    """Limits of actuators and joints."""
    COLLISION = 1
    """Collision and self-collision."""
    COMFORT = 2
    """Work space, distance from singularities, task limits: relaxed before any COLLISION row."""


class QpProblem(NamedTuple):
    """Data of one filter problem."""

    target: Array
    """u_nom, shape (n,)."""
    weight: Array
    """w, positive, shape (n,)."""
    rows: Array
    """A, shape (m, n)."""
    offsets: Array
    """b, shape (m,)."""
    tiers: npt.NDArray
    """`Tier` of each row, shape (m,)."""
    lower: Array
    """Shape (n,)."""
    upper: Array
    """Shape (n,)."""


class QpSolution(NamedTuple):
    """Answer of the filter, and what an independent check thinks of it."""

    found: bool
    """Whether `u` passed the check within the bounds on slack; nothing else may be sent."""
    u: Array
    """Minimiser, shape (n,); meaningless unless `found`."""
    duals: Array
    """Multipliers of the bounds (negative at a lower one), then of the rows (>= 0); shape (n + m,).

    Of the last programme that was solved: where rows were relaxed, of the relaxed one.
    """
    slack: Array
    """By how much u breaks each row, max(0, A u - b) in the row's units; shape (m,)."""
    tier: int
    """Most important tier that was relaxed (`Tier.COLLISION` before `Tier.COMFORT`); -1 if none was."""
    active: tuple[int, ...]
    """Rows with a positive multiplier."""
    residual: float
    """Worst of the check's primal and dual residuals, in units of sqrt(w) u."""
    iterations: int
    """Of the solver, over all programmes solved."""
    seconds: float
    """Wall time of everything. [s]"""
    reason: str
    """Empty for an answer without slack; otherwise what happened, as a sentence."""
