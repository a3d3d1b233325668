# SPDX-License-Identifier: Apache-2.0
"""The delivery robot's domain: against a slow loop, against the MuJoCo robot, and what its patches show."""

import math
from pathlib import Path

import jax
import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.gcrl.agent import load_agent
from reflexarc.fleet.gcrl.delivery import BODY, PATCH, PERIOD, REACH, SUBSTEPS, delivery_domain
from reflexarc.fleet.gcrl.mapping import free_places, learned_roadmap
from reflexarc.fleet.gcrl.rollout import roll_out
from reflexarc.fleet.roadmap import RoadmapOptions, connectivity
from reflexarc.robots import load_robot

WEIGHTS = (
    Path(__file__).resolve().parents[3] / "models/fleet/delivery_center_dot/seed_0/constrained.safetensors"
)


def slow_step(clearance, s, action, radius):
    """The module's equations, one sub-step after the other."""
    v_wanted = 0.6 + 0.9 * min(max(action[0], -1.0), 1.0)
    w_wanted = 1.2 * min(max(action[1], -1.0), 1.0)
    dt = PERIOD / SUBSTEPS

    def cost(x, y):
        h = max(clearance(x, y) - BODY, 0.0)
        return 2.0 - 2.0 * h / radius if h <= radius else 0.0

    x, y, heading, v, w = s
    worst = cost(x, y)
    for _ in range(SUBSTEPS):
        most = (2.8 if (v_wanted - v) * v < 0.0 else 1.0) * dt
        v += min(max(v_wanted - v, -most), most)
        most = (6.0 if (w_wanted - w) * w < 0.0 else 3.0) * dt
        w += min(max(w_wanted - w, -most), most)
        heading = (heading + dt * w + math.pi) % (2.0 * math.pi) - math.pi
        there = x + dt * v * math.cos(heading), y + dt * v * math.sin(heading)
        if clearance(*there) < BODY:
            v, worst = 0.0, 2.0
        else:
            x, y = there
            worst = max(worst, cost(x, y))
    return [x, y, heading, v, w], worst


def around_the_dot(x, y):
    """Clearance on CenterDot."""
    away = math.hypot(max(6.0 - x, 0.0, x - 9.0), max(6.0 - y, 0.0, y - 9.0))
    return min(x, y, 15.0 - x, 15.0 - y, away)


def test_a_batch_of_steps_equals_the_slow_loop():
    domain = delivery_domain("CenterDot")
    rng = np.random.default_rng(0)
    states = np.array(jax.jit(jax.vmap(domain.sample))(rng.uniform(size=(80, domain.draws)).astype("f4")))
    states[:, 3] = rng.uniform(-0.3, 1.5, 80)
    states[:, 4] = rng.uniform(-1.2, 1.2, 80)
    actions = rng.uniform(-1.3, 1.3, (80, 2)).astype(np.float32)
    after, costs = jax.jit(jax.vmap(domain.step))(states, actions)
    for k in range(80):
        s, cost = slow_step(around_the_dot, states[k].tolist(), actions[k].tolist(), 1.5)
        np.testing.assert_allclose(np.exp(1j * after[k][2]), np.exp(1j * s[2]), atol=1e-4)
        np.testing.assert_allclose(np.delete(after[k], 2), np.delete(s, 2), atol=1e-4)
        assert float(costs[k]) == pytest.approx(cost, abs=1e-3)


def test_samples_have_room_for_the_body():
    domain = delivery_domain("FourRooms")
    u = np.random.default_rng(0).uniform(size=(1000, domain.draws)).astype("f4")
    states = np.asarray(jax.jit(jax.vmap(domain.sample))(u))
    room = np.asarray(jax.jit(jax.vmap(domain.clearance))(states[:, :2]))
    assert (room > BODY).all()
    assert np.abs(states[:, 2]).max() > 3.0 and (states[:, 3:] == 0.0).all()


def test_a_wall_stops_the_body_and_costs_the_most():
    domain = delivery_domain("CenterDot")
    state = np.array([6.0 - BODY - 0.05, 7.5, 0.0, 1.5, 0.0], dtype=np.float32)
    after, cost = jax.jit(domain.step)(state, np.ones(2, np.float32) * [1.0, 0.0])
    assert float(after[0]) <= 6.0 - BODY and float(after[3]) == 0.0
    assert float(cost) == 2.0


