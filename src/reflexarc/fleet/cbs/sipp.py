# SPDX-License-Identifier: Apache-2.0
"""Safe-interval path planning in continuous time (SIPP, Phillips and Likhachev, ICRA 2011) under constraints.

A vertex constraint forbids being at a vertex in [from, to), an edge constraint to start onto an edge in [from, to).
Between its forbidden times a vertex has safe intervals; a state is a vertex in one of them, reached as early as can be,
because waiting within the interval costs nothing but time.

Duties are drives that must be part of the path: onto edge e at a time in [from, to), one after the other. The search
then runs in layers, one per duty done, and only such a drive leads from one layer to the next.
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
    none, spans = np.empty(0, dtype=np.int64), np.empty((0, 2))
    goes, floor = to_go.reshape((1, -1)), np.zeros(1)
    return path_with_duties(
        start, goal, goes, floor, first, head, duration, places, place_spans, ways, way_spans, none, spans
    )


@numba.njit(cache=True)
def path_with_duties(
    start, goal, to_go, floor, first, head, duration, places, place_spans, ways, way_spans, duties, duty_spans
):
    """Return what `safe_interval_path` does for a path with duties.

    Args:
        start: vertex at time 0.
        goal: vertex to stay at.
        to_go: driving time to the goal by way of the duties not yet done, per duties done, shape (d + 1, n). [s]
        floor: time before which nobody can be at the goal, per duties done, shape (d + 1,). [s]
        first: graph.
        head: graph.
        duration: graph. [s]
        places: constrained vertices, shape (k,).
        place_spans: forbidden times of each, shape (k, 2). [s]
        ways: constrained edges, shape (j,).
        way_spans: forbidden starts of each, shape (j, 2). [s]
        duties: edges in the order in which they must be driven, shape (d,).
        duty_spans: when each must be started, shape (d, 2). [s]
    """
    n = len(first) - 1
    interval_first, begin, end = _safe_intervals(n, places, place_spans)
    layer = interval_first[n]
    states = layer * (len(duties) + 1)
    of_edge, rule_after = np.full(len(head), -1, dtype=np.int64), np.full(len(ways), -1, dtype=np.int64)
    for k in range(len(ways)):
        rule_after[k] = of_edge[ways[k]]
        of_edge[ways[k]] = k
    arrival = np.full(states, np.inf)
    done = np.zeros(states, dtype=np.bool_)
    parent, left, place = np.full(states, -1), np.zeros(states), np.zeros(states, dtype=np.int64)
    heap = [(0.0, 0.0, 0)]
    heap.pop()
    for i in range(interval_first[start], interval_first[start + 1]):
        if begin[i] == 0.0 and end[i] > 0.0 and to_go[0, start] < math.inf:
            arrival[i] = 0.0
            place[i] = start
            heapq.heappush(heap, (max(to_go[0, start], floor[0]), 0.0, i))
    found = -1
    while heap:
        _, _, i = heapq.heappop(heap)
        if done[i]:
            continue
        done[i] = True
        v, so_far = place[i], i // layer
        leave_by = end[i % layer]
        if v == goal and so_far == len(duties) and leave_by == math.inf:
            found = i
            break
        for e in range(first[v], first[v + 1]):
            u = head[e]
            for duty in range(2 if so_far < len(duties) and duties[so_far] == e else 1):
                then = so_far + duty
                if to_go[then, u] == math.inf:
                    continue
                for j0 in range(interval_first[u], interval_first[u + 1]):
                    j = then * layer + j0
                    if done[j] or begin[j0] == math.inf:
                        continue
                    s = max(arrival[i], begin[j0] - duration[e])
                    if duty:
                        s = max(s, duty_spans[so_far, 0])
                    moved = True
                    while moved:
                        moved = False
                        k = of_edge[e]
                        while k >= 0:
                            if way_spans[k, 0] <= s < way_spans[k, 1]:
                                s = way_spans[k, 1]
                                moved = True
                            k = rule_after[k]
                    if duty and s >= duty_spans[so_far, 1]:
                        continue
                    if s >= leave_by or s + duration[e] >= end[j0] or s + duration[e] >= arrival[j]:
                        continue
                    arrival[j] = s + duration[e]
                    parent[j], left[j], place[j] = i, s, u
                    there = float(arrival[j])
                    heapq.heappush(heap, (float(max(there + to_go[then, u], floor[then])), -there, j))
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
