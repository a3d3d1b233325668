# SPDX-License-Identifier: Apache-2.0
"""The density at any state: backward characteristics, the forward fallback, and honest flags."""

import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.reach.flow import Flow
from reflexarc.reach.initial import Gaussian, Uniform
from reflexarc.reach.query import log_density
from tests.reach.problems import cubic, linear, loop, riccati, van_der_pol

A = np.array([[-0.5, 1.0], [-1.0, 0.1]])


def hopf(x, t, p):
    """r' = RATE r (1 - r^2), theta' = 1: contracts onto the unit circle by exp(-2 RATE t)."""
    r2 = x[0] ** 2 + x[1] ** 2
    return jnp.stack([RATE * x[0] * (1 - r2) - x[1], RATE * x[1] * (1 - r2) + x[0]])


RATE = 4.0
HOPF = loop(hopf, [-1.5, -1.5], [1.5, 1.5], 0.05, 40)


def hopf_gain(x0, rate, t):
    """Exact g: minus the log-determinant of r0 -> r0 e^at / sqrt(1 + r0^2 (e^2at - 1)) in polar coordinates."""
    r2, e = (x0**2).sum(axis=1), np.exp(2 * rate * t)
    bottom = 1 + r2 * (e - 1)
    return -np.log(e / bottom**2)  # (dr/dr0) (r/r0) = (e^at / bottom^1.5) (e^at / bottom^0.5)


def test_a_query_returns_what_the_particles_carry():
    system, rho0 = van_der_pol(), Gaussian([0.5, 0.0], 0.3 * np.eye(2))
    x0 = rho0.sample(np.random.default_rng(0), 300)
    bundle = Flow(system, "tsit5", "float64").run(x0, 20)
    query = log_density(system, rho0, bundle.x[-1], 20)
    assert np.abs(query.log_density - rho0.log_density(x0) - bundle.gain[-1]).max() < 1e-5
    assert np.abs(query.initial - x0).max() < 1e-6
    assert query.backward.all()
    assert query.error.max() < 1e-6 and query.initial_error.max() < 1e-6


def test_a_query_starts_at_the_given_time_with_the_given_parameters():
    system = loop(lambda x, t, p: p * x * jnp.cos(t), [-1], [1], 0.1, 10, substeps=2, parameters=1.0)
    x = np.linspace(-2, 2, 9)[:, None]
    query = log_density(system, Gaussian([0.2], [[1.0]]), x, parameters=2.0, start=3.0)
    growth = 2.0 * (np.sin(4.0) - np.sin(3.0))
    assert np.allclose(query.log_density, Gaussian([0.2], [[1.0]]).log_density(x * np.exp(-growth)) - growth)


def test_the_error_of_the_initial_state_is_estimated_to_first_order():
    """Steps ten times too long; the answer is judged against the state that the same steps carry to the query."""
    system, rho0 = van_der_pol(substeps=1, dt=0.25, steps=6), Gaussian([0.5, 0.0], np.diag([0.2, 0.4]))
    x0 = rho0.sample(np.random.default_rng(0), 200)
    x = Flow(system, "rk4", "float64").run(x0).x[-1]
    query = log_density(system, rho0, x, method="rk4", tolerance=0.01)
    off = np.abs((query.initial - x0) / np.sqrt([0.2, 0.4])).max(axis=1)
    assert query.backward.mean() > 0.5
    at = query.backward & (off > 1e-5)
    assert np.quantile(query.initial_error[at] / off[at], [0.05, 0.95]) == pytest.approx(1.0, abs=0.15)


def test_strong_contraction_goes_forward_and_keeps_the_density():
    system, rho0 = HOPF, Uniform([0.3, 0.3], [1.5, 1.5])
    x0 = rho0.sample(np.random.default_rng(0), 60)
    bundle = Flow(system, "rk4", "float64").run(x0)
    x = bundle.x[-1]
    # all on the circle: no neighbour tells them apart
    assert np.abs(np.linalg.norm(x, axis=1) - 1).max() < 1e-5
    query = log_density(system, rho0, x, method="rk4")
    assert (~query.backward).mean() > 0.9
    settled = query.initial_error < 1e-5
    assert settled.mean() > 0.9
    error = query.log_density - rho0.log_density(x0)
    assert np.abs(error - bundle.gain[-1])[settled].max() < 1e-3
    assert np.median(np.abs(error - hopf_gain(x0, RATE, 2.0))) < 5e-3  # the fixed step's own error


