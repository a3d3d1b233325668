# SPDX-License-Identifier: Apache-2.0
"""A policy that walks, ready for a robot: weights from a file, its own clock and last action, NumPy alone."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.core.config import from_mapping
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.types import Array, JointProposal, WalkerState
from reflexarc.robots.quadruped import JOINT_NAMES, Quadruped, load_quadruped
from reflexarc.robust.weights import NumpyPolicy, load
from reflexarc.walking.commands import Commands
from reflexarc.walking.gait import Gait, clock, walks
from reflexarc.walking.observation import (
    CONTROL_PERIOD,
    MOST_ACTION,
    OBSERVED,
    Body,
    down_in,
    observe,
)

LONGEST_S = 5.0 * CONTROL_PERIOD
"""The gait's clock goes on by no more than this between two decisions. [s]"""


class WalkingPolicy:
    """Decides every 0.02 s where the joints shall be drawn to; not trusted, the arc judges what it proposes."""

    def __init__(self, robot: Quadruped, actor: NumpyPolicy, gait: Gait, commands: Commands):
        """Take the mean of an actor.

        Args:
            robot: its own.
            actor: from observations to actions.
            gait: that it learned with.
            commands: that it learned with: their range and pace are kept.

        Raises:
            ModelError: it sees or gives another number of entries than a quadruped has.
        """
        if (actor.inputs, actor.outputs) != (OBSERVED, len(JOINT_NAMES)):
            raise ModelError(
                f"a policy of {actor.inputs} observations and {actor.outputs} actions; a quadruped's has {OBSERVED} "
                f"and {len(JOINT_NAMES)}"
            )
        self.robot, self.gait, self.commands = robot, gait, commands
        self.stance = np.tile(robot.stance, 4)
        self.actor = actor
        """Rows of observations to rows of actions."""
        self._low, self._high = np.tile(robot.lower, 4), np.tile(robot.upper, 4)
        self.refused = 0
        """Decisions that were not made, because an observation or an action was not finite."""
        self.reset()

    def reset(self, told: Array | None = None) -> None:
        """Forget clock and last action; the count of refusals stays.

        Args:
            told: command from which those to come are slewed, shape (3,) [m/s, m/s, rad/s]; default: to stand.
        """
        self._phase, self._last = 0.0, math.nan
        self._told: Array = np.zeros(3) if told is None else self.commands.within(told)
        self._action: Array = np.zeros(len(JOINT_NAMES))

    def follow(self, targets: Array) -> None:
        """Take targets that were carried out, shape (12,) [rad], for what the last action would have been."""
        action = (targets - self.stance) / self.robot.action_scale
        self._action = np.clip(action, -MOST_ACTION, MOST_ACTION)

    def propose(self, state: WalkerState, command: Array, now: float) -> JointProposal | None:
        """Decide.

        Args:
            state: newest.
            command: velocity ahead and to the left and yaw rate, in base_link, shape (3,); what it has not learned is
                cut, see `Commands`. [m/s, m/s, rad/s]
            now: time of the decision. [s]

        Returns:
            Targets within the joints' limits; None, and counted, where a number is not finite.
        """
        if not (math.isfinite(now) and np.isfinite(command).all()):
            self.refused += 1
            return None
        passed = now - self._last if math.isfinite(self._last) else 0.0
        self._phase = (self._phase + self.gait.frequency * min(max(passed, 0.0), LONGEST_S)) % 1.0
        self._last = now
        self._told = self.commands.towards(
            self._told, self.commands.within(np.asarray(command, dtype=np.float64))
        )
        wish = self._told[None]
        going = walks(wish)
        seen = observe(
            wish, body_of(state, self.stance), self._action[None], clock(np.array([self._phase]), going)
        )
        action = self.actor(seen)[0].astype(np.float64) if np.isfinite(seen).all() else np.full(1, math.nan)
        if not np.isfinite(action).all():
            self.refused += 1
            return None
        self._action = np.clip(action, -MOST_ACTION, MOST_ACTION)
        return JointProposal(now, JOINT_NAMES, self.targets(self._action))

    def targets(self, action: Array) -> Array:
        """Return what an action draws the joints to, shape (12,) to (12,). [rad]"""
        return np.clip(self.stance + self.robot.action_scale * action, self._low, self._high)


def body_of(state: WalkerState, stance: Array) -> Body:
    """Return a state as one row of what is known; `stance` has shape (12,). [rad]"""
    return Body(
        state.velocity[None],
        state.rate[None],
        down_in(state.orientation[None]),
        (state.position - stance)[None],
        state.joint_rate[None],
    )


def load_walking_policy(path: Path, robot: str) -> WalkingPolicy:
    """Return the actor of a file of weights, as `train hinf` writes them.

    Raises:
        ModelError: the file is missing or damaged, or the policy is of another robot or no robot's.
        UnknownNameError: there is no such robot.
    """
    policies, recipe = load(path)
    name, gait, commands = _learned_with(recipe, path)
    if name != robot:
        raise ModelError(f"{path}: a policy of {name!r}; wanted: one of {robot!r}")
    try:
        return WalkingPolicy(load_quadruped(robot), policies["actor"], gait, commands)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _learned_with(recipe: dict[str, Any], path: Path) -> tuple[str, Gait, Commands]:
    """Return robot, gait and commands of a recipe."""
    settings = recipe.get("quadruped")
    if not isinstance(settings, dict):
        raise ModelError(f"{path}: a policy of {recipe.get('problem')!r}; wanted: one of a quadruped")
    if settings.get("stand") is not None:  # its targets are about another pose
        raise ModelError(f"{path}: a policy that stands on its hind legs; wanted: one that walks")
    task = settings.get("task", {})
    try:
        gait = from_mapping(Gait, task.get("gait", {}), f"{path}: gait")
        commands = from_mapping(Commands, task.get("commands", {}), f"{path}: commands")
    except (AttributeError, ConfigError) as error:
        raise ModelError(f"{path}: the recipe's task is not acceptable ({error})") from error
    return str(settings.get("robot", "go1")), gait, commands
