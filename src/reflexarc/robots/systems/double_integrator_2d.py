# SPDX-License-Identifier: Apache-2.0
r"""The planar double integrator of GCBF+ among rectangles: p'' = F / m, one agent, a fixed draw of the obstacles.

The margin is the distance to the nearest rectangle less the agent's radius. The source clips each velocity to
+-0.5 m/s inside its simulator; here the nominal controller keeps to it (`SPEED_LIMIT`).
"""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.rectangles import gaps, ranges, scattered
from reflexarc.robots.systems.system import Box, Coordinate, System

MASS = 0.1
"""[kg]"""
MAX_FORCE = 1.0
"""Per axis. [N]"""
SPEED_LIMIT = 0.5
"""Per axis. [m/s]"""
RADIUS = 0.05
"""Of the agent. [m]"""
SENSING = 0.5
"""Reach of the agent's sensor. [m]"""
RAYS = 32
"""Rays of its lidar."""
AREA = 4.0
"""Side of the square. [m]"""
OBSTACLES = scattered(8, (0.1, 0.5), AREA, seed=4)
"""Eight rectangles with sides of 0.1 m to 0.5 m."""
GOAL = (3.6, 3.6)
"""[m]"""


def _drift(x):
    return jnp.stack([x[2], x[3], 0.0 * x[2], 0.0 * x[3]])


def _actuation(x):
    return jnp.array([[0.0, 0.0], [0.0, 0.0], [1.0 / MASS, 0.0], [0.0, 1.0 / MASS]])


def _margin(x):
    return jnp.min(gaps(OBSTACLES, x[:2])) - RADIUS


def _to_goal(x):
    way = jnp.asarray(GOAL) - x[:2]
    velocity = jnp.clip(way, -0.9 * SPEED_LIMIT, 0.9 * SPEED_LIMIT)
    return jnp.clip(4.0 * MASS * (velocity - x[2:]), -MAX_FORCE, MAX_FORCE)


def _reward(x):
    return -jnp.sqrt((GOAL[0] - x[0]) ** 2 + (GOAL[1] - x[1]) ** 2 + 1e-12)


def lidar(x):
    """Return what the agent's lidar measures: distance to the first rectangle per ray, at most `SENSING`, (RAYS,)."""
    return ranges(OBSTACLES, x[:2], RAYS, SENSING)


DOUBLE_INTEGRATOR_2D = System(
    name="double_integrator_2d",
    source="Zhang et al., GCBF+, T-RO 2025, and its code (env/double_integrator.py)",
    state=(Coordinate("x", "m"), Coordinate("y", "m"), Coordinate("v_x", "m/s"), Coordinate("v_y", "m/s")),
    input=(Coordinate("F_x", "N"), Coordinate("F_y", "N")),
    f=_drift,
    g=_actuation,
    inputs=Box(np.full(2, -MAX_FORCE), np.full(2, MAX_FORCE)),
    margin=_margin,
    nominal=_to_goal,
    reward=_reward,
    low=np.array([0.0, 0.0, -SPEED_LIMIT, -SPEED_LIMIT]),
    high=np.array([AREA, AREA, SPEED_LIMIT, SPEED_LIMIT]),
    period=0.03,
    steps=256,
)
