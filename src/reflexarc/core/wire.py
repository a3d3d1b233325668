# SPDX-License-Identifier: Apache-2.0
"""Core types from messages, without ROS: anything with the fields of the message will do.

The nodes decode what arrives over DDS with these functions, and a replay decodes the same messages from a
recording with the same functions, so both see the same bits. A stamp travels as whole nanoseconds and
`seconds` is the one way back to float64. A time that has been through a message once is not changed by
further trips, `seconds(split(seconds(stamp))) == seconds(stamp)`; the first trip rounds to nanoseconds in
simulated time and, on the system clock, to the 0.24 us that float64 resolves there.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.plant import CargoEvent, ContactClass, ContactEvent, RolloverEvent, Scan
from reflexarc.core.types import (
    Array,
    Intervention,
    Mode,
    Obstacles,
    Plan,
    PlanRisk,
    Proposal,
    Status,
    Verdict,
    Walls,
)

NS = 1_000_000_000
"""Nanoseconds per second."""
STATUS_CODES: tuple[Status, ...] = tuple(Status)
"""Status by the number that Verdict.msg gives it."""
NO_STAMP = -1.0
"""Stamp in a verdict message of an input that the tick did not have. [s]"""


class Odometry(NamedTuple):
    """What one odometry message says."""

    stamp: float
    """[s]"""
    frame_id: str
    """Fixed frame of `pose`."""
    child_frame_id: str
    """Frame of `twist`."""
    pose: Array
    """x, y, yaw, shape (3,). [m, m, rad]"""
    twist: Array
    """Forward and yaw velocity, shape (2,), or forward, left and yaw velocity, shape (3,). [m/s, rad/s]"""


class TickRecord(NamedTuple):
    """What a verdict message says beyond the verdict: which inputs the tick used. Negative stamps: there
    was none.
    """

    seq: int
    """Ticks since activation."""
    lateness: float
    """How much later than planned the tick began. [s]"""
    state_stamp: float
    """[s]"""
    obstacles_stamp: float
    """[s]"""
    walls_stamp: float
    """[s]"""
    walls_pose_stamp: float
    """Stamp of the odometry that placed the scan. [s]"""
    proposal_stamp: float
    """[s]"""


class Beat(NamedTuple):
    """What one heartbeat says."""

    source: str
    seq: int
    steady: float
    """Sender's steady clock. [s]"""
    motion: bool
    """Whether the sender lets the robot move."""


def split(time_s: float) -> tuple[int, int]:
    """Return a finite time [s] as whole seconds and nanoseconds, the two fields of a message's stamp."""
    whole = math.floor(time_s)
    rest = round((time_s - whole) * NS)
    return (whole + 1, 0) if rest == NS else (whole, rest)


def seconds(stamp: Any) -> float:
    """Return a message's stamp (`sec`, `nanosec`) in seconds."""
    return stamp.sec + stamp.nanosec * 1e-9


def yaw_of(quaternion: Any) -> float:
    """Return the heading of a rotation (`x`, `y`, `z`, `w`; any norm but 0). [rad] NaN for a quaternion
    that is none.
    """
    x, y, z, w = quaternion.x, quaternion.y, quaternion.z, quaternion.w
    norm = x * x + y * y + z * z + w * w
    if not norm > 0.0 or not math.isfinite(norm):
        return math.nan
    return math.atan2(2.0 * (w * z + x * y), norm - 2.0 * (y * y + z * z))


def twist_from(msg: Any, components: int = 2) -> Array:
    """Decode the components of geometry_msgs/Twist that a base has.

    Args:
        msg: the message.
        components: 2 for forward and yaw velocity, 3 for forward, left and yaw velocity of a legged robot.
    """
    if components == 3:
        return np.array((msg.linear.x, msg.linear.y, msg.angular.z))
    return np.array((msg.linear.x, msg.angular.z))


def odometry_from(msg: Any, components: int = 2) -> Odometry:
    """Decode nav_msgs/Odometry of a base with so many velocity components."""
    pose = msg.pose.pose
    return Odometry(
        seconds(msg.header.stamp),
        msg.header.frame_id,
        msg.child_frame_id,
        np.array((pose.position.x, pose.position.y, yaw_of(pose.orientation))),
        twist_from(msg.twist.twist, components),
    )


def scan_from(msg: Any) -> Scan:
    """Decode sensor_msgs/LaserScan."""
    ranges = np.asarray(msg.ranges, dtype=np.float64)
    stamp = seconds(msg.header.stamp)
    return Scan(stamp, msg.angle_min, msg.angle_increment, msg.range_min, msg.range_max, ranges)


