# SPDX-License-Identifier: Apache-2.0
"""Cell traces out of the recording of a supervised base.

A recording holds what the supervisor saw and the modes that it decided on, not its signals and states. Both are made
again: signals by its own guards from the recorded messages in the order in which they came, states by its own table,
turn after turn. The recorded mode is the check: where the table made anew is stricter for longer than `AGREE_S` than
what was recorded, the recording is refused. (A recorded mode that is stricter is the gate's.) An acknowledgement is one
where the recorded mode leaves a stop.

Needed are the topics odom, obstacles, scan, verdict, mode, pedestrians (where persons really were) and mission, and the
scenario that the recorder attaches. Contacts are read where there were any.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import yaml

from reflexarc.assurance.conformance.rounds import MOVING_M_S, Look, check_cell, traces_of
from reflexarc.assurance.conformance.trace import CellTrace
from reflexarc.assurance.conformance.truth import PersonTruth, TruePersons, person_truth
from reflexarc.assurance.guards import Guards
from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.supervision import SupervisionConfig
from reflexarc.assurance.supervisor.supervisor import Supervisor
from reflexarc.assurance.supervisor.table import SupervisorTable
from reflexarc.core import wire
from reflexarc.core.config import from_mapping
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.core.types import BaseState, Mode, Obstacles, Walls
from reflexarc.report.recorded_config import ATTACHMENT, recorded_arc_config
from reflexarc.report.recording import Recording
from reflexarc.robots import load_base

NEEDED = ("odom", "obstacles", "scan", "verdict", "mode", "pedestrians", "mission")
TOPICS = frozenset((*NEEDED, "contact_events"))
"""What is read of a recording."""
AGREE_S = 0.1
"""Turns of the recorded supervisor fell at other moments than those made anew; so long the modes may differ. [s]"""
START = "start:"
"""Reasons of the supervisor that begin so are from before its table began."""
_UNDER_WAY, _ENDED, _DELIVERED = 1, 2, (1, 2)
"""Of MissionStatus: states, and the outcomes SUCCESS and CARGO_LOST."""


def recorded_traces(cell: Cell, table: SupervisorTable, recording: Recording) -> list[CellTrace]:
    """Return the cell traces of a recording.

    Raises:
        ConfigError: the cell is not of a base.
        RecordingError: a topic or the scenario is missing, the supervisor never began, or the recorded modes cannot be
            had from the recorded inputs with this table.
    """
    check_cell(cell)
    for topic in NEEDED:
        if not recording.optional_topic(topic):
            raise RecordingError(
                f"{recording.path}: no message on {topic!r}; a cell trace needs {', '.join(NEEDED)}"
            )
    player = _Player(table, recording)
    for time, topic, message in _in_order(recording):
        player.until(time)
        player.take(topic, message, time)
    player.end()
    if not player.looks:
        raise RecordingError(
            f"{recording.path}: the supervisor's table never began; there is nothing to trace"
        )
    return traces_of(cell, table, player.looks, player.contacts, str(recording.path))


def _in_order(recording: Recording) -> list[tuple[float, str, Any]]:
    """Return (arrival on the clock of the measurements [s], topic, message), first come first."""
    verdicts = recording.topic("verdict")
    offset = float(np.median([entry.log_time - entry.message.now for entry in verdicts]))
    found = []
    for topic in sorted(TOPICS):
        found += [(e.log_time - offset, topic, e.message) for e in recording.optional_topic(topic)]
    return sorted(found, key=lambda entry: entry[0])


def _supervision(recording: Recording) -> SupervisionConfig:
    where = f"{recording.path}: {ATTACHMENT}"
    try:
        content: Mapping[str, Any] = yaml.safe_load(recording.attachments[ATTACHMENT]) or {}
        config = from_mapping(SupervisionConfig, content.get("supervisor", {}), f"{where}: supervisor")
    except (yaml.YAMLError, AttributeError, TypeError, ConfigError) as error:
        raise RecordingError(f"{where} is not readable by this version: {error}") from error
    if not config.enabled:
        raise RecordingError(f"{where}: the run had no supervisor; a cell trace needs one")
    return config


class _Player:
    """Supervisor and persons of a recorded run, made anew."""

    def __init__(self, table: SupervisorTable, recording: Recording) -> None:
        arc = recorded_arc_config(recording)  # says so where no scenario is attached
        self._config, self._path = _supervision(recording), recording.path
        self._robot = load_base(arc.robot)
        self._guards = Guards(self._robot, self._config.guards)
        self._supervisor, self._signals = Supervisor(table, self._config.dwell_s), table.signals
        self._arc_modes = {state.name: state.arc_mode for state in table.states}
        self._odometry: wire.Odometry | None = None
        self._obstacles: Obstacles | None = None
        self._scanned: float | None = None
        self._persons = TruePersons()
        self._mode, self._begun = Mode.PROTECTIVE_STOP, False
        self._state = table.states[table.initial].name
        self._left_stop, self._looser_since = -math.inf, math.inf
        self._under_way = self._ended = False
        self._next = -math.inf
        self._waiting: list[tuple[BaseState, float, dict[str, bool | None], str, bool, bool, bool]] = []
        self.looks: list[Look] = []
        self.contacts: list[float] = []

    def until(self, time: float) -> None:
        """Take the supervisor's turns before `time`. [s]"""
        while self._begun and self._next < time - 1e-9:
            self._turn(self._next)
            self._next += 1.0 / self._config.rate_hz

    def take(self, topic: str, message: Any, time: float) -> None:
        """Take a message that came at `time`. [s]"""
        components = self._robot.components
        if topic == "odom":
            self._odometry = wire.odometry_from(message, components)
        elif topic == "obstacles":
            self._obstacles = wire.obstacles_from(message)
        elif topic == "scan":
            self._scanned = wire.seconds(message.header.stamp)
        elif topic == "verdict":
            verdict, record = wire.verdict_from(message, components)
            self._guards.arc.take(verdict, record.obstacles_stamp, time)
        elif topic == "mode":
            self._decided(wire.mode_from(message), message.reason, time)
        elif topic == "pedestrians":
            seen = wire.obstacles_from(message)
            names = seen.ids or tuple(str(i) for i in range(len(seen)))
            self._persons.add(seen.stamp, names, seen.position)
            self._judge(seen.stamp)
        elif topic == "mission":
            self._under_way = message.state == _UNDER_WAY
            self._ended = self._ended or (message.state == _ENDED and message.outcome in _DELIVERED)
        elif message.robot_speed > MOVING_M_S:
            self.contacts.append(message.start)

    def end(self) -> None:
        """Judge what can still be judged, and note a delivery that ended the run."""
        self._judge(math.inf)
        if self._ended and self.looks:
            self.looks[-1] = replace(self.looks[-1], ended=True)

    def _decided(self, mode: Mode, reason: str, time: float) -> None:
        if self._mode >= Mode.PROTECTIVE_STOP > mode:
            self._left_stop = time
        self._mode = mode
        if not self._begun and not reason.startswith(START):
            self._begun, self._next = True, time

    def _turn(self, now: float) -> None:
        state = self._measured()
        seen = self._guards.look(state, now, now)
        said = {name: seen[name] for name in self._signals}
        stopped = self._arc_modes[self._state] >= Mode.PROTECTIVE_STOP
        acknowledged = stopped and abs(now - self._left_stop) <= AGREE_S
        self._state = self._supervisor.step(said, now, acknowledged).state
        own = self._arc_modes[self._state]
        self._guards.arc.told(self._mode, now)
        self._looser_since = math.inf if self._mode >= own else min(self._looser_since, now)
        if now - self._looser_since > AGREE_S:
            raise RecordingError(
                f"{self._path}: at {now:.2f} s the table is in {self._state!r} by the recorded inputs, but the "
                f"recorded mode is {self._mode.name}; was it another table, or are messages missing?"
            )
        if state is not None:
            held = self._mode > own
            self._waiting.append((state, now, said, self._state, held, self._under_way, self._ended))
            self._ended = False

    def _measured(self) -> BaseState | None:
        o, obstacles, scanned = self._odometry, self._obstacles, self._scanned
        if o is None or obstacles is None or scanned is None:
            return None
        return BaseState(
            o.stamp, o.frame_id, o.pose, o.twist, obstacles, Walls(scanned, o.frame_id, np.zeros((0, 4)))
        )

    def _judge(self, until: float) -> None:
        """Give the turns whose tracks are no newer than the persons their truth."""
        while self._waiting and self._waiting[0][0].obstacles.stamp <= until:
            state, now, said, name, held, under_way, ended = self._waiting.pop(0)
            truth = self._truth(state)
            self.looks.append(Look(now, said, name, held, truth, under_way, ended))

    def _truth(self, state: BaseState) -> PersonTruth | None:
        persons = self._persons.at(state.obstacles.stamp)
        if persons is None:
            return None
        return person_truth(state, persons, self._robot, self._config.guards)
