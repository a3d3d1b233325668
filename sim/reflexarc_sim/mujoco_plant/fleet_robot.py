# SPDX-License-Identifier: Apache-2.0
"""One robot of a fleet in a common world: drive, sensors and contacts of its own."""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from typing import TYPE_CHECKING

import numpy as np

from reflexarc.arc import walls_from_scan
from reflexarc.core.plant import PlantEvent, RolloverEvent, Scan
from reflexarc.core.types import FIXED_FRAME, Array, BaseState, Obstacles, Walls
from reflexarc_sim.crowd import PEDESTRIAN_RADIUS
from reflexarc_sim.mujoco_plant.contacts import ContactRecorder
from reflexarc_sim.mujoco_plant.drive import Drive, load_drive
from reflexarc_sim.mujoco_plant.fleet_model import RobotParts
from reflexarc_sim.mujoco_plant.plant import _LIDAR, _ODOMETRY, _TRACKER
from reflexarc_sim.mujoco_plant.sensors import Lidar, Tracker

if TYPE_CHECKING:
    from reflexarc_sim.mujoco_plant.fleet_plant import FleetPlant


class RobotUnit:
    """One robot of the fleet: what a node or a report may ask of it, as of a plant of its own."""

    def __init__(self, plant: "FleetPlant", parts: RobotParts, number: int):
        """Connect drive, lidar, tracker and contacts."""
        scenario, robot, seed = plant.scenario, plant.robot, plant.seed
        self.plant, self.parts, self.name, self.robot = plant, parts, parts.name, robot
        self.step_period = plant.step_period
        self.drive = Drive(robot, load_drive(robot), plant.step_period)
        self.contacts = ContactRecorder(parts.assembly)
        self.traction_energy = 0.0
        """[J]"""
        self.distance = 0.0
        sensors = scenario.sensors
        streams = [
            np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(key, number)))
            for key in (_LIDAR, _TRACKER, _ODOMETRY)
        ]
        self._lidar = Lidar(sensors.lidar, robot, plant.model, streams[0], parts.body)
        self._tracker = Tracker(sensors.tracker, streams[1])
        self._rng, self._number = streams[2], number
        self._scan: Scan | None = None
        self._walls = Walls.none()
        self._rolled = False

    @property
    def time(self) -> float:
        """[s]"""
        return self.plant.time

    @property
    def pose(self) -> Array:
        """True x, y, yaw of base_link, shape (3,). [m, m, rad]"""
        q = self.plant.data.qpos[self.parts.qpos : self.parts.qpos + 7]
        yaw = math.atan2(2 * (q[3] * q[6] + q[4] * q[5]), 1 - 2 * (q[5] ** 2 + q[6] ** 2))
        return np.array([q[0], q[1], yaw])

    @property
    def velocity(self) -> Array:
        """In the fixed frame, shape (2,). [m/s]"""
        return self.plant.data.qvel[self.parts.dof : self.parts.dof + 2].copy()

    @property
    def tilt(self) -> float:
        """[rad]"""
        q = self.plant.data.qpos[self.parts.qpos : self.parts.qpos + 7]
        return math.acos(min(1.0, max(-1.0, 1 - 2 * (q[4] ** 2 + q[5] ** 2))))

    @property
    def wheels(self) -> tuple[Array, Array]:
        """Velocity [rad/s] and torque [N m] of the left and right wheel, each of shape (2,)."""
        data = self.plant.data
        return data.actuator_velocity[self.parts.wheels].copy(), data.actuator_force[self.parts.wheels].copy()

    @property
    def pedestrians(self) -> Obstacles:
        """True pedestrians; for metrics, not for the robot."""
        return self.plant.pedestrians

    @property
    def held(self) -> bool:
        """Whether somebody stops the robot now."""
        return any(begin <= self.time < end for begin, end in self.plant.stops[self._number])

    def scan(self) -> Scan | None:
        """Return the newest lidar scan."""
        return self._scan

    def min_pedestrian_distance(self) -> float:
        """Return the gap [m] between footprint and nearest pedestrian; inf without any, 0 on contact."""
        position = self.plant.pedestrian_positions()
        if not len(position):
            return math.inf
        x, y, yaw = self.pose
        d = position - (x, y)
        cos, sin = math.cos(yaw), math.sin(yaw)
        gap_x = np.abs(cos * d[:, 0] + sin * d[:, 1]) - self.robot.length / 2
        gap_y = np.abs(cos * d[:, 1] - sin * d[:, 0]) - self.robot.width / 2
        gap = np.hypot(np.maximum(gap_x, 0.0), np.maximum(gap_y, 0.0)).min()
        return max(0.0, float(gap) - PEDESTRIAN_RADIUS)

    def place(self, pose: Array) -> None:
        """Put it on the ground."""
        x, y, yaw = pose
        data, q = self.plant.data, self.parts.qpos
        data.qpos[q : q + 7] = (x, y, 0.0, math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))

    def track(self, now: float) -> None:
        """Measure pedestrians and the other robots."""
        plant, n = self.plant, self.plant.pedestrian_count
        position, velocity = plant.bodies()
        poses = np.array([unit.pose[:2] for unit in plant.units])
        speeds = np.array([unit.velocity for unit in plant.units])
        present = np.concatenate((plant.present, np.arange(len(poses)) != self._number))
        names = plant.tracked_names
        radius = np.concatenate((np.full(n, PEDESTRIAN_RADIUS), np.full(len(poses), plant.robot_radius)))
        self._tracker.measure(
            now,
            self.pose[:2],
            np.vstack((position, poses)),
            np.vstack((velocity, speeds)),
            present,
            radius,
            names,
        )

    def look(self, now: float) -> None:
        """Take a scan."""
        plant, pose = self.plant, self.pose
        self._scan = self._lidar.scan(plant.data, pose, float(plant.data.qpos[self.parts.qpos + 2]), now)
        mount = np.array(self.robot.lidar_mount)
        self._walls = walls_from_scan(self._scan, pose, mount, plant.sectors, plant.world.keepouts)

    def state(self) -> BaseState:
        """Return what the robot knows."""
        pose, v = self.pose, self.plant.data.qvel[self.parts.dof : self.parts.dof + 6]
        twist = np.array([math.cos(pose[2]) * v[0] + math.sin(pose[2]) * v[1], v[5]])
        noise = self.plant.scenario.sensors.odometry
        if noise.position_std or noise.yaw_std or noise.twist_std:
            pose += self._rng.standard_normal(3) * (noise.position_std, noise.position_std, noise.yaw_std)
            twist += self._rng.standard_normal(2) * noise.twist_std
        return BaseState(self.time, FIXED_FRAME, pose, twist, self._tracker.newest(self.time), self._walls)

    def events(self) -> tuple[PlantEvent, ...]:
        """Return what ended or happened in this step."""
        events: list[PlantEvent] = list(self.contacts.finished(self.time))
        if not self._rolled and self.tilt > self.robot.tilt_limit:
            self._rolled = True
            events.append(RolloverEvent(self.time, self.tilt))
        return tuple(events)

    def finish(self) -> tuple[PlantEvent, ...]:
        """Return the contacts that are still going on."""
        return self.contacts.flush()
