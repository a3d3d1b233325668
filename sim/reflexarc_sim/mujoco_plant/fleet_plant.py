# SPDX-License-Identifier: Apache-2.0
"""Several robots in one MuJoCo world: one plant steps all, each has sensors and commands of its own.

Everything is as with one robot (`plant`), and in addition: every robot's lidar sees the others, and every robot knows
the others as tracked discs, as if each said where it is; with the tracker's noise and latency. There is no cargo.
Stops: at times drawn by the seed somebody stops a robot for a while, whatever it is commanded.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math

import mujoco
import numpy as np

from reflexarc.core.errors import ConfigError, PlantError
from reflexarc.core.plant import PlantEvent
from reflexarc.core.types import FIXED_FRAME, Array, BaseState, Obstacles
from reflexarc.robots import BaseRobot, load_robot
from reflexarc_sim.crowd import CROWD_PERIOD, PEDESTRIAN_RADIUS, Crowd, Intent, NoCrowd, make_crowd
from reflexarc_sim.crowd.among_robots import FleetSurroundings, WalkersAmongRobots
from reflexarc_sim.fleet_config import StopsConfig
from reflexarc_sim.mujoco_plant.fleet_model import assemble_fleet, robot_names
from reflexarc_sim.mujoco_plant.fleet_robot import RobotUnit
from reflexarc_sim.mujoco_plant.plant import (
    _CROWD,
    _EPS,
    _FOLLOW_GAIN,
    _FOLLOW_SPEED,
    _SETTLE_TIME,
    _stream,
)
from reflexarc_sim.mujoco_plant.render import Camera
from reflexarc_sim.plants import only_mujoco
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.world import World, make_world

_STOPS = 20  # spawn key
_STOPS_UNTIL = 3600.0  # [s] stops are drawn for so long


def stop_times(config: StopsConfig, robots: int, seed: int) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return for each robot the (begin, end) of its stops. [s]"""
    rng = _stream(seed, _STOPS)
    chosen = set(rng.permutation(robots)[: config.robots].tolist())
    out = []
    for k in range(robots):
        stops, now = [], 0.0
        while k in chosen and now < _STOPS_UNTIL:
            begin = now + float(rng.exponential(config.mean_gap_s))
            now = begin + float(rng.uniform(config.shortest_s, config.longest_s))
            stops.append((begin, now))
        out.append(tuple(stops))
    return tuple(out)


