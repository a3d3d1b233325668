# SPDX-License-Identifier: Apache-2.0
"""Core types of an arm from messages, without ROS; the counterpart of `reflexarc.core.wire` for bases."""

from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.types import Array, ContactVerdict, ImpedanceProposal, Intervention, Mode, Verdict, Wrench
from reflexarc.core.wire import STATUS_CODES, seconds


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


class ArmRecord(NamedTuple):
    """What a verdict message of an arm says beyond the verdict. Negative stamps: there was none."""

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


def joints_from(msg: Any) -> JointReading:
    """Decode sensor_msgs/JointState.

    Its `frame_id` says nothing: angles have no frame. A list that is not as long as the names cannot be told apart from
    that of another arm; it becomes NaN, on which the arc stops the arm.
    """
    names = tuple(msg.name)
    return JointReading(
        seconds(msg.header.stamp), names, _as_long(msg.position, names), _as_long(msg.velocity, names)
    )


def _as_long(values: Any, names: tuple[str, ...]) -> Array:
    array = np.array(values, dtype=np.float64)
    return array if array.shape == (len(names),) else np.full(len(names), np.nan)


def wrench_from(msg: Any) -> Wrench:
    """Decode geometry_msgs/WrenchStamped."""
    return Wrench(
        seconds(msg.header.stamp), msg.header.frame_id, _xyz(msg.wrench.force), _xyz(msg.wrench.torque)
    )


def impedance_from(msg: Any) -> ImpedanceProposal:
    """Decode reflexarc_msgs/ImpedanceProposal."""
    return ImpedanceProposal(
        seconds(msg.header.stamp),
        msg.header.frame_id,
        _xyz(msg.target),
        np.array(msg.stiffness, dtype=np.float64).reshape(3, 3),
    )


def effort_from(msg: Any, joints: int) -> Array:
    """Decode torques from std_msgs/Float64MultiArray, shape (joints,). [N m] NaN for another number of them."""
    array = np.array(msg.data, dtype=np.float64)
    return array if array.shape == (joints,) else np.full(joints, np.nan)


def path_from(msg: Any) -> Array:
    """Decode the places of nav_msgs/Path, shape (n, 3). [m]"""
    points = [_xyz(p.pose.position) for p in msg.poses]
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


def arm_verdict_from(msg: Any) -> tuple[Verdict, ArmRecord]:
    """Decode reflexarc_msgs/ArmVerdict."""
    verdict = Verdict(
        now=msg.now,
        command=np.array(msg.command, dtype=np.float64),
        status=STATUS_CODES[msg.status],
        mode=Mode(msg.mode),
        margin=msg.margin,
        slack=msg.slack,
        risk=msg.risk,
        interventions=tuple(Intervention(i.stage, i.reason, i.change) for i in msg.interventions),
        faults=tuple(msg.faults),
        learned_margin=msg.learned_margin,
        uncertified=msg.uncertified,
        contact=_contact(msg) if msg.contact else None,
        time_used=msg.time_used,
        stage_times=tuple(float(t) for t in msg.stage_times),
    )
    return verdict, ArmRecord(
        msg.seq, msg.tick_lateness, msg.late, msg.state_stamp, msg.wrench_stamp, msg.proposal_stamp
    )


def _contact(msg: Any) -> ContactVerdict:
    return ContactVerdict(
        tip=_xyz(msg.tip),
        velocity=_xyz(msg.velocity),
        force=_xyz(msg.force),
        reference=_xyz(msg.reference),
        stiffness=np.array(msg.stiffness, dtype=np.float64).reshape(3, 3),
        push=msg.push,
        peak=msg.peak,
        braking=msg.braking,
        tank=msg.tank,
        underflows=msg.underflows,
        reflex=msg.reflex,
        reflexes=msg.reflexes,
    )


def _xyz(msg: Any) -> Array:
    return np.array((msg.x, msg.y, msg.z))
