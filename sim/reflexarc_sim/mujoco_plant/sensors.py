# SPDX-License-Identifier: Apache-2.0
"""Simulated sensors: lidar by ray casting and a tracker of pedestrians. Each has its own random stream."""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from collections import deque

import mujoco
import numpy as np

from reflexarc.core.plant import Scan
from reflexarc.core.types import FIXED_FRAME, Array, Obstacles
from reflexarc.robots import BaseRobot
from reflexarc_sim.crowd import PEDESTRIAN_RADIUS
from reflexarc_sim.scenario import LidarConfig, TrackerConfig


class Lidar:
    """Planar lidar; rays stay horizontal when the body pitches and pass through the robot itself and the ground."""

    def __init__(
        self,
        config: LidarConfig,
        robot: BaseRobot,
        model: mujoco.MjModel,
        rng: np.random.Generator,
        body: int | None = None,
    ) -> None:
        """Prepare the rays; with `body`, the robot's own, they also see the hulls of other robots."""
        self._config, self._robot, self._model, self._rng = config, robot, model, rng
        self._angle_min = -math.pi
        self._increment = 2 * math.pi / config.rays
        self._bearings = self._angle_min + self._increment * np.arange(config.rays)
        self._body = -1 if body is None else body
        # Fixed things, pedestrians, and collision shapes of robots where there are others.
        self._groups = np.array([1, 1, 0, 0 if body is None else 1, 0, 0], np.uint8)
        self._geoms = np.zeros(config.rays, np.int32)
        self._distances = np.zeros(config.rays)

    def scan(self, data: mujoco.MjData, pose: Array, ground_z: float, time: float) -> Scan:
        """Measure all round.

        Args:
            data: state to cast rays in.
            pose: true x, y, yaw of base_link, shape (3,). [m, m, rad]
            ground_z: height of base_link. [m]
            time: stamp of the scan. [s]
        """
        robot, config = self._robot, self._config
        cos, sin = math.cos(pose[2]), math.sin(pose[2])
        origin = np.array(
            [
                pose[0] + cos * robot.lidar_x - sin * robot.lidar_y,
                pose[1] + sin * robot.lidar_x + cos * robot.lidar_y,
                ground_z + robot.lidar_z,
            ]
        )
        angles = self._bearings + pose[2] + robot.lidar_yaw
        rays = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], axis=1).ravel()
        mujoco.mj_multiRay(
            self._model, data, origin, rays, self._groups, True, self._body, self._geoms, self._distances, None,
            config.rays, config.range_max_m,
        )  # fmt: skip
        noise = self._rng.normal(0.0, config.range_std_m, config.rays) if config.range_std_m else 0.0
        hit = (self._geoms >= 0) & (self._distances <= config.range_max_m)
        ranges = np.where(
            hit, np.clip(self._distances + noise, config.range_min_m, config.range_max_m), np.inf
        )
        ranges.setflags(write=False)
        return Scan(time, self._angle_min, self._increment, config.range_min_m, config.range_max_m, ranges)


class Tracker:
    """Positions and velocities of pedestrians in range: noisy and late; nobody is confused or occluded."""

    def __init__(self, config: TrackerConfig, rng: np.random.Generator) -> None:
        """Start without measurements."""
        self._config, self._rng = config, rng
        self._pending: deque[tuple[float, Obstacles]] = deque()
        self._newest = Obstacles.none(0.0)

    def measure(
        self,
        time: float,
        robot: Array,
        position: Array,
        velocity: Array,
        present: np.ndarray,
        radius: Array | None = None,
        names: tuple[str, ...] | None = None,
    ) -> None:
        """Measure now; the result is delivered after the latency.

        Args:
            time: of the measurement. [s]
            robot: x, y of the robot, shape (2,). [m]
            position: true positions, shape (n, 2). [m]
            velocity: true velocities, shape (n, 2). [m/s]
            present: who is in the scene, shape (n,), bool.
            radius: of each, shape (n,); that of a pedestrian by default. [m]
            names: of each; `pedestrian_0` and so on by default.
        """
        config = self._config
        n = len(position)
        # Drawn for everybody, so that who is in range does not change anybody else's noise.
        noise = self._rng.standard_normal((2, n, 2))
        offset = position - robot
        seen = present & (np.hypot(offset[:, 0], offset[:, 1]) <= config.range_m)
        indices = np.flatnonzero(seen)
        count = len(indices)
        obstacles = Obstacles(
            stamp=time,
            frame_id=FIXED_FRAME,
            position=(position + config.position_std * noise[0])[indices],
            velocity=(velocity + config.velocity_std * noise[1])[indices],
            radius=np.full(count, PEDESTRIAN_RADIUS) if radius is None else radius[indices],
            position_std=np.full(count, config.position_std),
            velocity_std=np.full(count, config.velocity_std),
            ids=tuple(f"pedestrian_{i}" if names is None else names[i] for i in indices),
        )
        self._pending.append((time + config.latency, obstacles))

    def newest(self, now: float) -> Obstacles:
        """Return the newest measurement that has been delivered by `now` [s]."""
        while self._pending and self._pending[0][0] <= now + 1e-9:
            self._newest = self._pending.popleft()[1]
        return self._newest
