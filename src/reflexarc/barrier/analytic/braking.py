# SPDX-License-Identifier: Apache-2.0
r"""Braking-distance barriers: what is left of a gap after reacting and stopping, relative degree one.

    along a line          h = d - s tau - s^2 / (2 a),   s = max(closing speed, 0)
    towards a moving one  the same with the closing speed of the pair, s = -n . (v - w)
    in any direction      h = d(p) - |v| tau - |v|^2 / (2 a),   d a distance (1-Lipschitz)

For every one of them full braking does not let h fall (tau = 0: it is constant or grows), so that {h >= 0} is
invariant under |u| <= a and no gain can be too large. They work for numpy and, traced, for JAX arrays.
The reaction time tau >= period makes up for sampling: `sampled.py`.
"""

import math
from typing import Any

import numpy as np

from reflexarc.core.errors import ConfigError


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0.0):
        raise ConfigError(f"{name} = {value} must be a positive number; no barrier was made")


def along_line(gap, closing_speed, deceleration: float, reaction: float = 0.0) -> Any:
    """Return h [m] for a gap that closes with `closing_speed`; a growing gap costs nothing.

    Args:
        gap: d. [m]
        closing_speed: -d'. [m/s]
        deceleration: a, what is always available against the closing speed. [m/s^2]
        reaction: tau. [s]

    Raises:
        ConfigError: the deceleration is not positive, or the reaction negative.
    """
    _positive("deceleration", deceleration)
    if not reaction >= 0.0:
        raise ConfigError(f"reaction = {reaction} s must be >= 0; no barrier was made")
    speed = 0.5 * (closing_speed + abs(closing_speed))
    return gap - speed * reaction - speed * speed / (2.0 * deceleration)


def between_spheres(
    position, velocity, other, other_velocity, distance: float, deceleration: float, reaction: float = 0.0
) -> Any:
    """Return h [m] of two spheres of which the second keeps its velocity; only the closing speed counts.

    With n the unit vector from the other to the robot, n . (v - w) = -s. Braking along n at `deceleration` gives
    h' >= 0: the rotation of n adds |v_perp|^2 / d to the opening, which is not counted on.

    Args:
        position: shape (3,) or (2,). [m]
        velocity: [m/s]
        other: position of the other. [m]
        other_velocity: [m/s]
        distance: sum of the radii. [m]
        deceleration: a, available in every direction. [m/s^2]
        reaction: tau. [s]
    """
    away = position - other
    norm = (away @ away + 1e-12) ** 0.5
    return along_line(norm - distance, -(away @ (velocity - other_velocity)) / norm, deceleration, reaction)


def in_any_direction(gap, speed, deceleration: float, reaction: float = 0.0) -> Any:
    """Return h [m] for a robot that can brake along its own path but need not be able to steer.

    Args:
        gap: distance to what must not be touched, 1-Lipschitz in the position. [m]
        speed: |v| or, for a vehicle, its signed speed. [m/s]
        deceleration: a, available against the velocity. [m/s^2]
        reaction: tau. [s]
    """
    return along_line(gap, abs(speed), deceleration, reaction)


def largest_speed(gap: float, deceleration: float, reaction: float = 0.0) -> float:
    """Return the largest closing speed with h >= 0: a (sqrt(tau^2 + 2 d / a) - tau). [m/s]"""
    _positive("deceleration", deceleration)
    root = np.sqrt(reaction * reaction + 2.0 * max(gap, 0.0) / deceleration)
    return float(deceleration * (root - reaction))
