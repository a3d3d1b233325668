# SPDX-License-Identifier: Apache-2.0
"""Distributions, the multiplier, self-sampling, replay; and recipes that are refused."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.cli import main
from reflexarc.core.errors import ConfigError
from reflexarc.fleet.gcrl import replay
from reflexarc.fleet.gcrl.categorical import projected, quantile, shifted, tail_mean
from reflexarc.fleet.gcrl.learner import Training, learn, multiplier
from reflexarc.fleet.gcrl.point import point_domain
from reflexarc.fleet.gcrl.recipe import Recipe
from reflexarc.fleet.gcrl.sampling import best_pairs


def by_hand(p, cost, done, atoms):
    """Algorithm 1 of Bellemare et al. 2017, one atom after the other."""
    low, high, spacing = atoms[0], atoms[-1], atoms[1] - atoms[0]
    out = np.zeros(len(p))
    for mass, z in zip(p, atoms, strict=True):
        place = (min(max(cost + (0.0 if done else z), low), high) - low) / spacing
        below = min(int(np.floor(place)), len(p) - 1)
        above = min(below + 1, len(p) - 1)
        out[below] += mass * (1.0 - (place - below))
        out[above] += mass * (place - below)
    return out


def test_the_projection_equals_the_hand_computed_one():
    rng = np.random.default_rng(0)
    atoms = np.linspace(0.0, 40.0, 40)
    p = rng.dirichlet(np.ones(40), size=(3, 8))
    cost = np.array([0.0, 0.3, 1.0, 40.0 / 39.0, 2.0, 7.7, 39.9, 55.0])
    done = np.array([False, False, True, False, True, False, False, True])
    found = projected(jnp.asarray(p), jnp.asarray(cost)[None], jnp.asarray(done)[None], jnp.asarray(atoms))
    for m in range(3):
        for k in range(8):
            np.testing.assert_allclose(found[m, k], by_hand(p[m, k], cost[k], done[k], atoms), atol=2e-5)


def test_one_step_more_shifts_and_the_last_bin_keeps():
    p = jnp.array([[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]])
    found = shifted(p, jnp.array([False, True]))
    np.testing.assert_allclose(found, [[0.0, 0.1, 0.2, 0.7], [1.0, 0.0, 0.0, 0.0]], atol=1e-6)


def test_quantile_and_tail_of_a_known_distribution():
    p, atoms = jnp.array([0.5, 0.3, 0.15, 0.05]), jnp.array([0.0, 1.0, 2.0, 10.0])
    assert float(quantile(p, atoms, 0.8)) == 1.0
    assert float(quantile(p, atoms, 0.81)) == 2.0
    assert float(tail_mean(p, atoms, 0.9)) == pytest.approx((0.05 * 2.0 + 0.05 * 10.0) / 0.1)
    assert float(tail_mean(p, atoms, 0.0)) == pytest.approx(1.1)


def test_the_multiplier_moves_once_per_finished_episode_and_stays_above_zero():
    costs, ended = jnp.array([3.0, 100.0, 0.0, 2.0]), jnp.array([True, False, True, True])
    lam = multiplier(jnp.float32(0.1), costs, ended, 0.1, 1.0)
    assert float(lam) == pytest.approx(0.1 + 0.2 - 0.1 + 0.1)
    lam = multiplier(jnp.float32(0.05), jnp.array([0.0, 1.5]), jnp.array([True, True]), 0.1, 1.0)
    assert float(lam) == pytest.approx(0.05)  # down to zero first, then up from there


def test_self_sampling_picks_what_is_wanted_and_what_is_doubtful():
    mean = jnp.array([[1.0, 4.0], [5.2, 9.0]])
    spread = jnp.array([[0.0, 0.0], [3.0, 0.0]])
    allowed = jnp.ones((2, 2), dtype=bool)
    assert best_pairs(mean, spread, 4.3, allowed, 1).tolist() == [2]  # 0.9 - 1 beats 0.3
    assert best_pairs(mean, jnp.zeros((2, 2)), 4.3, allowed, 2).tolist() == [1, 2]
    assert best_pairs(mean, spread, 4.3, allowed.at[1, 0].set(False), 1).tolist() == [1]


def test_goals_in_hindsight_were_reached_later_in_the_same_episode():
    domain = point_domain("CenterDot")
    ring = replay.empty(domain, 12, 2)
    for k in range(15):  # more steps than the ring holds; a new episode every four
        x = jnp.array([[k, 0.0], [k, 1.0]], dtype=jnp.float32)
        ring = replay.add(
            ring, x, x * 0, x + 1.0, jnp.zeros(2), jnp.full((2, 2), -7.0), jnp.array([k // 4, 10 + k // 4])
        )
    batch = replay.draw(ring, domain, jax.random.key(0), 4000, 1.0, 0.0, 4)
    goal, state = np.asarray(batch.goal), np.asarray(batch.state)
    own = goal[:, 0] == -7.0
    later = goal[~own, 0] - 1.0
    now = state[~own, 0]
    assert 0.1 < own.mean() < 0.6
    assert (later >= now).all() and (later // 4 == now // 4).all()
    assert (goal[~own, 1] - 1.0 == state[~own, 1]).all()
    assert (later > now).mean() > 0.3


SMALL = {"point": {"map": "Maze3x3", "factor": 2}, "constrained": {"limit": 2.0}}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"point": {"map": "Nowhere"}}, "Nowhere"),
        ({"point": None}, "names a domain"),
        ({"training": {"limit": 1.0}}, "constrained.limit"),
        ({"training": {"speed": 1.0}}, "speed"),
        ({"constrained": {"limit": -1.0}}, "limit"),
    ],
)
def test_bad_recipes_are_refused(change, text):
    with pytest.raises(ConfigError, match=text):
        Recipe.from_content(json.loads(json.dumps(SMALL | change)), "recipe.yaml")


def test_shares_and_pairs_that_do_not_fit_are_refused():
    domain = point_domain("Maze3x3", 2)
    with pytest.raises(ConfigError, match="must not exceed 1"):
        learn(domain, Training(later=0.8, anywhere=0.4), 0)
    with pytest.raises(ConfigError, match="no more can be kept"):
        learn(domain, Training(states=2, keep=5), 0)


def test_the_command_refuses_what_a_recipe_says(tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("training: {steps: 10}\n", encoding="utf-8")
    assert main(["train", "fleet", str(recipe), "--learner", "bc"]) == 2
    assert "--learner" in capsys.readouterr().err
    assert main(["train", "fleet", str(recipe), "--out", str(tmp_path / "out")]) == 2
    assert "one of point and delivery" in capsys.readouterr().err
