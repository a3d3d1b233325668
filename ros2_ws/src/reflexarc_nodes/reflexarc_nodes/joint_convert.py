# SPDX-License-Identifier: Apache-2.0
"""Messages of any robot that is driven joint by joint; the other direction is `reflexarc.core.joint_wire`."""

from reflexarc_msgs import msg as messages
from sensor_msgs.msg import JointState as JointStateMessage
from std_msgs.msg import Float64MultiArray

from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.types import Array, JointState, Verdict, WalkerState
from reflexarc_nodes.convert import header_to, judged


def joints_to(state: JointState | WalkerState, velocity: Array, effort: Array) -> JointStateMessage:
    """Return the joints of a state, their velocities [rad/s] and torques [N m]; angles have no frame."""
    return JointStateMessage(
        header=header_to(state.stamp, ""),
        name=state.joints,
        position=state.position.tolist(),
        velocity=velocity.tolist(),
        effort=effort.tolist(),
    )


def joint_command_to(values: Array) -> Float64MultiArray:
    """Return torques [N m] or angles [rad] as ros2_control's forward controllers take them."""
    return Float64MultiArray(data=values.tolist())


def joint_verdict_to(verdict: Verdict, record: JointRecord, frame_id: str) -> messages.ArmVerdict:
    """Return a verdict together with the inputs that it used, but for what only one kind of robot says."""
    return messages.ArmVerdict(
        **judged(verdict, record, frame_id),
        command=verdict.command.tolist(),
        late=record.late,
        wrench_stamp=record.wrench_stamp,
    )
