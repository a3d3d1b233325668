# SPDX-License-Identifier: Apache-2.0
r"""Follows a plan with a tool in contact at one stiffness that never changes: what SRL-VIC calls fixed impedance.

    follow    the goal is a point of the plan, `step_m` ahead of the tip
    insert    along the plan to above the hole, down until it touches, then a spiral while pressing, until the tool
              drops; then straight down
    slide     down until it touches, then along the plan's direction while pressing

It knows nothing but the plan, joint positions and the measured force.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core.config import from_mapping, quantity
from reflexarc.core.types import Array, ImpedanceProposal, JointState
from reflexarc.policies.polyline import Polyline
from reflexarc.reflex.contact.view import HEIGHT, STEP
from reflexarc.robots.arm import load_arm
from reflexarc.robots.tool import ToolKinematics

_TOUCH = 2.0
"""Force at which the tool has touched. [N]"""
_DROP = 0.003
"""The tool has found the hole when it is as much lower than where it touched. [m]"""
_DESCENT = 0.003
"""Step of a descent to something whose height is known badly: it is met at 0.03 m/s. [m]"""
_STRETCH = 0.05
"""Of the plan, around the progress so far, in which the nearest point is looked for. [m]"""


@dataclass(frozen=True, slots=True)
class FollowerConfig:
    """Parameters of the contact follower."""

    strategy: str = quantity("follow", choices=("follow", "insert", "slide"), doc="what it does")
    stiffness_n_m: float = quantity(1000.0, unit="N/m", low=50.0, high=3000.0, doc="planar stiffness")
    step_m: float = quantity(0.02, unit="m", low=0.001, high=STEP, doc="from the tip to the goal")
    press_n: float = quantity(5.0, unit="N", low=0.0, high=50.0, doc="force that it presses with")
    search_m_s: float = quantity(0.02, unit="m/s", low=0.001, high=0.2, doc="speed along the spiral")
    pitch_m: float = quantity(
        0.003, unit="m", low=0.0001, high=0.02, doc="by which the spiral grows in a turn"
    )
    robot: str = quantity("panda", doc="arm under models/")
    tool_length_m: float = quantity(0.10, unit="m", low=0.0, high=1.0, doc="from the end effector to the tip")


class _Line(Polyline):
    """A plan, whose legs are much shorter than those of a route."""

    behind = ahead = _STRETCH


class ContactFollower:
    """Scripted policy with a fixed stiffness."""

    for_contact = True
    """Says that it proposes for an arm in contact."""

    def __init__(self, config: FollowerConfig | None = None):
        """Load the arm's kinematics."""
        self.config = config or FollowerConfig()
        self._tool = ToolKinematics(load_arm(self.config.robot), self.config.tool_length_m)
        self._act = {"follow": self._follow, "insert": self._insert, "slide": self._slide}[
            self.config.strategy
        ]
        self._plan = np.zeros((0, 3))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "contact_follower") -> "ContactFollower":
        """Build from a mapping of the fields of `FollowerConfig`.

        Raises:
            ConfigError: unknown key or unacceptable value.
        """
        return cls(from_mapping(FollowerConfig, data, where))

    def reset(self, plan: Array) -> None:
        """Take a plan, shape (k, 3). [m]"""
        self._plan = np.array(plan, float)
        self._line = _Line(self._plan[:, :2])
        self._touched: float | None = None
        self._since = 0.0
        self._dropped = False

    def propose(self, state: JointState, now: float) -> ImpedanceProposal:
        """Return the next goal, at most STEP from the tip along each axis, and the stiffness."""
        tip, _ = self._tool.pose(state.position)
        goal = tip + np.clip(self._act(tip, state, now) - tip, -STEP, STEP)
        k = self.config.stiffness_n_m
        return ImpedanceProposal(now, state.frame_id, goal, np.diag([k, k, HEIGHT]))

    def _follow(self, tip: Array, state: JointState, now: float) -> Array:
        along = self._line.advance(tip[:2]) + self.config.step_m
        ahead = self._line.point(along) - tip[:2]
        far = float(np.linalg.norm(ahead))
        beyond = along - self._line.length
        if beyond > 0.0:  # out of the exit, in the direction of the last piece
            last = self._plan[-1, :2] - self._plan[-2, :2]
            ahead = ahead + beyond * last / np.linalg.norm(last)
            far = float(np.linalg.norm(ahead))
        return np.array(
            [*(tip[:2] + ahead * min(1.0, self.config.step_m / max(far, 1e-9))), self._plan[-1, 2]]
        )

    def _insert(self, tip: Array, state: JointState, now: float) -> Array:
        above, hole = self._plan[-2], self._plan[-1]
        press = self.config.press_n / HEIGHT
        if self._touched is None:
            if np.linalg.norm(tip[:2] - above[:2]) > 0.003 and tip[2] > above[2] - 0.005:
                return np.array(
                    [*_towards(tip[:2], above[:2], self.config.step_m), max(above[2], tip[2] - 0.01)]
                )
            if _pressed(state) < _TOUCH:
                return np.array([*above[:2], tip[2] - _DESCENT])
            self._touched, self._since = float(tip[2]), now
        if tip[2] < self._touched - _DROP:
            self._dropped = True
        if self._dropped:
            return np.array([*tip[:2], min(hole[2], tip[2] - 3.0 * press)])
        # An Archimedean spiral of n turns is about pi * pitch * n^2 long.
        turns = math.sqrt(self.config.search_m_s * (now - self._since) / (math.pi * self.config.pitch_m))
        angle, radius = 2.0 * math.pi * turns, self.config.pitch_m * turns
        place = above[:2] + radius * np.array([math.cos(angle), math.sin(angle)])
        return np.array([*place, self._touched - press])

    def _slide(self, tip: Array, state: JointState, now: float) -> Array:
        press = self.config.press_n / HEIGHT
        if self._touched is None:
            if _pressed(state) < _TOUCH:
                return np.array([*self._plan[0, :2], tip[2] - _DESCENT])
            self._touched = float(tip[2])
        end = self._plan[-1, :2]
        goal = _towards(tip[:2], end, self.config.step_m)
        if np.linalg.norm(end - tip[:2]) < self.config.step_m:  # do not slow down before the end
            way = end - self._plan[0, :2]
            goal = tip[:2] + self.config.step_m * way / np.linalg.norm(way)
        return np.array([*goal, tip[2] - press])


def _pressed(state: JointState) -> float:
    """Return the measured force upwards on the tip; 0 without a sensor. [N]"""
    return 0.0 if state.wrench is None else float(state.wrench.force[2])


def _towards(place: Array, goal: Array, step: float) -> Array:
    """Return the point at most `step` from `place` towards `goal`. [m]"""
    way = goal - place
    far = float(np.linalg.norm(way))
    return place + way * min(1.0, step / max(far, 1e-9))
