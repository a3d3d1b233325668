# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the simulation's tests: scenarios without people, and plants driven by hand."""

import numpy as np
import pytest

from reflexarc_sim import load_scenario
from reflexarc_sim.crowd import Intent
from reflexarc_sim.mujoco_plant import MujocoPlant

EMPTY = {
    "crowd.source": "none",
    "world.bollards": "0",
    "world.trash_bins": "0",
    "world.mailboxes": "0",
    "sensors.lidar.range_std_m": "0.0",
}


class Standing:
    """One pedestrian that stands where it is, without bracing."""

    count = 1

    def __init__(self, place):
        self.place = np.array([place], float)

    def start(self, robot_pose):
        return Intent(self.place, np.zeros((1, 2)), np.ones(1, bool))

    def step(self, seen):
        return Intent(seen.bodies.copy(), np.zeros((1, 2)), np.ones(1, bool))


@pytest.fixture(scope="session")
def empty_street():
    """A sidewalk without people and furniture, without lidar noise."""
    return load_scenario("sidewalk_delivery", EMPTY)


@pytest.fixture
def plant(empty_street):
    """A plant on the empty street, reset with seed 0."""
    plant = MujocoPlant(empty_street)
    plant.reset(0)
    yield plant
    plant.close()


@pytest.fixture
def hold():
    """Function (plant, v, omega, seconds) -> list of states; events are collected in `plant.seen`."""

    def drive(plant, v, omega, seconds):
        plant.seen = getattr(plant, "seen", [])
        states = []
        for _ in range(round(seconds / plant.step_period)):
            state, events = plant.step(np.array([v, omega]))
            plant.seen.extend(events)
            states.append(state)
        return states

    return drive
