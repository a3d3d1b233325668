# SPDX-License-Identifier: Apache-2.0
"""Messages of a lock-step run as a recorder of the live stack would see them, written to MCAP without ROS.

Definitions of this project's messages are read from its workspace; those of the standard ones are spelled out.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from mcap_ros2.writer import Writer

from reflexarc.assurance.gate import SOURCES
from reflexarc.core import wire
from reflexarc.core.errors import RecordingError
from reflexarc.core.gate_interfaces import ACKNOWLEDGE, GATED, heartbeat_topic
from reflexarc.core.interfaces import LIDAR_FRAME
from reflexarc.core.plant import ContactEvent, Scan
from reflexarc.core.types import FIXED_FRAME, Array, BaseState, Mode, Obstacles, Verdict, Walls

TYPES = {
    "odom": "nav_msgs/Odometry",
    "obstacles": "reflexarc_msgs/TrackedObstacles",
    "scan": "sensor_msgs/LaserScan",
    "keepouts": "reflexarc_msgs/Walls",
    "proposal": "geometry_msgs/TwistStamped",
    "cmd_vel": "geometry_msgs/TwistStamped",
    "verdict": "reflexarc_msgs/Verdict",
    "joint_states": "sensor_msgs/JointState",
    "contact_events": "reflexarc_msgs/ContactEvent",
    "mode": "reflexarc_msgs/Mode",
    ACKNOWLEDGE: "std_msgs/String",
    GATED: "geometry_msgs/TwistStamped",
    **dict.fromkeys(map(heartbeat_topic, (*SOURCES, "gate")), "reflexarc_msgs/Heartbeat"),
}
"""Topic to its message."""
_MESSAGES = Path(__file__).resolve().parents[2] / "ros2_ws" / "src" / "reflexarc_msgs" / "msg"
_STANDARD = {
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec",
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id",
    "std_msgs/String": "string data",
    "geometry_msgs/Point": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/Vector3": "float64 x\nfloat64 y\nfloat64 z",
    "geometry_msgs/Quaternion": "float64 x\nfloat64 y\nfloat64 z\nfloat64 w",
    "geometry_msgs/Pose": "geometry_msgs/Point position\ngeometry_msgs/Quaternion orientation",
    "geometry_msgs/Twist": "geometry_msgs/Vector3 linear\ngeometry_msgs/Vector3 angular",
    "geometry_msgs/PoseWithCovariance": "geometry_msgs/Pose pose\nfloat64[36] covariance",
    "geometry_msgs/TwistWithCovariance": "geometry_msgs/Twist twist\nfloat64[36] covariance",
    "geometry_msgs/TwistStamped": "std_msgs/Header header\ngeometry_msgs/Twist twist",
    "nav_msgs/Odometry": "std_msgs/Header header\nstring child_frame_id\n"
    "geometry_msgs/PoseWithCovariance pose\ngeometry_msgs/TwistWithCovariance twist",
    "sensor_msgs/LaserScan": "std_msgs/Header header\nfloat32 angle_min\nfloat32 angle_max\nfloat32 angle_increment\n"
    "float32 time_increment\nfloat32 scan_time\nfloat32 range_min\nfloat32 range_max\nfloat32[] ranges\n"
    "float32[] intensities",
    "sensor_msgs/JointState": "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\n"
    "float64[] effort",
}


class MessageLog:
    """One recording under way; `send` returns the message as a receiver decodes it."""

    def __init__(self, path: Path):
        """Create the file.

        Raises:
            RecordingError: it exists, cannot be created, or a message's definition is not there.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb")
        except FileExistsError:
            raise RecordingError(f"{path} exists; a recording is not overwritten") from None
        except OSError as error:
            raise RecordingError(f"cannot write {path}: {error.strerror}") from error
        self._writer = Writer(self._file)
        self._schemas = {
            topic: self._writer.register_msgdef(name, definition(name)) for topic, name in TYPES.items()
        }
        self._count = dict.fromkeys(TYPES, 0)

    def send(self, topic: str, message: dict[str, Any], time: float) -> Any:
        """Write a message received at `time` [s] and return it with attributes."""
        self._writer.write_message(
            f"/{topic}",
            self._schemas[topic],
            message,
            log_time=round(time * wire.NS),
            sequence=self._count[topic],
        )
        self._count[topic] += 1
        return _attributes(message)

    def close(self, metadata: Mapping[str, str], attachments: Mapping[str, bytes]) -> None:
        """Add what the run was and finish the file."""
        self._writer.add_metadata("reflexarc", dict(metadata))
        for name, data in attachments.items():
            self._writer.add_attachment(0, 0, name, "text/yaml", data)
        self._writer.finish()
        self._file.close()


def definition(name: str) -> str:
    """Return the text of `package/Name`, then those of all messages in it, as an MCAP schema wants it.

    Raises:
        RecordingError: the project's workspace is not there.
    """
    seen: dict[str, str] = {}
    _collect(name, seen)
    parts = [seen.pop(name), *(f"MSG: {other}\n{text}" for other, text in seen.items())]
    return ("\n" + "=" * 80 + "\n").join(parts)


def _collect(name: str, seen: dict[str, str]) -> None:
    if name in seen:
        return
    package, short = name.split("/")
    try:
        text = _STANDARD.get(name) or (_MESSAGES / f"{short}.msg").read_text(encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"the definition of {name} is not at {_MESSAGES}: {error.strerror}") from error
    seen[name] = text
    for line in text.splitlines():
        kind = line.split("#")[0].strip().split(" ")[0].split("[")[0]
        if kind and kind[0].isupper():
            kind = f"{package}/{kind}"
        if "/" in kind:
            _collect(kind, seen)


