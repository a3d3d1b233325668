# SPDX-License-Identifier: Apache-2.0
"""What a crowd is to a plant: somebody who says, many times a second, where every pedestrian wants to be."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reflexarc.core.types import Array

PEDESTRIAN_RADIUS = 0.25  # [m] half of the shoulder width of an adult, about 0.46 m, plus clothing
PEDESTRIAN_MASS = 75.0  # [kg] mean adult mass of human-impact standards (ISO/TS 15066 Annex A uses 75 kg)
CROWD_PERIOD = 0.025  # [s] time between two decisions of the crowd


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the crowd perceives of the rest of the world at one instant."""

    time: float
    """Time since reset. [s]"""
    bodies: Array
    """Where the pedestrians' bodies really are, shape (n, 2). [m]"""
    robot_pose: Array
    """x, y, yaw of the robot, shape (3,). [m, m, rad]"""
    robot_velocity: Array
    """Velocity of the robot in the fixed frame, shape (2,). [m/s]"""
    robot_size: tuple[float, float]
    """Length and width of its footprint. [m]"""
    touched: frozenset[int]
    """Pedestrians that the robot has touched since the last decision."""


@dataclass(frozen=True, slots=True)
class Intent:
    """Where the pedestrians want to be and how fast they want to go there."""

    position: Array
    """Shape (n, 2). [m]"""
    velocity: Array
    """Shape (n, 2). [m/s]"""
    present: np.ndarray
    """Whether each is in the scene at all, shape (n,), bool."""


class Crowd(Protocol):
    """Source of pedestrians; everything random derives from the generator given at construction."""

    count: int
    """Number of bodies needed; fixed for a run."""

    def start(self, robot_pose: Array) -> Intent:
        """Place everybody at time 0, at least 3 m from the robot."""
        ...

    def step(self, seen: Surroundings) -> Intent:
        """Decide for the next `CROWD_PERIOD`."""
        ...


class NoCrowd:
    """Nobody."""

    count = 0

    def start(self, robot_pose: Array) -> Intent:
        """Return an intent of nobody."""
        return Intent(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, bool))

    def step(self, seen: Surroundings) -> Intent:
        """Return an intent of nobody."""
        return self.start(seen.robot_pose)
