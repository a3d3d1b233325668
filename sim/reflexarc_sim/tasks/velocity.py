# SPDX-License-Identifier: Apache-2.0
"""Run, but not faster than the limit: Safety-Gymnasium's velocity tasks on current MuJoCo and Gymnasium.

The robots are the MJCF files that Gymnasium ships; observation, reward, end and reset noise are those of Gymnasium's
version 4 environments, on which the originals are built (version 5 observes and pays for other things). They are
stepped here, since Gymnasium's own classes need its rendering packages even when nothing is drawn. Limits:
Safety-Gymnasium's v1 tasks, commit ae966e5, tasks/safe_velocity.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from collections.abc import Callable
from importlib.resources import as_file, files
from typing import Any, NamedTuple

import gymnasium
import mujoco
import numpy as np

from reflexarc.core.errors import ModelError, PlantError, UnknownNameError
from reflexarc.core.types import Array
from reflexarc_sim.tasks.base import SafeTask, checked_action


class Runner(NamedTuple):
    """A robot with its speed limit and the constants of its task."""

    mjcf: str
    frame_skip: int
    limit: float
    """[m/s]"""
    planar: bool
    """Whether the limit holds for the speed in the plane, else for the velocity along x."""
    hidden: int
    """Leading coordinates (position in the plane) that are not observed."""
    noise: float
    """Of the reset."""
    forward_weight: float
    input_weight: float
    alive: float = 0.0
    """Reward per step for not having fallen."""
    rate_limit: float = math.inf
    """Observed joint rates are clipped to it. [m/s or rad/s]"""
    gaussian_rates: bool = False
    """Whether the reset's velocity noise is normal, else uniform."""
    place: str = "joints"
    """What moves forward: "joints" (the first coordinates), a body's name, or "mass" (the centre of mass)."""
    dynamics: bool = False
    """Whether inertias, velocities and forces of the bodies are observed too."""
    upright: Callable[[Array, Array], bool] = lambda q, v: True


def _within(value: float, low: float, high: float) -> bool:
    return bool(low < value < high)


RUNNERS = {
    "Ant": Runner(
        "ant.xml", 5, 2.6222, True, 2, 0.1, 1.0, 0.5, alive=1.0, gaussian_rates=True, place="torso",
        upright=lambda q, v: bool(np.isfinite(q).all() and np.isfinite(v).all() and 0.2 <= q[2] <= 1.0),
    ),
    "HalfCheetah": Runner("half_cheetah.xml", 5, 3.2096, False, 1, 0.1, 1.0, 0.1, gaussian_rates=True),
    "Hopper": Runner(
        "hopper.xml", 4, 0.7402, False, 1, 5e-3, 1.0, 1e-3, alive=1.0, rate_limit=10.0,
        upright=lambda q, v: (
            _within(q[1], 0.7, math.inf)
            and _within(q[2], -0.2, 0.2)
            and bool((np.abs(q[2:]) < 100.0).all() and (np.abs(v) < 100.0).all())
        ),
    ),
    "Swimmer": Runner("swimmer.xml", 4, 0.2282, True, 2, 0.1, 1.0, 1e-4),
    "Walker2d": Runner(
        "walker2d.xml", 4, 2.3415, False, 1, 5e-3, 1.0, 1e-3, alive=1.0, rate_limit=10.0,
        upright=lambda q, v: _within(q[1], 0.8, 2.0) and _within(q[2], -1.0, 1.0),
    ),
    "Humanoid": Runner(
        "humanoid.xml", 5, 1.4149, True, 2, 1e-2, 1.25, 0.1, alive=5.0, place="mass", dynamics=True,
        upright=lambda q, v: _within(q[2], 1.0, 2.0),
    ),
}  # fmt: skip


