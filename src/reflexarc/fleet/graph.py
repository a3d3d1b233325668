# SPDX-License-Identifier: Apache-2.0
"""The graph that robots of a fleet drive on: a grid of cells or a roadmap, one type for both.

Vertices have positions, directed edges have durations. Planners in steps (`cbs`, `eecbs`, `lacam`) let every edge take
one step; the planner in continuous time takes the durations as they are. Edges lie in compressed rows, so that compiled
kernels walk over plain arrays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numba
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

Ints = np.ndarray
UNREACHABLE = np.int32(1 << 28)
"""Distance in steps of a vertex from which the goal cannot be reached."""


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A directed graph of n vertices and m edges; edges of one vertex lie together, in the order of their ends."""

    positions: Array
    """Shape (n, 2). [m]; on grids one cell is one metre."""
    first: Ints
    """First outgoing edge of each vertex, shape (n + 1,), int32."""
    head: Ints
    """Vertex at which each edge ends, shape (m,), int32."""
    duration: Array
    """Time that each edge takes, shape (m,). [s]"""
    back_first: Ints
    """First incoming edge of each vertex, shape (n + 1,), int32."""
    back_tail: Ints
    """Vertex at which each incoming edge starts, shape (m,), int32."""
    back_edge: Ints
    """The edge's number among the outgoing ones, shape (m,), int32."""
    opposite: Ints
    """The edge in the other direction, -1 if there is none; shape (m,), int32."""
    rows: tuple[str, ...] = ()
    """The map's rows if this is a grid, `.` free and `@` blocked."""
    cells: dict[tuple[int, int], int] = field(default_factory=dict)
    """Vertex of each free cell (x, y) if this is a grid."""

    @property
    def vertices(self) -> int:
        """Number of vertices."""
        return len(self.positions)

    @property
    def edges(self) -> int:
        """Number of directed edges."""
        return len(self.head)

    @property
    def tail(self) -> Ints:
        """Vertex at which each edge starts, shape (m,)."""
        return np.repeat(np.arange(self.vertices, dtype=np.int32), np.diff(self.first))

    def label(self, vertex: int) -> str:
        """Return how a person would name the vertex."""
        x, y = self.positions[vertex]
        return f"cell ({int(x)}, {int(y)})" if self.rows else f"vertex {vertex} at ({x:.6g}, {y:.6g})"


def roadmap(
    positions: Array, edges: Iterable[Sequence[float]], rows: tuple[str, ...] = (), directed: bool = True
) -> Graph:
    """Return the graph with these directed edges.

    Args:
        positions: shape (n, 2). [m]
        edges: (from, to, duration) or (from, to); without a duration an edge takes its length at 1 m/s. [s]
        rows: the map's rows if the vertices are cells of a grid.
        directed: whether an edge leads one way only.

    Raises:
        ConfigError: no vertices, positions or durations that are not finite, an edge that leads nowhere, twice the
            same edge.
    """
    points = np.array(positions, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ConfigError(f"positions of a roadmap must have shape (n, 2) with n > 0, got {points.shape}")
    if not np.isfinite(points).all():
        bad = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ConfigError(f"vertex {bad}: its position {points[bad].tolist()} must be finite")
    table: dict[tuple[int, int], float] = {}
    for edge in edges:
        u, v = int(edge[0]), int(edge[1])
        if not (0 <= u < len(points) and 0 <= v < len(points)) or u == v:
            raise ConfigError(
                f"edge {u} -> {v}: both ends must be different vertices in 0..{len(points) - 1}"
            )
        time = float(edge[2]) if len(edge) > 2 else float(np.hypot(*(points[u] - points[v])))
        if not 0.0 < time < np.inf:
            raise ConfigError(f"edge {u} -> {v}: its duration {time} must be a finite time > 0 [s]")
        for pair in ((u, v),) if directed else ((u, v), (v, u)):
            if pair in table:
                raise ConfigError(f"edge {pair[0]} -> {pair[1]} is given twice")
            table[pair] = time
    pairs = sorted(table)
    tail = np.array([u for u, _ in pairs], dtype=np.int32)
    head = np.array([v for _, v in pairs], dtype=np.int32)
    number = {pair: k for k, pair in enumerate(pairs)}
    order = np.lexsort((tail, head)).astype(np.int32)
    counts = np.bincount(tail, minlength=len(points)), np.bincount(head, minlength=len(points))
    first, back_first = (np.concatenate(([0], np.cumsum(c))).astype(np.int32) for c in counts)
    cells = {(int(x), int(y)): k for k, (x, y) in enumerate(points)} if rows else {}
    return Graph(
        points,
        first,
        head,
        np.array([table[pair] for pair in pairs], dtype=np.float64),
        back_first,
        tail[order],
        order,
        np.array([number.get((v, u), -1) for u, v in pairs], dtype=np.int32),
        rows,
        cells,
    )


def grid(rows: Sequence[str], diagonal: bool = False) -> Graph:
    """Return the graph of a map: one vertex per free cell, edges of one second to the cells beside it.

    Args:
        rows: equally long rows, `.` free and `@` blocked; x is the column, y the row, the origin is top left.
        diagonal: also to the diagonal cells where both cells between are free; those edges take sqrt(2) s.

    Raises:
        ConfigError: rows of different length, or no free cell.
    """
    if len({len(row) for row in rows}) != 1 or not any("." in row for row in rows):
        raise ConfigError("a grid needs rows of one length with at least one free cell '.'")
    cells = {(x, y): -1 for y, row in enumerate(rows) for x, letter in enumerate(row) if letter == "."}
    cells = {cell: k for k, cell in enumerate(cells)}
    edges: list[tuple[float, ...]] = []
    for (x, y), k in cells.items():
        for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1)):
            if (x + dx, y + dy) in cells:
                edges.append((k, cells[x + dx, y + dy], 1.0))
        for dx, dy in ((1, 1), (1, -1), (-1, 1), (-1, -1)) if diagonal else ():
            if {(x + dx, y + dy), (x + dx, y), (x, y + dy)} <= cells.keys():
                edges.append((k, cells[x + dx, y + dy], float(np.sqrt(2.0))))
    return roadmap(np.array(list(cells), dtype=np.float64), edges, tuple(rows))


def steps_to(graph: Graph, goals: Sequence[int]) -> Ints:
    """Return the number of edges from every vertex to each goal, shape (goals, n), int32; `UNREACHABLE` if none."""
    table = np.empty((len(goals), graph.vertices), dtype=np.int32)
    _breadth_first(graph.back_first, graph.back_tail, np.array(goals, dtype=np.int32), table)
    return table


@numba.njit(cache=True)
def _breadth_first(first, head, sources, table):
    """Write the number of edges from each source to every vertex into a row of `table`."""
    table[:] = UNREACHABLE
    queue = np.empty(table.shape[1], dtype=np.int32)
    for k in range(len(sources)):
        distance = table[k]
        queue[0] = sources[k]
        distance[sources[k]] = 0
        done, end = 0, 1
        while done < end:
            v = queue[done]
            done += 1
            for e in range(first[v], first[v + 1]):
                if distance[head[e]] == UNREACHABLE:
                    distance[head[e]] = distance[v] + 1
                    queue[end] = head[e]
                    end += 1
