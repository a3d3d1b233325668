# SPDX-License-Identifier: Apache-2.0
"""A boat that drifts in a current towards two round islands: the smallest system with unavoidable failures."""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.system import Ball, Coordinate, System

ISLANDS = ((-0.5, 0.5, 0.4), (-1.0, -1.2, 0.5))
"""x, y and radius of each island. [m]"""
GOAL = (1.5, 0.0)
"""[m]"""


def _drift(x):
    return jnp.stack([2.0 - 0.5 * x[1] ** 2, jnp.zeros_like(x[1])])


def _actuation(x):
    return jnp.eye(2)


def _margin(x):
    gaps = [jnp.hypot(x[0] - cx, x[1] - cy) - r for cx, cy, r in ISLANDS]
    return jnp.minimum(*gaps)


def _to_goal(x):
    way = jnp.asarray(GOAL) - x
    return way / jnp.maximum(jnp.linalg.norm(way), 1e-9)


def _reward(x):
    return -jnp.linalg.norm(jnp.asarray(GOAL) - x)


BOAT = System(
    name="boat",
    source="Tayal et al., V-OCBF, arXiv 2512.10822, and its code",
    state=(Coordinate("x", "m"), Coordinate("y", "m")),
    input=(Coordinate("u_x", "m/s"), Coordinate("u_y", "m/s")),
    f=_drift,
    g=_actuation,
    inputs=Ball(1.0, 2),
    margin=_margin,
    nominal=_to_goal,
    reward=_reward,
    low=np.array([-3.0, -2.0]),
    high=np.array([2.0, 2.0]),
    period=0.005,
    steps=400,
)
