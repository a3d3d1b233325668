# SPDX-License-Identifier: Apache-2.0
r"""A control-affine model learned from transitions, with a bound on its error.

    x' = f(z) + g(z) u,   z = (x - centre) / scale,

f and g are networks, fitted to (x_{t+1} - x_t) / dt_t with each transition's own duration dt_t. (The published code
divides by 0.05 s whatever the data; a duration that is k times too long makes the filter's gain k times too high.)

The bound eps is the conformal quantile of |x' - f - g u| over held-out episodes: a further transition, exchangeable
with those, exceeds it with probability at most `share`. The filter subtracts |grad V| eps from its row, which is the
most that such an error can change the rate of V.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from reflexarc.barrier.learn.calibration import hold_out
from reflexarc.barrier.learn.learner import config_from
from reflexarc.barrier.learn.networks import Params, apply_mlp, init_mlp, scaling
from reflexarc.barrier.learn.transitions import Transitions
from reflexarc.core.errors import ConfigError
from reflexarc.core.training import fit
from reflexarc.core.types import Array


@dataclass(frozen=True)
class DynamicsConfig:
    """Parameters of the fit."""

    steps: int = 5000
    batch: int = 512
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 3e-3
    """Of Adam, with a cosine decay to a hundredth."""
    held_out: float = 0.1
    """Share of the episodes for the error bound."""
    share: float = 0.01
    """Share of transitions that may exceed the bound."""
    periodic: tuple[int, ...] = ()
    """Indices of angles that wrap at +-pi."""


@dataclass(frozen=True)
class LearnedDynamics:
    """The model of the module's equation."""

    drift: Params
    actuation: Params
    centre: Array
    scale: Array
    rate_scale: Array
    """Outputs are multiplied by this, shape (n,)."""
    error: float
    """eps: bound on |x' - f - g u|, Euclidean norm, in the state's units per second."""
    share: float
    """Share of transitions that may exceed it."""

    def affine(self, x: Array) -> tuple[Array, Array]:
        """Return f (batch, n) and g (batch, n, m) for states (batch, n)."""
        z = (x - self.centre) / self.scale
        f = _forward(self.drift, z) * self.rate_scale
        g = _forward(self.actuation, z).reshape(len(z), len(self.centre), -1) * self.rate_scale[:, None]
        return f, g


def fit_dynamics(data: Transitions, seed: int, config: Mapping[str, Any] | None = None) -> LearnedDynamics:
    """Fit f and g to `data`.

    Raises:
        ConfigError: unknown parameter, or data whose states never move.
    """
    c = config_from(DynamicsConfig, config or {}, "dynamics")
    move = data.next_x - data.x
    for i in c.periodic:
        move[:, i] = np.mod(move[:, i] + np.pi, 2.0 * np.pi) - np.pi
    rate = move / data.dt[:, None]
    size = rate.std(axis=0)
    if not (np.abs(rate) > 0.0).any():
        raise ConfigError("dynamics: the states never move; there is nothing to fit")
    size = np.where(size > 1e-9, size, 1.0)
    training, held = hold_out(data, c.held_out, seed)
    centre, scale = scaling(data.x[training])
    z = jnp.asarray((data.x[training] - centre) / scale, dtype=jnp.float32)
    u = jnp.asarray(data.u[training], dtype=jnp.float32)
    goal = jnp.asarray(rate[training] / size, dtype=jnp.float32)
    n, m = len(data.state), len(data.input)
    first, second = jax.random.split(jax.random.key(seed))
    weights = (
        init_mlp(first, (n, *c.hidden, n), "tanh"),
        init_mlp(second, (n, *c.hidden, n * m), "tanh", last=0.1),
    )
    optimiser = optax.adam(optax.cosine_decay_schedule(c.learning_rate, c.steps, 0.01))

    def step(state: Any, key: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        weights, memory = state
        rows = jax.random.randint(key, (c.batch,), 0, len(z))

        def loss(weights: Any) -> Any:
            f = apply_mlp(weights[0], z[rows], "tanh")
            g = apply_mlp(weights[1], z[rows], "tanh").reshape(-1, n, m)
            return ((f + jnp.einsum("bnm,bm->bn", g, u[rows]) - goal[rows]) ** 2).mean()

        error, gradient = jax.value_and_grad(loss)(weights)
        change, memory = optimiser.update(gradient, memory)
        return (optax.apply_updates(weights, change), memory), {"loss": error}

    (weights, _), _ = fit((weights, optimiser.init(weights)), step, c.steps, seed)
    drift, actuation = jax.tree.map(lambda w: np.asarray(w, dtype=np.float64), weights)
    model = LearnedDynamics(drift, actuation, centre, scale, size, np.inf, c.share)
    rows = held if len(held) else training
    f, g = model.affine(data.x[rows])
    residual = np.linalg.norm(rate[rows] - f - np.einsum("bnm,bm->bn", g, data.u[rows]), axis=1)
    return LearnedDynamics(
        drift, actuation, centre, scale, size, conformal_quantile(residual, c.share), c.share
    )


def conformal_quantile(scores: Array, share: float) -> float:
    """Return the k-th smallest score, k = ceil((n + 1) (1 - share)); inf where n is too small for `share`."""
    k = math.ceil((len(scores) + 1) * (1.0 - share))
    return float(np.sort(scores)[k - 1]) if k <= len(scores) else math.inf


def _forward(params: Params, z: Array) -> Array:
    for weight, bias in params[:-1]:
        z = np.tanh(z @ weight.T + bias)
    return z @ params[-1][0].T + params[-1][1]
