# SPDX-License-Identifier: Apache-2.0
"""Many quadrupeds that walk as they are told and are pushed: a problem for `reflexarc.robust`.

All are stepped by MuJoCo's own batch in C, on as many threads as wanted; the result does not depend on how many.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import mujoco
import numpy as np
from mujoco.batch import Batch

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Array
from reflexarc.robots.quadruped import Quadruped
from reflexarc.robust.problem import Mask, Step
from reflexarc.walking.gait import clock, walks
from reflexarc_sim.quadruped import task as walking
from reflexarc_sim.quadruped.model import PHYSICS_PERIOD, assemble_quadruped
from reflexarc_sim.quadruped.randomisation import NONE, Differences, Randomisation
from reflexarc_sim.quadruped.task import CONTROL_PERIOD, IDEAL, OBSERVED, Moment, Task, WalkingTask
from reflexarc_sim.quadruped.terrain import Terrain, plane

SUBSTEPS = round(CONTROL_PERIOD / PHYSICS_PERIOD)


PUSHED = {"force": 3, "wrench": 6, "point": 6}
"""What a push holds, and its entries: a force at the trunk's origin [N]; that and a torque [N m]; that and the place in
the trunk's box where it acts, each entry in [-1, 1]. All in base_link."""


class Walk:
    """n quadrupeds; fulfils `reflexarc.robust.problem.Problem`."""

    ideal = IDEAL
    ends = False
    observation = OBSERVED
    action = 12

    def __init__(
        self,
        robot: Quadruped,
        episodes: int,
        t: Task | None = None,
        differences: Randomisation = NONE,
        terrain: Terrain | None = None,
        levels: int = 1,
        threads: int = 0,
        pushed: str = "force",
    ):
        """Build all of them.

        Args:
            robot: which.
            episodes: n.
            t: task; default: `WalkingTask()`.
            differences: between the robots.
            terrain: below them; default: a plane.
            levels: of the terrain's difficulty, on which they begin.
            threads: of the physics; 0: one per core.
            pushed: one of `PUSHED`.

        Raises:
            ConfigError: no episodes, levels that the terrain does not have, a pose out of the joints' range.
            UnknownNameError: no such kind of push.
        """
        if pushed not in PUSHED:
            raise UnknownNameError("kind of push", pushed, PUSHED)
        if episodes < 1:
            raise ConfigError(f"{episodes} episodes; at least one")
        self.name, self.episodes = robot.name, episodes
        self.robot = robot
        self.t: Task = WalkingTask() if t is None else t
        self.terrain = plane() if terrain is None else terrain
        if not 1 <= levels <= len(self.terrain.places):
            raise ConfigError(f"levels: {levels}; the terrain has {len(self.terrain.places)}")
        self._levels = levels
        self._pushed, self.disturbance = pushed, PUSHED[pushed]
        self._half = 0.5 * np.array(robot.trunk_size)
        # a torque counts as the force at the end of the trunk that makes it
        moment = {"force": (), "wrench": (1.0 / self._half[0],) * 3, "point": (0.0,) * 3}[pushed]
        self.weight = np.array((1.0, 1.0, 1.0, *moment))
        parts = assemble_quadruped(robot, self.terrain)
        self.assembly = parts
        self.batch = Batch(parts.model, episodes, threads, True)
        self._differ, self._ranges = (
            Differences(differences, self.batch, parts.trunk, parts.feet),
            differences,
        )
        names = ("qpos", "qvel", "ctrl", "xfrc_applied", "geom_xpos", "sensordata", "actuator_force")
        self.state = {name: self.batch.bind(name) for name in names}
        n = episodes
        self._pose, self._height = self.t.pose(robot), self.t.height(robot)
        self._low, self._high = parts.model.jnt_range[1:, 0], parts.model.jnt_range[1:, 1]
        if not ((self._low <= self._pose) & (self._pose <= self._high)).all():
            raise ConfigError(
                f"{robot.name}: a pose of {self._pose} rad; allowed are {self._low} to {self._high} rad"
            )
        self.command, self._goal, self.action_taken = np.zeros((n, 3)), np.zeros((n, 3)), np.zeros((n, 12))
        self.motion = (np.zeros((n, 3)), np.zeros((n, 3)), np.zeros((n, 12)), np.zeros((n, 12)))
        """Of the last step, before any new beginning: velocity and angular velocity in base_link [m/s, rad/s], torques
        [N m] and rates [rad/s] of the joints."""
        self.torque_limit = parts.model.actuator_forcerange[:, 1]
        """Shape (12,). [N m]"""
        self._step, self._held = np.zeros(n, dtype=int), np.zeros(n, dtype=int)
        self._age = np.zeros(n, dtype=int)
        self._phase, self._late = np.zeros(n), np.zeros(n, dtype=int)
        self._length = round(self.t.length_s / CONTROL_PERIOD)
        self._hold = round(self.t.commands.hold_s / CONTROL_PERIOD)

    def begin(self, rng: np.random.Generator) -> Array:
        """Other robots, all in their stance, each at another time of its episode."""
        self._differ.draw(rng)
        if self._ranges.delay:
            self._late = rng.integers(0, SUBSTEPS + 1, self.episodes)
        self._restart(np.ones(self.episodes, dtype=bool), rng)
        self._step = rng.integers(0, self._length, self.episodes)
        self.command = self.t.commands.towards(self.command, self._goal)
        return self._observe()

    def step(self, action: Array, disturbance: Array, rng: np.random.Generator) -> tuple[Array, Step]:
        """Go on; see `Problem`."""
        action = np.clip(np.nan_to_num(action), -10.0, 10.0)
        self._push(disturbance)
        self._move(action)
        lost = self._recover()
        known = self._known()
        self._phase = (self._phase + self.t.gait.frequency * CONTROL_PERIOD) % 1.0
        self._age += 1
        height, feet = self._heights()
        torque = np.nan_to_num(self.state["actuator_force"])
        change, age = action - self.action_taken, self._age * CONTROL_PERIOD
        now = Moment(self.command, known, height, feet, torque, change, self._phase, age)
        task, shaping = self.t.reward(now), self.t.shaping(now)
        self.motion = (known.velocity, known.rate, torque, known.joint_rates)
        self.action_taken = action
        self._step += 1
        touches: Mask = np.greater(self.state["sensordata"][:, self.assembly.touch], 0.0)
        failed = self.t.fallen(now) | touches | lost
        over = self._step >= self._length
        self._held -= 1
        new = self._held <= 0
        last = self._observe()
        self._tell(new & ~(failed | over), rng)
        self._restart(failed | over, rng)
        self.command = self.t.commands.towards(self.command, self._goal)
        return self._observe(), Step(task, np.maximum(shaping, -task), failed, over, last)

    def tell(self, command: Array) -> Array:
        """Give commands, shape (n, 3) [m/s, m/s, rad/s], in the place of those drawn; return the observations."""
        self.command[:] = self._goal[:] = command
        self._held[:] = self._hold
        return self._observe()

    def _push(self, push: Array) -> None:
        back = self.state["qpos"][:, 3:7] * np.array([1.0, -1.0, -1.0, -1.0])
        force, at = push[:, :3], np.zeros((self.episodes, 3))
        torque = push[:, 3:] if self._pushed == "wrench" else np.zeros((self.episodes, 3))
        if self._pushed == "point":
            at = self._half * np.clip(push[:, 3:], -1.0, 1.0)
        torque = torque + np.cross(at - self._differ.com, force)  # MuJoCo's acts at the centre of mass
        acting = self.state["xfrc_applied"][:, self.assembly.trunk]
        acting[:, :3], acting[:, 3:] = walking.into_body(back, force), walking.into_body(back, torque)

    def _move(self, action: Array) -> None:
        """Let the new targets act after each robot's delay."""
        wanted = np.clip(self._pose + self.robot.action_scale * action, self._low, self._high)
        ctrl = np.repeat(wanted[:, None], SUBSTEPS, axis=1)
        before = np.arange(SUBSTEPS) < self._late[:, None]
        ctrl = np.where(before[..., None], self.state["ctrl"][:, None], ctrl)
        self.batch.rollout(SUBSTEPS, ctrl, int(mujoco.mjtState.mjSTATE_CTRL), record=())
        self.state["ctrl"][:] = wanted

    def _recover(self) -> Mask:
        """Return whose physics diverged, and stand them upright, so that no number of theirs reaches a training."""
        qpos, qvel = self.state["qpos"], self.state["qvel"]
        lost: Mask = np.logical_not(np.isfinite(np.hstack((qpos, qvel))).all(axis=1))
        if lost.any():
            qpos[lost] = [0.0, 0.0, self.robot.height, 1.0, 0.0, 0.0, 0.0, *self._pose]
            qvel[lost] = 0.0
            self.batch.forward(np.flatnonzero(lost))
        return lost

    def _known(self) -> walking.Body:
        return walking.body(self.state["qpos"], self.state["qvel"], self._pose)

    def _heights(self) -> tuple[Array, Array]:
        """Of the trunk above what its task wants, and of the feet above the ground."""
        qpos, feet = self.state["qpos"], np.take(self.state["geom_xpos"], self.assembly.feet, axis=1)
        ground = self.terrain.at(qpos[:, :2])
        below = self.terrain.at(feet[..., :2].reshape(-1, 2)).reshape(-1, 4)
        return (
            qpos[:, 2] - ground - self._height,
            feet[..., 2] - below - self.robot.foot_radius,
        )

    def _observe(self) -> Array:
        told = clock(self._phase, walks(self.command))
        return walking.observe(self.command, self._known(), self.action_taken, told)

    def _tell(self, where: Mask, rng: np.random.Generator) -> None:
        """Draw new commands."""
        n = int(where.sum())
        if n:
            self._goal[where] = self.t.commands.draw(n, rng)
            self._held[where] = self._hold

    def _restart(self, where: Mask, rng: np.random.Generator) -> None:
        n = int(where.sum())
        if not n:
            return
        ids = np.flatnonzero(where)
        self.batch.reset(ids, stage=int(mujoco.mjtStage.mjSTAGE_NONE))
        places = self.terrain.places[: self._levels].reshape(-1, 3)
        elevation, height, joints = self.t.starts(self.robot, n, rng)
        qpos = np.zeros((n, 19))
        qpos[:, :3] = places[rng.integers(0, len(places), n)]
        qpos[:, 2] += height
        heading, pitch = rng.uniform(-np.pi, np.pi, n) / 2.0, -0.5 * elevation
        qpos[:, 3], qpos[:, 6] = np.cos(heading) * np.cos(pitch), np.sin(heading) * np.cos(pitch)
        qpos[:, 4], qpos[:, 5] = -np.sin(heading) * np.sin(pitch), np.cos(heading) * np.sin(pitch)
        qpos[:, 7:] = np.clip(joints * rng.uniform(*self._ranges.start, (n, 12)), self._low, self._high)
        self.state["qpos"][ids] = qpos
        self.state["qvel"][ids] = 0.0
        self.state["ctrl"][ids] = qpos[:, 7:]
        self.batch.forward(ids)
        self._step[ids], self._age[ids], self.action_taken[ids], self.command[ids] = 0, 0, 0.0, 0.0
        self._phase[ids] = rng.random(n)
        self._tell(where, rng)