def test_patches_turn_with_the_robot_and_show_walls():
    domain = delivery_domain("CenterDot")
    features = jax.jit(domain.features)
    state, goal = (
        np.array([4.5, 7.0, 0.3, 0.5, 0.1], dtype=np.float32),
        np.array([8.0, 11.0], dtype=np.float32),
    )
    turned = np.array([15.0 - state[1], state[0], state[2] + math.pi / 2, 0.5, 0.1], dtype=np.float32)
    aside = np.array([15.0 - goal[1], goal[0]], dtype=np.float32)
    one, other = np.asarray(features(state, goal)), np.asarray(features(turned, aside))
    patch = slice(11, 11 + PATCH**2)
    # The map is the same after a quarter turn.
    np.testing.assert_allclose(one[patch], other[patch], atol=1e-5)
    np.testing.assert_allclose(one[9:11], other[9:11], atol=1e-5)
    grid = one[patch].reshape(PATCH, PATCH)  # rows ahead, columns to the left
    assert grid[-1].min() == 0.0 and grid[0].min() > 0.5  # the obstacle is ahead
    assert len(one) == domain.feature_size and REACH > 0.0


def test_bad_maps_and_radii_are_refused():
    with pytest.raises(ConfigError, match="Nowhere"):
        delivery_domain("Nowhere")
    with pytest.raises(ConfigError, match="goal radius"):
        delivery_domain("CenterDot", goal_radius=math.nan)


def test_the_body_covers_the_robot_and_the_ramps_are_the_drives():
    robot = load_robot("segway_e1")
    assert pytest.approx(math.hypot(robot.length, robot.width) / 2.0) == BODY


def test_the_trained_robot_arrives_as_predicted_and_its_roadmap_is_connected():
    agent = load_agent(WEIGHTS)
    u = np.random.default_rng(1).uniform(size=(400, agent.domain.draws)).astype(np.float32)
    states = np.asarray(jax.jit(jax.vmap(agent.domain.sample))(u), dtype=np.float64)
    goals = free_places(agent, 400, 2)
    steps, costs = agent.expected(states, goals)
    found = roll_out(agent, states, goals, 60)
    assert found.success.mean() > 0.94
    short = (steps.mean(axis=0) < 10.0) & found.success
    assert short.sum() > 80
    assert np.abs(steps.mean(axis=0) - found.steps)[short].mean() < 1.2
    assert np.abs(costs.mean(axis=0) - found.cost)[short].mean() < 1.2
    options = RoadmapOptions(vertices=60, spacing=1.5, candidates=600, longest=12.0, dearest=20.0, doubt=8.0)
    report = connectivity(learned_roadmap(agent, options))
    assert report["strong_components"] == 1 and report["pairs_without_way"] == 0


def test_the_mujoco_robot_goes_where_the_domain_says():
    from reflexarc_sim import load_scenario  # noqa: PLC0415 - MuJoCo, for this test only
    from reflexarc_sim.mujoco_plant import MujocoPlant  # noqa: PLC0415

    calm = {"crowd.source": "none", "world.bollards": "0", "world.trash_bins": "0", "world.mailboxes": "0"}
    plant = MujocoPlant(load_scenario("sidewalk_delivery", calm))
    state = plant.reset(0)
    domain = delivery_domain("CenterDot", factor=16)  # 80 m wide: no wall comes near
    step = jax.jit(domain.step)
    x, y, heading = state.pose
    model = np.array([10.0, 10.0, 0.0, 0.0, 0.0], dtype=np.float32)
    for action in ([0.2, 0.0], [0.2, 0.3], [0.2, -0.6], [-0.3, 0.4], [-0.6667, 0.0]):
        model, _ = step(model, np.array(action, dtype=np.float32))
        command = np.asarray(domain.command(np.array(action, dtype=np.float32)), dtype=np.float64)
        for _ in range(round(PERIOD / plant.step_period)):
            state, _ = plant.step(command)
        c, s = math.cos(heading), math.sin(heading)
        dx, dy = state.pose[0] - x, state.pose[1] - y
        ahead, left = c * dx + s * dy, -s * dx + c * dy
        turn = math.remainder(state.pose[2] - heading, 2.0 * math.pi)
        np.testing.assert_allclose([ahead, left], np.asarray(model[:2]) - 10.0, atol=0.08)
        assert turn == pytest.approx(float(model[2]), abs=0.1)
        np.testing.assert_allclose(state.twist, np.asarray(model[3:]), atol=0.12)
    plant.close()
