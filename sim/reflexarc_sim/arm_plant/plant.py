# SPDX-License-Identifier: Apache-2.0
"""The plant of an arm with a tool: joint torques in, joint state with the measured wrench out, 1000 times a second.

Order within a step: pushes and torques act, the force on the tool of this step is read, physics advances, positions are
those after it. Everything random comes from one stream per subsystem, derived from the seed, so that equal seeds and
equal torques give equal bytes.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math

import mujoco
import numpy as np

from reflexarc.core.errors import ConfigError, ModelError, PlantError
from reflexarc.core.types import Array, JointState, Spheres, Wrench
from reflexarc.robots.arm import Arm, load_arm
from reflexarc.robots.tool import ToolKinematics
from reflexarc_sim.arm_plant.contacts import ToolContact, ToolContacts
from reflexarc_sim.arm_plant.model import BODY_OF_TOOL, ArmAssembly, assemble
from reflexarc_sim.arm_plant.pushes import Push, draw_pushes
from reflexarc_sim.arm_plant.render import ArmCamera
from reflexarc_sim.arm_plant.scenes import Scene, make_scene
from reflexarc_sim.arm_plant.sensors import ForceSensor
from reflexarc_sim.cell import CellConfig, PlannedPush

BASE_FRAME = "panda_link0"
"""Frame of everything: the arm's base, which is the plant's origin."""
_EPS = 1e-9  # [s] tolerance of "is it due" comparisons, far below any period
_AROUND_PERIOD = 0.02  # [s] between two looks around the arm, which find nobody
_SENSOR, _PUSHES = 20, 21  # spawn keys; those below belong to other plants
_ROUNDING = 1e-9  # [N] a smaller force on the tool is rounding


class ArmPlant:
    """An arm with a tool in front of a scene."""

    def __init__(
        self,
        cell: CellConfig,
        robot: str = "panda",
        step_period: float = 0.001,
        physics_period: float = 0.001,
    ):
        """Load the arm; the scene is made by `reset`.

        Args:
            cell: scene, sensor and pushes.
            robot: an arm under models/.
            step_period: time per step. [s]
            physics_period: time per physics step. [s]

        Raises:
            ConfigError: the cell has no task, or a step is no whole number of physics steps.
            ModelError: the robot's files are missing or malformed.
        """
        self._substeps = round(step_period / physics_period)
        if self._substeps < 1 or abs(step_period / physics_period - self._substeps) > 1e-9:
            raise ConfigError(f"a step of {step_period} s must be whole physics steps of {physics_period} s")
        if cell.task == "none":
            raise ConfigError("cell.task is 'none'; an arm needs a task")
        self.cell, self.step_period = cell, step_period
        self.arm: Arm = load_arm(robot)
        self.tool = ToolKinematics(self.arm, cell.tool_length_m, cell.tool_mass_kg)
        self._physics_period = physics_period
        self._seed: int | None = None
        self._assembly: ArmAssembly
        self._camera: ArmCamera | None = None
        self._steps = 0

    @property
    def time(self) -> float:
        """Plant time since reset. [s]"""
        return self._steps * self.step_period

    @property
    def scene(self) -> Scene:
        """The scene of this run."""
        self._require_reset()
        return self._scene

    @property
    def pushes(self) -> tuple[Push, ...]:
        """Pushes of this run, drawn and added."""
        return tuple(self._pushes)

    @property
    def physics(self) -> tuple[ArmAssembly, mujoco.MjData]:
        """What is simulated and its state; to be read, not written."""
        self._require_reset()
        return self._assembly, self._data

    def reset(self, seed: int) -> JointState:
        """Start a new run: scene, noise, bias and pushes derive from `seed`; the tip is at the scene's start, at rest.

        Raises:
            ModelError: the model does not compile, or the start is out of reach.
        """
        if self._seed != seed:
            self.close()
            self._scene = make_scene(self.cell, seed)
            self._start = self.tool.inverse(self._scene.start)
            self._assembly = assemble(self.arm, self._scene, self.cell, self._physics_period)
            self._seed = seed
        self._steps = 0
        self._model = self._assembly.model
        self._data = mujoco.MjData(self._model)
        self._contacts = ToolContacts(self._assembly)
        self._watch(self._data)
        self._data.qpos[: self.arm.n] = self._start
        mujoco.mj_forward(self._model, self._data)
        self._sensor = ForceSensor(self.cell.sensor, self.step_period, BASE_FRAME, _stream(seed, _SENSOR))
        self._pushes = list(
            draw_pushes(self.cell.pushes, self._assembly.links, self.cell.horizon_s, _stream(seed, _PUSHES))
        )
        self._pushes += [self._planned(push) for push in self.cell.planned]
        self._around = Spheres.none(0.0, BASE_FRAME)
        self._force, self._torque = np.zeros(3), np.zeros(3)
        mujoco.mj_step1(self._model, self._data)
        return self._state(self._measured())

    def step(self, torque: Array) -> tuple[JointState, tuple[ToolContact, ...]]:
        """Apply joint torques for one `step_period`; beyond the motors' limits they are cut.

        Args:
            torque: shape (n,). [N m]

        Raises:
            PlantError: the simulation diverged, or `reset` was never called.
            ValueError: the torques are not n finite numbers.
        """
        self._require_reset()
        n, data, model = self.arm.n, self._data, self._model
        told = np.asarray(torque, float)
        if told.shape != (n,) or not math.isfinite(sum(told.tolist())):
            raise ValueError(f"the command must be {n} finite torques (N m), got {torque!r}; not applied")
        self._ctrl[:] = told
        for _ in range(self._substeps):
            if self._pushes:
                self._push(data)
            mujoco.mj_step2(model, data)
            mujoco.mj_rnePostConstraint(model, data)
            self._read_force()
            if self._touched:
                self._contacts.observe(data, data.time)
            mujoco.mj_step1(model, data)
        self._steps += 1
        self._check()
        return self._state(self._measured()), self._contacts.finished(self.time)

    def finish(self) -> tuple[ToolContact, ...]:
        """Return the contacts that were still going on; call it at the end of a run."""
        return self._contacts.flush()

    def push(
        self, force: Array, duration: float, body: str = BODY_OF_TOOL, offset: Array | None = None
    ) -> None:
        """Push a body from now on.

        Args:
            force: in the axes of the arm's base, shape (3,). [N]
            duration: [s]
            body: a body of the model; of the tool the push acts at the tip.
            offset: where it acts, in the body's axes from its centre of mass; [m], shape (3,).
        """
        at = self.time
        self._pushes.append(self._made(at, at + duration, body, force, offset))

    def _planned(self, push: PlannedPush) -> Push:
        """Return a push of the scenario.

        Raises:
            ModelError: the arm has no such body.
        """
        return self._made(push.time_s, push.time_s + push.duration_s, push.body, np.array(push.force), None)

    def _made(self, start: float, end: float, body: str, force: Array, offset: Array | None) -> Push:
        try:
            index = int(self._model.body(body).id)
        except KeyError:
            names = [self._model.body(i).name for i in range(1, self._model.nbody)]
            raise ModelError(
                f"{self.arm.name} has no body {body!r} to push; allowed: {', '.join(names)}"
            ) from None
        if offset is None:
            offset = np.zeros(3)
            if index == self._assembly.tool:
                offset = np.array([0.0, 0.0, self.cell.tool_length_m]) - self._model.body_ipos[index]
        return Push(start, end, index, np.array(force, float), np.array(offset))

    def tip(self) -> Array:
        """Return where the tip is, shape (3,). [m]"""
        return self._tip.copy()

    def tip_velocity(self) -> Array:
        """Return how fast the tip moves, shape (3,). [m/s]"""
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(
            self._model, self._data, mujoco.mjtObj.mjOBJ_SITE, self._assembly.tip, velocity, 0
        )
        return velocity[3:]

    def force(self) -> Array:
        """Return the force on the tool during the newest physics step, shape (3,). [N]"""
        return self._force

    def torque(self) -> Array:
        """Return the torque on the tool about its tip during the newest physics step, shape (3,). [N m]"""
        return self._torque

    def balls(self) -> Array:
        """Return the centres of the balls, shape (b, 3). [m]"""
        return self._data.qpos[self._assembly.balls[:, None] + np.arange(3)]

    @property
    def touching(self) -> tuple[str, ...]:
        """What the tool touches now."""
        return self._contacts.touching(self.time)

    @property
    def model(self) -> mujoco.MjModel:
        """The MuJoCo model of this run."""
        self._require_reset()
        return self._model

    @property
    def data(self) -> mujoco.MjData:
        """Its state."""
        self._require_reset()
        return self._data

    def render(self, camera: str = "side", width: int = 640, height: int = 360) -> np.ndarray | None:
        """Return a picture, shape (height, width, 3), uint8; None where it cannot be drawn, see `render_problem`.

        Args:
            camera: `side` (the whole arm) or `above` (the scene from above, x to the right).
            width: [px]
            height: [px]

        Raises:
            UnknownNameError: no such camera.
        """
        self._require_reset()
        if self._camera is None:
            self._camera = ArmCamera(self._model)
        return self._camera.picture(self._data, camera, width, height)

    @property
    def render_problem(self) -> str | None:
        """Why `render` returned None, or None when it works or was not tried."""
        return self._camera.problem if self._camera else None

    def close(self) -> None:
        """Release the renderer."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _require_reset(self) -> None:
        if self._seed is None:
            raise PlantError("the plant has no run yet; call reset(seed) first")

    def _push(self, data: mujoco.MjData) -> None:
        now = data.time
        data.xfrc_applied[:] = 0.0
        for push in self._pushes:
            if push.start - _EPS <= now < push.end - _EPS:
                row = data.xfrc_applied[push.body]
                row[:3] += push.force
                arm = data.ximat[push.body].reshape(3, 3) @ _in_inertial_axes(self._model, push)
                row[3:] += np.cross(arm, push.force)

    def _watch(self, data: mujoco.MjData) -> None:
        """Keep views of what every step reads; making them anew costs as much as the physics."""
        n, tool, model = self.arm.n, self._assembly.tool, self._model
        self._ctrl, self._position, self._velocity = data.ctrl, data.qpos[:n], data.qvel[:n]
        self._qpos, self._qvel = data.qpos, data.qvel
        self._external = data.cfrc_ext[tool]
        self._about = data.subtree_com[model.body_rootid[tool]]
        self._tip = data.site_xpos[self._assembly.tip]

    def _read_force(self) -> None:
        """Read what acts on the tool: contacts and pushes, which MuJoCo sums about the model's centre of mass."""
        tx, ty, tz, x, y, z = self._external.tolist()
        self._touched = x * x + y * y + z * z > _ROUNDING**2
        if not self._touched:
            self._force = self._torque = _NOTHING
            return
        (a, b, c), (ox, oy, oz) = self._about.tolist(), self._tip.tolist()
        a, b, c = a - ox, b - oy, c - oz
        self._force = np.array([x, y, z])
        self._torque = np.array([tx + b * z - c * y, ty + c * x - a * z, tz + a * y - b * x])

    def _measured(self) -> Wrench:
        return self._sensor.measure(self.time, self._force, self._torque)

    def _state(self, wrench: Wrench) -> JointState:
        now = self.time
        if now - self._around.stamp >= _AROUND_PERIOD - _EPS:
            self._around = Spheres.none(now, BASE_FRAME)
        return JointState(
            now, BASE_FRAME, self.arm.joints, self._position, self._velocity, self._around, wrench
        )

    def _check(self) -> None:
        """Stop at once when the physics is no longer to be trusted."""
        if math.isfinite(sum(self._qvel.tolist())) and not self._troubled():
            return
        bad = [name for name in _WARNINGS if self._data.warning.number[getattr(mujoco.mjtWarning, name)]]
        what = ", ".join(bad) or "non-finite state"
        raise PlantError(f"the simulation diverged at {self.time:.3f} s ({what}); the run was stopped")

    def _troubled(self) -> bool:
        """Whether MuJoCo has warned; looked at ten times a simulated second."""
        return self._steps % 100 == 0 and bool(self._data.warning.number.any())


_NOTHING = np.zeros(3)
_NOTHING.setflags(write=False)
_WARNINGS = ("mjWARN_BADQPOS", "mjWARN_BADQVEL", "mjWARN_BADQACC", "mjWARN_CONTACTFULL", "mjWARN_CNSTRFULL")


def _in_inertial_axes(model: mujoco.MjModel, push: Push) -> Array:
    """Return a push's offset in the axes of the body's inertia, which are those that MuJoCo turns. [m]"""
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.body_iquat[push.body])
    return rotation.reshape(3, 3).T @ push.offset


def _stream(seed: int, key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(key,)))
