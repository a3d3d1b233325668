# SPDX-License-Identifier: Apache-2.0
"""The arm's plant: dynamics against pinocchio, forces on the tool against known ones, sensor, pushes, determinism."""

import math

import mujoco
import numpy as np
import pinocchio as pin
import pytest
from tests.sim.arm_spring import STIFFNESS, Spring, gravity

from reflexarc.core.errors import ConfigError, ModelError, PlantError
from reflexarc.reflex.contact.mazes import TIP_RADIUS, WALL_HALF
from reflexarc.robots.arm import load_arm
from reflexarc.robots.tool import DOWN, ToolKinematics, with_tool
from reflexarc_sim.arm_plant import ArmPlant
from reflexarc_sim.cell import CellConfig, ForceSensorConfig, PushesConfig

EXACT = ForceSensorConfig(force_std=0.0, torque_std=0.0, force_bias=0.0, delay_s=0.0)


def make(**cell):
    return ArmPlant(CellConfig(**({"sensor": EXACT, "balls": 0} | cell)))


def press(plant, goal, seconds, seed=0):
    state, law = plant.reset(seed), Spring(plant)
    events = []
    for _ in range(round(seconds / plant.step_period)):
        state, happened = plant.step(law.torque(state, goal))
        events += happened
    return state, events


def test_mass_matrix_gravity_and_bias_forces_are_pinocchios():
    plant = make(task="free", tool_mass_kg=0.3)
    plant.reset(0)
    arm, model = plant.arm, plant.tool.model
    rng = np.random.default_rng(1)
    for _ in range(20):
        q, v = rng.uniform(arm.lower, arm.upper), rng.uniform(-2.0, 2.0, arm.n)
        data = mujoco.MjData(plant.model)
        data.qpos[:], data.qvel[:] = q, v
        mujoco.mj_forward(plant.model, data)
        mass = np.zeros((arm.n, arm.n))
        wanted = pin.crba(model, model.createData(), q)
        wanted = np.triu(wanted) + np.triu(wanted, 1).T
        for k in range(arm.n):
            column = np.zeros(arm.n)
            mujoco.mj_mulM(plant.model, data, column, np.eye(arm.n)[k])
            mass[:, k] = column
        np.testing.assert_allclose(mass, wanted, atol=1e-6)
        np.testing.assert_allclose(
            data.qfrc_bias, pin.nonLinearEffects(model, model.createData(), q, v), atol=1e-6
        )
        tip, rotation = ToolKinematics(arm, plant.cell.tool_length_m).pose(q)
        np.testing.assert_allclose(data.site_xpos[0], tip, atol=1e-9)
        np.testing.assert_allclose(data.site_xmat[0].reshape(3, 3), rotation, atol=1e-9)


def test_an_arm_that_is_carried_stands_at_the_scenes_start_pointing_down():
    plant = make(task="free")
    state = plant.reset(3)
    for _ in range(500):
        state, _ = plant.step(gravity(plant))
    np.testing.assert_allclose(plant.tip(), plant.scene.start, atol=1e-6)
    _, rotation = plant.tool.pose(state.position)
    np.testing.assert_allclose(rotation, DOWN, atol=1e-5)
    assert state.stamp == pytest.approx(0.5)
    assert state.frame_id == state.obstacles.frame_id == state.wrench.frame_id == "panda_link0"


def test_a_known_push_on_the_tip_reads_the_known_force_and_no_torque_about_the_tip():
    plant = make(task="free")
    state, law = plant.reset(0), Spring(plant)
    push = np.array([4.0, -7.0, 2.5])
    plant.push(push, 10.0)
    for _ in range(1500):
        state, _ = plant.step(law.torque(state, plant.scene.start))
    np.testing.assert_allclose(state.wrench.force, push, atol=1e-9)
    np.testing.assert_allclose(state.wrench.torque, 0.0, atol=1e-9)
    np.testing.assert_allclose(plant.tip() - plant.scene.start, push / STIFFNESS, atol=2e-4)


def test_a_push_on_the_forearm_moves_the_arm_and_is_not_felt_at_the_tool():
    plant = make(task="free")
    state, law = plant.reset(0), Spring(plant)
    plant.push(np.array([0.0, 25.0, 0.0]), 0.2, "link_5")
    away = 0.0
    for _ in range(200):
        state, _ = plant.step(law.torque(state, plant.scene.start))
        away = max(away, float(np.abs(plant.tip() - plant.scene.start).max()))
        assert not state.wrench.force.any()
    assert away > 1e-3


