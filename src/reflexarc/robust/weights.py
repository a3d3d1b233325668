# SPDX-License-Identifier: Apache-2.0
"""Both players and their critic as files, and the policies' forward pass in NumPy alone, for robots without JAX."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array

FORMAT = "reflexarc-hinf-1"
PLAYERS = ("actor", "disturber")
NETWORKS = (*PLAYERS, "critic")


def save(path: Path, players: Any, scaling: Any, returns: Any, recipe: Mapping[str, Any]) -> None:
    """Write both players, the critic, the scales of observations and returns, and the recipe.

    Args:
        path: of the file.
        players: `networks.Players`.
        scaling: `learner.Scaling`.
        returns: mean and deviation of the returns of the critic's heads, shape (2, 3).
        recipe: in full.
    """
    tensors = {
        "observation.mean": scaling.mean.astype(np.float32),
        "observation.deviation": scaling.deviation.astype(np.float32),
        "critic.returns": np.asarray(returns),
    }
    for name in PLAYERS:
        tensors[f"{name}.log_std"] = np.asarray(getattr(players, name).log_std)
    for name, network in zip(
        NETWORKS, (players.actor.mean, players.disturber.mean, players.critic), strict=True
    ):
        for i, layer in enumerate(network.layers):
            tensors[f"{name}.{i}.weight"] = np.asarray(layer.weight)
            tensors[f"{name}.{i}.bias"] = np.asarray(layer.bias)
    save_file(tensors, path, metadata={"format": FORMAT, "recipe": json.dumps(recipe, sort_keys=True)})


class NumpyPolicy:
    """The mean of a policy: layers with ELU between, on observations in units of their deviation, cut at ten."""

    def __init__(self, layers: Sequence[tuple[Array, Array]], mean: Array, deviation: Array):
        """Take weights of shape (outputs, inputs), biases of shape (outputs,), and the scale, shape (inputs,).

        Raises:
            ModelError: shapes that do not fit, or a number that is not finite, or a deviation that is not positive.
        """
        inputs = len(mean)
        for weight, bias in layers:
            if weight.ndim != 2 or weight.shape[1] != inputs or bias.shape != weight.shape[:1]:
                raise ModelError(
                    f"layers of shapes {[w.shape for w, _ in layers]} do not follow {len(mean)} observations"
                )
            inputs = len(bias)
        numbers = [mean, deviation, *(x for layer in layers for x in layer)]
        if not layers or not all(np.isfinite(x).all() for x in numbers) or not (deviation > 0.0).all():
            raise ModelError("a policy needs layers of finite weights and positive deviations")
        self._layers, self._mean, self._deviation = list(layers), mean, deviation
        self.inputs, self.outputs = len(mean), inputs

    def __call__(self, seen: Array) -> Array:
        """Return what the policy does at an observation, shape (inputs,) to (outputs,), or for rows of them."""
        x: Any = np.clip((seen - self._mean) / self._deviation, -10.0, 10.0).astype(np.float32)
        for i, (weight, bias) in enumerate(self._layers):
            x = x @ weight.T + bias
            if i + 1 < len(self._layers):
                x = np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0)))
        return x


def load(path: Path) -> tuple[dict[str, NumpyPolicy], dict[str, Any]]:
    """Return the policies by the names of `PLAYERS`, and the recipe.

    Raises:
        ModelError: the file is missing, damaged, of another format, or its numbers are not acceptable.
    """
    tensors, recipe = load_tensors(path)
    policies = {}
    try:
        for name in PLAYERS:
            layers = layers_of(tensors, name)
            policies[name] = NumpyPolicy(
                layers, tensors["observation.mean"], tensors["observation.deviation"]
            )
    except KeyError as error:
        raise ModelError(f"{path}: {error} is missing or damaged") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    return policies, recipe


def layers_of(tensors: Mapping[str, Array], name: str) -> list[tuple[Array, Array]]:
    """Return weights and biases of one of `NETWORKS`.

    Raises:
        KeyError: one is missing.
    """
    depth = sum(key.startswith(f"{name}.") and key.endswith((".weight", ".bias")) for key in tensors) // 2
    return [(tensors[f"{name}.{i}.weight"], tensors[f"{name}.{i}.bias"]) for i in range(depth)]


def load_tensors(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return everything in a file of weights by name, and the recipe.

    Raises:
        ModelError: the file is missing, damaged or of another format.
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
        return tensors, json.loads(metadata["recipe"])
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: the recipe is missing or damaged ({error})") from error
