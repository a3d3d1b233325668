# SPDX-License-Identifier: Apache-2.0
"""What an arm does by itself: it carries its weight, motion dies away, a person can push it away. Judged by MuJoCo."""

import numpy as np
import pytest

from reflexarc.robots.arm import load_arm
from reflexarc.robots.resting import RATE, RestingArm
from reflexarc_sim.arm_plant import ArmPlant
from reflexarc_sim.cell import CellConfig

CELL = CellConfig(task="free")


@pytest.fixture(scope="module")
def plant():
    return ArmPlant(CELL)


@pytest.fixture(scope="module")
def resting():
    return RestingArm(load_arm("panda"), CELL.tool_length_m, CELL.tool_mass_kg)


def rest(plant, resting, state, steps):
    for _ in range(steps):
        state, _ = plant.step(resting.torque(state.position, state.velocity))
    return state


def test_an_arm_at_rest_stays_where_it_is_and_without_torque_it_falls(plant, resting):
    state = plant.reset(0)
    before = state.position
    after = rest(plant, resting, state, 1000)
    assert np.abs(after.position - before).max() < 2e-3
    plant.reset(0)
    for _ in range(300):
        state, _ = plant.step(np.zeros(7))
    assert np.abs(state.position - before).max() > 0.1


def test_motion_dies_away_at_the_declared_rate(plant, resting):
    plant.reset(0)
    speed = np.array([0.3, -0.2, 0.2, 0.3, -0.3, 0.2, 0.3])
    plant.data.qvel[:7] = speed
    state, _ = plant.step(resting.torque(plant.data.qpos[:7], speed))
    state = rest(plant, resting, state, 99)
    assert state.velocity == pytest.approx(speed * np.exp(-RATE * 0.1), abs=0.02)


def test_it_gives_way_to_a_push_and_then_comes_to_rest(plant, resting):
    state = plant.reset(0)
    start = plant.tip()
    plant.push(np.array([10.0, 0.0, 0.0]), 0.3)
    state = rest(plant, resting, state, 300)
    assert plant.tip()[0] - start[0] > 0.02
    state = rest(plant, resting, state, 1000)
    assert np.abs(state.velocity).max() < 0.01


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_state_that_is_not_finite_gets_what_held_the_last_good_one(resting, bad):
    arm = load_arm("panda")
    good = resting.torque(np.array(arm.home), np.zeros(7))
    q = np.array(arm.home)
    q[3] = bad
    assert resting.torque(q, np.zeros(7)) == pytest.approx(good)
    assert resting.torque(np.array(arm.home), np.full(7, bad)) == pytest.approx(good)


def test_torques_stay_within_the_motors_limits(resting):
    arm = load_arm("panda")
    torque = resting.torque(np.array(arm.home), np.full(7, 100.0))
    assert (np.abs(torque) <= np.array(arm.max_torque)).all()
