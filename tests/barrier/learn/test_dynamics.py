# SPDX-License-Identifier: Apache-2.0
"""The learned control-affine model and the bound on its error."""

import numpy as np
import pytest
from tests.barrier.learn.oracles import transitions

from reflexarc.barrier.learn.closed_loop import bounded_filter
from reflexarc.barrier.learn.dynamics import conformal_quantile, fit_dynamics
from reflexarc.core.errors import ConfigError
from reflexarc.robots.systems import SYSTEMS


def made(count, seed, noise=0.0):
    """Transitions of x' = (y, -x) + (0, 2 + x) u over durations of 0.01 to 0.1 s."""
    rng = np.random.default_rng(seed)
    x, u = rng.uniform(-1.0, 1.0, (count, 2)), rng.uniform(-1.0, 1.0, (count, 1))
    dt = rng.uniform(0.01, 0.1, count)
    rate = np.column_stack((x[:, 1], -x[:, 0] + (2.0 + x[:, 0]) * u[:, 0])) + noise * rng.normal(
        size=(count, 2)
    )
    return transitions(x, u, x + dt[:, None] * rate, np.ones(count), np.ones(count), dt=dt)


def test_drift_and_actuation_are_found_whatever_the_durations():
    model = fit_dynamics(made(20_000, 0), 0, {"steps": 2500, "hidden": (32, 32), "batch": 256})
    x = np.random.default_rng(1).uniform(-0.9, 0.9, (200, 2))
    f, g = model.affine(x)
    assert f == pytest.approx(np.column_stack((x[:, 1], -x[:, 0])), abs=0.08)
    assert g[:, :, 0] == pytest.approx(np.column_stack((np.zeros(200), 2.0 + x[:, 0])), abs=0.08)
    assert model.error < 0.15
    fresh = made(5000, 7)
    f, g = model.affine(fresh.x)
    rate = (fresh.next_x - fresh.x) / fresh.dt[:, None]
    residual = np.linalg.norm(rate - f - g[:, :, 0] * fresh.u, axis=1)
    assert (residual > model.error).mean() < 2.0 * model.share


def test_the_error_bound_is_the_quantile_that_covers_a_further_transition():
    scores = np.arange(1.0, 100.0)
    assert conformal_quantile(scores, 0.05) == 95.0
    assert conformal_quantile(scores, 0.01) == 99.0
    assert conformal_quantile(scores, 0.001) == np.inf


def test_the_robust_term_asks_for_more_room():
    boat = SYSTEMS["boat"]
    x, nominal = np.array([[-1.5, 0.5]]), np.array([[1.0, 0.0]])

    def barrier(x):
        return np.full(len(x), 0.2), np.tile([-0.6, 0.8], (len(x), 1))

    plain, _ = bounded_filter(boat, barrier, 5.0)(x, nominal)
    robust, _ = bounded_filter(boat, barrier, 5.0, model_error=0.2)(x, nominal)
    rate = np.array([-0.6, 0.8])
    drift = np.array([2.0 - 0.5 * 0.25, 0.0])
    assert rate @ (drift + plain[0]) + 5.0 * 0.2 == pytest.approx(0.0, abs=1e-5)
    assert rate @ (drift + robust[0]) + 5.0 * 0.2 - 0.2 == pytest.approx(0.0, abs=1e-5)


def test_states_that_never_move_are_refused():
    x = np.zeros((20, 2))
    with pytest.raises(ConfigError, match="never move"):
        fit_dynamics(transitions(x, np.zeros((20, 1)), x, np.ones(20), np.ones(20)), 0)
