# SPDX-License-Identifier: Apache-2.0
"""Quadrupeds: mass and shape as published, ground, what is seen and earned, pushes, many alike."""

import dataclasses
import math

import mujoco
import numpy as np
import pinocchio as pin
import pytest

from reflexarc.core.config import from_mapping, read_yaml
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.robots.arm import distribution_file
from reflexarc.robots.quadruped import JOINTS, LEGS, Quadruped, load_quadruped, quadrupeds
from reflexarc.walking.gait import Gait
from reflexarc_sim.quadruped import task as walking
from reflexarc_sim.quadruped.evaluate import judge
from reflexarc_sim.quadruped.model import assemble_quadruped
from reflexarc_sim.quadruped.protocol import Continuous, Nobody, Sudden
from reflexarc_sim.quadruped.randomisation import NONE, Randomisation
from reflexarc_sim.quadruped.settings import QuadrupedSettings, judged_walk, make_walk
from reflexarc_sim.quadruped.stand import StandingTask
from reflexarc_sim.quadruped.task import WalkingTask, Weights
from reflexarc_sim.quadruped.terrain import TILE, plane, tiles
from reflexarc_sim.quadruped.walk import Walk


def stands(walk, steps, push=None, seed=0):
    """Hold the stance and return failures, the last positions and all rewards of the task."""
    rng = np.random.default_rng(seed)
    walk.begin(rng)
    push = np.zeros((walk.episodes, walk.disturbance)) if push is None else push
    failed, task = np.zeros(walk.episodes, dtype=bool), []
    for _ in range(steps):
        _, step = walk.step(np.zeros((walk.episodes, 12)), push, rng)
        failed |= step.failed
        task.append(step.task)
    return failed, walk.state["qpos"].copy(), np.array(task)


def moment(known):
    """What a task sees of robots of which only this is known: no command, feet on the ground."""
    n = len(known.rate)
    zeros = {
        name: np.zeros((n, k)) for name, k in (("command", 3), ("feet", 4), ("torque", 12), ("change", 12))
    }
    return walking.Moment(known=known, height=np.zeros(n), phase=np.zeros(n), age=np.zeros(n), **zeros)


