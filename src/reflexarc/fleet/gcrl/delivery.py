# SPDX-License-Identifier: Apache-2.0
r"""The delivery robot among walls, as a kinematic model that the networks learn in; MuJoCo judges what they learned.

State (x, y, theta, v, omega); an action in [-1, 1]^2 commands v in [-0.3, 1.5] m/s and omega in [-1.2, 1.2] rad/s,
which ramps follow as the robot's drive does (`models/segway_e1/robot.yaml`, section `drive` and limits):

    v' = clip(v_cmd - v, -braking dt, acceleration dt),   likewise for omega,   x' = v cos(theta), ...

in ten sub-steps of 0.05 s. The body is the disc around the footprint. A sub-step that would bring it into a wall or
off the map is not taken and stops the robot. With the body's clearance h,

    C = 2 - 2 h / r   for h <= r,  else 0;

a step costs the worst of its sub-steps. The networks see pose, speeds, the goal in the map and in the body's frame,
and occupancy patches: clearances on a grid that turns with the robot, and on one around the goal.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.fleet.gcrl.cell_map import CellMap
from reflexarc.fleet.gcrl.maps import walls

PERIOD, SUBSTEPS = 0.5, 10
SPEED = (-0.3, 1.5)
"""Commanded speeds. [m/s]"""
YAW_RATE = 1.2
"""Largest commanded yaw rate. [rad/s]"""
ACCELERATION, BRAKING = 1.0, 2.8
"""Ramps of the speed. [m/s^2]"""
YAW_ACCELERATION, YAW_BRAKING = 3.0, 6.0
"""Ramps of the yaw rate. [rad/s^2]"""
BODY = math.hypot(0.89, 0.62) / 2.0
"""Radius of the disc around the footprint. [m]"""
PATCH, GOAL_PATCH, SPACING = 5, 3, 0.8
"""Points per side of the patches around robot and goal, and their distance. [m]"""
REACH = 2.0
"""Clearances in a patch are cut at this. [m]"""
NEAR = 3.0
"""Reach of the features that show a near goal. [m]"""
_TRIES = 8


@dataclass(frozen=True, eq=False)
class DeliveryDomain(CellMap):
    """A map of cells of one metre with the delivery robot's kinematics; see the module."""

    cost_radius: float = 1.5
    """r. [m]"""
    state_size = 5
    goal_size = action_size = 2
    feature_size = 11 + PATCH**2 + GOAL_PATCH**2
    period = PERIOD
    draws = 1 + 3 * _TRIES

    def digest(self) -> str:
        """Return a hash of map, radii and kinematics, 16 hexadecimal digits."""
        numbers = (
            SPEED,
            YAW_RATE,
            ACCELERATION,
            BRAKING,
            YAW_ACCELERATION,
            YAW_BRAKING,
            PERIOD,
            SUBSTEPS,
            PATCH,
        )
        return self.digest_with("delivery", numbers)

    def clearance(self, place: Any) -> Any:
        """Return the distance of a point to the nearest wall or the edge of the map, < 0 off the map. [m]"""
        size = jnp.array(self.extent, dtype=jnp.float32)
        return jnp.minimum(jnp.minimum(place, size - place).min(), self.to_blocked(place))

    def sample(self, u: Any) -> Any:
        """Return a robot at rest where its body is free, from uniform numbers of shape (draws,); shape (5,)."""
        free = jnp.asarray(np.argwhere(~self.blocked), dtype=jnp.float32)
        tries = u[1:].reshape(_TRIES, 3)
        places = free[jnp.minimum((tries[:, 0] * len(free)).astype(jnp.int32), len(free) - 1)] + tries[:, 1:]
        room = jax.vmap(self.clearance)(places) - BODY
        place = places[jnp.where((room > 0.0).any(), jnp.argmax(room > 0.0), jnp.argmax(room))]
        return self.state_at(place, u[0])

    def state_at(self, place: Any, u: Any) -> Any:
        """Return a robot at rest at a place, heading 2 pi u - pi."""
        heading = (2.0 * math.pi * u - math.pi).reshape(1)
        return jnp.concatenate([place, heading, jnp.zeros(2)]).astype(jnp.float32)

    def command(self, action: Any) -> Any:
        """Return the commanded speed and yaw rate, shape (2,). [m/s, rad/s]"""
        a = jnp.clip(action, -1.0, 1.0)
        return jnp.array([0.5 * (SPEED[0] + SPEED[1]), 0.0]) + a * jnp.array(
            [0.5 * (SPEED[1] - SPEED[0]), YAW_RATE]
        )

    def step(self, state: Any, action: Any) -> tuple[Any, Any]:
        """Return the state after one period and its worst cost."""
        wanted = self.command(action)
        dt = PERIOD / SUBSTEPS

        def substep(carry: Any, _: Any) -> tuple[Any, None]:
            s, worst = carry
            v = s[3] + _ramp(wanted[0] - s[3], s[3], ACCELERATION * dt, BRAKING * dt)
            w = s[4] + _ramp(wanted[1] - s[4], s[4], YAW_ACCELERATION * dt, YAW_BRAKING * dt)
            heading = s[2] + dt * w
            place = s[:2] + dt * v * jnp.array([jnp.cos(heading), jnp.sin(heading)])
            touches = self.clearance(place) < BODY
            place, v = jnp.where(touches, s[:2], place), jnp.where(touches, 0.0, v)
            heading = (heading + math.pi) % (2.0 * math.pi) - math.pi
            after = jnp.concatenate([place, jnp.array([heading, v, w])])
            paid = jnp.where(touches, 2.0, self.cost(after))
            return (after, jnp.maximum(worst, paid)), None

        (state, worst), _ = jax.lax.scan(substep, (state, self.cost(state)), None, length=SUBSTEPS)
        return state, worst

    def cost(self, state: Any) -> Any:
        """Return C of the body."""
        return self.price(jnp.maximum(self.clearance(state[:2]) - BODY, 0.0))

    def features(self, state: Any, goal: Any) -> Any:
        """Return pose, speeds, goal and patches; see the module."""
        half = jnp.array(self.extent, dtype=jnp.float32) / 2.0
        c, s = jnp.cos(state[2]), jnp.sin(state[2])
        turn = jnp.array([[c, s], [-s, c]])
        ahead = turn @ (goal - state[:2])
        far = jnp.sqrt((ahead**2).sum())
        pose = jnp.array([c, s, state[3] / SPEED[1], state[4] / YAW_RATE, far / half.max() - 1.0])
        near = jnp.clip(ahead, -NEAR, NEAR) / NEAR
        around = state[:2] + _grid(PATCH) @ turn
        patches = jax.vmap(self.clearance)(jnp.concatenate([around, goal + _grid(GOAL_PATCH)]))
        patches = jnp.clip(patches, 0.0, REACH) / REACH
        return jnp.concatenate([state[:2] / half - 1.0, pose, goal / half - 1.0, near, patches])


def _ramp(change: Any, now: Any, up: float, down: float) -> Any:
    """Return the change that the drive's ramps allow: `down` towards zero, `up` away from it."""
    slower = change * now < 0.0
    most = jnp.where(slower, down, up)
    return jnp.clip(change, -most, most)


def _grid(side: int) -> Any:
    axis = (np.arange(side) - (side - 1) / 2.0) * SPACING
    return jnp.asarray(np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2), dtype=jnp.float32)


def delivery_domain(
    name: str, factor: int | None = None, cost_radius: float = 1.5, goal_radius: float = 0.5
) -> DeliveryDomain:
    """Return the domain on a map in `reflexarc.fleet.gcrl.maps.MAPS`.

    Raises:
        ConfigError: no such map, or a number out of its bounds.
    """
    return DeliveryDomain(name, walls(name, factor), cost_radius, goal_radius)
