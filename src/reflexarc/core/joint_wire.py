# SPDX-License-Identifier: Apache-2.0
"""Core types of any robot that is driven joint by joint from messages, without ROS."""

from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.types import Array, Verdict
from reflexarc.core.wire import judged_from, seconds


class JointReading(NamedTuple):
    """What one message of joint states says."""

    stamp: float
    """[s]"""
    joints: tuple[str, ...]
    """Names as they came; nothing is sorted here."""
    position: Array
    """Shape (n,). [rad] NaN where the message has another number of them than of names."""
    velocity: Array
    """Shape (n,). [rad/s] NaN likewise."""


class JointRecord(NamedTuple):
    """What a verdict message of such a robot says beyond the verdict. Negative stamps: there was none."""

    seq: int
    """Ticks since activation."""
    lateness: float
    """How much later than planned the tick began. [s]"""
    late: int
    """Ticks since activation that began later than half a period after their time."""
    state_stamp: float
    """Of the joint state. [s]"""
    wrench_stamp: float
    """[s]"""
    proposal_stamp: float
    """[s]"""


def joints_from(msg: Any) -> JointReading:
    """Decode sensor_msgs/JointState.

    Its `frame_id` says nothing: angles have no frame. A list that is not as long as the names cannot be told apart from
    that of another robot; it becomes NaN, on which the arc stops its own.
    """
    names = tuple(msg.name)
    return JointReading(
        seconds(msg.header.stamp), names, _as_long(msg.position, names), _as_long(msg.velocity, names)
    )


def _as_long(values: Any, names: tuple[str, ...]) -> Array:
    array = np.array(values, dtype=np.float64)
    return array if array.shape == (len(names),) else np.full(len(names), np.nan)


def joint_command_from(msg: Any, joints: int) -> Array:
    """Decode torques [N m] or angles [rad] from std_msgs/Float64MultiArray, shape (joints,). NaN for another number."""
    array = np.array(msg.data, dtype=np.float64)
    return array if array.shape == (joints,) else np.full(joints, np.nan)


def joint_verdict_from(msg: Any) -> tuple[Verdict, JointRecord]:
    """Decode reflexarc_msgs/ArmVerdict but for what only one kind of robot says."""
    verdict = Verdict(command=np.array(msg.command, dtype=np.float64), **judged_from(msg))
    return verdict, JointRecord(
        msg.seq, msg.tick_lateness, msg.late, msg.state_stamp, msg.wrench_stamp, msg.proposal_stamp
    )


def xyz_from(msg: Any) -> Array:
    """Decode a point or a vector, shape (3,)."""
    return np.array((msg.x, msg.y, msg.z))
