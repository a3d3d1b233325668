# SPDX-License-Identifier: Apache-2.0
"""A route as a polyline with a progress that does not jump to another leg where the route comes near itself."""

import numpy as np

from reflexarc.core.types import Array

_BEHIND, _AHEAD = 1.0, 5.0
"""Stretch of the route around the progress so far in which the nearest point is looked for. [m]"""


class Polyline:
    """Way points, arc length and progress."""

    behind, ahead = _BEHIND, _AHEAD

    def __init__(self, route: Array):
        """Take way points, shape (n, 2) with n >= 2. [m]

        Raises:
            ValueError: fewer than two points, or not finite.
        """
        route = np.array(route, dtype=np.float64)
        if route.ndim != 2 or route.shape[1] != 2 or len(route) < 2 or not np.isfinite(route).all():
            raise ValueError(f"a route needs at least two finite points (n, 2), got shape {route.shape}")
        self._points = route
        self._at = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(route, axis=0).T))))
        self.progress = 0.0
        """Arc length of the nearest point so far. [m]"""

    @property
    def length(self) -> float:
        """Arc length of the whole route. [m]"""
        return float(self._at[-1])

    @property
    def end(self) -> Array:
        """Last point, shape (2,). [m]"""
        return self._points[-1]

    def advance(self, position: Array) -> float:
        """Move the progress to the nearest point of the stretch around it and return it. [m]"""
        start, along = self._points[:-1], np.diff(self._points, axis=0)
        length2 = np.maximum((along**2).sum(axis=1), 1e-12)
        share = np.clip(((position - start) * along).sum(axis=1) / length2, 0.0, 1.0)
        distance = np.hypot(*(start + share[:, None] * along - position).T)
        where = self._at[:-1] + share * np.sqrt(length2)
        near = (where >= self.progress - self.behind) & (where <= self.progress + self.ahead)
        if not near.any():
            near[:] = True
        self.progress = float(where[np.where(near, distance, np.inf).argmin()])
        return self.progress

    def point(self, length: float) -> Array:
        """Return the point at an arc length [m], clipped to the route's ends, shape (2,). [m]"""
        return np.array([np.interp(length, self._at, self._points[:, k]) for k in (0, 1)])
