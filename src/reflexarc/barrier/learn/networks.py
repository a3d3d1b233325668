# SPDX-License-Identifier: Apache-2.0
"""Small multilayer perceptrons in JAX, their export to numpy, and the losses that the learners share."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.barrier.learned import Activation, Mlp
from reflexarc.core.errors import ConfigError

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "softplus": jax.nn.softplus}
Params = Any
"""List of (weight (out, in), bias (out,)) per layer, float32."""


def init_mlp(key: Any, sizes: Sequence[int], activation: Activation = "relu", last: float = 1.0) -> Params:
    """Return weights for layers of `sizes`: He's variance for ReLU, Glorot's otherwise, zero biases.

    Args:
        key: JAX key.
        sizes: widths, input first and output last.
        activation: of the hidden layers.
        last: factor of the last layer's weights.

    Raises:
        ConfigError: unknown activation or fewer than two sizes.
    """
    if activation not in ACTIVATIONS or len(sizes) < 2:
        raise ConfigError(
            f"no network of widths {tuple(sizes)} with {activation!r}; allowed: {tuple(ACTIVATIONS)}"
        )
    layers = []
    for i, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        key, now = jax.random.split(key)
        spread = (2.0 / fan_in) ** 0.5 if activation == "relu" else (2.0 / (fan_in + fan_out)) ** 0.5
        factor = last if i == len(sizes) - 2 else 1.0
        weight = factor * spread * jax.random.normal(now, (fan_out, fan_in), dtype=jnp.float32)
        layers.append((weight, jnp.zeros(fan_out, dtype=jnp.float32)))
    return layers


def init_ensemble(
    key: Any, members: int, sizes: Sequence[int], activation: Activation = "relu", last: float = 1.0
) -> Params:
    """Return weights of `members` networks, stacked along a first axis."""
    return jax.vmap(lambda k: init_mlp(k, sizes, activation, last))(jax.random.split(key, members))


def apply_mlp(params: Params, x: Any, activation: Activation = "relu") -> Any:
    """Return the outputs (batch, out) for x (batch, in)."""
    function = ACTIVATIONS[activation]
    for weight, bias in params[:-1]:
        x = function(x @ weight.T + bias)
    weight, bias = params[-1]
    return x @ weight.T + bias


def apply_ensemble(params: Params, x: Any, activation: Activation = "relu") -> Any:
    """Return the single outputs (members, batch) of a stacked ensemble."""
    return jax.vmap(lambda p: apply_mlp(p, x, activation)[:, 0])(params)


def to_mlp(params: Params, activation: Activation) -> Mlp:
    """Export one network with one output to numpy."""
    return Mlp(
        tuple(np.asarray(weight, dtype=np.float64) for weight, _ in params),
        tuple(np.asarray(bias, dtype=np.float64) for _, bias in params),
        activation,
    )


def to_mlps(params: Params, activation: Activation) -> tuple[Mlp, ...]:
    """Export every member of a stacked ensemble."""
    members = len(params[0][0])
    return tuple(to_mlp([(w[k], b[k]) for w, b in params], activation) for k in range(members))


def expectile_loss(difference: Any, tau: Any) -> Any:
    """Return |tau - 1{d < 0}| d^2 per entry: minimised by the tau-expectile of what the prediction is taken from.

    tau = 0.5 is least squares; tau towards 1 approaches the maximum.
    """
    return jnp.where(difference > 0.0, tau, 1.0 - tau) * difference**2


def polyak(target: Params, online: Params, rate: float) -> Params:
    """Return the target network moved by `rate` towards the online one."""
    return jax.tree.map(lambda t, o: t + rate * (o - t), target, online)


def scaling(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return centre and scale that bring the columns of x to about [-1, 1]: the middle and half of the range."""
    low, high = x.min(axis=0), x.max(axis=0)
    return 0.5 * (low + high), np.maximum(0.5 * (high - low), 1e-6)
