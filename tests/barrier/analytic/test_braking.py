# SPDX-License-Identifier: Apache-2.0
"""Braking distances, protective separation and latency, each against sums made by hand or by brute force."""

import numpy as np
import pytest

from reflexarc.barrier.analytic.braking import (
    along_line,
    between_spheres,
    in_any_direction,
    largest_speed,
)
from reflexarc.barrier.analytic.latency import LatencyPredictor
from reflexarc.barrier.analytic.separation import (
    SeparationParameters,
    allowed_speed,
    protective_distance,
    separation_barrier,
)
from reflexarc.core.errors import ConfigError
from reflexarc.robots.systems.double_integrator import DOUBLE_INTEGRATOR


def test_full_braking_from_the_border_of_the_set_ends_at_contact():
    for speed in (0.1, 0.7, 3.0):
        gap = speed**2 / (2.0 * 1.5) + 0.2 * speed
        assert along_line(gap, speed, 1.5, 0.2) == pytest.approx(0.0, abs=1e-12)
        d, v, dt = gap, speed, 1e-5
        for _ in range(int(0.2 / dt)):
            d -= v * dt
        while v > 0.0:
            d, v = d - v * dt, v - 1.5 * dt
        assert d == pytest.approx(0.0, abs=1e-4)


def test_growing_gap_costs_nothing():
    assert along_line(0.3, -2.0, 1.0, 0.5) == 0.3
    assert in_any_direction(0.3, -2.0, 1.0) == pytest.approx(0.3 - 2.0)  # but a reversing vehicle has to stop


def test_braking_along_the_line_of_centres_never_lowers_the_barrier_of_a_moving_sphere():
    rng = np.random.default_rng(0)
    a, dt = 2.0, 1e-4
    for _ in range(20):
        p, v = rng.uniform(-1.0, 1.0, 3), rng.uniform(-1.0, 1.0, 3)
        o, w = rng.uniform(2.0, 3.0, 3), rng.uniform(-1.0, 0.0, 3)
        before = between_spheres(p, v, o, w, 0.5, a)
        for _ in range(2000):
            away = (p - o) / np.linalg.norm(p - o)
            push = a * away if away @ (v - w) < 0.0 else 0.0 * away
            p, v, o = p + v * dt, v + push * dt, o + w * dt
            after = between_spheres(p, v, o, w, 0.5, a)
            assert after >= before - 5.0 * dt * dt - 2.0 * a * dt * 1e-3
            before = after


@pytest.mark.parametrize(("gap", "reaction"), [(0.5, 0.0), (0.5, 0.3), (4.0, 0.1)])
def test_largest_speed_is_on_the_border(gap, reaction):
    speed = largest_speed(gap, 1.2, reaction)
    assert along_line(gap, speed, 1.2, reaction) == pytest.approx(0.0, abs=1e-12)
    assert largest_speed(-1.0, 1.2, reaction) == 0.0


@pytest.mark.parametrize("deceleration", [0.0, -1.0, float("nan")])
def test_deceleration_that_is_none_is_refused(deceleration):
    with pytest.raises(ConfigError, match="positive"):
        along_line(1.0, 1.0, deceleration)


CELL = SeparationParameters(
    reaction=0.1, deceleration=2.0, intrusion=0.2, person_uncertainty=0.05, robot_uncertainty=0.01
)


def test_protective_distance_is_the_sum_of_its_parts():
    # S_h = 1.6 (0.1 + 0.5), S_r = 1.0 * 0.1, S_s = 1 / 4, C + Z_d + Z_r = 0.26
    assert protective_distance(1.0, CELL) == pytest.approx(0.96 + 0.1 + 0.25 + 0.26)
    assert protective_distance(-1.0, CELL, -0.5) == pytest.approx(0.26)  # both move away


