# SPDX-License-Identifier: Apache-2.0
"""Replay of the supervisor: a fresh one gets what the recorded one was sent, and must switch the same modes.

A log in lock-step has one clock: every turn is repeated at its time with exactly its inputs, and time, mode and reason
of every message must come out the same to the bit. Of a live log the recorder knows when *it* received a message, not
when supervisor_node did; a turn is repeated at each of the supervisor's beats, on the recorder's clock. There the order
of modes must be the same and each switch at most `LIVE_S` from the recorded one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml

from reflexarc.assurance.supervision import Due, Supervision, SupervisionConfig, load_table
from reflexarc.core import wire
from reflexarc.core.config import from_mapping
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.core.gate_interfaces import ACKNOWLEDGE, heartbeat_topic
from reflexarc.core.types import BaseState, Mode, Obstacles, Walls
from reflexarc.report.recorded_config import ATTACHMENT
from reflexarc.report.recording import Recorded, Recording
from reflexarc.robots import load_base

LIVE_S = 0.1
"""Largest error of a switch in the replay of a live log: two turns, two periods of the tracker's messages. [s]"""
_TURN = heartbeat_topic("supervisor")
_HEARD = ("odom", "obstacles", "scan", ACKNOWLEDGE, "verdict", heartbeat_topic("gate"), _TURN)


@dataclass(frozen=True, slots=True)
class Told:
    """One message on `mode`."""

    time: float
    """[s]"""
    mode: Mode
    reason: str


@dataclass(frozen=True, slots=True)
class ModeReplay:
    """What the replay found."""

    recorded: tuple[Told, ...]
    replayed: tuple[Told, ...]
    exact: bool
    """Whether every bit counts."""

    @property
    def difference(self) -> str:
        """The first difference in words; empty where there is none."""
        a, b = (
            (self.recorded, self.replayed)
            if self.exact
            else (_switches(self.recorded), _switches(self.replayed))
        )
        for number, (log, again) in enumerate(zip(a, b, strict=False)):
            close = log.mode == again.mode and abs(log.time - again.time) <= LIVE_S
            if not (log == again if self.exact else close):
                return f"mode {number} was {_words(log)} when recorded, is {_words(again)} in the replay"
        if len(a) != len(b):
            return f"{len(a)} modes were recorded, {len(b)} came out"
        return "" if a else "no mode was recorded"


def replay_modes(recording: Recording, exact: bool) -> ModeReplay:
    """Replay the supervisor of a recording.

    Args:
        recording: with the scenario attached.
        exact: whether it was made in lock-step.

    Raises:
        RecordingError: what the supervisor was sent or its configuration is not in the recording.
    """
    recorded = tuple(
        Told(wire.seconds(e.message.header.stamp), wire.mode_from(e.message), e.message.reason)
        for e in recording.topic("mode")
    )
    again = _Supervisor(recording, exact)
    for topic, entry in _merged(recording):
        again.take(topic, entry)
    return ModeReplay(recorded, tuple(again.told), exact)


def recorded_supervision(recording: Recording) -> tuple[SupervisionConfig, str]:
    """Return the supervisor's configuration and the robot of a recorded run.

    Raises:
        RecordingError: no scenario is attached, or it is not readable or has no supervisor.
    """
    if ATTACHMENT not in recording.attachments:
        raise RecordingError(f"{recording.path}: no {ATTACHMENT!r} is attached; the supervisor is not known")
    where = f"{recording.path}: {ATTACHMENT}"
    try:
        scenario: dict[str, Any] = yaml.safe_load(recording.attachments[ATTACHMENT]) or {}
        config = from_mapping(SupervisionConfig, scenario.get("supervisor", {}), f"{where}: supervisor")
    except (yaml.YAMLError, AttributeError, TypeError, ConfigError) as error:
        raise RecordingError(f"{where} is not readable by this version: {error}") from error
    if not config.enabled:
        raise RecordingError(f"{where}: no supervisor is enabled; there is none to be replayed")
    return config, scenario.get("robot", "segway_e1")


