# SPDX-License-Identifier: Apache-2.0
"""The point domain against a slow loop written from the paper, and its maps."""

import math

import jax
import numpy as np
import pytest

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.fleet.gcrl.maps import MAPS, boxes, walls
from reflexarc.fleet.gcrl.point import PointDomain, point_domain


def slow_cost(blocked, s, radius):
    cells = np.argwhere(blocked)
    h = min(math.hypot(max(i - s[0], 0.0, s[0] - i - 1), max(j - s[1], 0.0, s[1] - j - 1)) for i, j in cells)
    return 2.0 - 2.0 * h / radius if h <= radius else 0.0


def slow_step(blocked, s, action, radius):
    rows, columns = blocked.shape

    def is_blocked(p):
        if not (0.0 <= p[0] <= rows and 0.0 <= p[1] <= columns):
            return True
        return blocked[min(int(p[0]), rows - 1), min(int(p[1]), columns - 1)]

    s, worst = list(s), slow_cost(blocked, s, radius)
    for _ in range(10):
        for axis in (0, 1):
            there = list(s)
            there[axis] = float(np.float32(there[axis] + 0.1 * min(max(action[axis], -1.0), 1.0)))
            if not is_blocked(there):
                s = there
                worst = max(worst, slow_cost(blocked, s, radius))
    return s, worst


@pytest.mark.parametrize(("name", "radius"), [("CenterDot", 3.0), ("Maze3x3", 10.0)])
def test_a_batch_of_steps_equals_the_slow_loop(name, radius):
    domain = point_domain(name, cost_radius=radius)
    rng = np.random.default_rng(0)
    free = np.argwhere(~domain.blocked)
    states = (free[rng.integers(len(free), size=60)] + rng.uniform(size=(60, 2))).astype(np.float32)
    actions = rng.uniform(-1.3, 1.3, (60, 2)).astype(np.float32)
    after, costs = jax.jit(jax.vmap(domain.step))(states, actions)
    for k in range(60):
        s, cost = slow_step(domain.blocked, states[k].tolist(), actions[k].tolist(), radius)
        np.testing.assert_allclose(after[k], s, atol=2e-5)
        assert float(costs[k]) == pytest.approx(cost, abs=1e-4)


def test_a_wall_stops_one_axis_and_lets_the_other_go_on():
    domain = point_domain("CenterDot")
    after, cost = jax.jit(domain.step)(jax.numpy.array([5.95, 6.5]), jax.numpy.array([1.0, 1.0]))
    np.testing.assert_allclose(after, [5.95, 7.5], atol=1e-5)
    assert float(cost) == pytest.approx(2.0 - 2.0 * 0.05 / 3.0, abs=1e-4)


def test_the_edge_of_the_map_stops_but_costs_nothing():
    domain = point_domain("CenterDot")
    after, cost = jax.jit(domain.step)(jax.numpy.array([0.05, 0.5]), jax.numpy.array([-1.0, -1.0]))
    assert (np.asarray(after) >= 0.0).all()
    assert float(after[0]) < 0.06
    assert float(cost) == 0.0


def test_the_central_obstacle_map_is_the_published_one():
    blocked = walls("CenterDot")
    assert blocked.shape == (15, 15)
    assert (~blocked).sum() == 216
    np.testing.assert_array_equal(boxes(blocked), [[6, 6, 9, 9]])


@pytest.mark.parametrize("name", MAPS)
def test_boxes_cover_exactly_the_blocked_cells(name):
    blocked = walls(name)
    covered = np.zeros(blocked.shape, dtype=int)
    for a, b, c, d in boxes(blocked).astype(int):
        covered[a:c, b:d] += 1
    np.testing.assert_array_equal(covered, blocked.astype(int))


def test_samples_are_free_and_spread():
    domain = point_domain("Maze6x6")
    states = jax.jit(jax.vmap(domain.sample))(np.random.default_rng(0).uniform(size=(2000, 3)).astype("f4"))
    assert not np.asarray(jax.jit(jax.vmap(domain.is_blocked))(states)).any()
    cells = {tuple(c) for c in np.floor(np.asarray(states)).astype(int).tolist()}
    assert len(cells) > 0.95 * (~domain.blocked).sum()


def test_bad_maps_are_refused():
    with pytest.raises(UnknownNameError, match="CenterDot"):
        walls("Nowhere")
    with pytest.raises(ConfigError, match="factor 0"):
        walls("CenterDot", 0)
    with pytest.raises(ConfigError, match="free cell"):
        PointDomain("full", np.ones((3, 3), dtype=bool))
    with pytest.raises(ConfigError, match="cost radius"):
        point_domain("CenterDot", cost_radius=math.nan)


def test_the_digest_names_map_and_radii():
    one = point_domain("CenterDot").digest()
    assert one == point_domain("CenterDot").digest()
    others = [point_domain("CenterDot", cost_radius=10.0), point_domain("CenterDot", goal_radius=0.4)]
    assert len({one, *(d.digest() for d in others), point_domain("Cross").digest()}) == 4
