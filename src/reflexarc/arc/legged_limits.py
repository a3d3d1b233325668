# SPDX-License-Identifier: Apache-2.0
"""What a legged robot's locomotion controller accepts."""

from reflexarc.arc.stage import Tick
from reflexarc.robots import LeggedRobot


class LeggedLimitStage:
    """Scales the body velocity until all of its components are within the limits.

    All components are scaled equally: along the ray to zero the disc barrier only grows, so this stage cannot undo the
    barrier stage.
    """

    def __init__(self, robot: LeggedRobot, name: str = "actuator_limits"):
        """Take the limits from the robot; it acts under `name`, before the barrier as well as after it."""
        self.name = name
        self._robot = robot

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, tick: Tick) -> None:
        """Scale the command by the smallest of the limits' shares."""
        command = tick.command.tolist()
        share = self._robot.share(*command)
        if share < 1.0:
            forward, left, yaw = command
            reason = f"velocity ({forward:.2f} m/s, {left:.2f} m/s, {yaw:.2f} rad/s) is beyond the limits of the gait"
            tick.change(self.name, [share * v for v in command], reason)
