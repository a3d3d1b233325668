# SPDX-License-Identifier: Apache-2.0
"""Large-neighbourhood search: take a few agents' paths out of a plan and plan them again one after the other.

The others are moving obstacles. The new paths stay if they cost less together (MAPF-LNS, Li et al., IJCAI 2021). Which
agents: those in the way of a delayed agent's straight way, or random ones; what has paid lately is chosen more often.
"""

import time
from collections.abc import Callable

import numba
import numpy as np

from reflexarc.fleet.cbs.tables import (
    FOREVER,
    NO_CONSTRAINTS,
    count_others,
    edge_between,
    enter_constraints,
    make_scratch,
    net_of,
)
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.plan import Clock

GROUP = 8
"""Agents planned again together."""
SLACK = 16
"""A better plan may end so many steps later, and a quarter of its length more."""


@numba.njit(cache=True)
def _one(agent, sign, paths, costs, net, scratch):
    """Add one agent's path to the tables of use, or take it out."""
    cost = costs[agent]
    for t in range(cost + 1):
        scratch.used[t, paths[agent, t]] += sign
        if t and paths[agent, t] != paths[agent, t - 1]:
            scratch.used_edge[t - 1, edge_between(paths[agent, t - 1], paths[agent, t], net)] += sign
    scratch.parked[paths[agent, cost]] = cost + 1 if sign > 0 else FOREVER


@numba.njit(cache=True)
def _path_between(start, goal, steps, limit, net, scratch, out):
    """Write a cheapest path that meets nobody in the tables of use; returns its cost, -1 above `limit`."""
    enter_constraints(NO_CONSTRAINTS, goal, steps, net, scratch)
    call = scratch.call[0]
    n = steps.shape[0]
    horizon = min(limit, scratch.seen.shape[0] - 2)
    earliest = 0
    for t in range(scratch.used.shape[0] - 1, -1, -1):
        if scratch.used[t, goal] > 0:
            earliest = t + 1
            break
    if start == goal and earliest == 0:
        out[0] = start
        return 0
    scratch.bucket[: horizon + 2] = 0
    f = max(steps[start], earliest)
    if f > horizon:
        return -1
    scratch.seen[0, start] = call
    scratch.link[0, start] = 0
    scratch.bucket[f] = start + 1
    while f <= horizon:
        state = scratch.bucket[f]
        if state == 0:
            f += 1
            continue
        t, v = (state - 1) // n, (state - 1) % n
        scratch.bucket[f] = scratch.link[t, v]
        t1 = t + 1
        if t1 > horizon:
            continue
        for e in range(net.first[v] - 1, net.first[v + 1]):
            wait = e < net.first[v]
            u = v if wait else net.head[e]
            if scratch.seen[t1, u] == call or scratch.used[t1, u] > 0 or scratch.parked[u] <= t1:
                continue
            if not wait and net.opposite[e] >= 0 and scratch.used_edge[t, net.opposite[e]] > 0:
                continue
            f1 = max(t1 + steps[u], f)
            if t1 < earliest:
                f1 = max(f1, earliest)
            if f1 > horizon:
                continue
            scratch.seen[t1, u] = call
            scratch.value[t1, u] = v
            if u == goal and t1 >= earliest:
                out[t1] = u
                for s in range(t1, 0, -1):
                    out[s - 1] = scratch.value[s, out[s]]
                return t1
            scratch.link[t1, u] = scratch.bucket[f1]
            scratch.bucket[f1] = t1 * n + u + 1
    return -1


@numba.njit(cache=True)
def replan(group, starts, goals, distance, paths, costs, net, scratch, spare):
    """Plan a group again in its order; keep the result if it costs less. Returns by how much.

    Args:
        group: agents, shape (k,).
        starts: vertex per agent.
        goals: vertex per agent.
        distance: steps to the goal, shape (agents, n).
        paths: vertex per agent and step; changed in place.
        costs: of each path; changed in place.
        net: the graph.
        scratch: tables that hold every path; changed in place.
        spare: shape (k, width of paths + 1).
    """
    before = 0
    for agent in group:
        _one(agent, -1, paths, costs, net, scratch)
        before += costs[agent]
    old = costs[group]
    total, planned = 0, 0
    to_go = 0
    for agent in group:
        to_go += distance[agent, starts[agent]]
    for k in range(group.shape[0]):
        agent = group[k]
        spare[k, : old[k] + 1] = paths[agent, : old[k] + 1]
        to_go -= distance[agent, starts[agent]]
        limit = min(before - 1 - total - to_go, paths.shape[1] - 1)
        cost = _path_between(starts[agent], goals[agent], distance[agent], limit, net, scratch, paths[agent])
        if cost < 0:
            break
        paths[agent, cost:] = goals[agent]
        costs[agent] = cost
        _one(agent, 1, paths, costs, net, scratch)
        total += cost
        planned += 1
    if planned == group.shape[0] and total < before:
        return before - total
    for k in range(planned):
        _one(group[k], -1, paths, costs, net, scratch)
    for k in range(group.shape[0]):
        agent = group[k]
        if k <= planned:
            paths[agent, : old[k] + 1] = spare[k, : old[k] + 1]
            paths[agent, old[k] :] = goals[agent]
            costs[agent] = old[k]
        _one(agent, 1, paths, costs, net, scratch)
    return 0


