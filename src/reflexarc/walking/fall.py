# SPDX-License-Identifier: Apache-2.0
r"""The risk that a quadruped falls, as a critic sees it from outside of the policy: state and proposed targets.

    risk = E[exp(-T / tau)],   T the time until the fall under the task policy, 0 without a fall within the horizon

The view has no entry of the policy's own, so that the same critic stands above any policy. It is learned by
`reflexarc.walking.fall_training`; here is the forward pass, NumPy alone.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array, WalkerState
from reflexarc.robots.quadruped import Quadruped
from reflexarc.robust.weights import NumpyPolicy, layers_of
from reflexarc.walking.observation import Body
from reflexarc.walking.policy import body_of

FORMAT = "reflexarc-fall-1"
VIEWED = 45
"""Entries of a view: linear and angular velocity 3 + 3, direction of gravity 3, joints' positions and velocities
12 + 12, proposed targets 12."""
NETWORK = "fall"


def fall_view(known: Body, targets: Array, stance: Array, scale: float) -> Array:
    """Return what the critic sees, shape (n, 45).

    Args:
        known: of n robots.
        targets: proposed positions of the joints, shape (n, 12). [rad]
        stance: shape (12,). [rad]
        scale: shift of a joint's target that counts as 1. [rad]
    """
    return np.hstack((
        known.velocity, known.rate / 4.0, known.gravity, known.joints, known.joint_rates / 20.0,
        (targets - stance) / scale,
    ))  # fmt: skip


class FallCritic:
    """Says how likely a fall is if the proposal is carried out and the task policy goes on."""

    def __init__(self, robot: Quadruped, network: NumpyPolicy, threshold: float, recipe: Mapping[str, Any]):
        """Take a network from views to one logit.

        Raises:
            ModelError: it has another number of entries, or the threshold is not in [0, 1], or would never be passed.
        """
        if (network.inputs, network.outputs) != (VIEWED, 1):
            raise ModelError(
                f"a critic of {network.inputs} entries and {network.outputs} outputs; a fall's has {VIEWED} and 1"
            )
        if not 0.0 <= threshold < 1.0:
            raise ModelError(f"a threshold of {threshold}; allowed: 0 up to, but not, 1")
        self.threshold, self.recipe = threshold, dict(recipe)
        self._stance, self._scale = np.tile(robot.stance, 4), robot.action_scale
        self._network = network

    def risk(self, state: WalkerState, targets: Array) -> float:
        """Return the risk of targets, shape (12,) [rad], in a state; NaN where a number is not finite."""
        view = fall_view(body_of(state, self._stance), targets[None], self._stance, self._scale)
        return float(self.risks(view)[0])

    def risks(self, views: Array) -> Array:
        """Return the risks of views, shape (n, 45) to (n,)."""
        logit = self._network(views)[:, 0].astype(np.float64)
        return 1.0 / (1.0 + np.exp(-np.clip(logit, -30.0, 30.0)))


def save_fall(
    path: Path,
    layers: Sequence[tuple[Array, Array]],
    mean: Array,
    deviation: Array,
    recipe: Mapping[str, Any],
) -> None:
    """Write a critic.

    Args:
        path: of the file.
        layers: weights and biases.
        mean: of the views, shape (45,).
        deviation: of the views, positive, shape (45,).
        recipe: with `robot` and `threshold`.
    """
    tensors = {"view.mean": np.asarray(mean, np.float32), "view.deviation": np.asarray(deviation, np.float32)}
    for i, (weight, bias) in enumerate(layers):
        tensors[f"{NETWORK}.{i}.weight"] = np.asarray(weight, np.float32)
        tensors[f"{NETWORK}.{i}.bias"] = np.asarray(bias, np.float32)
    save_file(tensors, path, metadata={"format": FORMAT, "recipe": json.dumps(dict(recipe), sort_keys=True)})


def load_fall(path: Path, robot: Quadruped) -> FallCritic:
    """Return the critic of a file.

    Raises:
        ModelError: the file is missing, damaged, of another format or another robot, or its numbers are not acceptable.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable file of weights ({error})") from error
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{path}: format {metadata.get('format')!r}; expected {FORMAT!r}")
    try:
        recipe = dict(json.loads(metadata["recipe"]))
        name, threshold = str(recipe["robot"]), float(recipe["threshold"])
        network = NumpyPolicy(layers_of(tensors, NETWORK), tensors["view.mean"], tensors["view.deviation"])
        if name != robot.name:
            raise ModelError(f"a critic of {name!r}; wanted: one of {robot.name!r}")
        return FallCritic(robot, network, threshold, recipe)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: {error!r} is missing or damaged") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
