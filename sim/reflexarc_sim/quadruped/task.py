# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0414 - an alias says that a name is given on from here
r"""Walking as told by a velocity: what it earns and when it has fallen; what is seen is in `reflexarc.walking`.

    task       1.0 exp(-|v* - v|^2 / s) + 0.5 exp(-(w* - w)^2 / s)        s = 0.25, at most 1.5
    shaping    weights times the squares in `Weights`, and a reward for feet that follow the gait's clock;
               it takes away no more than the task has given
    fallen     the trunk touches something, or leans by more than 1 rad

v [m/s] and w [rad/s] are in base_link (REP-103); v* and w* are the command. The terms are those of the parent code base
of *Learning H-Infinity Locomotion Control*, with the clock in the place of its reward for clearance.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from reflexarc.core.config import quantity
from reflexarc.core.types import Array
from reflexarc.robots.quadruped import Quadruped
from reflexarc.robust.problem import Mask
from reflexarc.walking.commands import Commands
from reflexarc.walking.gait import Gait, walks
from reflexarc.walking.observation import CONTROL_PERIOD as CONTROL_PERIOD
from reflexarc.walking.observation import OBSERVED as OBSERVED
from reflexarc.walking.observation import Body as Body
from reflexarc.walking.observation import down_in
from reflexarc.walking.observation import into_body as into_body
from reflexarc.walking.observation import observe as observe

IDEAL = 1.5
"""Largest reward of the task per step."""
LEAN = 1.0
"""Angle of the trunk beyond which the robot has fallen. [rad]"""
SIGMA = 0.25
"""Of the rewards for velocities. [m^2/s^2, rad^2/s^2]"""
DROP = 0.02
"""Height above the ground at which a robot begins. [m]"""
_FEET = 0.01
"""Squared error of the feet's heights at which the reward for them falls to 1/e. [m^2]"""


@dataclass(frozen=True)
class Weights:
    """Of the shaping rewards, all subtracted but `feet` and `upright`."""

    vertical: float = quantity(2.0, low=0.0, high=1e3, doc="vertical velocity squared")
    roll_pitch_rate: float = quantity(0.05, low=0.0, high=1e3, doc="angular velocity about x and y squared")
    lean: float = quantity(1.0, low=0.0, high=1e3, doc="horizontal part of the direction of gravity squared")
    height: float = quantity(10.0, low=0.0, high=1e3, doc="trunk's height over its stance squared")
    action_rate: float = quantity(0.01, low=0.0, high=1e3, doc="change of the action squared")
    torque: float = quantity(2e-4, low=0.0, high=1e3, doc="torques squared")
    pose: float = quantity(0.1, low=0.0, high=1e3, doc="hips' distance from the stance squared")
    feet: float = quantity(0.5, low=0.0, high=1e3, doc="feet at the heights of the gait's clock")
    upright: float = quantity(
        0.0,
        low=0.0,
        high=1e3,
        doc="every step, so that there is something to lose where a command is not followed",
    )


@dataclass(frozen=True)
class Moment:
    """n robots after a step, as a task looks at them."""

    command: Array
    """Shape (n, 3). [m/s, m/s, rad/s]"""
    known: Body
    height: Array
    """Of the trunk above what `Task.height` says, shape (n,). [m]"""
    feet: Array
    """Heights of their lowest points above the ground, shape (n, 4). [m]"""
    torque: Array
    """Of the joints, shape (n, 12). [N m]"""
    change: Array
    """Of the action, shape (n, 12)."""
    phase: Array
    """Of the gait's clock, shape (n,)."""
    age: Array
    """Since the beginning, shape (n,). [s]"""


class Task(Protocol):
    """What robots are to do; all of its numbers are of a recipe."""

    @property
    def commands(self) -> Commands:
        """What they are told."""
        ...

    @property
    def gait(self) -> Gait:
        """Clock."""
        ...

    @property
    def length_s(self) -> float:
        """Length of an episode. [s]"""
        ...

    def pose(self, robot: Quadruped) -> Array:
        """Return the joints' targets without an action, shape (12,). [rad]"""
        ...

    def height(self, robot: Quadruped) -> float:
        """Return the height of the trunk's origin above the ground that is wanted. [m]"""
        ...

    def starts(self, robot: Quadruped, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return how n robots begin: elevation of the nose [rad] and height of the trunk [m], both of shape (n,), and
        joints [rad], of shape (n, 12).
        """
        ...

    def reward(self, now: Moment) -> Array:
        """Return the reward of the task, shape (n,), at most `IDEAL`."""
        ...

    def shaping(self, now: Moment) -> Array:
        """Return the further rewards, shape (n,)."""
        ...

    def fallen(self, now: Moment) -> Mask:
        """Return who has fallen, besides those whose trunk touches something, shape (n,)."""
        ...


@dataclass(frozen=True)
class WalkingTask:
    """Parameters of a walk; fulfils `Task`."""

    commands: Commands = field(default_factory=Commands)
    gait: Gait = field(default_factory=Gait)
    weights: Weights = field(default_factory=Weights)
    length_s: float = quantity(20.0, unit="s", low=0.1, high=1e4, doc="length of an episode")

    def pose(self, robot: Quadruped) -> Array:
        """Its stance."""
        return np.tile(robot.stance, 4)

    def height(self, robot: Quadruped) -> float:
        """Of the stance."""
        return robot.height

    def starts(self, robot: Quadruped, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """All level, a little above the ground, in their stance."""
        return np.zeros(n), np.full(n, robot.height + DROP), np.tile(self.pose(robot), (n, 1))

    def reward(self, now: Moment) -> Array:
        """See the module."""
        along = ((now.command[:, :2] - now.known.velocity[:, :2]) ** 2).sum(axis=1)
        about = (now.command[:, 2] - now.known.rate[:, 2]) ** 2
        return np.exp(-along / SIGMA) + 0.5 * np.exp(-about / SIGMA)

    def shaping(self, now: Moment) -> Array:
        """See `Weights`."""
        w, known = self.weights, now.known
        wanted = self.gait.heights(now.phase, walks(now.command))
        return (
            w.upright
            + w.feet * np.exp(-((now.feet - wanted) ** 2).sum(axis=1) / _FEET)
            - w.vertical * known.velocity[:, 2] ** 2
            - w.roll_pitch_rate * (known.rate[:, :2] ** 2).sum(axis=1)
            - w.lean * (known.gravity[:, :2] ** 2).sum(axis=1)
            - w.height * now.height**2
            - w.action_rate * (now.change**2).sum(axis=1)
            - w.torque * (now.torque**2).sum(axis=1)
            - w.pose * (known.joints[:, ::3] ** 2).sum(axis=1)
        )

    def fallen(self, now: Moment) -> Mask:
        """Whose trunk leans by more than `LEAN`."""
        upright: Array = -now.known.gravity[:, 2]
        return np.less(upright, math.cos(LEAN))


def body(qpos: Array, qvel: Array, stance: Array) -> Body:
    """Return what is known, from MuJoCo's coordinates.

    Args:
        qpos: shape (n, 19): position, quaternion (w first), joints.
        qvel: shape (n, 18): linear velocity in the world, angular velocity in the body, joints.
        stance: shape (12,). [rad]
    """
    turn = qpos[:, 3:7]
    return Body(
        into_body(turn, qvel[:, :3]),
        qvel[:, 3:6],
        down_in(turn),
        qpos[:, 7:] - stance,
        qvel[:, 6:],
    )
