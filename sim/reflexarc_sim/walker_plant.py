# SPDX-License-Identifier: Apache-2.0
"""The plant of a quadruped that walks: targets of its joints in, its state out, 250 times a second.

The physics is that of `quadruped.walk`, for one robot. The state is the truth: no estimator is simulated. Everything
random derives from the seed, so that equal seeds and equal targets give equal bytes.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from dataclasses import dataclass

import mujoco
import numpy as np

from reflexarc.core.errors import ConfigError, PlantError
from reflexarc.core.types import FIXED_FRAME, Array, WalkerState
from reflexarc.robots.quadruped import JOINT_NAMES, load_quadruped
from reflexarc.walking.observation import into_body
from reflexarc_sim.drawing import Drawing
from reflexarc_sim.quadruped.model import PHYSICS_PERIOD, QuadrupedAssembly, assemble_quadruped
from reflexarc_sim.quadruped.task import LEAN
from reflexarc_sim.quadruped.terrain import plane, tiles
from reflexarc_sim.walk_config import SuddenPushes, WalkConfig

_EPS = 1e-9
"""[s]"""
_PUSHES, _PLACE = 30, 31  # spawn keys; those below belong to other plants
_DROP = 0.02
"""It begins so far above the ground. [m]"""
_DIRECTIONS = 8
_HIDDEN_GROUPS = (5,)
_VIEW = (1.5, -18.0, 120.0)
"""Of the camera that follows the trunk: distance [m], elevation and azimuth [deg]."""


@dataclass(frozen=True, eq=False)
class TrunkPush:
    """One push."""

    start: float
    """[s]"""
    end: float
    """[s]"""
    force: Array
    """On the trunk's origin, in base_link, shape (3,). [N]"""


def draw_trunk_pushes(
    config: SuddenPushes, horizon: float, rng: np.random.Generator
) -> tuple[TrunkPush, ...]:
    """Return the pushes that begin within `horizon` [s], in one of eight directions each, by time."""
    if config.magnitude[1] <= 0.0:
        return ()
    pushes = []
    for start in np.arange(config.first_s, horizon, config.every_s).tolist():
        angle = 2.0 * math.pi * rng.integers(_DIRECTIONS) / _DIRECTIONS
        size, lasts = rng.uniform(*config.magnitude), rng.uniform(*config.duration_s)
        force = size * np.array((math.cos(angle), math.sin(angle), 0.0))
        pushes.append(TrunkPush(start, start + float(lasts), force))
    return tuple(pushes)


