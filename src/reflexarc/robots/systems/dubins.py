# SPDX-License-Identifier: Apache-2.0
r"""The Dubins car of GCBF+ among rectangles: x' = v cos(theta), y' = v sin(theta), theta' = 20 omega, v' = a.

One car, with a fixed draw of the source's random obstacles. The source clips the speed to +-0.8 m/s inside its
simulator; here the speed is a state like others, the nominal controller keeps to the limit, and a filter that lets
it grow has to say so with a row of its own (`SPEED_LIMIT`).
"""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.rectangles import gaps, scattered
from reflexarc.robots.systems.system import Box, Coordinate, System

RADIUS = 0.05
"""Of the car. [m]"""
AREA = 4.0
"""Side of the square. [m]"""
SPEED_LIMIT = 0.8
"""[m/s]"""
TURN_GAIN = 20.0
"""theta' = 20 omega: the input is bounded at +-3, so that the car turns at up to 60 rad/s."""
OBSTACLES = scattered(8, (0.1, 0.6), AREA, seed=4)
"""Eight rectangles with sides of 0.1 m to 0.6 m."""
GOAL = (3.6, 3.6)
"""[m]"""


def _drift(x):
    return jnp.stack([x[3] * jnp.cos(x[2]), x[3] * jnp.sin(x[2]), 0.0 * x[3], 0.0 * x[3]])


def _actuation(x):
    return jnp.array([[0.0, 0.0], [0.0, 0.0], [TURN_GAIN, 0.0], [0.0, 1.0]])


def _margin(x):
    return jnp.min(gaps(OBSTACLES, x[:2])) - RADIUS


def _to_goal(x):
    """Reference controller in the manner of the source: turn to the goal, PD on the speed (gains 1, 2.3, 2.5)."""
    dx, dy = GOAL[0] - x[0], GOAL[1] - x[1]
    bearing = jnp.arctan2(dy, dx) - x[2]
    bearing = jnp.arctan2(jnp.sin(bearing), jnp.cos(bearing))
    reach = jnp.minimum(jnp.sqrt(dx * dx + dy * dy + 1e-12), 0.5)
    speed = jnp.clip(2.3 / 2.5 * reach * jnp.cos(bearing), -0.9 * SPEED_LIMIT, 0.9 * SPEED_LIMIT)
    return jnp.clip(jnp.stack([bearing, 2.5 * (speed - x[3])]), -3.0, 3.0)


def _reward(x):
    return -jnp.sqrt((GOAL[0] - x[0]) ** 2 + (GOAL[1] - x[1]) ** 2 + 1e-12)


DUBINS = System(
    name="dubins",
    source="Zhang et al., GCBF+, T-RO 2025, and its code (env/dubins_car.py)",
    state=(Coordinate("x", "m"), Coordinate("y", "m"), Coordinate("theta", "rad"), Coordinate("v", "m/s")),
    input=(Coordinate("omega", "rad/s"), Coordinate("a", "m/s^2")),
    f=_drift,
    g=_actuation,
    inputs=Box(np.array([-3.0, -3.0]), np.array([3.0, 3.0])),
    margin=_margin,
    nominal=_to_goal,
    reward=_reward,
    low=np.array([0.0, 0.0, -np.pi, -SPEED_LIMIT]),
    high=np.array([AREA, AREA, np.pi, SPEED_LIMIT]),
    period=0.03,
    steps=256,
    periodic=(2,),
)
