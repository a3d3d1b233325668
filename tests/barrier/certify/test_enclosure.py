# SPDX-License-Identifier: Apache-2.0
"""Interval extensions of dynamics and margins contain every sampled value; what is unknown is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.barrier.certify.enclosure import enclosure
from reflexarc.core.errors import ConfigError
from reflexarc.robots.systems import SYSTEMS

FUNCTIONS = {
    "square": lambda x: x[0] ** 2 - x[1] * x[1],
    "quotient": lambda x: x[0] / (1.5 + jnp.sin(x[1])),
    "inverse power": lambda x: (2.0 + jnp.abs(x[0])) ** -3 + x[1] ** 3,
    "hypot": lambda x: jnp.hypot(x[0] - 0.3, x[1]),
    "norm": jnp.linalg.norm,
    "trigonometry": lambda x: jnp.cos(3.0 * x[0]) * jnp.sin(5.0 * x[1]),
    "choice": lambda x: jnp.where(x[0] * x[1] > 0.1, jnp.exp(x[0]), -jnp.tanh(x[1])),
    "logic": lambda x: jnp.where((x[0] < 0.0) & ~(x[1] >= 0.3) | (x[0] != x[0]), 1.0, 2.0),
    "extremes": lambda x: jnp.clip(jnp.maximum(x[0], x[1]), -0.2, 0.4) + jnp.min(x) - jnp.max(x),
    "angle": lambda x: jnp.arctan2(x[1], x[0]),
    "matrix": lambda x: jnp.array([[1.0, -2.0], [0.5, 3.0]]) @ x + jnp.outer(x, x).sum(axis=0),
    "written entry": lambda x: jnp.zeros(3).at[1].set(x[0]) * 2.0,
    "sigmoid": lambda x: jax.nn.sigmoid(x[0]) + jnp.sqrt(jnp.abs(x[1])) + jnp.log(1.1 + x[0] ** 2),
}


def contains(function, low, high, samples=300, seed=1):
    rng = np.random.default_rng(seed)
    bound = enclosure(function, low.shape[1], len(low))(low, high)
    share = rng.uniform(size=(samples, *low.shape))
    share[:50] = np.round(share[:50])
    with jax.enable_x64(True):
        values = np.asarray(jax.jit(jax.vmap(jax.vmap(function)))(low + share * (high - low)))
    slack = 1e-12 * (1.0 + np.abs(values))  # the samples themselves are rounded
    assert np.all(bound.low <= values + slack) and np.all(values - slack <= bound.high)
    return bound, values


def some_boxes(low, high, seed, share):
    rng = np.random.default_rng(seed)
    centre = rng.uniform(low, high, (40, len(low)))
    half = share * (high - low) * rng.uniform(size=(40, 1))
    return centre - half, centre + half


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("share", [0.0, 1e-3, 0.3])
def test_an_enclosure_contains_the_function(name, share):
    low, high = some_boxes(np.full(2, -1.5), np.full(2, 1.5), 2, share)
    contains(FUNCTIONS[name], low, high)


@pytest.mark.parametrize("name", [s for s in SYSTEMS if SYSTEMS[s].n <= 4])
def test_dynamics_and_margin_of_a_system_are_enclosed_and_the_enclosure_shrinks_with_the_box(name):
    system = SYSTEMS[name]
    low, high = some_boxes(system.low, system.high, 3, 0.05)
    for function in (system.f, system.g, system.margin):
        contains(function, low, high)
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    coarse = enclosure(system.margin, system.n, 40)(low, high)
    fine = enclosure(system.margin, system.n, 40)(middle - 1e-3 * half, middle + 1e-3 * half)
    width = np.maximum(coarse.high - coarse.low, 1e-9)
    assert np.median((fine.high - fine.low) / width) < 0.01


def test_a_zero_in_the_denominator_is_unbounded_not_wrong():
    bound = enclosure(lambda x: 1.0 / x[0], 1, 2)(np.array([[-1.0], [1.0]]), np.array([[1.0], [2.0]]))
    assert bound.low[0] == -np.inf and bound.high[0] == np.inf
    assert bound.low[1] == pytest.approx(0.5) and bound.high[1] == pytest.approx(1.0)


def test_a_function_without_an_interval_version_is_refused():
    with pytest.raises(ConfigError, match="no sound enclosure.*lu"):
        enclosure(lambda x: jnp.linalg.solve(jnp.eye(2) + jnp.outer(x, x), x), 2, 4)


def test_a_place_that_depends_on_the_state_is_refused():
    table = jnp.array([3.0, -1.0, 2.0])
    lookup = enclosure(lambda x: table[jnp.floor(x[0]).astype(int)], 1, 1)
    with pytest.raises(ConfigError, match="depends on the state"):
        lookup(np.array([[0.1]]), np.array([[2.1]]))


def test_more_boxes_than_planned_are_refused():
    bound = enclosure(lambda x: x[0], 1, 2)
    with pytest.raises(ConfigError, match="at most 2"):
        bound(np.zeros((3, 1)), np.ones((3, 1)))
