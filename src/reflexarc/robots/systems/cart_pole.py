# SPDX-License-Identifier: Apache-2.0
r"""Cart-pole with the state limits of safe-control-gym's CBF example.

With half length l, cart M, pole m, total T = M + m (Barto, Sutton, Anderson 1983):

    a       = (F + m l theta'^2 sin(theta)) / T
    theta'' = (g sin(theta) - cos(theta) a) / (l (4/3 - m cos(theta)^2 / T))
    x''     = a - m l theta'' cos(theta) / T

The margin is relative: 1 at the origin, 0 where one coordinate reaches its limit.
"""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.system import Box, Coordinate, System

GRAVITY = 9.8
"""[m/s^2]"""
CART, POLE = 1.0, 0.1
"""[kg]"""
HALF_LENGTH = 0.5
"""Half of the pole's 1 m. [m]"""
MAX_FORCE = 10.0
"""[N]"""
LIMITS = (2.0, 2.0, 0.2, 2.0)
"""|x| [m], |x'| [m/s], |theta| [rad], |theta'| [rad/s]."""
START = (0.4, -0.4, -0.18, -0.4)
"""Start of the source's example."""
LQR = (-3.16227766, -5.822351243, -47.81308348, -12.65127704)
"""Gain of u = -K x for unit state and 0.1 input weights on the linearised system: what the backup law uses."""
TARGET = 2.2
"""Cart position that the nominal controller goes to: outside the limits. [m]"""

_TOTAL = CART + POLE


def _parts(x):
    sin, cos = jnp.sin(x[2]), jnp.cos(x[2])
    lever = HALF_LENGTH * (4.0 / 3.0 - POLE * cos * cos / _TOTAL)
    return sin, cos, lever


def _drift(x):
    sin, cos, lever = _parts(x)
    pull = POLE * HALF_LENGTH * x[3] ** 2 * sin / _TOTAL
    tilt = (GRAVITY * sin - cos * pull) / lever
    return jnp.stack([x[1], pull - POLE * HALF_LENGTH * tilt * cos / _TOTAL, x[3], tilt])


def _actuation(x):
    _, cos, lever = _parts(x)
    tilt = -cos / (_TOTAL * lever)
    push = 1.0 / _TOTAL - POLE * HALF_LENGTH * tilt * cos / _TOTAL
    zero = jnp.zeros_like(push)
    return jnp.stack([zero, push, zero, tilt])[:, None]


def _margin(x):
    return 1.0 - jnp.max(jnp.abs(x) / jnp.asarray(LIMITS))


def ellipsoid(x):
    """Return h = 1 - sum (x_i / limit_i)^2, the source's barrier; its gradient's part along the input can vanish."""
    return 1.0 - jnp.sum((x / jnp.asarray(LIMITS)) ** 2)


def _to_target(x):
    error = x - jnp.array([TARGET, 0.0, 0.0, 0.0])
    return jnp.clip(-jnp.sum(jnp.asarray(LQR) * error, keepdims=True), -MAX_FORCE, MAX_FORCE)


def _reward(x):
    return -jnp.abs(x[0] - TARGET)


CART_POLE = System(
    name="cart_pole",
    source="safe-control-gym (Yuan et al., RA-L 2022), examples/cbf",
    state=(
        Coordinate("x", "m"),
        Coordinate("v", "m/s"),
        Coordinate("theta", "rad"),
        Coordinate("theta_dot", "rad/s"),
    ),
    input=(Coordinate("F", "N"),),
    f=_drift,
    g=_actuation,
    inputs=Box(np.array([-MAX_FORCE]), np.array([MAX_FORCE])),
    margin=_margin,
    nominal=_to_target,
    reward=_reward,
    low=-1.2 * np.array(LIMITS),
    high=1.2 * np.array(LIMITS),
    period=0.04,
    steps=250,
)
