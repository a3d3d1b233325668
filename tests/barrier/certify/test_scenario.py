# SPDX-License-Identifier: Apache-2.0
"""The scenario certificate: the closed loop it is about, its samples, and what it says of good and bad barriers."""

import math

import numpy as np
import pytest

from reflexarc.barrier.certify.cells import CellSettings, certify_cells
from reflexarc.barrier.certify.issue import grid_claim
from reflexarc.barrier.certify.rollout import (
    FilterSettings,
    closed_loop,
    deployed_filter,
    values_and_gradients,
)
from reflexarc.barrier.certify.scenario import (
    ScenarioSettings,
    as_claim,
    hold_out_starts,
    scenario,
    seed_of,
    settings_of,
    starts_above,
)
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.robots.systems import SYSTEMS
from tests.barrier.certify.nets import affine_barrier, random_barrier
from tests.barrier.certify.systems import double_integrator
from tests.barrier.certify.test_cells import STATE, braking_barrier

HASH = "00" * 32
QUICK = ScenarioSettings(epsilon=0.05, beta=1e-3, alpha=4.0)


def everything_is_safe():
    return affine_barrier([(0.0, 0.0)], [1.0], "double_integrator_test", STATE)


def test_a_good_barrier_holds_at_its_own_level():
    result = scenario(double_integrator(), braking_barrier(), HASH, QUICK)
    assert result.holds and result.violating == () and result.delta == 0.0
    assert result.samples == math.ceil(math.log(1e-3) / math.log(0.95)) == 135
    assert result.bound <= 0.05 and result.least_margin > 0.0 and result.intervened > 0.0
    assert settings_of(as_claim(result)) == QUICK


def test_a_planted_unsafe_barrier_is_refuted_by_all_three():
    system, barrier = double_integrator(), everything_is_safe()
    sampled = scenario(system, barrier, HASH, QUICK)
    assert not sampled.holds and len(sampled.violating) > 50 and sampled.bound > 0.5
    x, v = sampled.counterexample
    assert x + max(v, 0.0) ** 2 / 2.0 > -1.5  # near enough for full speed ahead to cross the wall in 1.5 s
    compared = grid_claim(system, barrier, 0.0, shape=(31, 31))
    assert not compared["holds"] and compared["false_safe_of_ring"] == 1.0
    boxes = certify_cells(system, barrier, CellSettings(alpha=0.1, smallest_cell=2.0**-4))
    assert boxes.verdict == "refuted" and boxes.failure[1] > 0.3


def test_a_level_is_found_where_a_barrier_is_wrong_by_a_constant():
    barrier = braking_barrier(shift=-0.06)  # lets some centimetres past the wall
    result = scenario(double_integrator(), barrier, HASH, QUICK)
    assert result.delta > 0.0 and result.holds
    assert result.calibration[0][1] > 0 and result.calibration[-1][1] == 0


def test_the_hold_out_starts_lie_above_the_level_and_follow_from_the_weights():
    system, barrier = double_integrator(), braking_barrier()
    starts = hold_out_starts(system, barrier, HASH, QUICK, 0.3)
    assert starts.shape == (135, 2) and barrier.values(starts).min() > 0.3
    assert np.array_equal(starts, hold_out_starts(system, barrier, HASH, QUICK, 0.3))
    other = hold_out_starts(system, barrier, "11" * 32, QUICK, 0.3)
    assert not np.array_equal(starts, other)
    assert seed_of(HASH, QUICK, "hold-out") != seed_of(HASH, QUICK, "calibration")


def test_starts_are_uniform_over_the_safe_part_of_the_box():
    system = double_integrator()
    barrier = affine_barrier([(-1.0, 0.0)], [0.0], "double_integrator_test", STATE)  # V = -x
    x = starts_above(system, barrier, 0.5, 4000, 0)
    assert x[:, 0].max() < -0.5
    for column, low, high in ((0, -2.0, -0.5), (1, -1.5, 1.5)):
        counts, _ = np.histogram(x[:, column], bins=10, range=(low, high))
        assert ((counts - 400.0) ** 2 / 400.0).sum() < 27.9  # chi-squared, 9 degrees of freedom, 0.1 %


