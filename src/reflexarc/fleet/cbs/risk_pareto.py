# SPDX-License-Identifier: Apache-2.0
r"""One agent on a roadmap with real durations: all paths of which none is both later and riskier than another.

Safe intervals as in SIPP (Phillips and Likhachev, ICRA 2011): a state is a vertex and an interval in which the agent
may be there; an edge may be closed to departures for a while. A label is (time t, risk r) at a state. Waiting costs the
same rate w everywhere, so that it does not matter where a wait is spent and leaving as soon as possible is best. One
label dominates another of its state if it could wait until then and risk no more,

    t_1 <= t_2   and   r_1 + w (t_2 - t_1) <= r_2   <=>   r_1 - w t_1 <= r_2 - w t_2   given t_1 <= t_2.

Durations are positive, so labels are settled in the order of time and one number per state, the smallest r - w t, tells
whether a label is dominated. One label per vertex and time, as for steps of equal length, would lose paths here.
"""

import heapq
import math
from collections.abc import Iterable
from typing import NamedTuple

import numba
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs.risk_front import EPS
from reflexarc.fleet.cbs.risk_model import RiskModel
from reflexarc.fleet.graph import Graph
from reflexarc.fleet.plan import Path_

Closure = tuple[int, float, float]
"""A vertex or an edge that is closed from a time to a time. [s]"""


class ParetoPath(NamedTuple):
    """One point of the front."""

    time: float
    """Arrival at the goal for good. [s]"""
    risk: float
    path: Path_
    """Timed vertices; equal ones after each other are a wait."""


def pareto_paths(
    model: RiskModel,
    start: int,
    goal: int,
    wait_rate: float = 0.0,
    closed_vertices: Iterable[Closure] = (),
    closed_edges: Iterable[Closure] = (),
    ceiling: float = math.inf,
) -> list[ParetoPath]:
    """Return the front from the earliest to the least risky arrival; empty if there is no path.

    Args:
        model: the graph with its durations, and the risk of each edge; its wait risk per step is not used.
        start: vertex at time 0.
        goal: vertex to stay at.
        wait_rate: risk per second of waiting before the goal is reached for good. [1/s]
        closed_vertices: (vertex, from, to): the agent may not be there at any time between; `to` may be inf.
        closed_edges: (edge, from, to): the agent may not begin the edge between.
        ceiling: risks above are of no interest.

    Raises:
        ConfigError: a vertex, edge, rate or time that is not acceptable.
    """
    graph = model.graph
    for name, vertex in (("start", start), ("goal", goal)):
        if not 0 <= vertex < graph.vertices:
            raise ConfigError(f"{name} {vertex} is no vertex; allowed: 0..{graph.vertices - 1}")
    if not 0.0 <= wait_rate < math.inf:
        raise ConfigError(f"wait rate {wait_rate} must be finite and >= 0 [1/s]")
    safe = _gaps(_checked(closed_vertices, graph.vertices, "vertex"), graph.vertices)
    bans = _rows(_checked(closed_edges, graph.edges, "edge"), graph.edges)
    to_go = model.to_go(goal)
    times, risks, parents, edges, at_goal = _settle(
        start,
        goal,
        wait_rate,
        ceiling,
        graph.first,
        graph.head,
        graph.duration,
        model.edge,
        to_go,
        *safe,
        *bans,
    )
    return [
        ParetoPath(float(times[k]), float(risks[k]), _trace(graph, start, k, times, parents, edges))
        for k in at_goal.tolist()
    ]


def _checked(closures: Iterable[Closure], count: int, what: str) -> dict[int, list[tuple[float, float]]]:
    table: dict[int, list[tuple[float, float]]] = {}
    for number, begin, end in closures:
        if not 0 <= number < count:
            raise ConfigError(f"closed {what} {number} does not exist; allowed: 0..{count - 1}")
        if not (math.isfinite(begin) and begin < end):
            raise ConfigError(f"closed {what} {number}: from {begin} to {end} s is no interval")
        table.setdefault(number, []).append((begin, end))
    return table


