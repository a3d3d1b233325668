# SPDX-License-Identifier: Apache-2.0
"""Policy and critics: multilayer perceptrons with two hidden layers, the critics as ensembles over fixed bins."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.fleet.gcrl.categorical import expectation

DISTANCE_BINS = 20
COST_BINS = 40
COST_HIGH = 40.0
"""Last atom of the cost critic; the first is zero."""


def distance_atoms(bins: int = DISTANCE_BINS) -> Any:
    """Return 1, ..., bins. [steps]"""
    return jnp.arange(1, bins + 1, dtype=jnp.float32)


def cost_atoms() -> Any:
    """Return the atoms of the cost critic, shape (COST_BINS,)."""
    return jnp.asarray(np.linspace(0.0, COST_HIGH, COST_BINS), dtype=jnp.float32)


class Actor(eqx.Module):
    """pi: features to an action in [-1, 1]^k."""

    mlp: eqx.nn.MLP

    def __init__(self, features: int, actions: int, width: int, key: Any):
        self.mlp = eqx.nn.MLP(features, actions, width, 2, dtype=jnp.float32, key=key)

    def __call__(self, features: Any) -> Any:
        """Return the action, shape (k,)."""
        return jnp.tanh(self.mlp(features))


class Critic(eqx.Module):
    """Features and action to logits over bins; the action joins at the second layer."""

    first: eqx.nn.Linear
    second: eqx.nn.Linear
    last: eqx.nn.Linear

    def __init__(self, features: int, actions: int, width: int, bins: int, key: Any):
        a, b, c = jax.random.split(key, 3)
        self.first = eqx.nn.Linear(features, width, dtype=jnp.float32, key=a)
        self.second = eqx.nn.Linear(width + actions, width, dtype=jnp.float32, key=b)
        self.last = eqx.nn.Linear(width, bins, dtype=jnp.float32, key=c)

    def __call__(self, features: Any, action: Any) -> Any:
        """Return logits, shape (bins,)."""
        hidden = jax.nn.relu(self.first(features))
        hidden = jax.nn.relu(self.second(jnp.concatenate([hidden, action])))
        return self.last(hidden)


class Networks(eqx.Module):
    """What is learned; the members of each ensemble are stacked along a first axis."""

    actor: Actor
    distance: Critic
    cost: Critic
    bins: int = eqx.field(static=True)
    """Of the distance critic."""

    def __init__(
        self, features: int, actions: int, width: int, members: int, key: Any, bins: int = DISTANCE_BINS
    ):
        a, d, c = jax.random.split(key, 3)
        self.bins = bins
        self.actor = Actor(features, actions, width, a)

        def stack(key: Any, bins: int) -> Critic:
            return eqx.filter_vmap(lambda k: Critic(features, actions, width, bins, k))(
                jax.random.split(key, members)
            )

        self.distance = stack(d, bins)
        self.cost = stack(c, COST_BINS)


def act(actor: Actor, features: Any) -> Any:
    """Return actions, shape (batch, k)."""
    return jax.vmap(actor)(features)


def logits(critic: Critic, features: Any, actions: Any) -> Any:
    """Return the members' logits, shape (members, batch, bins)."""
    return eqx.filter_vmap(lambda one: jax.vmap(one)(features, actions))(critic)


def expectation_of(critic: Critic, features: Any, actions: Any, atoms: Any) -> Any:
    """Return the members' means, shape (members, batch)."""
    return expectation(logits(critic, features, actions), atoms)