def test_the_go1_is_the_one_of_the_published_description():
    """Mass, and centre of mass and inertia in the stance, of the description that example-robot-data carries."""
    urdf = distribution_file("example-robot-data", "go1_description/urdf/go1.urdf")
    full = pin.buildModelFromUrdf(str(urdf), pin.JointModelFreeFlyer())
    robot = load_quadruped("go1")
    # the description's rotors, feet and sensors are links of their own, merged here into what carries them
    assert robot.mass == pytest.approx(sum(i.mass for i in full.inertias), abs=0.05)
    q = pin.neutral(full)
    for k, joint in enumerate(full.names[2:]):
        leg, part = joint.split("_")[:2]
        assert leg == LEGS[k // 3]
        q[7 + k] = robot.stance[JOINTS.index(part)]
    q[2] = 0.0
    data = full.createData()
    com = pin.centerOfMass(full, data, q)
    pin.ccrba(full, data, q, np.zeros(full.nv))
    model = assemble_quadruped(robot, plane()).model
    d = mujoco.MjData(model)
    d.qpos[:] = 0.0
    d.qpos[3], d.qpos[7:] = 1.0, np.tile(robot.stance, 4)
    mujoco.mj_forward(model, d)
    np.testing.assert_allclose(d.subtree_com[1], com, atol=2e-3)
    whole = np.zeros((18, 18))
    mujoco.mj_fullM(model, d, whole)
    # both about base_link; the rotors' own inertia at the joints is not in it
    expected = np.array(data.Ig.inertia) - data.Ig.mass * pin.skew(com) @ pin.skew(com)
    np.testing.assert_allclose(whole[3:6, 3:6], expected, rtol=0.03, atol=2e-3)


@pytest.mark.parametrize("name", ["go1", "aliengo"])
def test_it_stands_on_its_four_feet(name):
    robot = load_quadruped(name)
    failed, qpos, _ = stands(Walk(robot, 2), 100)
    assert not failed.any()
    assert (np.abs(qpos[:, 2] - robot.height) < 0.05).all()
    weight = robot.mass * 9.81
    model = assemble_quadruped(robot, plane()).model
    d = mujoco.MjData(model)
    d.qpos[:] = [0, 0, robot.height, 1, 0, 0, 0, *np.tile(robot.stance, 4)]
    d.ctrl[:] = np.tile(robot.stance, 4)
    for _ in range(500):
        mujoco.mj_step(model, d)
    force, total = np.zeros(6), 0.0
    for i in range(d.ncon):
        mujoco.mj_contactForce(model, d, i, force)
        total += force[0]
    assert total == pytest.approx(weight, rel=0.02)


def test_the_front_left_leg_is_where_the_numbers_say():
    robot = load_quadruped("go1")
    model = assemble_quadruped(robot, plane()).model
    d = mujoco.MjData(model)
    d.qpos[:7] = [0, 0, 0, 1, 0, 0, 0]
    d.qpos[7:] = np.tile([0.3, 0.0, -0.9], 4)
    mujoco.mj_forward(model, d)
    thigh, calf = robot.thigh_length, robot.calf_length
    down = thigh + calf * math.cos(0.9)  # before the hip turns it about x
    x = robot.hip_at[0] + calf * math.sin(0.9)
    for leg, side in (("FL", 1.0), ("FR", -1.0)):
        y, z = side * robot.thigh_offset, -down
        turned = (math.cos(0.3) * y - math.sin(0.3) * z, math.sin(0.3) * y + math.cos(0.3) * z)
        foot = d.geom(f"{leg}_foot").xpos
        np.testing.assert_allclose(foot, [x, side * robot.hip_at[1] + turned[0], turned[1]], atol=1e-9)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "trunk",
            {"mass": 1.0, "com": [0, 0, 0], "inertia": [1.0, 0.1, 0.1, 0, 0, 0]},
            "not that of any body",
        ),
        ("stance", [0.0, 5.0, -1.5], "stance of the thigh"),
        ("crouch", [0.0, 1.1, -9.0], "crouch of the calf"),
        ("kp", math.nan, "out of bounds"),
        ("foot_radius", 0.0, "foot_radius"),
    ],
)
def test_impossible_parameters_are_refused(key, value, words):
    data = read_yaml(quadrupeds()["go1"]) | {key: value}
    with pytest.raises(ConfigError, match=words):
        from_mapping(Quadruped, data, "go1")


def test_unknown_names_are_answered_with_what_there_is():
    with pytest.raises(UnknownNameError, match="aliengo, go1"):
        load_quadruped("go3")
    with pytest.raises(UnknownNameError, match="force, point, wrench"):
        Walk(load_quadruped("go1"), 1, pushed="wind")
    with pytest.raises(ConfigError, match="levels"):
        Walk(load_quadruped("go1"), 1, levels=2)
    with pytest.raises(ConfigError, match="randomisation"):
        make_walk({"randomisation": {"friction": [1.0, 0.5]}}, 1, "a recipe")
    with pytest.raises(ConfigError, match="go1: a pose of"):
        make_walk({"stand": {"hind": [0.0, 2.2, 0.0]}}, 1, "a recipe")
    with pytest.raises(ConfigError, match=r"stand\.rise_s"):
        make_walk({"stand": {"rise_s": -1.0}}, 1, "a recipe")


def test_the_task_is_worth_most_when_the_command_is_followed():
    known = walking.Body(*(np.zeros((3, k)) for k in (3, 3, 3, 12, 12)))
    known.velocity[1] = 0.5, 0.0, 0.0
    known.rate[2] = 0.0, 0.0, 0.5
    np.testing.assert_allclose(
        WalkingTask().reward(moment(known)), [1.5, math.exp(-1.0) + 0.5, 1.0 + 0.5 * math.exp(-1.0)]
    )


