# SPDX-License-Identifier: Apache-2.0
"""Messages from core types; the other direction is `reflexarc.core.wire`, which a replay shares."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, PoseStamped, Quaternion, Twist, TwistStamped, Vector3
from nav_msgs.msg import Odometry, Path
from reflexarc_msgs import msg as messages
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState, LaserScan, Range
from std_msgs.msg import Header

from reflexarc.core.interfaces import BODY_FRAME, LIDAR_FRAME
from reflexarc.core.joint_wire import JointRecord
from reflexarc.core.plant import CargoEvent, ContactEvent, RolloverEvent, Scan
from reflexarc.core.types import (
    FIXED_FRAME,
    Array,
    BaseState,
    Mode,
    Obstacles,
    Plan,
    PlanRisk,
    Verdict,
    Walls,
)
from reflexarc.core.wire import STATUS_CODES, TickRecord, split
from reflexarc.economics import Statement
from reflexarc.mission import Mission, MissionEnded, MissionStarted, Outcome
from reflexarc_nodes.health import Health

_STATUS_NUMBER = {status: number for number, status in enumerate(STATUS_CODES)}
OUTCOME_NUMBER = {
    Outcome.SUCCESS: messages.MissionStatus.SUCCESS,
    Outcome.CARGO_LOST: messages.MissionStatus.CARGO_LOST,
    Outcome.PHYSICAL_ASSISTANCE: messages.MissionStatus.PHYSICAL_ASSISTANCE,
    Outcome.TIMEOUT: messages.MissionStatus.TIMEOUT,
    Outcome.UNFINISHED: messages.MissionStatus.UNFINISHED,
}
"""Outcome by the number that MissionStatus.msg gives it."""
_ULTRASOUND = 0
"""Range.radiation_type; the message knows no other word for a distance that nobody radiates."""


def time_to(stamp: float) -> Time:
    """Return a stamp [s] as a message."""
    whole, rest = split(stamp)
    return Time(sec=whole, nanosec=rest)


def header_to(stamp: float, frame_id: str) -> Header:
    """Return a header."""
    return Header(stamp=time_to(stamp), frame_id=frame_id)


def clock_to(now: float) -> Clock:
    """Return simulated time [s] as a message."""
    return Clock(clock=time_to(now))


def xyz(values: Sequence[float] | Array) -> dict[str, float]:
    """Return the fields of a Point or a Vector3."""
    x, y, z = map(float, values)
    return {"x": x, "y": y, "z": z}


def yaw_to(yaw: float) -> Quaternion:
    """Return the rotation by `yaw` about z. [rad]"""
    return Quaternion(x=0.0, y=0.0, z=math.sin(yaw / 2.0), w=math.cos(yaw / 2.0))


def odometry_to(state: BaseState) -> Odometry:
    """Return pose and twist of a state."""
    message = Odometry(header=header_to(state.stamp, state.frame_id), child_frame_id=BODY_FRAME)
    x, y, yaw = map(float, state.pose)
    message.pose.pose.position = Point(x=x, y=y, z=0.0)
    message.pose.pose.orientation = yaw_to(yaw)
    _fill(message.twist.twist, state.twist)
    return message


def scan_to(scan: Scan, period: float) -> LaserScan:
    """Return a scan that took no time; `period` is the time between two scans [s]. Ranges become float32."""
    return LaserScan(
        header=header_to(scan.stamp, LIDAR_FRAME),
        angle_min=float(scan.angle_min),
        angle_max=float(scan.angle_min + scan.angle_increment * (len(scan.ranges) - 1)),
        angle_increment=float(scan.angle_increment),
        scan_time=float(period),
        range_min=float(scan.range_min),
        range_max=float(scan.range_max),
        ranges=np.asarray(scan.ranges, dtype=np.float32),
    )


def obstacles_to(obstacles: Obstacles) -> messages.TrackedObstacles:
    """Return tracked obstacles, or the true pedestrians."""
    ids = obstacles.ids or ("",) * len(obstacles)
    rows = zip(
        ids,
        obstacles.position.tolist(),
        obstacles.velocity.tolist(),
        obstacles.radius.tolist(),
        obstacles.position_std.tolist(),
        obstacles.velocity_std.tolist(),
        strict=True,
    )
    return messages.TrackedObstacles(
        header=header_to(obstacles.stamp, obstacles.frame_id),
        obstacles=[
            messages.TrackedObstacle(
                id=name,
                position=Point(x=p[0], y=p[1], z=0.0),
                velocity=Vector3(x=v[0], y=v[1], z=0.0),
                radius=radius,
                position_std=p_std,
                velocity_std=v_std,
            )
            for name, p, v, radius, p_std, v_std in rows
        ],
    )


def walls_to(walls: Walls, stamp: float) -> messages.Walls:
    """Return the map's keep-outs, read at `stamp` [s]."""
    return messages.Walls(header=header_to(stamp, walls.frame_id), segments=walls.segments.reshape(-1))


