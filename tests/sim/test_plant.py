# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo plant: the contract of plants, determinism on a busy street, divergence, pictures."""

import hashlib
from contextlib import contextmanager

import numpy as np
import pytest

from reflexarc.core.errors import PlantError, UnknownNameError
from reflexarc_sim import load_scenario, make_plant
from reflexarc_sim.mujoco_plant import MujocoPlant

from .plant_contract import PlantContract


def _digest(plant, seed, steps=400):
    digest = hashlib.sha256()
    state = plant.reset(seed)
    for k in range(steps):
        command = np.array([1.5, 0.3 * np.sin(0.02 * k)])
        state, events = plant.step(command)
        for part in (
            state.pose,
            state.twist,
            state.obstacles.position,
            state.obstacles.velocity,
            state.walls.segments,
        ):
            digest.update(part.tobytes())
        digest.update(repr(events).encode())
    digest.update(plant._data.qpos.tobytes())
    return digest.hexdigest()


class TestMujocoPlant(PlantContract):
    @staticmethod
    def make(scenario):
        return MujocoPlant(scenario)

    @staticmethod
    @contextmanager
    def nobody_braces(plant):
        actuators = plant._assembly.pedestrian_ctrl.ravel()
        before = plant._model.actuator_forcerange[actuators].copy()
        plant._model.actuator_forcerange[actuators] = 0.0
        yield
        plant._model.actuator_forcerange[actuators] = before


@pytest.fixture(scope="module")
def busy():
    return load_scenario("sidewalk_delivery")


def test_the_same_seed_gives_the_same_bytes_again_and_in_another_plant(busy):
    plant = make_plant(busy)
    first = _digest(plant, 5)
    assert _digest(plant, 5) == first
    _digest(plant, 6, steps=3)
    assert _digest(plant, 5) == first
    assert _digest(make_plant(busy), 5) == first


def test_another_seed_gives_other_bytes(busy):
    plant = make_plant(busy)
    assert _digest(plant, 5, 100) != _digest(plant, 6, 100)


def test_more_sensor_noise_does_not_change_who_walks_where(busy):
    noisy = busy.with_overrides({"sensors.tracker.position_std": "0.3", "sensors.lidar.range_std_m": "0.1"})
    places = []
    for scenario in (busy, noisy):
        plant = make_plant(scenario)
        plant.reset(1)
        for _ in range(200):
            plant.step(np.zeros(2))
        places.append(plant.pedestrian_positions())
    assert np.array_equal(*places)


def test_the_robot_starts_at_rest_on_its_wheels_along_the_route(plant):
    state = plant._state()
    assert np.allclose(state.twist, 0.0, atol=1e-3)
    assert plant.tilt < 0.02
    assert plant.world.clearance(state.pose[None, :2])[0] > 0.7


@pytest.mark.parametrize("value", [np.nan, 1e12])
def test_a_diverged_simulation_is_a_plant_error(plant, value):
    plant._data.qvel[plant._model.joint("wheel_left").dofadr[0]] = value
    with pytest.raises(PlantError, match="diverged at"):
        for _ in range(20):
            plant.step(np.zeros(2))


def test_a_reset_after_divergence_works(plant):
    plant._data.qvel[0] = np.nan
    with pytest.raises(PlantError):
        plant.step(np.zeros(2))
    plant.reset(0)
    state, _ = plant.step(np.zeros(2))
    assert np.all(np.isfinite(state.pose))


@pytest.mark.render
def test_pictures_from_both_cameras_show_something(plant):
    picture = plant.render("chase", 160, 90)
    if picture is None:
        assert plant.render_problem
        pytest.skip(plant.render_problem)
    assert picture.shape == (90, 160, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10
    assert not np.array_equal(picture, plant.render("overhead", 160, 90))


@pytest.mark.render
def test_an_unknown_camera_is_refused_with_the_list(plant):
    with pytest.raises(UnknownNameError, match="chase, overhead"):
        plant.render("selfie")


@pytest.mark.render
def test_drawing_does_not_change_the_run(empty_street):
    ends = []
    for draws in (False, True):
        plant = MujocoPlant(empty_street)
        plant.reset(0)
        for k in range(100):
            plant.step(np.array([1.0, 0.2]))
            if draws and k % 25 == 0:
                plant.render("chase", 64, 36)
        ends.append(plant._data.qpos.copy())
        plant.close()
    assert np.array_equal(*ends)
