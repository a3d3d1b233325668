# SPDX-License-Identifier: Apache-2.0
"""Core types of an arm from messages, without ROS; what it shares with others is in `reflexarc.core.joint_wire`."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.joint_wire import JointRecord, joint_verdict_from, xyz_from
from reflexarc.core.types import Array, ContactVerdict, ImpedanceProposal, Verdict, Wrench
from reflexarc.core.wire import seconds


class Truth(NamedTuple):
    """What a simulated tool truly did in k steps."""

    time: Array
    """Of each step, shape (k,). [s]"""
    tip: Array
    """Shape (k, 3). [m]"""
    velocity: Array
    """Shape (k, 3). [m/s]"""
    force: Array
    """Of the surroundings on the tool, shape (k, 3). [N]"""
    balls: Array
    """Centres of the balls at the last step, shape (b, 3). [m]"""
    work: float
    """Of the motors since the start. [J]"""
    pushes: int
    """That have begun since the start."""


def wrench_from(msg: Any) -> Wrench:
    """Decode geometry_msgs/WrenchStamped."""
    return Wrench(
        seconds(msg.header.stamp),
        msg.header.frame_id,
        xyz_from(msg.wrench.force),
        xyz_from(msg.wrench.torque),
    )


def impedance_from(msg: Any) -> ImpedanceProposal:
    """Decode reflexarc_msgs/ImpedanceProposal."""
    return ImpedanceProposal(
        seconds(msg.header.stamp),
        msg.header.frame_id,
        xyz_from(msg.target),
        np.array(msg.stiffness, dtype=np.float64).reshape(3, 3),
    )


def path_from(msg: Any) -> Array:
    """Decode the places of nav_msgs/Path, shape (n, 3). [m]"""
    points = [xyz_from(p.pose.position) for p in msg.poses]
    return np.array(points, dtype=np.float64).reshape(-1, 3)


def truth_from(msg: Any) -> Truth:
    """Decode reflexarc_msgs/ToolTruth."""
    tip, velocity, force, balls = (
        np.array(values, dtype=np.float64).reshape(-1, 3)
        for values in (msg.tip, msg.velocity, msg.force, msg.balls)
    )
    last = seconds(msg.header.stamp)
    times = last - msg.period * np.arange(len(tip) - 1, -1, -1)
    return Truth(times, tip, velocity, force, balls, msg.work, msg.pushes)


def tool_contact_from(msg: Any) -> dict[str, Any]:
    """Decode reflexarc_msgs/ToolContact into the fields of the plant's event."""
    place = (msg.place.x, msg.place.y, msg.place.z)
    return {
        "start": msg.start,
        "end": msg.end,
        "partner": msg.partner,
        "peak_force": msg.peak_force,
        "impulse": msg.impulse,
        "place": place,
    }


def arm_verdict_from(msg: Any) -> tuple[Verdict, JointRecord]:
    """Decode reflexarc_msgs/ArmVerdict of an arm."""
    verdict, record = joint_verdict_from(msg)
    return dataclasses.replace(verdict, contact=_contact(msg) if msg.contact else None), record


def _contact(msg: Any) -> ContactVerdict:
    return ContactVerdict(
        tip=xyz_from(msg.tip),
        velocity=xyz_from(msg.velocity),
        force=xyz_from(msg.force),
        reference=xyz_from(msg.reference),
        stiffness=np.array(msg.stiffness, dtype=np.float64).reshape(3, 3),
        push=msg.push,
        peak=msg.peak,
        braking=msg.braking,
        tank=msg.tank,
        underflows=msg.underflows,
        reflex=msg.reflex,
        reflexes=msg.reflexes,
    )