def test_every_shaping_reward_is_what_its_weight_says():
    """One robot, one thing out of order at a time, against one whose feet are at the clock's heights."""
    known = walking.Body(*(np.zeros((1, k)) for k in (3, 3, 3, 12, 12)))
    none = {name: 0.0 for name in vars(Weights())}

    def worth(name, **changes):
        body = {key: changes.pop(key) for key in list(changes) if key in vars(known)}
        now = dataclasses.replace(moment(dataclasses.replace(known, **body)), **changes)
        return WalkingTask(weights=Weights(**{**none, name: 3.0})).shaping(now)[0]

    three, twelve = np.array([[1.0, 2.0, 4.0]]), np.arange(12.0)[None]
    assert worth("upright") == 3.0 and worth("feet") == 3.0
    assert worth("feet", feet=np.full((1, 4), 0.05)) == pytest.approx(3.0 * math.exp(-1.0))
    assert worth("vertical", velocity=three) == -3.0 * 16.0
    assert worth("roll_pitch_rate", rate=three) == worth("lean", gravity=three) == -3.0 * 5.0
    assert worth("height", height=np.array([0.1])) == pytest.approx(-0.03)
    assert worth("action_rate", change=twelve) == worth("torque", torque=twelve) == -3.0 * (twelve**2).sum()
    assert worth("pose", joints=twelve) == -3.0 * (0.0 + 9.0 + 36.0 + 81.0)


