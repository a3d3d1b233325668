# SPDX-License-Identifier: Apache-2.0
"""Gaps between a rectangular footprint, centred at base_link and aligned with it, and what is around it."""

import math

import numba

_TINY = 1e-12


@numba.njit(cache=True)
def _nearest_on_segment(px, py, x1, y1, x2, y2):
    ex, ey = x2 - x1, y2 - y1
    length2 = ex * ex + ey * ey
    if length2 < _TINY:
        return x1, y1
    t = ((px - x1) * ex + (py - y1) * ey) / length2
    t = min(1.0, max(0.0, t))
    return x1 + t * ex, y1 + t * ey


@numba.njit(cache=True)
def point_gap(qx, qy, a, b):
    """Return the signed gap [m] and the outward normal from the rectangle |x|<=a, |y|<=b to the point q.

    Inside the rectangle the gap is the negative depth to the nearest side.
    """
    rx = min(a, max(-a, qx))
    ry = min(b, max(-b, qy))
    gx, gy = qx - rx, qy - ry
    distance = math.sqrt(gx * gx + gy * gy)
    if distance > _TINY:
        return distance, gx / distance, gy / distance
    inside_x, inside_y = a - abs(qx), b - abs(qy)
    if inside_x < inside_y:
        return -inside_x, (1.0 if qx >= 0.0 else -1.0), 0.0
    return -inside_y, 0.0, (1.0 if qy >= 0.0 else -1.0)


@numba.njit(cache=True)
def _inside_share(x1, y1, x2, y2, a, b):
    """Middle, as a share of the segment, of its part inside |x|<=a, |y|<=b; -1 if none (slab clipping)."""
    t0, t1 = 0.0, 1.0
    dx, dy = x2 - x1, y2 - y1
    for start, step, half in ((x1, dx, a), (y1, dy, b)):
        if abs(step) < _TINY:
            if abs(start) > half:
                return -1.0
        else:
            ta, tb = (-half - start) / step, (half - start) / step
            if ta > tb:
                ta, tb = tb, ta
            t0, t1 = max(t0, ta), min(t1, tb)
            if t0 > t1:
                return -1.0
    return 0.5 * (t0 + t1)


@numba.njit(cache=True)
def segment_gap(x1, y1, x2, y2, a, b):
    """Return the signed gap [m] and the outward normal from the rectangle |x|<=a, |y|<=b to a segment."""
    inside = _inside_share(x1, y1, x2, y2, a, b)
    if inside >= 0.0:
        return point_gap(x1 + inside * (x2 - x1), y1 + inside * (y2 - y1), a, b)
    best, bx, by = point_gap(x1, y1, a, b)
    other, ox, oy = point_gap(x2, y2, a, b)
    if other < best:
        best, bx, by = other, ox, oy
    for cx in (-a, a):
        for cy in (-b, b):
            sx, sy = _nearest_on_segment(cx, cy, x1, y1, x2, y2)
            gx, gy = sx - cx, sy - cy
            distance = math.sqrt(gx * gx + gy * gy)
            if _TINY < distance < best:
                best, bx, by = distance, gx / distance, gy / distance
    return best, bx, by
