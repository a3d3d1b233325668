# SPDX-License-Identifier: Apache-2.0
"""What an arm's filter answers, and how it names a row."""

from enum import IntEnum
from typing import NamedTuple

from reflexarc.barrier.arm.rows import BOX, KINDS, OBSTACLE, PAIR, PLANE
from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm


class Status(IntEnum):
    """How the command came about, from best to worst."""

    PASSED = 0
    """The proposal keeps every row: it is the command."""
    FILTERED = 1
    """The nearest command that keeps every row."""
    RELAXED = 2
    """No command keeps every row; softer rows were relaxed within the bound of the slack, see `slack` and `tier`."""
    BACKUP = 3
    """The backup action, for the reason given."""


class ArmVerdict(NamedTuple):
    """Answer of one tick."""

    command: Array
    """Joint velocities [rad/s] or torques [N m], shape (n,); always finite and within the hard limits."""
    status: Status
    reason: str
    """Empty unless RELAXED or BACKUP; with a learned barrier also where FILTERED: which rows bound."""
    h: float
    """Smallest distance of all spheres from what they must not touch; inf if there is nothing. [m]"""
    nearest: str
    """What `h` is between."""
    slack: float
    """Largest slack of any row, in the row's units (m/s or m/s^2)."""
    tier: int
    """Tier of `reflexarc.barrier.qp.Tier` that needed slack, -1 for none."""
    rows: int
    """Rows that were considered, screened ones included, without the bounds."""
    programme_rows: int
    """Rows of the last programme that was solved; 0 if none was."""
    residual: float
    """Worst residual of the solution in the check that is independent of the solver; 0 if none was solved."""
    iterations: int
    """Of all programmes of this tick."""
    seconds: float
    """Wall time of the tick. [s]"""
    learned_margin: float = float("nan")
    """Value of the learned barrier, -inf outside its region; NaN without one or after its failure. [m]"""
    learned_binds: bool = False
    """Whether the learned barrier admitted less of the proposal than the analytic rows."""
    uncertified: bool = False
    """Whether a learned barrier without a matching certificate took part."""


def describe(kind: int, first: int, second: int, arm: Arm) -> str:
    """Return a sentence's subject for a row's label."""
    links = arm.spheres.links
    if kind == OBSTACLE:
        return f"sphere {first} ({links[first]}) and obstacle {second}"
    if kind == PLANE:
        return f"sphere {first} ({links[first]}) and plane {second}"
    if kind == PAIR:
        return f"spheres {first} ({links[first]}) and {second} ({links[second]})"
    if kind == BOX:
        return f"{arm.end_effector} and the {'low' if second == 0 else 'high'} side of its box along {'xyz'[first]}"
    return KINDS[kind] if 0 <= kind < len(KINDS) else "nothing"
