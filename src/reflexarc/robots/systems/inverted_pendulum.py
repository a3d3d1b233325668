# SPDX-License-Identifier: Apache-2.0
r"""A damped inverted pendulum with bounded torque.

    theta'' = g / L sin(theta) - b / (m L^2) theta' + u / (m L^2)

Failure is |(theta, theta')| > 1.5. The source bounds the torque at +-10 N m, which is just enough to hold the
pendulum at 1.5 rad; near there a falling pendulum cannot be caught, so that part of the allowed disk is doomed.
"""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.system import Box, Coordinate, System

MASS, LENGTH, DAMPING, GRAVITY = 1.0, 1.0, 0.01, 9.8
"""[kg], [m], [N m s], [m/s^2]"""
MAX_TORQUE = 10.0
"""[N m]"""
UNSAFE_RADIUS = 1.5
"""Norm of the state (angle in rad, rate in rad/s) that is a failure."""
SAFE_RADIUS = 0.5
"""Norm of the state that the source calls safe."""
TARGET = 1.2
"""Angle that the nominal controller leans to: near the failure set, and overshot. [rad]"""


def _drift(x):
    return jnp.stack([x[1], GRAVITY / LENGTH * jnp.sin(x[0]) - DAMPING / (MASS * LENGTH**2) * x[1]])


def _actuation(x):
    return jnp.array([[0.0], [1.0 / (MASS * LENGTH**2)]])


def _margin(x):
    return UNSAFE_RADIUS - jnp.sqrt(x[0] ** 2 + x[1] ** 2 + 1e-12)


def _lean(x):
    torque = -MASS * GRAVITY * LENGTH * jnp.sin(x[0]) + 6.0 * (TARGET - x[0]) - 1.0 * x[1]
    return jnp.clip(jnp.stack([torque]), -MAX_TORQUE, MAX_TORQUE)


def _reward(x):
    return -jnp.abs(x[0] - TARGET)


INVERTED_PENDULUM = System(
    name="inverted_pendulum",
    source="neural_clbf (Dawson et al., CoRL 2021), systems/inverted_pendulum.py",
    state=(Coordinate("theta", "rad"), Coordinate("theta_dot", "rad/s")),
    input=(Coordinate("u", "N m"),),
    f=_drift,
    g=_actuation,
    inputs=Box(np.array([-MAX_TORQUE]), np.array([MAX_TORQUE])),
    margin=_margin,
    nominal=_lean,
    reward=_reward,
    low=np.array([-2.0, -2.0]),
    high=np.array([2.0, 2.0]),
    period=0.01,
    steps=500,
)