class WalkerPlant:
    """One quadruped on its ground."""

    def __init__(
        self, walk: WalkConfig, robot: str, step_period: float, physics_period: float, horizon: float
    ):
        """Build the model.

        Args:
            walk: ground, payload and pushes.
            robot: a folder of models/ with quadruped.yaml.
            step_period: time per step. [s]
            physics_period: time per step of physics, which is fixed. [s]
            horizon: pushes begin within it. [s]

        Raises:
            ConfigError: a period that this plant does not have.
        """
        if not math.isclose(step_period, PHYSICS_PERIOD) or not math.isclose(physics_period, PHYSICS_PERIOD):
            raise ConfigError(
                f"plant.step_period {step_period} s, plant.physics_period {physics_period} s; a quadruped's are both "
                f"{PHYSICS_PERIOD} s"
            )
        self.robot, self.walk, self.step_period = load_quadruped(robot), walk, PHYSICS_PERIOD
        self.stance, self.crouch = np.tile(self.robot.stance, 4), np.tile(self.robot.crouch, 4)
        self._horizon = horizon
        self._ground = plane() if walk.ground == "plane" else tiles(walk.ground_seed)
        self._parts = assemble_quadruped(self.robot, self._ground)
        model = self._parts.model
        model.body_mass[self._parts.trunk] += walk.payload_kg
        if model.body_mass[self._parts.trunk] <= 0.0:
            raise ConfigError(f"walk.payload_kg {walk.payload_kg}: nothing is left of the trunk")
        model.geom_friction[list(self._parts.feet), 0] = walk.friction
        self._data = mujoco.MjData(model)
        mujoco.mj_setConst(model, self._data)
        self._camera: Drawing | None = None
        self.render_problem: str | None = None
        self.pushes: tuple[TrunkPush, ...] = ()
        self.fallen = False
        self._steps = 0

    @property
    def time(self) -> float:
        """Plant time since reset. [s]"""
        return self._steps * self.step_period

    @property
    def physics(self) -> tuple[QuadrupedAssembly, mujoco.MjData]:
        """What is simulated and its state; to be read, not written."""
        return self._parts, self._data

    def reset(self, seed: int) -> WalkerState:
        """Start a new run in the stance, heading along x."""
        model, data, walk = self._parts.model, self._data, self.walk
        mujoco.mj_resetData(model, data)
        streams = [
            np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k,))) for k in (_PUSHES, _PLACE)
        ]
        planned = [
            TrunkPush(p.time_s, p.time_s + p.duration_s, np.array(p.force, dtype=np.float64))
            for p in walk.planned
        ]
        drawn = draw_trunk_pushes(walk.pushes, self._horizon, streams[0])
        self.pushes = tuple(sorted([*drawn, *planned], key=lambda p: p.start))
        level = self._ground.places[min(walk.level, len(self._ground.places) - 1)]
        data.qpos[:3] = level[int(streams[1].integers(len(level)))]
        data.qpos[2] += self.robot.height + _DROP
        data.qpos[3:7] = 1.0, 0.0, 0.0, 0.0
        data.qpos[7:] = data.ctrl[:] = self.stance
        mujoco.mj_forward(model, data)
        self.fallen, self._steps = False, 0
        return self._state()

    def step(self, targets: Array) -> WalkerState:
        """Draw the joints to `targets`, shape (12,) [rad], for one step; return the state after it.

        Raises:
            ValueError: the targets are not finite (a plant never receives such from the arc).
            PlantError: the simulation diverged.
        """
        if np.shape(targets) != (len(JOINT_NAMES),) or not np.isfinite(targets).all():
            raise ValueError(f"targets {targets} are not {len(JOINT_NAMES)} finite numbers")
        data, trunk = self._data, self._parts.trunk
        data.ctrl[:] = targets
        force = self.force()
        back = data.qpos[None, 3:7] * np.array([1.0, -1.0, -1.0, -1.0])
        com = np.array(self._parts.model.body_ipos[trunk], dtype=np.float64)
        torque: Array = np.cross(-com, force).astype(np.float64)  # MuJoCo's acts at the centre of mass
        data.xfrc_applied[trunk, :3] = into_body(back, force[None])[0]
        data.xfrc_applied[trunk, 3:] = into_body(back, torque[None])[0]
        mujoco.mj_step(self._parts.model, data)
        self._steps += 1
        if not (np.isfinite(data.qpos).all() and np.isfinite(data.qvel).all()):
            raise PlantError(f"the simulation diverged at {self.time:.3f} s")
        state = self._state()
        touches = data.sensordata[self._parts.touch] > 0.0
        self.fallen = self.fallen or bool(touches) or self.lean() > LEAN
        return state

    def force(self) -> Array:
        """Return what pushes the trunk now, in base_link, shape (3,). [N]"""
        now = self.time
        acting = [p.force for p in self.pushes if p.start - _EPS <= now < p.end - _EPS]
        return np.sum(acting, axis=0) if acting else np.zeros(3)

    def position(self) -> Array:
        """Return where the trunk's origin is, shape (3,). [m]"""
        return self._data.qpos[:3].copy()

    def lean(self) -> float:
        """Return the angle between the trunk's z and the vertical. [rad]"""
        _, x, y, _ = self._data.qpos[3:7].tolist()
        return math.acos(min(max(1.0 - 2.0 * (x * x + y * y), -1.0), 1.0))

    def torque(self) -> Array:
        """Return the joints' torques in the last step, shape (12,). [N m]"""
        return self._data.actuator_force.copy()

    def render(self, width: int, height: int) -> np.ndarray | None:
        """Return a picture from beside the robot, shape (height, width, 3); None where this machine cannot draw."""
        if self._camera is None:
            self._camera = Drawing(self._parts.model, _HIDDEN_GROUPS)
        view = mujoco.MjvCamera()
        view.type = mujoco.mjtCamera.mjCAMERA_FREE
        view.distance, view.elevation, view.azimuth = _VIEW
        view.lookat[:] = self._data.qpos[:3]
        picture = self._camera.drawn(self._data, view, width, height)
        self.render_problem = self._camera.problem
        return picture

    def close(self) -> None:
        """Release the renderer."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _state(self) -> WalkerState:
        qpos, qvel = self._data.qpos, self._data.qvel
        velocity = into_body(qpos[None, 3:7], qvel[None, :3])[0]
        return WalkerState(
            self.time, FIXED_FRAME, qpos[3:7], velocity, qvel[3:6], JOINT_NAMES, qpos[7:], qvel[6:]
        )
