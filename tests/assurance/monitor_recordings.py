# SPDX-License-Identifier: Apache-2.0
"""Recordings of made-up runs for the monitors: what each message says is given as functions of time."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from mcap_ros2.writer import Writer

from reflexarc.core import wire
from reflexarc.core.types import Mode, Status
from reflexarc.report.recorded_config import ATTACHMENT
from reflexarc.report.recording import Recorded, Recording
from tests.cli.definitions import definition
from tests.cli.recordings import TYPES, AsMessage, header, odometry, pedestrian, twist_stamped

ALL_TYPES = TYPES | {"cmd_vel": "geometry_msgs/TwistStamped", "mode": "reflexarc_msgs/Mode"}
PERIOD = 0.01


SCENARIO = yaml.safe_dump({"robot": "segway_e1"}).encode()


def messages(topics: dict, seconds: float) -> Iterator[tuple[int, str, dict]]:
    """Yield tick, topic and message of a base's run.

    `topics` maps a topic to (period in samples, function of time to a message or None).
    """
    for tick in range(round(seconds / PERIOD)):
        for name, (every, message_at) in topics.items():
            message = message_at(tick * PERIOD) if tick % every == 0 else None
            if message is not None:
                yield tick, name, message


def recording(topics: dict, seconds: float = 3.0, attach: bool = True) -> Recording:
    """Return a recording as it is after reading."""
    made = Recording(Path("run.mcap"), complete=True, attachments={ATTACHMENT: SCENARIO} if attach else {})
    for tick, name, message in messages(topics, seconds):
        entry = Recorded(tick * PERIOD, f"/{name}", 0, AsMessage(message))
        made.topics.setdefault(f"/{name}", []).append(entry)
    return made


def write(path: Path, topics: dict, seconds: float = 1.0, finish: bool = True) -> Path:
    """Write a recording to a file."""
    writer = Writer(str(path), chunk_size=4096)
    schemas = {name: writer.register_msgdef(ALL_TYPES[name], definition(ALL_TYPES[name])) for name in topics}
    writer.add_attachment(0, 0, ATTACHMENT, "text/yaml", SCENARIO)
    for tick, name, message in messages(topics, seconds):
        writer.write_message(f"/{name}", schemas[name], message, log_time=tick, sequence=0)
    if finish:
        writer.finish()
    return path


def verdict(
    time: float, speed: float = 0.5, mode: Mode = Mode.NORMAL, status=Status.PASSED, faults=()
) -> dict:
    zero = {"x": 0.0, "y": 0.0, "z": 0.0}
    numbers = ("margin", "slack", "learned_margin", "risk", "time_used", "tick_lateness", "state_stamp")
    stamps = ("obstacles_stamp", "walls_stamp", "walls_pose_stamp", "proposal_stamp")
    return {
        "header": header(time, "base_link"),
        "seq": round(time / PERIOD),
        "now": time,
        "command": {"linear": zero | {"x": speed}, "angular": zero},
        "status": wire.STATUS_CODES.index(status),
        "mode": int(mode),
        "uncertified": False,
        "interventions": [],
        "faults": list(faults),
        "stage_times": [],
        **dict.fromkeys((*numbers, *stamps), 0.0),
    }


def calm(speed: float = 0.5) -> dict:
    """A base at constant speed with a person passing far to the left; every topic at its rate."""
    return {
        "odom": (1, lambda t: odometry(t, speed * t, speed)),
        "obstacles": (5, lambda t: pedestrian(t, 3.0, 5.0 - 0.5 * t, -0.5)),
        "cmd_vel": (1, lambda t: twist_stamped(t, speed, 0.1)),
        "verdict": (1, lambda t: verdict(t, speed)),
        "proposal": (5, lambda t: twist_stamped(t, speed, 0.1)),
    }
