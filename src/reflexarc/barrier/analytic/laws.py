# SPDX-License-Identifier: Apache-2.0
"""Backup laws: brake, hold, gravity-compensated stop. Traceable policies (n,) -> (m,) within the input bounds."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.systems.system import System

Policy = Callable[[Any], Any]


def box_of(system: System) -> tuple[Array, Array]:
    """Return lower and upper bounds (m,) of a box of inputs; `ConfigError` for a ball."""
    if system.inputs.kind != "box":
        raise ConfigError(f"{system.name}: this backup law needs a box of inputs; none was made")
    return np.asarray(system.inputs.lower), np.asarray(system.inputs.upper)


def brake(system: System, speeds: Sequence[int], inputs: Sequence[int], gain: float, period: float) -> Policy:
    """Return the law that stops the coordinates `speeds` as fast as their inputs allow, all in the same proportion.

    u_j = -s v_i / (gain T), with the common s in (0, 1] that brings all of them into the bounds: the velocity keeps
    its direction, and once it can be stopped within a period it is stopped exactly.

    Args:
        system: with a box of inputs that contains zero.
        speeds: indices of the speeds in the state.
        inputs: index of the input that accelerates each.
        gain: acceleration per unit of input.
        period: T, for which the input is held. [s]
    """
    lower, upper = box_of(system)
    chosen = np.asarray(inputs)

    def law(x):
        wanted = -x[np.asarray(speeds)] / (gain * period)
        limit = jnp.where(wanted < 0.0, -lower[chosen], upper[chosen])
        share = jnp.min(limit / jnp.maximum(jnp.abs(wanted), limit))
        return jnp.zeros(system.m).at[chosen].set(share * wanted)

    return law


def hold(system: System, u: Array) -> Policy:
    """Return the law that gives the constant input u, e.g. that of an equilibrium.

    Raises:
        ConfigError: u is not admissible.
    """
    lower, upper = box_of(system)
    constant = np.asarray(u, dtype=np.float64)
    if constant.shape != (system.m,) or not ((constant >= lower) & (constant <= upper)).all():
        raise ConfigError(
            f"{system.name}: {constant.tolist()} is not within {lower.tolist()} .. {upper.tolist()}; no law was made"
        )
    return lambda x: jnp.asarray(constant) + 0.0 * x[0]


def gravity_compensated_stop(system: System, gravity: Policy, rates: Sequence[int], damping: float) -> Policy:
    """Return u = clip(gravity(x) - damping * rates): holds the pose against gravity and damps the motion.

    Args:
        system: with a box of inputs.
        gravity: input that balances gravity in the pose of x.
        rates: indices of the velocities, one per input.
        damping: [input units per velocity]
    """
    lower, upper = box_of(system)

    def law(x):
        return jnp.clip(gravity(x) - damping * x[np.asarray(rates)], lower, upper)

    return law
