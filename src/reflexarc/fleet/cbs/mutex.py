# SPDX-License-Identifier: Apache-2.0
r"""Two decision diagrams walked through together: do the agents hinder each other, and which states exclude each other.

A pair (n1, n2) of nodes of one level is joint if both agents can be there at that time after paths that never met. In
MDDs that keep every prefix of a node, two nodes that are not joint exclude each other in every plan, whatever the cost
(mutex propagation, Zhang et al., ICAPS 2020). If no pair of one level is joint, the pair of agents cannot keep both its
costs; the nodes then split the search without loss:

    B = { n2 : n2 is joint with no node of the other's level, but a parent of n2 is with one }
    A = { n1 : n1 excludes all of B, but a parent of n1 does not }

No plan takes a node of A with one agent and a node of B with the other, so one child forbids all of A to the one and
the other child all of B to the other. Each set cuts its MDD: both children cost more. In open space A and B are the
barriers of rectangle reasoning (Li et al., AAAI 2019), but nothing here needs a grid.
"""

import numba
import numpy as np

INDEPENDENT, EARLY, LATE = 0, 1, 2
"""Paths of these costs need not meet; they must, and A and B were found; they must, when one stands at its goal."""


@numba.njit(cache=True)
def _swap(u1, v1, u2, v2):
    return u1 == v2 and v1 == u2 and u1 != v1


@numba.njit(cache=True)
def relation(first1, nodes1, edge_first1, edge_to1, first2, nodes2, edge_first2, edge_to2):
    """Say how two agents with these MDDs get along.

    Args:
        first1: first node of each level, shape (cost + 2,).
        nodes1: vertex of each node.
        edge_first1: first edge of each node.
        edge_to1: node at which each edge ends.
        first2: as first1, of the other agent.
        nodes2: as nodes1.
        edge_first2: as edge_first1.
        edge_to2: as edge_to1.

    Returns:
        `INDEPENDENT`, `EARLY` or `LATE`; A and B as rows (vertex, time), empty unless `EARLY`.
    """
    none = np.empty((0, 2), dtype=np.int32)
    c1, c2 = first1.shape[0] - 2, first2.shape[0] - 2
    both = min(c1, c2)
    offset = np.empty(both + 2, dtype=np.int64)
    offset[0] = 0
    for t in range(both + 1):
        w1, w2 = first1[t + 1] - first1[t], first2[t + 1] - first2[t]
        offset[t + 1] = offset[t] + w1 * w2
    joint = np.zeros(offset[both + 1], dtype=np.bool_)
    joint[0] = nodes1[0] != nodes2[0]
    dead = -1
    for t in range(both):
        w2, next2 = first2[t + 1] - first2[t], first2[t + 2] - first2[t + 1]
        any_joint = False
        for i in range(first1[t], first1[t + 1]):
            row = offset[t] + (i - first1[t]) * w2
            for j in range(first2[t], first2[t + 1]):
                if not joint[row + j - first2[t]]:
                    continue
                for x in range(edge_first1[i], edge_first1[i + 1]):
                    k = edge_to1[x]
                    for y in range(edge_first2[j], edge_first2[j + 1]):
                        m = edge_to2[y]
                        if nodes1[k] == nodes2[m] or _swap(nodes1[i], nodes1[k], nodes2[j], nodes2[m]):
                            continue
                        joint[offset[t + 1] + (k - first1[t + 1]) * next2 + m - first2[t + 1]] = True
                        any_joint = True
        if not any_joint:
            dead = t + 1
            break
    if dead < 0:
        return _standing(
            first1, nodes1, edge_first1, edge_to1, first2, nodes2, edge_first2, edge_to2, joint, offset
        )
    # B: first nodes of agent 2 that leave agent 1 no node
    doomed = np.zeros(nodes2.shape[0], dtype=np.bool_)
    for t in range(dead + 1):
        w2 = first2[t + 1] - first2[t]
        for j in range(w2):
            alone = True
            for i in range(first1[t + 1] - first1[t]):
                if joint[offset[t] + i * w2 + j]:
                    alone = False
                    break
            doomed[first2[t] + j] = alone
    barrier2 = _frontier(first2, nodes2, edge_first2, edge_to2, doomed, dead)
    # ancestors of B in strictly earlier levels
    leads = np.zeros(nodes2.shape[0], dtype=np.bool_)
    for t in range(dead - 1, -1, -1):
        for j in range(first2[t], first2[t + 1]):
            for y in range(edge_first2[j], edge_first2[j + 1]):
                m = edge_to2[y]
                if leads[m] or doomed[m]:
                    leads[j] = True
                    break
    # A: first nodes of agent 1 that exclude all of B
    excludes = np.zeros(nodes1.shape[0], dtype=np.bool_)
    for t in range(dead + 1):
        w2 = first2[t + 1] - first2[t]
        for i in range(first1[t + 1] - first1[t]):
            fine = True
            for j in range(w2):
                if leads[first2[t] + j] and joint[offset[t] + i * w2 + j]:
                    fine = False
                    break
            excludes[first1[t] + i] = fine
    barrier1 = _frontier(first1, nodes1, edge_first1, edge_to1, excludes, dead)
    if barrier1.shape[0] == 0 or barrier2.shape[0] == 0:
        return LATE, none, none
    return EARLY, barrier1, barrier2


@numba.njit(cache=True)
def _frontier(first, nodes, edge_first, edge_to, member, last):
    """Return (vertex, time) of the members that have a parent that is none; the first level counts as having one."""
    inner = np.zeros(nodes.shape[0], dtype=np.bool_)
    inner[0] = member[0]
    count = 0
    for t in range(last):
        for i in range(first[t], first[t + 1]):
            if not member[i]:
                for x in range(edge_first[i], edge_first[i + 1]):
                    if member[edge_to[x]] and not inner[edge_to[x]]:
                        inner[edge_to[x]] = True
                        count += 1
    if member[0]:
        count += 1
    rows = np.empty((count, 2), dtype=np.int32)
    k = 0
    for t in range(last + 1):
        for i in range(first[t], first[t + 1]):
            if inner[i]:
                rows[k, 0], rows[k, 1] = nodes[i], t
                k += 1
    return rows


@numba.njit(cache=True)
def _standing(first1, nodes1, edge_first1, edge_to1, first2, nodes2, edge_first2, edge_to2, joint, offset):
    """Go on where one agent stands at its goal: can the other end without passing it?"""
    none = np.empty((0, 2), dtype=np.int32)
    c1, c2 = first1.shape[0] - 2, first2.shape[0] - 2
    both = min(c1, c2)
    w2 = first2[both + 1] - first2[both]
    if c1 <= c2:
        first, nodes, edge_first, edge_to = first2, nodes2, edge_first2, edge_to2
        goal = nodes1[nodes1.shape[0] - 1]
    else:
        first, nodes, edge_first, edge_to = first1, nodes1, edge_first1, edge_to1
        goal = nodes2[nodes2.shape[0] - 1]
    alive = np.zeros(nodes.shape[0], dtype=np.bool_)
    for i in range(first1[both + 1] - first1[both]):
        for j in range(w2):
            if joint[offset[both] + i * w2 + j]:
                alive[first[both] + (j if c1 <= c2 else i)] = True
    for t in range(both, max(c1, c2)):
        for i in range(first[t], first[t + 1]):
            if alive[i]:
                for x in range(edge_first[i], edge_first[i + 1]):
                    if nodes[edge_to[x]] != goal:
                        alive[edge_to[x]] = True
    return (INDEPENDENT if alive[nodes.shape[0] - 1] else LATE), none, none
