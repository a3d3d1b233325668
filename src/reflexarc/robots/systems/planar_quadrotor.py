# SPDX-License-Identifier: Apache-2.0
r"""Two planar quadrotors: the small one of safe-control-gym (A) and the large one of neural_clbf (B).

A: state (x, x', z, z', theta, theta'),  x'' = sin(theta) (T_1 + T_2) / m,  z'' = cos(theta) (T_1 + T_2) / m - g,
   theta'' = L (T_2 - T_1) / (sqrt(2) I)
B: state (p_x, p_z, theta, v_x, v_z, theta'),  v_x' = -sin(theta) (u_r + u_l) / m,
   v_z' = cos(theta) (u_r + u_l) / m - g,  theta'' = r (u_r - u_l) / I
"""

import math

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.rectangles import Rectangles, gaps
from reflexarc.robots.systems.system import Box, Coordinate, System

GRAVITY = 9.8
"""[m/s^2]"""
MASS_A, INERTIA_A, ARM_A = 0.027, 1.4e-5, 0.0397
"""[kg], [kg m^2], [m]"""
LIMIT_A = (2.0, 2.0, math.radians(85.0))
"""|x| [m], |z| [m], |theta| [rad]."""
THRUST_A = (0.0563, 0.2967)
"""Least and largest thrust of a pair of motors: 2 * 3.16e-10 N/rpm^2 (0.2685 PWM + 4070.3 rpm)^2 for PWM 20,000 and
65,535, the Crazyflie's model in the source. [N]"""
TARGET_A = (2.5, 0.5)
"""x, z that the nominal controller flies to: outside the box. [m]"""
MASS_B, INERTIA_B, ARM_B = 1.0, 0.01, 0.25
"""[kg], [kg m^2], [m]"""
SPREAD_B = 4.0
"""Each rotor gives m g / 2 +- 4 N. [N]"""
FLOOR_B = -0.3
"""[m]"""
BOXES_B = Rectangles(
    centre=np.array([[-0.75, 0.05], [0.5, 1.1]]),
    half=np.array([[0.25, 0.45], [0.5, 0.3]]),
    angle=np.zeros(2),
)
"""[-1, -0.5] x [-0.4, 0.5] and [0, 1] x [0.8, 1.4]."""
TARGET_B = (1.5, 0.0)
"""[m]"""

_HOVER_A, _HOVER_B = 0.5 * MASS_A * GRAVITY, 0.5 * MASS_B * GRAVITY


def _drift_a(x):
    zero = jnp.zeros_like(x[0])
    return jnp.stack([x[1], zero, x[3], zero - GRAVITY, x[5], zero])


def _actuation_a(x):
    side, up = jnp.sin(x[4]) / MASS_A, jnp.cos(x[4]) / MASS_A
    zero, turn = jnp.zeros_like(side), ARM_A / (math.sqrt(2.0) * INERTIA_A)
    left = jnp.stack([zero, side, zero, up, zero, zero - turn])
    right = jnp.stack([zero, side, zero, up, zero, zero + turn])
    return jnp.stack([left, right], axis=1)


def _margin_a(x):
    return 1.0 - jnp.maximum(
        jnp.maximum(jnp.abs(x[0]) / LIMIT_A[0], jnp.abs(x[2]) / LIMIT_A[1]), jnp.abs(x[4]) / LIMIT_A[2]
    )


def thrusts(total, torque, hover, lever, low, high):
    """Return the two thrusts (second minus first times lever = torque) within the bounds, torque first.

    Args:
        total: wanted sum of thrusts. [N]
        torque: wanted moment. [N m]
        hover: half of the weight. [N]
        lever: of each thrust. [m]
        low: least thrust. [N]
        high: largest thrust. [N]
    """
    span = 0.5 * (high - low)
    difference = jnp.clip(0.5 * torque / lever, -0.9 * span, 0.9 * span)
    mean = jnp.clip(0.5 * total, low + jnp.abs(difference), high - jnp.abs(difference))
    return jnp.stack([mean - difference, mean + difference])


