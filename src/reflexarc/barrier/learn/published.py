# SPDX-License-Identifier: Apache-2.0
r"""V-OCBF as its authors' code trains it, for comparison: learner `published`.

    Q_j(s, a) <- (1 - g) l(s) + g min( l(s), V(s') ),   l(s) where s' is terminal           two heads, least squares
    V(s)      <- upper expectile 0.9 of min_j Q_j(s, a)

with g = 0.99 per step whatever the step's duration, ReLU networks 256-256, Adam 3e-4, batch 256. The value in the
critic's target is the online one; the code's Polyak copy (0.005) of the critic is kept but not used by any loss.
What is wrong with it, and what `vocbf` does instead, stands in docs/barrier/learning.md. Written from the paper's and
code's description; nothing is copied.

Source: Tayal et al., arXiv 2512.10822; code of 10 April 2026.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reflexarc.barrier.learn.learner import Learned, Progress, config_from
from reflexarc.barrier.learn.networks import (
    apply_ensemble,
    apply_mlp,
    expectile_loss,
    init_ensemble,
    init_mlp,
    to_mlp,
)
from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.barrier.learned import LearnedBarrier
from reflexarc.core.training import Checkpoint, fit


@dataclass(frozen=True)
class PublishedConfig:
    """Parameters of the published code."""

    steps: int = 100_000
    batch: int = 256
    hidden: tuple[int, ...] = (256, 256)
    gamma: float = 0.99
    """Per step."""
    expectile: float = 0.9
    learning_rate: float = 3e-4
    critics: int = 2


def train(
    data: Transitions,
    seed: int,
    config: Mapping[str, Any],
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Learned:
    """Learn the published barrier from `data`; see the module, and `learner.Learner` for the arguments."""
    c = config_from(PublishedConfig, config, "published")
    x = jnp.asarray(data.x, dtype=jnp.float32)
    xu = jnp.asarray(np.concatenate((data.x, data.u), axis=1), dtype=jnp.float32)
    after = jnp.asarray(data.next_x, dtype=jnp.float32)
    margin = jnp.asarray(data.margin, dtype=jnp.float32)
    mask = jnp.asarray(~data.terminal, dtype=jnp.float32)
    n, m = len(data.state), len(data.input)
    critic_key, value_key = jax.random.split(jax.random.key(seed))
    critic = init_ensemble(critic_key, c.critics, (n + m, *c.hidden, 1))
    value = init_mlp(value_key, (n, *c.hidden, 1))
    optimiser = optax.adam(c.learning_rate)
    state = (critic, value, optimiser.init(critic), optimiser.init(value))

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        critic, value, critic_memory, value_memory = state
        rows = jax.random.randint(key, (c.batch,), 0, len(x))
        least = apply_ensemble(critic, xu[rows]).min(axis=0)

        def value_loss(value: Any) -> Any:
            return expectile_loss(least - apply_mlp(value, x[rows])[:, 0], c.expectile).mean()

        error, gradient = jax.value_and_grad(value_loss)(value)
        change, value_memory = optimiser.update(gradient, value_memory)
        value = optax.apply_updates(value, change)
        here = margin[rows]
        follow = apply_mlp(value, after[rows])[:, 0]  # pyright: ignore[reportArgumentType]
        goal = (1.0 - c.gamma) * here + c.gamma * jnp.minimum(here, follow)
        goal = mask[rows] * goal + (1.0 - mask[rows]) * here

        def critic_loss(critic: Any) -> Any:
            return ((apply_ensemble(critic, xu[rows]) - goal[None]) ** 2).mean()

        critic_error, gradient = jax.value_and_grad(critic_loss)(critic)
        change, critic_memory = optimiser.update(gradient, critic_memory)
        critic = optax.apply_updates(critic, change)
        return (critic, value, critic_memory, value_memory), {"loss": error, "critic_loss": critic_error}

    state, log = fit(state, step, c.steps, seed, progress, checkpoint)
    barrier = LearnedBarrier(
        (to_mlp(state[1], "relu"),),
        "min",
        np.zeros(n),
        np.ones(n),
        0.0,
        data.system,
        data.state,
        {"learner": "published", "seed": seed, **asdict(c)},
    )
    return Learned(
        "published",
        asdict(c),
        value=barrier.values,
        value_and_gradient=barrier.values_and_gradients,
        barrier=barrier,
        log=log,
    )
