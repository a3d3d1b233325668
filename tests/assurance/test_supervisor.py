# SPDX-License-Identifier: Apache-2.0
"""The executor: dwell, latch, acknowledgement, and the default stop for whatever cannot be judged."""

import math

import pytest

from reflexarc.assurance.supervisor.supervisor import Supervisor
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.core.errors import ConfigError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Mode

CLEAR = dict.fromkeys(
    ("person_near", "person_ahead", "person_close", "tracker_lost", "lidar_lost", "arc_fault"), False
)
NEAR = CLEAR | {"person_near": True}
CLOSE = NEAR | {"person_close": True}


@pytest.fixture(scope="module")
def table():
    return read_table(models_dir() / "cells" / "sidewalk.table.json")


@pytest.fixture
def supervisor(table):
    return Supervisor(table, dwell_s=1.0)


def test_the_sidewalk_table_needs_exactly_the_signals_that_the_node_computes(table):
    assert set(table.signals) == set(CLEAR)


def test_with_nothing_perceived_the_mode_is_normal(supervisor):
    decision = supervisor.step(CLEAR, 0.0)
    assert (decision.mode, decision.active, decision.state) == (Mode.NORMAL, (), "normal")


def test_a_person_near_slows_the_robot_in_the_same_step(supervisor):
    decision = supervisor.step(NEAR, 0.0)
    assert decision.mode is Mode.SPEED_SEPARATION
    assert decision.active == ("NEAR",)


def test_a_mitigation_without_a_latch_ends_only_after_the_dwell(supervisor):
    supervisor.step(NEAR, 0.0)
    assert supervisor.step(CLEAR, 0.99).mode is Mode.SPEED_SEPARATION
    assert supervisor.step(CLEAR, 1.0).mode is Mode.NORMAL


def test_the_dwell_starts_anew_when_the_hazard_comes_back(supervisor):
    for now, seen in ((0.0, NEAR), (0.9, CLEAR), (0.95, NEAR)):
        supervisor.step(seen, now)
    assert supervisor.step(CLEAR, 1.9).mode is Mode.SPEED_SEPARATION
    assert supervisor.step(CLEAR, 1.96).mode is Mode.NORMAL


def test_a_stop_stays_without_an_acknowledgement_however_long(supervisor):
    supervisor.step(CLOSE, 0.0)
    for now in (1.0, 10.0, 1e6):
        decision = supervisor.step(CLEAR, now)
        assert decision.mode is Mode.PROTECTIVE_STOP
    assert "waits for an acknowledgement" in decision.reason


@pytest.mark.parametrize("word", [1, "yes", None])
def test_only_true_acknowledges(supervisor, word):
    supervisor.step(CLOSE, 0.0)
    assert supervisor.step(CLEAR, 5.0, acknowledged=word).mode is Mode.PROTECTIVE_STOP


def test_an_acknowledged_stop_ends(supervisor):
    supervisor.step(CLOSE, 0.0)
    assert supervisor.step(CLEAR, 1.0, acknowledged=True).mode is Mode.NORMAL


def test_an_acknowledgement_while_a_hazard_is_perceived_is_void(supervisor):
    supervisor.step(CLOSE, 0.0)
    assert supervisor.step(NEAR, 5.0, acknowledged=True).mode is Mode.PROTECTIVE_STOP
    assert supervisor.step(CLEAR, 6.5).mode is Mode.PROTECTIVE_STOP


def test_an_acknowledgement_before_the_dwell_is_void(supervisor):
    supervisor.step(CLOSE, 0.0)
    assert supervisor.step(CLEAR, 0.5, acknowledged=True).mode is Mode.PROTECTIVE_STOP
    assert supervisor.step(CLEAR, 1.5).mode is Mode.PROTECTIVE_STOP


def test_any_other_hazard_restarts_the_dwell_of_a_stop(supervisor):
    supervisor.step(CLOSE, 0.0)
    supervisor.step(NEAR, 3.0)
    assert supervisor.step(CLEAR, 3.9, acknowledged=True).mode is Mode.PROTECTIVE_STOP
    assert supervisor.step(CLEAR, 4.0, acknowledged=True).mode is Mode.NORMAL


