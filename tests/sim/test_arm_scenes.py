# SPDX-License-Identifier: Apache-2.0
"""Scenes of an arm: what is told of them and what is so, nothing touched at the start, and that each can be done."""

import math

import numpy as np
import pytest

pytest.importorskip("pinocchio")
pytest.importorskip("mujoco")

from tests.sim.arm_spring import Spring, gravity

from reflexarc.core.errors import ConfigError
from reflexarc.policies.contact import make_contact_policy
from reflexarc.reflex.contact.view import STEP
from reflexarc_sim import make_arm_plant, make_plant
from reflexarc_sim.arm_figures import ForceJudge, ReflexWatch, cvar95, followed
from reflexarc_sim.arm_plant import ArmPlant, make_scene
from reflexarc_sim.cell import CellConfig, ForceSensorConfig
from reflexarc_sim.scenario import Scenario, load_scenario, scenario_from_mapping

TASKS = ("maze", "peg_in_hole", "surface", "free")
QUIET = ForceSensorConfig(force_std=0.0, torque_std=0.0, force_bias=0.0, delay_s=0.0)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", ["train", "held_out"])
def test_every_scene_can_be_reached_and_nothing_is_touched_at_its_start(task, family):
    plant = ArmPlant(CellConfig(task=task, family=family, sensor=QUIET))
    for seed in range(6):
        state = plant.reset(seed)
        for _ in range(5):
            state, _ = plant.step(gravity(plant))
        assert not state.wrench.force.any()
        assert not plant.scene.reached(plant.scene.start)
        assert plant.scene.reached(plant.scene.path[-1])
        for x, y, z in np.vstack([plant.scene.path, plant.scene.plan]):
            place = np.array([x, y, max(z, 0.01)])
            position = plant.tool.inverse(place)
            np.testing.assert_allclose(plant.tool.pose(position)[0], place, atol=1e-6)


@pytest.mark.parametrize("task", ["maze", "peg_in_hole", "surface"])
def test_the_plan_is_off_by_the_registration_and_right_without_it(task):
    off = []
    for seed in range(60):
        scene = make_scene(CellConfig(task=task, registration_m=0.004), seed)
        other = make_scene(CellConfig(task=task, registration_m=0.0), seed)
        np.testing.assert_array_equal(scene.path[-1], other.path[-1])
        off.append(scene.plan[-1] - other.plan[-1])
    axis = 2 if task == "surface" else slice(0, 2)
    spread = np.array(off)[:, axis].std()
    assert 0.003 < spread < 0.006, "a maze's plan is also turned, by 5 rad per metre of it"
    if task == "maze":
        np.testing.assert_allclose(other.plan, other.path, atol=1e-12)
    if task == "peg_in_hole":
        np.testing.assert_allclose(other.plan[-1], other.path[-1], atol=1e-12)


def test_walls_of_a_maze_stand_where_its_segments_are():
    plant = ArmPlant(CellConfig(task="maze", balls=0, sensor=QUIET))
    plant.reset(4)
    for box, (x1, y1, x2, y2) in zip(plant.scene.boxes, plant.scene.segments, strict=True):
        geom = plant.model.geom(box.name)
        centre, rotation = plant.data.geom_xpos[geom.id], plant.data.geom_xmat[geom.id].reshape(3, 3)
        ends = [centre + s * (geom.size[0] - 0.004) * rotation[:, 0] for s in (-1.0, 1.0)]
        np.testing.assert_allclose(ends[0][:2], [x1, y1], atol=1e-9)
        np.testing.assert_allclose(ends[1][:2], [x2, y2], atol=1e-9)
        assert geom.size[1:] == pytest.approx([0.004, 0.025])


def test_the_peg_fits_the_hole_and_nowhere_else():
    depths = {}
    for beside in (0.0, 0.02):
        plant = ArmPlant(CellConfig(task="peg_in_hole", sensor=QUIET, family="held_out"))
        state, law = plant.reset(3), Spring(plant)
        above, hole = plant.scene.path[-2], plant.scene.path[-1]
        shift = np.array([beside, 0.0, 0.0])
        for k in range(3000):
            share = min(1.0, max(0.0, (k - 1200) / 1500.0))
            state, _ = plant.step(law.torque(state, above + shift + share * (hole - above)))
        depths[beside] = plant.scene.path[-2, 2] - plant.tip()[2]
        assert plant.scene.reached(plant.tip()) == (beside == 0.0)
    assert depths[0.0] > 0.03
    assert depths[0.02] == pytest.approx(0.011, abs=0.002), "it stands on the plate"


def test_the_surface_is_where_the_path_says():
    """Strips are flat between the points of the path, whose height is that of a nose on them."""
    plant = ArmPlant(CellConfig(task="surface", sensor=QUIET, friction=0.0))
    state, law = plant.reset(2), Spring(plant)
    path = plant.scene.path
    for at in (5, 12):
        down = np.array([*path[at, :2], path[at, 2] - 0.005])
        over = down + np.array([0.0, 0.0, 0.03])
        for k in range(3000):
            goal = over if k < 1200 else down
            state, _ = plant.step(law.torque(state, goal))
        assert plant.touching and plant.touching[0].startswith("strip_")
        assert plant.tip()[2] == pytest.approx(path[at, 2] - 4.0 / 20000.0, abs=3e-4)


