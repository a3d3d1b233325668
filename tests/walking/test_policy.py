# SPDX-License-Identifier: Apache-2.0
"""A walker's policy at run time: sees and does what it did in training, refuses what is not finite, needs no JAX."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from reflexarc.core.errors import ModelError, UnknownNameError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import WalkerState
from reflexarc.robots.quadruped import JOINT_NAMES
from reflexarc.robust.weights import FORMAT, load_tensors
from reflexarc.walking.commands import Commands
from reflexarc.walking.observation import CONTROL_PERIOD, into_body
from reflexarc.walking.policy import load_walking_policy
from reflexarc_sim.quadruped.settings import QuadrupedSettings, judged_walk
from reflexarc_sim.quadruped.task import WalkingTask
from tests.walking.walker_scene import STANCE, constant, state

WEIGHTS = models_dir() / "go1/hinf/walk/hinf.safetensors"
AHEAD = np.array([0.5, 0.0, 0.0])


@pytest.fixture
def policy():
    return load_walking_policy(WEIGHTS, "go1")


def test_it_sees_and_does_the_same_to_the_bit_as_in_training(policy):
    """One robot of the batch, its state handed over as a robot's would be."""
    policy.commands = Commands()
    walk = judged_walk(QuadrupedSettings(task=WalkingTask(gait=policy.gait)), 1, threads=1)
    rng = np.random.default_rng(0)
    expected = walk.begin(rng)
    walk._phase[:] = 0.0
    expected = walk.tell(AHEAD[None])
    seen = []
    actor, policy.actor = policy.actor, lambda rows: (seen.append(rows.copy()), actor(rows))[1]
    for k in range(100):
        qpos, qvel = walk.state["qpos"], walk.state["qvel"]
        velocity = into_body(qpos[:, 3:7], qvel[:, :3])[0]
        known = WalkerState(
            0.0, "odom", qpos[0, 3:7], velocity, qvel[0, 3:6], JOINT_NAMES, qpos[0, 7:], qvel[0, 6:]
        )
        proposal = policy.propose(known, AHEAD, k * CONTROL_PERIOD)
        np.testing.assert_array_equal(seen[-1][:, :48], expected[:, :48])
        np.testing.assert_allclose(seen[-1][:, 48:], expected[:, 48:], atol=1e-9)  # the clock adds up times
        expected, _ = walk.step(actor(seen[-1]), np.zeros((1, 3)), rng)
        np.testing.assert_array_equal(proposal.target, walk.state["ctrl"][0])
    assert np.abs(walk.motion[0][0, 0]) > 0.2, "it walks"


@pytest.mark.parametrize(
    "changed",
    [
        {"velocity": [math.nan, 0, 0]},
        {"rate": [0, math.inf, 0]},
        {"turn": [math.nan] * 4},
        {"position": [math.nan] * 12},
        {"joint_rate": [math.inf] * 12},
    ],
)
def test_what_is_not_finite_is_refused_and_counted(policy, changed):
    assert policy.propose(state(), AHEAD, 0.0) is not None
    assert policy.propose(state(**changed), AHEAD, 0.02) is None
    assert policy.propose(state(), [math.nan, 0, 0], 0.04) is None
    assert policy.propose(state(), AHEAD, math.nan) is None
    assert constant(0.0, refuses=True).propose(state(), AHEAD, 0.0) is None
    assert policy.refused == 3
    again = policy.propose(state(), AHEAD, 0.06)
    assert again is not None and np.isfinite(again.target).all(), "nothing of it is left behind"


def test_targets_are_within_range_whatever_the_action():
    wild = constant(1e6).propose(state(), AHEAD, 0.0)
    robot = constant(0.0).robot
    np.testing.assert_array_equal(
        wild.target, np.clip(STANCE + 2.5, np.tile(robot.lower, 4), np.tile(robot.upper, 4))
    )


def test_what_was_carried_out_takes_the_place_of_the_last_action(policy):
    policy.follow(STANCE + 0.05)
    seen = []
    policy.actor = lambda rows: (seen.append(rows), np.zeros((1, 12)))[1]
    policy.propose(state(), AHEAD, 0.0)
    np.testing.assert_allclose(seen[0][0, 36:48], 0.05 / policy.robot.action_scale)


def test_the_clock_goes_with_time_and_a_robot_that_is_to_stand_has_none(policy):
    seen, policy.commands = [], Commands()
    policy.actor = lambda rows: (seen.append(rows[0, 48:].copy()), np.zeros((1, 12)))[1]
    for now in (
        0.0,
        0.02,
        0.06,
        0.05,
        10.0,
    ):  # one decision is missing, one comes from the past, one very late
        policy.propose(state(), AHEAD, now)
    phases = np.arctan2(*np.transpose(seen)) / (2.0 * np.pi) % 1.0
    np.testing.assert_allclose(
        np.diff(phases), policy.gait.frequency * np.array([0.02, 0.04, 0.0, 0.1]), atol=1e-9
    )
    policy.propose(state(), np.zeros(3), 10.02)
    np.testing.assert_array_equal(seen[-1], 0.0)


def rewritten(path, out, recipe=None, **tensors):
    with safe_open(path, framework="numpy") as file:
        metadata, kept = dict(file.metadata()), {k: file.get_tensor(k) for k in file.keys()}
    metadata["recipe"] = json.dumps(json.loads(metadata["recipe"]) | (recipe or {}))
    save_file(kept | tensors, out, metadata=metadata)
    return out


