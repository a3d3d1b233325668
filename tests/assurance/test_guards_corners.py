# SPDX-License-Identifier: Apache-2.0
"""What mutants of the guards once survived: a scene that is turned, other speeds, a loop that had a fault."""

import math

import numpy as np
import pytest

from reflexarc.assurance.guards import (
    PERSON_SIGNALS,
    ArcWatch,
    GuardConfig,
    Guards,
    ahead,
    person_signals,
    separation,
)
from reflexarc.core.types import FIXED_FRAME, BaseState, Mode, Obstacles, Status, Verdict, Walls
from reflexarc.robots import load_base

SEGWAY, GO2 = load_base("segway_e1"), load_base("go2")


def said(robot, twist, person, velocity, yaw=0.0, place=(0.0, 0.0)):
    """Gap, protective distance, and whether the person is in the way; person and velocity as seen from the robot."""
    c, s = math.cos(yaw), math.sin(yaw)
    turn = np.array([[c, -s], [s, c]])
    people = Obstacles(0.0, FIXED_FRAME, [turn @ person + place], [turn @ velocity], [0.3], [0.05], [0.1])
    state = BaseState(0.0, FIXED_FRAME, [*place, yaw], twist, people, Walls.none())
    gap, needed = separation(state, robot, GuardConfig())
    return gap[0], needed[0], ahead(state, robot, GuardConfig())


@pytest.mark.parametrize("yaw", [0.7, math.pi / 2, 2.5, math.pi, -1.1, -math.pi / 2])
@pytest.mark.parametrize(
    ("robot", "twist"),
    [(SEGWAY, (1.5, 0.3)), (SEGWAY, (-0.5, 0.0)), (GO2, (0.4, 0.9, 0.2)), (GO2, (0.0, -0.8, 0.0))],
)
@pytest.mark.parametrize("person", [(1.6, 0.3), (2.4, -0.5), (0.1, 1.8), (-1.5, -0.4)])
def test_a_turn_of_everything_changes_nothing(robot, twist, person, yaw):
    velocity = np.array([-1.9, 0.4])
    turned = said(robot, twist, person, velocity, yaw, (7.0, -3.0))
    assert turned == pytest.approx(said(robot, twist, person, velocity))


@pytest.mark.parametrize(("side", "nearer"), [(1.0, True), (-1.0, False)])
def test_a_legged_base_that_walks_to_its_left_needs_more_room_on_its_left(side, nearer):
    at_rest = said(GO2, (0.0, 0.0, 0.0), (0.0, 3.0 * side), np.zeros(2), 0.5)[1]
    walking = said(GO2, (0.0, 1.0, 0.0), (0.0, 3.0 * side), np.zeros(2), 0.5)[1]
    assert bool(walking > at_rest) is nearer


@pytest.mark.parametrize("speed", [0.0, 0.5, 2.0, 3.0])
def test_the_way_ahead_is_that_of_reaction_and_braking(speed):
    limits = GuardConfig()
    stop = speed * limits.reaction_s + speed * speed / (2.0 * SEGWAY.max_deceleration) + limits.ahead_m
    edge = 0.5 * SEGWAY.length + stop + 0.3 + limits.position_std_factor * 0.05
    for x, there in ((edge - 1e-6, True), (edge + 1e-6, False)):
        assert said(SEGWAY, (speed, 0.0), (x, 0.0), np.zeros(2))[2] is there


@pytest.mark.parametrize(
    ("status", "faults", "counts"),
    [
        (Status.PASSED, (), True),
        (Status.BACKUP, (), False),
        (Status.STOPPED, ("obstacles_stale",), False),
        (Status.NO_PROPOSAL, ("proposal_stale",), True),
    ],
)
def test_the_loop_of_a_tick_that_had_a_fault_is_not_its_time(status, faults, counts):
    watch = ArcWatch(GuardConfig())
    verdict = Verdict(10.0, np.zeros(2), status, Mode.NORMAL, 1.0, 0.0, math.nan, faults=faults)
    watch.take(verdict, 9.0, 5.0)
    assert watch.longest_loop == (1.0 if counts else 0.0)
    assert ("T_r" in watch.fault(5.0)) is counts


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("part", "index"), [("pose", 0), ("pose", 1), ("pose", 2), ("twist", 0), ("twist", 1)]
)
def test_of_a_pose_or_velocity_that_is_no_number_nothing_is_said_about_persons(part, index, bad):
    numbers = {"pose": np.zeros(3), "twist": np.array([1.0, 0.0])}
    person = Obstacles(0.0, FIXED_FRAME, [[1.0, 0.0]], [[0.0, 0.0]], [0.3], [0.05], [0.1])

    def signals():
        state = BaseState(0.0, FIXED_FRAME, numbers["pose"], numbers["twist"], person, Walls.none())
        return person_signals(state, SEGWAY, GuardConfig())

    assert signals()["person_near"] is True
    numbers[part] = numbers[part].copy()
    numbers[part][index] = bad
    assert signals() == dict.fromkeys(PERSON_SIGNALS)


@pytest.mark.parametrize(
    ("now", "lost"), [(5.0, False), (math.nan, True), (math.inf, True), (-math.inf, True)]
)
def test_a_map_is_never_old_but_no_time_is_no_time_for_a_map_either(now, lost):
    state = BaseState(0.0, FIXED_FRAME, np.zeros(3), np.zeros(2), Obstacles.none(0.0), Walls.none())
    assert state.walls.stamp == math.inf
    assert Guards(SEGWAY, GuardConfig()).look(state, now, 5.0)["lidar_lost"] is lost
