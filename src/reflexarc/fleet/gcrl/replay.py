# SPDX-License-Identifier: Apache-2.0
"""A ring of transitions of many environments that run side by side, and the goals they are learned with.

A transition is learned with the goal it was made for, with a place that the same episode reached later (hindsight:
Andrychowicz et al., NeurIPS 2017), or with a place from anywhere in the ring; steps and costs depend on no goal, so all
three are true transitions.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from reflexarc.fleet.gcrl.domain import Domain


class Ring(NamedTuple):
    """The last `length` steps of n environments."""

    state: Any
    """Shape (length, n, state_size)."""
    action: Any
    next_state: Any
    cost: Any
    """Shape (length, n)."""
    goal: Any
    episode: Any
    """Number of the episode, shape (length, n); -1 where nothing was written yet."""
    at: Any
    """Where the next step is written."""
    size: Any
    """How many steps were written."""


class Batch(NamedTuple):
    """Transitions to learn from, shape (batch, ...)."""

    state: Any
    action: Any
    next_state: Any
    cost: Any
    goal: Any


def empty(domain: Domain, length: int, environments: int) -> Ring:
    """Return a ring without transitions."""
    shape = (length, environments)
    state = jnp.zeros((*shape, domain.state_size), jnp.float32)
    return Ring(
        state,
        jnp.zeros((*shape, domain.action_size), jnp.float32),
        state,
        jnp.zeros(shape, jnp.float32),
        jnp.zeros((*shape, domain.goal_size), jnp.float32),
        jnp.full(shape, -1, jnp.int32),
        jnp.int32(0),
        jnp.int32(0),
    )


def add(ring: Ring, state: Any, action: Any, next_state: Any, cost: Any, goal: Any, episode: Any) -> Ring:
    """Return the ring with one step of every environment more."""
    k, length = ring.at, ring.cost.shape[0]
    return Ring(
        ring.state.at[k].set(state),
        ring.action.at[k].set(action),
        ring.next_state.at[k].set(next_state),
        ring.cost.at[k].set(cost),
        ring.goal.at[k].set(goal),
        ring.episode.at[k].set(episode),
        (k + 1) % length,
        jnp.minimum(ring.size + 1, length),
    )


def draw(
    ring: Ring, domain: Domain, key: Any, count: int, later: float, anywhere: float, reach: int
) -> Batch:
    """Return transitions with goals.

    Args:
        ring: at least one step was written.
        domain: tells the place of a state.
        key: JAX key.
        count: how many.
        later: share of goals that the same episode reached later.
        anywhere: share of goals from anywhere in the ring; the rest keep their own.
        reach: how many steps later at most.
    """
    length, n = ring.cost.shape
    u = jax.random.uniform(key, (6, count))

    def whole(u: Any, below: Any) -> Any:
        return jnp.minimum((u * below).astype(jnp.int32), below - 1)

    t, e = whole(u[0], ring.size), whole(u[1], n)
    place = jax.vmap(domain.place)
    own = ring.goal[t, e]
    until = (t + whole(u[2], reach)) % length
    same = (ring.episode[until, e] == ring.episode[t, e]) & (ring.episode[t, e] >= 0)
    future = jnp.where(same[:, None], place(ring.next_state[until, e]), own)
    far = place(ring.next_state[whole(u[3], ring.size), whole(u[4], n)])
    pick = u[5][:, None]
    goal = jnp.where(pick < later, future, jnp.where(pick < later + anywhere, far, own))
    return Batch(ring.state[t, e], ring.action[t, e], ring.next_state[t, e], ring.cost[t, e], goal)
