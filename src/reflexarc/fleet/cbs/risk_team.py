# SPDX-License-Identifier: Apache-2.0
"""The agents of an instance as the search under a risk budget sees them: fronts, paths, and where paths meet.

A meeting is a row (a, b, t, kind, x, y). Vertex: both are at x at step t. Edge: a drives edge x and b edge y in step t,
which exclude each other. Target: a stands at its goal x for good when b comes by at t.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numba
import numpy as np

from reflexarc.fleet.cbs.conflicts import AT_TARGET, AT_VERTEX, ON_EDGE
from reflexarc.fleet.cbs.risk_front import calm_path, make_labels, make_use, points, put, risks_of, sweep
from reflexarc.fleet.cbs.risk_knapsack import Front
from reflexarc.fleet.cbs.risk_model import RiskModel
from reflexarc.fleet.cbs.tables import FOREVER, TOO_SHORT, VERTEX, make_scratch, net_of
from reflexarc.fleet.cbs.team import OutOfTime, Parked
from reflexarc.fleet.graph import steps_to
from reflexarc.fleet.instances import Instance


class RiskPath(NamedTuple):
    """One agent's path."""

    vertices: np.ndarray
    """Shape (c + 1,)."""
    edges: np.ndarray
    """Edge of each step, -1 for waiting, shape (c,)."""
    risk: float

    @property
    def cost(self) -> int:
        """Steps."""
        return len(self.edges)