def test_weights_of_another_kind_are_refused(tmp_path):
    out = tmp_path / "other.safetensors"
    with pytest.raises(ModelError, match="policy of 'go1'; wanted: one of 'aliengo'"):
        load_walking_policy(WEIGHTS, "aliengo")
    with pytest.raises(ModelError, match="not a readable file"):
        load_walking_policy(tmp_path / "missing.safetensors", "go1")
    with pytest.raises(ModelError, match="wanted: one of a quadruped"):
        load_walking_policy(rewritten(WEIGHTS, out, {"quadruped": None, "problem": "cart_pole"}), "go1")
    with pytest.raises(UnknownNameError, match="unknown quadruped 'go9'"):
        load_walking_policy(rewritten(WEIGHTS, out, {"quadruped": {"robot": "go9"}}), "go9")
    with pytest.raises(ModelError, match="frequency"):
        load_walking_policy(
            rewritten(WEIGHTS, out, {"quadruped": {"task": {"gait": {"frequency": -1}}}}), "go1"
        )
    with pytest.raises(ModelError, match="task is not acceptable"):
        load_walking_policy(rewritten(WEIGHTS, out, {"quadruped": {"task": 3}}), "go1")
    with pytest.raises(ModelError, match="stands on its hind legs"):
        load_walking_policy(rewritten(WEIGHTS, out, {"quadruped": {"stand": {}}}), "go1")
    few = np.zeros((128, 49), np.float32)
    narrow = {"observation.mean": np.zeros(49, np.float32), "observation.deviation": np.ones(49, np.float32)}
    both = {"actor.0.weight": few, "disturber.0.weight": np.zeros((16, 49), np.float32), **narrow}
    with pytest.raises(ModelError, match="49 observations and 12 actions"):
        load_walking_policy(rewritten(WEIGHTS, out, **both), "go1")
    with pytest.raises(ModelError, match="finite weights"):
        load_walking_policy(
            rewritten(WEIGHTS, out, **{"actor.0.bias": np.full(128, np.nan, np.float32)}), "go1"
        )


def test_the_gait_is_the_one_of_the_recipe(tmp_path):
    out = tmp_path / "quick.safetensors"
    recipe = {"quadruped": {"robot": "go1", "task": {"gait": {"frequency": 3.0}}}}
    assert load_walking_policy(rewritten(WEIGHTS, out, recipe), "go1").gait.frequency == 3.0


def test_arc_and_policy_run_without_jax():
    """On a robot nobody has it: neither policy, nor critic, nor the arc with both imports it."""
    code = """
import sys
import reflexarc.walking.policy, reflexarc.walking.fall
from reflexarc.core.paths import models_dir
reflexarc.walking.policy.load_walking_policy(models_dir() / "go1/hinf/walk/hinf.safetensors", "go1")
from reflexarc.arc import ArcConfig, build_arc
build_arc(ArcConfig.from_dict({"robot": "go1", "rate_hz": 250.0, "walker": {"critic": False,
    "recovery": "go1/hinf/walk/hinf.safetensors"}}))
bad = sorted(m for m in sys.modules if m.split(".")[0] in ("jax", "equinox", "mujoco", "optax"))
print(bad)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]", done.stdout


def test_commands_reach_it_at_the_pace_that_it_learned_with(policy):
    seen = []
    actor, policy.actor = policy.actor, lambda rows: (seen.append(rows[0].copy()), actor(rows))[1]
    policy.commands = Commands(slew=2.0)
    for k in range(3):
        policy.propose(state(), np.array([1.0, 0.0, -0.03]), 0.02 * k)
    assert np.allclose([row[0] for row in seen], [0.04, 0.08, 0.12])
    assert np.allclose([row[2] for row in seen], [-0.03, -0.03, -0.03])
    assert policy.propose(state(), np.array([math.nan, 0.0, 0.0]), 0.06) is None and policy.refused == 1
    policy.propose(state(), AHEAD, 0.08)
    assert seen[-1][0] == pytest.approx(0.16), "a command that is no number leaves no trace"
    policy.reset(AHEAD)
    policy.propose(state(), np.zeros(3), 1.0)
    assert seen[-1][0] == pytest.approx(0.46)


def test_a_command_that_it_never_learned_is_cut_to_those_that_it_did(policy):
    seen = []
    policy.actor = lambda rows: (seen.append(rows[0, :3].copy()), np.zeros((1, 12)))[1]
    policy.commands = Commands(forward=1.0, sideways=0.5, turn=0.8)
    policy.propose(state(), np.array([1e9, -3.0, 0.7]), 0.0)
    policy.reset(np.array([-7.0, 0.0, 0.0]))
    policy.commands = Commands(slew=1.0)
    policy.propose(state(), np.zeros(3), 1.0)
    np.testing.assert_allclose(seen, [[1.0, -0.5, 0.7], [-0.98, 0.0, 0.0]])


def test_a_policy_that_begins_from_what_is_no_number_proposes_nothing_until_it_begins_anew(policy):
    policy.reset(np.full(3, math.nan))
    assert policy.propose(state(), AHEAD, 0.0) is None and policy.refused == 1
    policy.reset(np.zeros(3))
    assert policy.propose(state(), AHEAD, 0.02) is not None


@pytest.mark.parametrize("slew", [-1.0, math.nan, math.inf, "fast"])
def test_a_slew_that_is_none_is_refused(slew, tmp_path):
    path = tmp_path / "hinf.safetensors"
    tensors, recipe = load_tensors(WEIGHTS)
    recipe["quadruped"]["task"] = {"commands": {"slew": slew}}
    save_file(tensors, path, metadata={"format": FORMAT, "recipe": json.dumps(recipe)})
    with pytest.raises(ModelError, match="slew|task"):
        load_walking_policy(path, "go1")
