# SPDX-License-Identifier: Apache-2.0
"""A legged base that takes a body velocity: geometry and limits from `models/<name>/legged.yaml`.

Its locomotion controller is its own; the arc decides which velocity reaches it. Every limit has unit and source.
"""

import math
from dataclasses import dataclass

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.paths import models_dir
from reflexarc.robots.parameters import ROUNDING, parameter, read_parameters

ENCOUNTER_STATE = ("r_x", "r_y", "w_x", "w_y", "p_x", "p_y")
"""State of a legged robot and one person along the axes of base_link: the person's place from the robot's centre [m],
the person's and the robot's velocity over ground [m/s]."""
PERSON_RADIUS = 0.3
"""Of a person in such a pair, as the tracker reports it. [m]"""


@dataclass(frozen=True, slots=True)
class LeggedRobot:
    """Parameters of a legged robot; its footprint is taken as the disc around base_link that holds its rectangle."""

    name: str
    mass: float = parameter("kg", 1.0, 1000.0)
    length: float = parameter("m", 0.05, 5.0)
    """Extent along x, standing."""
    width: float = parameter("m", 0.05, 5.0)
    """Extent along y, standing."""
    swing: float = parameter("m", 0.0, 1.0)
    """How far a foot can reach beyond the rectangle while walking."""
    max_forward_speed: float = parameter("m/s", 0.01, 20.0)
    max_backward_speed: float = parameter("m/s", 0.01, 20.0)
    max_lateral_speed: float = parameter("m/s", 0.01, 20.0)
    max_yaw_rate: float = parameter("rad/s", 0.01, 20.0)
    max_deceleration: float = parameter("m/s^2", 0.01, 50.0)
    """In any direction, guaranteed together with `actuation_latency`."""
    max_yaw_deceleration: float = parameter("rad/s^2", 0.01, 100.0)
    """Guaranteed together with `actuation_latency`."""
    actuation_latency: float = parameter("s", 0.0, 1.0)
    """From a command to its effect; for a gait at least half a stride."""
    lidar_x: float = parameter("m", -10.0, 10.0)
    lidar_y: float = parameter("m", -10.0, 10.0)
    lidar_yaw: float = parameter("rad", -math.pi, math.pi)
    components = 3
    """Velocity components of a command: forward, left and yaw."""

    @property
    def lidar_mount(self) -> tuple[float, float, float]:
        """x, y, yaw of the lidar in base_link. [m, m, rad]"""
        return self.lidar_x, self.lidar_y, self.lidar_yaw

    @property
    def radius(self) -> float:
        """Radius of the disc that holds the robot whatever way it faces. [m]"""
        return math.hypot(self.length, self.width) / 2.0 + self.swing

    @property
    def max_speed(self) -> float:
        """Largest speed over ground that any command within the limits has. [m/s]"""
        return math.hypot(max(self.max_forward_speed, self.max_backward_speed), self.max_lateral_speed)

    def share(self, forward: float, left: float, yaw: float) -> float:
        """Return the largest share in [0, 1] of a command that is within the limits. [m/s, m/s, rad/s]"""
        along = self.max_forward_speed if forward >= 0.0 else self.max_backward_speed
        excess = max(abs(forward) / along, abs(left) / self.max_lateral_speed, abs(yaw) / self.max_yaw_rate)
        return 1.0 if excess <= 1.0 else 1.0 / excess

    def exceeds(self, forward: float, left: float, yaw: float) -> bool:
        """Whether a command is beyond the limits, up to rounding. [m/s, m/s, rad/s]"""
        return self.share(forward, left, yaw) < 1.0 - ROUNDING


def load_legged(name: str) -> LeggedRobot:
    """Read and check a legged robot's parameters.

    Raises:
        UnknownNameError: there is no such legged robot; the message lists those that exist.
        ModelError: a parameter is missing, unknown, without source, in another unit or out of bounds.
    """
    root = models_dir()
    path = root / name / "legged.yaml"
    if not path.is_file():
        known = (p.parent.name for p in root.glob("*/legged.yaml"))
        raise UnknownNameError("legged robot", name, known, str(root))
    return LeggedRobot(name=name, **read_parameters(path, LeggedRobot)[1])
