# SPDX-License-Identifier: Apache-2.0
"""The supervisor's turn: the table, the gate, the arc that must obey, and the same in lock-step."""

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from reflexarc.assurance.supervision import Due, Supervision, SupervisionConfig, load_table
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError
from reflexarc.core.gate_interfaces import LEASE_S
from reflexarc.core.types import FIXED_FRAME, BaseState, Mode, Obstacles, Status, Verdict, Walls
from reflexarc.robots import load_base
from reflexarc_sim import lockstep
from reflexarc_sim.lockstep import run
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.supervised import Operator, Supervised

_SPEC = importlib.util.spec_from_file_location("small_table", Path(__file__).with_name("small_table.py"))
small_table = importlib.util.module_from_spec(_SPEC)
sys.modules["small_table"] = small_table
_SPEC.loader.exec_module(small_table)

ROBOT = load_base("segway_e1")
NOW = 10.0


def person(x, y, stamp):
    return Obstacles(stamp, FIXED_FRAME, [[x, y]], [[0.0, 0.0]], [0.3], [0.0], [0.1])


@pytest.fixture
def table(tmp_path):
    return small_table.write_small_table(tmp_path / "small.table.json")


class Turns:
    """A supervision whose inputs are good, and a gate that beats and is open."""

    def __init__(self, table):
        self.made = Supervision(table, SupervisionConfig(), ROBOT)
        self.now, self.seq, self.mode = NOW, 0, Mode.PROTECTIVE_STOP

    def turn(self, obstacles=None, acknowledged=False, beats=True, motion=True, obeys=True):
        self.now += 0.02
        obstacles = obstacles if obstacles is not None else Obstacles.none(self.now)
        verdict = Verdict(self.now, np.zeros(2), Status.PASSED, self.mode, 1.0, 0.0, math.nan)
        self.made.guards.arc.take(verdict, self.now - 0.05, self.now)
        if beats:
            self.made.hear_gate(self.seq, self.now, motion, self.now)
            self.seq += 1
        walls = Walls(self.now, FIXED_FRAME, np.zeros((0, 4)))
        state = BaseState(self.now, FIXED_FRAME, np.zeros(3), np.zeros(2), obstacles, walls)
        directive = self.made.turn(state, self.now, self.now, acknowledged)
        self.mode = directive.mode if obeys else self.mode
        return directive

    def many(self, count, **of_turn):
        return [self.turn(**of_turn) for _ in range(count)][-1]


def test_a_start_is_no_fault_and_the_table_begins_with_the_first_good_inputs(table):
    made = Supervision(table, SupervisionConfig(), ROBOT)
    first = made.turn(None, NOW, NOW)
    assert first.mode is Mode.PROTECTIVE_STOP and first.state == ""
    assert first.reason == "start: waits for tracker_lost, lidar_lost, arc_fault"
    assert not first.motion
    turns = Turns(table)
    turns.mode = Mode.NORMAL
    ignored = turns.turn(obeys=False)
    assert (ignored.mode, ignored.reason) == (Mode.PROTECTIVE_STOP, "start: waits for the arc to stop")
    turns.mode = Mode.PROTECTIVE_STOP
    begun = turns.turn()
    assert begun.mode is Mode.NORMAL and begun.motion, "no acknowledgement is needed"


def test_a_person_near_slows_down_and_is_released_after_the_dwell(table):
    turns = Turns(table)
    turns.turn()
    near = turns.turn(person(1.0, 0.0, stamp=turns.now + 0.02))
    assert (near.mode, near.state) == (Mode.SPEED_SEPARATION, "slow")
    assert turns.many(49).mode is Mode.SPEED_SEPARATION
    assert turns.many(2).mode is Mode.NORMAL


def test_a_signal_that_cannot_be_computed_stops_the_robot_until_it_is_acknowledged(table):
    turns = Turns(table)
    turns.turn()
    unknown = turns.turn(person(math.nan, 0.0, stamp=turns.now + 0.02))
    assert (unknown.mode, unknown.state) == (Mode.PROTECTIVE_STOP, "default stop")
    assert "unknown" in unknown.reason
    assert turns.many(100).mode is Mode.PROTECTIVE_STOP
    assert turns.turn(acknowledged=True).mode is Mode.NORMAL


def test_a_lost_tracker_stops_and_excuses_the_signals_that_need_it(table):
    turns = Turns(table)
    turns.turn()
    blind = turns.turn(person(1.0, 0.0, stamp=turns.now - 1.0))
    assert (blind.mode, blind.state) == (Mode.PROTECTIVE_STOP, "stop")


