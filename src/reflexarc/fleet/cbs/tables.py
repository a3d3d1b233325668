# SPDX-License-Identifier: Apache-2.0
"""Constraints, and the scratch memory in which one agent's search through space and time runs.

A constraint is a row of four whole numbers (kind, a, t0, t1). Tables over (time, vertex) and (time, edge) say what is
forbidden; an entry counts only if it carries the number of the current call, so nothing has to be cleared.
"""

from typing import NamedTuple

import numba
import numpy as np

from reflexarc.fleet.graph import UNREACHABLE, Graph

VERTEX, EDGE, LONGER, WITHIN, ONLY = 0, 1, 2, 3, 4
"""Not at vertex a from t0 to t1; not onto edge a at t0; cost > t0; cost <= t0; at t0 nowhere but at vertex a."""
FOREVER = 1 << 28
"""End of a constraint that never ends."""
NO_CONSTRAINTS = np.empty((0, 4), dtype=np.int32)
INFEASIBLE, TOO_SHORT = -1, -2
"""Answers of a search: there is no path; the tables' horizon is too short to tell."""


class Net(NamedTuple):
    """A graph's arrays, as the kernels take them."""

    first: np.ndarray
    head: np.ndarray
    back_first: np.ndarray
    back_tail: np.ndarray
    back_edge: np.ndarray
    opposite: np.ndarray


class Scratch(NamedTuple):
    """Memory of one search; H is the horizon, n and m the graph's vertices and edges, all int32."""

    call: np.ndarray
    """Number of the current call, shape (1,)."""
    vertex: np.ndarray
    """Forbidden (time, vertex), shape (H + 1, n)."""
    edge: np.ndarray
    """Forbidden (time, edge), shape (H + 1, m)."""
    only: np.ndarray
    """Call and vertex of the only vertex allowed at a time, shape (H + 1, 2)."""
    closed_from: np.ndarray
    """Call and time from which a vertex is closed for good, shape (n, 2)."""
    seen: np.ndarray
    """Reached (time, vertex), shape (H + 1, n)."""
    mark: np.ndarray
    """Second mark of (time, vertex), shape (H + 1, n)."""
    value: np.ndarray
    """Whatever a search keeps per (time, vertex), shape (H + 1, n)."""
    link: np.ndarray
    """Next state in the same bucket, or the vertex before, shape (H + 1, n)."""
    bucket: np.ndarray
    """First state of each bucket, shape (2 H + 2,)."""
    late: np.ndarray
    """Steps to the goal once every closed vertex is closed, shape (n,)."""
    used: np.ndarray
    """How many other agents are at (time, vertex), shape (H + 1, n), or (0, n) where they are not counted."""
    used_edge: np.ndarray
    """How many other agents enter (time, edge), shape (H + 1, m) or (0, m)."""
    parked: np.ndarray
    """Time from which another agent stands at the vertex for good, shape (n,)."""
    row: np.ndarray
    """Scratch row, shape (n,)."""


def net_of(graph: Graph) -> Net:
    """Return the arrays of `graph`."""
    return Net(graph.first, graph.head, graph.back_first, graph.back_tail, graph.back_edge, graph.opposite)


def make_scratch(graph: Graph, horizon: int, others: bool = False) -> Scratch:
    """Return empty tables for searches of at most `horizon` steps; `others`: also those that count other agents."""
    n, m, steps = graph.vertices, max(graph.edges, 1), horizon + 1
    counted = steps if others else 0

    def clear(*shape: int) -> np.ndarray:
        return np.zeros(shape, dtype=np.int32)

    def blank(*shape: int) -> np.ndarray:
        return np.empty(shape, dtype=np.int32)  # written before it is read

    return Scratch(
        call=clear(1),
        vertex=clear(steps, n),
        edge=clear(steps, m),
        only=clear(steps, 2),
        closed_from=clear(n, 2),
        seen=clear(steps, n),
        mark=clear(steps, n),
        value=blank(steps, n),
        link=blank(steps, n),
        bucket=blank(2 * horizon + 2),
        late=blank(n),
        used=clear(counted, n),
        used_edge=clear(counted, m),
        parked=np.full(n, FOREVER, dtype=np.int32),
        row=blank(n),
    )