@numba.njit(cache=True)
def _in_the_way(agent, goals, distance, paths, costs, net, size, draws, group):
    """Fill `group` with an agent and others that block cheaper ways of it, walking from random points of its path."""
    count = 1
    group[0] = agent
    agents = paths.shape[0]
    draw = 0
    for _ in range(10):
        if count == size:
            break
        t = int(draws[draw % draws.shape[0]] * max(costs[agent], 1))
        draw += 1
        v = paths[agent, t]
        while v != goals[agent] and count < size and t < costs[agent]:
            choices = 0
            nxt = v
            for e in range(net.first[v] - 1, net.first[v + 1]):
                u = v if e < net.first[v] else net.head[e]
                if t + 1 + distance[agent, u] < costs[agent]:
                    choices += 1
                    if draws[draw % draws.shape[0]] * choices < 1.0:
                        nxt = u
                    draw += 1
            if choices == 0:
                break
            for k in range(agents):
                here = paths[k, min(t + 1, paths.shape[1] - 1)]
                if k != agent and (here == nxt or (here == v and paths[k, t] == nxt)):
                    known = False
                    for j in range(count):
                        known |= group[j] == k
                    if not known and count < size:
                        group[count] = k
                        count += 1
            v = nxt
            t += 1
    return count


def improve(
    instance: Instance,
    paths: np.ndarray,
    distance: np.ndarray,
    deadline: float,
    seed: int,
    bound: float,
    progress: Callable[[int, int], None] | None = None,
    clock: Clock = time.perf_counter,
) -> tuple[np.ndarray, int]:
    """Return a plan that costs no more, and the number of repairs tried.

    Args:
        instance: the agents.
        paths: a plan, vertex per agent and step.
        distance: steps to the goal, shape (agents, n).
        deadline: by `clock`. [s]
        seed: of the neighbourhoods.
        bound: sum of costs at which there is nothing left to do.
        progress: told the repairs tried and the sum of costs.
        clock: of the deadline.
    """
    rng = np.random.default_rng(seed)
    agents, width = paths.shape
    width += SLACK + width // 4
    paths = np.concatenate((paths, np.repeat(paths[:, -1:], width - paths.shape[1], axis=1)), axis=1)
    goals = np.array(instance.goals, dtype=np.int32)
    starts = np.array(instance.starts, dtype=np.int32)
    away = paths != goals[:, None]
    costs = np.where(away.any(axis=1), width - np.argmax(away[:, ::-1], axis=1), 0).astype(np.int32)
    scratch, net = make_scratch(instance.graph, width + 1, others=True), net_of(instance.graph)
    count_others(-1, paths, costs, 1, net, scratch)
    shortest = distance[np.arange(agents), starts]
    spare = np.empty((GROUP, width + 1), dtype=np.int32)
    group = np.empty(GROUP, dtype=np.int32)
    worth = np.ones(2)
    total, tried = int(costs.sum()), 0
    while total > bound and clock() < deadline:
        way = int(rng.random() * worth.sum() > worth[0])
        delay = costs - shortest
        size = min(GROUP, agents)
        if way == 0:
            agent = int(rng.choice(agents, p=delay / delay.sum()))
            size = int(_in_the_way(agent, goals, distance, paths, costs, net, size, rng.random(64), group))
            rng.shuffle(group[:size])
        else:
            group[:size] = rng.choice(agents, size, replace=False)
        gain = int(replan(group[:size], starts, goals, distance, paths, costs, net, scratch, spare))
        total -= gain
        tried += 1
        worth[way] = max(0.99 * worth[way] + 0.01 * gain, 0.05)
        if progress is not None and tried % 256 == 0:
            progress(tried, total)
    return paths[:, : int(costs.max()) + 1], tried