def _gaps(closed: dict[int, list[tuple[float, float]]], count: int) -> tuple[np.ndarray, ...]:
    """Return the safe intervals of each vertex as compressed rows: first, begins, ends."""
    first, begins, ends = [0], [], []
    for v in range(count):
        time = 0.0
        for begin, end in sorted(closed.get(v, ())):
            if begin >= time and end > 0.0:
                begins.append(time)
                ends.append(begin)
            time = max(time, end)
        if time < math.inf:
            begins.append(time)
            ends.append(math.inf)
        first.append(len(begins))
    return (
        np.array(first, dtype=np.int64),
        np.array(begins, dtype=np.float64),
        np.array(ends, dtype=np.float64),
    )


def _rows(closed: dict[int, list[tuple[float, float]]], count: int) -> tuple[np.ndarray, ...]:
    rows = [sorted(closed.get(e, ())) for e in range(count)]
    first = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
    flat = np.array([pair for row in rows for pair in row], dtype=np.float64).reshape(-1, 2)
    return first, np.ascontiguousarray(flat[:, 0]), np.ascontiguousarray(flat[:, 1])


@numba.njit(cache=True)
def _settle(
    start, goal, rate, ceiling, first, head, duration, risk, to_go, safe_first, safe_begin, safe_end, ban_first,
    ban_begin, ban_end,
):  # fmt: skip
    """Return times, risks, parents and last edges of all labels, and the numbers of those at the goal for good."""
    times, risks, parents, edges = [0.0], [0.0], [-1], [-1]
    vertices, states = [start], [-1]
    for i in range(safe_first[start], safe_first[start + 1]):
        if safe_begin[i] <= 0.0 < safe_end[i]:
            states[0] = i
    at_goal = [-1]
    smallest = np.full(safe_begin.shape[0], np.inf)
    heap = [(0.0, 0.0, 0)]
    least = np.inf
    if states[0] < 0:
        heap.pop()
    while len(heap) > 0:
        t, r, k = heapq.heappop(heap)
        state, v = states[k], vertices[k]
        if r - rate * t >= smallest[state] - EPS or r + to_go[v] >= least - EPS:
            continue
        smallest[state] = r - rate * t
        if v == goal and safe_end[state] == np.inf:
            least = r
            at_goal.append(k)
            continue
        for e in range(first[v], first[v + 1]):
            u, d = head[e], duration[e]
            for i in range(safe_first[u], safe_first[u + 1]):
                leave = max(t, safe_begin[i] - d)
                for b in range(ban_first[e], ban_first[e + 1]):
                    if ban_begin[b] <= leave < ban_end[b]:
                        leave = ban_end[b]
                if leave >= safe_end[state]:
                    break
                if leave + d >= safe_end[i]:
                    continue
                total = r + rate * (leave - t) + risk[e]
                there = leave + d
                if total + to_go[u] > ceiling + EPS or total + to_go[u] >= least - EPS:
                    continue
                if total - rate * there >= smallest[i] - EPS:
                    continue
                times.append(there)
                risks.append(total)
                vertices.append(u)
                parents.append(k)
                edges.append(e)
                states.append(i)
                heapq.heappush(heap, (there, total, len(times) - 1))
    return np.array(times), np.array(risks), np.array(parents), np.array(edges), np.array(at_goal[1:])


def _trace(
    graph: Graph, start: int, k: int, times: np.ndarray, parents: np.ndarray, edges: np.ndarray
) -> Path_:
    rows: list[tuple[int, float]] = []
    tail = graph.tail
    while parents[k] >= 0:
        rows.append((int(graph.head[edges[k]]), float(times[k])))
        before, leave = int(parents[k]), float(times[k] - graph.duration[edges[k]])
        if leave > times[before] + EPS:
            rows.append((int(tail[edges[k]]), leave))
        k = before
    return ((start, 0.0), *rows[::-1])
