# SPDX-License-Identifier: Apache-2.0
"""Memory, losses, training, files and the verb `train reflex`."""

import csv
import dataclasses
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from reflexarc.cli.__main__ import main
from reflexarc.core.config import from_mapping, read_yaml
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.reflex import methods
from reflexarc.reflex.agent import ReflexAgent, load_reflex_agent
from reflexarc.reflex.evaluation import critic_reliability, judged
from reflexarc.reflex.learner import Training, _loss, learn, probe_transitions
from reflexarc.reflex.loop import Piece, Shield
from reflexarc.reflex.memory import drawn, memory_of, remembered
from reflexarc.reflex.navigation import NAVIGATION, navigation
from reflexarc.reflex.networks import Networks, risk_of
from reflexarc.reflex.recipe import Recipe, train

PROBLEM = navigation("navigation2")
MODELS = Path(__file__).resolve().parents[2] / "models" / "reflex"
SHORT = Training(
    episodes=8,
    environments=4,
    updates=2,
    pretraining=4000,
    probes=4000,
    batch=64,
    width=32,
    ring=300,
    rate=1e-3,
)
RECIPE = """
problem: navigation2
method: ours
training: {episodes: 4, environments: 4, updates: 1, pretraining: 500, probes: 1000, batch: 64, width: 16}
"""


@pytest.fixture(scope="module")
def learned():
    return learn(PROBLEM, SHORT, Shield(0.2, 1, 10, 0.8), [0, 1])


def pieces(values, valid):
    n = len(values)
    x, none = jnp.array(values, dtype=jnp.float32), jnp.zeros(n, bool)
    two = jnp.stack([x, x], axis=1)
    return Piece(jnp.array(valid), ~none, two, two, two, x, none, none, two, jnp.ones(n))


def test_the_ring_keeps_the_newest_valid_transitions_and_all_offline_ones():
    memory = memory_of(pieces([-1.0, -2.0], [True, True]), 3)
    for k in range(1, 6):
        memory = remembered(memory, 2, pieces([k, 100.0], [True, False]))
    assert memory.rows.reward[:2].tolist() == [-1.0, -2.0]
    assert sorted(memory.rows.reward[2:5].tolist()) == [3.0, 4.0, 5.0] and int(memory.size) == 3
    batch = drawn(memory, 2, jax.random.key(0), 200, online=True)
    assert set(batch.reward.tolist()) == {3.0, 4.0, 5.0}
    assert set(drawn(memory, 2, jax.random.key(0), 200, online=False).reward.tolist()) >= {-1.0, -2.0, 5.0}
    empty = memory_of(pieces([1.0], [True]), 3)
    assert not drawn(empty, 1, jax.random.key(0), 5, online=True).valid.any()


def test_every_loss_moves_its_own_networks_alone():
    networks = Networks(PROBLEM, 8, 2, jax.random.key(0))
    weights, static = eqx.partition(networks, eqx.is_array)
    flat, unflatten = ravel_pytree((weights, jnp.float32(0.0)))
    rng = np.random.default_rng(0)
    x = lambda *shape: jnp.asarray(rng.standard_normal(shape), jnp.float32)  # noqa: E731
    none = jnp.zeros(6, bool)
    batch = Piece(~none, ~none, x(6, 2), x(6, 2), x(6, 2), x(6), none, none, x(6, 2), jnp.ones(6))

    def gradient(t, own):
        def value(vector):
            whole = lambda v: eqx.combine(unflatten(v)[0], static)  # noqa: E731
            return _loss(vector, flat, whole, unflatten, PROBLEM, t, 0.2, own, batch, jnp.zeros((4, 6, 2)))[0]

        found, log_nu = unflatten(jax.jit(jax.grad(value))(flat))
        norms = {name: float(ravel_pytree(getattr(found, name))[0] @ ravel_pytree(getattr(found, name))[0])
                 for name in ("task", "value", "risk", "recovery")}  # fmt: skip
        return norms, float(log_nu)

    before, _ = gradient(SHORT, None)
    assert before["task"] == before["value"] == 0.0 and min(before["risk"], before["recovery"]) > 0.0
    during, log_nu = gradient(dataclasses.replace(SHORT, limit=1.0), batch)
    assert min(during.values()) > 0.0 and log_nu > 0.0, "descent lowers the multiplier where there is room"
    # the task's batch says nothing to critic and recovery
    assert during["risk"] == pytest.approx(before["risk"], rel=1e-4)
    assert during["recovery"] == pytest.approx(before["recovery"], rel=1e-4)
    tight = gradient(dataclasses.replace(SHORT, limit=0.0), batch)[1]
    assert tight < 0.0, "and raises it where there is none"


def test_probes_fail_where_the_obstacle_is():
    p = probe_transitions(PROBLEM, 3000, 0)
    failed, valid = np.asarray(p.failed), np.asarray(p.valid)
    assert valid.all() or not PROBLEM.failed(np.asarray(p.state))[valid].any()
    assert PROBLEM.failed(np.asarray(p.next_state))[failed].all() and 0.03 < failed.mean() < 0.5
    assert (np.asarray(p.done) >= failed).all()


