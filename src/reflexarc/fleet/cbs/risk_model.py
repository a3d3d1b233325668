# SPDX-License-Identifier: Apache-2.0
"""What a plan risks: a number per directed edge and per step of waiting, and which edges may not be driven at once.

An agent's risk is the sum over its edges and over the steps it waits until it has reached its goal for good; a team's
risk is the sum over its agents (Delta-MAPF, Parimi and Williams, arXiv 2509.08157). There, waiting at a vertex risks as
much as the safest edge at it, which is the default here.

On grids with diagonals and on roadmaps two edges can cross between their ends. With `crossing`, edges whose segments
touch may not be driven in one step, as in that work; without it, only the two directions of an edge may not.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.graph import Graph, Ints

TOUCH = 1e-9
"""Segments that miss each other by less cross. [m], relative to their lengths"""


@dataclass(frozen=True, slots=True, eq=False)
class RiskModel:
    """Risks of a graph with n vertices and m directed edges."""

    graph: Graph
    edge: Array
    """Risk of each edge, shape (m,), >= 0."""
    wait: Array
    """Risk of each step of waiting, shape (n,), >= 0."""
    crossing: bool
    """Whether edges that cross exclude each other."""
    exclude_first: Ints
    """First entry of each edge in `exclude`, shape (m + 1,), int64."""
    exclude: Ints
    """Edges that may not be driven in the same step, int32."""

    def to_go(self, goal: int) -> Array:
        """Return the smallest risk from every vertex to the goal without waiting, shape (n,); inf if there is none."""
        graph = self.graph
        best = np.full(graph.vertices, np.inf)
        best[goal] = 0.0
        heap = [(0.0, goal)]
        while heap:
            so_far, v = heapq.heappop(heap)
            if so_far > best[v]:
                continue
            for k in range(graph.back_first[v], graph.back_first[v + 1]):
                u, total = int(graph.back_tail[k]), so_far + float(self.edge[graph.back_edge[k]])
                if total < best[u]:
                    best[u] = total
                    heapq.heappush(heap, (total, u))
        return best

    def along(self, vertices: Sequence[int]) -> float:
        """Return what a path of one vertex per step risks; waiting at its end counts nothing."""
        last = len(vertices) - 1
        while last > 0 and vertices[last - 1] == vertices[last]:
            last -= 1
        number = self._numbers()
        parts = (
            self.wait[u] if u == v else self.edge[number[u, v]]
            for u, v in zip(vertices[:last], vertices[1 : last + 1], strict=True)
        )
        return math.fsum(float(part) for part in parts)

    def _numbers(self) -> dict[tuple[int, int], int]:
        pairs = zip(self.graph.tail.tolist(), self.graph.head.tolist(), strict=True)
        return {pair: k for k, pair in enumerate(pairs)}


def risk_model(
    graph: Graph, risk: npt.ArrayLike, wait: npt.ArrayLike | None = None, crossing: bool | None = None
) -> RiskModel:
    """Return the checked risks of a graph.

    Args:
        graph: vertices and edges.
        risk: per directed edge in the graph's order, shape (m,), finite and >= 0.
        wait: per vertex and step, shape (n,), or one number for all; default: the smallest risk of the edges that
            begin or end at the vertex.
        crossing: whether edges that cross exclude each other; default: unless the graph is a grid without diagonals,
            where nothing crosses.

    Raises:
        ConfigError: a wrong shape, or a risk that is negative or not finite; the message names the edge or vertex.
    """
    edge = np.asarray(risk, dtype=np.float64)
    if edge.shape != (graph.edges,):
        raise ConfigError(f"risk has shape {edge.shape}; the graph has {graph.edges} directed edges")
    tail = graph.tail
    bad = np.flatnonzero(~(np.isfinite(edge) & (edge >= 0.0)))
    if len(bad):
        k = int(bad[0])
        raise ConfigError(
            f"edge {tail[k]} -> {graph.head[k]}: its risk {edge[k]} must be finite and >= 0; nothing was planned"
        )
    if wait is None:
        least = np.full(graph.vertices, np.inf)
        np.minimum.at(least, tail, edge)
        np.minimum.at(least, graph.head, edge)
        rest = np.where(np.isfinite(least), least, 0.0)
    else:
        given = np.asarray(wait, dtype=np.float64)
        if given.shape not in ((), (graph.vertices,)):
            raise ConfigError(
                f"wait risk has shape {given.shape}; allowed: one number or {graph.vertices}, one per vertex"
            )
        rest = np.broadcast_to(given, (graph.vertices,)).copy()
    bad = np.flatnonzero(~(np.isfinite(rest) & (rest >= 0.0)))
    if len(bad):
        raise ConfigError(
            f"vertex {int(bad[0])}: its wait risk {rest[bad[0]]} must be finite and >= 0; nothing was planned"
        )
    if crossing is None:
        ends = graph.positions[tail] - graph.positions[graph.head]
        crossing = not (graph.rows and graph.edges and np.abs(ends).sum(axis=1).max() <= 1.0)
    first, exclude = _exclusions(graph, crossing)
    return RiskModel(graph, edge, rest, crossing, first, exclude)


def _exclusions(graph: Graph, crossing: bool) -> tuple[Ints, Ints]:
    """Return which edges exclude which, as compressed rows."""
    opposite = np.flatnonzero(graph.opposite >= 0).astype(np.int32)
    pairs = np.stack((opposite, graph.opposite[opposite]), axis=1)
    if crossing and graph.edges:
        tail = graph.tail
        low = np.minimum(graph.positions[tail], graph.positions[graph.head])
        high = np.maximum(graph.positions[tail], graph.positions[graph.head])
        order = np.argsort(low[:, 0], kind="stable").astype(np.int32)
        found = _crossing_pairs(graph.positions, tail, graph.head, low, high, order)
        pairs = np.concatenate((pairs, found, found[:, ::-1]))
    keys = np.unique(pairs[:, 0].astype(np.int64) * max(graph.edges, 1) + pairs[:, 1])
    edges, others = np.divmod(keys, max(graph.edges, 1))
    first = np.concatenate(([0], np.cumsum(np.bincount(edges, minlength=graph.edges))))
    return first.astype(np.int64), others.astype(np.int32)


@numba.njit(cache=True)
def _crossing_pairs(positions, tail, head, low, high, order):
    """Return pairs (e, f) of edges whose segments touch, shape (k, 2); edges are swept in the order of their left ends.

    Two edges that share an end count if they overlap and run against each other, so that following is allowed.
    """
    found = np.empty((64, 2), dtype=np.int32)
    count = 0
    for i in range(order.shape[0]):
        e = order[i]
        a, b = positions[tail[e]], positions[head[e]]
        for j in range(i + 1, order.shape[0]):
            f = order[j]
            if low[f, 0] > high[e, 0] + TOUCH:
                break
            if low[f, 1] > high[e, 1] + TOUCH or high[f, 1] < low[e, 1] - TOUCH:
                continue
            if tail[e] == tail[f] or head[e] == head[f]:
                continue  # two agents would be at one vertex before or after
            if not _touch(
                a, b, positions[tail[f]], positions[head[f]], tail[e] == head[f] or head[e] == tail[f]
            ):
                continue
            if count == found.shape[0]:
                wider = np.empty((2 * count, 2), dtype=np.int32)
                wider[:count] = found
                found = wider
            found[count, 0], found[count, 1] = e, f
            count += 1
    return found[:count].copy()


@numba.njit(cache=True)
def _touch(a, b, c, d, chained):
    """Return whether the segments a-b and c-d touch; chained ones share an end and must run against each other."""
    ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], d[0] - c[0], d[1] - c[1]
    size = math.sqrt((ux * ux + uy * uy) * (vx * vx + vy * vy))
    cross = ux * vy - uy * vx
    if chained:
        return abs(cross) <= TOUCH * size and ux * vx + uy * vy < 0.0
    wx, wy = c[0] - a[0], c[1] - a[1]
    if size > 0.0 and abs(cross) > TOUCH * size:
        s, t = (wx * vy - wy * vx) / cross, (wx * uy - wy * ux) / cross
        return -TOUCH <= s <= 1.0 + TOUCH and -TOUCH <= t <= 1.0 + TOUCH
    length = ux * ux + uy * uy
    if length == 0.0:  # two vertices at one place
        length = vx * vx + vy * vy
        if length == 0.0:
            return abs(wx) + abs(wy) <= TOUCH
        s = -(wx * vx + wy * vy) / length
        return abs(vx * wy - vy * wx) <= TOUCH * length + TOUCH and -TOUCH <= s <= 1.0 + TOUCH
    if abs(ux * wy - uy * wx) > TOUCH * length + TOUCH:
        return False
    s0 = (wx * ux + wy * uy) / length
    s1 = s0 + (vx * ux + vy * uy) / length
    return max(s0, s1) >= -TOUCH and min(s0, s1) <= 1.0 + TOUCH
