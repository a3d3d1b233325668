# SPDX-License-Identifier: Apache-2.0
r"""The Panda in a cell with a table, a wall and a pillar, under joint-velocity control.

    q' = u,    |u_j| <= v_j       (f = 0, g = I; v from models/panda/arm.yaml)

    l(q) = min over the moving spheres i, with centres c_i(q) and radii r_i, of
             c_i,z - r_i                                                table, z >= 0
             d_b(c_i) - r_i                                             boxes b, d_b the signed distance
           and over the pairs (i, j) that could touch of  |c_i - c_j| - r_i - r_j

The frame is the arm's base: x ahead, z up, the table's top at z = 0. Spheres and pairs are those of
models/panda/spheres.yaml, so l is at most the clearance of the arm's own shapes. The arm stops within no distance
under this model: standing still keeps l, hence the largest safe set is {l >= 0} and the value of the avoid problem is l
itself. What a learned barrier adds here is one smooth function in place of some two hundred distances.

Constants of the kinematics come from pinocchio, once; the functions need only JAX.
"""

from functools import cache

import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ModelError
from reflexarc.robots.arm import Arm, load_arm
from reflexarc.robots.systems.system import Box, Coordinate, System

NAME = "panda_cell"
BOXES = (
    ((0.50, 0.35, 0.40), (0.06, 0.06, 0.40)),
    ((0.80, 0.00, 0.50), (0.05, 0.90, 0.50)),
)
"""Centre and half edges of the pillar (0.12 m square, 0.8 m high) and of the wall ahead (its face at x = 0.75). [m]"""
LOW = (-0.9, -0.9, -0.4, -2.7, -0.4, 1.2, 0.285398)
HIGH = (0.9, 0.6, 0.4, -1.6, 0.4, 2.6, 1.285398)
"""Corners of the region: the joints' work space about `Arm.home`. [rad]"""
GOAL = (0.75, 0.1, 0.0, -2.2, 0.0, 2.0, 0.785398)
"""Where the nominal controller goes: the hand behind the pillar, 5 cm too near to it. [rad]"""
GAIN = 3.0
"""Of the nominal controller. [1/s]"""
PERIOD, STEPS = 0.01, 100
"""Time between two commands [s], and commands of an episode (1 s)."""
_TINY = 1e-18
"""Keeps square roots differentiable at 0. [m^2]"""


class Kinematics:
    """Forward kinematics of a serial arm's spheres in `jax.numpy`."""

    def __init__(self, arm: Arm):
        """Read the constants.

        Raises:
            ModelError: a joint does not turn about its own z axis, or does not hang on the one before.
        """
        model = arm.model
        for i in range(1, arm.n + 1):
            if model.joints[i].shortname() != "JointModelRZ" or int(model.parents[i]) != i - 1:
                raise ModelError(
                    f"{arm.name}: joint {arm.joints[i - 1]} is a {model.joints[i].shortname()} on joint "
                    f"{int(model.parents[i])}; only a chain of joints about z is possible here"
                )
        self._rotation = np.array([model.jointPlacements[i + 1].rotation for i in range(arm.n)])
        self._translation = np.array([model.jointPlacements[i + 1].translation for i in range(arm.n)])
        frames = [model.frames[model.getFrameId(link)] for link in arm.spheres.links]
        self._joint = [int(frame.parentJoint) for frame in frames]
        self._local = np.array(
            [f.placement.act(np.array(c)) for f, c in zip(frames, arm.spheres.centre, strict=True)]
        )
        self._order = np.argsort(np.array(self._joint), kind="stable")

    def centres(self, q):
        """Return the centres of all spheres at the joint positions q (n,), shape (s, 3); traceable. [m]"""
        rotation, origin = jnp.eye(3), jnp.zeros(3)
        found = []
        for joint in range(len(self._rotation) + 1):
            if joint > 0:
                origin = origin + rotation @ self._translation[joint - 1]
                c, s = jnp.cos(q[joint - 1]), jnp.sin(q[joint - 1])
                placed = rotation @ self._rotation[joint - 1]
                rotation = jnp.stack(
                    [placed[:, 0] * c + placed[:, 1] * s, placed[:, 1] * c - placed[:, 0] * s, placed[:, 2]],
                    axis=1,
                )
            local = self._local[[i for i, j in enumerate(self._joint) if j == joint]]
            if len(local):
                found.append(origin + local @ rotation.T)
        return jnp.concatenate(found)[np.argsort(self._order)]


def box_distance(point, centre, half):
    """Return the signed distance of points (..., 3) from an axis-aligned box, negative inside; traceable. [m]"""
    beyond = jnp.abs(point - np.array(centre)) - np.array(half)
    outside = jnp.sqrt((jnp.maximum(beyond, 0.0) ** 2).sum(axis=-1) + _TINY)
    return jnp.where(beyond.max(axis=-1) > 0.0, outside, beyond.max(axis=-1))


@cache
def panda_cell() -> System:
    """Return the system.

    Raises:
        ModelError: pinocchio or the robot's files are not installed.
    """
    arm = load_arm("panda")
    kinematics = Kinematics(arm)
    moving, radius = arm.spheres.moving, np.array(arm.spheres.radius)
    first, second = np.array(arm.spheres.pairs).T
    goal, limit = np.array(GOAL), np.array(arm.max_velocity)

    def margin(q):
        centre = kinematics.centres(q)
        free, size = centre[:moving], radius[:moving]
        table = free[:, 2] - size
        boxes = [box_distance(free, *box) - size for box in BOXES]
        apart = jnp.sqrt(((centre[first] - centre[second]) ** 2).sum(axis=1) + _TINY)
        own = apart - (radius[first] + radius[second])
        return jnp.min(jnp.concatenate([table, *boxes, own]))

    def nominal(q):
        return jnp.clip(GAIN * (goal - q), -limit, limit)

    def reward(q):
        return -jnp.sqrt(((goal - q) ** 2).sum() + _TINY)

    return System(
        name=NAME,
        source="limits, spheres and kinematics: models/panda; table, pillar and wall: BOXES of this module",
        state=tuple(Coordinate(joint, "rad") for joint in arm.joints),
        input=tuple(Coordinate(f"{joint}_velocity", "rad/s") for joint in arm.joints),
        f=jnp.zeros_like,
        g=lambda q: jnp.eye(arm.n, dtype=q.dtype),
        inputs=Box(-limit, limit),
        margin=margin,
        nominal=nominal,
        reward=reward,
        low=np.array(LOW),
        high=np.array(HIGH),
        period=PERIOD,
        steps=STEPS,
    )
