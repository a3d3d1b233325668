# SPDX-License-Identifier: Apache-2.0
r"""The action-dependency graph of a plan: order instead of time keeps robots apart.

W. Hoenig, S. Kiesel, A. Tinka, J. W. Durham, N. Ayanian, Persistent and robust execution of MAPF schedules in
warehouses, IEEE RA-L 4(2), 2019. There an action is a step on a grid and a robot may enter a cell once the one before
it has left. Here robots are discs that drive along any edges, so every drive is cut into pieces, and

- type 1: a piece waits for the one before it of the same robot;
- type 2: a piece b waits for a piece a of another robot if the areas that both discs sweep come nearer than 2 r and a
  ends in the plan before b begins.

Safe. Suppose discs of pieces a and b overlap in the execution. They sweep common ground, so the plan orders them, say
a first; b has begun, hence a is done and its robot stands at the end of a. That place belongs to the piece after a too,
which therefore conflicts with b: if it comes before b it would be done as well; else b lies in the plan between both,
while the robot stands in b's way, which is no plan. Free of deadlocks. Every arrow leads forward in planned time, so
there is no cycle, and of all pieces that are not done the first one planned may always be driven.

Two pieces that conflict and overlap in time cannot be ordered so. If the plan keeps 2 r + e between centres, no piece
shorter than e / 2 does that: drives are halved until none is left. So the plan must be made for discs a little larger
than those that execute it; trains and rotations of robots need nothing else.
"""

from collections.abc import Iterator
from itertools import combinations

import numba
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.cbs.swept import first_overlap
from reflexarc.fleet.execution.tracks import Track

FINEST = 64
"""Largest number of pieces that the longest drive is cut into."""
_EPS = 1e-7
"""Rounding of times [s] and distances [m]."""


