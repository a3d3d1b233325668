# SPDX-License-Identifier: Apache-2.0
r"""Plan some robots among others whose tracks are given: safe intervals in continuous time, one robot after the other.

A given track is a sequence of uniform motions B, the last of which stands for good. It forbids a vertex p while
|p - B(t)| < 2 r, and the start s of a drive A along an edge while the two collide, that is for D = s - t_B in the range
of y - x over the convex set {(x, y) : |A(x) - B(y)| < 2 r} within both durations; its ends are found by golden section
over x, with the y of each x in closed form.

Planning one after the other (Silver 2005, with continuous time) is fast and deterministic but not complete: orders are
tried, a robot that found no way goes first in the next one. What is found is as safe as any other plan; what is not
found leaves the plan before in force.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numba
import numpy as np

from reflexarc.core.types import Array
from reflexarc.fleet.cbs.sipp import safe_interval_path, times_to
from reflexarc.fleet.execution.tracks import Track, standing
from reflexarc.fleet.graph import Graph

_GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)
_ROUNDS = 40
"""Of golden section: an interval of 100 s shrinks to below 1e-6 s."""
_ROOM = 1e-5
"""Added to both ends of a forbidden range. [s]"""


@dataclass(frozen=True, slots=True)
class Task:
    """One robot to plan: from a vertex that it reaches at a time, to a vertex."""

    start: int
    time: float
    """[s]"""
    goal: int


def plan_among(
    graph: Graph,
    tasks: Mapping[int, Task],
    given: Mapping[int, Track],
    passing: Mapping[int, Track],
    kept: Mapping[int, Array],
    radius: float,
    tries: int = 20,
    seed: int = 0,
) -> tuple[dict[int, Track], tuple[int, ...]]:
    """Plan robots so that no disc overlaps another or what is given; return their tracks and those without one.

    Args:
        graph: roadmap.
        tasks: robot to task.
        given: robot to its track, at the end of which it stands for good.
        passing: robot to what it drives before its task begins; a robot's own does not hinder it.
        kept: robot to places that are kept free for it: x, y, 0, 0, begin, end; shape (n, 6). [m, m, m/s, m/s, s, s]
        radius: of every disc. [m]
        tries: orders that are tried; the one with most robots planned and then the smallest sum of arrivals wins.
        seed: of the orders.
    """
    rng = np.random.default_rng(seed)
    to_go = (
        dict(zip(tasks, times_to(graph, tuple(t.goal for t in tasks.values())), strict=True)) if tasks else {}
    )
    order = sorted(
        tasks, key=lambda k: -to_go[k][tasks[k].start] if np.isfinite(to_go[k][tasks[k].start]) else 0.0
    )
    motions = {k: _motions(t) for k, t in given.items()}
    motions |= {k: _motions(t)[:-1] for k, t in passing.items()}
    motions |= {k: np.vstack((motions[k], rows)) if k in motions else rows for k, rows in kept.items()}
    best: tuple[tuple[int, float], dict[int, Track], tuple[int, ...]] | None = None
    for number in range(max(1, tries)):
        found: dict[int, Track] = {}
        failed: list[int] = []
        for k in order:
            around = [m for i, m in motions.items() if i != k]
            around += [_motions(t) for i, t in found.items()]
            # who has no way yet at least stands where it is, so that the others keep away
            around += [
                _motions(standing(graph.positions[tasks[i].start], tasks[i].start, tasks[i].time))
                for i in failed
            ]
            track = _plan_one(graph, tasks[k], to_go[k], around, radius)
            if track is None:
                failed.append(k)
            else:
                found[k] = track
        cost = (len(failed), math.fsum(t.arrival for t in found.values()))
        if best is None or cost < best[0]:
            best = (cost, found, tuple(failed))
        if len(tasks) < 2:
            break
        if failed:
            rest = [k for k in order if k not in failed]
            if number % 3 == 2:
                rest = [rest[k] for k in rng.permutation(len(rest))]
            order = [*failed, *rest]
        else:
            order = [order[k] for k in rng.permutation(len(order))]
    assert best is not None
    return best[1], best[2]


def _plan_one(graph: Graph, task: Task, to_go: Array, around: Sequence[Array], radius: float) -> Track | None:
    if not np.isfinite(to_go[task.start]):
        return None
    motions = np.vstack(around) if around else np.zeros((0, 6))
    motions = motions[motions[:, 5] > task.time]
    places, spans = _forbidden_vertices(graph.positions, motions, 2.0 * radius)
    ways, way_spans = _forbidden_edges(
        graph.positions,
        graph.tail.astype(np.int64),
        graph.head.astype(np.int64),
        graph.duration,
        motions,
        2.0 * radius,
    )
    shift = np.array([task.time, task.time])
    # what is forbidden up to the very start does not count: the robot is there
    spans, way_spans = spans - shift, way_spans - shift
    keep, keep_ways = spans[:, 1] > 2 * _ROOM, way_spans[:, 1] > 0.0
    spans, way_spans = np.maximum(spans[keep], 0.0), np.maximum(way_spans[keep_ways], 0.0)
    vertices, times, leaves = safe_interval_path(
        task.start, task.goal, to_go, graph.first, graph.head, graph.duration,
        places[keep], spans, ways[keep_ways], way_spans,
    )  # fmt: skip
    if not len(vertices):
        return None
    rows = [(int(vertices[0]), 0.0)]
    for k in range(1, len(vertices)):
        if leaves[k - 1] > rows[-1][1] + 1e-9:
            rows.append((int(vertices[k - 1]), float(leaves[k - 1])))
        rows.append((int(vertices[k]), float(times[k])))
    names = [v for v, _ in rows]
    return Track(
        graph.positions[names].astype(np.float64), np.array([t for _, t in rows]) + task.time, tuple(names)
    )


def keep_free(track: Track, length: float, apart: float) -> Array:
    """Return what keeps others off a track's first `length` [m] until its robot has been there, for `plan_among`.

    Discs stand in for the strip that it sweeps, `apart` [m] from one another.
    """
    lengths = track.lengths
    length = min(length, float(lengths[-1]))
    along = np.linspace(0.0, length, max(2, math.ceil(length / apart) + 1)) if length > 0.0 else np.zeros(0)
    times = [track.due(s) if s < lengths[-1] - 1e-9 else track.arrival for s in along]
    rows = [(*track.at(t), 0.0, 0.0, track.times[0], t) for t in times if t > track.times[0]]
    return np.array(rows).reshape(-1, 6)


def _motions(track: Track) -> Array:
    """Return the uniform motions of a track: x, y, vx, vy, start, end; the last stands for good; shape (n, 6)."""
    rows = []
    for k in range(len(track.times) - 1):
        d = track.times[k + 1] - track.times[k]
        v = (track.points[k + 1] - track.points[k]) / d
        rows.append((*track.points[k], *v, track.times[k], track.times[k + 1]))
    rows.append((*track.points[-1], 0.0, 0.0, track.times[-1], np.inf))
    return np.array(rows)


@numba.njit(cache=True)
def _chord(px, py, bx, by, vx, vy, duration, reach):
    """Return the progress of B within which it is nearer than `reach` to a point; empty if low >= high."""
    dx, dy = bx - px, by - py
    a, b, c = vx * vx + vy * vy, dx * vx + dy * vy, dx * dx + dy * dy - reach * reach
    if a == 0.0:
        return (0.0, duration) if c < 0.0 else (1.0, 0.0)
    root = b * b - a * c
    if root <= 0.0:
        return 1.0, 0.0
    root = math.sqrt(root)
    return max((-b - root) / a, 0.0), min((-b + root) / a, duration)


@numba.njit(cache=True)
def _forbidden_vertices(positions, motions, reach):
    places, low, high = [np.int64(0) for _ in range(0)], [0.0 for _ in range(0)], [0.0 for _ in range(0)]
    for v in range(len(positions)):
        for k in range(len(motions)):
            m = motions[k]
            begin, end = _chord(positions[v, 0], positions[v, 1], m[0], m[1], m[2], m[3], m[5] - m[4], reach)
            if end > begin:
                places.append(np.int64(v))
                low.append(m[4] + begin - _ROOM)
                high.append(m[4] + end + _ROOM)
    spans = np.empty((len(places), 2))
    out = np.empty(len(places), dtype=np.int64)
    for k in range(len(places)):
        out[k], spans[k, 0], spans[k, 1] = places[k], low[k], high[k]
    return out, spans


@numba.njit(cache=True)
def _gap_to(ax, ay, b, duration):
    """Return the smallest distance of a point from the motion B's way."""
    vx, vy = b[2], b[3]
    square = vx * vx + vy * vy
    y = 0.0
    if square > 0.0:
        y = min(max(((ax - b[0]) * vx + (ay - b[1]) * vy) / square, 0.0), duration)
    return math.hypot(ax - b[0] - vx * y, ay - b[1] - vy * y)


