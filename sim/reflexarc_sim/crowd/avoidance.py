# SPDX-License-Identifier: Apache-2.0
"""How an attentive pedestrian goes round the robot: bend the aim point so that the paths no longer cross.

With r the robot relative to the pedestrian and w = v_p - v_r their relative velocity, the closest approach is at
t* = clip(r.w / |w|^2, 0, T) at the miss vector m = r - w t*. If |m| < R the pedestrian aims at the robot's place at t*, moved
by R_aim across w on the side that it already tends to; on the right-hand side when the encounter is exactly head-on. It is
the rule of anticipating the closest approach that pedestrians are observed to follow (Olivier et al., Gait & Posture 2012),
reduced to one partner; among themselves pedestrians interact by jupedsim's model.
"""

import math

import numpy as np

from reflexarc.core.types import Array

HORIZON = 4.0  # [s] farther ahead nobody plans round a robot
PASSING_DISTANCE = (
    1.05  # [m] R, centre to centre: half the robot's diagonal 0.54 + body radius 0.25 + about a quarter metre
)
AIM_DISTANCE = 1.25  # [m] R_aim > R, so that aiming there resolves the conflict
_HEAD_ON = 0.05  # [m] miss smaller than this has no side yet


def evasive_aim(
    position: Array,
    velocity: Array,
    robot: Array,
    robot_velocity: Array,
    side: int,
    y_range: tuple[float, float],
) -> tuple[Array | None, int]:
    """Return the aim point, shape (2,) [m], or None when the paths do not conflict, and the side chosen.

    Args:
        position: of the pedestrian, shape (2,). [m]
        velocity: that it would walk with otherwise, shape (2,). [m/s]
        robot: centre of the robot, shape (2,). [m]
        robot_velocity: shape (2,). [m/s]
        side: +1 left, -1 right of its own way if it has already decided, else 0.
        y_range: within which the aim must lie. [m]
    """
    r = robot - position
    w = velocity - robot_velocity
    speed2 = float(w @ w)
    if speed2 < 1e-4:
        return None, 0
    t = min(max(float(r @ w) / speed2, 0.0), HORIZON)
    miss = r - w * t
    if float(miss @ miss) >= PASSING_DISTANCE**2:
        return None, 0
    if t == 0.0 and float(r @ w) < 0.0:
        return None, 0
    across = np.array([-w[1], w[0]]) / math.sqrt(speed2)
    if side == 0:
        offset = float(miss @ across)
        side = -1 if abs(offset) < _HEAD_ON else (-1 if offset > 0 else 1)
    meeting = robot + robot_velocity * t
    for attempt in (side, -side):
        aim = meeting + attempt * AIM_DISTANCE * across
        if y_range[0] <= aim[1] <= y_range[1]:
            return aim, attempt
    aim = meeting + side * AIM_DISTANCE * across
    aim[1] = min(max(aim[1], y_range[0]), y_range[1])
    return aim, side
