# SPDX-License-Identifier: Apache-2.0
"""The critic of falls: what it sees, its file, its labels, that it learns a risk, and how its threshold is chosen."""

import dataclasses
import math

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.robust.weights import NumpyPolicy
from reflexarc.walking import fall_training as training
from reflexarc.walking.commands import Commands
from reflexarc.walking.fall import VIEWED, FallCritic, load_fall, save_fall
from reflexarc.walking.fall_recipe import FallRecipe, Network, Rollouts, Threshold, read_fall_recipe
from reflexarc_sim.quadruped.falls import Pushers, collect, discounted, make_walk, shielded
from tests.walking.walker_scene import GO1, STANCE, constant, state, write_critic

SMALL = FallRecipe(
    robot="go1", policy="", rollouts=Rollouts(episodes=10, length_s=4.0, sudden_n=300.0, continuous_n=100.0),
    network=Network(hidden=(8,), steps=40, batch=64),
    threshold=Threshold(grid=(0.2, 0.6), episodes=6, length_s=6.0, sudden_n=200.0),
)  # fmt: skip


def test_a_critic_sees_state_and_targets_in_their_places(tmp_path):
    """One entry after the other of a made-up network, against numbers written down by hand."""
    known = state(
        velocity=[0.1, 0.2, 0.3], rate=[0.4, 0.8, 1.2], turn=[math.cos(0.2), math.sin(0.2), 0.0, 0.0],
        position=STANCE + 0.07, joint_rate=np.full(12, 3.0),
    )  # fmt: skip
    targets = STANCE + 0.1 * np.arange(12)
    view = np.concatenate((
        [0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.0, -math.sin(0.4), -math.cos(0.4)], np.full(12, 0.07), np.full(12, 0.15),
        0.1 * np.arange(12) / GO1.action_scale,
    ))  # fmt: skip
    for entry in range(VIEWED):
        weight = np.zeros((1, VIEWED))
        weight[0, entry] = 1.0
        network = NumpyPolicy([(weight, np.zeros(1))], np.zeros(VIEWED), np.ones(VIEWED))
        risk = FallCritic(GO1, network, 0.5, {}).risk(known, targets)
        assert risk == pytest.approx(1.0 / (1.0 + math.exp(-view[entry])), rel=1e-6), entry


def test_a_state_that_is_not_finite_has_no_risk(tmp_path):
    critic = load_fall(write_critic(tmp_path / "fall.safetensors"), GO1)
    assert math.isnan(critic.risk(state(velocity=[0, math.nan, 0]), STANCE))
    assert critic.risk(state(velocity=[0, 100.0, 0]), STANCE) == pytest.approx(1.0)


def test_a_file_that_is_no_critic_of_this_robot_is_refused(tmp_path):
    path = write_critic(tmp_path / "fall.safetensors")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match="not a readable file"):
        load_fall(path, GO1)
    with pytest.raises(ModelError, match="threshold of 1.0"):
        load_fall(write_critic(path, threshold=1.0), GO1)
    with pytest.raises(ModelError, match="threshold of nan"):
        load_fall(write_critic(path, threshold=math.nan), GO1)
    with pytest.raises(ModelError, match="finite weights"):
        load_fall(write_critic(path, slope=math.inf), GO1)
    save_fall(
        path, [(np.zeros((1, 7)), np.zeros(1))], np.zeros(7), np.ones(7), {"robot": "go1", "threshold": 0.5}
    )
    with pytest.raises(ModelError, match="7 entries and 1 outputs"):
        load_fall(path, GO1)
    save_fall(
        path, [(np.zeros((1, VIEWED)), np.zeros(1))], np.zeros(VIEWED), np.ones(VIEWED), {"robot": "go1"}
    )
    with pytest.raises(ModelError, match="'threshold'"):
        load_fall(path, GO1)


def test_labels_are_discounted_times_until_the_next_fall_and_unknown_ones_are_left_out():
    rng = np.random.default_rng(0)
    failed, within = rng.random((80, 5)) < 0.03, rng.integers(0, 5, 80) * 0.004
    labels, sure = discounted(failed, within, 0.3, 0.501)
    for k in range(80):
        for i in range(5):
            falls = [j for j in range(k, 80) if failed[j, i]]
            wait = (falls[0] - k + 1) * 0.02 - within[k] if falls else math.inf
            assert labels[k, i] == pytest.approx(math.exp(-wait / 0.3) if wait <= 0.501 else 0.0)
            assert sure[k, i] == (wait <= 0.501 or (80 - k) * 0.02 - within[k] >= 0.501)
    assert 0 < sure.sum() < sure.size and (labels > 0.0).any()


def test_a_risk_is_learned_as_probable_as_it_is():
    """Falls that a coin decides, by a probability that a view shows: the risk comes out, calibrated on other robots."""
    rng = np.random.default_rng(1)
    views = rng.normal(size=(20000, VIEWED))
    truth = 1.0 / (1.0 + np.exp(-2.0 * views[:, 4] + 1.0))
    labels = (rng.random(20000) < truth).astype(float)
    held = training.split(np.arange(20000) % 50, 0.2)
    assert held.sum() == 4000
    found = training.learn(views[~held], labels[~held], Network(hidden=(16,), steps=1500, batch=512), 0)
    critic = FallCritic(GO1, NumpyPolicy(found.layers, found.mean, found.deviation), 0.5, {})
    risks = critic.risks(views[held])
    assert np.abs(risks - truth[held]).mean() < 0.05
    reliability, entropy = training.judged(risks, labels[held])
    assert reliability.error < 0.03
    right = -(truth * np.log(truth) + (1 - truth) * np.log(1 - truth)).mean()
    assert entropy == pytest.approx(right, abs=0.05)


