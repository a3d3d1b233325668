# SPDX-License-Identifier: Apache-2.0
"""How pedestrians go round the robot.

An attentive one bends its aim so that the paths no longer cross. With r the robot relative to the pedestrian and
w = v_p - v_r their relative velocity, the closest approach is at t* = clip(r.w / |w|^2, 0, T) at the miss vector
m = r - w t*. If |m| < R the aim becomes the robot's place at t*, moved by R_aim across w on the side that it
already tends to; on its right-hand side when the encounter is exactly head-on. Pedestrians are observed to adapt to the
predicted distance of closest approach (Olivier et al., Gait & Posture 2012); this is that rule for one partner. Among
themselves pedestrians interact by jupedsim's model.

Whoever is aware of the robot does not walk into it: the speed towards its footprint is at most what can be braked
before it, v <= sqrt(2 a (gap - c)). One that has just been bumped steps aside, at right angles to the robot's heading.
"""

import math
from typing import NamedTuple

import numpy as np

from reflexarc.core.types import Array

HORIZON = 4.0  # [s] farther ahead nobody plans round a robot
PASSING_DISTANCE = (
    1.05  # [m] R, centre to centre: half the robot's diagonal 0.54 + body radius 0.25 + about a quarter metre
)
AIM_DISTANCE = 1.25  # [m] R_aim > R, so that aiming there resolves the conflict
ASIDE_RANGE = 2.0  # [m] a bumped pedestrian keeps stepping aside while the robot is this near
BESIDE = 0.35  # [m] lateral offset from which it is beside the robot rather than in front of it or behind it
_BRAKING = 1.5  # [m/s^2] a walking person stops without effort
_GAP = 0.10  # [m] that an aware person leaves
_HEAD_ON = 0.05  # [m] miss smaller than this has no side yet


class Walker(NamedTuple):
    """A pedestrian that plans its way."""

    position: Array
    """Shape (2,). [m]"""
    velocity: Array
    """That it would walk with otherwise, shape (2,). [m/s]"""
    side: int
    """+1 left, -1 right of its way if it has already decided how to pass, else 0."""
    y_range: tuple[float, float]
    """Within which its aim must lie. [m]"""


def evasive_aim(walker: Walker, robot: Array, robot_velocity: Array) -> tuple[Array | None, int]:
    """Return the aim point, shape (2,) [m], or None when the paths do not conflict, and the side chosen.

    Args:
        walker: who plans.
        robot: centre of the robot, shape (2,). [m]
        robot_velocity: shape (2,). [m/s]
    """
    r = robot - walker.position
    w = walker.velocity - robot_velocity
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
    side = walker.side
    if side == 0:
        offset = float(miss @ across)
        side = -1 if abs(offset) < _HEAD_ON else (-1 if offset > 0 else 1)
    meeting = robot + robot_velocity * t
    return _on_a_free_side(meeting, across, AIM_DISTANCE, side, walker.y_range)


def step_aside(walker: Walker, robot_pose: Array) -> tuple[Array | None, int]:
    """Return an aim beside the robot, shape (2,) [m], or None when it is out of the robot's way, and the side chosen.

    Args:
        walker: who was bumped; its side is meant relative to the robot's heading.
        robot_pose: x, y, yaw of the robot, shape (3,). [m, m, rad]
    """
    offset = walker.position - robot_pose[:2]
    left = np.array([-math.sin(robot_pose[2]), math.cos(robot_pose[2])])
    lateral = float(offset @ left)
    if abs(lateral) > PASSING_DISTANCE or float(offset @ offset) > ASIDE_RANGE**2:
        return None, 0
    nearer = 1 if lateral > 0 else -1
    side = nearer if abs(lateral) > BESIDE else walker.side
    if side == 0:
        _, side = _on_a_free_side(robot_pose[:2], left, PASSING_DISTANCE, nearer, walker.y_range)
    aim = walker.position + side * AIM_DISTANCE * left
    aim[1] = min(max(aim[1], walker.y_range[0]), walker.y_range[1])
    return aim, side


def keep_off(walker: Walker, robot_pose: Array, robot_size: tuple[float, float], radius: float) -> Array:
    """Return the walker's velocity, shape (2,) [m/s], without what would carry it into the robot.

    Args:
        walker: whose velocity is to be limited.
        robot_pose: x, y, yaw of the robot, shape (3,). [m, m, rad]
        robot_size: length and width of its footprint. [m]
        radius: of the walker. [m]
    """
    ahead = np.array([math.cos(robot_pose[2]), math.sin(robot_pose[2])])
    left = np.array([-ahead[1], ahead[0]])
    offset = walker.position - robot_pose[:2]
    local = np.array([offset @ ahead, offset @ left])
    half = np.array(robot_size) / 2
    out = local - np.clip(local, -half, half)
    distance = math.hypot(*out)
    if distance < 1e-9:  # inside: straight out from the centre
        out, distance = local, max(math.hypot(*local), 1e-9)
        gap = -radius
    else:
        gap = distance - radius
    normal = (out[0] * ahead + out[1] * left) / distance
    approach = -float(walker.velocity @ normal)
    allowed = math.sqrt(2.0 * _BRAKING * max(gap - _GAP, 0.0))
    return walker.velocity + max(approach - allowed, 0.0) * normal


def _on_a_free_side(
    centre: Array, across: Array, distance: float, side: int, y_range: tuple[float, float]
) -> tuple[Array, int]:
    """Aim beside `centre` on the side asked for, on the other one if that is not walkable, else as far as it goes."""
    for attempt in (side, -side):
        aim = centre + attempt * distance * across
        if y_range[0] <= aim[1] <= y_range[1]:
            return aim, attempt
    aim = centre + side * distance * across
    aim[1] = min(max(aim[1], y_range[0]), y_range[1])
    return aim, side
