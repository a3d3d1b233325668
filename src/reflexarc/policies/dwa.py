# SPDX-License-Identifier: Apache-2.0
r"""Dynamic window local planner: follows a route around people and walls that it sees.

D. Fox, W. Burgard, S. Thrun, The dynamic window approach to collision avoidance, IEEE RAM 1997, with
obstacles predicted at constant velocity. Every candidate (v, omega) inside the window that the drive can
reach is driven for the horizon T; the footprint's gap c_i(t) to each disc and wall point is followed, and
the cheapest candidate wins:

    J = w_time |p(T) - p_carrot| / v_cruise + w_heading |bearing of the carrot at T|
      + sum_t dt [ w_people max_i e^{-c_i / s_people} (0.3 + |v_rel,i|) + w_wall e^{-c_wall / s_wall} ]

A candidate is admissible if it can brake before the nearest wall, v <= sqrt(2 a c_wall), at every step, and
does not drive into a predicted person while moving. As any planner with a short horizon it may wait in a
local minimum before somebody who stands right in the way. If no candidate is admissible, the robot brakes
and turns towards the carrot. Weights are dimensionless ratios to one second of driving;
`reflexarc.economics.objective.planner_weights` derives them from dollars.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from reflexarc.core.config import from_mapping, quantity
from reflexarc.core.types import Array, BaseState, Proposal
from reflexarc.policies.polyline import Polyline

_FAR = 1e3
"""Gap where nothing is near. [m]"""


@dataclass(frozen=True, slots=True)
class DwaConfig:
    """Parameters of the dynamic window planner."""

    cruise_speed_m_s: float = quantity(
        1.5, unit="m/s", low=0.05, high=5.0, doc="speed on a straight, free route"
    )
    horizon_s: float = quantity(2.4, unit="s", low=0.5, high=8.0, doc="how far candidates are driven")
    step_s: float = quantity(
        0.2, unit="s", low=0.05, high=1.0, doc="time between two looks along a candidate"
    )
    window_s: float = quantity(
        0.6, unit="s", low=0.05, high=3.0, doc="time in which the drive reaches a candidate"
    )
    speeds: int = quantity(7, low=2, high=41, doc="candidate speeds")
    turns: int = quantity(13, low=3, high=81, doc="candidate yaw rates")
    max_yaw_rate_rad_s: float = quantity(
        1.0, unit="rad/s", low=0.05, high=5.0, doc="largest proposed yaw rate"
    )
    acceleration_m_s2: float = quantity(
        1.0, unit="m/s^2", low=0.05, high=5.0, doc="ramp of the drive when speeding up"
    )
    deceleration_m_s2: float = quantity(
        1.5, unit="m/s^2", low=0.05, high=5.0, doc="braking that is counted on"
    )
    yaw_acceleration_rad_s2: float = quantity(
        2.5, unit="rad/s^2", low=0.1, high=20.0, doc="ramp of the yaw rate"
    )
    half_length_m: float = quantity(0.445, unit="m", low=0.05, high=10.0, doc="footprint along x, half")
    half_width_m: float = quantity(0.31, unit="m", low=0.05, high=10.0, doc="footprint along y, half")
    wall_clearance_m: float = quantity(
        0.08, unit="m", low=0.0, high=2.0, doc="gap to walls that is never used up"
    )
    people_clearance_m: float = quantity(
        0.10, unit="m", low=0.0, high=2.0, doc="gap to people that is never used up"
    )
    lookahead_m: float = quantity(
        2.0, unit="m", low=0.2, high=20.0, doc="carrot ahead on the route beside the horizon's way"
    )
    goal_tolerance_m: float = quantity(0.3, unit="m", low=0.01, high=5.0, doc="distance at which it stops")
    time_weight: float = quantity(1.0, low=0.0, high=100.0, doc="weight of one second of driving")
    heading_weight: float = quantity(0.3, low=0.0, high=100.0, doc="weight of one radian off the carrot")
    people_weight: float = quantity(
        4.0, low=0.0, high=1e4, doc="weight of a second at gap 0 and 0.7 m/s from somebody"
    )
    people_scale_m: float = quantity(
        0.5, unit="m", low=0.05, high=5.0, doc="gap at which that falls to 1 / e"
    )
    wall_weight: float = quantity(0.6, low=0.0, high=1e4, doc="weight of a second at gap 0 from a wall")
    wall_scale_m: float = quantity(0.25, unit="m", low=0.02, high=5.0, doc="gap at which that falls to 1 / e")


class Dwa:
    """Dynamic window planner on a polyline."""

    def __init__(self, config: DwaConfig):
        """Take the parameters; `reset` gives the route. The kernel is compiled at once and cached."""
        self.config = config
        self._route: Polyline | None = None
        nobody = np.zeros((0, 5))
        _search(np.zeros(5), np.zeros(2), np.zeros((1, 2)), nobody, nobody[:, :4], _numbers(config))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> "Dwa":
        """Build from a mapping of parameters.

        Raises:
            ConfigError: unknown key or value out of bounds.
        """
        return cls(from_mapping(DwaConfig, data, where))

    def reset(self, route: Array) -> None:
        """Start at the beginning of `route`, shape (n, 2) with n >= 2. [m]

        Raises:
            ValueError: the route has fewer than two points or is not finite.
        """
        self._route = Polyline(route)

    def propose(self, state: BaseState, now: float) -> Proposal:
        """Return the wanted velocity; zero without a route and at its end."""
        if self._route is None:
            return Proposal(now, np.zeros(2))
        c, position = self.config, state.pose[:2]
        progress = self._route.advance(position)
        left = max(self._route.length - progress, float(np.hypot(*(self._route.end - position))))
        if left <= c.goal_tolerance_m:
            return Proposal(now, np.zeros(2))
        carrot = self._route.point(progress + c.cruise_speed_m_s * c.horizon_s + c.lookahead_m)
        turn_to = self._route.point(progress + c.lookahead_m)
        cruise = min(c.cruise_speed_m_s, math.sqrt(2.0 * c.deceleration_m_s2 * left))
        people = state.obstacles
        # The track is as old as its stamp says; where the person is now is what counts.
        age = min(max(now - people.stamp, 0.0), 1.0) if len(people) else 0.0
        discs = np.column_stack((people.position + age * people.velocity, people.velocity, people.radius))
        candidates = self._window(state.twist, cruise)
        start = np.concatenate((state.pose, state.twist))
        best = _search(
            start, carrot, candidates, discs, np.ascontiguousarray(state.walls.segments), _numbers(c)
        )
        if best >= 0:
            return Proposal(now, candidates[best])
        bearing = _wrap(math.atan2(*(turn_to - position)[::-1]) - state.pose[2])
        turn = 0.0 if abs(bearing) < 0.3 else math.copysign(0.5 * c.max_yaw_rate_rad_s, bearing)
        return Proposal(now, np.array([0.0, turn if abs(state.twist[0]) < 0.1 else 0.0]))

    def _window(self, twist: Array, cruise: float) -> Array:
        """Return the candidates (v, omega) that the drive can reach, shape (k, 2)."""
        c = self.config
        v, w = float(twist[0]), float(twist[1])
        low = max(0.0, v - c.deceleration_m_s2 * c.window_s)
        high = max(min(cruise, max(v, 0.0) + c.acceleration_m_s2 * c.window_s), low)
        reach = c.yaw_acceleration_rad_s2 * c.window_s
        turns = np.linspace(
            max(-c.max_yaw_rate_rad_s, w - reach), min(c.max_yaw_rate_rad_s, w + reach), c.turns
        )
        turns[np.abs(turns).argmin()] = 0.0
        speeds = np.linspace(min(low, cruise), min(high, max(cruise, low)), c.speeds)
        return np.array([(a, b) for a in speeds for b in turns])


def _numbers(c: DwaConfig) -> Array:
    """Pack what the kernel needs, in the order in which it reads them."""
    return np.array(
        (c.horizon_s, c.step_s, c.acceleration_m_s2, c.deceleration_m_s2, c.yaw_acceleration_rad_s2, c.half_length_m,
         c.half_width_m, c.wall_clearance_m, c.people_clearance_m, c.cruise_speed_m_s, c.time_weight, c.heading_weight,
         c.people_weight, c.people_scale_m, c.wall_weight, c.wall_scale_m)
    )  # fmt: skip


def _wrap(angle: float) -> float:
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


@numba.njit(cache=True)
def _toward(now, wanted, step):  # type: ignore[no-untyped-def]
    return now + min(max(wanted - now, -step), step)


@numba.njit(cache=True)
def _nearest(wall, x, y):  # type: ignore[no-untyped-def]
    """Nearest point of a segment (x1, y1, x2, y2), which may have no length. [m]"""
    ax, ay = wall[2] - wall[0], wall[3] - wall[1]
    length2 = ax * ax + ay * ay
    share = 0.0
    if length2 > 0.0:
        share = min(max(((x - wall[0]) * ax + (y - wall[1]) * ay) / length2, 0.0), 1.0)
    return wall[0] + share * ax, wall[1] + share * ay


@numba.njit(cache=True)
def _gap(x, y, yaw, px, py, half_length, half_width):  # type: ignore[no-untyped-def]
    """Distance from the footprint at a pose to a point; 0 inside. [m]"""
    dx, dy = px - x, py - y
    c, s = math.cos(yaw), math.sin(yaw)
    a = abs(c * dx + s * dy) - half_length
    b = abs(c * dy - s * dx) - half_width
    return math.hypot(max(a, 0.0), max(b, 0.0))


@numba.njit(cache=True)
def _search(start, carrot, candidates, discs, walls, numbers):  # type: ignore[no-untyped-def]
    """Return the index of the cheapest admissible candidate, -1 if there is none.

    Args:
        start: x, y, yaw, v, omega, shape (5,).
        carrot: point to make for, shape (2,). [m]
        candidates: v, omega, shape (k, 2).
        discs: x, y, vx, vy, radius of people, shape (n, 5).
        walls: segments x1, y1, x2, y2, shape (m, 4). [m]
        numbers: see `_numbers`.
    """
    horizon, dt, acceleration, deceleration, yaw_acceleration, half_length, half_width = numbers[:7]
    wall_clearance, people_clearance, cruise, w_time, w_heading, w_people, s_people, w_wall, s_wall = numbers[
        7:
    ]
    steps = max(1, int(round(horizon / dt)))
    reach = 2.0 * half_length + cruise * horizon + 1.0
    best, best_cost = -1, math.inf
    kept = np.empty((len(walls), 4))
    count = 0
    for j in range(len(walls)):
        px, py = _nearest(walls[j], start[0], start[1])
        if math.hypot(px - start[0], py - start[1]) < reach:
            kept[count] = walls[j]
            count += 1
    for k in range(len(candidates)):
        x, y, yaw, v, w = start
        cost = 0.0
        admissible = True
        for step in range(steps):
            rate = acceleration if candidates[k, 0] > v else deceleration
            v = _toward(v, candidates[k, 0], rate * dt)
            w = _toward(w, candidates[k, 1], yaw_acceleration * dt)
            middle = yaw + 0.5 * dt * w
            x += dt * v * math.cos(middle)
            y += dt * v * math.sin(middle)
            yaw += dt * w
            near = _FAR
            for j in range(count):
                px, py = _nearest(kept[j], x, y)
                if abs(px - x) < 2.0 and abs(py - y) < 2.0:
                    near = min(near, _gap(x, y, yaw, px, py, half_length, half_width))
            room = near - wall_clearance
            if (
                room < 0.0
                and step > 0
                and v > 0.05
                or v > 0.05
                and v * v > 2.0 * deceleration * max(room, 0.0) + 0.3
            ):
                admissible = False
                break
            cost += dt * w_wall * math.exp(-near / s_wall)
            worst = 0.0
            t = (step + 1) * dt
            for j in range(len(discs)):
                px, py = discs[j, 0] + t * discs[j, 2], discs[j, 1] + t * discs[j, 3]
                if abs(px - x) > reach or abs(py - y) > reach:
                    continue
                gap = _gap(x, y, yaw, px, py, half_length, half_width) - discs[j, 4]
                relative = math.hypot(v * math.cos(yaw) - discs[j, 2], v * math.sin(yaw) - discs[j, 3])
                worst = max(worst, math.exp(-max(gap, 0.0) / s_people) * (0.3 + relative))
                if gap < people_clearance and v > 0.05 and t <= v / deceleration + 3.0 * dt:
                    admissible = False
            if not admissible:
                break
            cost += dt * w_people * worst
        if not admissible:
            continue
        bearing = math.atan2(carrot[1] - y, carrot[0] - x) - yaw
        bearing = (bearing + math.pi) % (2.0 * math.pi) - math.pi
        cost += w_time * math.hypot(carrot[0] - x, carrot[1] - y) / cruise + w_heading * abs(bearing)
        if cost < best_cost:
            best, best_cost = k, cost
    return best
