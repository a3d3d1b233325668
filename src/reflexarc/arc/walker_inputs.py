# SPDX-License-Identifier: Apache-2.0
"""From the newest measurements of a quadruped to the state that a tick judges.

Joint states and odometry arrive one by one; the newest of each make the state, whose stamp is that of the older one.
Names and frames are passed on as they came: what does not fit is for the arc to refuse.
"""

from reflexarc.arc.config import ArcConfig
from reflexarc.core.arm_wire import ArmRecord, JointReading
from reflexarc.core.types import JointProposal, Mode, WalkerState
from reflexarc.core.walker_interfaces import BODY
from reflexarc.core.walker_wire import TrunkReading
from reflexarc.core.wire import NO_STAMP


class WalkerInputs:
    """Holds the newest of each input; `state` is what the next tick sees."""

    def __init__(self, config: ArcConfig):
        """Start with nothing; `config` names the fixed frame."""
        self.frame_id = config.frame_id
        self.mode = Mode.NORMAL
        self.count = 0
        """Joint states taken so far."""
        self.forget()

    def forget(self) -> None:
        """Drop everything but the mode."""
        self.proposal: JointProposal | None = None
        self._joints: JointReading | None = None
        self._trunk: TrunkReading | None = None
        self._state: WalkerState | None = None

    def add_joints(self, joints: JointReading) -> None:
        """Take positions and velocities."""
        self._joints, self._state = joints, None
        self.count += 1

    def add_trunk(self, trunk: TrunkReading) -> None:
        """Take what the state estimator says."""
        self._trunk, self._state = trunk, None

    def add_proposal(self, proposal: JointProposal) -> None:
        """Take what the task policy wants."""
        self.proposal = proposal

    def state(self) -> WalkerState | None:
        """Return the state of everything taken so far, or None while a kind of input has never arrived."""
        joints, trunk = self._joints, self._trunk
        if self._state is None and joints is not None and trunk is not None:
            frame = trunk.frame_id
            if trunk.child_frame_id != BODY:  # velocities in another frame than is said here
                frame = f"{frame}, velocities in {trunk.child_frame_id!r}"
            self._state = WalkerState(
                min(joints.stamp, trunk.stamp),
                frame,
                trunk.orientation,
                trunk.velocity,
                trunk.rate,
                joints.joints,
                joints.position,
                joints.velocity,
            )
        return self._state

    def record(self, seq: int, lateness: float, late: int, state: WalkerState | None) -> ArmRecord:
        """Say which inputs the tick number `seq` used.

        Args:
            seq: ticks since activation.
            lateness: how much later than planned it began. [s]
            late: ticks so far that were too late.
            state: what `state` gave.
        """
        return ArmRecord(
            seq,
            lateness,
            late,
            state.stamp if state is not None else NO_STAMP,
            NO_STAMP,
            self.proposal.stamp if self.proposal is not None else NO_STAMP,
        )
