# SPDX-License-Identifier: Apache-2.0
"""Logs of sessions: what each is, which part it has, and whether its verdicts replay to the bit.

A session is a folder of recordings. Sessions, never samples, are dealt in the order of their names: a quarter to
identification, a quarter to tuning, at least one each, the rest is held out and alone judges.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.assurance.twin.supervised import replay_modes
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.core.interfaces import interface
from reflexarc.report.recorded_config import recorded_arc_config
from reflexarc.report.recording import Recording, read_recording
from reflexarc.report.replay import replay

LEAST = 4
"""Sessions that a verdict needs: one to identify, one to tune, two held out."""
MANOEUVRES = "manoeuvres"
"""`drive` in the metadata of a recording of manoeuvres."""
CONTACT = "contact"
"""`drive` in the metadata of a recording that touches a bollard; every other drives the scenario."""
LOCK_STEP = ("surrogate", "twin")
"""`source` in the metadata of a recording made in lock-step, whose times are those of one clock."""
HEARING_S = 5.0
"""A live recorder may take so long, from the first verdict that it hears, to hear every input of the arc. [s]"""
_INPUTS = ("odom", "obstacles", "scan", "proposal")
_OF_SCENARIO = ("scenario_sha256", "table_sha256")


class Part(StrEnum):
    """What a session is used for."""

    IDENTIFICATION = "identification"
    TUNING = "tuning"
    HELD_OUT = "held-out"


@dataclass(frozen=True, slots=True)
class Log:
    """One recording of a session."""

    session: str
    part: Part
    sha256: str
    recording: Recording

    @property
    def meta(self) -> Mapping[str, str]:
        """What the recorder said about the run; empty where it said nothing."""
        return self.recording.metadata.get("reflexarc", {})

    @property
    def manoeuvres(self) -> bool:
        """Whether it drives manoeuvres, not the scenario."""
        return self.meta.get("drive") == MANOEUVRES

    @property
    def contact(self) -> bool:
        """Whether it touches a bollard, without the arc."""
        return self.meta.get("drive") == CONTACT

    @property
    def of_scenario(self) -> bool:
        """Whether it drives the scenario."""
        return not (self.manoeuvres or self.contact)


def read_sessions(paths: Sequence[Path]) -> list[Log]:
    """Read recordings and deal their sessions.

    Args:
        paths: recordings, or folders that hold them at any depth; a recording's folder is its session.

    Raises:
        ConfigError: too few sessions, or the same recording twice.
        RecordingError: a path holds none, or one is not whole.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(path.rglob("*.mcap")) if path.is_dir() else [path]
        if not found:
            raise RecordingError(f"{path}: no MCAP recording in this folder")
        files += found
    names = sorted({str(file.resolve().parent) for file in files})
    if len(names) < LEAST:
        raise ConfigError(
            f"{len(names)} sessions, at least {LEAST} are needed (one to identify, one to tune, two held out); a "
            "session is a folder of recordings; nothing was judged"
        )
    parts = dict(zip(names, deal(len(names)), strict=True))
    logs, seen = [], {}
    for file in sorted(files, key=lambda f: str(f.resolve())):
        recording = read_recording(file)
        if not recording.complete:
            raise RecordingError(f"{file}: {recording.describe_loss()}; an unfinished log judges nothing")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest in seen:
            raise ConfigError(f"{file} is the same recording as {seen[digest]}; one log counts once")
        seen[digest] = file
        folder = file.resolve().parent
        logs.append(Log(folder.name, parts[str(folder)], digest, recording))
    return logs


def deal(count: int) -> list[Part]:
    """Return the part of each of `count` sessions in order."""
    quarter = max(1, count // 4)
    return [Part.IDENTIFICATION] * quarter + [Part.TUNING] * quarter + [Part.HELD_OUT] * (count - 2 * quarter)


def manifest_problems(log: Log, hashes: Mapping[str, str]) -> list[str]:
    """Say where the log's hashes are not those of the twin; other drives have a scenario of their own."""
    problems = []
    for key, expected in hashes.items():
        found = log.meta.get(key)
        if key in _OF_SCENARIO and not log.of_scenario:
            continue
        if found != expected:
            problems.append(
                f"{log.recording.path}: {key} is {_short(found)} in the log and {_short(expected)} in the twin"
            )
    return problems


def replayed(log: Log) -> dict[str, Any]:
    """Replay the log through a fresh arc; `same` only if every verdict came out the same to the bit.

    A live recorder finds the topics one after the other. Ticks whose inputs came before it had found theirs are counted
    as `unheard`, cannot be replayed and are no difference; in lock-step there are none.

    Raises:
        RecordingError: it has no verdicts, or does not say with which configuration the arc ran.
    """
    result = replay(log.recording, recorded_arc_config(log.recording))
    early = set() if log.meta.get("source") in LOCK_STEP else _before_all_was_heard(log.recording)
    unheard = sum(seq in early for seq in result.missing)
    return {
        "log": str(log.recording.path),
        "ticks": result.ticks,
        "equal": result.equal,
        "missing": len(result.missing),
        "unheard": unheard,
        "gaps": result.gaps,
        "odometry_age": odometry_ages(log.recording),
        "recorder_pause_s": recorder_pause(log.recording),
        "first": str(result.differences[0]) if result.differences else "",
        "same": 0 < result.equal == result.ticks - unheard and not result.gaps,
    }


def odometry_ages(recording: Recording) -> dict[str, float]:
    """Return how old the odometry was that the ticks used: median, 99 % quantile and most. [s]

    Where the clock of a live simulation goes on while the plant is kept waiting, its commands are stamped as much later
    than the plant's time as the odometry is older than usual.
    """
    messages = [entry.message for entry in recording.topic("verdict")]
    ages = [m.now - m.state_stamp for m in messages if m.state_stamp >= 0.0] or [math.nan]
    return dict(
        zip(("p50_s", "p99_s", "max_s"), map(float, np.quantile(ages, [0.5, 0.99, 1.0])), strict=True)
    )


def recorder_pause(recording: Recording) -> float:
    """Return the longest time for which the recorder received nothing since its first odometry. [s]

    What it received afterwards in one go has lost its order, and with it when a simulated plant executed a command.
    """
    times = sorted(entry.log_time for entries in recording.topics.values() for entry in entries)
    begun = recording.topic("odom")[0].log_time
    return float(np.diff([time for time in times if time >= begun]).max(initial=0.0))


def _before_all_was_heard(recording: Recording) -> set[int]:
    """Return the ticks that may have used an input older than the recorder's first of its topic."""
    verdicts = recording.topic("verdict")
    first = [recording.optional_topic(name)[:1] for name in _INPUTS]
    heard = max((entry.log_time for entries in first for entry in entries), default=-math.inf)
    until = min(heard + max(interface(name).max_age_s for name in _INPUTS), verdicts[0].log_time + HEARING_S)
    return {entry.message.seq for entry in verdicts if entry.log_time <= until}


def modes_replayed(log: Log) -> dict[str, Any]:
    """Replay the log's supervisor; `same` only if its modes came out the same, in lock-step to the bit.

    Raises:
        RecordingError: what the supervisor was sent is not in it.
    """
    result = replay_modes(log.recording, exact=log.meta.get("source") in LOCK_STEP)
    return {
        "log": str(log.recording.path),
        "modes": len(result.recorded),
        "exact": result.exact,
        "first": result.difference,
        "same": not result.difference,
    }


def _short(text: str | None) -> str:
    return "not given" if text is None else text[:12]
