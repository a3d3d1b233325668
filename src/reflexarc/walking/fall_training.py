# SPDX-License-Identifier: Apache-2.0
r"""Learning the risk of a fall: cross-entropy with discounted outcomes, judged on robots that were not learned from.

With labels y = exp(-T / tau) in [0, 1], the minimum of  -y log r - (1 - y) log(1 - r)  is  r = E[y | view].
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from reflexarc.core.errors import ConfigError
from reflexarc.core.training import Checkpoint, Progress, fit
from reflexarc.core.types import Array
from reflexarc.reflex.calibration import Reliability, reliability, tested_threshold
from reflexarc.walking.fall import VIEWED
from reflexarc.walking.fall_recipe import FallRecipe, Network

Layers = list[tuple[Array, Array]]


class Learned(NamedTuple):
    """A critic's network."""

    layers: Layers
    mean: Array
    """Of the views, shape (45,)."""
    deviation: Array
    log: list[dict[str, float]]


class Chosen(NamedTuple):
    """A threshold."""

    threshold: float
    passed: bool
    """Whether it keeps the wanted rate of falls, by test; if not it is the one with the fewest falls."""


def split(robots: np.ndarray, share: float) -> np.ndarray:
    """Return which views judge, shape (n,), bool: those of the last `share` of the robots.

    Raises:
        ConfigError: there are no views on one of the sides.
    """
    held = robots >= robots.max(initial=0) + 1 - max(1, round(share * (robots.max(initial=0) + 1)))
    if not held.any() or held.all():
        raise ConfigError(
            f"{len(robots)} views; some are needed to learn from, and some of other robots to judge"
        )
    return held


def learn(
    views: Array,
    labels: Array,
    network: Network,
    seed: int,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Learned:
    """Learn the risk.

    Args:
        views: shape (n, 45).
        labels: shape (n,), in [0, 1].
        network: and how it is trained.
        seed: of weights and batches.
        progress: told now and then.
        checkpoint: file to go on from, if it is there.

    Raises:
        ConfigError: no views, shapes that do not fit, labels outside [0, 1], or nobody fell.
        ModelError: the checkpoint is damaged or of another training.
    """
    if views.ndim != 2 or views.shape[1] != VIEWED or labels.shape != views.shape[:1] or not len(views):
        raise ConfigError(
            f"views of shape {views.shape}, labels of {labels.shape}; needed: (n, {VIEWED}), (n,)"
        )
    if not (np.isfinite(views).all() and ((labels >= 0.0) & (labels <= 1.0)).all()):
        raise ConfigError("views must be finite, and labels in [0, 1]")
    if not labels.any():
        raise ConfigError("nobody fell: there is nothing to learn; push harder (rollouts.sudden_n)")
    mean, deviation = views.mean(axis=0), views.std(axis=0) + 1e-3
    x = jnp.asarray(np.clip((views - mean) / deviation, -10.0, 10.0), jnp.float32)
    y = jnp.asarray(labels, jnp.float32)
    sizes = [VIEWED, *network.hidden, 1]
    keys = jax.random.split(jax.random.key(seed), len(sizes) - 1)
    start = [eqx.nn.Linear(a, b, key=k) for a, b, k in zip(sizes[:-1], sizes[1:], keys, strict=True)]
    weights = [(layer.weight, layer.bias) for layer in start]
    optimiser = optax.adam(optax.cosine_decay_schedule(network.rate, network.steps))

    def loss(weights: Any, rows: Any, wanted: Any) -> Any:
        return optax.sigmoid_binary_cross_entropy(_forward(weights, rows), wanted).mean()

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        weights, moments = state
        at = jax.random.randint(key, (network.batch,), 0, len(x))
        value, slope = jax.value_and_grad(loss)(weights, x[at], y[at])
        change, moments = optimiser.update(slope, moments)
        return (optax.apply_updates(weights, change), moments), {"loss": value}

    kept = None
    if checkpoint is not None:
        content = hashlib.sha256(views.tobytes() + labels.tobytes()).hexdigest()
        kept = Checkpoint(checkpoint, json.dumps([repr(network), seed, content]), every=1000)
    (weights, _), log = fit(
        (weights, optimiser.init(weights)), step, network.steps, seed, progress, kept, chunk=250
    )
    layers = [(np.asarray(w), np.asarray(b)) for w, b in weights]
    return Learned(layers, mean, deviation, log)


def judged(risks: Array, labels: Array) -> tuple[Reliability, float]:
    """Return the reliability of risks on views that were not learned from, and their cross-entropy.

    Args:
        risks: shape (n,).
        labels: shape (n,).
    """
    r = np.clip(risks, 1e-9, 1.0 - 1e-9)
    entropy = float(-(labels * np.log(r) + (1.0 - labels) * np.log1p(-r)).mean())
    return reliability(risks, labels), entropy


def choose(recipe: FallRecipe, fallen: np.ndarray) -> Chosen:
    """Return the threshold of the recipe's grid under which robots fall seldom enough, or else least.

    Args:
        recipe: with grid and wanted rate.
        fallen: under each threshold, shape (k, n), bool.
    """
    grid = np.array(recipe.threshold.grid)
    found = tested_threshold(grid, fallen, ~fallen, recipe.threshold.falls)
    if found is not None:
        return Chosen(found, True)
    count = fallen.sum(axis=1)
    return Chosen(float(grid[np.flatnonzero(count == count.min())[-1]]), False)


def _forward(weights: Sequence[tuple[Any, Any]], rows: Any) -> Any:
    """The network of `robust.weights.NumpyPolicy`, on scaled rows."""
    for i, (weight, bias) in enumerate(weights):
        rows = rows @ weight.T + bias
        if i + 1 < len(weights):
            rows = jax.nn.elu(rows)
    return rows[:, 0]
