# SPDX-License-Identifier: Apache-2.0
"""Messages of a quadruped from core types; the other direction is `reflexarc.core.walker_wire`."""

from geometry_msgs.msg import Point, Quaternion, TwistStamped, Vector3, WrenchStamped
from nav_msgs.msg import Odometry
from reflexarc_msgs import msg as messages
from sensor_msgs.msg import JointState as JointStateMessage

from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.types import Array, JointProposal, Verdict, WalkerState
from reflexarc.core.walker_interfaces import BODY
from reflexarc_nodes.convert import header_to, xyz
from reflexarc_nodes.joint_convert import joint_verdict_to


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


def walker_verdict_to(verdict: Verdict, record: JointRecord) -> messages.ArmVerdict:
    """Return a verdict together with the inputs that it used."""
    message, inside = joint_verdict_to(verdict, record, BODY), verdict.walker
    if inside is not None:
        message.reflex, message.reflexes = inside.reflex, inside.reflexes
    return message
