# SPDX-License-Identifier: Apache-2.0
"""Contacts are found, classed and measured: impulse equals change of momentum, touches merge into episodes."""

import numpy as np
import pytest

from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc_sim import load_scenario
from reflexarc_sim.crowd import PEDESTRIAN_MASS, PEDESTRIAN_RADIUS
from reflexarc_sim.mujoco_plant import MujocoPlant
from reflexarc_sim.mujoco_plant.contacts import MERGE_GAP

from .conftest import EMPTY, Standing


@pytest.fixture
def facing(monkeypatch):
    """Function distance -> plant whose robot looks at a free pedestrian at that distance ahead."""

    def make(distance, free=True):
        scenario = load_scenario("sidewalk_delivery", EMPTY)
        start = MujocoPlant(scenario)
        start.reset(0)
        x, y, yaw = start.pose
        crowd = Standing((x + distance * np.cos(yaw), y + distance * np.sin(yaw)))
        monkeypatch.setattr("reflexarc_sim.mujoco_plant.plant.make_crowd", lambda *_: crowd)
        plant = MujocoPlant(scenario)
        plant.reset(0)
        if free:
            plant._model.actuator_forcerange[plant._assembly.pedestrian_ctrl.ravel()] = 0.0
        return plant

    return make


def _collide(plant, hold, speed, distance, after=1.0):
    hold(plant, speed, 0.0, speed / plant.robot.max_acceleration)
    while plant.min_pedestrian_distance() > 0.0:
        hold(plant, speed, 0.0, plant.step_period)
    before = np.zeros(2)
    velocities = []
    for _ in range(round(after / plant.step_period)):
        hold(plant, 0.0, 0.0, plant.step_period)
        velocities.append(plant._data.qvel[plant._assembly.pedestrian_dof[0]].copy())
    plant.seen.extend(plant.finish())
    return before, np.array(velocities)


@pytest.mark.parametrize("speed", [0.5, 1.5, 2.5])
def test_impulse_equals_the_change_of_momentum_of_a_free_pedestrian(facing, hold, speed):
    plant = facing(6.0)
    before, velocities = _collide(plant, hold, speed, 6.0)
    events = [e for e in plant.seen if isinstance(e, ContactEvent)]
    momentum = PEDESTRIAN_MASS * np.linalg.norm(velocities[-1] - before)
    assert {e.contact_class for e in events} == {ContactClass.PEDESTRIAN}
    assert {e.partner for e in events} == {"pedestrian_0"}
    assert momentum > 10.0
    assert sum(e.impulse for e in events) == pytest.approx(momentum, rel=0.03)
    assert sum(e.delta_v for e in events) == pytest.approx(momentum / PEDESTRIAN_MASS, rel=0.05)
    assert events[0].robot_speed == pytest.approx(speed, rel=0.1)


def test_a_faster_robot_hits_harder(facing, hold):
    events = []
    for speed in (0.5, 1.0, 2.0):
        plant = facing(6.0)
        _collide(plant, hold, speed, 6.0)
        events.append(next(e for e in plant.seen if isinstance(e, ContactEvent)))
    assert events[0].impulse < events[1].impulse < events[2].impulse
    assert events[0].peak_force < events[1].peak_force < events[2].peak_force


def test_the_impact_is_as_soft_as_a_chest(facing, hold):
    """Undamped, F = v sqrt(k mu) with k = 25 kN/m (ISO/TS 15066) and reduced mass mu of 50 kg + cargo and 75 kg."""
    plant = facing(6.0)
    _collide(plant, hold, 1.5, 6.0)
    event = next(e for e in plant.seen if isinstance(e, ContactEvent))
    robot = plant.robot.mass + plant.scenario.cargo.pieces * plant.scenario.cargo.piece_mass_kg
    reduced = robot * PEDESTRIAN_MASS / (robot + PEDESTRIAN_MASS)
    assert event.peak_force == pytest.approx(1.45 * np.sqrt(25e3 * reduced), rel=0.35)


def test_touching_at_standstill_is_recorded_with_a_still_robot(facing, hold):
    plant = facing(3.0)
    plant._data.qvel[plant._assembly.pedestrian_dof[0]] = -1.3 * np.array(
        [np.cos(plant.pose[2]), np.sin(plant.pose[2])]
    )
    hold(plant, 0.0, 0.0, 2.5)
    plant.seen.extend(plant.finish())
    (event,) = [e for e in plant.seen if isinstance(e, ContactEvent)]
    assert event.robot_speed < 0.1
    assert event.delta_v > 0.5


def test_contact_position_is_at_the_front_of_the_robot(facing, hold):
    plant = facing(3.0)
    _collide(plant, hold, 1.0, 3.0)
    event = next(e for e in plant.seen if isinstance(e, ContactEvent))
    local = np.array(event.position) - plant.pose[:2]
    ahead = local @ (np.cos(plant.pose[2]), np.sin(plant.pose[2]))
    assert 0.2 < ahead < plant.robot.length / 2 + PEDESTRIAN_RADIUS


def test_distance_is_zero_on_contact_and_right_before_it(facing):
    plant = facing(3.0)
    expected = 3.0 - plant.robot.length / 2 - PEDESTRIAN_RADIUS
    assert plant.min_pedestrian_distance() == pytest.approx(expected, abs=1e-6)


def test_an_event_comes_once_the_gap_is_longer_than_the_merge_time(facing, hold):
    plant = facing(3.0)
    _collide(plant, hold, 1.0, 3.0, after=1.0)
    event = next(e for e in plant.seen if isinstance(e, ContactEvent))
    assert 0.0 < event.end - event.start < 1.0
    assert event.start < event.end + MERGE_GAP < plant.time


def test_driving_into_a_building_is_a_building_contact(plant, hold):
    x, y, yaw = plant.pose
    turn = -np.pi / 2 - yaw
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    hold(plant, 0.0, np.sign(turn) * 1.0, abs(turn))
    hold(plant, 1.0, 0.0, y + 1.5)
    plant.seen.extend(plant.finish())
    contacts = [e for e in plant.seen if isinstance(e, ContactEvent)]
    assert {e.contact_class for e in contacts} == {ContactClass.BUILDING}
    assert contacts[0].delta_v == 0.0
    assert contacts[0].impulse > 10.0


def test_undisturbed_driving_makes_no_contact(plant, hold):
    hold(plant, 1.5, 0.0, 6.0)
    assert plant.seen == []
    assert plant.finish() == ()
