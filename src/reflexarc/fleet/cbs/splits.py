# SPDX-License-Identifier: Apache-2.0
"""How a conflict splits a node in two: standard, disjoint, target, corridor and mutex constraints.

Whatever the split, every conflict-free plan that a node allows is allowed by one of its children.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reflexarc.fleet.cbs.conflicts import AT_TARGET, ON_EDGE
from reflexarc.fleet.cbs.corridor import earliest_arrival
from reflexarc.fleet.cbs.tables import EDGE, FOREVER, LONGER, ONLY, VERTEX, WITHIN, edge_between
from reflexarc.fleet.cbs.team import Parked, Route, Team

Row = tuple[int, int, int, int]


class Child(NamedTuple):
    """What one child forbids, beyond its parent."""

    rows: dict[int, list[Row]]
    """New constraints per agent."""
    parked: Parked | None = None
    """A goal that is now closed to everybody else."""


def standard(team: Team, conflict: Sequence[int], a: int, b: int) -> tuple[Child, Child]:
    """Forbid the vertex or the edge to one agent or to the other."""
    _, _, t, kind, v, u = conflict
    if kind == ON_EDGE:
        return (
            Child({a: [(EDGE, edge_between(v, u, team.net), t, t)]}),
            Child({b: [(EDGE, edge_between(u, v, team.net), t, t)]}),
        )
    return Child({a: [(VERTEX, v, t, t)]}), Child({b: [(VERTEX, v, t, t)]})


def disjoint(
    team: Team, conflict: Sequence[int], a: int, b: int, everybody: Sequence[int]
) -> tuple[Child, Child]:
    """Forbid it to `a`, or demand it of `a` and so forbid it to all others (Li et al., ICAPS 2019)."""
    _, _, t, kind, v, u = conflict
    if kind == ON_EDGE:
        there, back = edge_between(v, u, team.net), edge_between(u, v, team.net)
        demanded: dict[int, list[Row]] = {a: [(ONLY, v, t, t), (ONLY, u, t + 1, t + 1)]}
        others: list[Row] = [(VERTEX, v, t, t), (VERTEX, u, t + 1, t + 1), (EDGE, back, t, t)]
        return Child({a: [(EDGE, there, t, t)]}), Child(
            demanded | {k: list(others) for k in everybody if k != a}
        )
    demanded = {a: [(ONLY, v, t, t)]}
    return Child({a: [(VERTEX, v, t, t)]}), Child(
        demanded | {k: [(VERTEX, v, t, t)] for k in everybody if k != a}
    )


def target(conflict: Sequence[int], a: int) -> tuple[Child, Child]:
    """Let `a` reach its goal later than the other comes by, or close the goal to all others from then on.

    Li et al., ICAPS 2020.
    """
    _, _, t, kind, v, _ = conflict
    assert kind == AT_TARGET
    return Child({a: [(LONGER, 0, t, t)]}), Child({a: [(WITHIN, 0, t, t)]}, Parked(a, v, t))


def mutex(
    a: int, b: int, barriers: tuple[np.ndarray, np.ndarray], routes: tuple[Route, Route]
) -> tuple[Child, Child]:
    """Forbid one barrier to one agent or the other to the other, see `reflexarc.fleet.cbs.mutex`."""
    return tuple(  # type: ignore[return-value]
        Child({agent: [_barrier_row(v, t, route) for v, t in barrier.tolist()]})
        for agent, barrier, route in zip((a, b), barriers, routes, strict=True)
    )


def _barrier_row(vertex: int, time: int, route: Route) -> Row:
    # at the end of an MDD only arrivals are known, not waits at the goal; forbid the cost, not the place
    if time == route.cost and vertex == route.path[-1]:
        return (LONGER, 0, time, time)
    return (VERTEX, vertex, time, time)


def corridor(
    team: Team,
    conflict: Sequence[int],
    agents: tuple[int, int],
    routes: tuple[Route, Route],
    rows: tuple[np.ndarray, np.ndarray],
) -> tuple[Child, Child] | None:
    """Keep one agent out of a corridor's end until the other is through; None if this is no such conflict.

    Args:
        team: the agents.
        conflict: at a vertex or on an edge.
        agents: a and b.
        routes: their plans.
        rows: their constraints, those of closed goals included.
    """
    t = int(conflict[2])
    a, b = agents
    if t >= min(route.cost for route in routes):
        return None
    ends = (team.starts[a], team.starts[b], team.goals[a], team.goals[b])
    chain = team.corridors.through(routes[0].path, t, ends)
    other = team.corridors.through(routes[1].path, t, ends)
    if chain is None or other is None:
        return None
    if (other.entry, other.exit, other.edges) != (chain.exit, chain.entry, chain.edges):
        return None
    if chain.edges == 1 and team.instance.graph.opposite[edge_between(chain.entry, chain.exit, team.net)] < 0:
        return None
    exits = (chain.exit, chain.entry)
    arrivals = tuple(int(np.flatnonzero(r.path[t:] == e)[0]) + t for r, e in zip(routes, exits, strict=True))
    through = []
    for k in range(2):
        through.append(_earliest(team, agents[k], exits[k], -1, -1, -1, arrivals[k], rows[k]))
    children = []
    for k in range(2):
        last = through[1 - k] + chain.edges
        tail, head = (-1, -1) if chain.inner >= 0 else (exits[1 - k], exits[k])
        around = _earliest(team, agents[k], exits[k], chain.inner, tail, head, last + 1, rows[k])
        last = min(around - 1, last)
        if arrivals[k] > last:
            return None
        children.append(Child({agents[k]: [(VERTEX, exits[k], 0, last)]}))
    return children[0], children[1]


def _earliest(team, agent, at, inner, tail, head, cap, rows) -> int:
    start, goal, steps, away = team.starts[agent], team.goals[agent], team.steps[agent], team.away(at)
    net, scratch = team.net, team.scratch
    return int(earliest_arrival(start, goal, at, inner, tail, head, cap, away, steps, rows, net, scratch))


def closed_goals(parked: Sequence[Parked], agent: int, rows: np.ndarray) -> np.ndarray:
    """Return the agent's constraints with the goals that are closed to it."""
    closed = [(VERTEX, p.vertex, p.time, FOREVER) for p in parked if p.agent != agent]
    return np.concatenate((rows, np.array(closed, dtype=np.int32))) if closed else rows


def violates(path: np.ndarray, row: Row, team: Team) -> bool:
    """Return whether a path breaks a constraint; the agent stands at its end for good."""
    kind, a, t0, t1 = row
    cost = len(path) - 1
    if kind == VERTEX:
        return bool((path[t0 : t1 + 1] == a).any()) or (path[-1] == a and t1 >= cost)
    if kind == EDGE:
        graph = team.instance.graph
        return (
            t0 < cost
            and edge_between(int(path[t0]), int(path[t0 + 1]), team.net) == a
            and graph.head[a] == path[t0 + 1]
        )
    if kind == LONGER:
        return cost <= t0
    if kind == WITHIN:
        return cost > t0
    return int(path[min(t0, cost)]) != a
