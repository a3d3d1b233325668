# SPDX-License-Identifier: Apache-2.0
"""What was learned for a tool in contact: its file, what the control rate makes of it, and who refuses it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.cli.__main__ import main
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.reflex.contact.agent import ContactFile, load_contact_agent
from reflexarc.reflex.contact.problem import ContactProblem
from reflexarc.reflex.contact.view import FORCE, SPEED, STEP, in_plane, view
from reflexarc.reflex.loop import Shield
from reflexarc.reflex.methods import method, problem_of
from reflexarc.reflex.navigation import navigation
from reflexarc.reflex.networks import Networks, greedy, risk_of

PROBLEM = ContactProblem(mazes=1)
NETWORKS = Networks(PROBLEM, 16, 3, jax.random.key(0))
RECIPE = {
    "robot": "panda",
    "problem": {"name": "maze", "fixed": None, "wrench_only": False},
    "training": {"width": 16, "members": 3},
}
SHIELD = Shield(0.2, 1, 20, 0.8)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "contact.safetensors"
    ContactFile(NETWORKS, SHIELD, RECIPE).save(path, 0.005)
    return path


def test_the_control_rate_computes_what_was_learned(file):
    agent = load_contact_agent(file)
    rng = np.random.default_rng(0)
    views, seen = rng.normal(size=(20, 9)), rng.normal(size=(20, 12))
    risk = np.asarray(risk_of(NETWORKS.risk, jnp.asarray(views, jnp.float32)))
    back = np.asarray(greedy(NETWORKS.recovery, jnp.asarray(views, jnp.float32)))
    task = np.asarray(greedy(NETWORKS.task, jnp.asarray(seen, jnp.float32)))
    for k in range(20):
        assert agent.risk(views[k]) == pytest.approx(risk[k], abs=1e-5)
        np.testing.assert_allclose(agent.recovery(views[k]), back[k], atol=1e-5)
        np.testing.assert_allclose(agent.task(seen[k]), task[k], atol=1e-5)
    assert (agent.threshold, agent.every_s, agent.dwell_s, agent.release) == pytest.approx(
        (0.2, 0.005, 0.1, 0.8)
    )


def test_a_recovery_that_the_critic_refuses_gives_way_to_the_rule(tmp_path):
    path, rng = tmp_path / "contact.safetensors", np.random.default_rng(1)
    agents = []
    for threshold in (0.2, 0.0, 1.0):
        ContactFile(NETWORKS, SHIELD._replace(threshold=threshold, doubt=1.0), RECIPE).save(path, 0.005)
        agents.append(load_contact_agent(path))
    some, never, always = agents
    seen = rng.normal(size=9)
    assert np.isnan(never.recovery(seen)).all() and np.isfinite(always.recovery(seen)).all()
    action = always.recovery(seen)
    force, velocity, stretch = (in_plane(np, np.array([1.0, 0.0]), seen[k : k + 2]) for k in (0, 2, 4))
    scaled = view(np, force * FORCE, velocity * SPEED, stretch * STEP, action[:2] * STEP, action[2:])
    assert np.isnan(some.recovery(seen)).all() == (not some.risk(scaled) <= 0.2)


def test_where_the_wrench_alone_is_seen_nothing_else_counts(tmp_path):
    path = tmp_path / "contact.safetensors"
    recipe = {**RECIPE, "problem": {"name": "maze", "fixed": None, "wrench_only": True}}
    ContactFile(NETWORKS, SHIELD._replace(rule=1.0), recipe).save(path, 0.005)
    agent = load_contact_agent(path)
    view = np.linspace(-1.0, 1.0, 9)
    other = view.copy()
    other[2:6] = 5.0
    assert agent.risk(view) == agent.risk(other)
    assert np.isnan(agent.recovery(view)).all(), "the rule is to act"


def test_a_file_that_cannot_be_trusted_is_refused(file, tmp_path):
    with pytest.raises(ModelError, match="learned for robot 'panda', this one is 'fr3'"):
        load_contact_agent(file, "fr3")
    whole = file.read_bytes()
    places = (len(whole) - 3, len(whole) - 4001, whole.index(b"panda"), whole.index(b"threshold") + 12)
    flipped = [whole[:k] + bytes([whole[k] ^ 1]) + whole[k + 1 :] for k in places]
    for spoilt in (whole[:-10], whole[:60], b"", *flipped):
        file.write_bytes(spoilt)
        with pytest.raises(ModelError):
            load_contact_agent(file)
    ContactFile(NETWORKS, SHIELD._replace(every=0), RECIPE).save(file, 0.005)
    with pytest.raises(ModelError, match="every_s"):
        load_contact_agent(file)
    ContactFile(NETWORKS, SHIELD, {**RECIPE, "training": {"width": 32, "members": 3}}).save(file, 0.005)
    with pytest.raises(ModelError, match="do not fit"):
        load_contact_agent(file)
    with pytest.raises(ModelError, match="nowhere"):
        load_contact_agent(tmp_path / "nowhere.safetensors")


def test_an_arc_is_not_built_with_weights_of_another_robot(tmp_path):
    path = tmp_path / "contact.safetensors"
    ContactFile(NETWORKS, SHIELD, {**RECIPE, "robot": "fr3"}).save(path, 0.005)
    data = {
        "robot": "panda", "rate_hz": 1000.0, "frame_id": "panda_link0",
        "arm": {"command": "impedance"}, "contact": {"weights": str(path)},
    }  # fmt: skip
    with pytest.raises(ModelError, match="'fr3'"):
        build_arc(ArcConfig.from_dict(data))


def test_methods_of_contact_need_contact():
    with pytest.raises(ConfigError, match="navigation1"):
        problem_of(method("fixed_300"), navigation("navigation1"))
    assert problem_of(method("fixed_300"), PROBLEM).fixed == 300.0
    assert problem_of(method("ours"), PROBLEM) is PROBLEM


def test_the_verb_learns_a_critic_from_probes_alone(tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "problem: maze\nmazes: 4\nmethod: bresa\n"
        "training: {pretraining: 300, probes: 600, batch: 64, width: 16, rate: 0.001, ring: 300, environments: 2}\n"
    )
    assert main(["train", "critic", str(recipe), "--out", str(tmp_path / "out")]) == 0
    assert "contact.safetensors: bresa" in capsys.readouterr().out
    agent = load_contact_agent(tmp_path / "out" / "contact.safetensors")
    assert agent.recipe["totals"]["over"] == 0 and 0.0 <= agent.risk(np.zeros(9)) <= 1.0
