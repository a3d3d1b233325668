# SPDX-License-Identifier: Apache-2.0
r"""Distributions over fixed bins, learned by cross-entropy (C51: Bellemare, Dabney and Munos, ICML 2017).

Distance, bins 1, ..., K [steps]: one step further shifts the distribution by one bin, and the last bin keeps what would
leave it. A transition that ends at the goal has distance 1.

Cost, atoms z_1 = low, ..., z_K = high: c + z is projected onto the atoms, each mass split between the two nearest:

    m_k = sum_j p_j [1 - |clip(c + (1 - done) z_j) - z_k| / dz]_+
"""

from typing import Any

import jax
import jax.numpy as jnp


def shifted(probabilities: Any, done: Any) -> Any:
    """Return the distribution of one step more.

    Args:
        probabilities: of the distance from the next state, shape (..., K).
        done: whether the next state is at the goal, shape (...).
    """
    further = jnp.concatenate(
        [
            jnp.zeros_like(probabilities[..., :1]),
            probabilities[..., :-2],
            probabilities[..., -2:].sum(axis=-1, keepdims=True),
        ],
        axis=-1,
    )
    first = jax.nn.one_hot(0, probabilities.shape[-1], dtype=probabilities.dtype)
    return jnp.where(done[..., None], first, further)


def projected(probabilities: Any, cost: Any, done: Any, atoms: Any) -> Any:
    """Return the distribution of cost + what is still to come, on the atoms.

    All atoms move by the same cost, so the projection is a shift by whole bins and one split.

    Args:
        probabilities: of what is to come from the next state, shape (..., K).
        cost: of the step, >= 0, shape (...).
        done: whether nothing is to come, shape (...).
        atoms: evenly spaced from 0, shape (K,).
    """
    bins = probabilities.shape[-1]
    none = jax.nn.one_hot(0, bins, dtype=probabilities.dtype)
    rest = jnp.where(done[..., None], none, probabilities)
    shift = cost[..., None] / (atoms[1] - atoms[0])
    whole = jnp.floor(shift).astype(jnp.int32)
    share = shift - whole
    source = jnp.arange(bins) - whole  # the bin that arrives in each bin, before the split

    def taken(index: Any) -> Any:
        index = jnp.broadcast_to(index, rest.shape)
        return jnp.where(index >= 0, jnp.take_along_axis(rest, jnp.maximum(index, 0), axis=-1), 0.0)

    moved = (1.0 - share) * taken(source) + share * taken(source - 1)
    below = moved[..., :-1]
    return jnp.concatenate([below, 1.0 - below.sum(axis=-1, keepdims=True)], axis=-1)


def expectation(logits: Any, atoms: Any) -> Any:
    """Return the mean of the distributions with these logits, shape (...)."""
    return (jax.nn.softmax(logits) * atoms).sum(axis=-1)


def quantile(probabilities: Any, atoms: Any, level: float) -> Any:
    """Return the smallest atom at which the distribution function reaches the level, shape (...)."""
    reached = jnp.cumsum(probabilities, axis=-1) >= level - 1e-6
    return jnp.asarray(atoms)[jnp.argmax(reached, axis=-1)]


def tail_mean(probabilities: Any, atoms: Any, level: float) -> Any:
    """Return the mean of the worst 1 - level of the distribution (CVaR), shape (...)."""
    before = jnp.cumsum(probabilities, axis=-1) - probabilities
    within = jnp.clip(probabilities - jnp.clip(level - before, 0.0, None), 0.0, None)
    return (within * atoms).sum(axis=-1) / (1.0 - level)


def cross_entropy(target: Any, logits: Any) -> Any:
    """Return -sum target ln softmax(logits), shape (...)."""
    return -(target * jax.nn.log_softmax(logits)).sum(axis=-1)
