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

import numpy as np

from reflexarc.core.config import quantity
from reflexarc.core.types import Array
from reflexarc.robust.problem import Mask
from reflexarc.walking.gait import Gait
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
_SIGMA = 0.25
_FEET = 0.01
"""Squared error of the feet's heights at which the reward for them falls to 1/e. [m^2]"""


@dataclass(frozen=True)
class Weights:
    """Of the shaping rewards, all subtracted but `feet`."""

    vertical: float = quantity(2.0, low=0.0, high=1e3, doc="vertical velocity squared")
    roll_pitch_rate: float = quantity(0.05, low=0.0, high=1e3, doc="angular velocity about x and y squared")
    lean: float = quantity(1.0, low=0.0, high=1e3, doc="horizontal part of the direction of gravity squared")
    height: float = quantity(10.0, low=0.0, high=1e3, doc="trunk's height over its stance squared")
    action_rate: float = quantity(0.01, low=0.0, high=1e3, doc="change of the action squared")
    torque: float = quantity(2e-4, low=0.0, high=1e3, doc="torques squared")
    pose: float = quantity(0.1, low=0.0, high=1e3, doc="hips' distance from the stance squared")
    feet: float = quantity(0.5, low=0.0, high=1e3, doc="feet at the heights of the gait's clock")


@dataclass(frozen=True)
class Commands:
    """Velocities that are asked for, drawn evenly and held for a while."""

    forward: float = quantity(1.0, unit="m/s", low=0.0, high=5.0, doc="largest forward and backward")
    sideways: float = quantity(0.5, unit="m/s", low=0.0, high=5.0, doc="largest to the sides")
    turn: float = quantity(1.0, unit="rad/s", low=0.0, high=5.0, doc="largest yaw rate")
    hold_s: float = quantity(5.0, unit="s", low=0.02, high=1e3, doc="time until a new one")
    standing: float = quantity(0.1, low=0.0, high=1.0, doc="share of commands to stand")
    slew: float = quantity(
        0.0,
        low=0.0,
        high=1e3,
        doc="largest change of a command per second (m/s, of the yaw rate rad/s), from rest at the start; 0: at once",
    )

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Return n commands, shape (n, 3): m/s, m/s, rad/s."""
        most = np.array((self.forward, self.sideways, self.turn))
        return rng.uniform(-most, most, (n, 3)) * (rng.random((n, 1)) >= self.standing)


@dataclass(frozen=True)
class WalkingTask:
    """Parameters."""

    commands: Commands = field(default_factory=Commands)
    gait: Gait = field(default_factory=Gait)
    weights: Weights = field(default_factory=Weights)
    length_s: float = quantity(20.0, unit="s", low=0.1, high=1e4, doc="length of an episode")


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


def task_reward(command: Array, known: Body) -> Array:
    """Return the reward of the task, shape (n,)."""
    along = ((command[:, :2] - known.velocity[:, :2]) ** 2).sum(axis=1)
    about = (command[:, 2] - known.rate[:, 2]) ** 2
    return np.exp(-along / _SIGMA) + 0.5 * np.exp(-about / _SIGMA)


def shaping_reward(
    w: Weights,
    known: Body,
    height: Array,
    torque: Array,
    change: Array,
    feet: Array,
    wanted: Array,
) -> Array:
    """Return the further rewards, shape (n,).

    Args:
        w: weights.
        known: of the robots.
        height: of the trunk above its stance, shape (n,). [m]
        torque: of the joints, shape (n, 12). [N m]
        change: of the action, shape (n, 12).
        feet: heights of their lowest points above the ground, shape (n, 4). [m]
        wanted: by the gait, shape (n, 4). [m]
    """
    return (
        w.feet * np.exp(-((feet - wanted) ** 2).sum(axis=1) / _FEET)
        - w.vertical * known.velocity[:, 2] ** 2
        - w.roll_pitch_rate * (known.rate[:, :2] ** 2).sum(axis=1)
        - w.lean * (known.gravity[:, :2] ** 2).sum(axis=1)
        - w.height * height**2
        - w.action_rate * (change**2).sum(axis=1)
        - w.torque * (torque**2).sum(axis=1)
        - w.pose * (known.joints[:, ::3] ** 2).sum(axis=1)
    )


def leans(known: Body) -> Mask:
    """Return where a robot leans too far, shape (n,)."""
    upright: Array = -known.gravity[:, 2]
    return np.less(upright, math.cos(LEAN))
