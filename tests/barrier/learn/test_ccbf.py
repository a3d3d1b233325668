# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from tests.barrier.learn.small_problems import transitions

from reflexarc.barrier.learn.ccbf import train
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

DT = 0.1
SMALL = {
    "steps": 1500,
    "batch": 64,
    "hidden": (32, 32),
    "model_hidden": (32, 32),
    "learning_rate": 2e-3,
    "ahead": DT,
    "smooth_weight": 1.0,
    "conservative_weight": 3.0,
}


def velocity(x: Array, u: Array) -> Array:
    """x' = u_x - 0.5 x, y' = 2 u_y: what the model has to find."""
    return np.column_stack([u[:, 0] - 0.5 * x[:, 0], 2.0 * u[:, 1]])


def road(count=6000, seed=0):
    """Driving along a road |y| < 0.3 with hardly any steering; x > 0.5 is the failure set."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.uniform(-1.0, 1.0, count), rng.uniform(-0.3, 0.3, count)])
    u = np.column_stack([rng.uniform(-1.0, 1.0, count), rng.uniform(-0.2, 0.2, count)])
    after = x + DT * velocity(x, u)
    # two far corners give the state its scale
    x[:2], after[:2] = [[-1.0, -1.0], [-1.0, 1.0]], [[-1.0, -1.0], [-1.0, 1.0]]
    return transitions(x, u, after, lambda s: 0.5 - s[:, 0], lambda x, u: x[:, 0], DT)


@pytest.fixture(scope="module")
def learned():
    return train(road(), 0, SMALL)


def test_the_sign_follows_the_labels(learned):
    y = np.linspace(-0.2, 0.2, 5)
    assert (learned.value(np.column_stack([np.full(5, -0.6), y])) > 0.0).all()
    assert (learned.value(np.column_stack([np.full(5, 0.8), y])) < 0.0).all()


def test_the_model_is_control_affine_and_close_to_the_truth(learned):
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.uniform(-0.9, 0.9, 200), rng.uniform(-0.25, 0.25, 200)])
    u = np.column_stack([rng.uniform(-1.0, 1.0, 200), rng.uniform(-0.2, 0.2, 200)])
    f, g = learned.dynamics.affine(x)
    assert f.shape == (200, 2) and g.shape == (200, 2, 2)
    error = f + np.einsum("bnm,bm->bn", g, u) - velocity(x, u)
    assert np.abs(error).mean() < 0.05


def test_the_gradient_is_that_of_the_value(learned):
    x, step = np.array([[-0.3, 0.1], [0.4, -0.1], [0.7, 0.2]]), 1e-3
    gradient = learned.value_and_gradient(x)[1]
    for k in range(2):
        ahead, behind = x.copy(), x.copy()
        ahead[:, k] += step
        behind[:, k] -= step
        slope = (learned.value(ahead) - learned.value(behind)) / (2 * step)
        assert np.median(np.abs(slope - gradient[:, k])) < 0.02


def test_conservatism_lowers_what_unseen_inputs_would_lead_to(learned):
    plain = train(road(), 0, {**SMALL, "conservative_weight": 0.0})
    beside = np.array([[-0.5, 0.7], [-0.5, -0.7], [0.0, 0.7], [0.0, -0.7]])
    on_road = np.column_stack([np.array([-0.5, -0.5, 0.0, 0.0]), np.zeros(4)])

    def drop(learned):
        return (learned.value(on_road) - learned.value(beside)).mean()

    assert drop(learned) > drop(plain) + 0.5


def test_data_without_failures_and_bad_parameters_are_refused():
    data = road(100)
    with pytest.raises(ConfigError, match="temperature must be positive"):
        train(data, 0, {"temperature": 0.0})
    data.next_margin[:] = 1.0
    with pytest.raises(ConfigError, match="safe and unsafe"):
        train(data, 0, SMALL)