@numba.njit(cache=True)
def enter_constraints(constraints, goal, steps, net, scratch):
    """Write constraints into the tables.

    Args:
        constraints: shape (k, 4).
        goal: the agent's goal.
        steps: steps to the goal from every vertex, shape (n,).
        net: the graph.
        scratch: the tables.

    Returns:
        First time at which the agent may have arrived for good; last one; time from which nothing changes any more;
        and the time from which `scratch.late` holds instead of `steps`.
    """
    scratch.call[0] += 1
    call = scratch.call[0]
    horizon = scratch.vertex.shape[0] - 1
    earliest, latest, still, closed = 0, FOREVER, 0, False
    for k in range(constraints.shape[0]):
        kind, a, t0, t1 = constraints[k, 0], constraints[k, 1], constraints[k, 2], constraints[k, 3]
        if kind == VERTEX:
            if t1 >= FOREVER:
                if scratch.closed_from[a, 0] != call or t0 < scratch.closed_from[a, 1]:
                    scratch.closed_from[a, 0], scratch.closed_from[a, 1] = call, t0
                closed = True
                still = max(still, t0)
            else:
                for t in range(max(t0, 0), min(t1, horizon) + 1):
                    scratch.vertex[t, a] = call
                still = max(still, t1 + 1)
            if a == goal:
                earliest = max(earliest, t1 + 1)
        elif kind == EDGE:
            if t0 <= horizon:
                scratch.edge[t0, a] = call
            still = max(still, t0 + 1)
        elif kind == LONGER:
            earliest = max(earliest, t0 + 1)
        elif kind == WITHIN:
            latest = min(latest, t0)
        else:
            if t0 <= horizon:
                scratch.only[t0, 0], scratch.only[t0, 1] = call, a
            still = max(still, t0 + 1)
            if a != goal:
                earliest = max(earliest, t0 + 1)
    if not closed:
        return earliest, latest, still, FOREVER
    late, queue = scratch.late, scratch.row
    late[:] = UNREACHABLE
    if earliest < FOREVER:
        late[goal] = 0
        queue[0] = goal
        done, end = 0, 1
        while done < end:
            v = queue[done]
            done += 1
            for e in range(net.back_first[v], net.back_first[v + 1]):
                u = net.back_tail[e]
                if late[u] == UNREACHABLE and scratch.closed_from[u, 0] != call:
                    late[u] = late[v] + 1
                    queue[end] = u
                    end += 1
    return earliest, latest, still, still


@numba.njit(cache=True)
def allowed(t, v, scratch):
    """Return whether the agent of the current call may be at vertex `v` at time `t`."""
    call = scratch.call[0]
    if scratch.vertex[t, v] == call:
        return False
    if scratch.only[t, 0] == call and scratch.only[t, 1] != v:
        return False
    return scratch.closed_from[v, 0] != call or t < scratch.closed_from[v, 1]


@numba.njit(cache=True)
def edge_between(u, v, net):
    """Return the number of the edge from `u` to `v`, -1 if there is none."""
    for e in range(net.first[u], net.first[u + 1]):
        if net.head[e] == v:
            return e
    return -1


@numba.njit(cache=True)
def count_others(agent, paths, costs, sign, net, scratch):
    """Add (sign 1) every other agent's path to the tables of use, or take it out again (sign -1).

    Args:
        agent: whose search it is; its own row is left out.
        paths: vertex per agent and step, shape (agents, >= longest cost + 1); rows with a negative cost are left out.
        costs: steps of each path, shape (agents,).
        sign: 1 or -1.
        net: the graph.
        scratch: the tables.
    """
    horizon = scratch.used.shape[0] - 1
    for k in range(paths.shape[0]):
        if k == agent or costs[k] < 0:
            continue
        for t in range(min(costs[k], horizon) + 1):
            scratch.used[t, paths[k, t]] += sign
            if t and paths[k, t] != paths[k, t - 1]:
                scratch.used_edge[t - 1, edge_between(paths[k, t - 1], paths[k, t], net)] += sign
        scratch.parked[paths[k, costs[k]]] = costs[k] + 1 if sign > 0 else FOREVER
