# SPDX-License-Identifier: Apache-2.0
"""Write a recording of a short run of the real arc, the way the recorder does, without ROS."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from mcap_ros2.writer import Writer

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.arc.inputs import ArcInputs
from reflexarc.core import wire
from reflexarc.core.types import FIXED_FRAME, Mode, Verdict
from reflexarc.report.recorded_config import ATTACHMENT
from tests.cli.definitions import definition

TYPES = {
    "odom": "nav_msgs/Odometry",
    "obstacles": "reflexarc_msgs/TrackedObstacles",
    "scan": "sensor_msgs/LaserScan",
    "proposal": "geometry_msgs/TwistStamped",
    "keepouts": "reflexarc_msgs/Walls",
    "verdict": "reflexarc_msgs/Verdict",
    "clearance": "sensor_msgs/Range",
    "contact_events": "reflexarc_msgs/ContactEvent",
}
CONFIG = {"robot": "segway_e1", "rate_hz": 200.0}


class AsMessage:
    """A nested dictionary seen as a message with attributes, as the decoders of the nodes see it."""

    def __init__(self, data: dict):
        for key, value in data.items():
            setattr(self, key, _as_message(value))


def write_recording(
    path: Path,
    seconds: float = 2.0,
    change: Callable[[int, dict], None] | None = None,
    finish: bool = True,
    chunk_size: int = 16384,
    learned: bool = False,
) -> list[Verdict]:
    """Drive the arc past a crossing pedestrian and record everything; return the verdicts.

    `change(seq, verdict message)` may falsify a verdict before it is written.
    """
    beside = {"learned": {"enabled": True}} if learned else {}
    arc = build_arc(ArcConfig.from_dict(CONFIG | beside))
    inputs = ArcInputs(ArcConfig.from_dict(CONFIG | beside), needs_map=True)
    verdicts = []
    writer = Writer(str(path), chunk_size=chunk_size)
    schemas = {topic: writer.register_msgdef(name, definition(name)) for topic, name in TYPES.items()}
    writer.add_metadata("reflexarc", {"scenario": "test", "seed": "3"})
    scenario = {"name": "test", "robot": "segway_e1", "arc": {"enabled": True, "rate_hz": 200.0, **beside}}
    writer.add_attachment(0, 0, ATTACHMENT, "text/yaml", yaml.safe_dump(scenario).encode())
    arrived = 0

    def send(topic: str, message: dict) -> AsMessage:
        nonlocal arrived
        arrived += 10_000
        writer.write_message(f"/{topic}", schemas[topic], message, log_time=arrived, sequence=0)
        return AsMessage(message)

    keepouts = {"header": header(0.0), "segments": [0.0, 2.5, 20.0, 2.5]}
    inputs.add_keepouts(wire.walls_from(send("keepouts", keepouts)))
    rng = np.random.default_rng(3)
    x, v = 0.0, 0.0
    for tick in range(round(seconds * 200)):
        now = tick * 0.005
        inputs.add_odometry(wire.odometry_from(send("odom", odometry(now, x, v))))
        if tick % 10 == 0:
            inputs.add_obstacles(
                wire.obstacles_from(send("obstacles", pedestrian(now, 2.0, 1.2 - 0.9 * now, -0.9)))
            )
            proposal = wire.proposal_from(send("proposal", twist_stamped(now, 1.5, 0.1 * rng.normal())))
            send(
                "clearance", {"header": header(now), "range": 1.0 - 0.1 * now} | dict.fromkeys(_RANGE_REST, 0)
            )
        if tick % 20 == 0:
            inputs.add_scan(wire.scan_from(send("scan", scan(now, rng))), "lidar")
        verdict = arc.tick(inputs.state(), proposal, Mode.NORMAL, now)
        verdicts.append(verdict)
        message = verdict_message(verdict, tick, inputs, proposal.stamp)
        if change is not None:
            change(tick, message)
        send("verdict", message)
        v += float(np.clip(verdict.command[0] - v, -0.012, 0.005))
        x += v * 0.005
    send("contact_events", contact(1.0))
    if finish:
        writer.finish()
    return verdicts


def header(time: float, frame: str = FIXED_FRAME) -> dict:
    sec, nanosec = wire.split(time)
    return {"stamp": {"sec": sec, "nanosec": nanosec}, "frame_id": frame}


def odometry(time: float, x: float, v: float) -> dict:
    zero = {"x": 0.0, "y": 0.0, "z": 0.0}
    return {
        "header": header(time),
        "child_frame_id": "base_link",
        "pose": {
            "pose": {
                "position": zero | {"x": x},
                "orientation": zero | {"z": math.sin(0.05), "w": math.cos(0.05)},
            },
            "covariance": [0.0] * 36,
        },
        "twist": {"twist": {"linear": zero | {"x": v}, "angular": zero}, "covariance": [0.0] * 36},
    }


def pedestrian(time: float, x: float, y: float, vy: float) -> dict:
    track = {
        "id": "pedestrian_1",
        "position": {"x": x, "y": y, "z": 0.0},
        "velocity": {"x": 0.0, "y": vy, "z": 0.0},
        "radius": 0.25,
        "position_std": 0.05,
        "velocity_std": 0.1,
    }
    return {"header": header(time), "obstacles": [track]}


def twist_stamped(time: float, v: float, w: float) -> dict:
    zero = {"x": 0.0, "y": 0.0, "z": 0.0}
    return {
        "header": header(time, "base_link"),
        "twist": {"linear": zero | {"x": v}, "angular": zero | {"z": w}},
    }


def scan(time: float, rng: np.random.Generator) -> dict:
    ranges = np.float32(rng.uniform(3.0, 12.0, 90)).tolist()
    numbers = {"angle_min": -3.125, "angle_max": 3.125, "angle_increment": 0.0625, "time_increment": 0.0}
    numbers |= {"scan_time": 0.125, "range_min": 0.125, "range_max": 15.0}
    return {"header": header(time, "lidar"), **numbers, "ranges": ranges, "intensities": []}


def contact(time: float) -> dict:
    return {
        "header": header(time),
        "start": time,
        "end": time + 0.25,
        "contact_class": "pedestrian",
        "partner": "pedestrian_1",
        "impulse": 12.5,
        "peak_force": 300.0,
        "delta_v": 0.1,
        "robot_speed": 0.5,
        "position": {"x": 2.0, "y": 0.5, "z": 0.0},
    }


def verdict_message(verdict: Verdict, seq: int, inputs: ArcInputs, proposal_stamp: float) -> dict:
    state = inputs.state()
    zero = {"x": 0.0, "y": 0.0, "z": 0.0}
    return {
        "header": header(verdict.now, "base_link"),
        "seq": seq,
        "now": verdict.now,
        "command": {
            "linear": zero | {"x": float(verdict.command[0])},
            "angular": zero | {"z": float(verdict.command[1])},
        },
        "status": wire.STATUS_CODES.index(verdict.status),
        "mode": int(verdict.mode),
        "margin": verdict.margin,
        "slack": verdict.slack,
        "learned_margin": verdict.learned_margin,
        "uncertified": verdict.uncertified,
        "risk": verdict.risk,
        "interventions": [
            {"stage": i.stage, "reason": i.reason, "change": i.change} for i in verdict.interventions
        ],
        "faults": list(verdict.faults),
        "time_used": verdict.time_used,
        "stage_times": list(verdict.stage_times),
        "tick_lateness": 1e-4,
        "state_stamp": state.stamp,
        "obstacles_stamp": state.obstacles.stamp,
        "walls_stamp": state.walls.stamp,
        "walls_pose_stamp": inputs.walls_pose_stamp,
        "proposal_stamp": proposal_stamp,
    }


_RANGE_REST = ("radiation_type", "field_of_view", "min_range", "max_range", "variance")


def _as_message(value):
    if isinstance(value, dict):
        return AsMessage(value)
    if isinstance(value, list):
        return [_as_message(item) for item in value]
    return value
