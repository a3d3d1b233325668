# SPDX-License-Identifier: Apache-2.0
"""The disc barrier of a base that moves in any direction, against brute force, and its algebra."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflexarc.barrier.analytic.separation import WALKING_SPEED, SeparationParameters, protective_distance
from reflexarc.barrier.disc import (
    BUDGET,
    DiscParameters,
    disc_lines,
    disc_margin,
    disc_rows,
    disc_share,
    disc_table,
)
from tests.barrier.oracle import smallest_gap_of_a_disc_while_braking

P = DiscParameters(
    radius=0.44,
    deceleration=2.0,
    yaw_deceleration=4.0,
    delay=0.25,
    clearance=0.10,
    wall_clearance=0.05,
    sigmas=2.0,
    obstacle_acceleration=1.0,
    creep_speed=0.05,
    top_speed=12.0,
)
FORWARD, LEFT, YAW = st.floats(-1.0, 2.5), st.floats(-0.8, 0.8), st.floats(-2.0, 2.0)
DISCRETISATION = 0.01
"""The oracle moves in steps of 5 ms. [m]"""


def rows_of(people=(), walls=(), std=0.0, age=0.0, twist=(0.0, 0.0, 0.0), pose=(0.0, 0.0, 0.0), parameters=P):
    """Row table of a robot among people (x, y, vx, vy, radius) and walls (x1, y1, x2, y2)."""
    people = np.array(people, dtype=float).reshape(-1, 5)
    walls = np.array(walls, dtype=float).reshape(-1, 4)
    n = len(people)
    table = disc_table(n + len(walls))
    count = disc_rows(
        np.array(pose, dtype=float),
        np.array(twist, dtype=float),
        age,
        np.ascontiguousarray(people[:, :2]),
        np.ascontiguousarray(people[:, 2:4]),
        np.ascontiguousarray(people[:, 4]),
        np.full(n, std),
        np.full(n, std),
        walls,
        parameters,
        table,
    )
    return table, count


@st.composite
def person(draw):
    angle, distance = draw(st.floats(-math.pi, math.pi)), draw(st.floats(1.2, 5.0))
    where = distance * math.cos(angle), distance * math.sin(angle)
    return (*where, draw(st.floats(-2.0, 2.0)), draw(st.floats(-2.0, 2.0)), 0.3)


@st.composite
def wall(draw):
    angle, distance = draw(st.floats(-math.pi, math.pi)), draw(st.floats(0.7, 4.0))
    left, right = draw(st.floats(0.0, 3.0)), draw(st.floats(0.0, 3.0))
    normal = np.array([math.cos(angle), math.sin(angle)])
    tangent = np.array([-normal[1], normal[0]])
    return (*(distance * normal - left * tangent), *(distance * normal + right * tangent))


def gap_after_braking(command, people=(), walls=()):
    return smallest_gap_of_a_disc_while_braking(
        command,
        radius=P.radius,
        delay=P.delay,
        deceleration=P.deceleration,
        yaw_deceleration=P.yaw_deceleration,
        people=people,
        acceleration=P.obstacle_acceleration,
        walls=walls,
    )


@settings(max_examples=300, deadline=None)
@given(person(), FORWARD, LEFT, YAW)
def test_robot_that_brakes_from_an_admissible_command_keeps_the_clearance_to_a_person(who, vx, vy, omega):
    rows, count = rows_of([who])
    if count and rows[:count, BUDGET].min() < 0.0:
        return  # too close already: only standing or outrunning is allowed, tested below
    share, _ = disc_share(rows, count, vx, vy, omega, P)
    gap = gap_after_braking((share * vx, share * vy, share * omega), people=[who])
    assert gap >= P.clearance - DISCRETISATION


@settings(max_examples=300, deadline=None)
@given(wall(), FORWARD, LEFT, YAW)
def test_robot_that_brakes_from_an_admissible_command_keeps_the_clearance_to_a_wall(segment, vx, vy, omega):
    rows, count = rows_of(walls=[segment])
    if count and rows[:count, BUDGET].min() < 0.0:
        return
    share, _ = disc_share(rows, count, vx, vy, omega, P)
    gap = gap_after_braking((share * vx, share * vy, share * omega), walls=[segment])
    assert gap >= P.wall_clearance - DISCRETISATION


@pytest.mark.parametrize("direction", [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.6, -0.8)])
def test_barrier_is_not_needlessly_tight_head_on(direction):
    # A wall 4 m away, straight ahead of the motion: the closed-form stopping distance is the whole story.
    n = np.array(direction)
    tangent = np.array([-n[1], n[0]])
    rows, count = rows_of(walls=[(*(4.0 * n - tangent), *(4.0 * n + tangent))])
    share, _ = disc_share(rows, count, 10.0 * n[0], 10.0 * n[1], 0.0, P)
    v = 10.0 * share
    free = 4.0 - P.radius - P.wall_clearance
    assert v * P.delay + v**2 / (2 * P.deceleration) == pytest.approx(free, abs=1e-9)


@settings(deadline=None)
@given(st.floats(0.0, 3.0), st.floats(0.0, 0.3), st.floats(-2.0, 1.0))
def test_with_the_speed_of_a_person_that_is_not_measured_it_is_the_protective_distance(v, age, moves):
    """d - S_p of ISO/TS 15066 with T_r = age + tau, wherever the track says that the person goes up to 1.6 m/s."""
    parameters = P._replace(person_speed=WALKING_SPEED, obstacle_acceleration=0.0)
    rows, count = rows_of([(8.0, 0.0, -moves, 0.0, 0.3)], age=age, parameters=parameters)
    cell = SeparationParameters(age + P.delay, P.deceleration, P.clearance)
    expected = 8.0 - P.radius - 0.3 - protective_distance(v, cell) + v * age  # the pose is that of the tick
    assert disc_margin(rows, count, v, 0.0, 0.0, parameters)[0] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=300, deadline=None)
@given(st.lists(person(), max_size=6), st.lists(wall(), max_size=4), FORWARD, LEFT, YAW)
def test_every_command_has_an_admissible_share_and_it_is_admissible(people, walls, vx, vy, omega):
    rows, count = rows_of(people, walls)
    share, row = disc_share(rows, count, vx, vy, omega, P)
    assert 0.0 <= share <= 1.0
    assert (row == -1) == (share == 1.0)
    again, _ = disc_share(rows, count, share * vx, share * vy, share * omega, P)
    assert again >= 1.0 - 1e-6
    if count and rows[:count, BUDGET].min() >= 0.0:
        margin, _ = disc_margin(rows, count, share * vx, share * vy, share * omega, P)
        assert margin >= -1e-9


def test_turning_towards_a_thing_counts_and_turning_away_does_not():
    # Moving along a wall on the left: a left turn leads into it.
    rows, count = rows_of(walls=[(-5.0, 0.8, 9.0, 0.8)])
    towards, away = (disc_margin(rows, count, 1.0, 0.0, w, P)[0] for w in (1.0, -1.0))
    straight = disc_margin(rows, count, 1.0, 0.0, 0.0, P)[0]
    assert towards < straight == away
    assert gap_after_braking((1.0, 0.0, 1.0), walls=[(-5.0, 0.8, 9.0, 0.8)]) >= towards


@pytest.mark.parametrize(
    ("who", "command", "admitted"),
    [
        ((0.8, 0.0, 0.0, 0.0, 0.3), (1.0, 0.0, 0.0), 0.0),  # approaching somebody who is too close
        ((0.8, 0.0, -0.5, 0.0, 0.3), (-1.0, 0.0, 0.0), 0.05),  # somebody comes: backing away is creeping
        ((0.8, 0.0, 0.0, 0.0, 0.3), (-1.0, 0.0, 0.0), 1.0),  # backing away from somebody who stands
        ((0.8, 0.0, 0.0, 0.0, 0.3), (0.0, 0.04, 0.0), 1.0),  # creeping sideways
        ((0.8, 0.0, 0.0, 0.0, 0.3), (0.0, 0.0, 1.0), 1.0),  # turning on the spot moves nothing of a disc
    ],
)
def test_where_somebody_is_too_close_the_robot_stands_or_creeps(who, command, admitted):
    rows, count = rows_of([who])
    assert disc_share(rows, count, *command, P)[0] == pytest.approx(admitted)


def test_robot_that_outruns_somebody_too_close_may_go_on():
    rows, count = rows_of([(0.8, 0.0, -0.5, 0.0, 0.3)], twist=(-1.0, 0.0, 0.0))
    assert disc_share(rows, count, -1.0, 0.0, 0.0, P)[0] == 1.0


@settings(max_examples=200, deadline=None)
@given(st.lists(person(), min_size=1, max_size=6), FORWARD, LEFT, YAW)
def test_lines_touch_the_barrier_and_admit_standing_still(people, vx, vy, omega):
    rows, count = rows_of(people)
    normals, offsets = np.zeros((4, 3)), np.zeros(4)
    used = disc_lines(rows, count, vx, vy, omega, 1.0, 0.5, P, normals, offsets)
    assert used <= min(4, 2 * count)
    assert (offsets[:used] >= 0.0).all()
    assert np.linalg.norm(normals[:used], axis=1) == pytest.approx(1.0)
    room = offsets[:used] - normals[:used] @ np.array([vx, vy, 2.0 * omega])
    assert (np.diff(room) >= -1e-12).all()


def test_line_is_the_tangent_of_the_barrier():
    # One person ahead to the right, and a command that the barrier does not admit.
    rows, count = rows_of([(2.0, -0.6, -0.3, 0.1, 0.3)])
    command = np.array([2.0, -0.3, -0.5])
    share, _ = disc_share(rows, count, *command, P)
    touch = share * command
    normals, offsets = np.zeros((1, 3)), np.zeros(1)
    disc_lines(rows, count, *command, 1.0, 0.5, P, normals, offsets)
    scale = np.array([1.0, 1.0, 0.5])
    assert normals[0] @ (touch / scale) == pytest.approx(offsets[0], abs=1e-6)
    step, slope = 1e-6, np.zeros(3)
    for axis in range(3):
        high, low = (
            disc_margin(rows, count, *(touch + sign * step * np.eye(3)[axis]), P)[0] for sign in (1.0, -1.0)
        )
        slope[axis] = -(high - low) / (2.0 * step) * scale[axis]
    assert normals[0] == pytest.approx(slope / np.linalg.norm(slope), abs=1e-5)
