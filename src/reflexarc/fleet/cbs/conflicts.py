# SPDX-License-Identifier: Apache-2.0
"""Conflicts between paths in steps, and how much each of them costs whoever gives way.

A conflict is a row (a, b, t, kind, v, u). Vertex: both are at v at time t. Edge: a goes from v to u in step t while b
goes from u to v. Target: a stands at its goal v for good, at most since t, when b comes by at t.
"""

import numba
import numpy as np

AT_VERTEX, ON_EDGE, AT_TARGET = 0, 1, 2
WIDTH = 6
"""Numbers per conflict."""


@numba.njit(cache=True)
def _pair(a, b, paths, costs, found, count, all_of_them):
    """Append the conflicts of one pair; returns their new number and the table, which may have grown."""
    ca, cb = costs[a], costs[b]
    if ca > cb:
        a, b, ca, cb = b, a, cb, ca
    for t in range(cb + 1):
        v = paths[a, min(t, ca)]
        w = paths[b, t]
        kind = -1
        u = w
        if v == w:
            kind = AT_TARGET if t >= ca else AT_VERTEX
        elif t < ca and paths[a, t + 1] == w and paths[b, t + 1] == v:
            kind = ON_EDGE
        if kind < 0:
            continue
        if count == found.shape[0]:
            wider = np.empty((2 * count, WIDTH), dtype=np.int32)
            wider[:count] = found
            found = wider
        if kind == AT_TARGET and t == cb and ca == cb:
            kind = AT_VERTEX  # cannot be: goals differ
        found[count, 0], found[count, 1], found[count, 2] = a, b, t
        found[count, 3], found[count, 4], found[count, 5] = kind, v, u
        count += 1
        if not all_of_them:
            break
    return count, found


@numba.njit(cache=True)
def find_conflicts(agents, paths, costs, all_of_them):
    """Return the conflicts of `agents` with everybody, shape (k, 6), int32.

    Args:
        agents: whose conflicts, shape (j,), int32.
        paths: vertex per agent and step, shape (agents, longest cost + 1).
        costs: steps of each path, shape (agents,).
        all_of_them: whether to return all conflicts of a pair, or its first.
    """
    n = paths.shape[0]
    chosen = np.zeros(n, dtype=np.bool_)
    for a in agents:
        chosen[a] = True
    found = np.empty((32, WIDTH), dtype=np.int32)
    count = 0
    for a in agents:
        for b in range(n):
            if b != a and (b > a or not chosen[b]):
                count, found = _pair(a, b, paths, costs, found, count, all_of_them)
    return found[:count].copy()


@numba.njit(cache=True)
def with_replaced(conflicts, changed, fresh):
    """Return the conflicts without those of the changed agents, and the fresh ones after them."""
    count = 0
    out = np.empty((conflicts.shape[0] + fresh.shape[0], WIDTH), dtype=np.int32)
    for k in range(conflicts.shape[0]):
        keep = True
        for a in changed:
            if conflicts[k, 0] == a or conflicts[k, 1] == a:
                keep = False
        if keep:
            out[count] = conflicts[k]
            count += 1
    out[count : count + fresh.shape[0]] = fresh
    return out[: count + fresh.shape[0]].copy()


@numba.njit(cache=True)
def count_pairs(conflicts):
    """Return how many different pairs of agents conflict; rows of one pair may lie apart."""
    pairs = 0
    for k in range(conflicts.shape[0]):
        new = True
        for j in range(k):
            if conflicts[j, 0] == conflicts[k, 0] and conflicts[j, 1] == conflicts[k, 1]:
                new = False
                break
            if conflicts[j, 0] == conflicts[k, 1] and conflicts[j, 1] == conflicts[k, 0]:
                new = False
                break
        if new:
            pairs += 1
    return pairs


@numba.njit(cache=True)
def forced(first, nodes, t, v):
    """Return whether every path of an MDD is at `v` at step `t`."""
    if t >= first.shape[0] - 1:
        return nodes[nodes.shape[0] - 1] == v
    return first[t + 1] - first[t] == 1 and nodes[first[t]] == v
