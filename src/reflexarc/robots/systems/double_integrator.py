# SPDX-License-Identifier: Apache-2.0
r"""A point on a line that must stop before a wall: x'' = u, |u| <= 1, failure x > 0.

The largest safe set is known in closed form, {x + max(v, 0)^2 / 2 <= 0}, which makes this system the ladder on
which sampling periods, delays and gains are judged.
"""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.system import Box, Coordinate, System

MAX_ACCELERATION = 1.0
"""[m/s^2]"""


def _drift(x):
    return jnp.stack([x[1], jnp.zeros_like(x[1])])


def _actuation(x):
    return jnp.array([[0.0], [1.0]])


def _margin(x):
    return -x[0]


def _full_ahead(x):
    return jnp.full((1,), MAX_ACCELERATION)


def _reward(x):
    return -jnp.abs(x[0])


def stopping_margin(x):
    """Return h(x) = -x - max(v, 0)^2 / (2 a): the exact barrier, relative degree 1. [m]"""
    return -x[0] - jnp.maximum(x[1], 0.0) ** 2 / (2.0 * MAX_ACCELERATION)


DOUBLE_INTEGRATOR = System(
    name="double_integrator",
    source="the standard example, with the wall at 0, start x = -4, v = 0 and nominal input +1",
    state=(Coordinate("x", "m"), Coordinate("v", "m/s")),
    input=(Coordinate("u", "m/s^2"),),
    f=_drift,
    g=_actuation,
    inputs=Box(np.array([-MAX_ACCELERATION]), np.array([MAX_ACCELERATION])),
    margin=_margin,
    nominal=_full_ahead,
    reward=_reward,
    low=np.array([-5.0, -3.0]),
    high=np.array([1.0, 3.0]),
    period=0.02,
    steps=750,
)
