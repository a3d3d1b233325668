# SPDX-License-Identifier: Apache-2.0
"""Cargo stays in the bay in normal driving and is lost, and counted, in violent events."""

import numpy as np

from reflexarc.core.plant import CargoEvent, RolloverEvent
from reflexarc_sim import load_scenario
from reflexarc_sim.mujoco_plant import MujocoPlant

from .conftest import EMPTY


def test_no_piece_is_lost_in_normal_driving(plant, hold):
    for v, omega, seconds in (
        (1.5, 0.0, 2.5),
        (1.5, 0.8, 1.0),
        (0.0, 0.0, 1.0),
        (1.0, -1.0, 1.5),
        (0.0, 0.0, 1.0),
    ):
        hold(plant, v, omega, seconds)
    assert plant.cargo_lost == 0
    assert plant.seen == []


def test_no_piece_is_lost_in_an_emergency_stop_from_top_speed(plant, hold):
    hold(plant, 3.56, 0.0, 4.0)
    hold(plant, 0.0, 0.0, 2.0)
    assert plant.cargo_lost == 0


def _pushed(hold, impulse_per_axis, **extra):
    push = {"type": "push", "time_s": 0.2, "duration_s": 0.1, "impulse": impulse_per_axis, "height_m": 0.9}
    plant = MujocoPlant(load_scenario("sidewalk_delivery", {**EMPTY, "disturbances": [push], **extra}))
    plant.reset(0)
    hold(plant, 0.0, 0.0, 3.0)
    return plant


def test_a_push_over_loses_cargo_and_is_a_rollover(hold):
    start = MujocoPlant(load_scenario("sidewalk_delivery", EMPTY))
    start.reset(0)
    yaw = start.pose[2]
    sideways = 260.0 * np.array([-np.sin(yaw), np.cos(yaw)])
    plant = _pushed(hold, [float(x) for x in sideways])
    rollovers = [e for e in plant.seen if isinstance(e, RolloverEvent)]
    cargo = [e for e in plant.seen if isinstance(e, CargoEvent)]
    assert len(rollovers) == 1
    assert rollovers[0].tilt > plant.robot.tilt_limit
    assert cargo[-1].lost == plant.cargo_lost > 0
    assert cargo[-1].total == plant.scenario.cargo.pieces
    assert [e.lost for e in cargo] == sorted({e.lost for e in cargo})


def test_a_light_push_is_neither(hold):
    plant = _pushed(hold, [20.0, 10.0])
    assert plant.seen == []


def test_a_push_moves_the_robot_by_its_impulse(hold):
    """Along its heading the wheels hold against it, so the push acts while it lasts: v <= J / m, and not zero."""
    start = MujocoPlant(load_scenario("sidewalk_delivery", EMPTY))
    start.reset(0)
    push = 50.0 * np.array([np.cos(start.pose[2]), np.sin(start.pose[2])])
    scenario = load_scenario(
        "sidewalk_delivery",
        {
            **EMPTY,
            "disturbances": [{"type": "push", "time_s": 0.2, "duration_s": 0.1, "impulse": push.tolist()}],
        },
    )
    plant = MujocoPlant(scenario)
    plant.reset(0)
    speeds = [s.twist[0] for s in hold(plant, 0.0, 0.0, 1.0)]
    assert 0.05 < max(speeds) < 1.0


def test_a_robot_without_cargo_reports_none(hold):
    plant = MujocoPlant(load_scenario("sidewalk_delivery", {**EMPTY, "cargo.pieces": "0"}))
    plant.reset(0)
    hold(plant, 1.0, 0.0, 1.0)
    assert plant.cargo_lost == 0
    assert plant.seen == []