def test_a_gate_that_is_closed_or_not_heard_means_a_protective_stop(table):
    turns = Turns(table)
    closed = turns.turn(motion=False)
    assert closed.mode is Mode.PROTECTIVE_STOP
    assert closed.reason == "gate_silent: the gate is closed"
    assert closed.motion, "the table lets the robot move, so the gate may open"
    assert turns.turn().mode is Mode.NORMAL, "the gate latches, not this"
    assert turns.many(9, beats=False).mode is Mode.NORMAL
    silent = turns.many(2, beats=False)
    assert silent.mode is Mode.PROTECTIVE_STOP and "gate_silent: the newest beat" in silent.reason
    assert turns.turn().mode is Mode.NORMAL
    turns.seq -= 1
    again = turns.turn()
    assert again.mode is Mode.PROTECTIVE_STOP and "came twice" in again.reason


def test_an_arc_that_ignores_its_mode_is_a_fault(table):
    turns = Turns(table)
    turns.turn()
    turns.turn()
    slow = [turns.turn(person(1.0, 0.0, stamp=turns.now + 0.02), obeys=False) for _ in range(11)]
    assert all(d.mode is Mode.SPEED_SEPARATION for d in slow[:10])
    assert (slow[10].mode, slow[10].motion) == (Mode.PROTECTIVE_STOP, False)
    assert "the arc runs in mode NORMAL, told SPEED_SEPARATION" in slow[10].reason
    obedient = Turns(table)
    obedient.turn()
    assert obedient.many(100).mode is Mode.NORMAL


def test_a_table_that_is_changed_or_needs_what_nobody_computes_is_refused(tmp_path):
    path = tmp_path / "t.json"
    small_table.write_small_table(path)
    assert load_table(str(path)).cell == "by hand"
    path.write_text(path.read_text().replace('"SPEED_SEPARATION"', '"NORMAL"'))
    with pytest.raises(ModelError, match="digest"):
        load_table(str(path))
    small_table.write_small_table(path, ("person_near", "rain"))
    with pytest.raises(UnknownNameError, match="unknown signal 'rain'.*person_near"):
        load_table(str(path))


def test_an_operator_acknowledges_a_stop_that_lasts_and_no_emergency():
    operator = Operator(2.0)
    operator.see(Mode.PROTECTIVE_STOP, 1.0)
    assert not operator.acknowledges(2.9)
    operator.see(Mode.PROTECTIVE_STOP, 2.5)
    assert operator.acknowledges(3.0) and not operator.acknowledges(3.1)
    assert operator.acknowledges(5.0), "again while it lasts"
    operator.see(Mode.NORMAL, 5.1)
    assert not operator.acknowledges(99.0)
    operator.see(Mode.EMERGENCY_STOP, 100.0)
    assert not operator.acknowledges(199.0)


def test_turns_come_at_their_rate():
    due = Due(50.0)
    times = [k * 0.005 for k in range(200)]
    assert [t for t in times if due(t)] == pytest.approx([k * 0.02 for k in range(50)])


@pytest.mark.parametrize(("name", "what"), [("peg_arm", "an arm"), ("fleet_delivery", "a fleet")])
def test_a_supervisor_of_what_it_cannot_supervise_is_refused(name, what):
    with pytest.raises(ConfigError, match=f"for one base, not for {what}"):
        load_scenario(name, {"supervisor.enabled": True})


class Commands:
    """Keeps what the plant is commanded."""

    def __init__(self):
        self.rows = []

    def tick(self, state, proposal, command, verdict, min_distance):
        self.rows.append((state.stamp, float(np.abs(command).max()), verdict.mode))

    def pedestrians(self, time, names, positions):
        pass

    def plant_event(self, event):
        pass

    def event(self, time, kind, text, **details):
        pass


@pytest.mark.integration
def test_in_lock_step_the_robot_drives_until_the_supervisor_falls_silent(table, tmp_path, monkeypatch):
    path = tmp_path / "small.table.json"
    scenario = load_scenario(
        "sidewalk_calm", {"crowd.count": 0, "supervisor.enabled": True, "supervisor.table": str(path)}
    )
    commands = Commands()
    digests = [run(scenario, duration=1.0, observers=(commands,)).summary.digest for _ in range(2)]
    assert digests[0] == digests[1], "same seed, same bytes"
    half = commands.rows[: len(commands.rows) // 2]
    assert all(command == 0.0 for now, command, _ in half if now < 0.5), "nothing moves in the dwell"
    assert half[-1][1] > 0.0 and half[-1][2] is Mode.NORMAL

    class Silent(Supervised):
        def _beat(self, source, now, motion=True):
            if source != "supervisor" or now < 1.0:
                super()._beat(source, now, motion)

    monkeypatch.setattr(lockstep, "Supervised", Silent)
    commands = Commands()
    run(scenario, duration=1.5, observers=(commands,))
    assert all(command == 0.0 for now, command, _ in commands.rows if now > 1.0 + LEASE_S + 0.01)
    assert any(command > 0.0 for now, command, _ in commands.rows if 0.9 < now < 1.0)
    assert commands.rows[-1][2] is Mode.PROTECTIVE_STOP, "the supervisor hears that the gate is closed"