def odometry(state: BaseState) -> dict[str, Any]:
    """Return nav_msgs/Odometry."""
    x, y, yaw = (float(value) for value in state.pose)
    pose = {
        "position": {"x": x, "y": y, "z": 0.0},
        "orientation": {"x": 0.0, "y": 0.0, "z": math.sin(yaw / 2), "w": math.cos(yaw / 2)},
    }
    return {
        "header": _header(state.stamp, FIXED_FRAME),
        "child_frame_id": "base_link",
        "pose": {"pose": pose, "covariance": [0.0] * 36},
        "twist": {"twist": _twist(state.twist), "covariance": [0.0] * 36},
    }


def obstacles(seen: Obstacles) -> dict[str, Any]:
    """Return reflexarc_msgs/TrackedObstacles."""
    rows = zip(
        seen.ids or [""] * len(seen),
        *(column.tolist() for column in (seen.position, seen.velocity, seen.radius)),
        *(column.tolist() for column in (seen.position_std, seen.velocity_std)),
        strict=True,
    )
    tracks = [
        {
            "id": name,
            "position": {"x": p[0], "y": p[1], "z": 0.0},
            "velocity": {"x": v[0], "y": v[1], "z": 0.0},
            "radius": radius,
            "position_std": p_std,
            "velocity_std": v_std,
        }
        for name, p, v, radius, p_std, v_std in rows
    ]
    return {"header": _header(seen.stamp, FIXED_FRAME), "obstacles": tracks}


def scan(seen: Scan) -> dict[str, Any]:
    """Return sensor_msgs/LaserScan, whose numbers are single precision."""

    def single(value: float) -> float:
        return float(np.float32(value))

    return {
        "header": _header(seen.stamp, LIDAR_FRAME),
        "angle_min": single(seen.angle_min),
        "angle_max": single(seen.angle_min + seen.angle_increment * (len(seen.ranges) - 1)),
        "angle_increment": single(seen.angle_increment),
        "time_increment": 0.0,
        "scan_time": 0.0,
        "range_min": single(seen.range_min),
        "range_max": single(seen.range_max),
        "ranges": np.float32(seen.ranges).tolist(),
        "intensities": [],
    }


def walls(seen: Walls | Array) -> dict[str, Any]:
    """Return reflexarc_msgs/Walls of the map's keep-outs, shape (m, 4). [m]"""
    segments = seen.segments if isinstance(seen, Walls) else seen
    return {
        "header": _header(0.0, FIXED_FRAME),
        "segments": np.asarray(segments, float).reshape(-1).tolist(),
    }


def twist_stamped(stamp: float, twist: Array) -> dict[str, Any]:
    """Return geometry_msgs/TwistStamped."""
    return {"header": _header(stamp, "base_link"), "twist": _twist(twist)}


def wheels(stamp: float, velocity: Array, torque: Array) -> dict[str, Any]:
    """Return sensor_msgs/JointState of the driven wheels. [rad/s, N m]"""
    return {
        "header": _header(stamp, ""),
        "name": ["wheel_left", "wheel_right"],
        "position": [],
        "velocity": velocity.tolist(),
        "effort": torque.tolist(),
    }


def contact(event: ContactEvent) -> dict[str, Any]:
    """Return reflexarc_msgs/ContactEvent."""
    numbers = ("start", "end", "partner", "impulse", "peak_force", "delta_v", "robot_speed")
    return {
        "header": _header(event.end, FIXED_FRAME),
        "contact_class": str(event.contact_class),
        **{name: getattr(event, name) for name in numbers},
        "position": {"x": event.position[0], "y": event.position[1], "z": 0.0},
    }


def mode(now: float, wanted: Mode, reason: str) -> dict[str, Any]:
    """Return reflexarc_msgs/Mode of a decision at time `now`. [s]"""
    return {"header": _header(now, ""), "mode": int(wanted), "reason": reason}


def heartbeat(source: str, seq: int, now: float, motion: bool) -> dict[str, Any]:
    """Return reflexarc_msgs/Heartbeat; in lock-step time and steady clock are one. [s]"""
    return {"header": _header(now, ""), "source": source, "seq": seq, "steady": now, "motion": motion}


def verdict(made: Verdict, record: wire.TickRecord, time_used: float) -> dict[str, Any]:
    """Return reflexarc_msgs/Verdict of a tick that took `time_used` [s] of the plant's computer.

    Wall times of this machine are left out, so that equal runs give equal bytes.
    """
    stamps = ("state_stamp", "obstacles_stamp", "walls_stamp", "walls_pose_stamp", "proposal_stamp")
    return {
        "header": _header(made.now, "base_link"),
        "seq": record.seq,
        "now": made.now,
        "command": _twist(made.command),
        "status": wire.STATUS_CODES.index(made.status),
        "mode": int(made.mode),
        **{
            name: getattr(made, name) for name in ("margin", "slack", "learned_margin", "uncertified", "risk")
        },
        "interventions": [
            {"stage": i.stage, "reason": i.reason, "change": i.change} for i in made.interventions
        ],
        "faults": list(made.faults),
        "time_used": time_used,
        "stage_times": [],
        "tick_lateness": record.lateness,
        **{name: getattr(record, name) for name in stamps},
    }


def _header(time: float, frame: str) -> dict[str, Any]:
    sec, nanosec = wire.split(time)
    return {"stamp": {"sec": sec, "nanosec": nanosec}, "frame_id": frame}


def _twist(twist: Array) -> dict[str, Any]:
    zero = {"x": 0.0, "y": 0.0, "z": 0.0}
    return {"linear": zero | {"x": float(twist[0])}, "angular": zero | {"z": float(twist[1])}}


def _attributes(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{key: _attributes(item) for key, item in value.items()})
    if isinstance(value, list):
        return [_attributes(item) for item in value] if value and isinstance(value[0], dict) else value
    return value
