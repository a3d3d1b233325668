# SPDX-License-Identifier: Apache-2.0
"""From the newest measurements of an arm to the state that a tick judges.

Joint states and wrenches arrive one by one, each with a stamp of its own; the newest of each make the state.
"""

from reflexarc.arc.joint_inputs import JointInputs
from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.types import JointState, Spheres, Wrench


class ArmInputs(JointInputs):
    """Joint states, and what acts on the tool; `state` is what the next tick sees."""

    def forget(self) -> None:
        """Drop everything but the mode."""
        super().forget()
        self.wrench: Wrench | None = None

    def add_wrench(self, wrench: Wrench) -> None:
        """Take what acts on the tool."""
        self.wrench, self._state = wrench, None

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

    def record(self, seq: int, lateness: float, late: int, state: JointState | None) -> JointRecord:
        """Say which inputs the tick number `seq` used, the wrench among them."""
        record = super().record(seq, lateness, late, state)
        if state is None or state.wrench is None:
            return record
        return record._replace(wrench_stamp=state.wrench.stamp)
