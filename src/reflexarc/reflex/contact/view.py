# SPDX-License-Identifier: Apache-2.0
r"""What critic and recovery see of a tool in contact, and what an action is; the same for JAX, NumPy and the arc.

An action draws the tip from where it is by (dx, dy) and sets the stiffness along and across that direction:

    a = (dx / STEP, dy / STEP, k_along, k_across),   K = LOW (HIGH / LOW)^((k + 1) / 2),   every entry in [-1, 1],

as in SRL-VIC (Zhang, Solak, Lahr and Ajoudani, RA-L 2024), whose action is displacement and planar stiffness turned
into the direction of motion. Seen is the contact in the frame of that motion, e along the displacement and n to its
left, without any position, so that no wall can be learned by heart:

    view = (F e, F n) / FORCE, (v e, v n) / SPEED, (s e, s n) / STEP, |d| / STEP, k_along, k_across,

with the measured force F on the tip, its velocity v, the stretch s = x_d - x of the spring and the displacement d that
is left, goal - x.
"""

from typing import Any

FORCE = 20.0
"""[N]"""
SPEED = 0.2
"""[m/s]"""
STEP = 0.025
"""Longest displacement of an action along an axis. [m]"""
LOW, HIGH = 100.0, 1500.0
"""Least and largest planar stiffness. [N/m]"""
HEIGHT = 1000.0
"""Stiffness across the plane, which no policy changes. [N/m]"""
DECISION_S = 0.1
"""An action lasts so long at most; the reference gets from where it is to the goal in this time. [s]"""
VIEW, ACTION = 9, 4
"""Entries of a view and of an action."""
_TINY = 1e-6


def direction(xp: Any, d: Any) -> Any:
    """Return the unit vector of d, shape (..., 2); of a displacement of nearly zero a short one."""
    return d / (_length(xp, d) + _TINY)


def along_across(xp: Any, e: Any, x: Any) -> Any:
    """Return x, shape (..., 2), in the frame with first axis e."""
    return xp.stack(
        [x[..., 0] * e[..., 0] + x[..., 1] * e[..., 1], x[..., 1] * e[..., 0] - x[..., 0] * e[..., 1]],
        axis=-1,
    )


def in_plane(xp: Any, e: Any, x: Any) -> Any:
    """Return x, shape (..., 2), given in the frame with first axis e, in the axes in which e is given."""
    return xp.stack(
        [x[..., 0] * e[..., 0] - x[..., 1] * e[..., 1], x[..., 0] * e[..., 1] + x[..., 1] * e[..., 0]],
        axis=-1,
    )


def view(xp: Any, force: Any, velocity: Any, stretch: Any, left: Any, stiffness: Any) -> Any:
    """Return what critic and recovery see of an action that is going on, shape (..., 9).

    Args:
        xp: `numpy` or `jax.numpy`.
        force: on the tip, shape (..., 2). [N]
        velocity: of the tip, shape (..., 2). [m/s]
        stretch: reference less tip, shape (..., 2). [m]
        left: goal less tip, shape (..., 2). [m]
        stiffness: entries of the action, shape (..., 2), in [-1, 1].
    """
    e = direction(xp, left)
    length = _length(xp, left) / STEP
    return xp.concatenate(
        [
            along_across(xp, e, force) / FORCE,
            along_across(xp, e, velocity) / SPEED,
            along_across(xp, e, stretch) / STEP,
            length,
            stiffness,
        ],
        axis=-1,
    )


def newtons_per_metre(k: Any) -> Any:
    """Return the stiffness of entries k of an action. [N/m]"""
    return LOW * (HIGH / LOW) ** ((k + 1.0) / 2.0)


def stiffness_matrix(xp: Any, e: Any, k: Any) -> Any:
    """Return the planar stiffness of entries k, shape (..., 2), along e and across it, shape (..., 2, 2). [N/m]

    Where e is (nearly) zero there is no direction, and all of it is the one across.
    """
    along, across = newtons_per_metre(k[..., 0]), newtons_per_metre(k[..., 1])
    x, y = e[..., 0], e[..., 1]
    size = xp.sqrt(x * x + y * y) + _TINY
    more, x, y = along - across, x / size, y / size
    xx, yy, xy = across + more * x * x, across + more * y * y, more * x * y
    return xp.stack([xp.stack([xx, xy], axis=-1), xp.stack([xy, yy], axis=-1)], axis=-2)


def _length(xp: Any, d: Any) -> Any:
    """Return the length of d, shape (..., 2), as (..., 1); it has a gradient at zero too."""
    return xp.sqrt((d * d).sum(axis=-1, keepdims=True) + _TINY * _TINY)
