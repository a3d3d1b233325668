# SPDX-License-Identifier: Apache-2.0
r"""Poses as a position p [m] and a unit quaternion q (w, x, y, z); (p, q) takes x to R(q) x + p.

(p1, q1) (p2, q2) = (p1 + R(q1) p2, q1 q2)
"""

import math
from typing import NamedTuple

import numpy as np

from reflexarc.core.types import Array


class Pose(NamedTuple):
    """A frame in another one."""

    position: Array
    """Shape (3,). [m]"""
    quaternion: Array
    """w, x, y, z; shape (4,)."""


IDENTITY = Pose(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))


def product(a: Array, b: Array) -> Array:
    """Return the Hamilton product of two quaternions, shape (4,)."""
    w = a[0] * b[0] - a[1:] @ b[1:]
    return np.concatenate([[w], a[0] * b[1:] + b[0] * a[1:] + np.cross(a[1:], b[1:])])


def rotated(quaternion: Array, vector: Array) -> Array:
    """Return R(q) v, shape (3,)."""
    return matrix(quaternion) @ vector


def matrix(quaternion: Array) -> Array:
    """Return R(q) of a quaternion of any length but zero, shape (3, 3)."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def about(axis: Array, angle: float) -> Array:
    """Return the quaternion of a turn by `angle` [rad] about a unit axis."""
    return np.concatenate([[math.cos(angle / 2)], math.sin(angle / 2) * np.asarray(axis)])


def turning(start: Array, end: Array) -> Array:
    """Return the shortest turn that takes one unit vector to another; half a turn has many, one of which is taken."""
    cosine = float(start @ end)
    if cosine < -1.0 + 1e-12:
        other = np.eye(3)[int(np.argmin(np.abs(start)))]
        across = np.cross(start, other)
        return np.concatenate([[0.0], across / np.linalg.norm(across)])
    quaternion = np.concatenate([[1.0 + cosine], np.cross(start, end)])
    return quaternion / np.linalg.norm(quaternion)


def of_matrix(rotation: Array) -> Array:
    """Return the quaternion of a rotation matrix, w >= 0 (Shepperd 1978: from the largest of its four parts)."""
    trace = float(np.trace(rotation))
    parts = np.array([trace, *np.diag(rotation)])
    k = int(np.argmax(parts))
    if k == 0:
        m = rotation
        quaternion = np.array([1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    else:
        i = k - 1
        j, n = (i + 1) % 3, (i + 2) % 3
        quaternion = np.zeros(4)
        quaternion[0] = rotation[n, j] - rotation[j, n]
        quaternion[1 + i] = 1 + rotation[i, i] - rotation[j, j] - rotation[n, n]
        quaternion[1 + j] = rotation[j, i] + rotation[i, j]
        quaternion[1 + n] = rotation[n, i] + rotation[i, n]
    quaternion /= np.linalg.norm(quaternion)
    return quaternion if quaternion[0] >= 0.0 else -quaternion


def compose(outer: Pose, inner: Pose) -> Pose:
    """Return the pose `inner`, given in the frame `outer`, in the frame that `outer` is given in."""
    return Pose(
        outer.position + rotated(outer.quaternion, inner.position),
        product(outer.quaternion, inner.quaternion),
    )
