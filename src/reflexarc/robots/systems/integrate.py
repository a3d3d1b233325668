# SPDX-License-Identifier: Apache-2.0
"""Integration of a `System` between two inputs: fourth-order Runge-Kutta, zero-order hold, batches by `vmap`.

For the double integrators the step is exact (the solution is a polynomial of degree 2 in time). Angles are wrapped
to [-pi, pi) after each step. All arithmetic is in double precision, whatever JAX's setting is.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import Ball, System

LONGEST_SUBSTEP = 0.01
"""Runge-Kutta steps are no longer than this. [s]"""

Stepper = Callable[[Array, Array], Array]


def rk4(system: System, x, u, dt: float):
    """Return the state (n,) after `dt` with the input u (m,) held; traceable, angles not wrapped."""

    def rate(state):
        return system.f(state) + system.g(state) @ u

    k1 = rate(x)
    k2 = rate(x + 0.5 * dt * k1)
    k3 = rate(x + 0.5 * dt * k2)
    k4 = rate(x + dt * k3)
    return x + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


def wrap(system: System, x):
    """Wrap the periodic coordinates of x, shape (n,), to [-pi, pi); traceable."""
    if not system.periodic:
        return x
    mask = np.zeros(system.n, dtype=bool)
    mask[list(system.periodic)] = True
    return jnp.where(mask, (x + jnp.pi) % (2.0 * jnp.pi) - jnp.pi, x)


def held_path(system: System, dt: float | None = None, longest: float = LONGEST_SUBSTEP) -> Callable:
    """Return a traceable function of x (n,) and u (m,) that gives the path over one period, (substeps, n).

    The last entry is the state at the end of the period, the others let a caller look between the samples.

    Args:
        system: what to integrate.
        dt: period; None takes the system's. [s]
        longest: longest Runge-Kutta step. [s]

    Raises:
        ConfigError: a period or step that is not a positive number.
    """
    dt = system.period if dt is None else dt
    if not (math.isfinite(dt) and dt > 0.0 and longest > 0.0):
        raise ConfigError(f"period {dt} s and longest step {longest} s must be positive numbers")
    count = max(1, math.ceil(dt / longest - 1e-9))

    def along(x, u):
        def step(state, _):
            state = wrap(system, rk4(system, state, u, dt / count))
            return state, state

        return jax.lax.scan(step, x, None, length=count)[1]

    return along


def stepper(system: System, dt: float | None = None, longest: float = LONGEST_SUBSTEP) -> Stepper:
    """Return `held_path` compiled for states (batch, n) and inputs (batch, m): (substeps, batch, n)."""
    compiled = jax.jit(jax.vmap(held_path(system, dt, longest), out_axes=1))

    def advance(x: Array, u: Array) -> Array:
        with jax.enable_x64(True):
            return np.asarray(compiled(np.asarray(x, dtype=np.float64), np.asarray(u, dtype=np.float64)))

    return advance


def batched(function: Callable) -> Callable[[Array], Array]:
    """Compile a function of one state, e.g. `System.margin`, for states (batch, n), in double precision."""
    compiled = jax.jit(jax.vmap(function))

    def evaluate(x: Array) -> Array:
        with jax.enable_x64(True):
            return np.asarray(compiled(np.asarray(x, dtype=np.float64)))

    return evaluate


def clip_input(system: System, u: Array) -> Array:
    """Return inputs (batch, m) moved to the nearest admissible ones."""
    if isinstance(system.inputs, Ball):
        norm = np.linalg.norm(u, axis=1, keepdims=True)
        return u * np.minimum(1.0, system.inputs.radius / np.maximum(norm, 1e-300))
    return np.clip(u, system.inputs.lower, system.inputs.upper)
