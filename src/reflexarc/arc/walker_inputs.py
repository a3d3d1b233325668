# SPDX-License-Identifier: Apache-2.0
"""From the newest measurements of a quadruped to the state that a tick judges.

Joint states and odometry arrive one by one; the newest of each make the state, whose stamp is that of the older one.
Frames are passed on as they came: what does not fit is for the arc to refuse.
"""

from reflexarc.arc.joint_inputs import JointInputs
from reflexarc.core.types import WalkerState
from reflexarc.core.walker_interfaces import BODY
from reflexarc.core.walker_wire import TrunkReading


class WalkerInputs(JointInputs):
    """Joint states, and what a state estimator says of the trunk; `state` is what the next tick sees."""

    def forget(self) -> None:
        """Drop everything but the mode."""
        super().forget()
        self._trunk: TrunkReading | None = None

    def add_trunk(self, trunk: TrunkReading) -> None:
        """Take what the state estimator says."""
        self._trunk, self._state = trunk, None

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
