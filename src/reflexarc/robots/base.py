# SPDX-License-Identifier: Apache-2.0
"""A differential-drive base: geometry and limits from `models/<name>/robot.yaml`, each with unit and source."""

import math
from dataclasses import dataclass
from pathlib import Path

from reflexarc.core.errors import ModelError
from reflexarc.core.paths import model_dir
from reflexarc.robots.parameters import ROUNDING, parameter, read_parameters


@dataclass(frozen=True, slots=True)
class BaseRobot:
    """Parameters of a mobile base; its footprint is a rectangle centred at base_link."""

    name: str
    mjcf: Path
    """Model file of the simulation."""
    mass: float = parameter("kg", 1.0, 5000.0)
    length: float = parameter("m", 0.05, 20.0)
    """Extent along x."""
    width: float = parameter("m", 0.05, 20.0)
    """Extent along y."""
    height: float = parameter("m", 0.05, 20.0)
    max_speed: float = parameter("m/s", 0.01, 30.0)
    max_reverse_speed: float = parameter("m/s", 0.0, 30.0)
    max_yaw_rate: float = parameter("rad/s", 0.01, 20.0)
    max_acceleration: float = parameter("m/s^2", 0.01, 50.0)
    max_deceleration: float = parameter("m/s^2", 0.01, 50.0)
    """Guaranteed when braking, together with `actuation_latency`."""
    max_yaw_acceleration: float = parameter("rad/s^2", 0.01, 100.0)
    max_yaw_deceleration: float = parameter("rad/s^2", 0.01, 100.0)
    """Guaranteed when braking, together with `actuation_latency`."""
    actuation_latency: float = parameter("s", 0.0, 1.0)
    """From a command to its effect: dead time and servo lag."""
    wheel_radius: float = parameter("m", 0.01, 2.0)
    track: float = parameter("m", 0.05, 10.0)
    """Distance between the driven wheels."""
    lidar_x: float = parameter("m", -10.0, 10.0)
    lidar_y: float = parameter("m", -10.0, 10.0)
    lidar_z: float = parameter("m", 0.0, 10.0)
    """Above ground."""
    lidar_yaw: float = parameter("rad", -math.pi, math.pi)
    tilt_limit: float = parameter("rad", 0.05, math.pi / 2)
    """Tilt beyond which the robot has rolled over."""

    components = 2
    """Velocity components of a command: forward and yaw."""

    @property
    def lidar_mount(self) -> tuple[float, float, float]:
        """x, y, yaw of the lidar in base_link. [m, m, rad]"""
        return self.lidar_x, self.lidar_y, self.lidar_yaw

    def exceeds(self, forward: float, yaw: float) -> bool:
        """Whether a command is beyond the drive's limits, up to rounding. [m/s, rad/s]"""
        return abs(forward) > self.max_speed * (1.0 + ROUNDING) or abs(yaw) > self.max_yaw_rate * (
            1.0 + ROUNDING
        )


def load_robot(name: str) -> BaseRobot:
    """Read and check a robot's parameters.

    Raises:
        UnknownNameError: there is no such robot.
        ModelError: a parameter is missing, unknown, without source, in another unit or out of bounds.
    """
    folder = model_dir(name)
    path = folder / "robot.yaml"
    data, values = read_parameters(path, BaseRobot)
    mjcf = folder / str(data.get("mjcf", ""))
    if not mjcf.is_file():
        raise ModelError(f"{path}: the model file {mjcf.name!r} named by 'mjcf' is missing")
    return BaseRobot(name=name, mjcf=mjcf, **values)
