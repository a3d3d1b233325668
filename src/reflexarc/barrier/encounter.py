# SPDX-License-Identifier: Apache-2.0
r"""The relative state of a mobile base and one person, in which the delivery robot's barrier is learned.

    x = (x, y, vx, vy, v, omega)     u = (a, alpha)

x, y: the person's centre in base_link [m]; vx, vy: the person's velocity over ground, along base_link's axes [m/s];
v, omega: the robot's forward and yaw velocity [m/s, rad/s]; a, alpha: what the drive makes of them [m/s^2, rad/s^2].
While the person's velocity over ground is constant,

    x' = vx - v + omega y,   y' = vy - omega x,   vx' = omega vy,   vy' = -omega vx,   v' = a,   omega' = alpha,

which is affine in the input. What people do beyond it is a residual that is measured on the logs and enters the
barrier's row as a robust term.

Signed margin, with the gap d between footprint and disc and the speed below which the robot counts as standing:

    l(x) = min( max( d, k (v_stand - |v|) ), l_max ).

The failure set {l < 0} is a robot that touches somebody while it moves faster than v_stand: who walks into a robot
that stands is not hit by it. That is the project's claim about contacts (`reflexarc.mission.summary`).
"""

import numpy as np

from reflexarc.core.types import Array
from reflexarc.robots import BaseRobot

STATE = ("x", "y", "vx", "vy", "v", "omega")
INPUT = ("a", "alpha")
STAND_SPEED = 0.1
"""v_stand: `reflexarc.mission.summary.MOVING_SPEED`. [m/s]"""
STAND_GAIN = 0.5
"""k: how much margin a slower robot has while something touches it. [s]"""
LARGEST_MARGIN = 3.0
"""l_max: beyond it the distance no longer matters. [m]"""


def relative_states(pose: Array, twist: Array, position: Array, velocity: Array) -> Array:
    """Return the relative states of n people, shape (n, 6).

    Args:
        pose: x, y, yaw of base_link, shape (3,) or (n, 3). [m, m, rad]
        twist: forward and yaw velocity, shape (2,) or (n, 2). [m/s, rad/s]
        position: centres in the same fixed frame, shape (n, 2). [m]
        velocity: over ground, shape (n, 2). [m/s]
    """
    pose, twist = np.asarray(pose, float), np.asarray(twist, float)
    cos, sin = np.cos(pose[..., 2]), np.sin(pose[..., 2])
    dx, dy = position[:, 0] - pose[..., 0], position[:, 1] - pose[..., 1]
    wx, wy = velocity[:, 0], velocity[:, 1]
    ones = np.ones(len(position))
    return np.column_stack(
        (
            cos * dx + sin * dy,
            cos * dy - sin * dx,
            cos * wx + sin * wy,
            cos * wy - sin * wx,
            twist[..., 0] * ones,
            twist[..., 1] * ones,
        )
    )


def gaps(x: Array, half_length: float, half_width: float, radius: float) -> Array:
    """Return the gap d between footprint and disc for states of shape (n, 6): shape (n,); negative: overlap. [m]"""
    outside_x, outside_y = np.abs(x[:, 0]) - half_length, np.abs(x[:, 1]) - half_width
    outside = np.hypot(np.maximum(outside_x, 0.0), np.maximum(outside_y, 0.0))
    inside = np.minimum(np.maximum(outside_x, outside_y), 0.0)
    return outside + inside - radius


def margins(x: Array, robot: BaseRobot, radius: float) -> Array:
    """Return l for states of shape (n, 6): shape (n,). [m]"""
    d = gaps(x, robot.length / 2.0, robot.width / 2.0, radius)
    standing = STAND_GAIN * (STAND_SPEED - np.abs(x[:, 4]))
    return np.minimum(np.maximum(d, standing), LARGEST_MARGIN)


def rates(x: Array, u: Array) -> Array:
    """Return x' for states of shape (n, 6) and inputs of shape (n, 2), people's velocity being constant."""
    px, py, wx, wy, v, omega = x.T
    return np.column_stack((wx - v + omega * py, wy - omega * px, omega * wy, -omega * wx, u[:, 0], u[:, 1]))
