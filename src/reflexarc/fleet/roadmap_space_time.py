# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels of team plans: distances of segments, what a tube forbids, the cheapest path over time and place."""

import math

import numba
import numpy as np


@numba.njit(cache=True)
def segment_distance(ax, ay, bx, by, cx, cy, dx, dy):
    """Return the smallest distance of the segments a-b and c-d."""
    ux, uy, vx, vy = bx - ax, by - ay, dx - cx, dy - cy
    wx, wy = ax - cx, ay - cy
    cross = ux * vy - uy * vx
    if abs(cross) > 1e-12:
        s = (vx * wy - vy * wx) / cross
        t = (ux * wy - uy * wx) / cross
        if 0.0 <= s <= 1.0 and 0.0 <= t <= 1.0:
            return 0.0
    best = point_distance(ax, ay, cx, cy, dx, dy)
    best = min(best, point_distance(bx, by, cx, cy, dx, dy))
    best = min(best, point_distance(cx, cy, ax, ay, bx, by))
    return min(best, point_distance(dx, dy, ax, ay, bx, by))


@numba.njit(cache=True)
def point_distance(px, py, ax, ay, bx, by):
    """Return the distance of a point to a segment."""
    ux, uy = bx - ax, by - ay
    square = ux * ux + uy * uy
    s = 0.0
    if square > 0.0:
        s = min(max(((px - ax) * ux + (py - ay) * uy) / square, 0.0), 1.0)
    return math.hypot(px - ax - s * ux, py - ay - s * uy)


@numba.njit(cache=True)
def forbidden(u, v, reach, tube, stay, positions, tail, head):
    """Return the vertices and the edges that a tube from u to v forbids to others."""
    ax, ay, bx, by = positions[u, 0], positions[u, 1], positions[v, 0], positions[v, 1]
    vertices = np.empty(len(positions), dtype=np.int32)
    edges = np.empty(len(head), dtype=np.int32)
    found = 0
    for w in range(len(positions)):
        if point_distance(positions[w, 0], positions[w, 1], ax, ay, bx, by) < reach + stay[w] - 1e-9:
            vertices[found] = w
            found += 1
    vertices = vertices[:found].copy()
    far = reach + tube
    found = 0
    for e in range(len(head)):
        cx, cy = positions[tail[e], 0], positions[tail[e], 1]
        dx, dy = positions[head[e], 0], positions[head[e], 1]
        if min(cx, dx) - max(ax, bx) > far or min(ax, bx) - max(cx, dx) > far:
            continue
        if min(cy, dy) - max(ay, by) > far or min(ay, by) - max(cy, dy) > far:
            continue
        if segment_distance(ax, ay, bx, by, cx, cy, dx, dy) < far - 1e-9:
            edges[found] = e
            found += 1
    return vertices, edges[:found].copy()


@numba.njit(cache=True)
def occupy(edge, vertex, sign, vertices, edges, begin, end, steps):
    """Count what an occupation in [begin, end) forbids to others: stays then, and drives that are under way then."""
    end = min(end, edge.shape[0])
    for t in range(begin, end):
        for w in vertices:
            vertex[t, w] += sign
        for e in edges:
            edge[t, e] += sign
    for e in edges:
        for t in range(max(begin - steps[e] + 1, 0), min(begin, end)):
            edge[t, e] += sign


@numba.njit(cache=True)
def space_time(start, goal, first, head, steps, risk, dwell, weight, penalty, edge, vertex, to_go, most):
    """Return vertices and times of the cheapest path over (time, vertex), and its cost; empty if there is none.

    A path that costs `most` or less is known to exist, or `most` is infinite.
    """
    last, n = edge.shape[0] - 1, len(first) - 1
    cost = np.full((last + 1, n), np.inf)
    parent = np.full((last + 1, n), -1, dtype=np.int32)
    left = np.zeros((last + 1, n), dtype=np.int32)
    cost[0, start] = 0.0
    later = np.zeros(last + 2)  # conflicts of standing at the goal from a time on
    for t in range(last, -1, -1):
        later[t] = later[t + 1] + vertex[t, goal]
    best, when = np.inf, -1
    for t in range(last + 1):
        if cost[t, goal] + penalty * later[t] < best:
            best, when = cost[t, goal] + penalty * later[t], t
        if t == last:
            break
        for u in range(n):
            c = cost[t, u]
            if c + to_go[u] >= best or c + to_go[u] > most:
                continue
            more = c + dwell[u] + weight + penalty * vertex[t, u]
            if more < cost[t + 1, u]:
                cost[t + 1, u], parent[t + 1, u], left[t + 1, u] = more, u, t
            for e in range(first[u], first[u + 1]):
                until = t + steps[e]
                if until > last:
                    continue
                more = c + risk[e] + weight * steps[e] + penalty * edge[t, e]
                v = head[e]
                if more < cost[until, v]:
                    cost[until, v], parent[until, v], left[until, v] = more, u, t
    if when < 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.inf
    vertices, times = [goal], [when]
    t, v = when, goal
    while t > 0:
        u, s = parent[t, v], left[t, v]
        vertices.append(u)
        times.append(s)
        t, v = s, u
    return np.array(vertices[::-1]), np.array(times[::-1]), best