class FleetPlant:
    """Robots among pedestrians on a square."""

    units: tuple[RobotUnit, ...]
    """The robots, after `reset`."""

    def __init__(self, scenario: Scenario):
        """Load the robot; the world is made by `reset`.

        Raises:
            ConfigError: the scenario is one of a single robot, asks for another plant, or has cargo or pushes, which a
                fleet has not.
            ModelError: the robot's files are missing or malformed.
        """
        if scenario.fleet.robots < 1 or scenario.cargo.pieces or scenario.disturbances:
            raise ConfigError(
                f"{scenario.where}: a fleet needs fleet.robots >= 1, cargo.pieces 0 and no disturbances but "
                "fleet.stops"
            )
        only_mujoco(scenario, "a fleet")
        self.scenario = scenario
        self.robot: BaseRobot = load_robot(scenario.robot)
        self.names = robot_names(scenario.fleet.robots)
        self.step_period = scenario.plant.step_period
        self.sectors = scenario.arc_config.walls_sectors
        self.robot_radius = math.hypot(self.robot.length, self.robot.width) / 2
        self._substeps = round(scenario.plant.step_period / scenario.plant.physics_period)
        self._steps = 0
        self._camera: Camera | None = None
        self.seed = -1

    @property
    def time(self) -> float:
        """Plant time since reset. [s]"""
        return self._steps * self.step_period

    @property
    def pedestrian_count(self) -> int:
        """Pedestrians, whether in the scene or not."""
        return self._crowd.count

    @property
    def present(self) -> np.ndarray:
        """Who is in the scene, bool."""
        return self._intent.present

    def world_of(self, seed: int) -> World:
        """Return the world of a run."""
        return make_world(self.scenario.world, seed, self.robot)

    def reset(self, seed: int, poses: Array) -> tuple[BaseState, ...]:
        """Start a new run.

        Args:
            seed: world, crowd, noise and stops derive from it.
            poses: x, y, yaw of each robot at the start, shape (n, 3). [m, m, rad]

        Raises:
            ConfigError: the scenario's world cannot be had, or the poses are not as many as the robots.
        """
        scenario, n = self.scenario, len(self.names)
        if np.shape(poses) != (n, 3):
            raise ConfigError(f"{n} robots need poses of shape ({n}, 3), got {np.shape(poses)}")
        self.close()
        self.seed, self._steps = seed, 0
        self.stops = stop_times(scenario.fleet.stops, n, seed)
        self.world = self.world_of(seed)
        self._crowd = self._make_crowd(seed)
        self.model, parts = assemble_fleet(
            self.robot.mjcf, self.world, n, self._crowd.count, scenario.plant.physics_period
        )
        self.data = mujoco.MjData(self.model)
        self._first = parts[0].assembly
        self._gain = float(self.model.actuator_gainprm[parts[0].wheels[0], 0])
        self._wheels = np.array([p.wheels for p in parts])
        self.units = tuple(RobotUnit(self, p, k) for k, p in enumerate(parts))
        self.tracked_names = (*(f"pedestrian_{i}" for i in range(self._crowd.count)), *self.names)
        poses = np.asarray(poses, dtype=np.float64)
        crowd = self._crowd
        self._intent: Intent = (
            crowd.start_among(poses) if isinstance(crowd, WalkersAmongRobots) else crowd.start(poses[0])
        )
        for unit, pose in zip(self.units, poses, strict=True):
            unit.place(pose)
        self._settle()
        self._crowd_due = self._scan_due = self._track_due = 0.0
        self._measure()
        return tuple(unit.state() for unit in self.units)

    def step(self, commands: Array) -> tuple[tuple[BaseState, ...], tuple[tuple[PlantEvent, ...], ...]]:
        """Apply commands (forward and yaw velocity of each robot, shape (n, 2) [m/s, rad/s]) for one `step_period`.

        Raises:
            PlantError: the simulation diverged.
            ValueError: the commands are not finite numbers of that shape.
        """
        commands = np.asarray(commands, dtype=np.float64)
        if commands.shape != (len(self.units), 2) or not np.isfinite(commands).all():
            raise ValueError(f"commands must be finite, shape ({len(self.units)}, 2); they were not applied")
        data = self.data
        if self.time >= self._crowd_due - _EPS:
            self._ask_crowd()
        for unit, (v, omega) in zip(self.units, commands.tolist(), strict=True):
            wanted = (0.0, 0.0) if unit.held else (v, omega)
            for wheel, told in zip(unit.parts.wheels, unit.drive.step(*wanted), strict=True):
                data.ctrl[wheel] = told.speed + told.torque / self._gain
        self._move_pedestrians()
        dt = self.model.opt.timestep
        for i in range(self._substeps):
            speeds = [math.hypot(data.qvel[u.parts.dof], data.qvel[u.parts.dof + 1]) for u in self.units]
            for unit in self.units:
                unit.contacts.before_step(data)
            mujoco.mj_step(self.model, data)
            power = np.abs(data.actuator_force[self._wheels] * data.actuator_velocity[self._wheels]).sum(
                axis=1
            )
            for unit, speed, watt in zip(self.units, speeds, power.tolist(), strict=True):
                unit.traction_energy += watt * dt
                unit.distance += speed * dt
                unit.contacts.observe(data, self.time + (i + 1) * dt, speed)
        self._steps += 1
        self._check()
        self._measure()
        return tuple(u.state() for u in self.units), tuple(u.events() for u in self.units)

    @property
    def pedestrians(self) -> Obstacles:
        """True pedestrians that are in the scene; for metrics, not for the robots."""
        position, velocity = self.bodies()
        index = np.flatnonzero(self._intent.present)
        zero = np.zeros(len(index))
        return Obstacles(
            self.time, FIXED_FRAME, position[index], velocity[index], zero + PEDESTRIAN_RADIUS, zero, zero,
            tuple(f"pedestrian_{i}" for i in index),
        )  # fmt: skip

    def pedestrian_positions(self) -> Array:
        """Return true positions of those in the scene, shape (n, 2). [m]"""
        return self.bodies()[0][self._intent.present]

    def bodies(self) -> tuple[Array, Array]:
        """Return positions and velocities of all pedestrians, each (n, 2). [m, m/s]"""
        return self.data.qpos[self._first.pedestrian_qpos], self.data.qvel[self._first.pedestrian_dof]

    def render(self, camera: str = "overhead", width: int = 960, height: int = 400) -> np.ndarray | None:
        """Return a picture of the whole square, shape (height, width, 3), uint8; None where it cannot be drawn."""
        if self._camera is None:
            self._camera = Camera(self.model)
        x0, y0, x1, y1 = self.world.bounds
        middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2, 0.0])
        return self._camera.picture(self.data, camera, middle, width, height, distance=0.62 * (x1 - x0))

    @property
    def render_problem(self) -> str | None:
        """Why `render` returned None, or None."""
        return self._camera.problem if self._camera else None

    def close(self) -> None:
        """Release the renderer."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _make_crowd(self, seed: int) -> Crowd:
        config, rng = self.scenario.crowd, _stream(seed, _CROWD)
        if config.source == "jupedsim":
            return WalkersAmongRobots(config, self.world, rng) if config.count else NoCrowd()
        return make_crowd(self.scenario, self.world, seed, rng)

    def _settle(self) -> None:
        data, assembly = self.data, self._first
        data.qpos[assembly.pedestrian_qpos] = self._intent.position
        for _ in range(round(_SETTLE_TIME / self.model.opt.timestep)):
            mujoco.mj_step(self.model, data)
        data.qpos[assembly.pedestrian_qpos] = self._intent.position
        data.qvel[assembly.pedestrian_dof] = self._intent.velocity
        data.time = 0.0
        mujoco.mj_forward(self.model, data)
        self._check()

    def _ask_crowd(self) -> None:
        """Let the crowd decide; bodies that appear or leave are moved at once."""
        data, assembly = self.data, self._first
        self._crowd_due += CROWD_PERIOD
        before = self._intent.present
        position, _ = self.bodies()
        poses = np.array([u.pose for u in self.units])
        velocities = np.array([u.velocity for u in self.units])
        touched = frozenset().union(*(u.contacts.take_touched() for u in self.units))
        size = self.robot.length, self.robot.width
        seen = FleetSurroundings(
            self.time, position, poses[0], velocities[0], size, touched, poses, velocities
        )
        self._intent = intent = self._crowd.step(seen)
        changed = before != intent.present
        if changed.any():
            data.qpos[assembly.pedestrian_qpos[changed]] = intent.position[changed]
            data.qvel[assembly.pedestrian_dof[changed]] = intent.velocity[changed]

    def _move_pedestrians(self) -> None:
        """Servo the bodies towards where the crowd wants them at the end of this step."""
        if not self._crowd.count:
            return
        intent = self._intent
        position, _ = self.bodies()
        ahead = self._crowd_due - self.time - self.step_period
        wanted = intent.velocity + _FOLLOW_GAIN * (intent.position - intent.velocity * ahead - position)
        speed = np.hypot(wanted[:, 0], wanted[:, 1])
        wanted *= (_FOLLOW_SPEED / np.maximum(speed, _FOLLOW_SPEED))[:, None]
        self.data.ctrl[self._first.pedestrian_ctrl] = wanted

    def _check(self) -> None:
        """Stop at once when the physics is no longer to be trusted."""
        data = self.data
        bad = [n for n in ("BADQPOS", "BADQVEL", "BADQACC", "CONTACTFULL", "CNSTRFULL")
               if data.warning.number[getattr(mujoco.mjtWarning, f"mjWARN_{n}")]]  # fmt: skip
        if bad or not math.isfinite(float(data.qpos.sum())) or not math.isfinite(float(data.qvel.sum())):
            what = ", ".join(bad) or "non-finite state"
            raise PlantError(f"the simulation diverged at {self.time:.3f} s ({what}); the run was stopped")

    def _measure(self) -> None:
        """Take the measurements that are due now."""
        now, sensors = self.time, self.scenario.sensors
        if now >= self._track_due - _EPS:
            self._track_due += 1.0 / sensors.tracker.rate_hz
            for unit in self.units:
                unit.track(now)
        if now >= self._scan_due - _EPS:
            self._scan_due += 1.0 / sensors.lidar.rate_hz
            mujoco.mj_kinematics(self.model, self.data)
            for unit in self.units:
                unit.look(now)
