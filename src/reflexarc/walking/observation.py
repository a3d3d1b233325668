# SPDX-License-Identifier: Apache-2.0
"""What a policy sees of a walking quadruped: the same numbers in training, in simulation and on a robot."""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.types import Array

CONTROL_PERIOD = 0.02
"""Between two decisions of a policy. [s]"""
OBSERVED = 50
"""Entries of an observation: command 3, linear and angular velocity 3 + 3, direction of gravity 3, joints' positions
and velocities 12 + 12, last action 12, clock 2."""
MOST_ACTION = 10.0
"""An action's entries are cut here."""


@dataclass(frozen=True)
class Body:
    """What is known of n robots after a step."""

    velocity: Array
    """Of base_link in base_link, shape (n, 3). [m/s]"""
    rate: Array
    """Angular velocity in base_link, shape (n, 3). [rad/s]"""
    gravity: Array
    """Direction of gravity in base_link, shape (n, 3)."""
    joints: Array
    """Distance from the stance, shape (n, 12). [rad]"""
    joint_rates: Array
    """Shape (n, 12). [rad/s]"""


def down_in(turn: Array) -> Array:
    """Return the direction of gravity in the frames of bodies with orientations `turn`, w first, shape (n, 4)."""
    down = np.zeros((len(turn), 3))
    down[:, 2] = -1.0
    return into_body(turn, down)


def into_body(turn: Array, vectors: Array) -> Array:
    """Return vectors of the world in the frames of bodies.

    Args:
        turn: orientations of the bodies, w first, shape (n, 4).
        vectors: shape (n, 3).
    """
    w, u = turn[:, :1], -turn[:, 1:]
    across = 2.0 * np.cross(u, vectors)
    return vectors + w * across + np.cross(u, across)


def observe(command: Array, known: Body, action: Array, clock: Array) -> Array:
    """Return what a policy sees, shape (n, 50); angular velocity and joint velocities in units of 4 and 20 rad/s."""
    return np.hstack((
        command, known.velocity, known.rate / 4.0, known.gravity, known.joints, known.joint_rates / 20.0, action, clock,
    ))  # fmt: skip