@pytest.mark.parametrize("wall", [0, 1])
def test_a_tool_pressed_on_a_wall_reads_spring_times_stretch_away_from_the_wall(wall):
    plant = make(task="maze", friction=0.0)
    plant.reset(0)
    x1, y1, x2, y2 = plant.scene.segments[wall * (len(plant.scene.segments) // 2)]
    normal = np.array([y1 - y2, x2 - x1, 0.0]) / math.hypot(x2 - x1, y2 - y1)
    start = plant.scene.start
    gap = float(normal[:2] @ (np.array([x1, y1]) - start[:2]))
    normal, gap = (normal, gap) if gap > 0 else (-normal, -gap)
    to_face = gap - WALL_HALF - TIP_RADIUS
    state, _ = press(plant, start + (to_face + 0.01) * normal, 2.0)
    tip, force = plant.tip(), state.wrench.force
    stretch = float((start + (to_face + 0.01) * normal - tip) @ normal)
    along = float(force @ normal)
    assert along == pytest.approx(-STIFFNESS * stretch, rel=0.01)
    assert along == pytest.approx(-8.0, rel=0.06), "the wall gives way by 0.4 mm of the 10 mm"
    np.testing.assert_allclose(force - along * normal, 0.0, atol=0.1)
    depth = float((tip - start) @ normal) - to_face
    assert -along / depth == pytest.approx(20000.0, rel=0.03)
    assert len(plant.touching) == 1 and plant.touching[0].startswith("wall_")


def test_the_stiffness_of_walls_is_as_asked():
    plant = make(task="free", wall_stiffness=5000.0)
    plant.reset(0)
    goal = np.array([*plant.scene.start[:2], TIP_RADIUS - 0.02])
    state, _ = press(plant, goal, 3.0)
    force = float(state.wrench.force[2])
    assert force / (TIP_RADIUS - plant.tip()[2]) == pytest.approx(5000.0, rel=0.03)
    assert force == pytest.approx(STIFFNESS * (plant.tip()[2] - goal[2]), rel=0.01)
    assert plant.touching == ("table",)


def test_friction_is_as_asked():
    """Dragged along the table: the ratio of what is felt along and across it."""
    plant = make(task="free", friction=0.4)
    state, law = plant.reset(0), Spring(plant)
    begin = np.array([*plant.scene.start[:2], TIP_RADIUS - 0.01])
    ratios = []
    for k in range(4000):
        goal = begin + np.array([0.0, 0.05 * max(0.0, 0.001 * k - 2.0), 0.0])
        state, _ = plant.step(law.torque(state, goal))
        if k > 3200:
            ratios.append(-state.wrench.force[1] / state.wrench.force[2])
    assert np.mean(ratios) == pytest.approx(0.4, abs=0.01)


def test_a_ball_is_pushed_along():
    plant = make(task="maze", balls=3)
    state, law = plant.reset(0), Spring(plant)
    balls = plant.balls()
    nearest = int(np.argmin(np.linalg.norm(balls - plant.scene.start, axis=1)))
    goal, at = np.array([*balls[nearest, :2], 0.015]), plant.scene.start
    for k in range(1500):
        state, _ = plant.step(law.torque(state, at + min(1.0, k / 1000.0) * (goal - at)))
    moved = np.linalg.norm(plant.balls() - balls, axis=1)
    assert moved[nearest] > 0.01
    assert plant.balls()[:, 2] == pytest.approx(0.012, abs=2e-3), "all of them still lie on the table"
    ball = next(g for g in range(plant.model.ngeom) if plant.model.geom(g).name == f"ball_{nearest}")
    mass = plant.model.body_mass[plant.model.geom_bodyid[ball]]
    assert mass == pytest.approx(2500.0 * 4.0 / 3.0 * math.pi * 0.012**3)


def test_an_encounter_is_reported_when_it_is_over():
    plant = make(task="free")
    state, law = plant.reset(0), Spring(plant)
    over, events = plant.scene.start, []
    for k in range(3500):
        low = np.array([*over[:2], TIP_RADIUS - 0.01])
        state, happened = plant.step(law.torque(state, low if k < 2000 else over))
        events += happened
    (contact,) = [e for e in events if e.end - e.start > 0.3]
    assert contact.partner == "table"
    assert 0.0 < contact.start < contact.end < 2.5
    assert contact.peak_force > 7.0 and contact.impulse > 5.0
    assert contact.place == pytest.approx((*over[:2], 0.0), abs=0.01)
    assert plant.finish() == ()


def test_the_sensor_is_late_by_whole_steps_and_says_so():
    sensor = ForceSensorConfig(force_std=0.0, torque_std=0.0, force_bias=0.0, delay_s=0.004)
    plant = make(task="free", sensor=sensor)
    state = plant.reset(0)
    assert state.wrench.stamp == 0.0, "the sensor was on before the run began"
    true, read = [], []
    for k in range(60):
        if k == 20:
            plant.push(np.array([5.0, 0.0, 0.0]), 0.01)
        state, _ = plant.step(gravity(plant))
        true.append(plant.force())
        read.append((state.stamp, state.wrench))
    for k in range(10, 60):
        stamp, wrench = read[k]
        assert stamp - wrench.stamp == pytest.approx(0.004, abs=1e-9)
        assert np.array_equal(wrench.force, true[k - 4])
    assert true[20][0] == 5.0 and true[19][0] == 0.0


def test_a_slow_sensor_keeps_its_last_measurement_and_noise_and_bias_are_as_asked():
    sensor = ForceSensorConfig(rate_hz=250.0, force_std=0.2, torque_std=0.01, force_bias=0.5, delay_s=0.0)
    plant = make(task="free", sensor=sensor)
    plant.reset(5)
    wrenches = [plant.step(gravity(plant))[0].wrench for _ in range(4000)]
    assert len({id(w) for w in wrenches}) == 1000 + 1
    force = np.array([w.force for w in {id(w): w for w in wrenches}.values()])
    torque = np.array([w.torque for w in {id(w): w for w in wrenches}.values()])
    assert force.std(axis=0) == pytest.approx(0.2, rel=0.1)
    assert torque.std(axis=0) == pytest.approx(0.01, rel=0.1)
    biases = []
    for seed in range(40):
        plant.reset(seed)
        biases.append(np.mean([plant.step(gravity(plant))[0].wrench.force for _ in range(100)], axis=0))
    assert np.std(biases) == pytest.approx(0.5, rel=0.25)


def test_equal_seeds_and_torques_give_equal_bytes_and_others_do_not():
    cell = {"task": "maze", "balls": 3, "sensor": ForceSensorConfig(), "pushes": PushesConfig(count=5)}

    def bytes_of(seed, plant=None):
        plant = plant or make(**cell)
        law, state = Spring(plant), plant.reset(seed)
        out = b""
        for _ in range(400):
            state, _ = plant.step(law.torque(state, plant.scene.path[1]))
            out += state.position.tobytes() + state.velocity.tobytes()
            out += state.wrench.force.tobytes() if state.wrench else b""
        return out + plant.balls().tobytes()

    plant = make(**cell)
    first = bytes_of(2)
    assert bytes_of(2, plant) == first
    assert bytes_of(3, plant) != first
    assert bytes_of(2, plant) == first, "also after another run of the same plant"


def test_pushes_are_drawn_within_their_bounds():
    config = PushesConfig(count=40, force=(5.0, 30.0), duration_s=(0.05, 0.3))
    plant = make(task="free", pushes=config, horizon_s=10.0)
    plant.reset(1)
    sizes = [np.linalg.norm(p.force) for p in plant.pushes]
    lasts = [p.end - p.start for p in plant.pushes]
    assert len(plant.pushes) == 40
    assert 5.0 <= min(sizes) < 12.0 and 23.0 < max(sizes) <= 30.0
    assert 0.05 <= min(lasts) and max(lasts) <= 0.3
    assert len({p.body for p in plant.pushes}) == 3
    assert [p.start for p in plant.pushes] == sorted(p.start for p in plant.pushes)


def test_torques_are_cut_at_the_motors_limits():
    plant = make(task="free")
    plant.reset(0)
    plant.step(np.full(7, 500.0))
    np.testing.assert_allclose(plant.data.actuator_force, plant.arm.max_torque)


@pytest.mark.parametrize("torque", [np.full(7, np.nan), np.array([0.0] * 6 + [np.inf]), np.zeros(6)])
def test_a_torque_that_is_no_number_is_refused_and_not_applied(torque):
    plant = make(task="free")
    plant.reset(0)
    before = plant.data.qpos.copy()
    with pytest.raises(ValueError, match="7 finite torques"):
        plant.step(torque)
    assert np.array_equal(plant.data.qpos, before) and plant.time == 0.0


def test_a_simulation_that_diverges_is_stopped():
    plant = make(task="free")
    with pytest.raises(PlantError, match="no run yet"):
        plant.step(np.zeros(7))
    plant.reset(0)
    plant.data.qvel[:] = 1e12
    with pytest.raises(PlantError, match="diverged"):
        for _ in range(200):
            plant.step(np.zeros(7))


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="needs a task"):
        ArmPlant(CellConfig())
    with pytest.raises(ConfigError, match="whole physics steps"):
        ArmPlant(CellConfig(task="free"), step_period=0.001, physics_period=0.0007)
    with pytest.raises(ConfigError, match="delay_s"):
        make(task="free", sensor=ForceSensorConfig(delay_s=0.0005)).reset(0)
    with pytest.raises(ConfigError, match="rate_hz"):
        make(task="free", sensor=ForceSensorConfig(rate_hz=2000.0)).reset(0)
    with pytest.raises(ModelError, match="finite and not negative"):
        with_tool(load_arm("panda"), -0.1, 0.0)
    with pytest.raises(ModelError, match="no joint positions"):
        ToolKinematics(load_arm("panda"), 0.1).inverse(np.array([2.0, 0.0, 0.0]))
