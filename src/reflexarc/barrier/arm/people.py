# SPDX-License-Identifier: Apache-2.0
"""People beside an arm as spheres that are kept at the protective separation distance of ISO/TS 15066:2016, 5.5.4.

The distance S_p is that of `reflexarc.barrier.analytic.separation` for a robot that moves at most at `robot_speed`: a
constant, so that the barrier h = |c_i - p| - r_i - r - S_p has the same gradient as that of a thing, and h >= 0 means
that the arm, whatever it does below that speed, rests before the person can be where it is.
"""

import numpy as np

from reflexarc.barrier.analytic.separation import WALKING_SPEED, SeparationParameters, protective_distance
from reflexarc.barrier.arm.scene import SphereObstacles
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array


def people(
    position: Array,
    radius: Array,
    separation: SeparationParameters,
    robot_speed: float,
    velocity: Array | None = None,
    acceleration: float = 0.0,
) -> SphereObstacles:
    """Return people's body parts as obstacles.

    Args:
        position: centres in the arm's base frame, shape (m, 3). [m]
        radius: shape (m,). [m]
        separation: numbers of the cell.
        robot_speed: largest speed of any sphere of the arm while people are near. [m/s]
        velocity: measured, shape (m, 3); None where it is not, then they are taken to come at walking speed. [m/s]
        acceleration: bound for the sampled-data margin. [m/s^2]

    Raises:
        ConfigError: shapes that do not fit, or a speed or parameter that is negative or no number.
    """
    if not (np.isfinite(robot_speed) and robot_speed >= 0.0):
        raise ConfigError(f"robot_speed {robot_speed} must be a finite number >= 0")
    count = len(np.asarray(radius))
    if velocity is None:
        speeds = np.full(count, WALKING_SPEED)
    else:
        speeds = np.linalg.norm(np.asarray(velocity, dtype=float).reshape(count, -1), axis=1)
    # A speed that is no number must reach the filter, which answers it with its backup.
    clearance = [
        protective_distance(robot_speed, separation, float(v)) if np.isfinite(v) else np.nan for v in speeds
    ]
    return SphereObstacles.create(position, radius, velocity, np.array(clearance), acceleration)
