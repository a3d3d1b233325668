# SPDX-License-Identifier: Apache-2.0
"""Worlds: routes keep clear of everything fixed, furniture stands where it may, ramps can be driven."""

import math

import numpy as np
import pytest
import shapely

from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc.fleet.gcrl.delivery import delivery_domain
from reflexarc.robots import load_robot
from reflexarc_sim import load_scenario, scenario_missions
from reflexarc_sim.mujoco_plant import MujocoPlant
from reflexarc_sim.scenario import WorldConfig
from reflexarc_sim.world import make_world

from .conftest import EMPTY

ROBOT = load_robot("segway_e1")
CIRCLE = math.hypot(ROBOT.length, ROBOT.width) / 2
KINDS = {
    "sidewalk": WorldConfig(),
    "plaza": WorldConfig(type="plaza", length_m=22.0, width_m=15.0),
    "cells": WorldConfig(type="cells", map="Cross"),
}


def _shapes(world):
    """Base shapes of everything fixed, for an independent distance by shapely."""
    for block in world.fixed:
        (x, y), (a, b) = block.centre, block.half_size
        yield (
            shapely.Point(x, y).buffer(a, quad_segs=64)
            if block.round
            else shapely.box(x - a, y - b, x + a, y + b)
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_routes_keep_the_robots_circle_and_the_margin_clear(kind, seed):
    config = KINDS[kind]
    world = make_world(config, seed, ROBOT)
    rng = np.random.default_rng(seed)
    shapes = shapely.union_all(list(_shapes(world)))
    x0, y0, x1, y1 = world.bounds
    for _ in range(3):
        a, b = world.goals[rng.choice(len(world.goals), 2, replace=False)]
        route = world.route(a, b)
        assert np.array_equal(route[0], a) and np.array_equal(route[-1], b)
        assert np.hypot(*np.diff(route, axis=0).T).max() <= 0.5 + 1e-9
        line = shapely.LineString(route)
        assert line.distance(shapes) >= CIRCLE + config.route_margin_m - 0.02
        assert line.distance(shapely.box(x0, y0, x1, y1).exterior) >= CIRCLE + config.route_margin_m - 1e-6


def test_yard_of_cells_is_the_map_that_policies_learn_on():
    world = make_world(WorldConfig(type="cells", map="LQuarter"), 0, ROBOT)
    domain = delivery_domain("LQuarter")
    points = np.random.default_rng(0).uniform((0.0, 0.0), domain.extent, (200, 2))
    learned = [float(domain.clearance(p.astype(np.float32))) for p in points]
    assert np.allclose(world.clearance(points), learned, atol=1e-4)
    assert (world.clearance(world.goals) >= CIRCLE).all()


def test_clearance_agrees_with_shapely():
    world = make_world(WorldConfig(), 2, ROBOT)
    shapes = shapely.union_all(list(_shapes(world)))
    points = np.random.default_rng(0).uniform((1, 1), (69, 4), (200, 2))
    edge = shapely.box(*world.bounds).exterior
    expected = [min(shapely.Point(p).distance(shapes), shapely.Point(p).distance(edge)) for p in points]
    assert np.allclose(world.clearance(points), expected, atol=1e-3)


def test_a_route_goes_round_an_obstacle_in_the_way():
    config = WorldConfig(length_m=20.0, width_m=8.0, bollards=0, trash_bins=0, mailboxes=0)
    world = make_world(config, 0, ROBOT)
    world.route_map.__init__(
        world.bounds,
        lambda p: np.minimum(
            np.minimum(p[:, 1], 8.0 - p[:, 1]), np.maximum(np.hypot(p[:, 0] - 10.0, p[:, 1] - 4.0) - 0.5, 0.0)
        ),
        0.8,
    )
    route = world.route(np.array([3.0, 4.0]), np.array([17.0, 4.0]))
    assert np.hypot(route[:, 0] - 10.0, route[:, 1] - 4.0).min() >= 1.3 - 0.02
    assert np.hypot(*np.diff(route, axis=0).T).sum() < 1.1 * 14.0


def test_a_route_to_a_wall_is_refused_with_the_numbers():
    world = make_world(WorldConfig(), 0, ROBOT)
    wall, free = np.array([10.0, 0.1]), world.goals[0]
    with pytest.raises(ConfigError, match="route goal.*clearance of 0.10 m; at least 0.79 m"):
        world.route(free, wall)


def test_a_robot_that_stands_too_close_to_a_wall_is_led_away_first():
    world = make_world(WorldConfig(), 0, ROBOT)
    wall, free = np.array([10.0, 0.1]), world.goals[0]
    route = world.route(wall, free)
    assert np.array_equal(route[0], wall) and np.array_equal(route[-1], free)
    assert (world.clearance(route[1:]) >= 0.79).all()


def test_a_start_far_from_any_free_place_is_refused():
    world = make_world(WorldConfig(), 0, ROBOT)
    with pytest.raises(ConfigError, match="route start .* from the nearest place with a clearance"):
        world.route(np.array([10.0, -9.0]), world.goals[0])


def test_furniture_stands_in_the_strips_apart_and_off_the_ramps():
    config = WorldConfig()
    for seed in range(10):
        world = make_world(config, seed, ROBOT)
        assert len({b.name for b in world.fixed}) == len(world.fixed)
        for block in world.obstacles:
            at_kerb = block.centre[1] + block.half_size[1] > config.width_m - 0.6
            at_facade = block.centre[1] - block.half_size[1] < 0.6
            assert at_kerb or at_facade
            if at_kerb:
                assert all(not r.x[0] < block.centre[0] < r.x[1] for r in world.ramps)
        centres = np.array([b.centre for b in world.obstacles])
        gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1) + 9 * np.eye(len(centres))
        assert gaps.min() >= 1.5


