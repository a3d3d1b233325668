# SPDX-License-Identifier: Apache-2.0
"""Routes on a clearance map: Dijkstra on a grid that prefers room, then shortening by line of sight.

The cost of an edge between neighbouring cells (8-connected) is its length times 1 + w max(0, 1 - c / c_0), where c is
the clearance beyond the required one; so a route keeps to the middle where there is room and is the shortest where
there is none.
"""

from collections.abc import Callable

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import dijkstra

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

Clearance = Callable[[Array], Array]
"""Points, shape (n, 2) [m] -> distance from the nearest forbidden thing, shape (n,) [m]."""

_CELL = 0.1  # [m] fine against the robot's width of 0.6 m, coarse enough for 40 000 cells per block
_COMFORT = 0.5  # [m] clearance beyond the required one at which the detour cost vanishes (c_0)
_WEIGHT = 2.0  # detour cost at zero extra clearance (w)
_WAY_OUT = 2.0  # [m] farthest free place to which a robot that stands too close to something is led
_POINT_SPACING = 0.5  # [m] spacing of the returned polyline


class RouteMap:
    """Clearance sampled on a grid, and shortest comfortable routes on it."""

    def __init__(
        self, bounds: tuple[float, float, float, float], clearance_of: Clearance, required: float
    ) -> None:
        """Sample the clearance.

        Args:
            bounds: x_min, y_min, x_max, y_max of the drivable area. [m]
            clearance_of: what there is to keep clear of.
            required: clearance that a route keeps. [m]
        """
        self._clearance_of = clearance_of
        self.required = required
        x_min, y_min, x_max, y_max = bounds
        xs = np.arange(x_min + _CELL / 2, x_max, _CELL)
        ys = np.arange(y_min + _CELL / 2, y_max, _CELL)
        self._shape = (len(xs), len(ys))
        self._origin = np.array([xs[0], ys[0]])
        grid = np.stack(np.meshgrid(xs, ys, indexing="ij"), axis=-1)
        self._room = clearance_of(grid.reshape(-1, 2)).reshape(self._shape) - required
        self._graph = self._build_graph()

    def route(self, start: Array, goal: Array) -> Array:
        """Return a polyline from start to goal, shape (n, 2), points at most 0.5 m apart. [m]

        A robot that stands too close to something is led straight to the nearest free place first.

        Raises:
            ConfigError: the goal lacks the required clearance, there is no free place near the start, or start and goal
                are not connected.
        """
        room = self._room_at(goal)
        if room < 0:
            raise ConfigError(
                f"route goal ({goal[0]:.2f}, {goal[1]:.2f}) m has a clearance of {room + self.required:.2f} m; "
                f"at least {self.required:.2f} m is needed; no route was planned"
            )
        source, target = self._cell(start), self._cell(goal)
        if self._room_at(start) < 0:
            return np.concatenate(
                (start[None], self._route(self._way_out(start, source), goal, source, target))
            )
        return self._route(start, goal, source, target)

    def _room_at(self, point: Array) -> float:
        """Clearance of a point beyond the required one. [m]"""
        return float(self._clearance_of(point[None])[0]) - self.required

    def _way_out(self, start: Array, cell: int) -> Array:
        """Centre of the free cell next to a start that is not free."""
        centre = self._centre(cell)
        distance = float(np.linalg.norm(centre - start))
        if distance > _WAY_OUT:
            raise ConfigError(
                f"route start ({start[0]:.2f}, {start[1]:.2f}) m is {distance:.2f} m from the nearest place with a "
                f"clearance of {self.required:.2f} m, allowed {_WAY_OUT:.2f} m; no route was planned"
            )
        return centre

    def _route(self, start: Array, goal: Array, source: int, target: int) -> Array:
        cost, previous = dijkstra(self._graph, indices=source, return_predecessors=True)
        if not np.isfinite(cost[target]):
            raise ConfigError(
                f"no way from ({start[0]:.2f}, {start[1]:.2f}) to ({goal[0]:.2f}, {goal[1]:.2f}) m"
            )
        cells = [target]
        while cells[-1] != source:
            cells.append(int(previous[cells[-1]]))
        inner = [self._centre(cell) for cell in reversed(cells)]
        return self._resample(self._shorten(np.array([start, *inner[1:-1], goal])))

    def line_is_free(self, a: Array, b: Array) -> bool:
        """Whether the straight line from a to b keeps the required clearance."""
        steps = max(2, int(np.ceil(np.linalg.norm(b - a) / (_CELL / 2))) + 1)
        points = a + np.linspace(0.0, 1.0, steps)[:, None] * (b - a)
        return bool(np.all(self._clearance_of(points) >= self.required))

    def _cell(self, point: Array) -> int:
        """Nearest free cell to a free point."""
        index = np.clip(np.round((point - self._origin) / _CELL).astype(int), 0, np.array(self._shape) - 1)
        flat = int(np.ravel_multi_index(tuple(index), self._shape))
        if self._room.ravel()[flat] >= 0:
            return flat
        free = np.flatnonzero(self._room.ravel() >= 0)
        if not len(free):
            raise ConfigError(f"no cell of the map has the required clearance of {self.required:.2f} m")
        distance = np.linalg.norm(self._centre(free) - point, axis=-1)
        return int(free[np.argmin(distance)])

    def _centre(self, cell: int | np.ndarray) -> Array:
        index = np.stack(np.unravel_index(cell, self._shape), axis=-1)
        return np.asarray(self._origin + _CELL * index, np.float64)

    def _build_graph(self) -> csr_matrix:
        index = np.arange(self._room.size).reshape(self._shape)
        rows, columns, costs = [], [], []
        price = 1.0 + _WEIGHT * np.maximum(0.0, 1.0 - self._room / _COMFORT)
        for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
            a = (slice(0, self._shape[0] - dx), slice(max(0, -dy), self._shape[1] - max(0, dy)))
            b = (slice(dx, None), slice(max(0, dy), self._shape[1] - max(0, -dy)))
            free = (self._room[a] >= 0) & (self._room[b] >= 0)
            rows.append(index[a][free])
            columns.append(index[b][free])
            costs.append(_CELL * np.hypot(dx, dy) * 0.5 * (price[a] + price[b])[free])
        size = self._room.size
        half = coo_matrix(
            (np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))), shape=(size, size)
        )
        return (half + half.T).tocsr()

    def _cost(self, a: Array, b: Array) -> float:
        """Cost of the straight line from a to b; inf when it is not free."""
        length = float(np.linalg.norm(b - a))
        steps = max(2, int(np.ceil(length / (_CELL / 2))) + 1)
        room = self._clearance_of(a + np.linspace(0.0, 1.0, steps)[:, None] * (b - a)) - self.required
        if np.any(room < 0):
            return np.inf
        return length * float(np.mean(1.0 + _WEIGHT * np.maximum(0.0, 1.0 - room / _COMFORT)))

    def _shorten(self, points: Array) -> Array:
        """Drop points wherever the straight line is free and not dearer than the way round."""
        step_costs = [self._cost(a, b) for a, b in zip(points[:-1], points[1:], strict=True)]
        along = np.concatenate([[0.0], np.cumsum(step_costs)])
        kept, i = [points[0]], 0
        while i < len(points) - 1:
            reach = i + 1
            stride = 1
            j = i + 2
            while j < len(points):
                direct = self._cost(points[i], points[j])
                if direct <= along[j] - along[i] + 1e-9:
                    reach = j
                    stride = min(2 * stride, 32)
                elif not np.isfinite(direct):
                    break
                j += stride
            kept.append(points[reach])
            i = reach
        return np.array(kept)

    @staticmethod
    def _resample(points: Array) -> Array:
        out = [points[:1]]
        for a, b in zip(points[:-1], points[1:], strict=True):
            pieces = max(1, int(np.ceil(np.linalg.norm(b - a) / _POINT_SPACING)))
            out.append(a + np.linspace(0.0, 1.0, pieces + 1)[1:, None] * (b - a))
        return np.concatenate(out)
