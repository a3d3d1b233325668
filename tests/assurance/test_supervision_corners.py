# SPDX-License-Identifier: Apache-2.0
"""The edges of the supervisor's turn: what a start waits for, whose reason is told, and its parameters' bounds."""

import math
from dataclasses import replace

import pytest

from reflexarc.assurance.supervision import Due, SupervisionConfig
from reflexarc.core.config import from_mapping
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Mode, Status
from tests.assurance.test_supervision import Turns, person, small_table


@pytest.fixture
def turns(tmp_path):
    return Turns(small_table.write_small_table(tmp_path / "small.table.json"))


def test_a_start_waits_for_a_signal_that_is_unknown_although_nothing_is_lost(turns):
    waiting = turns.turn(person(math.nan, 0.0, stamp=turns.now + 0.02))
    assert (waiting.mode, waiting.state) == (Mode.PROTECTIVE_STOP, "")
    assert waiting.reason.startswith("start: waits for person_near")
    assert turns.turn().mode is Mode.NORMAL


def test_a_start_waits_for_an_arc_that_obeys_but_has_latched(turns):
    arc = turns.made.guards.arc
    take = arc.take
    arc.take = lambda verdict, *times: take(replace(verdict, status=Status.LATCHED), *times)
    waiting = turns.turn()
    assert (waiting.mode, waiting.state, waiting.motion) == (Mode.PROTECTIVE_STOP, "", False)
    assert waiting.reason == "start: waits for arc_fault"
    arc.take = take
    assert turns.turn().mode is Mode.NORMAL


def test_a_stop_of_the_table_keeps_its_reason_whatever_the_gate_says(turns):
    turns.turn()
    blind = turns.turn(person(1.0, 0.0, stamp=turns.now - 1.0), motion=False)
    assert (blind.mode, blind.state) == (Mode.PROTECTIVE_STOP, "stop")
    assert "gate_silent" not in blind.reason


def silent_arc(turns):
    turns.turn()
    turns.made.guards.arc.take = lambda *_: None
    return [turns.turn() for _ in range(15)]


def test_a_fault_of_the_arc_is_told_in_words_only_while_there_is_one_and_the_table_asks(turns, tmp_path):
    calm = turns.turn()
    assert "(" not in calm.reason
    told = silent_arc(turns)[-1]
    assert told.mode is Mode.PROTECTIVE_STOP
    assert told.reason.endswith(f"({turns.made.guards.arc.fault(turns.now)})")
    deaf = Turns(small_table.write_small_table(tmp_path / "deaf.json", ("person_near", "tracker_lost")))
    assert {d.mode for d in silent_arc(deaf)} == {Mode.NORMAL}
    assert "(" not in deaf.turn().reason
    assert deaf.made.guards.arc.fault(deaf.now)


def test_a_turn_is_not_due_before_its_period_but_for_rounding():
    due = Due(50.0)
    assert due(10.0)
    assert not due(10.0 + 0.02 - 1e-7)
    assert due(10.0 + 0.02 - 1e-10)


@pytest.mark.parametrize(
    ("name", "low", "default", "high"),
    [("dwell_s", 0.0, 1.0, 600.0), ("rate_hz", 20.0, 50.0, 200.0), ("operator_s", 0.1, 2.0, 600.0)],
)
def test_a_limit_of_the_supervision_has_its_default_and_cannot_leave_its_bounds(name, low, default, high):
    assert getattr(SupervisionConfig(), name) == default
    for good in (low, high):
        assert getattr(from_mapping(SupervisionConfig, {name: good}, "supervisor"), name) == good
    for bad in (0.99 * low - 1e-9, 1.01 * high):
        with pytest.raises(ConfigError, match=name):
            from_mapping(SupervisionConfig, {name: bad}, "supervisor")


def test_a_supervisor_stands_around_the_arc_only_where_it_is_asked_for():
    assert SupervisionConfig().enabled is False
    assert from_mapping(SupervisionConfig, {"enabled": True}, "supervisor").enabled is True
