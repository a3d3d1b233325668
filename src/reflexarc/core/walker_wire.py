# SPDX-License-Identifier: Apache-2.0
"""Core types of a quadruped from messages, without ROS; joint states are decoded by `reflexarc.core.joint_wire`."""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.joint_wire import JointRecord, joint_verdict_from, joints_from, xyz_from
from reflexarc.core.types import Array, JointProposal, Verdict, WalkerVerdict
from reflexarc.core.wire import seconds


class TrunkReading(NamedTuple):
    """What one message of odometry says of a trunk."""

    stamp: float
    """[s]"""
    frame_id: str
    """Fixed frame of place and orientation."""
    child_frame_id: str
    """Frame of both velocities."""
    position: Array
    """Shape (3,). [m]"""
    orientation: Array
    """Quaternion, w first, shape (4,)."""
    velocity: Array
    """Shape (3,). [m/s]"""
    rate: Array
    """Angular velocity, shape (3,). [rad/s]"""


class Command(NamedTuple):
    """How fast a quadruped is to walk."""

    stamp: float
    """[s]"""
    velocity: Array
    """Ahead, to the left, yaw rate, in base_link, shape (3,). [m/s, m/s, rad/s]"""


def trunk_from(msg: Any) -> TrunkReading:
    """Decode nav_msgs/Odometry."""
    pose, twist, q = msg.pose.pose, msg.twist.twist, msg.pose.pose.orientation
    return TrunkReading(
        seconds(msg.header.stamp),
        msg.header.frame_id,
        msg.child_frame_id,
        xyz_from(pose.position),
        np.array((q.w, q.x, q.y, q.z)),
        xyz_from(twist.linear),
        xyz_from(twist.angular),
    )


def targets_from(msg: Any) -> JointProposal:
    """Decode a proposal from sensor_msgs/JointState; NaN where it has another number of positions than of names."""
    reading = joints_from(msg)
    return JointProposal(reading.stamp, reading.joints, reading.position)


def command_from(msg: Any) -> Command:
    """Decode geometry_msgs/TwistStamped."""
    twist = msg.twist
    return Command(seconds(msg.header.stamp), np.array((twist.linear.x, twist.linear.y, twist.angular.z)))


def push_from(msg: Any) -> Array:
    """Decode the force of geometry_msgs/WrenchStamped, shape (3,). [N]"""
    return xyz_from(msg.wrench.force)


def walker_verdict_from(msg: Any) -> tuple[Verdict, JointRecord]:
    """Decode reflexarc_msgs/ArmVerdict of a quadruped; it says nothing of the threshold."""
    verdict, record = joint_verdict_from(msg)
    return dataclasses.replace(verdict, walker=WalkerVerdict(msg.reflex, msg.reflexes, math.nan)), record
