# SPDX-License-Identifier: Apache-2.0
"""Plane geometry of the cell, on pairs of floats: cheaper than arrays at one point a time. [m]"""

import math
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]


def minus(a: Point, b: Point) -> Point:
    """Return a - b."""
    return a[0] - b[0], a[1] - b[1]


def along(a: Point, b: Point, length: float) -> Point:
    """Return the point `length` from a towards b; a itself where the two coincide."""
    distance = math.dist(a, b)
    if distance < 1e-12:
        return a
    share = length / distance
    return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])


def polar(centre: Point, radius: float, angle: float) -> Point:
    """Return centre + radius (cos angle, sin angle); the angle in rad."""
    return centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)


def nearest_on_segment(p: Point, a: Point, b: Point) -> tuple[Point, float]:
    """Return the point of the segment ab nearest to p, and where it lies: 0 at a, 1 at b."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    square = dx * dx + dy * dy
    if square < 1e-18:
        return a, 0.0
    share = min(max(((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / square, 0.0), 1.0)
    return (a[0] + share * dx, a[1] + share * dy), share


def segments_cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments ab and cd have a point in common, touching included."""

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    s1, s2, s3, s4 = side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)
    if s1 == s2 == 0.0:  # on one line
        overlap_x = max(min(a[0], b[0]), min(c[0], d[0])) <= min(max(a[0], b[0]), max(c[0], d[0]))
        return overlap_x and max(min(a[1], b[1]), min(c[1], d[1])) <= min(max(a[1], b[1]), max(c[1], d[1]))
    return s1 * s2 <= 0.0 and s3 * s4 <= 0.0


def distance_to_box(p: Point, box: tuple[float, float, float, float]) -> float:
    """Return how far p is from a box; 0 inside."""
    return math.hypot(max(box[0] - p[0], 0.0, p[0] - box[2]), max(box[1] - p[1], 0.0, p[1] - box[3]))
