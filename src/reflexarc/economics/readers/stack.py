# SPDX-License-Identifier: Apache-2.0
"""Our own runs: folders of `reflexarc run`, event logs and recordings.

A contact belongs to the mission during which it began. A mission that the run did not finish is counted as
skipped. Energy is known where something measured it; elsewhere the published model's constant force stands
in, with a note.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.core import wire
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc.core.types import Array
from reflexarc.economics.episodes import contact_class
from reflexarc.economics.outcomes import Outcome
from reflexarc.economics.readers.rows import TableBuilder
from reflexarc.economics.readers.tables import WORDS, read_json
from reflexarc.mission import Outcome as MissionOutcome

ENERGY_NOTE = (
    "energy was not measured; the published constant rolling force times the distance stands in for it"
)
J_PER_KWH = 3.6e6
_OUTCOME_BY_NUMBER = ("", "success", "cargo_lost", "physical_assistance", "timeout", "unfinished")
"""`MissionStatus.outcome` in the words of the missions."""
_ENDED = 2


@dataclass(frozen=True, slots=True)
class MissionRecord:
    """One mission that ended."""

    key: str
    start: float
    """[s]"""
    end: float
    """[s]"""
    outcome: str
    """In the words of `reflexarc.mission.Outcome`."""
    distance_m: float
    """[m]"""
    energy_kwh: float = math.nan
    """[kWh]"""


def outcome_of(word: str) -> Outcome | None:
    """Return the outcome for a mission's word; None for an unfinished one."""
    return None if word == MissionOutcome.UNFINISHED else WORDS[word]


def add_missions(
    builder: TableBuilder, missions: Sequence[MissionRecord], contacts: Sequence[ContactEvent]
) -> None:
    """Add the missions of one run with their contacts, which are in order of time or not."""
    for mission in missions:
        outcome = outcome_of(mission.outcome)
        if outcome is None:
            builder.skip(mission.outcome)
            continue
        if math.isnan(mission.energy_kwh):
            builder.note(ENERGY_NOTE)
        rows = [contact_row(c, mission.start) for c in contacts if mission.start <= c.start < mission.end]
        builder.add(
            mission.key,
            outcome,
            mission.end - mission.start,
            mission.distance_m,
            mission.energy_kwh,
            contacts=rows,
        )
    outside = sum(not any(m.start <= c.start < m.end for m in missions) for c in contacts)
    if outside:
        builder.note(f"{outside} contacts happened outside any mission and are not priced")


def contact_row(contact: ContactEvent, start: float) -> tuple[float, ...]:
    """Return a contact episode as a row for the table, in time since `start` [s]."""
    return (
        contact.end - start, contact_class(str(contact.contact_class), "contact"), contact.impulse, contact.delta_v,
        contact.peak_force, contact.robot_speed,
    )  # fmt: skip


def read_run(builder: TableBuilder, folder: Path, allow_incomplete: bool, prefix: str) -> None:
    """Add one run's folder: its array log, else its recording, else its event log; keys of missions begin
    with `prefix`.

    Raises:
        RecordingError: none of them is there or readable.
    """
    if (folder / "log.npz").exists():
        read_array_log(builder, folder / "log.npz", prefix)
    elif (folder / "run.mcap").exists():
        read_mcap(builder, folder / "run.mcap", allow_incomplete, prefix)
    elif (folder / "events.jsonl").exists():
        read_event_log(builder, folder / "events.jsonl", prefix)
    else:
        raise RecordingError(f"{folder}: neither log.npz nor run.mcap nor events.jsonl is there")


def read_array_log(builder: TableBuilder, path: Path, prefix: str) -> None:
    """Add a run that `RunLog.save` wrote.

    Raises:
        RecordingError: it is damaged, or older than structured mission events.
    """
    from reflexarc.report.runlog import RunLog  # noqa: PLC0415 - imports only what a log needs

    log = RunLog.load(path)
    way = (
        np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(log.pose[:, :2], axis=0).T))))
        if len(log.pose)
        else np.zeros(1)
    )
    times = log.time if len(log.time) else np.zeros(1)
    missions = _mission_records(log.events_of("mission"), prefix, str(path), times, way)
    add_missions(builder, missions, [_contact_of(event, str(path)) for event in log.events_of("contact")])


def read_event_log(builder: TableBuilder, path: Path, prefix: str) -> None:
    """Add a run from the event log of mission_node.

    Raises:
        RecordingError: it holds no structured mission events.
        ConfigError: it is not JSON.
    """
    rows = read_json(path)
    rows = rows if isinstance(rows, list) else [rows]
    missions = _mission_records(
        [r for r in rows if r.get("kind") == "mission"], prefix, str(path), None, None
    )
    contacts = [_contact_of(r, str(path)) for r in rows if r.get("kind") == "contact"]
    add_missions(builder, missions, contacts)