def obstacles_from(msg: Any) -> Obstacles:
    """Decode reflexarc_msgs/TrackedObstacles."""
    rows = [
        (o.position.x, o.position.y, o.velocity.x, o.velocity.y, o.radius, o.position_std, o.velocity_std)
        for o in msg.obstacles
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    return Obstacles(
        stamp=seconds(msg.header.stamp),
        frame_id=msg.header.frame_id,
        position=table[:, 0:2],
        velocity=table[:, 2:4],
        radius=table[:, 4],
        position_std=table[:, 5],
        velocity_std=table[:, 6],
        ids=tuple(o.id for o in msg.obstacles),
    )


def walls_from(msg: Any) -> Walls:
    """Decode reflexarc_msgs/Walls; a map, so it does not age.

    A list whose length is no multiple of 4 cannot be a list of segments; it becomes one segment of NaN, on
    which the arc stops the robot.
    """
    flat = np.asarray(msg.segments, dtype=np.float64)
    segments = flat.reshape(-1, 4) if flat.size % 4 == 0 else np.full((1, 4), np.nan)
    return Walls(math.inf, msg.header.frame_id, segments)


def proposal_from(msg: Any, components: int = 2) -> Proposal:
    """Decode a proposal for a base with so many velocity components from geometry_msgs/TwistStamped."""
    return Proposal(seconds(msg.header.stamp), twist_from(msg.twist, components))


def covariance_from(msg: Any) -> Array:
    """Decode the covariance of x, y, yaw from nav_msgs/Odometry, shape (3, 3). [m^2, m rad, rad^2]"""
    full = np.asarray(msg.pose.covariance, dtype=np.float64).reshape(6, 6)
    return full[np.ix_((0, 1, 5), (0, 1, 5))]


def plan_from(msg: Any) -> Plan:
    """Decode a plan from nav_msgs/Path: each pose is stamped with its own time."""
    stamp = seconds(msg.header.stamp)
    rows = [
        (
            seconds(p.header.stamp) - stamp,
            p.pose.position.x,
            p.pose.position.y,
            yaw_of(p.pose.orientation),
        )
        for p in msg.poses
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Plan(stamp, msg.header.frame_id, table[:, 0], table[:, 1:])


def plan_risk_from(msg: Any) -> PlanRisk:
    """Decode reflexarc_msgs/PlanRisk."""
    return PlanRisk(
        stamp=msg.now,
        p=msg.p,
        ci_low=msg.ci_low,
        ci_high=msg.ci_high,
        limit=msg.limit,
        n=msg.n,
        known=msg.known,
        accepted=msg.accepted,
        upper=msg.upper,
        speed_scale=msg.speed_scale,
        lateral_offset=msg.lateral_offset,
        reason=msg.reason,
        seconds=msg.seconds,
    )


def mode_from(msg: Any) -> Mode:
    """Decode reflexarc_msgs/Mode; a number that is no mode means EMERGENCY_STOP."""
    return Mode(msg.mode) if 0 <= msg.mode <= max(Mode) else Mode.EMERGENCY_STOP


def heartbeat_from(msg: Any) -> Beat:
    """Decode reflexarc_msgs/Heartbeat."""
    return Beat(msg.source, msg.seq, msg.steady, msg.motion)


def route_from(msg: Any) -> Array:
    """Decode the way points of nav_msgs/Path, shape (n, 2). [m]"""
    points = [(p.pose.position.x, p.pose.position.y) for p in msg.poses]
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def judged_from(msg: Any) -> dict[str, Any]:
    """Decode the fields that the messages of all verdicts have in common."""
    return {
        "now": msg.now,
        "status": STATUS_CODES[msg.status],
        "mode": Mode(msg.mode),
        "margin": msg.margin,
        "slack": msg.slack,
        "risk": msg.risk,
        "interventions": tuple(Intervention(i.stage, i.reason, i.change) for i in msg.interventions),
        "faults": tuple(msg.faults),
        "learned_margin": getattr(
            msg, "learned_margin", math.nan
        ),  # recordings from before the field have none
        "uncertified": getattr(msg, "uncertified", False),
        "time_used": msg.time_used,
        "stage_times": tuple(float(t) for t in msg.stage_times),
    }


def verdict_from(msg: Any, components: int = 2) -> tuple[Verdict, TickRecord]:
    """Decode reflexarc_msgs/Verdict on a base with so many velocity components."""
    verdict = Verdict(command=twist_from(msg.command, components), **judged_from(msg))
    return verdict, TickRecord(
        msg.seq,
        msg.tick_lateness,
        msg.state_stamp,
        msg.obstacles_stamp,
        msg.walls_stamp,
        msg.walls_pose_stamp,
        msg.proposal_stamp,
    )


def contact_from(msg: Any) -> ContactEvent:
    """Decode reflexarc_msgs/ContactEvent."""
    return ContactEvent(
        msg.start,
        msg.end,
        ContactClass(msg.contact_class),
        msg.partner,
        msg.impulse,
        msg.peak_force,
        msg.delta_v,
        msg.robot_speed,
        (msg.position.x, msg.position.y),
    )


def cargo_from(msg: Any) -> CargoEvent:
    """Decode reflexarc_msgs/CargoEvent."""
    return CargoEvent(seconds(msg.header.stamp), msg.lost, msg.total)


def rollover_from(msg: Any) -> RolloverEvent:
    """Decode reflexarc_msgs/RolloverEvent."""
    return RolloverEvent(seconds(msg.header.stamp), msg.tilt)
