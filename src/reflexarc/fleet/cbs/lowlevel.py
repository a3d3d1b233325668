# SPDX-License-Identifier: Apache-2.0
r"""One agent's search through space and time, and its multi-valued decision diagram (MDD).

States (t, v) are expanded in order of f = t + h(v), with h the steps to the goal, until every state with f up to the
smallest cost c* is known. All paths of cost c* that keep the constraints then form the MDD (Sharon et al. 2013): level
t holds the vertices at which such a path may be at step t. The path handed out is the one through the MDD that meets
the fewest other agents, by dynamic programming over its levels, so ties are broken exactly and not by chance.

The last step of a path is a drive into the goal, never a wait at it: cost is the time of the arrival for good.
"""

import numba
import numpy as np

from reflexarc.fleet.cbs.tables import (
    FOREVER,
    INFEASIBLE,
    TOO_SHORT,
    allowed,
    enter_constraints,
)


@numba.njit(cache=True)
def _push(t, v, f, n, scratch):
    scratch.seen[t, v] = scratch.call[0]
    scratch.link[t, v] = scratch.bucket[f]
    scratch.bucket[f] = t * n + v + 1


@numba.njit(cache=True)
def smallest_cost(start, goal, steps, constraints, net, scratch):
    """Return the smallest cost of a path that keeps the constraints, and mark all states with f up to it as seen.

    Args:
        start: vertex at time 0.
        goal: vertex to end at.
        steps: steps to the goal from every vertex, shape (n,), int32.
        constraints: shape (k, 4), int32.
        net: the graph.
        scratch: tables; their horizon limits the search.

    Returns:
        The cost, `INFEASIBLE` or `TOO_SHORT`; and the largest cost that the constraints allow.
    """
    earliest, latest, still, late_from = enter_constraints(constraints, goal, steps, net, scratch)
    n = steps.shape[0]
    call = scratch.call[0]
    horizon = scratch.seen.shape[0] - 1
    if not allowed(0, start, scratch) or earliest >= FOREVER:
        return INFEASIBLE, latest
    if start == goal and earliest == 0:
        scratch.seen[0, start] = call
        return 0, latest
    # beyond this f nothing can be found: after `still` the world stands, and a path needs at most n - 1 more steps
    limit = min(latest, max(still, earliest) + 2 * n)
    scratch.bucket[: 2 * horizon + 2] = 0
    f = max(steps[start], late_from == 0 and scratch.late[start] or 0)
    if f > limit:
        return INFEASIBLE, latest
    if f > horizon:
        return TOO_SHORT, latest
    _push(0, start, f, n, scratch)
    best = FOREVER
    cut = False
    while f <= min(best, horizon, limit):
        state = scratch.bucket[f]
        if state == 0:
            f += 1
            continue
        t, v = (state - 1) // n, (state - 1) % n
        scratch.bucket[f] = scratch.link[t, v]
        t1 = t + 1
        if t1 > horizon:
            cut = True
            continue
        for e in range(net.first[v] - 1, net.first[v + 1]):
            wait = e < net.first[v]
            u = v if wait else net.head[e]
            if scratch.seen[t1, u] == call and u != goal:
                continue
            if (not wait and scratch.edge[t, e] == call) or not allowed(t1, u, scratch):
                continue
            if u == goal and not wait and t1 >= earliest:
                best = min(best, t1)
            if scratch.seen[t1, u] == call:
                continue
            to_go = scratch.late[u] if t1 >= late_from else steps[u]
            f1 = t1 + to_go
            if t1 < earliest:
                # the goal may be entered for good no earlier than `earliest`
                f1 = max(f1, earliest)
            if f1 > limit:
                continue
            if f1 > horizon:
                cut = True
                continue
            _push(t1, u, max(f1, f), n, scratch)
    if best <= latest and best < FOREVER:
        return best, latest
    if best > latest and best < FOREVER:
        return INFEASIBLE, latest
    return (TOO_SHORT if cut or (horizon < limit and f > horizon) else INFEASIBLE), latest