class RiskTeam:
    """What all nodes of a search share."""

    def __init__(
        self,
        instance: Instance,
        model: RiskModel,
        budget: float,
        time_limit: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.instance, self.model, self.budget, self.clock = instance, model, budget, clock
        graph = instance.graph
        self.starts, self.goals = instance.starts, instance.goals
        self.count = instance.agents
        self.net, self.risks = net_of(graph), risks_of(model)
        self.steps = steps_to(graph, instance.goals)
        self.to_go = np.array([model.to_go(goal) for goal in instance.goals])
        own = np.arange(self.count)
        self.fewest = self.steps[own, self.starts].astype(np.int64)
        self.safest = self.to_go[own, self.starts]
        self.deadline = clock() + time_limit
        self.most: int | None = None
        """Sums of steps above this are of no interest."""
        self._fronts: dict[tuple[int, bytes, tuple[Parked, ...]], Front | None] = {}
        self._lengthen(int(2 * self.fewest.max()) + 48)

    def check_time(self) -> None:
        """Raise `OutOfTime` if the limit is reached."""
        if self.clock() > self.deadline:
            raise OutOfTime

    def _lengthen(self, horizon: int) -> None:
        graph = self.instance.graph
        self.horizon = horizon
        self._scratch = make_scratch(graph, horizon)
        self._labels = make_labels(graph.vertices, horizon)
        self._use = make_use(graph.vertices, graph.edges, horizon)

    def front(self, agent: int, rows: np.ndarray, parked: tuple[Parked, ...]) -> Front | None:
        """Return the agent's front under its constraints, without points that no plan of interest can use."""
        key = (agent, rows.tobytes(), parked)
        if key in self._fronts:
            return self._fronts[key]
        limit, ceiling = FOREVER, self.budget - float(self.safest.sum() - self.safest[agent])
        if self.most is not None:
            limit = self.most - int(self.fewest.sum() - self.fewest[agent])
        rows = _with_parked(rows, parked, agent)
        while True:
            last = sweep(
                self.starts[agent], self.goals[agent], self.steps[agent], self.to_go[agent], limit, ceiling, rows, -1,
                self.net, self.risks, self._use, self._scratch, self._labels,
            )  # fmt: skip
            if last != TOO_SHORT:
                break
            self.check_time()
            self._lengthen(2 * self.horizon)
        front = None if last < 0 else points(last, self._labels)
        if len(self._fronts) > 200_000:
            self._fronts.clear()
        self._fronts[key] = front
        return front

    def path(
        self,
        agent: int,
        rows: np.ndarray,
        parked: tuple[Parked, ...],
        cap: int,
        ceiling: float,
        others: Sequence[RiskPath | None],
    ) -> RiskPath | None:
        """Return the path of at most `cap` steps and `ceiling` risk that meets the fewest others; None without one."""
        there = [p for k, p in enumerate(others) if p is not None and k != agent]
        longest = max((p.cost for p in there), default=0)
        while max(cap, longest) + 1 > self.horizon:
            self._lengthen(2 * self.horizon)
        for p in there:
            put(p.vertices, p.edges, p.cost, 1, self.risks, self._use)
        vertices, edges, risk = calm_path(
            self.starts[agent], self.goals[agent], self.steps[agent], self.to_go[agent], cap, ceiling,
            _with_parked(rows, parked, agent), self.net, self.risks, self._use, self._scratch,
        )  # fmt: skip
        for p in there:
            put(p.vertices, p.edges, p.cost, -1, self.risks, self._use)
        return None if risk < 0.0 else RiskPath(vertices, edges, float(risk))

    def meetings(self, agents: Sequence[int], paths: Sequence[RiskPath]) -> np.ndarray:
        """Return where `agents` meet anybody, shape (k, 6)."""
        longest = max(p.cost for p in paths)
        vertices = np.empty((len(paths), longest + 1), dtype=np.int32)
        edges = np.full((len(paths), longest + 1), -1, dtype=np.int32)
        costs = np.array([p.cost for p in paths], dtype=np.int32)
        for k, p in enumerate(paths):
            vertices[k, : p.cost + 1], vertices[k, p.cost + 1 :] = p.vertices, p.vertices[-1]
            edges[k, : p.cost] = p.edges
        return _meetings(
            np.array(agents, dtype=np.int32),
            vertices,
            edges,
            costs,
            self.risks.exclude_first,
            self.risks.exclude,
        )


def breaks(path: RiskPath, row: tuple[int, int, int, int], parked: Parked | None = None) -> bool:
    """Return whether a path breaks a constraint on a vertex or an edge, or a goal closed to it."""
    if parked is not None:
        return bool((path.vertices[parked.time :] == parked.vertex).any())
    kind, a, t0, t1 = row
    if kind == VERTEX:
        return bool((path.vertices[t0 : t1 + 1] == a).any()) or (path.vertices[-1] == a and t1 >= path.cost)
    return t0 < path.cost and int(path.edges[t0]) == a


def _with_parked(rows: np.ndarray, parked: tuple[Parked, ...], agent: int) -> np.ndarray:
    closed = [(VERTEX, p.vertex, p.time, FOREVER) for p in parked if p.agent != agent]
    return np.concatenate((rows, np.array(closed, dtype=np.int32))) if closed else rows


@numba.njit(cache=True)
def _meetings(agents, vertices, edges, costs, exclude_first, exclude):
    n, width = vertices.shape
    chosen = np.zeros(n, dtype=np.bool_)
    for a in agents:
        chosen[a] = True
    found = np.empty((32, 6), dtype=np.int32)
    count = 0
    for first in agents:
        for second in range(n):
            if second == first or (second < first and chosen[second]):
                continue
            a, b = (first, second) if costs[first] <= costs[second] else (second, first)
            for t in range(width):
                kind, x, y = -1, vertices[a, t], vertices[b, t]
                if x == y:
                    kind = AT_TARGET if t >= costs[a] else AT_VERTEX
                else:
                    x, y = edges[a, t], edges[b, t]
                    if x >= 0 and y >= 0:
                        for k in range(exclude_first[x], exclude_first[x + 1]):
                            if exclude[k] == y:
                                kind = ON_EDGE
                if kind < 0:
                    continue
                if count == found.shape[0]:
                    wider = np.empty((2 * count, 6), dtype=np.int32)
                    wider[:count] = found
                    found = wider
                found[count, 0], found[count, 1], found[count, 2] = a, b, t
                found[count, 3], found[count, 4], found[count, 5] = kind, x, y
                count += 1
    return found[:count].copy()