def test_the_worked_example_of_the_distance_and_what_latency_costs():
    # v_h 1.6, v_r 1.0, T_r 0.10, T_s 0.30, C 0.20, Z_d 0.10, Z_r 0.05
    cell = SeparationParameters(0.10, 1.0 / 0.30, 0.20, 0.10, 0.05)
    assert protective_distance(1.0, cell) == pytest.approx(1.24)
    later = protective_distance(1.0, cell._replace(reaction=0.20))
    assert later - protective_distance(1.0, cell) == pytest.approx(0.26)  # (v_h + v_r) of 0.1 s
    assert protective_distance(0.0, cell) + 1.6 * 0.30 == pytest.approx(
        0.99
    )  # without the robot's own travel


def test_separation_barrier_has_the_derivatives_of_finite_differences():
    for distance, speed in ((2.0, 0.7), (1.0, 0.2)):
        h, by_distance, by_speed = separation_barrier(distance, speed, CELL)
        step = 1e-6
        up = separation_barrier(distance, speed + step, CELL)[0]
        down = separation_barrier(distance, speed - step, CELL)[0]
        assert by_speed == pytest.approx((up - down) / (2.0 * step), rel=1e-6)
        assert by_distance == 1.0
        assert h == pytest.approx(distance - protective_distance(speed, CELL))


def test_allowed_speed_keeps_exactly_the_protective_distance():
    for distance in (0.5, 1.0, 3.0):
        speed = allowed_speed(distance, CELL)
        assert protective_distance(speed, CELL) == pytest.approx(distance)
    assert allowed_speed(0.3, CELL) == 0.0  # a person who walks cannot be waited for


@pytest.mark.parametrize("wrong", [{"reaction": -0.1}, {"deceleration": 0.0}, {"intrusion": float("inf")}])
def test_cell_with_impossible_numbers_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        protective_distance(1.0, CELL._replace(**wrong))


def test_prediction_applies_each_input_for_as_long_as_it_acts():
    predictor = LatencyPredictor(DOUBLE_INTEGRATOR, 0.03)
    predictor.clear(np.array([[0.5]]))
    predictor.sent(np.array([[1.0]]), 0.0)  # acts from 0.03
    predictor.sent(np.array([[-1.0]]), 0.02)  # acts from 0.05
    x, v = -1.0, 0.4
    for u, span in ((0.5, 0.02), (1.0, 0.02), (-1.0, 0.01)):  # from 0.01 to 0.03, 0.05, 0.06
        x, v = x + v * span + 0.5 * u * span**2, v + u * span
    prediction = predictor.predict(np.array([[-1.0, 0.4]]), stamp=0.01, now=0.03)
    assert prediction.x[0] == pytest.approx([x, v], abs=1e-12)
    assert prediction.horizon == pytest.approx(0.05)
    assert prediction.fresh


def test_old_measurement_is_called_stale():
    predictor = LatencyPredictor(DOUBLE_INTEGRATOR, 0.01, max_age=0.05)
    predictor.clear(np.zeros((1, 1)))
    assert predictor.predict(np.zeros((1, 2)), 1.0, 1.04).fresh
    assert not predictor.predict(np.zeros((1, 2)), 1.0, 1.06).fresh


def test_prediction_without_knowledge_of_the_inputs_is_refused():
    predictor = LatencyPredictor(DOUBLE_INTEGRATOR, 0.02)
    with pytest.raises(ConfigError, match="initial"):
        predictor.predict(np.zeros((1, 2)), 0.0, 0.0)
    predictor.sent(np.zeros((1, 1)), 0.1)
    with pytest.raises(ConfigError, match="initial"):
        predictor.predict(np.zeros((1, 2)), 0.1, 0.11)  # what acts before 0.12 is not known
    with pytest.raises(ConfigError, match="later than now"):
        predictor.predict(np.zeros((1, 2)), 0.2, 0.1)
    with pytest.raises(ConfigError, match="not noted"):
        predictor.sent(np.zeros((1, 1)), 0.05)


@pytest.mark.parametrize("delay", [-0.01, float("nan"), float("inf")])
def test_delay_that_is_none_is_refused(delay):
    with pytest.raises(ConfigError, match="delay"):
        LatencyPredictor(DOUBLE_INTEGRATOR, delay)