def twist_to(stamp: float, twist: Array) -> TwistStamped:
    """Return a proposal or a command of a base, see `_fill`."""
    message = TwistStamped(header=header_to(stamp, BODY_FRAME))
    _fill(message.twist, twist)
    return message


def _fill(message: Twist, twist: Array) -> None:
    """Write forward and yaw velocity, shape (2,), or forward, left and yaw velocity, shape (3,). [m/s, rad/s]"""
    message.linear.x, message.angular.z = float(twist[0]), float(twist[-1])
    if len(twist) == 3:
        message.linear.y = float(twist[1])


def plan_to(plan: Plan) -> Path:
    """Return a plan; each pose is stamped with its own time."""
    message = Path(header=header_to(plan.stamp, plan.frame_id))
    for time, (x, y, yaw) in zip(plan.time.tolist(), plan.pose.tolist(), strict=True):
        pose = PoseStamped(header=header_to(plan.stamp + time, plan.frame_id))
        pose.pose.position = Point(x=x, y=y, z=0.0)
        pose.pose.orientation = yaw_to(yaw)
        message.poses.append(pose)
    return message


def plan_risk_to(risk: PlanRisk, frame_id: str) -> messages.PlanRisk:
    """Return a judgement of a plan."""
    return messages.PlanRisk(
        header=header_to(risk.stamp, frame_id),
        now=risk.stamp,
        known=risk.known,
        accepted=risk.accepted,
        p=risk.p,
        ci_low=risk.ci_low,
        ci_high=risk.ci_high,
        upper=risk.upper,
        limit=risk.limit,
        n=risk.n,
        speed_scale=risk.speed_scale,
        lateral_offset=risk.lateral_offset,
        reason=risk.reason,
        seconds=risk.seconds,
    )


def mode_to(stamp: float, mode: Mode, reason: str) -> messages.Mode:
    """Return the supervisor's mode."""
    return messages.Mode(header=header_to(stamp, ""), mode=int(mode), reason=reason)


def verdict_to(verdict: Verdict, record: TickRecord) -> messages.Verdict:
    """Return a verdict together with the inputs that it used."""
    message = messages.Verdict(
        **judged(verdict, record, BODY_FRAME),
        obstacles_stamp=record.obstacles_stamp,
        walls_stamp=record.walls_stamp,
        walls_pose_stamp=record.walls_pose_stamp,
    )
    _fill(message.command, verdict.command)
    return message


def judged(verdict: Verdict, record: TickRecord | JointRecord, frame_id: str) -> dict[str, Any]:
    """Return what the messages of all verdicts have in common."""
    return {
        "header": header_to(verdict.now if math.isfinite(verdict.now) else 0.0, frame_id),
        "seq": record.seq,
        "now": verdict.now,
        "status": _STATUS_NUMBER[verdict.status],
        "mode": int(verdict.mode),
        "margin": float(verdict.margin),
        "slack": float(verdict.slack),
        "learned_margin": float(verdict.learned_margin),
        "uncertified": bool(verdict.uncertified),
        "risk": float(verdict.risk),
        "interventions": [
            messages.Intervention(stage=i.stage, reason=i.reason, change=float(i.change))
            for i in verdict.interventions
        ],
        "faults": list(verdict.faults),
        "time_used": verdict.time_used,
        "stage_times": verdict.stage_times,
        "tick_lateness": record.lateness,
        "state_stamp": record.state_stamp,
        "proposal_stamp": record.proposal_stamp,
    }


def route_to(stamp: float, route: Array) -> Path:
    """Return way points (n, 2) [m] as a path; each pose looks along its segment."""
    path = Path(header=header_to(stamp, FIXED_FRAME))
    ahead = np.diff(route, axis=0, append=2 * route[-1:] - route[-2:-1] if len(route) > 1 else route[-1:])
    for (x, y), (dx, dy) in zip(route.tolist(), ahead.tolist(), strict=True):
        pose = PoseStamped(header=path.header)
        pose.pose.position = Point(x=x, y=y, z=0.0)
        pose.pose.orientation = yaw_to(math.atan2(dy, dx))
        path.poses.append(pose)
    return path


