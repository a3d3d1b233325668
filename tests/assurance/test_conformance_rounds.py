# SPDX-License-Identifier: Apache-2.0
"""From the supervisor's turns to rounds, and what a tracker must and may say of persons."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reflexarc.assurance.conformance.replay import replay
from reflexarc.assurance.conformance.rounds import Look, traces_of
from reflexarc.assurance.conformance.truth import SIGMAS, PersonTruth, TruePersons, person_truth
from reflexarc.assurance.guards import GuardConfig
from reflexarc.assurance.hazards.read import read_cell
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.core.errors import ConfigError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import BaseState, Obstacles, Walls
from reflexarc.robots import load_base

CELLS = models_dir() / "cells"
NEAR, AHEAD, CLOSE = "person_near", "person_ahead", "person_close"
QUIET = dict.fromkeys((NEAR, AHEAD, CLOSE, "tracker_lost", "lidar_lost", "arc_fault"), False)


@pytest.fixture(scope="module")
def cell():
    return read_cell(CELLS / "sidewalk.yaml")


@pytest.fixture(scope="module")
def table():
    return read_table(CELLS / "sidewalk.table.json")


def look(k, said=(), state="normal", certain=None, possible=None, held=False, **more):
    """The k-th turn, 50 per second; the truth is what is said unless told otherwise."""
    truth = PersonTruth(
        frozenset(said if certain is None else certain), frozenset(said if possible is None else possible)
    )
    signals = {**QUIET, **dict.fromkeys(said, True), **more.pop("signals", {})}
    return Look(0.02 * k, signals, state, held, truth, more.get("under_way", True), more.get("ended", False))


def rounds(cell, table, *parts, contacts=()):
    """Traces of rounds of 15 turns, each given by the arguments of its looks; a first and a last round are added."""
    first = [dict()] * 15
    looks = [look(k, **given) for k, given in enumerate([*first, *(x for part in parts for x in part), {}])]
    return traces_of(cell, table, looks, contacts, "made up")


def test_a_signal_of_one_turn_is_of_the_round_and_the_location_follows(cell, table):
    round_ = [dict(said=(NEAR,), state="slow:NEAR")] + [dict(state="slow:NEAR")] * 14
    (trace,) = rounds(cell, table, round_)
    supervisor, process, person = trace.steps
    assert (supervisor.person, supervisor.state, supervisor.mode) == ("near", "normal", "normal")
    assert supervisor.signals[NEAR] is True
    assert (process.state, process.mode, person.state) == ("slow:NEAR", "slow", "slow:NEAR")
    assert not replay(cell, table, [trace]).unmatched


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ((), "away"),
        ((NEAR,), "near"),
        ((NEAR, AHEAD), "ahead"),
        ((AHEAD,), "ahead"),
        ((NEAR, CLOSE), "close"),
        ((NEAR, AHEAD, CLOSE), "blocking"),
    ],
)
def test_every_set_of_signals_of_persons_is_a_location_of_the_sidewalk(cell, table, said, place):
    (trace,) = rounds(cell, table, [dict(said=said)] * 15)
    assert trace.steps[0].person == place
    assert not [u for u in replay(cell, table, [trace]).unmatched if u.turn == "perception"]


def test_somebody_who_must_be_seen_and_is_not_is_a_failure_of_the_tracker(cell, table):
    (trace,) = rounds(cell, table, [dict(certain=(NEAR,), possible=(NEAR,))] * 15)
    assert (trace.steps[0].person, trace.steps[0].sensors["tracker"]) == ("near", "wrong")
    assert not replay(cell, table, [trace]).unmatched
    (trace,) = rounds(cell, table, [dict(possible=(NEAR,))] * 15)  # too near the boundary to tell
    assert (trace.steps[0].person, trace.steps[0].sensors["tracker"]) == ("away", "works")


def test_somebody_who_cannot_be_there_is_unmatched(cell, table):
    (trace,) = rounds(cell, table, [dict(said=(NEAR,), certain=(), possible=(), state="slow:NEAR")] * 15)
    assert trace.steps[0].person == "away"
    assert [u.turn for u in replay(cell, table, [trace]).unmatched] == ["perception"]


def test_lost_sensors_and_unknown_signals(cell, table):
    lost = {"signals": {"tracker_lost": True, NEAR: None, AHEAD: None, CLOSE: None}, "state": "stopped:BLIND"}
    (trace,) = rounds(cell, table, [lost] * 15)
    assert trace.steps[0].sensors == {"tracker": "lost", "lidar": "works", "arc": "works"}
    assert trace.steps[0].signals[NEAR] is None
    assert not replay(cell, table, [trace]).unmatched


def test_what_is_seen_after_a_stop_was_left_counts_to_the_next_round(cell, table):
    stopped = "stopped:NEAR:CLOSE"
    stop = [dict(said=(NEAR, CLOSE), state=stopped)] * 15
    leave = [dict(state=stopped)] * 7 + [dict(state="normal")] + [dict(said=(NEAR,), state="slow:NEAR")] * 7
    after = [dict(state="slow:NEAR")] * 15
    (trace,) = rounds(cell, table, stop, leave, after)
    states = [step.state for step in trace.steps[::3]] + [trace.steps[-1].state]
    assert states == ["normal", stopped, "normal", "slow:NEAR"]
    assert [step.person for step in trace.steps[::3]] == ["close", "away", "near"]
    assert not replay(cell, table, [trace]).unmatched


def test_a_delivery_is_one_round_of_handing_over_and_the_last_one_counts(cell, table):
    deliver = [dict()] * 7 + [dict(ended=True)] + [dict()] * 7
    (trace,) = rounds(cell, table, deliver, [dict()] * 15)
    assert [step.activity for step in trace.steps] == [
        *("driving", "driving", "handing_over"),
        *("handing_over", "handing_over", "driving"),
    ]
    looks = [look(k, ended=k == 37) for k in range(38)]
    (trace,) = traces_of(cell, table, looks, [], "ends with a delivery")
    assert [step.activity for step in trace.steps] == ["driving"] * 5 + ["handing_over"]


def test_a_contact_of_the_moving_robot_is_a_mishap_of_the_most_severe_hazard_and_ends_the_trace(cell, table):
    near = [dict(said=(NEAR, CLOSE), state="slow:NEAR")] * 15
    first, second = rounds(cell, table, near, [dict()] * 15, [dict()] * 15, contacts=[0.5])
    assert [step.mishap for step in first.steps] == ["", "", "CLOSE"]
    assert second.steps[0].time == pytest.approx(0.9)
    assert not any(step.mishap for step in second.steps)


@pytest.mark.parametrize("broken", [dict(held=True), dict(truth=None)])
def test_the_trace_is_cut_where_the_gate_holds_the_robot_or_nothing_is_known(cell, table, broken):
    looks = [look(k) for k in range(90)]
    for k in range(30, 45):
        looks[k] = replace(looks[k], held_by_gate=True) if "held" in broken else replace(looks[k], truth=None)
    first, second = traces_of(cell, table, looks, [], "cut")
    assert (len(first.steps), first.steps[0].time, second.steps[0].time) == (
        3,
        pytest.approx(0.3),
        pytest.approx(1.2),
    )


def test_missing_turns_cut_the_trace_and_turns_that_go_back_are_refused(cell, table):
    looks = [look(k) for k in range(90) if not 40 <= k < 50]
    assert len(traces_of(cell, table, looks, [], "gap")) == 2
    with pytest.raises(ConfigError, match="do not advance in time"):
        traces_of(cell, table, [look(1), look(0)], [], "back")
    assert traces_of(cell, table, [], [], "nothing") == []


def test_a_cell_that_is_not_of_a_base_is_refused(table):
    welding = read_cell(CELLS / "welding.yaml")
    with pytest.raises(ConfigError, match="recordings of a base cannot be told in this cell: person_near"):
        traces_of(welding, table, [], [], "arm")


def state_with(x, y, std=0.05, speed=0.0):
    one = Obstacles(
        1.0,
        "odom",
        np.array([[x, y]]),
        np.zeros((1, 2)),
        np.array([0.25]),
        np.array([std]),
        np.array([0.1]),
    )
    return BaseState(
        1.0, "odom", np.zeros(3), np.array([speed, 0.0]), one, Walls(1.0, "odom", np.zeros((0, 4)))
    )


def test_within_the_margin_a_signal_may_be_either_and_beyond_it_one_only():
    robot, config = load_base("segway_e1"), GuardConfig()
    circle = 0.5 * math.hypot(robot.length, robot.width)
    edge = (
        circle + 0.25 + config.position_std_factor * 0.05 + config.close_m
    )  # the guard's boundary of `close`
    for shift, certain, possible in (
        (0.01, False, True),
        (-0.01, False, True),
        (0.3, False, False),
        (-0.3, True, True),
    ):
        x = edge + shift
        persons = (np.array([[0.0, x]]), np.zeros((1, 2)))
        truth = person_truth(state_with(0.0, x), persons, robot, config)
        assert (CLOSE in truth.certain, CLOSE in truth.possible) == (certain, possible), shift
    assert SIGMAS * 0.05 < 0.3


def test_the_rear_end_of_the_path_is_blurred_as_well():
    robot, config = load_base("segway_e1"), GuardConfig()
    side = 0.5 * robot.width + 0.25
    for x in (-0.5 * robot.length - 0.05, -0.5 * robot.length + 0.05):
        persons = (np.array([[x, side]]), np.zeros((1, 2)))
        truth = person_truth(state_with(x, side), persons, robot, config)
        assert AHEAD not in truth.certain
        assert AHEAD in truth.possible


def test_nothing_is_said_without_sound_odometry():
    state = state_with(1.0, 0.0)
    broken = replace(state, pose=np.array([math.nan, 0.0, 0.0]))
    persons = (np.array([[1.0, 0.0]]), np.zeros((1, 2)))
    assert person_truth(broken, persons, load_base("segway_e1"), GuardConfig()) is None


def test_true_positions_are_interpolated_by_name_and_not_far_beyond_what_was_seen():
    seen = TruePersons()
    assert seen.at(0.0) is None
    seen.add(1.0, ("a", "b"), np.array([[0.0, 0.0], [5.0, 5.0]]))
    seen.add(1.1, ("b", "a"), np.array([[5.0, 5.0], [0.1, 0.0]]))
    seen.add(1.05, ("a",), np.array([[9.0, 9.0]]))  # late: not used
    position, velocity = seen.at(1.05)
    assert position.tolist() == [[5.0, 5.0], [pytest.approx(0.05), 0.0]]
    assert velocity[1].tolist() == [pytest.approx(1.0), 0.0]
    assert seen.at(2.0) is None
    seen.add(4.0, ("a",), np.array([[1.0, 1.0]]))
    assert seen.at(4.0) is None  # all that was before is too old to tell a velocity