def test_what_is_seen_is_in_base_link():
    quarter = math.sqrt(0.5)
    qpos = np.zeros((1, 19))
    qpos[0, 3], qpos[0, 6] = quarter, quarter  # turned left by 90 degrees
    qvel = np.zeros((1, 18))
    qvel[0, 1] = 1.0  # moves north, which is ahead
    known = walking.body(qpos, qvel, np.zeros(12))
    np.testing.assert_allclose(known.velocity, [[1.0, 0.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(known.gravity, [[0.0, 0.0, -1.0]], atol=1e-12)
    qpos[0, 3:7] = math.cos(0.55), math.sin(0.55), 0.0, 0.0  # rolled by 1.1 rad
    assert WalkingTask().fallen(moment(walking.body(qpos, qvel, np.zeros(12)))).all()
    assert walking.observe(np.zeros((1, 3)), known, np.zeros((1, 12)), np.zeros((1, 2))).shape == (1, 50)


def test_diagonal_feet_swing_together_and_a_standing_robot_keeps_all_down():
    gait = Gait(clearance=0.1)
    heights = gait.heights(np.array([0.25, 0.75, 0.75]), np.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(heights, [[0, 0.1, 0.1, 0], [0.1, 0, 0, 0.1], [0, 0, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
def test_many_are_the_same_to_the_bit_with_any_number_of_threads(threads):
    def run(count):
        walk = Walk(load_quadruped("go1"), 6, differences=Randomisation(), threads=count)
        rng = np.random.default_rng(3)
        walk.begin(rng)
        for _ in range(60):
            seen, step = walk.step(rng.normal(size=(6, 12)), rng.normal(size=(6, 3)) * 20.0, rng)
        return seen, step.task, walk.state["qpos"].copy()

    for a, b in zip(run(threads), run(3), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_push_moves_the_robot_where_it_points():
    """15 N ahead on one, to the left on the other, against one that nobody pushes."""
    walk = Walk(load_quadruped("go1"), 3)
    rng = np.random.default_rng(0)
    walk.begin(rng)
    walk.state["qpos"][:] = walk.state["qpos"][0]
    push = np.array([[15.0, 0.0, 0.0], [0.0, 15.0, 0.0], [0.0, 0.0, 0.0]])
    gained = np.zeros((3, 3))
    for _ in range(10):
        walk.step(np.zeros((3, 12)), push, rng)
        gained += walk.motion[0]
    moved = gained - gained[2]
    assert moved[0, 0] > 0.05 and abs(moved[0, 1]) < 0.3 * moved[0, 0]
    assert moved[1, 1] > 0.05 and abs(moved[1, 0]) < 0.3 * moved[1, 1]


def test_a_stand_is_worth_most_upright_and_still_and_counts_as_a_fall_only_after_the_time_to_rise():
    known = walking.Body(*(np.zeros((4, k)) for k in (3, 3, 3, 12, 12)))
    known.gravity[:] = [[-1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [-0.5, 0.0, -math.sqrt(0.75)]]
    known.velocity[1] = 3.0, 0.3, 0.4  # rises as well, which is not level
    task, now = StandingTask(rise_s=2.0), moment(known)
    np.testing.assert_allclose(task.reward(now), [1.5, 1.0 + 0.5 * math.exp(-1.0), 0.0, 0.25 * 1.5])
    assert not task.fallen(dataclasses.replace(now, age=np.full(4, 2.0))).any()
    late = task.fallen(dataclasses.replace(now, age=np.full(4, 2.02)))
    assert late.tolist() == [False, False, True, True]


def test_who_stands_begins_upright_with_hind_feet_on_the_ground_or_on_all_fours():
    walk = make_walk({"stand": {"held_up": 0.5}, "randomisation": {"start": [1.0, 1.0]}}, 32, "a recipe")
    seen = walk.begin(np.random.default_rng(0))
    up = -walk._known().gravity[:, 0]
    assert set(np.round(up, 9)) == {0.0, 1.0}
    feet = walk._heights()[1]
    np.testing.assert_allclose(feet[up > 0.5][:, 2:], 0.02, atol=1e-9)
    assert (feet[up > 0.5][:, :2] > 0.5).all() and np.abs(feet[up < 0.5]).max() < 0.021
    assert not seen[:, :3].any() and not seen[:, -2:].any(), "no command, no clock"
    for _ in range(20):
        _, step = walk.step(np.zeros((32, 12)), np.zeros((32, 3)), np.random.default_rng(0))
    assert (step.task[up > 0.5] > 1.0).all(), "the pose alone carries it for 0.4 s"
    assert np.isfinite(walk.step(np.zeros((32, 12)), np.zeros((32, 3)), np.random.default_rng(0))[0]).all()


def test_who_does_not_rise_in_time_has_fallen():
    settings = QuadrupedSettings(
        stand=StandingTask(held_up=0.0, rise_s=0.5, fore=(0, 0.8, -1.5), hind=(0, 0.8, -1.5))
    )
    walk = judged_walk(settings, 2)
    rng = np.random.default_rng(0)
    walk.begin(rng)
    ends = [walk.step(np.zeros((2, 12)), np.zeros((2, 3)), rng)[1].failed.all() for _ in range(30)]
    assert ends.index(True) == 25 and walk.t.length_s > 1e3


def test_a_force_at_a_place_is_a_force_and_its_moment():
    robot = load_quadruped("go1")
    at, wrench = Walk(robot, 1, pushed="point"), Walk(robot, 1, pushed="wrench")
    half = 0.5 * robot.trunk_size[0]
    for walk, push in (
        (at, [0.0, 40.0, 0.0, 1.0, 0.0, 0.0]),
        (wrench, [0.0, 40.0, 0.0, 0.0, 0.0, 40.0 * half]),
    ):
        rng = np.random.default_rng(1)
        walk.begin(rng)
        for _ in range(5):
            walk.step(np.zeros((1, 12)), np.array([push]), rng)
    np.testing.assert_allclose(at.state["qpos"], wrench.state["qpos"], atol=1e-9)
    assert wrench.weight[3] * half == pytest.approx(1.0) and at.weight[3] == 0.0


def test_a_strong_push_makes_it_fall_and_the_next_episode_begins():
    walk = Walk(load_quadruped("go1"), 2)
    failed, qpos, _ = stands(walk, 40, np.array([[0.0, 400.0, 0.0], [0.0, 0.0, 0.0]]))
    assert failed.tolist() == [True, False]
    assert qpos[0, 2] > 0.15, "it stands again"


def test_late_actions_act_late():
    robot = load_quadruped("go1")
    prompt, late = Walk(robot, 1), Walk(robot, 1)
    for walk in (prompt, late):
        walk.begin(np.random.default_rng(0))
    late._late[:] = 5  # a whole period
    action = np.full((1, 12), 1.0)
    for walk in (prompt, late):
        walk.step(action, np.zeros((1, 3)), np.random.default_rng(0))
    still = Walk(robot, 1)
    still.begin(np.random.default_rng(0))
    still.step(np.zeros((1, 12)), np.zeros((1, 3)), np.random.default_rng(0))
    assert np.abs(prompt.state["qpos"] - still.state["qpos"])[0, 7:].max() > 0.02
    np.testing.assert_allclose(late.state["qpos"][0, 7:], still.state["qpos"][0, 7:], atol=5e-3)


def test_robots_differ_within_the_ranges():
    walk = Walk(load_quadruped("go1"), 64, differences=Randomisation(payload=(-1.0, 2.0), com=0.05))
    walk.begin(np.random.default_rng(0))
    nominal = assemble_quadruped(load_quadruped("go1"), plane()).model
    payload = walk.batch.expanded("body_mass")[:, 1] - nominal.body_mass[1]
    assert -1.0 <= payload.min() < -0.7 and 1.7 < payload.max() <= 2.0
    shift = walk._differ.com - nominal.body_ipos[1]
    assert 0.03 < np.abs(shift).max() <= 0.05
    same = Walk(load_quadruped("go1"), 4, differences=NONE)
    same.begin(np.random.default_rng(0))
    assert np.ptp(same.batch.expanded("body_mass"), axis=0).max() == 0.0


def test_tiles_grow_from_level_to_level_and_robots_begin_on_their_places():
    ground = tiles(0, columns=10, levels=3)
    assert ground.places.shape == (3, 10, 3)
    flat = ground.places.reshape(-1, 3)
    np.testing.assert_allclose(ground.at(flat[:, :2]), flat[:, 2], atol=1e-9)
    n = round(TILE / ground.cell)
    spread = [np.ptp(ground.heights[k * n : (k + 1) * n]) for k in range(3)]
    assert spread == sorted(spread) and spread[0] < spread[2]
    walk = Walk(load_quadruped("go1"), 8, terrain=ground, levels=3)
    failed, qpos, _ = stands(walk, 50)
    assert not failed.any()
    gap = np.linalg.norm(qpos[:, None, :2] - flat[None, :, :2], axis=2).min(axis=1)
    assert gap.max() < 0.5


def test_bad_actions_and_forces_do_no_harm():
    walk = Walk(load_quadruped("go1"), 2)
    rng = np.random.default_rng(0)
    walk.begin(rng)
    for _ in range(20):
        seen, step = walk.step(np.full((2, 12), math.nan), np.zeros((2, 3)), rng)
    assert np.isfinite(seen).all() and not step.failed.any()


@pytest.mark.parametrize("field", ["qpos", "qvel"])
def test_physics_that_diverges_is_a_fall_and_no_number_of_it_gets_out(field):
    walk = Walk(load_quadruped("go1"), 2)
    rng = np.random.default_rng(0)
    walk.begin(rng)
    walk.state[field][1, 3] = math.nan
    seen, step = walk.step(np.zeros((2, 12)), np.zeros((2, 3)), rng)
    assert step.failed.tolist() == [False, True]
    for numbers in (seen, step.last, step.task, step.shaping, walk.state["qpos"], *walk.motion[:2]):
        assert np.isfinite(numbers).all()
    seen, step = walk.step(np.zeros((2, 12)), np.zeros((2, 3)), rng)
    assert np.isfinite(seen).all() and not step.failed.any()


@pytest.mark.parametrize("pusher", [Nobody(), Continuous(20.0), Sudden(20.0)])
def test_a_policy_is_judged_alike_for_a_seed(pusher):
    class Stance:
        def __call__(self, seen):
            return np.zeros((len(seen), 12))

    walk = judged_walk(QuadrupedSettings(), 4)
    found = [judge(walk, Stance(), pusher, 5, 75.0, length=6.0) for _ in range(2)]
    for field in dataclasses.fields(found[0]):
        np.testing.assert_array_equal(getattr(found[0], field.name), getattr(found[1], field.name))
    assert found[0].survived.all() and (found[0].lasted == 6.0).all()
    assert np.isnan(found[0].gain).all() == isinstance(pusher, Nobody)
    assert (found[0].error > 0.1).any(), "who only stands does not follow commands"
    assert (found[0].share > 0.01).all() and (found[0].share < 0.5).all()


def test_a_fall_is_in_the_figures():
    class Stance:
        def __call__(self, seen):
            return np.zeros((len(seen), 12))

    calm, hard = (
        judge(judged_walk(QuadrupedSettings(), 4), Stance(), Sudden(force), 0, 75.0, length=6.0).figures()
        for force in (5.0, 400.0)
    )
    assert hard["survival"] == 0.0 < calm["survival"]
    assert hard["lasted_s"] < 6.0 and hard["gain_worst"] >= hard["gain_mean"] > 0.0
