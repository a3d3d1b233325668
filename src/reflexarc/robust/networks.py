# SPDX-License-Identifier: Apache-2.0
"""Actor and disturber as Gaussian policies, and one critic with a head for each thing that is added up."""

import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

HEADS = ("reward", "cost", "intensity")
"""What the critic foresees: the actor's whole reward, the cost, the disturbance's intensity."""


class Perceptron(eqx.Module):
    """Layers with ELU between; no hidden layer: one linear map."""

    layers: list[eqx.nn.Linear]

    def __init__(self, inputs: int, outputs: int, hidden: Sequence[int], key: Any, scale: float = 1.0):
        sizes = (inputs, *hidden, outputs)
        keys = jax.random.split(key, len(sizes) - 1)
        orthogonal = jax.nn.initializers.orthogonal
        layers = []
        for i, (a, b, k) in enumerate(zip(sizes[:-1], sizes[1:], keys, strict=True)):
            size = scale if i == len(sizes) - 2 else math.sqrt(2.0)
            layer = eqx.nn.Linear(a, b, key=k)
            layer = eqx.tree_at(
                lambda m: (m.weight, m.bias), layer, (orthogonal(size)(k, (b, a)), jnp.zeros(b))
            )
            layers.append(layer)
        self.layers = layers

    def __call__(self, x: Any) -> Any:
        """Shape (inputs,) to (outputs,)."""
        for layer in self.layers[:-1]:
            x = jax.nn.elu(layer(x))
        return self.layers[-1](x)


class Gaussian(eqx.Module):
    """A policy whose standard deviation does not depend on what is seen and never falls below a floor."""

    mean: Perceptron
    log_std: Any

    def __init__(self, inputs: int, outputs: int, hidden: Sequence[int], std: float, key: Any):
        self.mean = Perceptron(inputs, outputs, hidden, key, 0.01)
        self.log_std = jnp.full(outputs, math.log(std))

    def density(self, seen: Any, raw: Any, floor: float) -> tuple[Any, Any]:
        """Return log-probabilities of n raw outputs, shape (n,), and the entropy."""
        log_std = jnp.maximum(self.log_std, math.log(floor))
        z = (raw - jax.vmap(self.mean)(seen)) * jnp.exp(-log_std)
        each = -0.5 * z**2 - log_std - 0.5 * math.log(2.0 * math.pi)
        return each.sum(axis=-1), (log_std + 0.5 * math.log(2.0 * math.pi * math.e)).sum()

    def sample(self, seen: Any, key: Any, floor: float) -> Any:
        """Return raw outputs of n rows, shape (n, k)."""
        mean = jax.vmap(self.mean)(seen)
        spread = jnp.exp(jnp.maximum(self.log_std, math.log(floor)))
        return mean + spread * jax.random.normal(key, mean.shape)


class Players(eqx.Module):
    """What is learned."""

    actor: Gaussian
    disturber: Gaussian
    critic: Perceptron

    def __init__(
        self,
        observation: int,
        action: int,
        disturbance: int,
        hidden: Sequence[Sequence[int]],
        std: Sequence[float],
        key: Any,
    ):
        """Start with small outputs.

        Args:
            observation: entries that all see.
            action: of the actor.
            disturbance: of the disturber.
            hidden: layers of actor, disturber, critic.
            std: standard deviations of actor and disturber at the start.
            key: of the weights.
        """
        a, b, c = jax.random.split(key, 3)
        self.actor = Gaussian(observation, action, hidden[0], std[0], a)
        self.disturber = Gaussian(observation, disturbance, hidden[1], std[1], b)
        self.critic = Perceptron(observation, len(HEADS), hidden[2], c)