def test_after_a_fault_of_the_arc_the_robot_resumes_slowly_first(supervisor):
    supervisor.step(CLEAR | {"arc_fault": True}, 0.0)
    assert supervisor.step(CLEAR, 1.0, acknowledged=True).mode is Mode.SPEED_SEPARATION
    assert supervisor.step(CLEAR, 1.9).mode is Mode.SPEED_SEPARATION
    assert supervisor.step(CLEAR, 2.0).mode is Mode.NORMAL


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ({k: v for k, v in CLEAR.items() if k != "lidar_lost"}, "'lidar_lost' is missing"),
        (CLEAR | {"colour": True}, "'colour' is not of this table"),
        (CLEAR | {"person_near": None}, "'person_near' is unknown"),
        (CLEAR | {"lidar_lost": None}, "'lidar_lost' is unknown"),
        (CLEAR | {"person_near": 1}, "'person_near' is unknown"),
        (CLEAR | {"person_near": math.nan}, "'person_near' is unknown"),
        ({}, "is missing"),
    ],
)
def test_signals_that_cannot_be_judged_lead_to_the_default_stop(supervisor, seen, reason):
    decision = supervisor.step(seen, 0.0)
    assert (decision.mode, decision.state) == (Mode.PROTECTIVE_STOP, "default_stop")
    assert reason in decision.reason


def test_hazards_that_exclude_each_other_lead_to_the_default_stop_and_the_reason_says_so():
    welding = Supervisor(read_table(models_dir() / "cells" / "welding.table.json"))
    seen = {"range_near": False, "range_close": True, "arm_at_shared_table": True}
    decision = welding.step(seen, 0.0)
    assert (decision.mode, decision.state) == (Mode.PROTECTIVE_STOP, "default_stop")
    assert decision.reason == "HRW, HS, HC: not provided for, default stop"
    assert decision.alarms == (0.95, 0.0)


def test_persons_may_be_unknown_while_the_tracker_is_said_to_be_lost(supervisor):
    unknown = dict.fromkeys(("person_near", "person_ahead", "person_close"))
    decision = supervisor.step(CLEAR | unknown | {"tracker_lost": True}, 0.0)
    assert decision.mode is Mode.PROTECTIVE_STOP
    assert decision.active == ("BLIND",)


@pytest.mark.parametrize("now", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_a_time_that_does_not_advance_stops(supervisor, now):
    supervisor.step(CLEAR, 0.0)
    decision = supervisor.step(CLEAR, now)
    assert (decision.mode, decision.state) == (Mode.PROTECTIVE_STOP, "default_stop")
    assert "the time" in decision.reason


def test_a_not_finite_first_time_stops(supervisor):
    assert supervisor.step(CLEAR, math.nan).mode is Mode.PROTECTIVE_STOP
    assert supervisor.step(CLEAR, 0.0, acknowledged=True).mode is Mode.NORMAL


def test_the_default_stop_ends_with_an_acknowledgement_after_the_dwell(supervisor):
    supervisor.step({}, 0.0)
    assert supervisor.step(CLEAR, 0.9, acknowledged=True).mode is Mode.PROTECTIVE_STOP
    assert supervisor.step(NEAR, 2.0, acknowledged=True).mode is Mode.PROTECTIVE_STOP
    assert supervisor.step(CLEAR, 2.5, acknowledged=True).mode is Mode.PROTECTIVE_STOP
    assert supervisor.step(CLEAR, 3.0, acknowledged=True).mode is Mode.NORMAL


def test_after_a_clock_that_went_back_the_supervisor_can_run_again(supervisor):
    supervisor.step(CLEAR, 100.0)
    supervisor.step(CLEAR, 1.0)
    assert supervisor.step(CLEAR, 2.0, acknowledged=True).mode is Mode.NORMAL


def test_reset_starts_in_the_initial_state(supervisor):
    supervisor.step({}, 50.0)
    supervisor.reset()
    assert supervisor.step(CLEAR, 0.0).mode is Mode.NORMAL


def test_every_step_of_a_long_random_run_keeps_the_latch(supervisor):
    import random  # noqa: PLC0415

    rng, before, now = random.Random(7), Mode.NORMAL, 0.0
    for _ in range(5000):
        now += rng.choice([0.05, 0.4, 2.0])
        seen = {name: rng.random() < 0.05 for name in CLEAR}
        acknowledged = rng.random() < 0.2
        mode = supervisor.step(seen, now, acknowledged).mode
        if before >= Mode.PROTECTIVE_STOP and mode < before:
            assert acknowledged
            assert not any(seen.values())
        if seen["person_close"] or seen["tracker_lost"] or seen["lidar_lost"] or seen["arc_fault"]:
            assert mode >= Mode.PROTECTIVE_STOP
        elif seen["person_near"] or seen["person_ahead"]:
            assert mode >= Mode.SPEED_SEPARATION
        before = mode


@pytest.mark.parametrize("dwell", [-0.1, math.nan, math.inf])
def test_a_dwell_that_is_no_time_is_refused(table, dwell):
    with pytest.raises(ConfigError, match="dwell_s"):
        Supervisor(table, dwell_s=dwell)
