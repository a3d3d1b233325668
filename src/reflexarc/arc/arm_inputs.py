# SPDX-License-Identifier: Apache-2.0
"""From the newest measurements of an arm to the state that a tick judges.

Joint states and wrenches arrive one by one, each with a stamp of its own; the newest of each make the state. Names are
passed on as they came: joints of another arm, or in another order, are for the arc to refuse.
"""

from reflexarc.arc.config import ArcConfig
from reflexarc.core.arm_wire import ArmRecord, JointReading
from reflexarc.core.types import ImpedanceProposal, JointState, Mode, Spheres, Wrench
from reflexarc.core.wire import NO_STAMP


class ArmInputs:
    """Holds the newest of each input; `state` is what the next tick sees."""

    def __init__(self, config: ArcConfig):
        """Start with nothing; `config` names the frame of the arm's base."""
        self.frame_id = config.frame_id
        self.mode = Mode.NORMAL
        self.count = 0
        """Joint states taken so far."""
        self.forget()

    def forget(self) -> None:
        """Drop everything but the mode."""
        self.proposal: ImpedanceProposal | None = None
        self.wrench: Wrench | None = None
        self._joints: JointReading | None = None
        self._state: JointState | None = None

    def add_joints(self, joints: JointReading) -> None:
        """Take positions and velocities."""
        self._joints, self._state = joints, None
        self.count += 1

    def add_wrench(self, wrench: Wrench) -> None:
        """Take what acts on the tool."""
        self.wrench, self._state = wrench, None

    def add_proposal(self, proposal: ImpedanceProposal) -> None:
        """Take what the task policy wants."""
        self.proposal = proposal

    def state(self) -> JointState | None:
        """Return the state of everything taken so far, or None before the first joint state.

        Nothing tracks what is around the arm: that nobody is near is as new as the joint state.
        """
        joints = self._joints
        if self._state is None and joints is not None:
            around = Spheres.none(joints.stamp, self.frame_id)
            self._state = JointState(
                joints.stamp,
                self.frame_id,
                joints.joints,
                joints.position,
                joints.velocity,
                around,
                self.wrench,
            )
        return self._state

    def record(self, seq: int, lateness: float, late: int, state: JointState | None) -> ArmRecord:
        """Say which inputs the tick number `seq` used.

        Args:
            seq: ticks since activation.
            lateness: how much later than planned it began. [s]
            late: ticks so far that were too late.
            state: what `state` gave.
        """
        wrench = state.wrench if state is not None else None
        return ArmRecord(
            seq,
            lateness,
            late,
            state.stamp if state is not None else NO_STAMP,
            wrench.stamp if wrench is not None else NO_STAMP,
            self.proposal.stamp if self.proposal is not None else NO_STAMP,
        )
