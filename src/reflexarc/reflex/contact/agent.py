# SPDX-License-Identifier: Apache-2.0
"""What was learned for a tool in contact, as a file, and read again for the control rate, where no JAX runs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array
from reflexarc.core.weights import read_weights, save_weights, with_weights
from reflexarc.reflex.contact.glance import turned
from reflexarc.reflex.contact.inference import Network, NetworkReflexes
from reflexarc.reflex.contact.problem import ContactProblem
from reflexarc.reflex.contact.view import ACTION, VIEW
from reflexarc.reflex.loop import Shield
from reflexarc.reflex.networks import Networks

FORMAT = "reflexarc-contact-1"
WRENCH = slice(2, 6)
"""Entries of a view that are hidden from critic and recovery where they see the wrench alone."""
SHIELD = ("threshold", "every_s", "dwell_s", "release", "force", "rule", "doubt")


class ContactAgent(NetworkReflexes):
    """Critic and recovery with the way to use them, and the task policy beside them; fulfils `Reflexes`."""

    def __init__(self, networks: Networks, shield: Mapping[str, float], recipe: Mapping[str, Any]):
        """Take networks, shield (`SHIELD`) and recipe.

        Raises:
            ModelError: networks of other sizes, or a shield that would never look.
        """
        layers: list[Any] = list(networks.risk.members.layers)
        count = layers[0].weight.shape[0]
        critic = [
            [(np.asarray(x.weight[m]), np.asarray(x.bias[m]).ravel()) for x in layers] for m in range(count)
        ]
        super().__init__(
            Network(critic), Network([_layers(networks.recovery)]), shield["threshold"], shield["every_s"],
            shield["dwell_s"], shield["release"], shield["force"],
        )  # fmt: skip
        self.recipe = recipe
        self._task = Network([_layers(networks.task)])
        self._wrench_only, self._rule = bool(recipe["problem"]["wrench_only"]), shield["rule"] > 0.0
        self._doubt = shield["doubt"] > 0.0
        self._seen, self._other = np.zeros(VIEW), np.zeros(VIEW)
        turned(self._seen, np.zeros(ACTION), self._other)  # compiled before it is needed

    def task(self, seen: Array) -> Array:
        """Return what the task policy puts out, in [-1, 1]; see `ContactProblem.task_seen`."""
        return np.tanh(self._task(seen)[0, :ACTION].astype(np.float64))

    def risk(self, view: Array) -> float:
        """Return the critic's risk of a view."""
        return super().risk(self._shown(view))

    def recovery(self, view: Array) -> Array:
        """Return the recovery instead of the action seen; NaN where the rule is to act."""
        if self._rule:
            return np.full(ACTION, math.nan)
        action = super().recovery(self._shown(view))
        if self._doubt:
            turned(view, action, self._other)
            if not self.risk(self._other) <= self.threshold:
                return np.full(ACTION, math.nan)
        return action

    def _shown(self, view: Array) -> Array:
        if not self._wrench_only:
            return view
        self._seen[:] = view
        self._seen[WRENCH] = 0.0
        return self._seen


@dataclass(frozen=True, eq=False)
class ContactFile:
    """What is written; without a shield its threshold is 1, which no risk is above."""

    networks: Networks
    shield: Shield
    recipe: Mapping[str, Any]
    """With `robot`, `problem` (of `ContactProblem`: width and members in `training`)."""

    def save(self, path: Path, step_s: float) -> str:
        """Write the file and return its SHA-256.

        Args:
            path: is replaced.
            step_s: time of one control step of the shield. [s]
        """
        s = self.shield
        shield = {
            "threshold": min(1.0, float(s.threshold)), "every_s": float(s.every) * step_s,
            "dwell_s": float(s.dwell) * step_s, "release": float(s.release), "force": float(s.force),
            "rule": float(s.rule), "doubt": float(s.doubt),
        }  # fmt: skip
        return save_weights(path, FORMAT, self.networks, {**self.recipe, "shield": shield})


def load_contact_agent(path: Path, robot: str = "panda") -> ContactAgent:
    """Read a file that `ContactFile.save` wrote.

    Args:
        path: of the file.
        robot: whom it must have been learned for.

    Raises:
        ModelError: the file is missing, damaged, changed, of another kind or robot, holds weights that are not finite,
            or a shield that would never look.
    """
    recipe, arrays = read_weights(path, FORMAT, sealed=True)
    try:
        shield = {name: float(recipe["shield"][name]) for name in SHIELD}
        whose, t = str(recipe["robot"]), recipe["training"]
        shape = ContactProblem(mazes=1, wrench_only=bool(recipe["problem"]["wrench_only"]))
        like = Networks(shape, int(t["width"]), int(t["members"]), jax.random.key(0))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: its recipe does not describe networks and shield ({error!r})") from error
    if whose != robot:
        raise ModelError(f"{path}: learned for robot {whose!r}, this one is {robot!r}; it was not loaded")
    try:
        return ContactAgent(with_weights(path, like, arrays), shield, recipe)
    except ModelError as error:
        raise ModelError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def _layers(policy: Any) -> list[tuple[Any, Any]]:
    return [(np.asarray(x.weight), np.asarray(x.bias)) for x in policy.mlp.layers]
