# SPDX-License-Identifier: Apache-2.0
"""Conflict-based search as in the textbook (Sharon et al. 2015), in plain Python: what the solvers are compared with.

No heuristic, no priorities, no bypass; the first conflict is split. Space-time A* with a dictionary, heaps of tuples.
"""

import heapq
import itertools
import time
from typing import Any


def textbook_cbs(instance: Any, time_limit: float) -> int | None:
    """Return the optimal sum of costs, None if its processor time ran out. [s]"""
    deadline = time.process_time() + time_limit
    graph = instance.graph
    near = [[*graph.head[graph.first[v] : graph.first[v + 1]].tolist(), v] for v in range(graph.vertices)]
    to_go = [_distances(near, goal) for goal in instance.goals]
    order = itertools.count()
    paths = [_path(near, to_go[a], s, g, frozenset(), deadline) for a, (s, g) in enumerate(_ends(instance))]
    if any(path is None for path in paths):
        return None
    heap = [(sum(len(p) - 1 for p in paths if p), next(order), paths, [frozenset()] * len(paths))]
    while heap:
        cost, _, paths, constraints = heapq.heappop(heap)
        if time.process_time() > deadline:
            return None
        conflict = _first_conflict(paths)
        if conflict is None:
            return cost
        for agent, constraint in conflict:
            longer = list(constraints)
            longer[agent] = constraints[agent] | {constraint}
            start, goal = instance.starts[agent], instance.goals[agent]
            path = _path(near, to_go[agent], start, goal, longer[agent], deadline)
            if path is not None:
                child = [*paths[:agent], path, *paths[agent + 1 :]]
                heapq.heappush(heap, (sum(len(p) - 1 for p in child), next(order), child, longer))
    return None


def _ends(instance: Any) -> zip:
    return zip(instance.starts, instance.goals, strict=True)


def _distances(near: list[list[int]], goal: int) -> dict[int, int]:
    """Breadth first; grids are symmetric."""
    distance, queue = {goal: 0}, [goal]
    for v in queue:
        for u in near[v]:
            if u not in distance:
                distance[u] = distance[v] + 1
                queue.append(u)
    return distance


def _path(near, to_go, start, goal, constraints, deadline) -> list[int] | None:
    last = max((c[1] for c in constraints if c[0] == "vertex" and c[2] == goal), default=-1)
    heap = [(to_go[start], 0, start, None)]
    seen = {}
    while heap:
        _, t, v, before = heapq.heappop(heap)
        if (t, v) in seen:
            continue
        seen[t, v] = before
        if v == goal and t > last:
            path = [v]
            while seen[t, v] is not None:
                v, t = seen[t, v], t - 1
                path.append(v)
            return path[::-1]
        if len(seen) % 4096 == 0 and time.process_time() > deadline:
            return None
        for u in near[v]:
            if ("vertex", t + 1, u) not in constraints and ("edge", t, (v, u)) not in constraints:
                heapq.heappush(heap, (t + 1 + to_go[u], t + 1, u, v))
    return None


def _first_conflict(paths):
    def at(path, t):
        return path[min(t, len(path) - 1)]

    for t in range(max(len(path) for path in paths)):
        for a, b in itertools.combinations(range(len(paths)), 2):
            u, v = at(paths[a], t), at(paths[b], t)
            if u == v:
                return [(a, ("vertex", t, u)), (b, ("vertex", t, u))]
            if at(paths[a], t + 1) == v and at(paths[b], t + 1) == u:
                return [(a, ("edge", t, (u, v))), (b, ("edge", t, (v, u)))]
    return None
