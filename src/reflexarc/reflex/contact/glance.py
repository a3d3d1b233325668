# SPDX-License-Identifier: Apache-2.0
"""`view` for one contact at the control rate: the same numbers, compiled and written into an array."""

import math

import numba

from reflexarc.core.types import Array
from reflexarc.reflex.contact.view import FORCE, HIGH, LOW, SPEED, STEP

_TINY = 1e-6


@numba.njit(cache=True)
def _glance(force, velocity, stretch, left, stiffness, scales, out):
    # The scales are arguments: compiled code is kept on disk and would not notice that a constant has changed.
    newtons, speed, step = scales
    length = math.sqrt(left[0] * left[0] + left[1] * left[1] + _TINY * _TINY)
    x, y = left[0] / (length + _TINY), left[1] / (length + _TINY)
    out[0] = (force[0] * x + force[1] * y) / newtons
    out[1] = (force[1] * x - force[0] * y) / newtons
    out[2] = (velocity[0] * x + velocity[1] * y) / speed
    out[3] = (velocity[1] * x - velocity[0] * y) / speed
    out[4] = (stretch[0] * x + stretch[1] * y) / step
    out[5] = (stretch[1] * x - stretch[0] * y) / step
    out[6] = length / step
    out[7] = stiffness[0]
    out[8] = stiffness[1]


def glance(force: Array, velocity: Array, stretch: Array, left: Array, stiffness: Array, out: Array) -> None:
    """Write the view to `out`, shape (9,); vectors may have a third entry, which is not looked at."""
    _glance(force, velocity, stretch, left, stiffness, (FORCE, SPEED, STEP), out)


@numba.njit(cache=True)
def turned(seen, action, out):
    """Write the view of an action, shape (4,), given in the frame of another one whose view is `seen`."""
    length = math.sqrt(action[0] * action[0] + action[1] * action[1] + _TINY * _TINY)
    x, y = action[0] / (length + _TINY), action[1] / (length + _TINY)
    for k in range(0, 6, 2):
        out[k] = seen[k] * x + seen[k + 1] * y
        out[k + 1] = seen[k + 1] * x - seen[k] * y
    out[6] = length
    out[7] = action[2]
    out[8] = action[3]


def entry(stiffness: float) -> float:
    """Return the entry of an action that stands for a stiffness, cut to [-1, 1]. [N/m]"""
    k = max(LOW, min(HIGH, stiffness))
    return 2.0 * math.log(k / LOW) / math.log(HIGH / LOW) - 1.0


def entries(stiffness: Array, x: float, y: float) -> tuple[float, float]:
    """Return the entries of a planar stiffness along and across the unit vector (x, y).

    Args:
        stiffness: symmetric, shape (2, 2) or more. [N/m]
        x: of the direction.
        y: of the direction.
    """
    xx, xy, yy = float(stiffness[0, 0]), float(stiffness[0, 1]), float(stiffness[1, 1])
    along = xx * x * x + 2.0 * xy * x * y + yy * y * y
    return entry(along), entry(xx * y * y - 2.0 * xy * x * y + yy * x * x)
