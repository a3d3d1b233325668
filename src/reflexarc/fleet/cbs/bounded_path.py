# SPDX-License-Identifier: Apache-2.0
r"""One agent's path of cost at most w c* that meets the fewest other agents, with c* its smallest cost.

By dynamic programming over all states (t, v) with t + h(v) <= w c*, step by step: the fewest meetings with which a
state can be reached. The path ends where it arrives for good; whoever passes there later counts as met.
"""

import numba
import numpy as np

from reflexarc.fleet.cbs.lowlevel import smallest_cost
from reflexarc.fleet.cbs.tables import FOREVER, allowed, count_others, enter_constraints


@numba.njit(cache=True)
def _meets(t, u, v, e, net, scratch):
    """Return how many other agents a step from `u` at `t` over edge `e` (negative: a wait) to `v` meets."""
    count = scratch.used[t + 1, v] + (1 if scratch.parked[v] <= t + 1 else 0)
    if e >= 0 and net.opposite[e] >= 0:
        count += scratch.used_edge[t, net.opposite[e]]
    return count


@numba.njit(cache=True)
def _meets_parked(goal, cost, scratch):
    """Return how many agents pass the goal after `cost`."""
    count = 0
    for t in range(cost + 1, scratch.used.shape[0]):
        count += scratch.used[t, goal]
    return count


@numba.njit(cache=True)
def bounded_path(start, goal, steps, constraints, weight, agent, paths, costs, net, scratch):
    """Return the path of cost at most weight c* that meets the fewest other agents, the cheapest of those.

    Args:
        start: vertex at time 0.
        goal: vertex to end at.
        steps: steps to the goal from every vertex, shape (n,), int32.
        constraints: shape (k, 4), int32.
        weight: >= 1.
        agent: whose path it is.
        paths: vertex per agent and step of all agents.
        costs: steps of each path; negative where there is none yet.
        net: the graph.
        scratch: tables.

    Returns:
        c*, `INFEASIBLE` or `TOO_SHORT`; the path; how many agents it meets.
    """
    least, latest = smallest_cost(start, goal, steps, constraints, net, scratch)
    horizon = scratch.seen.shape[0] - 1
    if least <= 0:
        path = np.empty(1, dtype=np.int32)
        path[0] = start
        count_others(agent, paths, costs, 1, net, scratch)
        meets = _meets_parked(goal, 0, scratch)
        count_others(agent, paths, costs, -1, net, scratch)
        return least, path, meets
    bound = min(int(weight * least + 1e-9), latest, horizon)
    earliest, latest, still, late_from = enter_constraints(constraints, goal, steps, net, scratch)
    call = scratch.call[0]
    count_others(agent, paths, costs, 1, net, scratch)
    tail = np.zeros(horizon + 2, dtype=np.int32)
    for t in range(horizon, -1, -1):
        tail[t] = tail[t + 1] + scratch.used[t, goal]
    n = steps.shape[0]
    here, there = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    here[0] = start
    width = 1
    scratch.seen[0, start] = call
    scratch.value[0, start] = scratch.used[0, start]
    best, best_time, best_from = FOREVER, -1, -1
    for t in range(bound):
        wider = 0
        for k in range(width):
            v = here[k]
            so_far = scratch.value[t, v]
            if so_far >= best:
                continue
            for e in range(net.first[v] - 1, net.first[v + 1]):
                wait = e < net.first[v]
                u = v if wait else net.head[e]
                to_go = scratch.late[u] if t + 1 >= late_from else steps[u]
                if t + 1 + to_go > bound or (not wait and scratch.edge[t, e] == call):
                    continue
                if not allowed(t + 1, u, scratch):
                    continue
                meets = so_far + _meets(t, v, u, -1 if wait else e, net, scratch)
                if u == goal and not wait and t + 1 >= earliest and meets + tail[t + 2] < best:
                    best, best_time, best_from = meets + tail[t + 2], t + 1, v
                if scratch.seen[t + 1, u] != call:
                    scratch.seen[t + 1, u] = call
                    there[wider] = u
                    wider += 1
                elif meets >= scratch.value[t + 1, u]:
                    continue
                scratch.value[t + 1, u] = meets
                scratch.link[t + 1, u] = v
        here, there = there, here
        width = wider
    path = np.empty(best_time + 1, dtype=np.int32)
    path[best_time] = goal
    v = best_from
    for t in range(best_time - 1, -1, -1):
        path[t] = v
        v = scratch.link[t, v]
    count_others(agent, paths, costs, -1, net, scratch)
    return least, path, best
