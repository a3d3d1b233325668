# SPDX-License-Identifier: Apache-2.0
"""Safe-interval path planning in continuous time (SIPP, Phillips and Likhachev, ICRA 2011) under constraints.

A vertex constraint forbids being at a vertex in [from, to), an edge constraint to start onto an edge in [from, to).
Between its forbidden times a vertex has safe intervals; a state is a vertex in one of them, reached as early as can be,
because waiting within the interval costs nothing but time.
"""

import heapq
import math

import numba
import numpy as np

from reflexarc.fleet.graph import Graph


@numba.njit(cache=True)
def seconds_to(back_first, back_tail, back_edge, duration, goal):
    """Return the driving time from every vertex to the goal, infinity if there is no way; shape (n,). [s]"""
    time = np.full(len(back_first) - 1, np.inf)
    time[goal] = 0.0
    heap = [(0.0, goal)]
    while heap:
        t, v = heapq.heappop(heap)
        if t > time[v]:
            continue
        for k in range(back_first[v], back_first[v + 1]):
            u = back_tail[k]
            s = t + duration[back_edge[k]]
            if s < time[u]:
                time[u] = s
                heapq.heappush(heap, (s, np.int64(u)))
    return time


def times_to(graph: Graph, goals: tuple[int, ...]) -> np.ndarray:
    """Return the driving time from every vertex to each goal, shape (goals, n). [s]"""
    return np.array(
        [seconds_to(graph.back_first, graph.back_tail, graph.back_edge, graph.duration, g) for g in goals]
    )


@numba.njit(cache=True)
def _safe_intervals(n, places, spans):
    """Return first interval of each vertex, shape (n + 1,), and (begin, end) of each interval."""
    count = np.ones(n + 1, dtype=np.int64)
    for v in places:
        count[v] += 1
    first = np.zeros(n + 1, dtype=np.int64)
    for v in range(n):
        first[v + 1] = first[v] + count[v]
    begin, end = np.full(first[n], np.inf), np.full(first[n], np.inf)  # infinite where there is none
    used = np.ones(n, dtype=np.int64)
    for v in range(n):
        begin[first[v]], end[first[v]] = 0.0, np.inf
    for k in range(len(places)):
        v = places[k]
        low, high = spans[k, 0], spans[k, 1]
        last = first[v] + used[v]
        i = first[v]
        while i < last:
            if begin[i] < high and end[i] > low:
                before, after = begin[i] < low, end[i] > high
                if before and after:
                    begin[last], end[last] = high, end[i]
                    end[i] = low
                    used[v] += 1
                elif before:
                    end[i] = low
                elif after:
                    begin[i] = high
                else:
                    begin[i] = end[i] = math.inf  # nothing is left of it
            i += 1
    return first, begin, end


@numba.njit(cache=True)
def safe_interval_path(start, goal, to_go, first, head, duration, places, place_spans, ways, way_spans):
    """Return vertices and arrival times of the fastest path that keeps the constraints; empty if there is none.

    Args:
        start: vertex at time 0.
        goal: vertex to stay at.
        to_go: driving time to the goal, shape (n,). [s]
        first: graph.
        head: graph.
        duration: graph. [s]
        places: constrained vertices, shape (k,).
        place_spans: forbidden times of each, shape (k, 2). [s]
        ways: constrained edges, shape (j,).
        way_spans: forbidden starts of each, shape (j, 2). [s]

    Returns:
        Vertex and time of every state, and the time at which each vertex but the last is left.
    """
    n = len(first) - 1
    interval_first, begin, end = _safe_intervals(n, places, place_spans)
    states = interval_first[n]
    arrival = np.full(states, np.inf)
    done = np.zeros(states, dtype=np.bool_)
    parent, left, place = np.full(states, -1), np.zeros(states), np.zeros(states, dtype=np.int64)
    heap = [(0.0, 0.0, 0)]
    heap.pop()
    for i in range(interval_first[start], interval_first[start + 1]):
        if begin[i] == 0.0 and end[i] > 0.0:
            arrival[i] = 0.0
            place[i] = start
            heapq.heappush(heap, (to_go[start], 0.0, i))
    found = -1
    while heap:
        _, _, i = heapq.heappop(heap)
        if done[i]:
            continue
        done[i] = True
        v = place[i]
        if v == goal and end[i] == math.inf:
            found = i
            break
        for e in range(first[v], first[v + 1]):
            u = head[e]
            if to_go[u] == math.inf:
                continue
            for j in range(interval_first[u], interval_first[u + 1]):
                if done[j] or begin[j] == math.inf:
                    continue
                s = max(arrival[i], begin[j] - duration[e])
                moved = True
                while moved:
                    moved = False
                    for k in range(len(ways)):
                        if ways[k] == e and way_spans[k, 0] <= s < way_spans[k, 1]:
                            s = way_spans[k, 1]
                            moved = True
                if s >= end[i] or s + duration[e] >= end[j] or s + duration[e] >= arrival[j]:
                    continue
                arrival[j] = s + duration[e]
                parent[j], left[j], place[j] = i, s, u
                heapq.heappush(heap, (arrival[j] + to_go[u], -arrival[j], j))
    count = 0
    i = found
    while i >= 0:
        count += 1
        i = parent[i]
    vertices, times, leaves = np.empty(count, dtype=np.int64), np.empty(count), np.zeros(count)
    i = found
    for k in range(count - 1, -1, -1):
        vertices[k], times[k] = place[i], arrival[i]
        if k > 0:
            leaves[k - 1] = left[i]
        i = parent[i]
    return vertices, times, leaves
