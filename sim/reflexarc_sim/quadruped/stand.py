# SPDX-License-Identifier: Apache-2.0
r"""Standing on the hind legs: the second task of a quadruped, from all fours or held up at the start.

    task       u^2 (1.0 + 0.5 exp(-v^2 / s)),    u = sin(elevation of the nose), 0 below the horizon, at most 1.5
    shaping    weights times the squares in `StandingWeights`; it takes away no more than the task has given
    fallen     the trunk touches something, or, once there was time to rise, is more than 1 rad from upright

v [m/s] is the level speed of base_link, s = 0.25. Without an action the joints' targets are `StandingTask.fore` and
`StandingTask.hind`, in which the hind feet are below the hips of an upright trunk.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from reflexarc.core.config import quantity
from reflexarc.core.types import Array
from reflexarc.robots.quadruped import Quadruped, Three
from reflexarc.robust.problem import Mask
from reflexarc.walking.commands import Commands
from reflexarc.walking.gait import Gait
from reflexarc_sim.quadruped.task import DROP, LEAN, SIGMA, Moment

NO_COMMANDS = Commands(forward=0.0, sideways=0.0, turn=0.0, standing=1.0)


@dataclass(frozen=True)
class StandingWeights:
    """Of the shaping rewards, all subtracted but `alive`."""

    alive: float = quantity(0.5, low=0.0, high=1e3, doc="every step, so that there is something to lose")
    turning: float = quantity(0.05, low=0.0, high=1e3, doc="angular velocity squared")
    sideways: float = quantity(1.0, low=0.0, high=1e3, doc="y of the direction of gravity squared")
    height: float = quantity(10.0, low=0.0, high=1e3, doc="trunk's height over the wanted one squared")
    action_rate: float = quantity(0.01, low=0.0, high=1e3, doc="change of the action squared")
    torque: float = quantity(2e-4, low=0.0, high=1e3, doc="torques squared")
    pose: float = quantity(0.05, low=0.0, high=1e3, doc="joints' distance from the targets squared")


@dataclass(frozen=True)
class StandingTask:
    """Parameters; fulfils `reflexarc_sim.quadruped.task.Task`."""

    weights: StandingWeights = field(default_factory=StandingWeights)
    fore: Three = quantity(
        (0.0, 0.9, -1.8), unit="rad", low=-10.0, high=10.0, doc="hip, thigh, calf in front"
    )
    hind: Three = quantity((0.0, 2.2, -1.3), unit="rad", low=-10.0, high=10.0, doc="hip, thigh, calf behind")
    held_up: float = quantity(0.5, low=0.0, high=1.0, doc="share of the episodes that begin upright")
    rise_s: float = quantity(2.0, unit="s", low=0.0, high=1e3, doc="time to rise")
    length_s: float = quantity(20.0, unit="s", low=0.1, high=1e4, doc="length of an episode")

    @property
    def commands(self) -> Commands:
        """None: they stay where they are."""
        return NO_COMMANDS

    @property
    def gait(self) -> Gait:
        """Of no use here: the clock of a robot that is told to stand is zero."""
        return Gait()

    def pose(self, robot: Quadruped) -> Array:
        """`fore` twice and `hind` twice."""
        return np.concatenate((self.fore, self.fore, self.hind, self.hind))

    def height(self, robot: Quadruped) -> float:
        """Of an upright trunk on hind legs in their pose."""
        _, thigh, calf = self.hind
        leg = robot.thigh_length * math.sin(thigh) + robot.calf_length * math.sin(thigh + calf)
        return robot.hip_at[0] + leg + robot.foot_radius

    def starts(self, robot: Quadruped, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Some upright in their pose, the others on all fours in the robot's stance."""
        up: Mask = np.less(rng.random(n), self.held_up)
        stance = np.tile(robot.stance, (n, 4))
        return (
            np.where(up, 0.5 * math.pi, 0.0),
            np.where(up, self.height(robot), robot.height) + DROP,
            np.where(up[:, None], self.pose(robot), stance),
        )

    def reward(self, now: Moment) -> Array:
        """See the module."""
        velocity, down = now.known.velocity, now.known.gravity
        level = (velocity**2).sum(axis=1) - (velocity * down).sum(axis=1) ** 2
        return np.maximum(-down[:, 0], 0.0) ** 2 * (1.0 + 0.5 * np.exp(-level / SIGMA))

    def shaping(self, now: Moment) -> Array:
        """See `StandingWeights`."""
        w, known = self.weights, now.known
        return (
            w.alive
            - w.turning * (known.rate**2).sum(axis=1)
            - w.sideways * known.gravity[:, 1] ** 2
            - w.height * now.height**2
            - w.action_rate * (now.change**2).sum(axis=1)
            - w.torque * (now.torque**2).sum(axis=1)
            - w.pose * (known.joints**2).sum(axis=1)
        )

    def fallen(self, now: Moment) -> Mask:
        """Who had time to rise and is not within `LEAN` of upright."""
        up: Array = -now.known.gravity[:, 0]
        return np.less(up, math.cos(LEAN)) & (now.age > self.rise_s)
