# SPDX-License-Identifier: Apache-2.0
"""Behaviour cloning, the reference policy of offline learning: learner `bc`.

Least squares on the recorded inputs; the output is a tanh scaled to the box around the admissible inputs. On data of
several behaviours it answers their mean.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reflexarc.barrier.learn.learner import Learned, Progress, config_from
from reflexarc.barrier.learn.networks import apply_mlp, init_mlp, scaling
from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.core.training import Checkpoint, fit
from reflexarc.core.types import Array


@dataclass(frozen=True)
class BcConfig:
    """Parameters; widths, activation and rate are those of V-OCBF's reference policy."""

    steps: int = 20_000
    batch: int = 256
    hidden: tuple[int, ...] = (256, 256, 256)
    learning_rate: float = 3e-4


def train(
    data: Transitions,
    seed: int,
    config: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Learned:
    """Learn the recorded behaviour; see `learner.Learner` for the arguments."""
    c = config_from(BcConfig, config, "bc")
    centre, scale = scaling(data.x)
    middle, half = 0.5 * (data.upper + data.lower), 0.5 * (data.upper - data.lower)
    z = jnp.asarray((data.x - centre) / scale, dtype=jnp.float32)
    goal = jnp.asarray((data.u - middle) / half, dtype=jnp.float32)
    weights = init_mlp(jax.random.key(seed), (len(data.state), *c.hidden, len(data.input)))
    optimiser = optax.adam(c.learning_rate)

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        weights, memory = state
        rows = jax.random.randint(key, (c.batch,), 0, len(z))

        def loss(weights: Any) -> Any:
            return ((jnp.tanh(apply_mlp(weights, z[rows])) - goal[rows]) ** 2).mean()

        error, gradient = jax.value_and_grad(loss)(weights)
        change, memory = optimiser.update(gradient, memory)
        return (optax.apply_updates(weights, change), memory), {"loss": error}

    (weights, _), log = fit((weights, optimiser.init(weights)), step, c.steps, seed, progress, checkpoint)
    evaluate = jax.jit(lambda z: jnp.tanh(apply_mlp(weights, z)))

    def policy(x: Array) -> Array:
        z = jnp.asarray((x - centre) / scale, dtype=jnp.float32)
        return middle + half * np.asarray(evaluate(z), dtype=float)

    tensors = {f"{i}.{k}": np.asarray(w) for i, layer in enumerate(weights) for k, w in enumerate(layer)}
    return Learned("bc", asdict(c), policy=policy, tensors=tensors, log=log)
