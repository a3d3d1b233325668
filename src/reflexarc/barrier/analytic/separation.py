# SPDX-License-Identifier: Apache-2.0
r"""Protective separation distance of ISO/TS 15066:2016, 5.5.4 (from ISO 13855), and the barrier h = d - S_p.

    S_p = S_h + S_r + S_s + C + Z_d + Z_r
    S_h = v_h (T_r + T_s)       the person, while the system reacts and stops
    S_r = v_r T_r               the robot, while the system reacts
    S_s = v_r^2 / (2 a)         the robot, while it stops;   T_s = v_r / a

with v_h, v_r the speeds of approach (never negative: what moves away does not help). The constant-speed form of the
standard with a constant deceleration; where the manufacturer measured T_s and S_s, give the slowest measured
deceleration as a.
"""

import math
from typing import NamedTuple

from reflexarc.core.errors import ConfigError

WALKING_SPEED = 1.6
"""Speed of a person that is not measured, ISO 13855. [m/s]"""


class SeparationParameters(NamedTuple):
    """Numbers of the distance, all SI."""

    reaction: float
    """T_r: from the person's change to the start of braking, sensing and processing included. [s]"""
    deceleration: float
    """a: deceleration that the robot surely reaches towards the person. [m/s^2]"""
    intrusion: float = 0.0
    """C: how far a part of the body can intrude before it is seen. [m]"""
    person_uncertainty: float = 0.0
    """Z_d: uncertainty of the person's position. [m]"""
    robot_uncertainty: float = 0.0
    """Z_r: uncertainty of the robot's position. [m]"""


def _check(p: SeparationParameters) -> None:
    for name, value in p._asdict().items():
        if not math.isfinite(value) or value < 0.0 or (name == "deceleration" and value == 0.0):
            raise ConfigError(
                f"{name} = {value}: must be a finite number >= 0 (deceleration > 0); no distance was computed"
            )


def protective_distance(
    robot_speed: float, p: SeparationParameters, person_speed: float = WALKING_SPEED
) -> float:
    """Return S_p. [m]

    Args:
        robot_speed: v_r, towards the person. [m/s]
        p: the numbers of the cell.
        person_speed: v_h, towards the robot. [m/s]

    Raises:
        ConfigError: a parameter is negative or no number.
    """
    _check(p)
    robot, person = max(robot_speed, 0.0), max(person_speed, 0.0)
    stop = robot / p.deceleration
    fixed = p.intrusion + p.person_uncertainty + p.robot_uncertainty
    return person * (p.reaction + stop) + robot * p.reaction + 0.5 * robot * stop + fixed


def separation_barrier(
    distance: float, robot_speed: float, p: SeparationParameters, person_speed: float = WALKING_SPEED
) -> tuple[float, float, float]:
    """Return h = d - S_p [m] and its derivatives by d [1] and by v_r [s] (right-sided at standstill)."""
    h = distance - protective_distance(robot_speed, p, person_speed)
    robot, person = max(robot_speed, 0.0), max(person_speed, 0.0)
    slope = 0.0 if robot_speed < 0.0 else -(person / p.deceleration + p.reaction + robot / p.deceleration)
    return h, 1.0, slope


def allowed_speed(distance: float, p: SeparationParameters, person_speed: float = WALKING_SPEED) -> float:
    """Return the largest v_r with d >= S_p: the speed limit of speed and separation monitoring; 0 when none. [m/s]"""
    _check(p)
    person = max(person_speed, 0.0)
    fixed = p.intrusion + p.person_uncertainty + p.robot_uncertainty
    room = distance - person * p.reaction - fixed
    if room <= 0.0:
        return 0.0
    linear = person / p.deceleration + p.reaction
    return p.deceleration * (math.sqrt(linear * linear + 2.0 * room / p.deceleration) - linear)
