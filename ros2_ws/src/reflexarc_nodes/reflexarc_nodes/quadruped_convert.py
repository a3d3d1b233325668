# SPDX-License-Identifier: Apache-2.0
"""Messages of a quadruped from core types; the other direction is `reflexarc.core.walker_wire`."""

from geometry_msgs.msg import Point, Quaternion, TwistStamped, Vector3, WrenchStamped
from nav_msgs.msg import Odometry
from reflexarc_msgs import msg as messages
from sensor_msgs.msg import JointState as JointStateMessage
from std_msgs.msg import Float64MultiArray

from reflexarc.core.arm_wire import ArmRecord
from reflexarc.core.types import Array, JointProposal, Verdict, WalkerState
from reflexarc.core.walker_interfaces import BODY
from reflexarc_nodes.convert import header_to, judged, xyz


def walker_joints_to(state: WalkerState, effort: Array) -> JointStateMessage:
    """Return the joints of a state and their torques [N m]; angles have no frame."""
    return JointStateMessage(
        header=header_to(state.stamp, ""),
        name=state.joints,
        position=state.position.tolist(),
        velocity=state.joint_rate.tolist(),
        effort=effort.tolist(),
    )


def trunk_to(state: WalkerState, position: Array) -> Odometry:
    """Return place [m], orientation and velocities of the trunk."""
    message = Odometry(header=header_to(state.stamp, state.frame_id), child_frame_id=BODY)
    message.pose.pose.position = Point(**xyz(position))
    w, x, y, z = map(float, state.orientation)
    message.pose.pose.orientation = Quaternion(x=x, y=y, z=z, w=w)
    message.twist.twist.linear = Vector3(**xyz(state.velocity))
    message.twist.twist.angular = Vector3(**xyz(state.rate))
    return message


def targets_to(proposal: JointProposal) -> JointStateMessage:
    """Return a proposal: positions alone."""
    return JointStateMessage(
        header=header_to(proposal.stamp, ""), name=proposal.joints, position=proposal.target.tolist()
    )


def positions_to(targets: Array) -> Float64MultiArray:
    """Return targets [rad] as ros2_control's forward controller takes them."""
    return Float64MultiArray(data=targets.tolist())


def command_to(stamp: float, velocity: Array) -> TwistStamped:
    """Return how fast to walk: ahead, to the left, yaw rate. [m/s, m/s, rad/s]"""
    message = TwistStamped(header=header_to(stamp, BODY))
    message.twist.linear.x, message.twist.linear.y, message.twist.angular.z = map(float, velocity)
    return message


def push_to(stamp: float, force: Array) -> WrenchStamped:
    """Return a force on the trunk's origin. [N]"""
    message = WrenchStamped(header=header_to(stamp, BODY))
    message.wrench.force = Vector3(**xyz(force))
    return message


def walker_verdict_to(verdict: Verdict, record: ArmRecord) -> messages.ArmVerdict:
    """Return a verdict together with the inputs that it used."""
    inside = verdict.walker
    return messages.ArmVerdict(
        **judged(verdict, record, BODY),
        command=verdict.command.tolist(),
        late=record.late,
        wrench_stamp=record.wrench_stamp,
        reflex="" if inside is None else inside.reflex,
        reflexes=0 if inside is None else inside.reflexes,
    )
