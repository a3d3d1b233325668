# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo plant: robot, world, cargo and crowd behind the plant protocol; what moves them can be another engine.

Order within a step: the crowd decides (every 25 ms), the drive turns the command into wheel speeds, physics advances,
sensors measure (lidar and tracker at their own rates), events are collected. Everything random comes from one stream
per subsystem, derived from the seed, so that equal seeds and equal commands give equal bytes, and a change in one
subsystem does not shift another's numbers.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from abc import ABC, abstractmethod

import mujoco
import numpy as np

from reflexarc.arc import walls_from_scan
from reflexarc.core.errors import PlantError
from reflexarc.core.plant import CargoEvent, PlantEvent, RolloverEvent, Scan
from reflexarc.core.types import FIXED_FRAME, Array, BaseState, Obstacles, Walls
from reflexarc.robots import load_robot
from reflexarc_sim.crowd import CROWD_PERIOD, PEDESTRIAN_RADIUS, Intent, Surroundings, make_crowd
from reflexarc_sim.mujoco_plant.contacts import ContactRecorder
from reflexarc_sim.mujoco_plant.drive import Drive, load_drive
from reflexarc_sim.mujoco_plant.engine import Engine, MujocoEngine
from reflexarc_sim.mujoco_plant.model import Assembly, assemble, cargo_layout, outside_bay
from reflexarc_sim.mujoco_plant.render import Camera
from reflexarc_sim.mujoco_plant.sensors import Lidar, Tracker
from reflexarc_sim.mujoco_plant.start import Start, start_pose
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.world import World, make_world

_EPS = 1e-9  # [s] tolerance of "is it due" comparisons, far below any period
_SETTLE_TIME = 0.5  # [s] suspension and cargo come to rest before time 0
_FOLLOW_GAIN = 2.0  # [1/s] bodies close the gap to where the crowd wants them
_FOLLOW_SPEED = 2.5  # [m/s] at most
_CARGO_PERIOD = 0.05  # [s] between two looks into the bay
_CROWD, _LIDAR, _TRACKER, _ODOMETRY = range(10, 14)  # spawn keys; 1 and 2 belong to world and missions