def test_an_empty_safe_set_is_refused():
    barrier = affine_barrier([(0.0, 0.0)], [-1.0], "double_integrator_test", STATE)
    with pytest.raises(ModelError, match="0 of .* have V > 0"):
        starts_above(double_integrator(), barrier, 0.0, 10, 0)


def test_the_filter_keeps_the_row_and_falls_back_on_the_best_input():
    system, barrier = double_integrator(), braking_barrier()
    keep = deployed_filter(system, barrier, FilterSettings(alpha=2.0, model_error=0.1))
    x = np.random.default_rng(3).uniform(system.low, system.high, (300, 2))
    decision = keep(x, np.ones((300, 1)))
    for state, u, stuck in zip(x, decision.u, decision.infeasible, strict=True):
        value, gradient = barrier.value_and_gradient(state)
        rate = gradient[0] * state[1] - 0.1 * np.linalg.norm(gradient) + 2.0 * value
        best = max((gradient[1] * c, c) for c in (-1.0, 1.0))
        assert stuck == (rate + best[0] < -1e-12)
        if stuck:
            assert u[0] == pytest.approx(best[1])
        elif rate + gradient[1] >= 0.0:
            assert u[0] == pytest.approx(1.0)  # the nominal input, untouched
        else:
            assert gradient[1] * u[0] + rate == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("form", ["min", "margin_minus"])
@pytest.mark.parametrize("kind", ["relu", "tanh", "softplus"])
def test_batched_values_and_gradients_are_those_of_single_states(form, kind):
    barrier = random_barrier(7, 3, form, kind, members=3)
    x = np.random.default_rng(8).normal(size=(50, 3))
    values, gradients = values_and_gradients(barrier, x)
    for state, value, gradient in zip(x, values, gradients, strict=True):
        one, slope = barrier.value_and_gradient(state)
        assert value == pytest.approx(one, abs=1e-12)
        assert gradient == pytest.approx(slope, abs=1e-10)


def test_an_episode_is_what_a_plain_loop_in_numpy_gives():
    system, barrier = double_integrator(), braking_barrier()
    start = np.array([[-1.2, 1.0]])
    run = closed_loop(system, barrier, FilterSettings(4.0), start)
    (x, v), least = start[0], 9.0
    for _ in range(system.steps):
        value, gradient = barrier.value_and_gradient(np.array([x, v]))
        limit = (-4.0 * value - gradient[0] * v) / gradient[1] if gradient[1] else np.inf
        u = max(-1.0, min(1.0, limit)) if gradient[1] < 0.0 else 1.0
        x, v = x + v * system.period + u * system.period**2 / 2.0, v + u * system.period
        least = min(least, -x)
    assert run.final[0] == pytest.approx([x, v], abs=1e-9)
    assert run.margin[0] == pytest.approx(min(least, 1.2), abs=1e-9)


@pytest.mark.parametrize(
    "key, value", [("alpha", 0.0), ("model_error", -1.0), ("epsilon", 2.0), ("beta", 0.0)]
)
def test_unacceptable_settings_are_refused(key, value):
    with pytest.raises(ConfigError, match=key):
        ScenarioSettings(**{key: value})


def test_the_boat_without_a_filter_does_what_a_plain_loop_in_numpy_does():
    boat = SYSTEMS["boat"]
    barrier = affine_barrier([(0.0, 0.0)], [1.0], "boat", ("x", "y"))  # never asks for anything
    starts = starts_above(boat, barrier, 0.0, 400, 5)
    run = closed_loop(boat, barrier, FilterSettings(5.0), starts)
    x, hit = starts, np.zeros(400, dtype=bool)
    for step in range(4 * 400 + 1):
        for cx, cy, radius in ((-0.5, 0.5, 0.4), (-1.0, -1.2, 0.5)):
            hit |= np.hypot(x[:, 0] - cx, x[:, 1] - cy) < radius
        if step % 4 == 0:
            way = np.array([1.5, 0.0]) - x
            u = way / np.linalg.norm(way, axis=1, keepdims=True)
        x = x + 0.00125 * (np.column_stack((2.0 - 0.5 * x[:, 1] ** 2, 0.0 * x[:, 1])) + u)
    assert 0.2 < hit.mean() < 0.35
    assert np.mean(run.violated != hit) < 0.01
    assert run.intervened.max() == 0.0
