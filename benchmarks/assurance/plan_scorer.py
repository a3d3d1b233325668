# SPDX-License-Identifier: Apache-2.0
r"""A learned scorer of sampled plans: trained to imitate what their realised cost says.

    score_i = softmax_i f_theta(phi_i),    loss = - sum_i q_i ln score_i,    q = softmax(-cost / 0.15 s)

over the 105 plans of a moment, as Hydra-MDP distils a simulator's scores over a fixed vocabulary. f is a small
multilayer perceptron on normalised features. Its parameters are handled as one vector theta, of which the committed
one is never written to.

Train it again with `python plan_scorer.py`; the recipe stands in the file.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from plan_logs import Frames
from scored_plans import FEATURES

from reflexarc.core.training import Progress, fit
from reflexarc.core.types import Array
from reflexarc.core.weights import read_weights, save_weights, with_weights

FORM = "reflexarc-plan-scorer-1"
FILE = Path(__file__).with_name("plan_scorer.safetensors")
TEMPERATURE = 0.15
"""Of the target. [s]"""


@dataclasses.dataclass(frozen=True)
class Training:
    """Parameters of a training."""

    seed: int = 0
    steps: int = 6000
    batch: int = 32
    """Moments per step."""
    rate: float = 1e-3
    """At the start; falls to zero as a cosine."""
    width: int = 32


class Network(eqx.Module):
    """Features of a plan to a number; two hidden layers."""

    mean: Any
    """Of the features, shape (FEATURES,)."""
    scale: Any
    mlp: eqx.nn.MLP

    def __init__(self, mean: Array, scale: Array, width: int, key: Any):
        self.mean, self.scale = jnp.asarray(mean, jnp.float32), jnp.asarray(scale, jnp.float32)
        self.mlp = eqx.nn.MLP(FEATURES, "scalar", width, 2, dtype=jnp.float32, key=key)


class Scorer:
    """The committed weights, and scores with these or with others."""

    def __init__(self, network: Network, recipe: dict[str, Any]):
        """Take a network and say what it was learned from."""
        self.network, self.recipe = network, recipe
        theta, unravel = ravel_pytree(eqx.filter(network.mlp, eqx.is_array))
        self.theta: Array = np.asarray(theta)
        """The committed parameters, shape (p,), read-only."""
        self.theta.setflags(write=False)
        static = eqx.filter(network.mlp, eqx.is_array, inverse=True)
        mean, scale = network.mean, network.scale

        def logits(theta: Any, features: Any) -> Any:
            mlp = eqx.combine(unravel(theta), static)
            return jax.vmap(mlp)((features - mean) / scale)

        self.logits: Callable[[Any, Any], Any] = logits
        """theta (p,), features (k, FEATURES) -> (k,); for JAX to trace."""
        self._scores = jax.jit(lambda theta, features: jax.nn.softmax(logits(theta, features)))

        def share(theta: Any, features: Any, chosen: Any) -> Any:
            return jnp.where(chosen, jax.nn.softmax(logits(theta, features)), 0.0).sum()

        self._slopes = jax.jit(jax.vmap(jax.grad(share), in_axes=(None, 0, 0)))

    def scores(self, features: Array, theta: Array | None = None) -> Array:
        """Return the scores of plans (k, FEATURES), summing to 1, with the committed weights or with others."""
        return np.asarray(self._scores(self.theta if theta is None else theta, features), dtype=np.float64)

    def slopes(self, features: Array, chosen: Array) -> Array:
        """Return the gradient of the score of chosen plans together, in each moment, at the committed weights.

        Args:
            features: shape (f, k, FEATURES).
            chosen: flags, shape (f, k).

        Returns:
            Shape (f, p).
        """
        return np.asarray(self._slopes(self.theta, features, chosen), dtype=np.float64)

    def save(self, path: Path = FILE) -> str:
        """Write weights and recipe; return the file's SHA-256."""
        return save_weights(path, FORM, self.network, self.recipe)

    @classmethod
    def load(cls, path: Path = FILE) -> "Scorer":
        """Read a file.

        Raises:
            ModelError: it is missing, damaged, changed since it was written, or of another kind.
        """
        recipe, arrays = read_weights(path, FORM, sealed=True)
        empty = np.zeros(FEATURES)
        like = Network(empty, empty, int(recipe["training"]["width"]), jax.random.key(0))
        return cls(with_weights(path, like, arrays), recipe)


def train(
    frames: Frames, training: Training, source: dict[str, Any], progress: Progress | None = None
) -> Scorer:
    """Learn to score.

    Args:
        frames: to learn from.
        training: parameters.
        source: where the frames come from, for the recipe.
        progress: told now and then.
    """
    rows = frames.features.reshape(-1, FEATURES)
    network = Network(
        rows.mean(axis=0), rows.std(axis=0) + 1e-3, training.width, jax.random.key(training.seed)
    )
    weights, static = eqx.partition(network.mlp, eqx.is_array)
    z = jnp.asarray((frames.features - np.asarray(network.mean)) / np.asarray(network.scale), jnp.float32)
    target = jax.nn.softmax(jnp.asarray(-frames.cost / TEMPERATURE, jnp.float32), axis=1)
    optimiser = optax.adam(optax.cosine_decay_schedule(training.rate, training.steps))

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        weights, memory = state
        rows = jax.random.randint(key, (training.batch,), 0, len(z))

        def loss(weights: Any) -> Any:
            logits = jax.vmap(jax.vmap(eqx.combine(weights, static)))(z[rows])
            return optax.losses.softmax_cross_entropy(logits, target[rows]).mean()

        error, gradient = jax.value_and_grad(loss)(weights)
        change, memory = optimiser.update(gradient, memory)
        return (optax.apply_updates(weights, change), memory), {"loss": error}

    state = (weights, optimiser.init(weights))
    (weights, _), log = fit(state, step, training.steps, training.seed, progress)
    network = eqx.tree_at(lambda n: n.mlp, network, eqx.combine(weights, static))
    digest = hashlib.sha256(frames.features.tobytes() + frames.cost.tobytes()).hexdigest()
    recipe = {
        "training": dataclasses.asdict(training),
        "temperature_s": TEMPERATURE,
        "source": source,
        "frames": len(frames.cost),
        "data_sha256": digest,
        "last_loss": log[-1]["loss"],
    }
    return Scorer(network, recipe)


if __name__ == "__main__":
    from doubting_planner import logged  # the planner knows the scorer

    seeds = list(range(100, 116))
    source = {"scenario": "sidewalk_delivery", "seeds": seeds, "seconds": 30.0, "every": 4}
    found = train(
        logged(seeds, 30.0, 4), Training(), source, lambda done, steps, row: print(done, steps, dict(row))
    )
    print(found.save())
