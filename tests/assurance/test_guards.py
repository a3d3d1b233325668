# SPDX-License-Identifier: Apache-2.0
"""What the supervisor perceives: near, old, unknown and slow each have their answer."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reflexarc.assurance.guards import SIGNALS, ArcWatch, GuardConfig, Guards, loop_time, lost, separation
from reflexarc.core.types import FIXED_FRAME, BaseState, Mode, Obstacles, Status, Verdict, Walls
from reflexarc.robots import load_base

ROBOT = load_base("segway_e1")
CIRCLE = 0.5 * math.hypot(0.89, 0.62)
CONFIG = GuardConfig()
NOW = 10.0


def person(x, y, vx=0.0, vy=0.0, std=0.0, radius=0.3, stamp=NOW, frame=FIXED_FRAME):
    return Obstacles(stamp, frame, [[x, y]], [[vx, vy]], [radius], [std], [0.1])


def state(obstacles=None, speed=0.0, yaw=0.0, stamp=NOW, scan=NOW):
    obstacles = obstacles if obstacles is not None else Obstacles.none(NOW)
    walls = Walls(scan, FIXED_FRAME, np.zeros((0, 4)))
    return BaseState(stamp, FIXED_FRAME, [0.0, 0.0, yaw], [speed, 0.0], obstacles, walls)


def verdict(now=NOW, status=Status.PASSED, faults=(), used=0.001, mode=Mode.NORMAL):
    return Verdict(now, np.zeros(2), status, mode, 1.0, 0.0, math.nan, (), faults, time_used=used)


def guards(config=CONFIG):
    made = Guards(ROBOT, config)
    made.arc.take(verdict(), NOW - 0.05, NOW)
    return made


def test_with_nobody_there_and_everything_fresh_no_signal_is_raised():
    assert guards().look(state(), NOW, NOW) == dict.fromkeys(SIGNALS, False)


def needed(v_r, v_h, reaction=0.25, a=2.4):
    """S_p by numerical integration of who walks and drives how far."""
    stop, n = v_r / a, 200_000
    t = (np.arange(n) + 0.5) * (reaction + stop) / n
    robot = np.where(t < reaction, v_r, np.maximum(v_r - a * (t - reaction), 0.0))
    return float(np.sum(robot + v_h) * (reaction + stop) / n)


@pytest.mark.parametrize(
    ("position", "speed", "velocity", "v_r", "v_h"),
    [
        ((3.0, 0.0), 0.0, (0.0, 0.0), 0.0, 1.6),
        ((3.0, 0.0), 1.5, (0.0, 0.0), 1.5, 1.6),
        ((3.0, 0.0), 1.5, (-2.5, 0.0), 1.5, 2.5),
        ((3.0, 0.0), 1.5, (3.0, 0.0), 1.5, 1.6),
        ((-3.0, 0.0), 1.5, (0.0, 0.0), 0.0, 1.6),
        ((3.0, 3.0), 2.0, (0.0, 0.0), 2.0 * math.cos(math.pi / 4), 1.6),
    ],
)
def test_the_protective_distance_is_that_of_the_speeds_towards_each_other(
    position, speed, velocity, v_r, v_h
):
    gap, distance = separation(state(person(*position, *velocity), speed), ROBOT, CONFIG)
    assert gap[0] == pytest.approx(math.hypot(*position) - CIRCLE - 0.3)
    assert distance[0] == pytest.approx(needed(v_r, v_h), rel=1e-4)


@pytest.mark.parametrize(("beyond", "near"), [(-1e-6, True), (1e-6, False)])
def test_a_person_is_near_up_to_the_protective_distance(beyond, near):
    at = CIRCLE + 0.3 + needed(1.0, 1.6) * (1.0 + 1e-5 * 0.0) + beyond
    _, distance = separation(state(person(at, 0.0), 1.0), ROBOT, CONFIG)
    at = CIRCLE + 0.3 + distance[0] + beyond
    assert guards().look(state(person(at, 0.0), 1.0), NOW, NOW)["person_near"] is near


@pytest.mark.parametrize(("gap", "close"), [(0.199, True), (0.201, False)])
def test_a_person_is_close_within_the_margin(gap, close):
    seen = guards().look(state(person(0.0, CIRCLE + 0.3 + gap)), NOW, NOW)
    assert seen["person_close"] is close


def test_uncertainty_of_a_track_makes_it_nearer():
    far = person(0.0, CIRCLE + 0.3 + 0.3, std=0.0)
    assert not guards().look(state(far), NOW, NOW)["person_close"]
    assert guards().look(state(replace(far, position_std=[0.06])), NOW, NOW)["person_close"]


@pytest.mark.parametrize(
    ("along", "across", "ahead"),
    [
        (1.0, 0.0, True),
        (1.0, 0.75, True),
        (1.0, 0.9, False),
        (-1.0, 0.0, False),
        (2.0, 0.0, True),
        (2.2, 0.0, False),
    ],
)
@pytest.mark.parametrize("yaw", [0.0, 2.0])
def test_a_person_is_ahead_in_the_strip_that_is_driven_over_before_a_stop(along, across, ahead, yaw):
    # front 0.445 + 1.0 * 0.25 + 1 / 4.8 + 0.5 + 0.3 + 2 * 0.2 (deviation) = 2.10;  side 0.31 + 0.2 + 0.3 = 0.81
    x, y = (
        along * math.cos(yaw) - across * math.sin(yaw),
        along * math.sin(yaw) + across * math.cos(yaw),
    )
    std = 0.2 if across == 0.0 else 0.0
    seen = guards().look(state(person(x, y, std=std), 1.0, yaw), NOW, NOW)
    assert seen["person_ahead"] is ahead


@pytest.mark.parametrize("offset", [0.31, -0.31, math.nan, -math.inf])
def test_old_tracks_are_lost_and_say_nothing_about_persons(offset):
    seen = guards().look(state(person(5.0, 0.0, stamp=NOW - offset)), NOW, NOW)
    assert seen["tracker_lost"] is True
    assert [seen[name] for name in ("person_near", "person_close", "person_ahead")] == [None] * 3


def test_old_odometry_says_nothing_about_persons():
    seen = guards().look(state(stamp=NOW - 0.31), NOW, NOW)
    assert seen["person_near"] is None and seen["tracker_lost"] is False


@pytest.mark.parametrize(
    "bad",
    [
        person(math.nan, 0.0),
        person(1.0, 0.0, vx=math.inf),
        person(9.0, 0.0, radius=math.nan),
        person(9.0, 0.0, radius=-5.0),
        person(9.0, 0.0, std=-5.0),
        person(9.0, 0.0, frame="map"),
    ],
)
def test_tracks_that_make_no_sense_are_unknown(bad):
    seen = guards().look(state(bad), NOW, NOW)
    assert seen["person_near"] is None and seen["tracker_lost"] is False


def test_no_state_at_all_is_lost_and_unknown():
    seen = guards().look(None, NOW, NOW)
    assert (seen["tracker_lost"], seen["lidar_lost"], seen["person_near"]) == (True, True, None)


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [(NOW, False), (NOW - 0.5, False), (NOW - 0.6, True), (math.inf, False), (math.nan, True)],
)
def test_a_scan_is_lost_when_it_is_old_and_a_map_never(stamp, expected):
    assert guards().look(state(scan=stamp), NOW, NOW)["lidar_lost"] is expected


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_loses_everything(now):
    seen = guards().look(state(), now, now)
    assert seen["tracker_lost"] and seen["lidar_lost"] and seen["arc_fault"]
    assert lost(NOW, now, 1.0)


def test_faults_of_the_arc_count_when_they_last():
    watch = ArcWatch(CONFIG)
    assert watch.fault(NOW) == "no verdict has arrived"
    for k in range(21):
        watch.take(verdict(NOW + 0.005 * k, Status.STOPPED, ("state_stale",)), NOW, NOW + 0.005 * k)
        assert bool(watch.fault(NOW + 0.005 * k)) is (k == 20), k
    assert "state_stale for 0.1 s" in watch.fault(NOW + 0.1)
    watch.take(verdict(NOW + 0.105), NOW + 0.1, NOW + 0.105)
    assert watch.fault(NOW + 0.105) == ""


@pytest.mark.parametrize(("status", "fault"), [(Status.BACKUP, True), (Status.NO_PROPOSAL, False)])
def test_backup_is_a_fault_when_it_lasts_and_a_silent_policy_is_none(status, fault):
    watch = ArcWatch(CONFIG)
    for now in (NOW, NOW + 0.11):
        watch.take(verdict(now, status, ("proposal_stale",) if not fault else ()), now, now)
    assert bool(watch.fault(NOW + 0.11)) is fault


def test_a_latched_arc_and_an_old_verdict_are_faults_at_once():
    watch = ArcWatch(CONFIG)
    watch.take(verdict(status=Status.LATCHED, faults=("clock_backwards",)), NOW, NOW)
    assert watch.fault(NOW) == "the arc has latched"
    watch.take(verdict(), NOW, NOW)
    assert watch.fault(NOW + 0.2) == ""
    assert "came 0.210 s ago, allowed 0.2 s" in watch.fault(NOW + 0.21)
    assert watch.fault(math.nan) and watch.fault(NOW - 0.21)


def test_a_loop_slower_than_the_reaction_time_is_a_fault_of_the_arc():
    watch = ArcWatch(CONFIG)
    assert loop_time(verdict(used=0.002), NOW - 0.2) == pytest.approx(0.202)
    watch.take(verdict(used=0.001), NOW - 0.248, NOW)
    assert watch.fault(NOW) == ""
    watch.take(verdict(used=0.003), NOW - 0.248, NOW)
    assert watch.fault(NOW) == "the loop took longer than T_r = 0.25 s"
    assert watch.longest_loop == pytest.approx(0.251)
    watch.take(verdict(NOW + 0.04), NOW, NOW + 0.04)
    assert watch.fault(NOW + 0.04), "a turn of the supervisor that comes after a faster tick must see it"
    watch.take(verdict(NOW + 0.06), NOW, NOW + 0.06)
    assert watch.fault(NOW + 0.06) == ""
    watch.take(verdict(NOW + 0.06, used=math.nan), NOW, NOW + 0.06)
    assert watch.fault(NOW + 0.06), "a time that is no number is none that was kept"
