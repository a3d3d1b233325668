# SPDX-License-Identifier: Apache-2.0
"""What the drive can do."""

from reflexarc.arc.stage import Tick
from reflexarc.robots import BaseRobot


class ActuatorLimitStage:
    """Scales the command until forward speed, yaw rate and both wheel speeds are within the drive's limits.

    Wheel speeds of a differential drive: v +- omega track / 2, each within the top speed. Scaling both
    components equally moves along the ray to zero, on which the stopping barrier only grows, so this stage
    cannot undo the barrier stage.
    """

    def __init__(self, robot: BaseRobot, name: str = "actuator_limits"):
        """Take the limits from the robot's parameters; it acts under `name`, before the barrier as well as after it."""
        self.name = name
        self._speed = robot.max_speed
        self._yaw_rate = robot.max_yaw_rate
        self._half_track = robot.track / 2.0

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, tick: Tick) -> None:
        """Scale the command by the smallest of the limits' shares."""
        forward, yaw = abs(float(tick.command[0])), abs(float(tick.command[1]))
        wheel = forward + yaw * self._half_track
        share = 1.0
        if wheel > self._speed:
            share = self._speed / wheel
        if yaw * share > self._yaw_rate:
            share = self._yaw_rate / yaw
        if share < 1.0:
            reason = (
                f"wheel speed {wheel:.2f} m/s or yaw rate {yaw:.2f} rad/s is above "
                f"{self._speed:.2f} m/s or {self._yaw_rate:.2f} rad/s"
            )
            tick.change(self.name, (share * tick.command[0], share * tick.command[1]), reason)