class _Supervisor:
    """A fresh supervisor that is sent recorded messages."""

    def __init__(self, recording: Recording, exact: bool) -> None:
        config, name = recorded_supervision(recording)
        robot = load_base(name)
        self._supervision = Supervision(load_table(config.table), config, robot)
        self._components, self._exact, self._due = robot.components, exact, Due(config.rate_hz)
        self._odometry: wire.Odometry | None = None
        self._obstacles: Obstacles | None = None
        self._scanned: float | None = None
        self._acknowledged = False
        self._last: tuple[Mode, str] | None = None
        self.told: list[Told] = []

    def take(self, topic: str, entry: Recorded) -> None:
        """Take one message in the order of the recording."""
        message, steady = entry.message, entry.log_time
        match topic:
            case "odom":
                self._odometry = wire.odometry_from(message, self._components)
            case "obstacles":
                self._obstacles = wire.obstacles_from(message)
            case "scan":
                self._scanned = wire.seconds(message.header.stamp)
            case "verdict":
                self._verdict(message, steady)
            case _ if topic == ACKNOWLEDGE:
                self._acknowledged = bool(message.data.strip())
            case _ if topic == _TURN:
                if not self._exact:
                    self._turn(wire.seconds(message.header.stamp), steady)
            case _:
                beat = wire.heartbeat_from(message)
                self._supervision.hear_gate(
                    beat.seq, beat.steady, beat.motion, steady if not self._exact else beat.steady
                )

    def _verdict(self, message: Any, steady: float) -> None:
        verdict, record = wire.verdict_from(message, self._components)
        if self._exact:
            # In lock-step a turn that is due comes before its tick, and the time that a tick used has no part in it.
            if self._due(verdict.now):
                self._turn(verdict.now, verdict.now)
            verdict, steady = replace(verdict, time_used=0.0), verdict.now
        self._supervision.guards.arc.take(verdict, record.obstacles_stamp, steady)

    def _turn(self, now: float, steady: float) -> None:
        acknowledged, self._acknowledged = self._acknowledged, False
        made = self._supervision.turn(self._state(), now, steady, acknowledged)
        if (made.mode, made.state) != self._last:
            sec, nanosec = wire.split(now)
            stamp = SimpleNamespace(sec=sec, nanosec=nanosec)  # a message's stamp is rounded to nanoseconds
            self.told.append(Told(wire.seconds(stamp), made.mode, made.reason))
        self._last = made.mode, made.state

    def _state(self) -> BaseState | None:
        """Return the newest measurements as supervisor_node has them; of walls only the stamp counts."""
        o, obstacles, scanned = self._odometry, self._obstacles, self._scanned
        if o is None or obstacles is None or scanned is None:
            return None
        walls = Walls(scanned, o.frame_id, np.zeros((0, 4)))
        return BaseState(o.stamp, o.frame_id, o.pose, o.twist, obstacles, walls)


def _merged(recording: Recording) -> Iterator[tuple[str, Recorded]]:
    """Yield what the supervisor is sent in the order of reception; at the same time, in the order of `_HEARD`."""
    found: list[tuple[float, int, int, str, Recorded]] = []
    for rank, name in enumerate(_HEARD):
        entries = _entries(recording, name)
        if not entries and name != ACKNOWLEDGE:
            raise RecordingError(f"{recording.path}: no {name}; the supervisor cannot be replayed without it")
        found += [(entry.log_time, rank, k, name, entry) for k, entry in enumerate(entries)]
    for _, _, _, name, entry in sorted(found, key=lambda item: item[:3]):
        yield name, entry


def _entries(recording: Recording, name: str) -> list[Recorded]:
    return recording.topic(name) if any(t.endswith(f"/{name}") for t in recording.topics) else []


def _switches(told: tuple[Told, ...]) -> tuple[Told, ...]:
    return tuple(b for a, b in zip((None, *told), told, strict=False) if a is None or a.mode != b.mode)


def _words(told: Told) -> str:
    return f"{told.mode.name} at {told.time:.3f} s ({told.reason})"