class ActionGraph:
    """Pieces of every robot and what each waits for; does not change once made."""

    def __init__(self, tracks: tuple[Track, ...], radius: float):
        """Cut the tracks into pieces and order them.

        Args:
            tracks: one per robot.
            radius: of every disc. [m]

        Raises:
            ConfigError: a radius that is not finite and > 0, or a plan in which discs come too near to be ordered.
        """
        if not 0.0 < radius < np.inf:
            raise ConfigError(f"radius {radius} must be a finite length > 0 [m]")
        self.tracks, self.radius = tracks, radius
        self._boxes = [_box(track, radius) for track in tracks]
        if (clash := self._meeting()) is not None:
            raise _unorderable(clash, radius)
        longest = max((float(np.diff(t.lengths).max(initial=0.0)) for t in tracks), default=0.0)
        parts = 1
        while True:
            self.pieces = tuple(_cut(track, longest / parts) for track in tracks)
            clash = self._order()
            if clash is None:
                break
            if parts >= FINEST:
                raise _unorderable(clash, radius)
            parts *= 2
        self.parts = parts
        """Into how many pieces the longest drive was cut."""
        self.count = tuple(len(p) for p in self.pieces)
        """Pieces of each robot."""

    def _meeting(self) -> tuple[int, int, float] | None:
        """Return two robots that meet by the clock already, and when: no cut parts them, and trying all takes long."""
        for i, j in self._near_pairs():
            a, b = self.tracks[i], self.tracks[j]
            points, n = np.vstack((a.points, b.points)), len(a.times)
            numbers = np.arange(len(points))
            time = first_overlap(numbers[:n], a.times, numbers[n:], b.times, points, 2.0 * self.radius)[2]
            if time < np.inf:
                return i, j, time
        return None

    def _near_pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the pairs of robots, the first before the second, whose tracks come near each other at any times."""
        boxes = self._boxes
        for i, j in combinations(range(len(self.tracks)), 2):
            if not ((boxes[i][0] > boxes[j][1]).any() or (boxes[j][0] > boxes[i][1]).any()):
                yield i, j

    def _order(self) -> tuple[int, int, float] | None:
        """Fill `needs`; return two robots and a time where two pieces cannot be ordered."""
        n = len(self.pieces)
        self.needs = [np.zeros((len(p), n), dtype=np.int32) for p in self.pieces]
        holds = [_holds(track, p) for track, p in zip(self.tracks, self.pieces, strict=True)]
        for i, j in self._near_pairs():
            time = _order_pair(
                self.pieces[i], self.pieces[j], holds[i], holds[j], 2.0 * self.radius,
                self.needs[i][:, j], self.needs[j][:, i],
            )  # fmt: skip
            if time < np.inf:
                return i, j, time
        return None

    def waits_for(self, robot: int, piece: int) -> tuple[tuple[int, int], ...]:
        """Return (other robot, number of its pieces that must be done) for a piece."""
        row = self.needs[robot][piece]
        return tuple((int(k), int(row[k])) for k in np.flatnonzero(row))

    def granted(self, robot: int, done: np.ndarray, first: int) -> int:
        """Return the number of pieces that the robot may drive, when the others have done `done`, shape (n,).

        Args:
            robot: which.
            done: finished pieces of every robot.
            first: pieces that were granted already.
        """
        needs = self.needs[robot]
        while first < len(needs) and (needs[first] <= done).all():
            first += 1
        return first

    def marks(self, robot: int) -> Array:
        """Return the way driven at the beginning of each piece and at the end of the last, shape (count + 1,). [m]"""
        p = self.pieces[robot]
        return np.concatenate(([0.0], np.cumsum(np.hypot(p[:, 2] - p[:, 0], p[:, 3] - p[:, 1]))))

    def order(self) -> list[tuple[int, int]]:
        """Return every (robot, piece) so that each comes after all that it waits for."""
        rows = [(p[k, 4], i, k) for i, p in enumerate(self.pieces) for k in range(len(p))]
        return [(i, k) for _, i, k in sorted(rows)]


def _unorderable(clash: tuple[int, int, float], radius: float) -> ConfigError:
    a, b, time = clash
    return ConfigError(
        f"robots {a} and {b} come nearer than {2 * radius:.3g} m at about {time:.3g} s; a plan can be executed with "
        f"discs that are smaller than those it was made for"
    )


def _cut(track: Track, longest: float) -> Array:
    """Return the drives of a track in pieces of at most so many metres: x, y, x, y, begin, end; shape (k, 6)."""
    rows = []
    for k in range(len(track.times) - 1):
        a, b, s, t = track.points[k], track.points[k + 1], track.times[k], track.times[k + 1]
        length = float(np.hypot(*(b - a)))
        if length == 0.0:
            continue
        parts = max(1, int(np.ceil(length / longest - 1e-9)))
        share = np.linspace(0.0, 1.0, parts + 1)
        points, times = a + share[:, None] * (b - a), s + share * (t - s)
        rows.append(np.column_stack((points[:-1], points[1:], times[:-1], times[1:])))
    return np.vstack(rows) if rows else np.zeros((0, 6))


def _holds(track: Track, pieces: Array) -> Array:
    """Return where and when the robot stands: x, y, begin, end; shape (k + 1, 4)."""
    x, y = track.points[0]
    if not len(pieces):
        return np.array([[x, y, -np.inf, np.inf]])
    places = np.vstack((pieces[:1, :2], pieces[:, 2:4]))
    begin = np.concatenate(([-np.inf], pieces[:, 5]))
    end = np.concatenate((pieces[:, 4], [np.inf]))
    return np.column_stack((places, begin, end))


def _box(track: Track, radius: float) -> tuple[Array, Array]:
    return track.points.min(axis=0) - radius, track.points.max(axis=0) + radius


@numba.njit(cache=True)
def _point_to_segment(px, py, ax, ay, bx, by):
    dx, dy = bx - ax, by - ay
    square = dx * dx + dy * dy
    share = 0.0
    if square > 0.0:
        share = min(max(((px - ax) * dx + (py - ay) * dy) / square, 0.0), 1.0)
    return np.hypot(px - ax - share * dx, py - ay - share * dy)


@numba.njit(cache=True)
def segment_distance(a, b):
    """Return the smallest distance of two segments, each x, y, x, y. [m]"""
    d1x, d1y, d2x, d2y = a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1]
    cross = d1x * d2y - d1y * d2x
    if cross != 0.0:
        ox, oy = b[0] - a[0], b[1] - a[1]
        s, t = (ox * d2y - oy * d2x) / cross, (ox * d1y - oy * d1x) / cross
        if 0.0 <= s <= 1.0 and 0.0 <= t <= 1.0:
            return 0.0
    return min(
        _point_to_segment(a[0], a[1], b[0], b[1], b[2], b[3]),
        _point_to_segment(a[2], a[3], b[0], b[1], b[2], b[3]),
        _point_to_segment(b[0], b[1], a[0], a[1], a[2], a[3]),
        _point_to_segment(b[2], b[3], a[0], a[1], a[2], a[3]),
    )


@numba.njit(cache=True)
def _order_pair(a, b, a_holds, b_holds, reach, a_needs, b_needs):
    """Write how many pieces of the other robot each piece waits for; return a time where that is impossible, or inf."""
    longest_a, longest_b = _longest(a), _longest(b)
    for i in range(len(a)):
        far = reach + 0.5 * (longest_a + longest_b)
        mx, my = 0.5 * (a[i, 0] + a[i, 2]), 0.5 * (a[i, 1] + a[i, 3])
        j = 0
        while j < len(b):
            gap = np.hypot(mx - 0.5 * (b[j, 0] + b[j, 2]), my - 0.5 * (b[j, 1] + b[j, 3])) - far
            if gap >= 0.0:  # the pieces that follow come nearer by at most their lengths
                j += 1 + int(gap / longest_b)
                continue
            if segment_distance(a[i], b[j]) < reach - _EPS:
                if a[i, 5] <= b[j, 4] + _EPS:
                    b_needs[j] = max(b_needs[j], i + 1)
                elif b[j, 5] <= a[i, 4] + _EPS:
                    a_needs[i] = max(a_needs[i], j + 1)
                else:
                    return max(a[i, 4], b[j, 4])
            j += 1
    time = _stands_in_the_way(a_holds, b, reach)
    if time < np.inf:
        return time
    time = _stands_in_the_way(b_holds, a, reach)
    if time < np.inf:
        return time
    for i in range(len(a_holds)):
        for j in range(len(b_holds)):
            begin, end = max(a_holds[i, 2], b_holds[j, 2]), min(a_holds[i, 3], b_holds[j, 3])
            if begin < end - _EPS:
                gap = np.hypot(a_holds[i, 0] - b_holds[j, 0], a_holds[i, 1] - b_holds[j, 1])
                if gap < reach - _EPS:
                    return max(begin, -1e9)
    return np.inf


@numba.njit(cache=True)
def _longest(pieces):
    longest = 0.0
    for k in range(len(pieces)):
        longest = max(longest, np.hypot(pieces[k, 2] - pieces[k, 0], pieces[k, 3] - pieces[k, 1]))
    return longest


@numba.njit(cache=True)
def _stands_in_the_way(holds, pieces, reach):
    for i in range(len(holds)):
        for j in range(len(pieces)):
            if holds[i, 2] < pieces[j, 5] - _EPS and pieces[j, 4] < holds[i, 3] - _EPS:
                p = pieces[j]
                if _point_to_segment(holds[i, 0], holds[i, 1], p[0], p[1], p[2], p[3]) < reach - _EPS:
                    return max(holds[i, 2], p[4])
    return np.inf
