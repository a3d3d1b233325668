# SPDX-License-Identifier: Apache-2.0
r"""The drive layer of the simulated robot: from a body velocity command to wheel speeds.

After a dead time the command is clipped to the speed and yaw-rate limits and followed with ramps: speeding up at the
robot's acceleration, slowing down at the (steeper) braking ramp. Differential drive with track b and wheel radius r:

    w_left = (v - omega b / 2) / r,   w_right = (v + omega b / 2) / r   [rad/s]

The wheels' velocity servos with their torque limit are in the MJCF. They get the torque that the ramp needs as a
feed-forward,

    tau_left, tau_right = r / 2 (m dv/dt -+ 2 I / b domega/dt)   [N m]

with the robot's mass m (cargo is not known to the drive) and yaw inertia I. Servos, ramps and feed-forward together are
what `max_deceleration` and `actuation_latency` in robot.yaml were measured on.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ModelError
from reflexarc.robots import BaseRobot


class WheelCommand(NamedTuple):
    """What one wheel's servo is told."""

    speed: float
    """[rad/s]"""
    torque: float
    """Feed-forward. [N m]"""


@dataclass(frozen=True, slots=True)
class DriveParameters:
    """Numbers from the `drive` section of robot.yaml."""

    dead_time: float
    """Time before a command has any effect. [s]"""
    braking_ramp: float
    """[m/s^2]"""
    yaw_braking_ramp: float
    """[rad/s^2]"""
    yaw_inertia: float
    """Of the robot without cargo, for the feed-forward. [kg m^2]"""


def load_drive(robot: BaseRobot) -> DriveParameters:
    """Read the `drive` section beside the robot's limits.

    Raises:
        ModelError: it is missing, incomplete, or its ramps are below the guaranteed deceleration.
    """
    path = robot.mjcf.parent / "robot.yaml"
    section = read_yaml(path).get("drive")
    names = DriveParameters.__dataclass_fields__
    if not isinstance(section, dict) or set(section) != set(names):
        raise ModelError(
            f"{path}: the section 'drive' must hold exactly {', '.join(names)}; found {section!r}"
        )
    try:
        drive = DriveParameters(**{name: float(section[name]["value"]) for name in names})
    except (TypeError, KeyError, ValueError) as error:
        raise ModelError(
            f"{path}: each entry of 'drive' must be {{value, unit, source}}: {error!r}"
        ) from error
    if not (math.isfinite(drive.dead_time) and 0.0 <= drive.dead_time <= robot.actuation_latency):
        raise ModelError(f"{path}: drive.dead_time {drive.dead_time} s must be 0 to actuation_latency")
    if drive.braking_ramp < robot.max_deceleration or drive.yaw_braking_ramp < robot.max_yaw_deceleration:
        raise ModelError(f"{path}: the braking ramps must not be below the guaranteed decelerations")
    return drive


class Drive:
    """State of the drive: queue of commands under way and the ramped velocity."""

    def __init__(self, robot: BaseRobot, drive: DriveParameters, period: float):
        """Prepare for steps of `period` [s]."""
        self._robot, self._drive, self._period = robot, drive, period
        self.reset()

    def reset(self) -> None:
        """Stand still, with no command under way."""
        self._queue = deque([(0.0, 0.0)] * round(self._drive.dead_time / self._period))
        self.v = self.omega = 0.0

    def step(self, v: float, omega: float) -> tuple[WheelCommand, WheelCommand]:
        """Advance one period towards v [m/s], omega [rad/s]; return what the left and the right servo are told."""
        robot, drive, dt = self._robot, self._drive, self._period
        self._queue.append((v, omega))
        v, omega = self._queue.popleft()
        v = min(max(v, -robot.max_reverse_speed), robot.max_speed)
        omega = min(max(omega, -robot.max_yaw_rate), robot.max_yaw_rate)
        v_before, omega_before = self.v, self.omega
        self.v = _ramp(self.v, v, robot.max_acceleration * dt, drive.braking_ramp * dt)
        self.omega = _ramp(self.omega, omega, robot.max_yaw_acceleration * dt, drive.yaw_braking_ramp * dt)
        half = self.omega * robot.track / 2
        push = robot.mass * (self.v - v_before) / dt
        turn = 2 * drive.yaw_inertia / robot.track * (self.omega - omega_before) / dt
        radius = robot.wheel_radius
        left = WheelCommand((self.v - half) / radius, radius / 2 * (push - turn))
        right = WheelCommand((self.v + half) / radius, radius / 2 * (push + turn))
        return left, right


def _ramp(now: float, wanted: float, up: float, down: float) -> float:
    """Move `now` towards `wanted`: by at most `down` while its magnitude falls, by at most `up` while it grows."""
    if now > 0.0 and wanted < now:
        return max(wanted, now - down) if wanted >= 0.0 else max(0.0, now - down)
    if now < 0.0 and wanted > now:
        return min(wanted, now + down) if wanted <= 0.0 else min(0.0, now + down)
    return now + min(max(wanted - now, -up), up)