@numba.njit(cache=True)
def starts_that_collide(ax, ay, avx, avy, ad, b, reach):
    """Return the open range of starts of A at which it collides with the motion b; (1, 0) if there is none.

    Args:
        ax: where A starts; ay likewise. [m]
        ay: [m]
        avx: velocity of A; avy likewise. [m/s]
        avy: [m/s]
        ad: its duration. [s]
        b: x, y, vx, vy, start, end.
        reach: sum of both radii. [m]
    """
    bd = b[5] - b[4]
    # the part of A near the way of B: both ends of a convex function below `reach`
    low, high = 0.0, ad
    for _ in range(_ROUNDS):
        one, two = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _gap_to(ax + avx * one, ay + avy * one, b, bd) < _gap_to(ax + avx * two, ay + avy * two, b, bd):
            high = two
        else:
            low = one
    middle = 0.5 * (low + high)
    if _gap_to(ax + avx * middle, ay + avy * middle, b, bd) >= reach:
        return 1.0, 0.0
    first, last = 0.0, ad
    if _gap_to(ax, ay, b, bd) >= reach:
        low, high = 0.0, middle
        for _ in range(_ROUNDS):
            half = 0.5 * (low + high)
            if _gap_to(ax + avx * half, ay + avy * half, b, bd) < reach:
                high = half
            else:
                low = half
        first = high
    if _gap_to(ax + avx * ad, ay + avy * ad, b, bd) >= reach:
        low, high = middle, ad
        for _ in range(_ROUNDS):
            half = 0.5 * (low + high)
            if _gap_to(ax + avx * half, ay + avy * half, b, bd) < reach:
                low = half
            else:
                high = half
        last = low
    earliest = _extreme(ax, ay, avx, avy, b, bd, first, last, reach, -1.0)
    latest = _extreme(ax, ay, avx, avy, b, bd, first, last, reach, 1.0)
    return b[4] + earliest - _ROOM, b[4] + latest + _ROOM


