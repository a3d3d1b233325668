# SPDX-License-Identifier: Apache-2.0
r"""Corridor reasoning: two agents want through a chain of vertices in opposite directions.

A corridor of k edges joins e_a, where agent a leaves it, and e_b, where agent b does. With t(e) the earliest arrival of
an agent at its end and t'(e) the earliest without the corridor, no plan holds both of

    a is at e_a no later than min(t'_a - 1, t_b + k),      b is at e_b no later than min(t'_b - 1, t_a + k),

because both would have gone through, one after the other (Li et al., ICAPS 2020). A single edge is a corridor of one.
Starts and goals of the two end a corridor.
"""

from functools import cached_property
from typing import NamedTuple

import numba
import numpy as np

from reflexarc.fleet.cbs.tables import Net, Scratch, allowed, enter_constraints
from reflexarc.fleet.graph import Graph


class Corridor(NamedTuple):
    """A chain of vertices between two ends, from where agent a enters to where it leaves."""

    entry: int
    exit: int
    edges: int
    inner: int
    """A vertex inside, -1 if the corridor is a single edge."""


class Corridors:
    """The corridors of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._first, self._head = graph, graph.first, graph.head

    @cached_property
    def _inner(self) -> np.ndarray:
        """Whether a vertex has two neighbours and may be entered from and left to both, shape (n,)."""
        graph = self._graph
        symmetric = np.ones(graph.vertices, dtype=bool)
        one_way = graph.opposite < 0
        symmetric[graph.tail[one_way]] = False
        symmetric[graph.head[one_way]] = False
        return (np.diff(graph.first) == 2) & symmetric

    def through(self, path: np.ndarray, time: int, ends: tuple[int, ...]) -> Corridor | None:
        """Return the corridor that a path is in at `time` or enters in that step, None if it is in none.

        Args:
            path: vertex per step, shape (steps,).
            time: step.
            ends: starts and goals, at which a corridor ends.
        """
        if time >= len(path):
            return None
        here = int(path[time])
        after = int(path[time + 1]) if time + 1 < len(path) else here
        if self._inner[here] and here not in ends:
            one, other = (self._walk(here, v, ends) for v in self._near(here))
            inner = here
        elif here != after and self._inner[after] and after not in ends:
            one, other = (self._walk(after, v, ends) for v in self._near(after))
            inner = after
        elif here != after:
            return Corridor(here, after, 1, -1)
        else:
            return None
        edges = one[1] + other[1]
        if one[0] == other[0]:
            return None
        behind = next((v for v in path[time::-1].tolist() if v in (one[0], other[0])), -1)
        ahead = next((v for v in path[time:].tolist() if v in (one[0], other[0]) and v != behind), -1)
        if behind < 0 or ahead < 0:
            return None
        return Corridor(behind, ahead, edges, inner)

    def _near(self, v: int) -> list[int]:
        return self._head[self._first[v] : self._first[v + 1]].tolist()

    def _walk(self, here: int, towards: int, ends: tuple[int, ...]) -> tuple[int, int]:
        """Return the end of the chain and the number of edges to it."""
        edges = 1
        origin = here
        while self._inner[towards] and towards not in ends and towards != origin:
            near = self._near(towards)
            here, towards = towards, near[0] if near[1] == here else near[1]
            edges += 1
        return towards, edges


@numba.njit(cache=True)
def earliest_arrival(
    start: int,
    goal: int,
    target: int,
    inner: int,
    tail: int,
    head: int,
    cap: int,
    away: np.ndarray,
    steps: np.ndarray,
    constraints: np.ndarray,
    net: Net,
    scratch: Scratch,
) -> int:
    """Return the first time at which an agent can be at `target` under its constraints, at most `cap`.

    Args:
        start: the agent's start.
        goal: the agent's goal.
        target: vertex to be reached.
        inner: vertex that may not be used, -1 if none.
        tail: start of an edge that may not be used, -1 if none.
        head: end of that edge.
        cap: answers of this and later do not differ.
        away: steps to `target` from every vertex, shape (n,).
        steps: steps to the goal, shape (n,).
        constraints: shape (k, 4).
        net: the graph.
        scratch: tables.
    """
    enter_constraints(constraints, goal, steps, net, scratch)
    call = scratch.call[0]
    if start == target:
        return 0
    n = steps.shape[0]
    here, there = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    here[0] = start
    width = 1
    for t in range(min(cap, scratch.seen.shape[0] - 1)):
        wider = 0
        for k in range(width):
            v = here[k]
            for e in range(net.first[v] - 1, net.first[v + 1]):
                wait = e < net.first[v]
                u = v if wait else net.head[e]
                if t + 1 + away[u] >= cap or scratch.seen[t + 1, u] == call:
                    continue
                if u == inner or (v == tail and u == head):
                    continue
                if (not wait and scratch.edge[t, e] == call) or not allowed(t + 1, u, scratch):
                    continue
                if u == target:
                    return t + 1
                scratch.seen[t + 1, u] = call
                there[wider] = u
                wider += 1
        here, there = there, here
        width = wider
        if width == 0:
            return cap
    return min(cap, scratch.seen.shape[0])
