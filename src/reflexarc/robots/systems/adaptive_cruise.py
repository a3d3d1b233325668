# SPDX-License-Identifier: Apache-2.0
r"""Adaptive cruise control: a car behind a leader of constant speed.

    v_f' = (F - F_r(v_f)) / m,    v_l' = 0,    D' = v_l - v_f,    F_r = 0.1 + 5 v + 0.25 v^2  [N]

Failure is a gap of less than 1.8 s of travel, D < 1.8 v_f (Ames et al. 2014; numbers as in cbfpy's example).
"""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.system import Box, Coordinate, System

MASS = 1650.0
"""[kg]"""
GRAVITY = 9.81
"""[m/s^2]"""
SHARE_OF_G = 0.3
"""Largest acceleration and braking by the wheels, in units of g."""
DRAG = (0.1, 5.0, 0.25)
"""Rolling resistance and drag: constant [N], linear [N s/m], quadratic [N s^2/m^2]."""
HEADWAY = 1.8
"""[s]"""
DESIRED_SPEED = 24.0
"""[m/s]"""
MAX_FORCE = SHARE_OF_G * MASS * GRAVITY
"""[N]"""


def _resistance(v):
    return DRAG[0] + DRAG[1] * v + DRAG[2] * v * v


def _drift(x):
    return jnp.stack([-_resistance(x[0]) / MASS, jnp.zeros_like(x[1]), x[1] - x[0]])


def _actuation(x):
    return jnp.array([[1.0 / MASS], [0.0], [0.0]])


def _margin(x):
    return x[2] - HEADWAY * x[0]


def headway_barrier(x):
    """Return h = D - 1.8 v_f - (v_l - v_f)^2 / (2 * 0.3 g): relative degree 1, always increasable by braking. [m]"""
    return _margin(x) - 0.5 * (x[1] - x[0]) ** 2 / (SHARE_OF_G * GRAVITY)


def _keep_speed(x):
    force = _resistance(x[0]) + 0.5 * MASS * (DESIRED_SPEED - x[0])
    return jnp.clip(jnp.stack([force]), -MAX_FORCE, MAX_FORCE)


def _reward(x):
    return -jnp.abs(x[0] - DESIRED_SPEED)


ADAPTIVE_CRUISE = System(
    name="adaptive_cruise",
    source="Ames, Grizzle, Tabuada, CDC 2014; numbers of cbfpy 0.1.0, adaptive_cruise_control_demo",
    state=(Coordinate("v_f", "m/s"), Coordinate("v_l", "m/s"), Coordinate("D", "m")),
    input=(Coordinate("F", "N"),),
    f=_drift,
    g=_actuation,
    inputs=Box(np.array([-MAX_FORCE]), np.array([MAX_FORCE])),
    margin=_margin,
    nominal=_keep_speed,
    reward=_reward,
    low=np.array([0.0, 5.0, 0.0]),
    high=np.array([35.0, 30.0, 150.0]),
    period=0.05,
    steps=400,
)
