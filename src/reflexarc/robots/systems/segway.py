# SPDX-License-Identifier: Apache-2.0
r"""A Segway that must not hit a bar with its head, after neural_clbf.

The head is at (p + sin(theta), cos(theta)), the bar at (0, 1) with radius 0.15 m, the length of the rod 1 m. The
equations are the source's, numbers and all. The source bounds the input at +-1000, which is no bound; here it is
+-20, about twice what holds the largest lean of the task.
"""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.system import Box, Coordinate, System

BAR = (0.0, 1.0, 0.15)
"""x, y and radius of the bar. [m]"""
SAFE_FACTOR = 1.5
"""The source calls states safe from 1.5 times the radius."""
MAX_INPUT = 20.0
"""[the source's unit]"""
LQR = (-3.16227766, -22.99189038, -16.93702533, -8.765270894)
"""Gain of u = -K x for unit state and 0.1 input weights on the linearised system, state order as below."""
GOAL = 2.0
"""Position that the nominal controller goes to, beyond the bar. [m]"""


def _drift(x):
    _, theta, v, rate = x
    sin, cos = jnp.sin(theta), jnp.cos(theta)
    push = cos * (9.8 * sin + 11.5 * v) + 68.4 * v - 1.2 * rate**2 * sin
    turn = -58.8 * v * cos - 243.5 * v - sin * (208.3 + rate**2 * cos)
    return jnp.stack([v, rate, push / (cos - 24.7), turn / (cos**2 - 24.7)])


def _actuation(x):
    cos = jnp.cos(x[1])
    zero = jnp.zeros_like(cos)
    return jnp.stack([zero, zero, (-1.8 * cos - 10.9) / (cos - 24.7), (9.3 * cos + 38.6) / (cos**2 - 24.7)])[
        :, None
    ]


def _margin(x):
    return jnp.sqrt((x[0] + jnp.sin(x[1]) - BAR[0]) ** 2 + (jnp.cos(x[1]) - BAR[1]) ** 2 + 1e-12) - BAR[2]


def _to_goal(x):
    error = x - jnp.array([GOAL, 0.0, 0.0, 0.0])
    return jnp.clip(-jnp.sum(jnp.asarray(LQR) * error, keepdims=True), -MAX_INPUT, MAX_INPUT)


def _reward(x):
    return -jnp.abs(x[0] - GOAL)


SEGWAY = System(
    name="segway",
    source="neural_clbf (Dawson et al., CoRL 2021), systems/segway.py",
    state=(
        Coordinate("p", "m"),
        Coordinate("theta", "rad"),
        Coordinate("v", "m/s"),
        Coordinate("theta_dot", "rad/s"),
    ),
    input=(Coordinate("u", "1"),),
    f=_drift,
    g=_actuation,
    inputs=Box(np.array([-MAX_INPUT]), np.array([MAX_INPUT])),
    margin=_margin,
    nominal=_to_goal,
    reward=_reward,
    low=np.array([-3.0, -np.pi / 2, -1.0, -3.0]),
    high=np.array([3.0, np.pi / 2, 1.0, 3.0]),
    period=0.01,
    steps=800,
    periodic=(1,),
)
