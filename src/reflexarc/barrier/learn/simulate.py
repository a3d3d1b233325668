# SPDX-License-Identifier: Apache-2.0
"""A system's functions, compiled and batched: what data generation and the closed loop step with."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.types import Array
from reflexarc.robots.systems.system import Ball, Box, System


class Batched(NamedTuple):
    """The functions of a `System` for batches; each takes and returns arrays with the batch first."""

    step: Any
    """(batch, n), (batch, m), period [s] -> (batch, n): RK4 with the input held."""
    affine: Any
    """(batch, n) -> f (batch, n), g (batch, n, m)."""
    margin: Any
    """(batch, n) -> (batch,)."""
    nominal: Any
    """(batch, n) -> (batch, m)."""
    reward: Any
    """(batch, n) -> (batch,)."""


_COMPILED: dict[int, tuple[System, Batched]] = {}
"""By the system's identity; the system is kept, so that the identity stays its own."""


def batched(system: System) -> Batched:
    """Return the compiled functions of `system`; the same object is compiled once."""
    if id(system) not in _COMPILED:
        _COMPILED[id(system)] = (system, _compile(system))
    return _COMPILED[id(system)][1]


def _compile(system: System) -> Batched:
    def rate(x: Any, u: Any) -> Any:
        return system.f(x) + system.g(x) @ u

    def step(x: Any, u: Any, h: Any) -> Any:
        a = rate(x, u)
        b = rate(x + 0.5 * h * a, u)
        c = rate(x + 0.5 * h * b, u)
        d = rate(x + h * c, u)
        return wrap(system, x + h / 6.0 * (a + 2.0 * b + 2.0 * c + d))

    return Batched(
        jax.jit(jax.vmap(step, in_axes=(0, 0, None))),
        jax.jit(jax.vmap(lambda x: (system.f(x), system.g(x)))),
        jax.jit(jax.vmap(system.margin)),
        jax.jit(jax.vmap(system.nominal)),
        jax.jit(jax.vmap(system.reward)),
    )


def wrap(system: System, x: Any) -> Any:
    """Bring the angles of one state to [-pi, pi)."""
    for i in system.periodic:
        x = x.at[i].set(jnp.mod(x[i] + jnp.pi, 2.0 * jnp.pi) - jnp.pi)
    return x


def clip_inputs(inputs: Box | Ball, u: Array) -> Array:
    """Return the nearest admissible inputs for u of shape (batch, m)."""
    if isinstance(inputs, Box):
        return np.clip(u, inputs.lower, inputs.upper)
    length = np.linalg.norm(u, axis=1, keepdims=True)
    return u * np.minimum(1.0, inputs.radius / np.maximum(length, 1e-12))


def random_inputs(inputs: Box | Ball, count: int, rng: np.random.Generator) -> Array:
    """Return inputs spread over the bounds, half of them on the boundary, shape (count, m)."""
    if isinstance(inputs, Box):
        u = rng.uniform(inputs.lower, inputs.upper, (count, len(inputs.lower)))
        corner = np.where(rng.random(u.shape) < 0.5, inputs.lower, inputs.upper)
        return np.where(rng.random((count, 1)) < 0.5, corner, u)
    u = rng.normal(size=(count, inputs.size))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    share = np.where(rng.random(count) < 0.5, 1.0, rng.random(count) ** (1.0 / inputs.size))
    return inputs.radius * u * share[:, None]


def input_bounds(inputs: Box | Ball) -> tuple[Array, Array]:
    """Return the box around the admissible inputs."""
    if isinstance(inputs, Box):
        return np.asarray(inputs.lower, dtype=float), np.asarray(inputs.upper, dtype=float)
    full = np.full(inputs.size, inputs.radius)
    return -full, full