class StreetPlant(ABC):
    """A delivery robot on a street among pedestrians; implements `reflexarc.core.plant.Plant` for any engine."""

    def __init__(self, scenario: Scenario):
        """Load the robot; the world is made by `reset`.

        Raises:
            ModelError: the robot's files are missing or malformed.
        """
        self.scenario = scenario
        self.robot = load_robot(scenario.robot)
        self.step_period = scenario.plant.step_period
        self._sectors = scenario.arc_config.walls_sectors
        self._substeps = round(scenario.plant.step_period / scenario.plant.physics_period)
        self._drive = Drive(self.robot, load_drive(self.robot), self.step_period)
        self._assembly: Assembly
        self._camera: Camera | None = None
        self._seed: int | None = None
        self._steps = 0
        self.traction_energy = 0.0
        """Mechanical energy at the wheels since reset, integral of |torque x speed|. [J]"""

    @property
    def time(self) -> float:
        """Plant time since reset. [s]"""
        return self._steps * self.step_period

    @property
    def wheels(self) -> tuple[Array, Array]:
        """Velocity [rad/s] and torque [N m] of the left and right wheel, each of shape (2,)."""
        self._require_reset()
        data = self._data
        return data.actuator_velocity[self._wheels].copy(), data.actuator_force[self._wheels].copy()

    @property
    def world(self) -> World:
        """The world of this run; what the map knows of it."""
        self._require_reset()
        return self._world

    @property
    def physics(self) -> tuple[Assembly, mujoco.MjData]:
        """What is simulated and its state; to be read, not written."""
        self._require_reset()
        return self._assembly, self._data

    def reset(self, seed: int) -> BaseState:
        """Start a new run: world, crowd, noise and start pose derive from `seed`.

        Raises:
            ConfigError: the scenario's world, missions or recording cannot be had.
            ModelError: the model does not compile.
        """
        self._steps = 0
        self.traction_energy = 0.0
        self._build(seed)
        self._drive.reset()
        self._contacts.reset()
        scenario, config = self.scenario, self.scenario.sensors
        start, length = Start(scenario.plant.start), self.robot.length
        self._start_pose = start_pose(start, self._world, scenario.missions, seed, length)
        self._crowd = make_crowd(scenario, self._world, seed, _stream(seed, _CROWD))
        self._intent = self._crowd.start(self._start_pose)
        self._place(self._start_pose)
        self._lidar = Lidar(config.lidar, self.robot, self._model, _stream(seed, _LIDAR))
        self._tracker = Tracker(config.tracker, _stream(seed, _TRACKER))
        self._odometry_rng = _stream(seed, _ODOMETRY)
        self._crowd_due = self._scan_due = self._track_due = self._cargo_due = 0.0
        self._scan: Scan | None = None
        self._walls = Walls.none()
        self._lost = np.zeros(scenario.cargo.pieces, bool)
        self._rolled = False
        self._measure()
        return self._state()

    def step(self, command: Array) -> tuple[BaseState, tuple[PlantEvent, ...]]:
        """Apply `command` (forward and yaw velocity [m/s, rad/s]) for one `step_period`.

        Raises:
            PlantError: the simulation diverged, or `reset` was never called.
            ValueError: the command is not two finite numbers.
        """
        self._require_reset()
        v, omega = (
            (float(x) for x in np.asarray(command, float).reshape(-1))
            if np.size(command) == 2
            else (math.nan,) * 2
        )
        if not (math.isfinite(v) and math.isfinite(omega)):
            raise ValueError(
                f"command must be two finite numbers (m/s, rad/s), got {command!r}; it was not applied"
            )
        data = self._data
        if self.time >= self._crowd_due - _EPS:
            self._ask_crowd()
        for wheel, told in zip(self._wheels, self._drive.step(v, omega), strict=True):
            data.ctrl[wheel] = told.speed + told.torque / self._servo_gain
        self._move_pedestrians()
        self._disturb()
        for i in range(self._substeps):
            speed = math.hypot(data.qvel[0], data.qvel[1])
            self._contacts.before_step(data)
            self._engine.step(data)
            power = np.abs(data.actuator_force[self._wheels] * data.actuator_velocity[self._wheels]).sum()
            self.traction_energy += float(power) * self._model.opt.timestep
            self._contacts.observe(data, self.time + (i + 1) * self._model.opt.timestep, speed)
        self._steps += 1
        self._check()
        self._measure()
        return self._state(), self._events()

    def finish(self) -> tuple[PlantEvent, ...]:
        """Return the contact episodes that were still going on; call it at the end of a run."""
        return self._contacts.flush()

    def scan(self) -> Scan | None:
        """Return the newest lidar scan."""
        return self._scan

    @property
    def pose(self) -> Array:
        """True x, y, yaw of base_link, shape (3,). [m, m, rad]"""
        q = self._data.qpos
        yaw = math.atan2(2 * (q[3] * q[6] + q[4] * q[5]), 1 - 2 * (q[5] ** 2 + q[6] ** 2))
        return np.array([q[0], q[1], yaw])

    @property
    def tilt(self) -> float:
        """True angle between the robot's z axis and the vertical. [rad]"""
        q = self._data.qpos
        return math.acos(min(1.0, max(-1.0, 1 - 2 * (q[4] ** 2 + q[5] ** 2))))

    @property
    def pedestrians(self) -> Obstacles:
        """True pedestrians that are in the scene; for metrics, not for the robot."""
        position, velocity = self._bodies()
        index = np.flatnonzero(self._intent.present)
        zero = np.zeros(len(index))
        return Obstacles(
            self.time,
            FIXED_FRAME,
            position[index],
            velocity[index],
            zero + PEDESTRIAN_RADIUS,
            zero,
            zero,
            tuple(f"pedestrian_{i}" for i in index),
        )

    @property
    def pedestrian_names(self) -> tuple[str, ...]:
        """Names of the pedestrians that are in the scene."""
        return tuple(f"pedestrian_{i}" for i in np.flatnonzero(self._intent.present))

    def pedestrian_positions(self) -> Array:
        """Return true positions of `pedestrian_names`, shape (n, 2). [m]"""
        return self._bodies()[0][self._intent.present]

    def min_pedestrian_distance(self) -> float:
        """Return the gap [m] between footprint and nearest pedestrian; inf without any, 0 on contact."""
        if not self._intent.present.any():
            return math.inf
        x, y, yaw = self.pose
        d = self._data.qpos[self._assembly.pedestrian_qpos][self._intent.present] - (x, y)
        cos, sin = math.cos(yaw), math.sin(yaw)
        gap_x = np.abs(cos * d[:, 0] + sin * d[:, 1]) - self.robot.length / 2
        gap_y = np.abs(cos * d[:, 1] - sin * d[:, 0]) - self.robot.width / 2
        gap = np.hypot(np.maximum(gap_x, 0.0), np.maximum(gap_y, 0.0)).min()
        return max(0.0, float(gap) - PEDESTRIAN_RADIUS)

    @property
    def cargo_lost(self) -> int:
        """Pieces lost so far."""
        return int(self._lost.sum())

    def render(self, camera: str = "chase", width: int = 640, height: int = 360) -> np.ndarray | None:
        """Return a picture, shape (height, width, 3), uint8; None where it cannot be drawn, see `render_problem`.

        Args:
            camera: `chase` (behind the robot) or `overhead` (from above, x to the right).
            width: [px]
            height: [px]

        Raises:
            UnknownNameError: no such camera.
        """
        self._require_reset()
        if self._camera is None:
            self._camera = Camera(self._model)
        return self._camera.picture(self._data, camera, self.pose, width, height)

    @property
    def render_problem(self) -> str | None:
        """Why `render` returned None, or None when it works or was not tried."""
        return self._camera.problem if self._camera else None

    def close(self) -> None:
        """Release the renderer."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    @abstractmethod
    def _make_engine(self, assembly: Assembly, seed: int) -> Engine:
        """Return what moves the world of `seed`; `assembly` is compiled, nothing is placed yet."""

    def _require_reset(self) -> None:
        if self._seed is None:
            raise PlantError("the plant has no run yet; call reset(seed) first")

    def _build(self, seed: int) -> None:
        """Make world and model, unless they are those of the last run."""
        scenario = self.scenario
        if self._seed == seed:
            self._data = mujoco.MjData(self._model)
            return
        self.close()
        self._world = make_world(scenario.world, seed, self.robot)
        count = make_crowd(scenario, self._world, seed, _stream(seed, _CROWD)).count
        self._assembly = assemble(
            self.robot.mjcf, self._world, scenario.cargo, count, scenario.plant.physics_period
        )
        self._model = self._assembly.model
        self._data = mujoco.MjData(self._model)
        self._wheels = [self._model.actuator(f"wheel_{side}").id for side in ("left", "right")]
        self._servo_gain = float(self._model.actuator_gainprm[self._wheels[0], 0])
        self._base = self._model.body("base_link").id
        self._engine = self._make_engine(self._assembly, seed)
        self._contacts = ContactRecorder(self._assembly, self._engine)
        self._seed = seed

    def _place(self, pose: Array) -> None:
        """Put everything at its start and let it settle."""
        data, assembly = self._data, self._assembly
        x, y, yaw = pose
        cos, sin = math.cos(yaw), math.sin(yaw)
        quaternion = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
        data.qpos[:7] = (x, y, 0.0, *quaternion)
        for address, place in zip(assembly.cargo_qpos, cargo_layout(self.scenario.cargo), strict=True):
            px, py, pz = place
            data.qpos[address : address + 7] = (
                x + cos * px - sin * py,
                y + sin * px + cos * py,
                pz,
                *quaternion,
            )
        data.qpos[assembly.pedestrian_qpos] = self._intent.position
        self._engine.take_over(data)
        for _ in range(round(_SETTLE_TIME / self._model.opt.timestep)):
            self._engine.step(data)
        data.qpos[assembly.pedestrian_qpos] = self._intent.position
        data.qvel[assembly.pedestrian_dof] = self._intent.velocity
        data.time = 0.0
        self._engine.take_over(data)
        mujoco.mj_forward(self._model, data)
        self._check()

    def _bodies(self) -> tuple[Array, Array]:
        return self._data.qpos[self._assembly.pedestrian_qpos], self._data.qvel[self._assembly.pedestrian_dof]

    def _ask_crowd(self) -> None:
        """Let the crowd decide; bodies that appear or leave are moved at once."""
        data, assembly = self._data, self._assembly
        self._crowd_due += CROWD_PERIOD
        before = self._intent.present
        position, _ = self._bodies()
        size = self.robot.length, self.robot.width
        touched = self._contacts.take_touched()
        seen = Surroundings(self.time, position, self.pose, data.qvel[:2].copy(), size, touched)
        self._intent = intent = self._crowd.step(seen)
        changed = before != intent.present
        if changed.any():
            data.qpos[assembly.pedestrian_qpos[changed]] = intent.position[changed]
            data.qvel[assembly.pedestrian_dof[changed]] = intent.velocity[changed]
            self._engine.take_over(data)

    def _move_pedestrians(self) -> None:
        """Servo the bodies towards where the crowd wants them at the end of this step."""
        if not self._crowd.count:
            return
        intent: Intent = self._intent
        position, _ = self._bodies()
        ahead = self._crowd_due - self.time - self.step_period
        error = intent.position - intent.velocity * ahead - position
        wanted = intent.velocity + _FOLLOW_GAIN * error
        speed = np.hypot(wanted[:, 0], wanted[:, 1])
        wanted *= (_FOLLOW_SPEED / np.maximum(speed, _FOLLOW_SPEED))[:, None]
        self._data.ctrl[self._assembly.pedestrian_ctrl] = wanted

    def _disturb(self) -> None:
        """Apply the pushes that are going on."""
        if not self.scenario.disturbances:
            return
        wrench = np.zeros(6)
        for push in self.scenario.disturbances:
            if push.time_s - _EPS <= self.time < push.time_s + push.duration_s - _EPS:
                fx, fy = np.array(push.impulse) / push.duration_s
                lever = push.height_m - float(
                    self._data.xipos[self._base, 2] - self._data.xpos[self._base, 2]
                )
                wrench += (fx, fy, 0.0, -lever * fy, lever * fx, 0.0)
        self._data.xfrc_applied[self._base] = wrench

    def _check(self) -> None:
        """Stop at once when the physics is no longer to be trusted."""
        what = self._engine.problem(self._data)
        if what is not None:
            raise PlantError(f"the simulation diverged at {self.time:.3f} s ({what}); the run was stopped")

    def _measure(self) -> None:
        """Take the measurements that are due now."""
        now, config = self.time, self.scenario.sensors
        if now >= self._track_due - _EPS:
            self._track_due += 1.0 / config.tracker.rate_hz
            position, velocity = self._bodies()
            self._tracker.measure(now, self._data.qpos[:2], position, velocity, self._intent.present)
        if now >= self._scan_due - _EPS:
            self._scan_due += 1.0 / config.lidar.rate_hz
            pose = self.pose
            mujoco.mj_kinematics(self._model, self._data)
            self._scan = self._lidar.scan(self._data, pose, float(self._data.qpos[2]), now)
            mount, sectors = np.array(self.robot.lidar_mount), self._sectors
            self._walls = walls_from_scan(self._scan, pose, mount, sectors, self._world.keepouts)

    def _state(self) -> BaseState:
        pose, v = self.pose, self._data.qvel
        twist = np.array([math.cos(pose[2]) * v[0] + math.sin(pose[2]) * v[1], v[5]])
        noise = self.scenario.sensors.odometry
        if noise.position_std or noise.yaw_std or noise.twist_std:
            scale = noise.position_std, noise.position_std, noise.yaw_std
            pose += self._odometry_rng.standard_normal(3) * scale
            twist += self._odometry_rng.standard_normal(2) * noise.twist_std
        return BaseState(self.time, FIXED_FRAME, pose, twist, self._tracker.newest(self.time), self._walls)

    def _events(self) -> tuple[PlantEvent, ...]:
        events: list[PlantEvent] = list(self._contacts.finished(self.time))
        if self.time >= self._cargo_due - _EPS and len(self._lost):
            self._cargo_due = self.time + _CARGO_PERIOD
            out = outside_bay(self._data.qpos, self._assembly.cargo_qpos) & ~self._lost
            if out.any():
                self._lost |= out
                events.append(CargoEvent(self.time, int(self._lost.sum()), len(self._lost)))
        if not self._rolled and self.tilt > self.robot.tilt_limit:
            self._rolled = True
            events.append(RolloverEvent(self.time, self.tilt))
        return tuple(events)


class MujocoPlant(StreetPlant):
    """The street moved by MuJoCo's C engine."""

    def _make_engine(self, assembly: Assembly, seed: int) -> Engine:
        return MujocoEngine(assembly)


def _stream(seed: int, key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(key,)))
