# SPDX-License-Identifier: Apache-2.0
"""The grid reference against exact value functions and against the published figures of the boat."""

import numpy as np
import pytest

from reflexarc.barrier.certify.grid import compare, solve_grid
from reflexarc.core.errors import ConfigError
from reflexarc.robots.systems import SYSTEMS
from tests.barrier.certify.systems import double_integrator, turning_car


@pytest.fixture(scope="module")
def boat():
    return solve_grid(SYSTEMS["boat"])


@pytest.fixture(scope="module")
def braking():
    return solve_grid(double_integrator(), shape=(121, 121))


def test_the_boat_has_the_known_failed_and_doomed_shares(boat):
    errors = boat.errors(boat.values)
    assert errors.nodes == 251 * 201
    assert errors.failure == pytest.approx(0.0635, abs=3e-4)  # some nodes lie exactly on a shore
    assert errors.unavoidable == pytest.approx(0.0698, abs=3e-4)


def test_the_double_integrator_has_the_exact_braking_value(braking):
    x, v = braking.nodes.T
    exact = -x - np.maximum(v, 0.0) ** 2 / 2.0
    error = np.abs(braking.value.ravel() - exact)
    cell = 3.0 / 120
    assert error.max() < cell
    wrong = (braking.value.ravel() < 0.0) != (exact < 0.0)
    assert np.all(np.abs(exact[wrong]) < cell)


def test_a_gradient_is_the_exact_one_where_the_value_is_smooth(braking):
    x = np.random.default_rng(0).uniform([-1.8, 0.2], [0.8, 1.3], (200, 2))
    exact = np.stack([-np.ones(200), -x[:, 1]], axis=1)
    assert np.abs(braking.gradient(x) - exact).max() < 0.1


def test_interpolation_meets_the_nodes_and_clamps_outside(braking):
    assert np.allclose(braking.values(braking.nodes), braking.value.ravel(), atol=1e-9)
    outside = np.array([[-9.0, 0.3], [2.0, 9.0]])
    inside = np.clip(outside, [-2.0, -1.5], [1.0, 1.5])
    assert np.allclose(braking.values(outside), braking.values(inside))
    value, gradient = braking.value_and_gradient(np.array([-1.0, 0.5]))
    assert value == braking.values(np.array([[-1.0, 0.5]]))[0]
    assert gradient.shape == (2,)


def test_an_angle_wraps():
    reference = solve_grid(turning_car(), shape=(25, 25, 16))
    x = np.array([[-0.6, 0.1, 3.0], [0.3, 0.2, -0.4]])
    turned = x + [0.0, 0.0, 2.0 * np.pi]
    assert np.allclose(reference.values(x), reference.values(turned), atol=1e-9)
    nearly = np.array([[-0.6, 0.1, np.pi - 1e-6], [-0.6, 0.1, -np.pi + 1e-6]])
    assert np.ptp(reference.values(nearly)) < 1e-4
    # heading at the obstacle from closer than the turn allows is doomed; heading away from there is not
    facing = reference.values(np.array([[-0.65, 0.0, 0.0], [-0.65, 0.0, np.pi]]))
    assert facing[0] < 0.0 < facing[1]


def test_shares_are_counted_in_the_right_sets():
    value = np.array([-1.0, -1.0, -1.0, 1.0, 1.0])
    margin = np.array([-1.0, 1.0, 1.0, 1.0, 1.0])
    learned = np.array([-1.0, 1.0, -1.0, -1.0, 1.0])
    errors = compare(learned, value, margin, np.arange(5.0)[:, None])
    assert (errors.failure, errors.unavoidable, errors.ring) == (0.2, 0.6, 0.4)
    assert errors.false_safe_of_unavoidable == pytest.approx(1 / 3)
    assert errors.false_safe_of_ring == 0.5
    assert errors.false_unsafe == 0.5
    assert errors.worst_state == (1.0,)


def test_a_barrier_that_calls_everything_safe_is_false_safe_everywhere(boat):
    errors = boat.errors(lambda x: np.ones(len(x)))
    assert errors.false_safe_of_ring == errors.false_safe_of_unavoidable == 1.0
    assert errors.false_unsafe == 0.0
    island = np.hypot(errors.worst_state[0] + 1.0, errors.worst_state[1] + 1.2)
    assert island < 0.03


def test_too_many_states_or_a_wrong_shape_is_refused():
    with pytest.raises(ConfigError, match="needs 2 numbers"):
        solve_grid(double_integrator(), shape=(20,))
    with pytest.raises(ConfigError, match="at least 5"):
        solve_grid(double_integrator(), shape=(20, 3))
    with pytest.raises(ConfigError, match="up to 4"):
        solve_grid(double_integrator(extra_states=3))