def test_the_same_seed_gives_the_same_world_and_a_fixed_world_ignores_the_runs_seed():
    a, b, c = (make_world(WorldConfig(), seed, ROBOT) for seed in (1, 1, 2))
    assert a.fixed == b.fixed and np.array_equal(a.goals, b.goals)
    assert a.fixed != c.fixed
    fixed = WorldConfig(seed=1)
    assert make_world(fixed, 2, ROBOT).fixed == a.fixed


def test_the_kerb_is_a_keepout_along_the_whole_sidewalk():
    world = make_world(WorldConfig(), 0, ROBOT)
    ((x1, ya, x2, yb),) = world.keepouts
    assert ya == yb == world.bounds[3]
    assert x1 < world.bounds[0] and x2 > world.bounds[2]


def test_the_robot_can_drive_down_a_ramp_and_stands_on_the_road(hold):
    plant = MujocoPlant(load_scenario("sidewalk_delivery", EMPTY))
    plant.reset(0)
    ramp = plant.world.ramps[0]
    start = np.array([sum(ramp.x) / 2, 3.0, math.pi / 2])
    plant._place(start)
    hold(plant, 0.8, 0.0, 4.5)
    hold(plant, 0.0, 0.0, 1.0)
    assert plant._data.qpos[1] > plant.world.bounds[3] + ramp.run
    assert plant._data.qpos[2] == pytest.approx(plant.world.road_z, abs=0.01)
    assert plant.tilt < 0.03
    assert plant.cargo_lost == 0
    assert plant.finish() == ()


def test_driving_against_the_kerb_from_the_road_is_a_kerb_contact(hold):
    plant = MujocoPlant(load_scenario("sidewalk_delivery", EMPTY))
    plant.reset(0)
    free = next(x for x in np.arange(10.0, 60.0) if all(abs(x - sum(r.x) / 2) > 3 for r in plant.world.ramps))
    plant._place(np.array([free, plant.world.bounds[3] + 1.5, -math.pi / 2]))
    hold(plant, 1.0, 0.0, 3.0)
    plant.seen.extend(plant.finish())
    contacts = [e for e in plant.seen if isinstance(e, ContactEvent)]
    assert {e.contact_class for e in contacts} == {ContactClass.KERB}
    assert contacts[0].robot_speed > 0.5
    assert contacts[0].impulse > 20.0


def test_missions_form_a_chain_within_the_distances():
    scenario = load_scenario("sidewalk_delivery", {"missions.count": "4"})
    m = scenario.missions
    for seed in range(5):
        world, missions = scenario_missions(scenario, seed)
        assert [mission.number for mission in missions] == [0, 1, 2, 3]
        for mission, following in zip(missions[:-1], missions[1:], strict=True):
            assert mission.goal == following.start
        for mission in missions:
            assert m.min_distance_m <= math.dist(mission.start, mission.goal) <= m.max_distance_m
            assert world.clearance(np.array([mission.goal]))[0] > CIRCLE


def test_the_plant_starts_where_the_first_mission_does():
    scenario = load_scenario("sidewalk_delivery", {"crowd.source": "none"})
    plant = MujocoPlant(scenario)
    for seed in range(3):
        _, missions = scenario_missions(scenario, seed)
        state = plant.reset(seed)
        assert np.allclose(state.pose[:2], missions[0].start, atol=5e-3)


def test_missions_that_cannot_be_had_are_refused():
    scenario = load_scenario(
        "sidewalk_calm", {"missions.min_distance_m": "60", "missions.max_distance_m": "80"}
    )
    with pytest.raises(ConfigError, match="60 to 80 m apart"):
        scenario_missions(scenario, 0)
