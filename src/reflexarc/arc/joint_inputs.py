# SPDX-License-Identifier: Apache-2.0
"""What the inputs of arms and quadrupeds share: joint states and proposals, each the newest, and the record of a tick.

Names are passed on as they came: joints of another robot, or in another order, are for the arc to refuse.
"""

from typing import Any

from reflexarc.arc.config import ArcConfig
from reflexarc.core.joint_wire import JointReading, JointRecord
from reflexarc.core.types import Mode
from reflexarc.core.wire import NO_STAMP


class JointInputs:
    """Holds the newest of each input; what is new makes a new state."""

    def __init__(self, config: ArcConfig):
        """Start with nothing; `config` names the frame of states."""
        self.frame_id = config.frame_id
        self.mode = Mode.NORMAL
        self.count = 0
        """Joint states taken so far."""
        self.forget()

    def forget(self) -> None:
        """Drop everything but the mode."""
        self.proposal: Any = None
        self._joints: JointReading | None = None
        self._state: Any = None

    def add_joints(self, joints: JointReading) -> None:
        """Take positions and velocities."""
        self._joints, self._state = joints, None
        self.count += 1

    def add_proposal(self, proposal: Any) -> None:
        """Take what the task policy wants."""
        self.proposal = proposal

    def record(self, seq: int, lateness: float, late: int, state: Any) -> JointRecord:
        """Say which inputs the tick number `seq` used.

        Args:
            seq: ticks since activation.
            lateness: how much later than planned it began. [s]
            late: ticks so far that were too late.
            state: what the tick judged, or None.
        """
        return JointRecord(
            seq,
            lateness,
            late,
            state.stamp if state is not None else NO_STAMP,
            NO_STAMP,
            self.proposal.stamp if self.proposal is not None else NO_STAMP,
        )
