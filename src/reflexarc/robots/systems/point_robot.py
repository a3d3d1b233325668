# SPDX-License-Identifier: Apache-2.0
"""A point robot in a box with a moving sphere: p'' = F / m in three dimensions, after cbfpy's obstacle example.

The sphere's position and velocity are part of the state; it moves at constant velocity. The source bounds neither
the force nor the sphere's speed; the bounds here are chosen so that braking takes a visible part of the box.
"""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.system import Box, Coordinate, System

MASS = 1.0
"""[kg]"""
MAX_FORCE = 2.0
"""Per axis; the source has none. [N]"""
HALF_BOX = 1.0
"""The robot's centre stays within +-1 m. [m]"""
ROBOT_RADIUS, SPHERE_RADIUS = 0.25, 0.25
"""[m]"""
TARGET = (1.3, 0.4, 0.2)
"""Where the nominal controller goes: outside the box. [m]"""


def _drift(x):
    return jnp.concatenate([x[3:6], jnp.zeros(3), x[9:12], jnp.zeros(3)])


def _actuation(x):
    return jnp.concatenate([jnp.zeros((3, 3)), jnp.eye(3) / MASS, jnp.zeros((6, 3))])


def sphere_gap(x):
    """Return the gap between robot and sphere. [m]"""
    return jnp.sqrt(jnp.sum((x[:3] - x[6:9]) ** 2) + 1e-12) - ROBOT_RADIUS - SPHERE_RADIUS


def box_gaps(x):
    """Return the distances of the centre to the six walls, shape (6,). [m]"""
    return jnp.concatenate([HALF_BOX - x[:3], HALF_BOX + x[:3]])


def _margin(x):
    return jnp.minimum(sphere_gap(x), jnp.min(box_gaps(x)))


def _to_target(x):
    """PD with unit gains, as the source."""
    return jnp.clip(-(x[:3] - jnp.asarray(TARGET)) - x[3:6], -MAX_FORCE, MAX_FORCE)


def _reward(x):
    return -jnp.sqrt(jnp.sum((x[:3] - jnp.asarray(TARGET)) ** 2) + 1e-12)


def _named(prefix: str, unit: str) -> tuple[Coordinate, ...]:
    return tuple(Coordinate(f"{prefix}_{axis}", unit) for axis in "xyz")


POINT_ROBOT = System(
    name="point_robot",
    source="cbfpy 0.1.0, point_robot_obstacle_demo",
    state=_named("p", "m") + _named("v", "m/s") + _named("o", "m") + _named("w", "m/s"),
    input=_named("F", "N"),
    f=_drift,
    g=_actuation,
    inputs=Box(np.full(3, -MAX_FORCE), np.full(3, MAX_FORCE)),
    margin=_margin,
    nominal=_to_target,
    reward=_reward,
    low=np.array([-1.0] * 3 + [-1.5] * 3 + [-3.0] * 3 + [-0.2] * 3),
    high=np.array([1.0] * 3 + [1.5] * 3 + [3.0] * 3 + [0.2] * 3),
    period=0.02,
    steps=500,
)