@pytest.mark.parametrize(
    ("strategy", "task"), [("follow", "maze"), ("insert", "peg_in_hole"), ("slide", "surface")]
)
def test_the_follower_never_proposes_farther_than_a_step_and_does_the_task(strategy, task):
    """With the spring of these tests in place of the arc; the true plan, so that little is touched on the way."""
    plant = ArmPlant(CellConfig(task=task, sensor=QUIET, registration_m=0.0, balls=0))
    state, law = plant.reset(1), Spring(plant)
    policy = make_contact_policy("contact_follower", {"strategy": strategy, "step_m": 0.02})
    policy.reset(plant.scene.plan)
    for k in range(12000):
        if k % 100 == 0:
            proposal = policy.propose(state, plant.time)
            assert np.abs(proposal.target - plant.tip()).max() <= STEP + 1e-9
            assert proposal.stiffness[0, 0] == proposal.stiffness[1, 1] == 1000.0
            assert proposal.stamp == plant.time and proposal.frame_id == state.frame_id
            begin = plant.tip()
        goal = begin + min(1.0, (k % 100 + 1) / 100.0) * (proposal.target - begin)
        state, _ = plant.step(law.torque(state, goal))
        if plant.scene.reached(plant.tip()):
            break
    assert plant.scene.reached(plant.tip())


def test_a_policy_for_bases_is_refused():
    with pytest.raises(ConfigError, match="none for an arm in contact"):
        make_contact_policy("route_follower")


def test_forces_beyond_their_limits_are_seen():
    judge = ForceJudge(40.0, 25.0, 0.05, 0.001)
    for _ in range(50):
        judge.add(np.array([0.0, 24.0, 8.0]))
    assert not judge.violation, "as long as allowed"
    judge.add(np.array([0.0, 24.0, 8.0]))
    assert "more than 25 N on the tip for 0.051 s" in judge.violation
    judge = ForceJudge(40.0, 25.0, 0.05, 0.001)
    for k in range(500):
        judge.add(np.array([0.0, 30.0 if k % 40 else 20.0, 0.0]))
    assert not judge.violation
    judge.add(np.array([0.0, 0.0, -40.1]))
    assert "40.1 N on the tip, allowed are 40 N" in judge.violation


def test_reflexes_are_timed_from_the_beginning_of_the_contact_they_answer():
    watch = ReflexWatch()
    for k in range(400):
        now = 0.001 * k
        touching = 0.1 <= now < 0.2 or 0.3 <= now
        watch.add(
            now, 5.0 if touching else 0.0, 0.05 <= now < 0.07 or 0.104 <= now < 0.12 or 0.15 <= now < 0.3105
        )
    assert watch.times == pytest.approx([0.05, 0.104, 0.15])
    assert watch.latencies == pytest.approx([0.004])
    assert watch.untouched == 1


def test_figures_of_forces():
    assert cvar95(np.concatenate([np.zeros(950), np.full(50, 8.0)])) == pytest.approx(8.0)
    assert cvar95(np.arange(100.0)) == pytest.approx(97.0)
    tip = np.zeros((100, 3))
    tip[:, 0] = np.linspace(0.0, 1.0, 100)
    force = np.zeros((100, 3))
    force[20:60, 2] = 1.0
    assert followed({"tip": tip, "force": force}) == pytest.approx(0.5, abs=0.01)


def test_scenarios_of_arms_make_arm_plants_and_others_do_not():
    scenario = load_scenario("maze_arm")
    plant = make_arm_plant(scenario)
    assert isinstance(plant, ArmPlant) and plant.step_period == 0.001
    with pytest.raises(ConfigError, match="is an arm"):
        make_plant(scenario)
    with pytest.raises(ConfigError, match="is no arm"):
        make_arm_plant(load_scenario("sidewalk_calm"))
    with pytest.raises(ConfigError, match="an arm needs a task"):
        load_scenario("maze_arm", {"cell.task": "none"})
    with pytest.raises(ConfigError, match="nothing else has one"):
        load_scenario("sidewalk_calm", {"cell.task": "maze"})
    with pytest.raises(ConfigError, match="least, largest"):
        load_scenario("maze_arm", {"cell.pushes.force": "[30.0, 5.0]"})
    assert isinstance(scenario_from_mapping(dict(scenario.source)), Scenario)


def test_angles_of_boxes_are_those_of_their_scene():
    """The strips of a surface stand on end to end: the upper edge of one meets that of the next."""
    plant = ArmPlant(CellConfig(task="surface", family="held_out", sensor=QUIET))
    plant.reset(7)
    edges = []
    for box in plant.scene.boxes:
        geom = plant.model.geom(box.name).id
        centre, rotation = plant.data.geom_xpos[geom], plant.data.geom_xmat[geom].reshape(3, 3)
        up = centre + plant.model.geom_size[geom, 2] * rotation[:, 2]
        edges.append([up + s * plant.model.geom_size[geom, 0] * rotation[:, 0] for s in (-1.0, 1.0)])
    for (_, right), (left, _) in zip(edges[:-1], edges[1:], strict=True):
        assert math.dist(right, left) < 1e-9