@numba.njit(cache=True)
def _difference(ax, ay, avx, avy, b, bd, x, reach, sign):
    """Return sign (y - x) with y the first (sign < 0) or last progress of B near A(x)."""
    low, high = _chord(ax + avx * x, ay + avy * x, b[0], b[1], b[2], b[3], bd, reach + 1e-9)
    if low > high:
        return -math.inf
    return sign * ((high if sign > 0.0 else low) - x)


@numba.njit(cache=True)
def _extreme(ax, ay, avx, avy, b, bd, low, high, reach, sign):
    """Return the largest (sign > 0) or smallest y - x; sign (y - x) is concave in x."""
    best = max(
        _difference(ax, ay, avx, avy, b, bd, low, reach, sign),
        _difference(ax, ay, avx, avy, b, bd, high, reach, sign),
    )
    for _ in range(_ROUNDS):
        one, two = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        f = _difference(ax, ay, avx, avy, b, bd, one, reach, sign)
        g = _difference(ax, ay, avx, avy, b, bd, two, reach, sign)
        best = max(best, f, g)
        if f > g:
            high = two
        else:
            low = one
    return sign * best


@numba.njit(cache=True)
def _forbidden_edges(positions, tail, head, duration, motions, reach):
    ways, low, high = [np.int64(0) for _ in range(0)], [0.0 for _ in range(0)], [0.0 for _ in range(0)]
    for e in range(len(tail)):
        ax, ay = positions[tail[e], 0], positions[tail[e], 1]
        dx, dy = positions[head[e], 0] - ax, positions[head[e], 1] - ay
        length = math.hypot(dx, dy)
        for k in range(len(motions)):
            m = motions[k]
            near = reach + length
            if m[5] < math.inf:
                near += math.hypot(m[2], m[3]) * (m[5] - m[4])
            if abs(m[0] - ax) > near or abs(m[1] - ay) > near:
                continue
            begin, end = starts_that_collide(
                ax, ay, dx / duration[e], dy / duration[e], duration[e], m, reach
            )
            if end > begin:
                ways.append(np.int64(e))
                low.append(begin)
                high.append(end)
    spans = np.empty((len(ways), 2))
    out = np.empty(len(ways), dtype=np.int64)
    for k in range(len(ways)):
        out[k], spans[k, 0], spans[k, 1] = ways[k], low[k], high[k]
    return out, spans
