# SPDX-License-Identifier: Apache-2.0
"""Post-check: the last look at the command before it leaves, made on the numbers themselves.

It trusts no stage before it. What is not finite, not within the drive's limits, larger than the proposal allows or not
admissible under the barrier becomes zero velocity, with a fault: reaching this stage with such a command is a defect.
"""

import math

from reflexarc.arc.barrier_stage import BarrierStage
from reflexarc.arc.legged_barrier import LeggedBarrierStage
from reflexarc.arc.stage import Tick
from reflexarc.core.types import Status
from reflexarc.robots import BaseRobot, LeggedRobot


class PostCheckStage:
    """Refuses a base's command that is not finite, beyond the limits or not admissible."""

    name = "post_check"

    def __init__(
        self,
        robot: BaseRobot | LeggedRobot,
        barrier: BarrierStage | LeggedBarrierStage,
        enforce_barrier: bool,
    ):
        """Take the limits from the robot and the rows from the barrier stage."""
        self._robot = robot
        self._barrier = barrier
        self._enforce = enforce_barrier

    def reset(self) -> None:
        """Nothing to forget."""

    def apply(self, tick: Tick) -> None:
        """Pass the command or stop the robot; update the margin if a later stage changed the command."""
        command = tick.command.tolist()
        if not all(map(math.isfinite, command)):
            self._refuse(tick, "the command is not finite")
        elif self._robot.exceeds(*command):
            self._refuse(tick, f"the command {_text(command)} is beyond the drive's limits")
        elif self._enforce and not self._barrier.admissible(*command):
            self._refuse(tick, f"the command {_text(command)} violates the barrier")
        self._barrier.measure(tick)

    def _refuse(self, tick: Tick, reason: str) -> None:
        tick.stop(self.name, Status.BACKUP, f"{reason}: brake", "postcheck_failed")


def _text(command: list[float]) -> str:
    """Write a command with its units: velocities over ground, then the yaw velocity."""
    *along, yaw = command
    return f"({''.join(f'{v:.3f} m/s, ' for v in along)}{yaw:.3f} rad/s)"