@pytest.mark.parametrize(
    ("views", "labels", "words"),
    [
        (np.zeros((5, 44)), np.ones(5), "views of shape"),
        (np.zeros((0, VIEWED)), np.zeros(0), "views of shape"),
        (np.full((5, VIEWED), np.nan), np.ones(5), "finite"),
        (np.zeros((5, VIEWED)), np.full(5, 2.0), "labels in"),
        (np.zeros((5, VIEWED)), np.zeros(5), "nobody fell"),
    ],
)
def test_data_that_cannot_be_learned_from_are_refused(views, labels, words):
    with pytest.raises(ConfigError, match=words):
        training.learn(views, labels, Network(), 0)
    with pytest.raises(ConfigError, match="some are needed"):
        training.split(np.zeros(10, dtype=int), 0.2)


def test_a_training_goes_on_from_its_checkpoint_and_ends_the_same(tmp_path):
    rng = np.random.default_rng(2)
    views, labels = rng.normal(size=(500, VIEWED)), (rng.random(500) < 0.3).astype(float)
    network = Network(hidden=(8,), steps=1500, batch=32)
    whole = training.learn(views, labels, network, 3)
    file = tmp_path / "checkpoint.safetensors"

    class Killed(Exception):
        pass

    def kill(done, *_):
        if done > 1100:
            raise Killed

    with pytest.raises(Killed):
        training.learn(views, labels, network, 3, kill, file)
    assert file.is_file()
    seen = []
    resumed = training.learn(views, labels, network, 3, lambda done, *_: seen.append(done), file)
    assert seen[0] > 1000, "it went on"
    for (w, b), (u, c) in zip(whole.layers, resumed.layers, strict=True):
        np.testing.assert_array_equal(w, u)
        np.testing.assert_array_equal(b, c)
    with pytest.raises(ModelError, match="another training"):
        training.learn(views, labels, network, 4, None, file)


def test_the_threshold_is_the_best_that_keeps_the_rate_or_says_that_none_does():
    recipe = FallRecipe(robot="go1", policy="", threshold=Threshold(falls=0.2, grid=(0.1, 0.3, 0.5)))
    fallen = np.zeros((3, 200), dtype=bool)
    fallen[0, :20], fallen[1, :4], fallen[2, :120] = True, True, True
    assert training.choose(recipe, fallen) == (0.3, True)
    fallen[:] = True
    fallen[:2, :50] = False
    assert training.choose(recipe, fallen) == (0.3, False)


def test_walks_are_the_same_for_a_seed_and_their_falls_are_in_the_labels():
    policy = constant(0.0)
    one, two = collect(SMALL, policy), collect(SMALL, policy)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.fallen > 0 and (one.labels > 0.9).any() and one.views.shape == (len(one.labels), VIEWED)
    assert set(one.robots) == set(range(10))


def test_a_reflex_changes_who_falls_and_none_is_as_if_there_were_no_critic():
    policy = constant(0.0)
    wide = np.zeros((1, VIEWED))
    always = FallCritic(
        GO1, NumpyPolicy([(wide, np.full(1, 9.0))], np.zeros(VIEWED), np.ones(VIEWED)), 0.5, {}
    )
    calm = dataclasses.replace(SMALL, threshold=dataclasses.replace(SMALL.threshold, sudden_n=0.0))
    fallen = shielded(calm, policy, constant(10.0), always, (0.5, 2.0))
    assert fallen[0].all() and not fallen[1].any(), "this recovery throws the robot down"
    pushed = shielded(SMALL, policy, None, always, (0.5, 2.0))
    assert pushed[0].sum() < pushed[1].sum(), "who crouches is harder to push over than who stands"


def test_some_are_not_pushed_some_suddenly_and_some_all_the_time():
    rng = np.random.default_rng(0)
    pushers = Pushers(Rollouts(episodes=400, sudden_n=50.0, continuous_n=20.0, calm_share=0.25), rng)
    sizes = np.array([np.linalg.norm(pushers(k, rng), axis=1) for k in range(1000)])
    acting = (sizes > 0.0).mean(axis=0)
    assert 0.2 < (acting == 0.0).mean() < 0.32, "calm"
    assert 0.3 < (acting > 0.99).mean() < 0.45, "continuous"
    assert sizes[:, (acting > 0.0) & (acting < 0.99)].max() <= 50.0 + 1e-9
    assert sizes[:, acting > 0.99].max() <= 20.0 + 1e-9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("policy: x", "'robot' is required"),
        ("{robot: go9, policy: x}", "aliengo, go1"),
        ("{robot: go1, policy: x, rollouts: {length_s: 1.0}}", "must be above risk.horizon_s"),
        ("{robot: go1, policy: x, threshold: {grid: [0.5, 0.2]}}", "does not ascend"),
        ("{robot: go1, policy: x, risk: {tau_s: .nan}}", "out of bounds"),
        ("{robot: go1, policy: x, speed: 3}", "unknown key"),
    ],
)
def test_a_recipe_that_is_not_acceptable_says_what_is(tmp_path, text, words):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_fall_recipe(path)


def test_robots_are_told_as_the_policy_was_when_it_learned():
    policy = constant(0.0)
    policy.commands = Commands(slew=1.0)
    walk = make_walk(SMALL, policy, 8)
    assert walk.t.commands is policy.commands and walk.t.gait == policy.gait
    walk.begin(np.random.default_rng(0))
    assert 0.0 < np.abs(walk.command).max() <= 0.02, "from rest, by 1 m/s every second"
