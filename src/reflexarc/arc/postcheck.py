# SPDX-License-Identifier: Apache-2.0
"""Post-check: the last look at the command before it leaves, made on the numbers themselves.

It trusts no stage before it. What is not finite, not within the drive's limits, larger than the proposal allows or not
admissible under the barrier becomes zero velocity, with a fault: reaching this stage with such a command is a defect.
"""

import math

from reflexarc.arc.barrier_stage import BarrierStage
from reflexarc.arc.stage import Tick
from reflexarc.core.types import Status
from reflexarc.robots import BaseRobot

_ROUNDING = 1e-9


class PostCheckStage:
    """Refuses a command that is not finite, beyond the limits or not admissible."""

    name = "post_check"

    def __init__(self, robot: BaseRobot, barrier: BarrierStage, enforce_barrier: bool):
        """Take the limits from the robot and the rows from the barrier stage."""
        self._speed = robot.max_speed * (1.0 + _ROUNDING)
        self._yaw_rate = robot.max_yaw_rate * (1.0 + _ROUNDING)
        self._barrier = barrier
        self._enforce = enforce_barrier

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, tick: Tick) -> None:
        """Pass the command or stop the robot; update the margin if a later stage changed the command."""
        forward, yaw = float(tick.command[0]), float(tick.command[1])
        if not (math.isfinite(forward) and math.isfinite(yaw)):
            self._refuse(tick, "the command is not finite")
        elif abs(forward) > self._speed or abs(yaw) > self._yaw_rate:
            self._refuse(
                tick, f"the command ({forward:.3f} m/s, {yaw:.3f} rad/s) is beyond the drive's limits"
            )
        elif self._enforce and not self._barrier.admissible(forward, yaw):
            self._refuse(tick, f"the command ({forward:.3f} m/s, {yaw:.3f} rad/s) violates the barrier")
        self._barrier.measure(tick)

    def _refuse(self, tick: Tick, reason: str) -> None:
        tick.stop(self.name, Status.BACKUP, f"{reason}: brake", "postcheck_failed")
