# SPDX-License-Identifier: Apache-2.0
"""Cell traces out of recordings, against those of the lock-step run that was recorded."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from reflexarc.assurance.conformance.from_recording import NEEDED, recorded_traces
from reflexarc.assurance.conformance.replay import replay
from reflexarc.assurance.conformance.rounds import traces_of
from reflexarc.assurance.hazards.read import read_cell
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.core.errors import ConfigError, PlantError, RecordingError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Mode, Obstacles
from reflexarc.report.recorded_config import ATTACHMENT
from reflexarc.report.recording import Recorded, Recording
from reflexarc_sim import lockstep, surrogate_messages
from reflexarc_sim.cell_trace import CellObserver, record_run
from reflexarc_sim.scenario import load_scenario
from tests.assurance.monitor_recordings import verdict as verdict_message
from tests.cli.recordings import AsMessage, header

CELLS = models_dir() / "cells"
SECONDS = 9.0
OFFSET = 100.0
"""Between the recorder's clock and the plant's. [s]"""


class Recorder(CellObserver):
    """Notes the run, and its messages as a recorder would have them."""

    def __init__(self, scenario):
        super().__init__(scenario)
        self.topics = {}
        self.stamps = {}
        self.decided = 0

    def send(self, topic, message, time):
        entry = Recorded(time + OFFSET, f"/{topic}", 0, AsMessage(message))
        self.topics.setdefault(f"/{topic}", []).append(entry)

    def tick(self, state, proposal, command, verdict, min_distance):
        now = verdict.now
        self.send("odom", surrogate_messages.odometry(state), now)
        if self.stamps.get("obstacles") != state.obstacles.stamp:
            self.send("obstacles", surrogate_messages.obstacles(state.obstacles), now)
        if self.stamps.get("scan") != state.walls.stamp:
            self.send("scan", {"header": header(state.walls.stamp)}, now)
        self.stamps = {"obstacles": state.obstacles.stamp, "scan": state.walls.stamp}
        super().tick(state, proposal, command, verdict, min_distance)
        for at, directive in self._supervised.directives[self.decided :]:
            self.send("mode", {"mode": int(directive.mode), "reason": directive.reason}, at)
        self.decided = len(self._supervised.directives)
        made = verdict_message(now, mode=verdict.mode, status=verdict.status, faults=verdict.faults)
        self.send("verdict", made | {"obstacles_stamp": state.obstacles.stamp}, now)

    def pedestrians(self, time, names, positions):
        n = len(positions)
        seen = Obstacles(time, "odom", positions, np.zeros((n, 2)), *np.zeros((3, n)), ids=tuple(names))
        self.send("pedestrians", surrogate_messages.obstacles(seen), time)
        super().pedestrians(time, names, positions)

    def event(self, time, kind, text, **details):
        super().event(time, kind, text, **details)
        state = 2 if details["ended"] else 1
        outcome = {"success": 1, "cargo_lost": 2}.get(str(details.get("outcome")), 5)
        self.send("mission", {"state": state, "outcome": outcome}, time)


@pytest.fixture(scope="module")
def cell():
    return read_cell(CELLS / "sidewalk.yaml")


@pytest.fixture(scope="module")
def table():
    return read_table(CELLS / "sidewalk.table.json")


@pytest.fixture(scope="module")
def recorded():
    scenario = load_scenario("sidewalk_supervised")
    seen = Recorder(scenario)
    lockstep.run(scenario, 0, duration=SECONDS, observers=[seen])
    attached = {ATTACHMENT: yaml.safe_dump(dict(scenario.source)).encode()}
    return seen, Recording(Path("run.mcap"), seen.topics, attachments=attached, complete=True)


def test_a_recording_gives_the_trace_of_the_run(recorded, cell, table):
    seen, recording = recorded
    own = traces_of(cell, table, seen.looks, seen.contacts, "run")
    read = recorded_traces(cell, table, recording)
    assert len(own) == len(read) == 1
    assert len(read[0].steps) > 60
    assert {step.person for step in own[0].steps} >= {"away", "near"}
    assert any(step.mode == "stopped" for step in own[0].steps)
    differing = [
        (a, b)
        for a, b in zip(own[0].steps, read[0].steps, strict=False)
        if (a.person, a.state, a.activity, a.sensors) != (b.person, b.state, b.activity, b.sensors)
    ]
    assert not differing
    assert not [u for u in replay(cell, table, read).unmatched if u.turn in ("supervisor", "process")]


def without(recording, topic):
    topics = {name: entries for name, entries in recording.topics.items() if name != f"/{topic}"}
    return Recording(Path("run.mcap"), topics, attachments=recording.attachments, complete=True)


@pytest.mark.parametrize("topic", NEEDED)
def test_a_recording_without_a_topic_is_refused(recorded, cell, table, topic):
    with pytest.raises(RecordingError, match=f"no message on '{topic}'"):
        recorded_traces(cell, table, without(recorded[1], topic))


def test_a_recording_without_its_scenario_or_without_a_supervisor_is_refused(recorded, cell, table):
    recording = recorded[1]
    bare = Recording(Path("run.mcap"), recording.topics, complete=True)
    with pytest.raises(RecordingError, match="is attached"):
        recorded_traces(cell, table, bare)
    bare.attachments = {ATTACHMENT: b"robot: segway_e1"}
    with pytest.raises(RecordingError, match="had no supervisor"):
        recorded_traces(cell, table, bare)
    bare.attachments = {ATTACHMENT: b"robot: segway_e1\nsupervisor: {nonsense: 1}"}
    with pytest.raises(RecordingError, match="not readable by this version"):
        recorded_traces(cell, table, bare)


def test_modes_that_the_inputs_do_not_give_are_refused(recorded, cell, table):
    recording = recorded[1]
    modes = [
        Recorded(
            entry.log_time, entry.topic, 0, AsMessage({"mode": int(Mode.NORMAL), "reason": "all is well"})
        )
        for entry in recording.topics["/mode"]
    ]
    changed = Recording(
        Path("run.mcap"),
        {**recording.topics, "/mode": modes},
        attachments=recording.attachments,
        complete=True,
    )
    with pytest.raises(RecordingError, match="by the recorded inputs, but the recorded mode is NORMAL"):
        recorded_traces(cell, table, changed)


def test_a_table_that_never_began_is_refused(recorded, cell, table):
    recording = recorded[1]
    modes = [
        Recorded(entry.log_time, entry.topic, 0, AsMessage({"mode": 3, "reason": "start: waits for all"}))
        for entry in recording.topics["/mode"]
    ]
    changed = Recording(
        Path("run.mcap"),
        {**recording.topics, "/mode": modes},
        attachments=recording.attachments,
        complete=True,
    )
    with pytest.raises(RecordingError, match="never began"):
        recorded_traces(cell, table, changed)


def test_a_run_without_a_supervisor_gives_no_trace(cell):
    with pytest.raises(ConfigError, match="needs a supervisor"):
        record_run(load_scenario("sidewalk_calm"), 0, cell, duration=0.1)


def test_a_supervisor_of_another_mind_is_an_error(recorded):
    scenario = load_scenario("sidewalk_supervised")
    observer = CellObserver(scenario)
    observer._supervised.mode = lambda state, now: Mode.NORMAL
    with pytest.raises(PlantError, match="the run does not repeat"):
        lockstep.run(scenario, 0, duration=0.1, observers=[observer])
