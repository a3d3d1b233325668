# SPDX-License-Identifier: Apache-2.0
"""The stopping barrier against brute force, and its algebra."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflexarc.barrier.analytic.separation import WALKING_SPEED, SeparationParameters, protective_distance
from reflexarc.barrier.stopping import (
    BUDGET,
    SIDE,
    SOURCE,
    StoppingParameters,
    admissible_share,
    barrier_margin,
    linear_rows,
    row_table,
    stopping_rows,
    with_envelope,
)
from tests.barrier.oracle import smallest_gap_while_braking

P = with_envelope(
    StoppingParameters(
        half_length=0.445,
        half_width=0.31,
        deceleration=2.4,
        yaw_deceleration=5.0,
        delay=0.045,
        clearance=0.10,
        wall_clearance=0.05,
        sigmas=2.0,
        obstacle_acceleration=1.0,
        creep_speed=0.05,
        longest_stop=0.0,
        farthest_stop=0.0,
    ),
    max_speed=10.0,
    max_yaw_rate=1.5,
)
SPEED = st.floats(-1.0, 3.5)
YAW = st.floats(-1.5, 1.5)
DISCRETISATION = 0.004
"""The oracle moves in steps of 5 ms; at 3 m/s closing speed it sees a gap at most this much wrong. [m]"""


def rows_of(people=(), walls=(), std=0.0, parameters=P, age=0.0, speed=0.0):
    """Row table of a robot at the origin among people (x, y, vx, vy, radius) and walls (x1, y1, x2, y2)."""
    people = np.array(people, dtype=float).reshape(-1, 5)
    walls = np.array(walls, dtype=float).reshape(-1, 4)
    table = row_table(len(people) + len(walls))
    n = len(people)
    count = stopping_rows(
        np.zeros(3),
        speed,
        np.array([age, 0.0]),
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
    angle, distance = draw(st.floats(-math.pi, math.pi)), draw(st.floats(0.9, 5.0))
    return (
        distance * math.cos(angle),
        distance * math.sin(angle),
        draw(st.floats(-2.0, 2.0)),
        draw(st.floats(-2.0, 2.0)),
        0.3,
    )


@st.composite
def wall(draw):
    angle, distance = draw(st.floats(-math.pi, math.pi)), draw(st.floats(0.6, 4.0))
    left, right = draw(st.floats(0.0, 3.0)), draw(st.floats(0.0, 3.0))
    normal = np.array([math.cos(angle), math.sin(angle)])
    tangent = np.array([-normal[1], normal[0]])
    return (*(distance * normal - left * tangent), *(distance * normal + right * tangent))


def gap_after_braking(command, people=(), walls=()):
    return smallest_gap_while_braking(
        command,
        size=(0.89, 0.62),
        delay=P.delay,
        deceleration=P.deceleration,
        yaw_deceleration=P.yaw_deceleration,
        people=people,
        acceleration=P.obstacle_acceleration,
        walls=walls,
    )


@settings(max_examples=300, deadline=None)
@given(person(), SPEED, YAW)
def test_robot_that_brakes_from_an_admissible_command_keeps_the_clearance_to_a_person(who, v, omega):
    rows, count = rows_of([who], speed=v)
    if rows[:count, BUDGET].min() < 0.0:
        return  # too close already: only standing or outrunning is allowed, tested below
    share, _ = admissible_share(rows, count, v, omega, P)
    gap = gap_after_braking((share * v, share * omega), people=[who])
    assert gap >= P.clearance - DISCRETISATION


@settings(max_examples=300, deadline=None)
@given(wall(), SPEED, YAW)
def test_robot_that_brakes_from_an_admissible_command_keeps_the_clearance_to_a_wall(segment, v, omega):
    rows, count = rows_of(walls=[segment])
    if rows[:count, BUDGET].min() < 0.0:
        return
    share, _ = admissible_share(rows, count, v, omega, P)
    gap = gap_after_braking((share * v, share * omega), walls=[segment])
    assert gap >= P.wall_clearance - DISCRETISATION


def test_barrier_is_not_needlessly_tight_head_on():
    # A person 4 m ahead who stands: the closed-form stopping distance is the whole story.
    rows, count = rows_of([(4.0, 0.0, 0.0, 0.0, 0.3)])
    share, row = admissible_share(rows, count, 10.0, 0.0, P)
    v = 10.0 * share
    free = 4.0 - 0.445 - 0.3 - P.clearance
    stop = P.delay + v / P.deceleration
    assert free - v * P.delay - v**2 / (2 * P.deceleration) - stop**2 / 2 == pytest.approx(0.0, abs=1e-9)
    assert rows[row, SOURCE] == 0


@settings(deadline=None)
@given(st.floats(0.0, 3.0), st.floats(0.0, 0.3), st.floats(-2.0, 1.0))
def test_with_the_speed_of_a_person_that_is_not_measured_it_is_the_protective_distance(v, age, moves):
    """d - S_p of ISO/TS 15066 with T_r = age + tau, wherever the track says that the person goes up to 1.6 m/s."""
    parameters = P._replace(person_speed=WALKING_SPEED, obstacle_acceleration=0.0)
    rows, count = rows_of([(8.0, 0.0, -moves, 0.0, 0.3)], parameters=parameters, age=age, speed=v)
    cell = SeparationParameters(age + P.delay, P.deceleration, P.clearance)
    # the track is carried forward by its own velocity; the robot's pose is that of the tick
    gap = 8.0 - 0.445 - 0.3
    expected = gap - protective_distance(v, cell) + v * age
    assert barrier_margin(rows, count, v, 0.0, parameters)[0] == pytest.approx(expected, abs=1e-9)


def test_a_person_faster_than_assumed_counts_as_measured():
    fast = [(8.0, 0.0, -2.5, 0.0, 0.3)]
    (with_floor, n), (measured, m) = rows_of(fast, parameters=P._replace(person_speed=1.6)), rows_of(fast)
    assert n == m
    np.testing.assert_array_equal(with_floor[:n], measured[:m])


@settings(max_examples=300, deadline=None)
@given(st.lists(person(), max_size=6), st.lists(wall(), max_size=4), SPEED, YAW, st.floats(-1.0, 3.5))
def test_every_command_has_an_admissible_share_and_it_is_admissible(people, walls, v, omega, speed):
    rows, count = rows_of(people, walls, speed=speed)
    share, row = admissible_share(rows, count, v, omega, P)
    assert 0.0 <= share <= 1.0
    assert (row == -1) == (share == 1.0)
    again, _ = admissible_share(rows, count, share * v, share * omega, P)
    assert again >= 1.0 - 1e-6


@settings(max_examples=300, deadline=None)
@given(
    st.lists(person(), min_size=1, max_size=6), st.lists(wall(), max_size=4), SPEED, YAW, st.floats(0.0, 1.0)
)
def test_margin_is_never_negative_on_the_admissible_part_of_a_ray(people, walls, v, omega, part):
    rows, count = rows_of(people, walls)
    if rows[:count, BUDGET].min() < 0.0:
        return
    share, _ = admissible_share(rows, count, v, omega, P)
    margin, _ = barrier_margin(rows, count, part * share * v, part * share * omega, P)
    assert margin >= -1e-9


@settings(max_examples=200, deadline=None)
@given(st.lists(person(), max_size=6), st.lists(wall(), max_size=4), st.floats(0.0, 3.5), YAW)
def test_standing_still_satisfies_every_row_of_the_programme(people, walls, v, omega):
    rows, count = rows_of(people, walls)
    normals, offsets = np.zeros((12, 2)), np.zeros(12)
    used = linear_rows(rows, count, v, omega, 1.0, 0.5, P, normals, offsets)
    assert (offsets[:used] >= 0.0).all()
    assert np.allclose(np.linalg.norm(normals[:used], axis=1), 1.0)


def test_programme_keeps_the_tightest_rows_when_there_are_too_many():
    people = [(1.5 + 0.2 * k, 0.0, 0.0, 0.0, 0.3) for k in range(10)]
    rows, count = rows_of(people)
    many_n, many_o = np.zeros((40, 2)), np.zeros(40)
    few_n, few_o = np.zeros((4, 2)), np.zeros(4)
    many = linear_rows(rows, count, 1.5, 0.0, 1.0, 0.5, P, many_n, many_o)
    few = linear_rows(rows, count, 1.5, 0.0, 1.0, 0.5, P, few_n, few_o)
    assert (many, few) == (20, 4)
    assert np.allclose(few_o, many_o[:4]) and np.allclose(few_n, many_n[:4])


def test_someone_too_close_may_be_left_but_not_approached():
    behind = [(-0.80, 0.0, 0.5, 0.0, 0.3)]  # 5 cm behind the tail, following at 0.5 m/s
    outrunning, slower, standing = (rows_of(behind, speed=speed) for speed in (0.6, 0.4, 0.0))
    assert outrunning[0][0, BUDGET] < 0.0
    assert admissible_share(*outrunning, 1.0, 0.0, P)[0] == 1.0
    for rows in (slower, standing):  # wanting to outrun is not outrunning
        assert admissible_share(*rows, 1.0, 0.0, P)[0] == pytest.approx(P.creep_speed)
        assert admissible_share(*rows, 0.3, 0.0, P)[0] == pytest.approx(P.creep_speed / 0.3)
    assert admissible_share(*outrunning, -0.3, 0.0, P)[0] == 0.0


def test_moving_away_counts_up_to_the_measured_speed():
    behind = [(-1.6, 0.0, 1.4, 0.0, 0.3)]
    shares = [
        admissible_share(*rows_of(behind, speed=speed), 2.0, 0.0, P)[0]
        for speed in (-1.0, 0.0, 0.5, 1.0, 2.0, 3.0)
    ]
    assert shares[0] == shares[1] < shares[2] < shares[3] < shares[4] == shares[5]


@settings(max_examples=300, deadline=None)
@given(person(), st.floats(-1.0, 3.5), SPEED, YAW)
def test_share_ends_where_the_barrier_does(who, speed, v, omega):
    rows, count = rows_of([who], speed=speed)
    if rows[:count, BUDGET].min(initial=0.0) < 0.0:
        return
    share, row = admissible_share(rows, count, v, omega, P)
    if 0.0 < share < 1.0 and v * omega * rows[row, SIDE] <= 0.0:  # elsewhere the share is conservative
        assert barrier_margin(rows, count, share * v, share * omega, P)[0] == pytest.approx(0.0, abs=1e-7)


def test_robot_inside_a_wall_may_leave_it():
    through_the_nose = [(0.40, -1.0, 0.40, 1.0)]
    rows, count = rows_of(walls=through_the_nose)
    assert rows[0, BUDGET] < 0.0
    assert admissible_share(rows, count, 0.5, 0.0, P)[0] == 0.0
    assert admissible_share(rows, count, -0.5, 0.0, P)[0] == 1.0


def test_wall_that_cuts_a_corner_off_the_footprint_counts_as_touching():
    rows, _ = rows_of(walls=[(0.25, 0.60, 0.60, 0.05)])
    assert rows[0, 0] < 0.0


def test_age_and_noise_of_the_tracks_make_the_robot_slower():
    ahead = [(2.0, 0.0, 0.0, 0.0, 0.3)]
    fresh = admissible_share(*rows_of(ahead), 3.5, 0.0, P)[0]
    noisy = admissible_share(*rows_of(ahead, std=0.1), 3.5, 0.0, P)[0]
    stale = admissible_share(*rows_of(ahead, std=0.1, age=0.3), 3.5, 0.0, P)[0]
    assert fresh > noisy > stale > 0.0


@settings(max_examples=300, deadline=None)
@given(st.lists(person(), max_size=6), st.lists(wall(), max_size=4), st.floats(-3.5, 3.5), YAW)
def test_things_out_of_reach_have_no_row_and_could_not_bind(people, walls, v, omega):
    tight = with_envelope(P, max_speed=3.5, max_yaw_rate=1.5)
    everything = P._replace(longest_stop=1e3, farthest_stop=1e3)
    few, many = rows_of(people, walls, parameters=tight), rows_of(people, walls, parameters=everything)
    assert few[1] <= many[1] == 2 * (len(people) + len(walls))
    assert admissible_share(*few, v, omega, tight)[0] == admissible_share(*many, v, omega, everything)[0]


def test_wall_and_walker_far_away_are_not_in_the_table():
    tight = with_envelope(P, max_speed=1.5, max_yaw_rate=1.0)
    assert rows_of([(10.0, 0.0, -1.5, 0.0, 0.3)], parameters=tight)[1] == 0
    assert rows_of(walls=[(0.0, 9.0, 5.0, 9.0)], parameters=tight)[1] == 0
