# SPDX-License-Identifier: Apache-2.0
"""The task policy that was learned beside critic and recovery, for a tip that follows a plan between walls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core.config import from_mapping, quantity
from reflexarc.core.paths import model_file
from reflexarc.core.types import Array, ImpedanceProposal, JointState
from reflexarc.reflex.contact.agent import load_contact_agent
from reflexarc.reflex.contact.glance import entry
from reflexarc.reflex.contact.guide import Guide
from reflexarc.reflex.contact.view import (
    HEIGHT,
    STEP,
    direction,
    in_plane,
    stiffness_matrix,
)
from reflexarc.robots.arm import load_arm
from reflexarc.robots.tool import ToolKinematics


@dataclass(frozen=True, slots=True)
class LearnedConfig:
    """Parameters of the learned contact policy."""

    weights: str = quantity(
        "reflex/maze/contact.safetensors",
        doc="file that `reflexarc train reflex` wrote, under models/ or a path",
    )
    robot: str = quantity("panda", doc="arm under models/")
    tool_length_m: float = quantity(0.10, unit="m", low=0.0, high=1.0, doc="from the end effector to the tip")


class ContactLearned:
    """Proposes displacement and stiffness from force, velocity and the plan ahead."""

    for_contact = True
    """Says that it proposes for an arm in contact."""

    def __init__(self, config: LearnedConfig | None = None):
        """Load the arm's kinematics and the weights.

        Raises:
            ModelError: the weights are missing, damaged or of another robot.
        """
        self.config = config or LearnedConfig()
        self._agent = load_contact_agent(model_file(self.config.weights), self.config.robot)
        self._tool = ToolKinematics(load_arm(self.config.robot), self.config.tool_length_m)
        fixed = self._agent.recipe["problem"].get("fixed")
        self._fixed = None if fixed is None else np.full(2, entry(fixed))
        self._guide: Guide | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "contact_learned") -> "ContactLearned":
        """Build from a mapping of the fields of `LearnedConfig`.

        Raises:
            ConfigError: unknown key or unacceptable value.
            ModelError: the weights are not acceptable.
        """
        return cls(from_mapping(LearnedConfig, data, where))

    def reset(self, plan: Array) -> None:
        """Take a plan, shape (k, 3). [m]"""
        plan = np.array(plan, float)
        self._guide, self._height = Guide(plan[:, :2]), float(plan[-1, 2])
        self._goal: Array | None = None
        self._stiffness = -np.ones(2)

    def propose(self, state: JointState, now: float) -> ImpedanceProposal:
        """Return the next goal and stiffness."""
        assert self._guide is not None, "reset first"
        tip, _ = self._tool.pose(state.position)
        place, velocity = tip[:2], self._tool.jacobian(state.position)[:2] @ state.velocity
        # The reference has run to the goal of the last action by now, unless the arc drew it elsewhere.
        stretch = np.zeros(2) if self._goal is None else self._goal - place
        if np.linalg.norm(stretch) > 2.0 * STEP:
            stretch = np.zeros(2)
        force = np.zeros(2) if state.wrench is None else state.wrench.force[:2]
        seen, e = self._guide.seen(place, velocity, force, stretch, self._stiffness, now)
        raw = self._agent.task(seen)
        move = in_plane(np, e, raw[:2])
        self._stiffness = raw[2:] if self._fixed is None else self._fixed
        goal = self._goal = place + STEP * move
        stiffness = np.zeros((3, 3))
        stiffness[:2, :2] = stiffness_matrix(np, direction(np, move), self._stiffness)
        stiffness[2, 2] = HEIGHT
        return ImpedanceProposal(now, state.frame_id, np.array([*goal, self._height]), stiffness)