def test_the_round_trip_alone_would_have_called_a_wrong_answer_good():
    """Under contraction the backward run misses the initial state by far more than the state."""
    system, rho0 = HOPF, Uniform([0.3, 0.3], [1.5, 1.5])
    x0 = rho0.sample(np.random.default_rng(1), 60)
    x = Flow(system, "rk4", "float64").run(x0).x[-1]
    naive = Flow(system, "rk4", "float64").run_back(x).x[-1]
    miss = np.linalg.norm(Flow(system, "rk4", "float64").run(naive).x[-1] - x, axis=1)
    off = np.linalg.norm(naive - x0, axis=1)
    assert ((miss < 1e-3) & (off > 0.1)).any()
    query = log_density(system, rho0, x, method="rk4")
    trusted = query.backward
    assert np.abs(query.initial - x0)[trusted].max(initial=0.0) < 1e-5


@pytest.mark.parametrize("method", ["tsit5", "adaptive"])
def test_contraction_beyond_double_precision_takes_a_state_of_the_support(method):
    """Along (1, 1) all of the box ends in one number, so x cannot say where in the box it came from, nor need it."""
    turn, rates, t = np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2.0), np.array([-20.0, 0.1]), 2.0
    system = linear(turn.T @ np.diag(rates) @ turn, [0, 1], [1, 2], 0.1, 20, substeps=8)
    rho0 = Uniform([0.0, 1.0], [1.0, 2.0])
    x0 = rho0.sample(np.random.default_rng(5), 40)
    x = x0 @ (turn.T @ np.diag(np.exp(rates * t)) @ turn).T
    query = log_density(system, rho0, x, method=method)
    assert query.log_density == pytest.approx(-rates.sum() * t, abs=1e-6)
    assert (query.initial_error > 1.0).all(), "it says that x0 is not known"
    assert query.error.max() < 1e-11
    across = np.abs((query.initial - x0) @ turn[1])
    assert across.max() < 1e-9, "what x does say of x0 is right"
    beside = log_density(system, rho0, x + 1e-6 * turn[0], method=method)
    assert ((beside.log_density == -np.inf) | (beside.error > 1e-7)).all(), "1e-6 from the image of the box"


def test_states_that_nothing_leads_to_have_no_density():
    x = np.array([[-0.95], [0.3], [0.71], [2.0]])  # after 1 s of -x^3 the whole line lies within 1 / sqrt(2)
    query = log_density(cubic(), Uniform([-2.0], [2.0]), x)
    assert np.isfinite(query.log_density).tolist() == [False, True, False, False]
    assert (query.log_density[[0, 2, 3]] == -np.inf).all()
    assert (query.error[[0, 3]] > 0.1).all() and query.error[1] < 1e-6
    through_infinity = log_density(riccati(), Uniform([-2.0], [0.5]), np.array([[-2.0], [-0.5], [0.9]]))
    assert np.isfinite(through_infinity.log_density).tolist() == [False, True, True]


def test_outside_the_image_of_the_box_the_density_is_zero_though_the_way_back_is_fine():
    query = log_density(
        linear(A, [-1, -1], [1, 1], 0.1, 10), Uniform([-1, -1], [1, 1]), np.array([[3.0, 3.0]])
    )
    assert query.log_density[0] == -np.inf and query.backward[0] and query.error[0] < 1e-6


def test_a_nonlinear_map_is_inverted_from_its_particles():
    """The Henon map, area factor 0.3, injective; its inverse is known."""

    def field(x, k, p):
        return jnp.stack([1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0]])

    system = loop(field, [-0.5, -0.2], [0.5, 0.2], 1.0, 4, kind="map")
    rho0 = Gaussian([0.1, 0.0], [[0.01, 0.002], [0.002, 0.01]])
    x0 = rho0.sample(np.random.default_rng(3), 50)
    x = x0
    for _ in range(4):
        x = np.stack([1 - 1.4 * x[:, 0] ** 2 + x[:, 1], 0.3 * x[:, 0]], axis=1)
    query = log_density(system, rho0, x)
    assert not query.backward.any()
    found = query.initial_error < 1e-5
    assert found.mean() > 0.9
    assert np.abs(query.log_density - rho0.log_density(x0) + 4 * np.log(0.3))[found].max() < 1e-5


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda s, r: log_density(s, Uniform([0, 0], [1, 1]), np.zeros((1, 1))), "must agree"),
        (lambda s, r: log_density(s, r, np.zeros((1, 2))), r"\(N, 1\)"),
        (lambda s, r: log_density(s, r, np.array([[np.nan]])), "1 of 1 states are not finite"),
        (lambda s, r: log_density(s, r, np.zeros((1, 1)), 0), "at least 1"),
        (lambda s, r: log_density(s, r, np.zeros((1, 1)), method="euler"), "rk4, tsit5"),
        (lambda s, r: log_density(riccati(), Uniform([1.5], [2.0]), np.array([[1e9]])), "stays finite"),
    ],
)
def test_a_wrong_query_is_refused(call, text):
    with pytest.raises(ConfigError, match=text):
        call(cubic(), Uniform([-1.0], [1.0]))