def _fly_a(x):
    """Cascade: position to tilt (at most 0.6 rad), tilt to torque; PD gains in 1/s^2 and 1/s."""
    wanted = jnp.clip(1.5 * (TARGET_A[0] - x[0]) - 1.8 * x[1], -4.0, 4.0)
    tilt = jnp.clip(wanted / GRAVITY, -0.6, 0.6)
    lift = GRAVITY + jnp.clip(3.0 * (TARGET_A[1] - x[2]) - 3.0 * x[3], -4.0, 4.0)
    torque = INERTIA_A * (144.0 * (tilt - x[4]) - 20.0 * x[5])
    total = MASS_A * lift / jnp.maximum(jnp.cos(x[4]), 0.5)
    return thrusts(total, torque, _HOVER_A, ARM_A / math.sqrt(2.0), *THRUST_A)


def _reward_a(x):
    return -jnp.sqrt((x[0] - TARGET_A[0]) ** 2 + (x[2] - TARGET_A[1]) ** 2 + 1e-12)


def _drift_b(x):
    zero = jnp.zeros_like(x[0])
    return jnp.stack([x[3], x[4], x[5], zero, zero - GRAVITY, zero])


def _actuation_b(x):
    side, up = -jnp.sin(x[2]) / MASS_B, jnp.cos(x[2]) / MASS_B
    zero, turn = jnp.zeros_like(side), ARM_B / INERTIA_B
    return jnp.stack(
        [
            jnp.stack([zero, zero, zero, side, up, zero + turn]),
            jnp.stack([zero, zero, zero, side, up, zero - turn]),
        ],
        axis=1,
    )


def _margin_b(x):
    return jnp.minimum(x[1] - FLOOR_B, jnp.min(gaps(BOXES_B, x[:2])))


def _fly_b(x):
    wanted = jnp.clip(1.0 * (TARGET_B[0] - x[0]) - 1.6 * x[3], -3.0, 3.0)
    tilt = jnp.clip(-wanted / GRAVITY, -0.5, 0.5)
    lift = GRAVITY + jnp.clip(2.0 * (TARGET_B[1] - x[1]) - 2.5 * x[4], -3.0, 3.0)
    torque = INERTIA_B * (100.0 * (tilt - x[2]) - 18.0 * x[5])
    total = MASS_B * lift / jnp.maximum(jnp.cos(x[2]), 0.5)
    left_right = thrusts(total, torque, _HOVER_B, ARM_B, _HOVER_B - SPREAD_B, _HOVER_B + SPREAD_B)
    return left_right[::-1]


def _reward_b(x):
    return -jnp.sqrt((x[0] - TARGET_B[0]) ** 2 + (x[1] - TARGET_B[1]) ** 2 + 1e-12)


QUADROTOR_A = System(
    name="planar_quadrotor_a",
    source="safe-control-gym (Yuan et al., RA-L 2022), planar quadrotor",
    state=(
        Coordinate("x", "m"),
        Coordinate("v_x", "m/s"),
        Coordinate("z", "m"),
        Coordinate("v_z", "m/s"),
        Coordinate("theta", "rad"),
        Coordinate("theta_dot", "rad/s"),
    ),
    input=(Coordinate("T_1", "N"), Coordinate("T_2", "N")),
    f=_drift_a,
    g=_actuation_a,
    inputs=Box(np.full(2, THRUST_A[0]), np.full(2, THRUST_A[1])),
    margin=_margin_a,
    nominal=_fly_a,
    reward=_reward_a,
    low=np.array([-2.0, -2.0, -2.0, -2.0, -LIMIT_A[2], -6.0]),
    high=np.array([2.0, 2.0, 2.0, 2.0, LIMIT_A[2], 6.0]),
    period=0.02,
    steps=400,
)
QUADROTOR_B = System(
    name="planar_quadrotor_b",
    source="neural_clbf (Dawson et al., CoRL 2021), systems/quad2d*.py",
    state=(
        Coordinate("p_x", "m"),
        Coordinate("p_z", "m"),
        Coordinate("theta", "rad"),
        Coordinate("v_x", "m/s"),
        Coordinate("v_z", "m/s"),
        Coordinate("theta_dot", "rad/s"),
    ),
    input=(Coordinate("u_r", "N"), Coordinate("u_l", "N")),
    f=_drift_b,
    g=_actuation_b,
    inputs=Box(np.full(2, _HOVER_B - SPREAD_B), np.full(2, _HOVER_B + SPREAD_B)),
    margin=_margin_b,
    nominal=_fly_b,
    reward=_reward_b,
    low=np.array([-2.0, -2.0, -np.pi, -2.0, -2.0, -2.0 * np.pi]),
    high=np.array([2.0, 2.0, np.pi, 2.0, 2.0, 2.0 * np.pi]),
    period=0.02,
    steps=400,
    periodic=(2,),
)
