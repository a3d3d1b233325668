# SPDX-License-Identifier: Apache-2.0
"""Route follower: pure pursuit on a way-point route. It knows the map and, on purpose, nothing of the pedestrians.

Steering by R. C. Coulter, Implementation of the Pure Pursuit Path Tracking Algorithm, CMU-RI-TR-92-01: with the
look-ahead point at (x, y) in base_link and L^2 = x^2 + y^2 the arc's curvature is kappa = 2 y / L^2. Speed is
the cruise speed, limited by yaw rate, |v kappa| <= omega_max, by heading error when the robot must first turn
on the spot, and by the distance that is left to the goal, v <= sqrt(2 a s).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core.config import from_mapping, quantity
from reflexarc.core.types import Array, BaseState, Proposal


@dataclass(frozen=True, slots=True)
class RouteFollowerConfig:
    """Parameters of the route follower."""

    cruise_speed_m_s: float = quantity(
        1.5, unit="m/s", low=0.05, high=5.0, doc="speed on a straight, free route"
    )
    lookahead_m: float = quantity(1.2, unit="m", low=0.2, high=10.0, doc="distance of the pursued point")
    max_yaw_rate_rad_s: float = quantity(
        1.0, unit="rad/s", low=0.05, high=5.0, doc="largest proposed yaw rate"
    )
    deceleration_m_s2: float = quantity(
        0.8, unit="m/s^2", low=0.05, high=5.0, doc="comfortable braking at the goal"
    )
    turn_in_place_rad: float = quantity(
        1.0,
        unit="rad",
        low=0.2,
        high=3.2,
        doc="bearing of the pursued point beyond which the robot turns on the spot",
    )
    goal_tolerance_m: float = quantity(0.3, unit="m", low=0.01, high=5.0, doc="distance at which it stops")


class RouteFollower:
    """Pure pursuit along a polyline."""

    def __init__(self, config: RouteFollowerConfig):
        """Take the parameters; `reset` gives the route."""
        self.config = config
        self._route = np.zeros((0, 2))
        self._progress = 0.0

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str) -> "RouteFollower":
        """Build from a mapping of parameters.

        Raises:
            ConfigError: unknown key or value out of bounds.
        """
        return cls(from_mapping(RouteFollowerConfig, data, where))

    def reset(self, route: Array) -> None:
        """Start at the beginning of `route`, shape (n, 2) with n >= 2. [m]

        Raises:
            ValueError: the route has fewer than two points or is not finite.
        """
        route = np.array(route, dtype=np.float64)
        if route.ndim != 2 or route.shape[1] != 2 or len(route) < 2 or not np.isfinite(route).all():
            raise ValueError(f"a route needs at least two finite points (n, 2), got shape {route.shape}")
        self._route = route
        steps = np.hypot(*np.diff(route, axis=0).T)
        self._arc_length = np.concatenate(([0.0], np.cumsum(steps)))
        self._progress = 0.0

    def propose(self, state: BaseState, now: float) -> Proposal:
        """Return the wanted velocity; zero without a route and at its end."""
        if len(self._route) == 0:
            return Proposal(now, np.zeros(2))
        c = self.config
        position = state.pose[:2]
        self._progress = self._project(position)
        left = float(self._arc_length[-1] - self._progress)
        to_goal = float(np.hypot(*(self._route[-1] - position)))
        if to_goal <= c.goal_tolerance_m:
            return Proposal(now, np.zeros(2))
        target = self._point(self._progress + c.lookahead_m)
        dx, dy = target - position
        cos, sin = math.cos(state.pose[2]), math.sin(state.pose[2])
        x, y = cos * dx + sin * dy, cos * dy - sin * dx
        bearing = math.atan2(y, x)
        if abs(bearing) > c.turn_in_place_rad:
            return Proposal(now, np.array([0.0, math.copysign(c.max_yaw_rate_rad_s, bearing)]))
        curvature = 2.0 * y / max(x * x + y * y, 1e-6)
        speed = min(c.cruise_speed_m_s, math.sqrt(2.0 * c.deceleration_m_s2 * max(left, to_goal)))
        if abs(curvature) * speed > c.max_yaw_rate_rad_s:
            speed = c.max_yaw_rate_rad_s / abs(curvature)
        return Proposal(now, np.array([speed, speed * curvature]))

    def _project(self, position: Array) -> float:
        """Arc length of the route's nearest point, looking only around the progress made so far."""
        start, ends = self._route[:-1], self._route[1:]
        along = ends - start
        length2 = np.maximum((along**2).sum(axis=1), 1e-12)
        share = np.clip(((position - start) * along).sum(axis=1) / length2, 0.0, 1.0)
        distance = np.hypot(*(start + share[:, None] * along - position).T)
        where = self._arc_length[:-1] + share * np.sqrt(length2)
        near = (where >= self._progress - 1.0) & (where <= self._progress + 5.0)
        if not near.any():
            near[:] = True
        return float(where[np.where(near, distance, np.inf).argmin()])

    def _point(self, length: float) -> Array:
        """The route's point at an arc length, clipped to its end."""
        return np.array([np.interp(length, self._arc_length, self._route[:, k]) for k in (0, 1)])