class VelocityTask(SafeTask):
    """Move forward below the limit; `info` also holds `x_velocity` and, where it counts, `y_velocity`.

    The velocity is the displacement of one step divided by its time, as in the originals. Margin: limit - speed. [m/s]
    """

    def __init__(self, robot: str = "Ant", render_mode: str | None = None):
        """Load the robot.

        Raises:
            UnknownNameError: no such robot.
            ModelError: Gymnasium's file of it is missing or malformed.
        """
        super().__init__(render_mode)
        if robot not in RUNNERS:
            raise UnknownNameError("robot", robot, RUNNERS)
        self.robot, self.runner = robot, RUNNERS[robot]
        self.model = _load(self.runner.mjcf)
        self.data = mujoco.MjData(self.model)
        self._start = self.data.qpos.copy()
        self.metadata = {**self.metadata, "render_fps": round(1.0 / self.period)}
        low, high = self.model.actuator_ctrlrange.astype(np.float32).T
        self.action_space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        size = self._observation().shape
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, size, np.float64)

    @property
    def period(self) -> float:
        """Time of one step. [s]"""
        return float(self.model.opt.timestep) * self.runner.frame_skip

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start near the model's first posture. At rest before the first step: the margin is the whole limit."""
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        noise, n = self.runner.noise, self.model.nv
        self.data.qpos[:] = self._start + self.np_random.uniform(-noise, noise, self.model.nq)
        if self.runner.gaussian_rates:
            self.data.qvel[:] = noise * self.np_random.standard_normal(n)
        else:
            self.data.qvel[:] = self.np_random.uniform(-noise, noise, n)
        mujoco.mj_forward(self.model, self.data)
        return self._observation(), {"cost": 0.0, "margin": self.runner.limit}

    def step(self, action: Array) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move; terminated when the robot has fallen.

        Raises:
            ValueError: a malformed action.
            PlantError: the simulation diverged.
        """
        action = checked_action(action, self.model.nu)
        before = self._place()
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, self.runner.frame_skip)
        mujoco.mj_rnePostConstraint(self.model, self.data)  # contact forces on the bodies
        velocity = (self._place() - before) / self.period
        if not np.isfinite(velocity).all():
            raise PlantError(f"the simulation diverged at {self.data.time:.3f} s; reset the environment")
        effort = self.runner.input_weight * float(np.square(action).sum())
        reward = self.runner.forward_weight * float(velocity[0]) + self.runner.alive - effort
        terminated = not self.runner.upright(self.data.qpos, self.data.qvel)
        return self._observation(), reward, terminated, False, self._safety(velocity)

    def _safety(self, velocity: Array) -> dict[str, Any]:
        speed = float(np.hypot(*velocity)) if self.runner.planar else float(velocity[0])
        info = {"cost": float(speed > self.runner.limit), "margin": self.runner.limit - speed}
        info["x_velocity"] = float(velocity[0])
        if self.runner.planar:
            info["y_velocity"] = float(velocity[1])
        return info

    def _place(self) -> Array:
        if self.runner.place == "mass":
            masses = self.model.body_mass
            return (masses @ self.data.xipos)[:2] / masses.sum()
        if self.runner.place == "joints":
            return self.data.qpos[: 2 if self.runner.planar else 1].copy()
        return self.data.body(self.runner.place).xpos[:2].copy()

    def _observation(self) -> np.ndarray:
        rates = np.clip(self.data.qvel, -self.runner.rate_limit, self.runner.rate_limit)
        parts = [self.data.qpos[self.runner.hidden :], rates]
        if self.runner.dynamics:
            d = self.data
            parts += [d.cinert.ravel(), d.cvel.ravel(), d.qfrc_actuator, d.cfrc_ext.ravel()]
        return np.concatenate(parts)


def _load(name: str) -> mujoco.MjModel:
    resource = files("gymnasium") / "envs" / "mujoco" / "assets" / name
    try:
        with as_file(resource) as path:
            return mujoco.MjModel.from_xml_path(str(path))
    except (OSError, ValueError) as error:
        raise ModelError(f"{name} as shipped with Gymnasium is not a usable MuJoCo model: {error}") from error
