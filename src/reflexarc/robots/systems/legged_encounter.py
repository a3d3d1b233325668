# SPDX-License-Identifier: Apache-2.0
r"""A legged robot, as a disc, and a person who walks on at constant velocity.

    x = (r, w, p):    r' = w - p,    w' = 0,    p' = a,    |a| <= a_max

r: the person's place from the robot's centre [m]; w, p: the person's and the robot's velocity over ground [m/s], along
the axes of base_link at that instant. The robot is a disc, so its turning moves nothing, and the frame is taken as not
turning. Disc, a_max (the guaranteed deceleration, taken in any direction) and speeds are those of models/NAME.

    l(x) = min( |r| - R - r_person,  s_p min over the speed limits of (limit + h - n . p),  l_max )

The failure set is a touch, or a robot faster than its limits by h: a step aside at a speed that the robot does not have
is no way out.

**Why every touch counts.** The encounters of the delivery robot (`reflexarc.barrier.encounter`) count a touch only
while the robot moves, which is the project's claim about contacts. There standing still lifts l to no more than
k v_stand = 0.05 m, so that any larger level shift takes it away again. Here a touch is a touch: what V calls safe is
then safe in the passive sense as well, V has no cliff at the speed 0, and without speed limits its value is known,

    V*(x) = min over T >= 0 of  |r + (w - p) T| + a_max T^2 / 2 - R - r_person,

reached by accelerating away from where the person would be at that T. What is lost is that a standing robot which
somebody walks into is not safe in this sense. The arc admits standing still whatever V says, and whether the robot
stops in time is decided exactly, by the disc barrier.
"""

from functools import cache

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.legged import ENCOUNTER_STATE, PERSON_RADIUS, load_legged
from reflexarc.robots.systems.system import Ball, Coordinate, System

HEADROOM = 0.25
"""h: how far a speed beyond its limit counts as failure. [m/s]"""
SPEED_GAIN = 2.0
"""s_p: margin per speed that is left. [s]"""
LARGEST_MARGIN = 1.0
"""l_max: beyond it the distance no longer matters. [m]"""
REACH = 3.5
"""The person's place in the region: within this of the robot, along each axis. [m]"""
PACE = 1.5
"""The robot's forward speed in the region, at most. [m/s]"""
WALK = 1.0
"""The person's speed in the region along each axis. [m/s]"""
RESPONSE = 0.3
"""Time in which the nominal controller takes up its speed. [s]"""
PERIOD, STEPS = 0.04, 100
"""Time between two inputs [s], and inputs of an episode (4 s)."""
_TINY = 1e-12
"""Keeps square roots differentiable at 0. [m^2]"""


@cache
def legged_encounter(robot: str) -> System:
    """Return the system `<robot>_encounter`.

    Args:
        robot: legged robot, a folder of `models/`.

    Raises:
        UnknownNameError: there is no such legged robot.
        ModelError: its parameters are not acceptable.
    """
    body = load_legged(robot)
    high = np.array([min(PACE, body.max_forward_speed), body.max_lateral_speed])
    low = -np.array([body.max_backward_speed, body.max_lateral_speed])
    contact, strongest = body.radius + PERSON_RADIUS, body.max_deceleration

    def distance(x):
        return jnp.sqrt(x[0] ** 2 + x[1] ** 2 + _TINY)

    def margin(x):
        p = x[4:]
        spare = jnp.minimum(jnp.min(high - p), jnp.min(p - low)) + HEADROOM
        return jnp.minimum(jnp.minimum(distance(x) - contact, SPEED_GAIN * spare), LARGEST_MARGIN)

    def nominal(x):
        way = x[:2] / distance(x)
        limit = jnp.where(way >= 0.0, high, -low)
        wanted = way / jnp.max(jnp.abs(way) / limit)  # as fast towards the person as the limits allow
        a = (wanted - x[4:]) / RESPONSE
        return a * jnp.minimum(1.0, strongest / jnp.sqrt(a @ a + _TINY))

    units = ("m", "m", "m/s", "m/s", "m/s", "m/s")
    walk, reach = np.full(2, WALK), np.full(2, REACH)
    return System(
        name=f"{robot}_encounter",
        source=f"disc, deceleration and speeds: models/{robot}; person, margin and region: this module",
        state=tuple(Coordinate(name, unit) for name, unit in zip(ENCOUNTER_STATE, units, strict=True)),
        input=(Coordinate("a_x", "m/s^2"), Coordinate("a_y", "m/s^2")),
        f=lambda x: jnp.concatenate([x[2:4] - x[4:], jnp.zeros(4, x.dtype)]),
        g=lambda x: jnp.zeros((6, 2), x.dtype).at[4, 0].set(1.0).at[5, 1].set(1.0),
        inputs=Ball(strongest, 2),
        margin=margin,
        nominal=nominal,
        reward=lambda x: -distance(x),
        low=np.concatenate([-reach, -walk, low - HEADROOM]),
        high=np.concatenate([reach, walk, high + HEADROOM]),
        period=PERIOD,
        steps=STEPS,
    )