def test_the_critic_knows_the_obstacle_and_the_recovery_turns_away(learned):
    networks = learned[0][0].networks
    places = jnp.array([[-30.5, 0.0], [-45.0, 0.0], [-25.0, 15.0]])
    risk = risk_of(networks.risk, PROBLEM.judged(places, jnp.array([[1.0, 0.0]] * 3)))
    assert risk[0] > 0.6 and (risk[1:] < 0.1).all()
    away = np.tanh(np.asarray(jax.vmap(networks.recovery)(PROBLEM.task_seen(places))[0]))[0]
    assert away[0] < 0.0
    assert critic_reliability(PROBLEM, networks, 500, 3).error < 0.5


def test_seeds_are_learned_side_by_side_and_differ(learned):
    found, log = learned
    assert len(found) == 2 and all(one.totals["over"] > 0 for one in found)
    first, second = (ravel_pytree(eqx.filter(one.networks, eqx.is_array))[0] for one in found)
    assert np.isfinite(first).all() and float(jnp.abs(first - second).mean()) > 0.01
    assert log[-1]["step"] == SHORT.episodes * PROBLEM.horizon // (PROBLEM.length * SHORT.environments)


def test_figures_of_episodes_are_shares(learned):
    f = judged(PROBLEM, learned[0][0].networks, Shield(), 64, 0)
    assert 0.0 <= f.success + f.failure <= 1.0 and f.reflexes == 0.0 and np.isnan(f.false_reflexes)


def test_a_file_holds_networks_shield_and_recipe(learned, tmp_path):
    path = tmp_path / "reflex.safetensors"
    content = {"problem": "navigation2", "training": {"width": 32, "members": 2}}
    agent = ReflexAgent(learned[0][0].networks, Shield(0.15, 1, 10, 0.8), content)
    agent.save(path)
    again = load_reflex_agent(path)
    assert again.shield == agent.shield and again.recipe == content
    same = jax.tree.map(
        lambda a, b: bool((a == b).all()), *(eqx.filter(x.networks, eqx.is_array) for x in (agent, again))
    )
    assert all(jax.tree.leaves(same))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="not readable"):
        load_reflex_agent(path)
    spoilt = eqx.tree_at(
        lambda n: n.risk.members.layers[0].bias, agent.networks, replace_fn=lambda x: x * jnp.nan
    )
    ReflexAgent(spoilt, agent.shield, content).save(path)
    with pytest.raises(ModelError, match="not finite"):
        load_reflex_agent(path)
    agent.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match="not those that were written"):
        load_reflex_agent(path)
    ReflexAgent(agent.networks, agent.shield, content | {"training": {"width": 64, "members": 2}}).save(path)
    with pytest.raises(ModelError, match="do not fit"):
        load_reflex_agent(path)


@pytest.mark.parametrize("wrong", [{"threshold": np.nan}, {"every": 0}, {"dwell": 0}, {"release": 1.5}])
def test_a_shield_that_would_not_look_is_refused(wrong, tmp_path):
    path = tmp_path / "reflex.safetensors"
    content = {"problem": "navigation1", "training": {"width": 8, "members": 2}}
    networks = Networks(PROBLEM, 8, 2, jax.random.key(0))
    ReflexAgent(networks, Shield(0.2, 1, 1, 1.0)._replace(**wrong), content).save(path)
    with pytest.raises(ModelError, match="allowed: threshold"):
        load_reflex_agent(path)


def test_the_verb_trains_and_says_what_came_of_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(methods, "EPISODES", 50)
    recipe, out = tmp_path / "mine.yaml", tmp_path / "out"
    recipe.write_text(RECIPE)
    assert main(["train", "reflex", str(recipe), "--seed", "3", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "seed 3" in said.out and "failed" in said.out and "pretraining" in said.err
    assert sorted(p.name for p in out.iterdir()) == ["log.csv", "recipe.yaml", "reflex.safetensors"]
    rows = list(csv.DictReader((out / "log.csv").open()))
    assert {"failed", "reached", "reflex", "risk_loss"} <= set(rows[0])
    agent = load_reflex_agent(out / "reflex.safetensors")
    assert agent.recipe["seed"] == 3 and agent.shield.every == 1 and 0.0 < agent.shield.threshold < 1.0


def test_a_recipe_that_cannot_be_meant_is_refused(tmp_path):
    path = tmp_path / "recipe.yaml"
    for text, what in (
        ("problem: navigation9", "navigation9"),
        ("problem: navigation1\nmethod: best", "best"),
        ("problem: navigation1\nalpha: 2.0", "alpha"),
        ("problem: navigation1\ntraining: {with: 3}", "with"),
        ("method: ours", "problem"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=what):
            train(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_options_of_other_trainings_are_refused(tmp_path, capsys):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    assert main(["train", "reflex", str(path), "--steps", "5"]) == 2
    assert "--steps" in capsys.readouterr().err


@pytest.mark.parametrize("name", NAVIGATION)
def test_committed_weights_do_what_their_page_says(name):
    agent = load_reflex_agent(MODELS / name / "reflex.safetensors")
    recipe = from_mapping(Recipe, read_yaml(MODELS / name / "recipe.yaml"), name)
    assert {k: v for k, v in agent.recipe.items() if k != "totals"} == recipe.content()
    f = judged(recipe.where, agent.networks, agent.shield, 200, 5)
    assert f.success >= 0.98 and f.failure <= 0.02
