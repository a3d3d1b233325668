# SPDX-License-Identifier: Apache-2.0
r"""Discs that move in continuous time: when do two motions collide, and by how much must one start later.

A motion starts at time t at point p and runs with velocity v for a duration d; a wait is a motion with v = 0. Two
motions A and B collide if at a common time their centres are nearer than r_a + r_b. Whether they do depends only on the
difference D of their starts. The pairs (x, y) of progress at which |A(x) - B(y)| is smaller than a number form a convex
set, and so do those in the box of both durations, so the differences at which they collide form one interval; its ends
are found by bisection from a D inside.
"""

import math

import numba

TOLERANCE = 1e-7
"""Overlap that counts as touching. [m]"""
_HALVINGS = 48
"""Of an interval of some seconds: below 1e-12 s."""


@numba.njit(cache=True)
def gap_between(ax, ay, avx, avy, at, ad, bx, by, bvx, bvy, bt, bd):
    """Return the smallest distance of two motions over their common time, infinity if there is none, and its time."""
    begin, end = max(at, bt), min(at + ad, bt + bd)
    if begin > end:
        return math.inf, 0.0
    px = ax + avx * (begin - at) - bx - bvx * (begin - bt)
    py = ay + avy * (begin - at) - by - bvy * (begin - bt)
    vx, vy = avx - bvx, avy - bvy
    square = vx * vx + vy * vy
    s = 0.0
    if square > 0.0:
        s = min(max(-(px * vx + py * vy) / square, 0.0), end - begin)
    return math.hypot(px + s * vx, py + s * vy), begin + s


@numba.njit(cache=True)
def first_free_start(ax, ay, avx, avy, at, ad, bx, by, bvx, bvy, bt, bd, reach):
    """Return the first start of A after `at` from which on it does not collide with B, where it collides now.

    Args:
        ax: where A starts; ay likewise. [m]
        ay: [m]
        avx: velocity of A. [m/s]
        avy: [m/s]
        at: start of A. [s]
        ad: duration of A. [s]
        bx: where B starts. [m]
        by: [m]
        bvx: velocity of B. [m/s]
        bvy: [m/s]
        bt: start of B. [s]
        bd: duration of B. [s]
        reach: sum of both radii. [m]
    """
    low, high = at, bt + bd
    near, _ = gap_between(ax, ay, avx, avy, high, ad, bx, by, bvx, bvy, bt, bd)
    if near < reach - TOLERANCE:
        return high
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        near, _ = gap_between(ax, ay, avx, avy, middle, ad, bx, by, bvx, bvy, bt, bd)
        if near < reach - TOLERANCE:
            low = middle
        else:
            high = middle
    return high


@numba.njit(cache=True)
def overlap_with_point(x, y, vx, vy, duration, px, py, reach):
    """Return the progress at which a motion comes near a standing disc and leaves it again, within its duration. [s]"""
    dx, dy = x - px, y - py
    a, b, c = vx * vx + vy * vy, dx * vx + dy * vy, dx * dx + dy * dy - reach * reach
    root = b * b - a * c
    if a == 0.0 or root <= 0.0:
        return 0.0, 0.0
    root = math.sqrt(root)
    return max((-b - root) / a, 0.0), min((-b + root) / a, duration)


@numba.njit(cache=True)
def first_overlap(a_vertices, a_times, b_vertices, b_times, positions, reach):
    """Return the first two motions of two timed paths that collide, -1 if none, and when they begin to.

    A path stands at its last vertex for good; that wait has the number of its last state.
    """
    i = j = 0
    n, m = len(a_times), len(b_times)
    while True:
        a_end = a_times[i + 1] if i + 1 < n else math.inf
        b_end = b_times[j + 1] if j + 1 < m else math.inf
        ad, bd = a_end - a_times[i], b_end - b_times[j]
        u, v = a_vertices[i], a_vertices[i + 1] if i + 1 < n else a_vertices[i]
        w, z = b_vertices[j], b_vertices[j + 1] if j + 1 < m else b_vertices[j]
        avx = (positions[v, 0] - positions[u, 0]) / ad if u != v else 0.0
        avy = (positions[v, 1] - positions[u, 1]) / ad if u != v else 0.0
        bvx = (positions[z, 0] - positions[w, 0]) / bd if w != z else 0.0
        bvy = (positions[z, 1] - positions[w, 1]) / bd if w != z else 0.0
        if a_end > b_times[j] and b_end > a_times[i]:
            ax, ay, bx, by = positions[u, 0], positions[u, 1], positions[w, 0], positions[w, 1]
            near, when = gap_between(ax, ay, avx, avy, a_times[i], ad, bx, by, bvx, bvy, b_times[j], bd)
            if near < reach - TOLERANCE:
                return i, j, when
        if i + 1 >= n and j + 1 >= m:
            return -1, -1, math.inf
        if a_end <= b_end:
            i += 1
        else:
            j += 1
