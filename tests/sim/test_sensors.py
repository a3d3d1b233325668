# SPDX-License-Identifier: Apache-2.0
"""Lidar ranges match geometry; the tracker's noise, rate, range and latency are the stated ones."""

import numpy as np
import pytest

from reflexarc_sim import load_scenario
from reflexarc_sim.crowd import PEDESTRIAN_RADIUS
from reflexarc_sim.mujoco_plant import MujocoPlant
from reflexarc_sim.mujoco_plant.sensors import Tracker
from reflexarc_sim.scenario import TrackerConfig


def _expected(world, origin, angle, range_max):
    """Nearest hit of a ray with the rectangles and discs of the world, by plain geometry."""
    direction = np.array([np.cos(angle), np.sin(angle)])
    nearest = np.inf
    for block in world.fixed:
        centre, half = np.array(block.centre), np.array(block.half_size)
        if block.round:
            along = (centre - origin) @ direction
            miss2 = ((centre - origin) ** 2).sum() - along**2
            if along > 0 and miss2 < half[0] ** 2:
                nearest = min(nearest, along - np.sqrt(half[0] ** 2 - miss2))
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.sort(
                np.stack([(centre - half - origin) / direction, (centre + half - origin) / direction]), axis=0
            )
        enter, leave = t[0].max(), t[1].min()
        if enter <= leave and leave > 0:
            nearest = min(nearest, max(enter, 0.0))
    return nearest if nearest <= range_max else np.inf


def test_ranges_are_the_distances_to_walls_and_furniture():
    plant = MujocoPlant(
        load_scenario("sidewalk_delivery", {"crowd.source": "none", "sensors.lidar.range_std_m": "0"})
    )
    plant.reset(3)
    scan = plant.scan()
    origin = plant.pose[:2]
    wrong = 0
    for i, measured in enumerate(scan.ranges):
        angle = scan.angle_min + i * scan.angle_increment + plant.pose[2]
        expected = _expected(plant.world, origin, angle, scan.range_max)
        close = measured == expected if np.isinf(expected) else abs(measured - expected) < 0.01
        wrong += not close
    assert np.isfinite(scan.ranges).sum() > 100
    assert wrong <= 2  # rays that graze an edge


def test_the_lidar_sees_pedestrians_and_not_its_own_robot():
    plant = MujocoPlant(
        load_scenario("sidewalk_calm", {"crowd.count": "12", "sensors.lidar.range_std_m": "0"})
    )
    plant.reset(0)
    ranges, scan = plant.scan().ranges, plant.scan()
    assert ranges.min() > 0.4
    seen = 0
    for position in plant.pedestrian_positions():
        offset = position - plant.pose[:2]
        distance = np.hypot(*offset)
        bearing = np.arctan2(offset[1], offset[0]) - plant.pose[2]
        index = round(((bearing - scan.angle_min) % (2 * np.pi)) / scan.angle_increment) % len(ranges)
        seen += abs(ranges[index] - (distance - PEDESTRIAN_RADIUS)) < 0.05
    assert seen >= 3


def test_scans_come_at_their_rate_and_walls_are_of_the_newest(plant):
    stamps, ages = [], []
    for _ in range(200):
        state, _ = plant.step(np.array([1.0, 0.0]))
        assert state.walls.stamp == plant.scan().stamp
        stamps.append(plant.scan().stamp)
        ages.append(state.stamp - state.walls.stamp)
    assert len(set(stamps)) == pytest.approx(10, abs=1)
    assert max(ages) < 0.1 + 1e-9


def test_walls_hold_the_kerb_that_no_ray_sees(plant):
    walls = plant._state().walls.segments
    assert np.any(np.all(walls == plant.world.keepouts[0], axis=1))


def test_lidar_noise_has_the_stated_deviation():
    quiet = MujocoPlant(
        load_scenario("sidewalk_delivery", {"crowd.source": "none", "sensors.lidar.range_std_m": "0"})
    )
    noisy = MujocoPlant(
        load_scenario("sidewalk_delivery", {"crowd.source": "none", "sensors.lidar.range_std_m": "0.05"})
    )
    quiet.reset(0), noisy.reset(0)
    a, b = quiet.scan().ranges, noisy.scan().ranges
    both = np.isfinite(a) & np.isfinite(b) & (a < 14.0)
    error = b[both] - a[both]
    assert np.std(error) == pytest.approx(0.05, rel=0.2)
    assert abs(np.mean(error)) < 0.02


def test_tracker_noise_is_as_stated_and_unbiased():
    config = TrackerConfig(position_std=0.1, velocity_std=0.2, latency=0.0)
    tracker = Tracker(config, np.random.default_rng(0))
    position, velocity = np.tile([1.0, 2.0], (500, 1)), np.tile([0.5, -0.5], (500, 1))
    tracker.measure(0.0, np.zeros(2), position, velocity, np.ones(500, bool))
    seen = tracker.newest(0.0)
    assert np.std(seen.position - position) == pytest.approx(0.1, rel=0.1)
    assert np.std(seen.velocity - velocity) == pytest.approx(0.2, rel=0.1)
    assert np.allclose(np.mean(seen.position, axis=0), (1.0, 2.0), atol=0.02)
    assert np.all(seen.position_std == 0.1)


def test_tracker_delivers_late_and_stamps_the_time_of_measurement():
    tracker = Tracker(TrackerConfig(latency=0.05, position_std=0.0), np.random.default_rng(0))
    for k in range(3):
        tracker.measure(0.1 * k, np.zeros(2), np.array([[float(k), 0.0]]), np.zeros((1, 2)), np.ones(1, bool))
    assert tracker.newest(0.149).stamp == 0.0
    assert tracker.newest(0.15).stamp == pytest.approx(0.1)
    assert tracker.newest(0.15).position[0, 0] == 1.0


def test_tracker_leaves_out_the_far_and_the_absent():
    tracker = Tracker(TrackerConfig(range_m=5.0, latency=0.0), np.random.default_rng(0))
    position = np.array([[1.0, 0.0], [9.0, 0.0], [2.0, 0.0]])
    tracker.measure(0.0, np.zeros(2), position, np.zeros((3, 2)), np.array([True, True, False]))
    assert tracker.newest(0.0).ids == ("pedestrian_0",)


def test_odometry_noise_is_off_by_default_and_as_stated_when_on():
    overrides = {"crowd.source": "none", "sensors.odometry.position_std": "0.03"}
    exact, noisy = (
        MujocoPlant(load_scenario("sidewalk_calm", o)) for o in ({"crowd.source": "none"}, overrides)
    )
    exact.reset(0), noisy.reset(0)
    difference = [exact.step(np.zeros(2))[0].pose - noisy.step(np.zeros(2))[0].pose for _ in range(300)]
    assert np.std(np.array(difference)[:, :2]) == pytest.approx(0.03, rel=0.15)
    assert np.array_equal(exact._state().pose, exact.pose)