@numba.njit(cache=True)
def decision_diagram(start, goal, cost, net, scratch):
    """Return the MDD of the search that `smallest_cost` just finished.

    Returns:
        First node of each level, shape (cost + 2,); vertex of each node; first edge of each node, shape (nodes + 1,);
        and the node at which each edge ends, all int32.
    """
    call = scratch.call[0]
    # from the goal backwards: the nodes, level by level
    size = 64
    vertex = np.empty(size, dtype=np.int32)
    reverse_first = np.empty(cost + 2, dtype=np.int32)
    vertex[0] = goal
    scratch.mark[cost, goal] = call
    reverse_first[0], reverse_first[1] = 0, 1
    count = 1
    for back in range(1, cost + 1):
        t = cost - back
        for k in range(reverse_first[back - 1], reverse_first[back]):
            v = vertex[k]
            for e in range(net.back_first[v] - 1, net.back_first[v + 1]):
                wait = e < net.back_first[v]
                u = v if wait else net.back_tail[e]
                if scratch.seen[t, u] != call or scratch.mark[t, u] == call:
                    continue
                if (wait and back == 1) or (not wait and scratch.edge[t, net.back_edge[e]] == call):
                    continue
                if count == size:
                    size *= 2
                    grown = np.empty(size, dtype=np.int32)
                    grown[:count] = vertex[:count]
                    vertex = grown
                vertex[count] = u
                scratch.mark[t, u] = call
                count += 1
        reverse_first[back + 1] = count
    # forwards: number them from the start, and add the edges
    first = np.empty(cost + 2, dtype=np.int32)
    nodes = np.empty(count, dtype=np.int32)
    first[0] = 0
    for t in range(cost + 1):
        begin, end = reverse_first[cost - t], reverse_first[cost - t + 1]
        first[t + 1] = first[t] + end - begin
        for k in range(end - begin):
            nodes[first[t] + k] = vertex[begin + k]
            scratch.value[t, vertex[begin + k]] = first[t] + k
    edge_first = np.empty(count + 1, dtype=np.int32)
    edge_to = np.empty(4 * count, dtype=np.int32)
    edges = 0
    edge_first[0] = 0
    for t in range(cost + 1):
        for k in range(first[t], first[t + 1]):
            v = nodes[k]
            if t < cost:
                for e in range(net.first[v] - 1, net.first[v + 1]):
                    wait = e < net.first[v]
                    u = v if wait else net.head[e]
                    if scratch.mark[t + 1, u] != call or (wait and t + 1 == cost):
                        continue
                    if not wait and scratch.edge[t, e] == call:
                        continue
                    if edges == edge_to.shape[0]:
                        wider = np.empty(2 * edges, dtype=np.int32)
                        wider[:edges] = edge_to
                        edge_to = wider
                    edge_to[edges] = scratch.value[t + 1, u]
                    edges += 1
            edge_first[k + 1] = edges
    return first, nodes, edge_first, edge_to[:edges].copy()


@numba.njit(cache=True)
def cheapest_path(start, goal, steps, constraints, agent, paths, costs, net, scratch):
    """Return the smallest cost, the MDD of that cost, and the path through it that meets the fewest other agents.

    Args:
        start: vertex at time 0.
        goal: vertex to end at.
        steps: steps to the goal from every vertex, shape (n,), int32.
        constraints: shape (k, 4), int32.
        agent: whose path it is.
        paths: vertex per agent and step of all agents; each stands at its last vertex to the end of its row.
        costs: steps of each path; negative where there is none yet.
        net: the graph.
        scratch: tables.

    Returns:
        The cost, `INFEASIBLE` or `TOO_SHORT`; the four arrays of the MDD as `decision_diagram` returns them; the path.
        The arrays are empty where there is no cost.
    """
    cost, _ = smallest_cost(start, goal, steps, constraints, net, scratch)
    if cost < 0:
        none = np.empty(0, dtype=np.int32)
        return cost, none, none, none, none, none
    first, nodes, edge_first, edge_to = decision_diagram(start, goal, cost, net, scratch)
    call = scratch.call[0]
    at_node = np.zeros(nodes.shape[0], dtype=np.int32)
    at_edge = np.zeros(edge_to.shape[0], dtype=np.int32)
    width = paths.shape[1]
    for k in range(paths.shape[0]):
        if k == agent or costs[k] < 0:
            continue
        for t in range(cost + 1):
            v = paths[k, min(t, width - 1)]
            if scratch.mark[t, v] == call:
                at_node[scratch.value[t, v]] += 1
            if t < min(cost, costs[k]):
                u = paths[k, t + 1]
                if u != v and scratch.mark[t, u] == call and scratch.mark[t + 1, v] == call:
                    i, j = scratch.value[t, u], scratch.value[t + 1, v]
                    for e in range(edge_first[i], edge_first[i + 1]):
                        if edge_to[e] == j:
                            at_edge[e] += 1
    total = np.full(nodes.shape[0], FOREVER, dtype=np.int32)
    parent = np.zeros(nodes.shape[0], dtype=np.int32)
    total[0] = at_node[0]
    for k in range(first[cost]):
        for e in range(edge_first[k], edge_first[k + 1]):
            i = edge_to[e]
            meets = total[k] + at_node[i] + at_edge[e]
            if meets < total[i]:
                total[i] = meets
                parent[i] = k
    path = np.empty(cost + 1, dtype=np.int32)
    k = nodes.shape[0] - 1
    for t in range(cost, -1, -1):
        path[t] = nodes[k]
        k = parent[k]
    return cost, first, nodes, edge_first, edge_to, path


@numba.njit(cache=True)
def cheapest_paths(starts, goals, steps, constraints, paths, costs, net, scratch):
    """Plan agents one after the other, each beside those before it, and write their paths and costs down.

    Args:
        starts: shape (agents,), int32.
        goals: shape (agents,), int32.
        steps: steps to each agent's goal from every vertex, shape (agents, n), int32.
        constraints: that hold for all of them, shape (k, 4), int32.
        paths: filled; vertex per agent and step, each stands at its last vertex to the end of its row.
        costs: filled, shape (agents,); negative where there is none yet.
        net: the graph.
        scratch: tables.

    Returns:
        The four arrays of the MDD and the path of each agent, up to the first one without a path.
    """
    found = []
    for k in range(len(starts)):
        cost, first, nodes, edge_first, edge_to, path = cheapest_path(
            starts[k], goals[k], steps[k], constraints, k, paths, costs, net, scratch
        )
        if cost < 0:
            break
        paths[k, : cost + 1] = path
        paths[k, cost + 1 :] = path[cost]
        costs[k] = cost
        found.append((first, nodes, edge_first, edge_to, path))
    return found
