# SPDX-License-Identifier: Apache-2.0
"""Pedestrians among several robots: each minds the robot that is nearest to it, as `walkers` does with one."""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc_sim.crowd.base import PEDESTRIAN_RADIUS, Intent, Surroundings
from reflexarc_sim.crowd.walkers import _SPACING, _START_DISTANCE, _TRIES, Walkers


@dataclass(frozen=True, slots=True)
class FleetSurroundings(Surroundings):
    """As with one robot, whose fields are those of the first; here are all."""

    poses: Array
    """x, y, yaw of each robot, shape (r, 3). [m, m, rad]"""
    velocities: Array
    """In the fixed frame, shape (r, 2). [m/s]"""


class WalkersAmongRobots(Walkers):
    """Pedestrians that walk between the two ends of the street, among robots."""

    def start_among(self, poses: Array) -> Intent:
        """Spread everybody over the street, at least 3 m from every robot; poses (r, 3)."""
        self._robots = poses[:, :2]
        return self.start(poses[0])

    def _view(self, i: int, seen: Surroundings) -> Surroundings:
        if not isinstance(seen, FleetSurroundings):
            return seen
        k = int(np.hypot(*(seen.poses[:, :2] - seen.bodies[i]).T).argmin())
        return Surroundings(
            seen.time, seen.bodies, seen.poses[k], seen.velocities[k], seen.robot_size, seen.touched
        )

    def _aware(self, seen: Surroundings) -> np.ndarray:
        if not isinstance(seen, FleetSurroundings) or not self.count:
            return super()._aware(seen)
        gaps = np.hypot(*np.moveaxis(seen.poses[None, :, :2] - seen.bodies[:, None], 2, 0))
        nearest = gaps.argmin(axis=1)
        to_robot = seen.poses[nearest, :2] - seen.bodies
        heading = self._goal - seen.bodies
        norm = np.maximum(np.hypot(*to_robot.T) * np.hypot(*heading.T), 1e-9)
        in_view = np.einsum("ij,ij->i", to_robot, heading) / norm > np.cos(self._config.field_of_view / 2)
        bumped = seen.time < self._alert_until
        near = gaps.min(axis=1) < self._config.notice_range_m
        return near & ((in_view & ~self.distracted) | bumped)

    def _spread(self, n: int, robot: Array) -> Array:
        placed = np.full((n, 2), np.inf)
        count = 0
        for _ in range(_TRIES * n):
            if count == n:
                break
            p = np.array([self._rng.uniform(*self._ends), self._rng.uniform(*self._lanes)])
            spaced = np.all(np.hypot(*(placed[:count] - p).T) >= _SPACING)
            if spaced and np.hypot(*(self._robots - p).T).min() >= _START_DISTANCE + PEDESTRIAN_RADIUS:
                placed[count] = p
                count += 1
        if count < n:
            raise ConfigError(
                f"crowd.count: there is room for {count} pedestrians among the robots, not for {n}"
            )
        return placed