def read_mcap(builder: TableBuilder, path: Path, allow_incomplete: bool, prefix: str) -> None:
    """Add a recorded run: contacts, missions, odometry, and the battery where it was recorded.

    Raises:
        RecordingError: not a recording, one without missions or odometry, or a truncated one without
            `allow_incomplete`.
    """
    from reflexarc.report.recording import read_recording  # noqa: PLC0415 - only for recordings

    recording = read_recording(
        path, frozenset({"contact_events", "mission", "odom", "battery", "joint_states"})
    )
    if not recording.complete:
        if not allow_incomplete:
            raise RecordingError(
                f"{path}: {recording.describe_loss()}; nothing was computed (--allow-incomplete takes what is there)"
            )
        builder.note(f"{path.name}: {recording.describe_loss()}")
    poses = [wire.odometry_from(entry.message) for entry in recording.topic("odom")]
    times = np.array([p.stamp for p in poses])
    way = np.concatenate(
        (
            [0.0],
            np.cumsum([math.dist(a.pose[:2], b.pose[:2]) for a, b in zip(poses, poses[1:], strict=False)]),
        )
    )
    energy_drawn = _energy(recording.optional_topic("battery"), _battery_power)
    if energy_drawn is None:
        energy_drawn = _energy(recording.optional_topic("joint_states"), _wheel_power)
    missions = []
    for entry in recording.topic("mission"):
        message = entry.message
        if message.state != _ENDED:
            continue
        if not 0 < message.outcome < len(_OUTCOME_BY_NUMBER):
            raise RecordingError(
                f"{path}: mission {message.number}, field 'outcome': {message.outcome} is none of 1 to 5"
            )
        start, end = message.start, message.start + message.duration
        energy = (
            math.nan if energy_drawn is None else float(np.diff(np.interp((start, end), *energy_drawn))[0])
        )
        distance = float(np.diff(np.interp((start, end), times, way))[0])
        word = _OUTCOME_BY_NUMBER[message.outcome]
        missions.append(MissionRecord(f"{prefix}/{message.number}", start, end, word, distance, energy))
    contacts = [wire.contact_from(entry.message) for entry in recording.optional_topic("contact_events")]
    add_missions(builder, missions, contacts)


def _battery_power(message: Any) -> float:
    """Power out of the battery of a sensor_msgs/BatteryState, whose current is negative when it discharges. [W]"""
    return -message.voltage * message.current


def _wheel_power(message: Any) -> float:
    """Mechanical power of the joints of a sensor_msgs/JointState, sum of |torque x speed|. [W]"""
    return sum(abs(t * w) for t, w in zip(message.effort, message.velocity, strict=True))


def _energy(entries: Sequence[Any], power_of: Callable[[Any], float]) -> tuple[Array, Array] | None:
    """Return stamps [s] and the energy until then [kWh] by the trapezium rule; None for less than two messages."""
    if len(entries) < 2:
        return None
    stamps = np.array([wire.seconds(e.message.header.stamp) for e in entries])
    power = np.array([power_of(e.message) for e in entries])
    steps = 0.5 * (power[1:] + power[:-1]) * np.diff(stamps)
    return stamps, np.concatenate(([0.0], np.cumsum(steps))) / J_PER_KWH


def _mission_records(
    events: Sequence[dict[str, Any]], prefix: str, where: str, times: Array | None, way: Array | None
) -> list[MissionRecord]:
    started: dict[int, dict[str, Any]] = {}
    records = []
    for event in events:
        if "state" not in event:
            raise RecordingError(
                f"{where}: its mission events have no field 'state'; it was written by an older version"
            )
        if event["state"] == "started":
            started[event["number"]] = event
            continue
        begin = started.get(event["number"])
        start = event["time"] - event["duration"]
        if times is not None and way is not None:
            distance = float(np.diff(np.interp((start, event["time"]), times, way))[0])
        elif begin is not None and begin.get("odometer_m") is not None:
            distance = event["odometer_m"] - begin["odometer_m"]
        else:
            distance = 0.0 if event["outcome"] == MissionOutcome.UNFINISHED else math.nan
        energy = math.nan
        if begin is not None and event.get("energy_kwh") is not None and begin.get("energy_kwh") is not None:
            energy = event["energy_kwh"] - begin["energy_kwh"]
        records.append(
            MissionRecord(
                f"{prefix}/{event['number']}", start, event["time"], event["outcome"], distance, energy
            )
        )
    return records


def _contact_of(event: dict[str, Any], where: str) -> ContactEvent:
    fields = ("start", "end", "contact_class", "partner", "impulse", "peak_force", "delta_v", "robot_speed")
    missing = [name for name in fields if name not in event]
    if missing:
        raise RecordingError(
            f"{where}: a contact lacks {', '.join(missing)}; it was written by an older version"
        )
    try:
        kind = ContactClass(event["contact_class"])
    except ValueError:
        raise ConfigError(f"{where}: unknown contact class {event['contact_class']!r}") from None
    values = [float(event[name]) for name in fields if name not in ("contact_class", "partner")]
    start, end, impulse, peak, delta_v, speed = values
    return ContactEvent(start, end, kind, str(event["partner"]), impulse, peak, delta_v, speed, (0.0, 0.0))
