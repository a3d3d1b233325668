# SPDX-License-Identifier: Apache-2.0
"""Features of drift towards a person: the gap now, and the smallest one if everybody goes on as now."""

import math
from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import BaseState

FAR = 20.0
"""Gap with nobody tracked, and the largest that is reported. [m]"""
_LOOKS = 21


class Approach(NamedTuple):
    """How people and robot come together within a horizon."""

    gap: float
    """Between the footprint and the nearest person now. [m]"""
    predicted: float
    """Smallest on the way, robot and people at constant velocity, the robot not turning. [m]"""
    time: float
    """Until it is reached. [s]"""


def approach(state: BaseState, half_length: float, half_width: float, horizon: float) -> Approach:
    """Return the features of one state; NaN where it or a track is not finite.

    Args:
        state: of the base with its tracked obstacles.
        half_length: of the footprint, along x of base_link. [m]
        half_width: along y. [m]
        horizon: looked ahead. [s]

    Raises:
        ConfigError: a size or the horizon is not positive and finite.
    """
    if not all(0.0 < v < math.inf for v in (half_length, half_width, horizon)):
        raise ConfigError(
            f"footprint {half_length} m, {half_width} m and horizon {horizon} s must be positive"
        )
    people = state.obstacles
    if not len(people):
        return Approach(FAR, FAR, 0.0)
    numbers = (state.pose, state.twist, people.position, people.velocity, people.radius)
    if not all(np.isfinite(a).all() for a in numbers):
        return Approach(math.nan, math.nan, math.nan)
    x, y, yaw = state.pose
    turn = np.array([[math.cos(yaw), math.sin(yaw)], [-math.sin(yaw), math.cos(yaw)]])
    centre = (people.position - (x, y)) @ turn.T
    relative = people.velocity @ turn.T - np.append(state.twist[:-1], 0.0)[:2]
    times = np.linspace(0.0, horizon, _LOOKS)
    at = centre[None] + times[:, None, None] * relative[None]  # (looks, n, 2)
    outside = np.maximum(np.abs(at) - (half_length, half_width), 0.0)
    gap = np.minimum((np.hypot(outside[..., 0], outside[..., 1]) - people.radius).min(axis=1), FAR)
    first = int(gap.argmin())
    return Approach(float(gap[0]), float(gap[first]), float(times[first]))