def mission_to(
    event: MissionStarted | MissionEnded | None,
    mission: Mission | None,
    counters: Mapping[str, int | float],
    reason: str,
    now: float = 0.0,
) -> messages.MissionStatus:
    """Return the state of the missions after `event`; without one, that all are over at time `now` [s]."""
    kind = messages.MissionStatus
    message = kind(
        header=header_to(event.stamp if event is not None else now, FIXED_FRAME),
        state=kind.ALL_DONE,
        count=counters["missions"],
        successes=counters["successes"],
        start=-1.0,
        distance_to_goal=math.nan,
        reason=reason,
    )
    if event is None or mission is None:
        return message
    message.number, message.timeout = event.number, float(mission.timeout_s)
    message.goal = Point(x=float(mission.goal[0]), y=float(mission.goal[1]), z=0.0)
    if isinstance(event, MissionEnded):
        message.state, message.outcome = kind.ENDED, OUTCOME_NUMBER[event.outcome]
        message.start, message.duration = event.stamp - event.duration, event.duration
        message.distance_to_goal = event.distance_to_goal
    else:
        message.state, message.start = kind.UNDER_WAY, event.stamp
    return message


def clearance_to(stamp: float, distance: float, limit: float) -> Range:
    """Return the gap between footprint and nearest pedestrian [m]; inf when there is nobody. `limit` is the
    range. [m]
    """
    return Range(
        header=header_to(stamp, BODY_FRAME),
        radiation_type=_ULTRASOUND,
        field_of_view=2.0 * math.pi,
        min_range=0.0,
        max_range=limit,
        range=distance,
    )


def contact_to(event: ContactEvent) -> messages.ContactEvent:
    """Return a contact episode."""
    return messages.ContactEvent(
        header=header_to(event.end, FIXED_FRAME),
        start=float(event.start),
        end=float(event.end),
        contact_class=str(event.contact_class),
        partner=event.partner,
        impulse=float(event.impulse),
        peak_force=float(event.peak_force),
        delta_v=float(event.delta_v),
        robot_speed=float(event.robot_speed),
        position=Point(x=float(event.position[0]), y=float(event.position[1]), z=0.0),
    )


def cargo_to(event: CargoEvent) -> messages.CargoEvent:
    """Return a loss of cargo."""
    return messages.CargoEvent(header=header_to(event.stamp, BODY_FRAME), lost=event.lost, total=event.total)


def rollover_to(event: RolloverEvent) -> messages.RolloverEvent:
    """Return a rollover."""
    return messages.RolloverEvent(header=header_to(event.stamp, FIXED_FRAME), tilt=float(event.tilt))


def wheels_to(stamp: float, velocity: Array, torque: Array) -> JointState:
    """Return the left and right wheel: velocity [rad/s] and torque [N m], each of shape (2,)."""
    return JointState(
        header=header_to(stamp, ""),
        name=["wheel_left", "wheel_right"],
        velocity=velocity.tolist(),
        effort=torque.tolist(),
    )


def statement_to(statement: Statement, stamp: float) -> messages.EconomicStatement:
    """Return a cost statement; components that its model does not price are zero."""
    f = statement.figures
    low, high = statement.ci95["margin"] if statement.ci95 is not None else (f["margin"], f["margin"])
    same = (
        "capex",
        "electricity",
        "service",
        "pedestrian",
        "property",
        "repair",
        "opex",
        "revenue",
        "margin",
    )
    return messages.EconomicStatement(
        header=header_to(max(stamp, 0.0), ""),
        model=statement.model,
        revenue_convention=statement.convention,
        episodes=statement.n,
        skipped=statement.skipped,
        success=statement.shares["success"],
        **{name: f[name] for name in same},
        operator_cost=f.get("operator", 0.0),
        rescue=f.get("rescue", 0.0),
        margin_low=low,
        margin_high=high,
        probability_margin_positive=statement.probability_positive or 0.0,
        bep_runs=f["bep_runs"],
        payback_days=f["payback_days"],
        rankable=statement.rankable,
        notes=list(statement.notes),
    )


def diagnostics_to(stamp: float, parts: Iterable[tuple[str, Health]], hardware: str) -> DiagnosticArray:
    """Return the health of a node's parts, each (name, health)."""
    return DiagnosticArray(
        header=header_to(stamp, ""),
        status=[
            DiagnosticStatus(
                level=bytes([health.level]),
                name=name,
                message=health.text,
                hardware_id=hardware,
                values=[
                    KeyValue(key=k, value=f"{v:.6g}" if isinstance(v, float) else str(v))
                    for k, v in health.values.items()
                ],
            )
            for name, health in parts
        ],
    )


def transform_to(state: BaseState, child: str):
    """Return the transform from the fixed frame to `child`; needs tf2_msgs."""
    from geometry_msgs.msg import Transform, TransformStamped  # noqa: PLC0415
    from tf2_msgs.msg import TFMessage  # noqa: PLC0415

    x, y, yaw = map(float, state.pose)
    transform = Transform(translation=Vector3(x=x, y=y, z=0.0), rotation=yaw_to(yaw))
    header = header_to(state.stamp, state.frame_id)
    return TFMessage(transforms=[TransformStamped(header=header, child_frame_id=child, transform=transform)])
