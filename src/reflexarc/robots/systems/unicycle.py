# SPDX-License-Identifier: Apache-2.0
"""The point robot of FISOR: a unicycle with acceleration and yaw rate as inputs, between two disks.

The source observes the state through 11 numbers (cosine and sine of the heading, distance and bearing of the disks
and the goal); here the state itself is the state. It ends an episode outside the arena of +-3 m; leaving the
arena is no failure.
"""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.system import Box, Coordinate, System

DISKS = ((0.4, -1.2, 0.8), (-0.4, 1.2, 0.8))
"""x, y and radius of each disk. [m]"""
GOAL = (2.2, 2.2)
"""[m]"""
GOAL_RADIUS = 0.3
"""[m]"""
ARENA = 3.0
"""Half of the arena's side. [m]"""
FEASIBLE_START = (-1.8, 0.0, 2.0, np.pi / 4)
"""From here the disks can be avoided at all times (says the source)."""
INFEASIBLE_START = (-1.5, 0.0, 2.0, np.pi / 4)
"""From here no input avoids the failure (says the source)."""
CRUISE = 2.0
"""Speed of the nominal controller: the fastest start of the source. [m/s]"""


def _drift(x):
    return jnp.stack([x[2] * jnp.cos(x[3]), x[2] * jnp.sin(x[3]), 0.0 * x[2], 0.0 * x[2]])


def _actuation(x):
    return jnp.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


def _margin(x):
    gaps = [jnp.sqrt((x[0] - cx) ** 2 + (x[1] - cy) ** 2 + 1e-12) - r for cx, cy, r in DISKS]
    return jnp.minimum(*gaps)


def _distance(x):
    return jnp.sqrt((GOAL[0] - x[0]) ** 2 + (GOAL[1] - x[1]) ** 2 + 1e-12)


def _to_goal(x):
    """Turn towards the goal; drive as fast as still stops there (deceleration 1 m/s^2)."""
    bearing = jnp.arctan2(GOAL[1] - x[1], GOAL[0] - x[0]) - x[3]
    bearing = jnp.arctan2(jnp.sin(bearing), jnp.cos(bearing))
    speed = jnp.minimum(CRUISE, jnp.sqrt(2.0 * _distance(x))) * jnp.maximum(jnp.cos(bearing), 0.0)
    return jnp.clip(jnp.stack([2.0 * (speed - x[2]), 3.0 * bearing]), -1.0, 1.0)


def _reward(x):
    return -_distance(x)


UNICYCLE = System(
    name="unicycle",
    source="Zheng et al., FISOR, arXiv 2401.10700, and its code (env/point_robot.py)",
    state=(Coordinate("x", "m"), Coordinate("y", "m"), Coordinate("v", "m/s"), Coordinate("theta", "rad")),
    input=(Coordinate("a", "m/s^2"), Coordinate("omega", "rad/s")),
    f=_drift,
    g=_actuation,
    inputs=Box(np.array([-1.0, -1.0]), np.array([1.0, 1.0])),
    margin=_margin,
    nominal=_to_goal,
    reward=_reward,
    low=np.array([-ARENA, -ARENA, -0.5, -np.pi]),
    high=np.array([ARENA, ARENA, 2.5, np.pi]),
    period=0.05,
    steps=300,
    periodic=(3,),
)
