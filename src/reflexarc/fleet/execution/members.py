# SPDX-License-Identifier: Apache-2.0
"""What is known of a fleet under way: numbers of execution, members, and what happened."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from reflexarc.core.types import Array


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """Numbers of execution."""

    radius: float
    """Of every disc in execution: footprint, error of tracking and `tolerance`. [m]"""
    plan_radius: float
    """Of every disc in planning; larger, so that pieces can be ordered. [m]"""
    tolerance: float = 0.15
    """A piece is done when the robot is as near to its end. [m]"""
    ahead: float = 4.0
    """A permission ends at the first vertex that is as far ahead, or before. [m]"""
    off_track: float = 0.6
    """A robot farther from its track makes no progress. [m]"""
    replan_after: float = 8.0
    """Delay beyond that at the last plan after which another plan is looked for. [s]"""
    better_by: float = 3.0
    """By how much the sum of arrivals must fall for a plan to be changed because of delays. [s]"""
    stall: float = 15.0
    """A robot that did not move for so long although it may is expected to stand as long again. [s]"""
    retry: float = 5.0
    """Time between two attempts for robots without a way, and between two plans because of delays. [s]"""
    tries: int = 8
    """Orders that are tried in a plan for several robots."""


class FleetEvent(NamedTuple):
    """Something that happened."""

    time: float
    kind: str
    """`goal`, `arrival`, `plan`, `partial`, `kept`, `blocked`, `free`, `lost`, `joined` or `off_track`."""
    robot: str
    """Empty where it concerns several."""
    text: str


@dataclass(slots=True)
class Member:
    """One robot."""

    name: str
    goal: int | None = None
    """Where it is to go; None where it stands idle."""
    planned: bool = True
    """Whether its track leads to its goal."""
    lost: bool = False
    seen: float = 0.0
    """When it last made progress. [s]"""
    late: float = 0.0
    """Its delay at the last plan. [s]"""
    off: bool = False
    """Whether it is beside its track."""
    permitted: float = 0.0
    """How far along its track it may drive. [m]"""
    place: Array = field(default_factory=lambda: np.zeros(2))
    """Where it was last seen, shape (2,). [m]"""
