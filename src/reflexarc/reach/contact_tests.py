# SPDX-License-Identifier: Apache-2.0
r"""Which particles of a block touch one obstacle during one step: loops that the compiler turns into vector code.

A particle moves in a straight line during a step, and so does a disc. In the disc's frame the particle runs from a to
b; the smallest distance on the way is at an end, or between them where a . d < 0 < b . d, d = b - a:

    |a|^2 <= R^2   or   |b|^2 <= R^2   or   (a . d < 0 < b . d   and   (a x d)^2 <= R^2 |d|^2),

exact and free of divisions. For a rectangle [-A, A] x [-B, B] the disc runs from a to b in the rectangle's frame, and
two convex bodies are nearest at a corner of one of them, unless they overlap. So they touch if an end is within R of
the rectangle, if a corner is within R of the inside of the path, or if path and rectangle cross (separating axes):

    |(|a_x| - A)^+, (|a_y| - B)^+| <= R, likewise b;   the line above for a, b - (+-A, +-B);
    |a_x + b_x| <= 2 A + |d_x|,   |a_y + b_y| <= 2 B + |d_y|,   |a x d| <= A |d_y| + B |d_x|.

Walls: distance of two segments, exact for a disc; separating axes for a rectangle. `turn` holds cosine and sine of each
particle's heading in the middle of the step and the way that its corners turn in half a step, by which it is grown.
"""

import numba
import numpy as np

from reflexarc.reach.obstacles import BLOCK

LATE = np.int32(2**31 - 1)
"""No contact."""


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def near_discs(begin, end, box, before, after, bounds, block, radius, reach, some):
    """Write which discs' boxes meet the block's, grown, each over all steps to outputs from `begin` to before `end`.

    Args:
        begin: first output.
        end: output after the last.
        box: low x, low y, high x, high y of the block over each step, shape (4, K + 1). [m]
        before: time of the step's begin, shape (K + 1,). [s]
        after: time of its end. [s]
        bounds: smallest and largest x, y, v_x, v_y of the discs' draws, shape (m, blocks, 8).
        block: which block it is.
        radius: of the discs, shape (m,). [m]
        reach: by which the box is grown besides. [m]
        some: output, shape (m,), the first of which are filled.

    Returns:
        How many discs were written.
    """
    low_x, low_y, high_x, high_y = box[0, begin], box[1, begin], box[2, begin], box[3, begin]
    for k in range(begin + 1, end):
        low_x, low_y = min(low_x, box[0, k]), min(low_y, box[1, k])
        high_x, high_y = max(high_x, box[2, k]), max(high_y, box[3, k])
    s, t, count = before[begin], after[end - 1], 0
    for m in range(len(radius)):
        grown = reach + radius[m]
        west = bounds[m, block, 0] + min(bounds[m, block, 2] * s, bounds[m, block, 2] * t) - grown
        south = bounds[m, block, 1] + min(bounds[m, block, 3] * s, bounds[m, block, 3] * t) - grown
        east = bounds[m, block, 4] + max(bounds[m, block, 6] * s, bounds[m, block, 6] * t) + grown
        north = bounds[m, block, 5] + max(bounds[m, block, 7] * s, bounds[m, block, 7] * t) + grown
        if (west <= high_x) & (east >= low_x) & (south <= high_y) & (north >= low_y):
            some[count] = m
            count += 1
    return count


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def near_disc(begin, end, box, before, after, bounds, reach, near):
    """Say for the steps to outputs from `begin` to before `end` whether the block's box, grown, meets the disc's.

    Args:
        begin: first output.
        end: output after the last.
        box: low x, low y, high x, high y of the block over each step, shape (4, K + 1). [m]
        before: time of the step's begin, shape (K + 1,). [s]
        after: time of its end. [s]
        bounds: smallest and largest x, y, v_x, v_y of the disc's draws, shape (8,).
        reach: by which the box is grown. [m]
        near: output, shape (K + 1,), uint8.
    """
    x0, y0, slow_x, slow_y, x1, y1, fast_x, fast_y = bounds
    low_x, low_y, high_x, high_y = box[0], box[1], box[2], box[3]
    for k in range(begin, end):
        s, t = before[k], after[k]
        west = x0 + min(slow_x * s, fast_x * s, slow_x * t, fast_x * t) - reach
        east = x1 + max(slow_x * s, fast_x * s, slow_x * t, fast_x * t) + reach
        south = y0 + min(slow_y * s, fast_y * s, slow_y * t, fast_y * t) - reach
        north = y1 + max(slow_y * s, fast_y * s, slow_y * t, fast_y * t) + reach
        near[k] = (west <= high_x[k]) & (east >= low_x[k]) & (south <= high_y[k]) & (north >= low_y[k])


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def disc(px, py, j, k, t, draw, reach, first):
    """A disc against a moving disc."""
    square = reach * reach
    tj, tk, step = t[j], t[k], np.int32(k)
    ax, ay, bx, by = px[j], py[j], px[k], py[k]
    cx, cy, vx, vy = draw[0], draw[1], draw[2], draw[3]
    for i in range(BLOCK):
        x0 = ax[i] - cx[i] - tj * vx[i]
        y0 = ay[i] - cy[i] - tj * vy[i]
        x1 = bx[i] - cx[i] - tk * vx[i]
        y1 = by[i] - cy[i] - tk * vy[i]
        dx, dy = x1 - x0, y1 - y0
        cross = x0 * dy - y0 * dx
        between = (
            (x0 * dx + y0 * dy < 0)
            & (x1 * dx + y1 * dy > 0)
            & (cross * cross <= square * (dx * dx + dy * dy))
        )
        touched = between | (x1 * x1 + y1 * y1 <= square)
        first[i] = min(first[i], step if touched else LATE)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def disc_rectangle(px, py, j, k, t, draw, a, b, margin, turn, first):
    """A rectangle with corners of radius `margin` against a moving disc whose radius `margin` holds too."""
    none, two, step = px.dtype.type(0.0), px.dtype.type(2.0), np.int32(k)
    tj, tk = t[j], t[k]
    ax, ay, bx, by = px[j], py[j], px[k], py[k]
    cx, cy, vx, vy = draw[0], draw[1], draw[2], draw[3]
    cosine, sine, grown = turn[0], turn[1], turn[2]
    for i in range(BLOCK):
        c, s, reach = cosine[i], sine[i], margin + grown[i]
        square = reach * reach
        ux, uy = cx[i] + tj * vx[i] - ax[i], cy[i] + tj * vy[i] - ay[i]
        wx, wy = cx[i] + tk * vx[i] - bx[i], cy[i] + tk * vy[i] - by[i]
        x0, y0, x1, y1 = c * ux + s * uy, c * uy - s * ux, c * wx + s * wy, c * wy - s * wx
        dx, dy = x1 - x0, y1 - y0
        fx, fy = max(abs(x0) - a, none), max(abs(y0) - b, none)
        gx, gy = max(abs(x1) - a, none), max(abs(y1) - b, none)
        touched = (fx * fx + fy * fy <= square) | (gx * gx + gy * gy <= square)
        cross, along, beyond = x0 * dy - y0 * dx, x0 * dx + y0 * dy, x1 * dx + y1 * dy
        touched |= (
            (abs(x0 + x1) <= two * a + abs(dx))
            & (abs(y0 + y1) <= two * b + abs(dy))
            & (abs(cross) <= a * abs(dy) + b * abs(dx))
        )
        limit = square * (dx * dx + dy * dy)
        p, q, u, v = a * dy, b * dx, a * dx, b * dy
        e, f, g, h = cross - p + q, cross - p - q, cross + p + q, cross + p - q
        touched |= (along < u + v) & (beyond > u + v) & (e * e <= limit)
        touched |= (along < u - v) & (beyond > u - v) & (f * f <= limit)
        touched |= (along < v - u) & (beyond > v - u) & (g * g <= limit)
        touched |= (along < -u - v) & (beyond > -u - v) & (h * h <= limit)
        first[i] = min(first[i], step if touched else LATE)


@numba.njit(cache=True, error_model="numpy")
def near_wall(begin, end, box, wall, reach, near):
    """Say the same of a wall; arguments as of `near_disc`."""
    west, east = min(wall[0], wall[2]) - reach, max(wall[0], wall[2]) + reach
    south, north = min(wall[1], wall[3]) - reach, max(wall[1], wall[3]) + reach
    low_x, low_y, high_x, high_y = box[0], box[1], box[2], box[3]
    for k in range(begin, end):
        near[k] = (west <= high_x[k]) & (east >= low_x[k]) & (south <= high_y[k]) & (north >= low_y[k])


@numba.njit(cache=True, error_model="numpy", inline="always")
def _near(x0, y0, x1, y1, square):
    """Whether the segment from (x0, y0) to (x1, y1) comes as near to the origin as the root of `square`."""
    dx, dy = x1 - x0, y1 - y0
    cross = x0 * dy - y0 * dx
    between = (
        (x0 * dx + y0 * dy < 0) & (x1 * dx + y1 * dy > 0) & (cross * cross <= square * (dx * dx + dy * dy))
    )
    return between | (x0 * x0 + y0 * y0 <= square) | (x1 * x1 + y1 * y1 <= square)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def wall_disc(px, py, j, k, wall, reach, first):
    """A moving disc against a wall: the two segments cross, or an end of one is near the other."""
    square, step = reach * reach, np.int32(k)
    x0, y0, x1, y1 = wall[0], wall[1], wall[2], wall[3]
    ux, uy = x1 - x0, y1 - y0
    for i in range(BLOCK):
        ax, ay, bx, by = px[j, i], py[j, i], px[k, i], py[k, i]
        dx, dy = bx - ax, by - ay
        side_a, side_b = ux * (ay - y0) - uy * (ax - x0), ux * (by - y0) - uy * (bx - x0)
        side_0, side_1 = dx * (y0 - ay) - dy * (x0 - ax), dx * (y1 - ay) - dy * (x1 - ax)
        touched = (
            ((side_a * side_b < 0) & (side_0 * side_1 < 0))
            | _near(ax - x0, ay - y0, bx - x0, by - y0, square)
            | _near(ax - x1, ay - y1, bx - x1, by - y1, square)
            | _near(x0 - ax, y0 - ay, x1 - ax, y1 - ay, square)
            | _near(x0 - bx, y0 - by, x1 - bx, y1 - by, square)
        )
        first[i] = min(first[i], step if touched else LATE)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def wall_rectangle(px, py, j, k, wall, size, turn, first):
    """A moving rectangle against a wall: the origin in the sum of rectangle, wall and path (separating axes)."""
    half, step = px.dtype.type(0.5), np.int32(k)
    wx, wy = half * (wall[0] + wall[2]), half * (wall[1] + wall[3])
    lx, ly = half * (wall[2] - wall[0]), half * (wall[3] - wall[1])
    length, width = size[0] + size[2], size[1] + size[2]
    px0, py0, px1, py1 = px[j], py[j], px[k], py[k]
    cosine, sine, grown = turn[0], turn[1], turn[2]
    for i in range(BLOCK):
        c, s = cosine[i], sine[i]
        a, b = length + grown[i], width + grown[i]
        mx, my = wx - half * (px0[i] + px1[i]), wy - half * (py0[i] + py1[i])
        mx, my = c * mx + s * my, c * my - s * mx
        ux, uy = c * lx + s * ly, c * ly - s * lx
        hx, hy = half * (px1[i] - px0[i]), half * (py1[i] - py0[i])
        hx, hy = c * hx + s * hy, c * hy - s * hx
        cross = abs(ux * hy - uy * hx)
        touched = (
            (abs(mx) <= a + abs(ux) + abs(hx))
            & (abs(my) <= b + abs(uy) + abs(hy))
            & (abs(mx * uy - my * ux) <= a * abs(uy) + b * abs(ux) + cross)
            & (abs(mx * hy - my * hx) <= a * abs(hy) + b * abs(hx) + cross)
        )
        first[i] = min(first[i], step if touched else LATE)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def half_plane(px, py, j, k, plane, size, turn, first):
    """The furthest point of the footprint along the normal, at either end of the step."""
    nx, ny, offset, step = plane[0], plane[1], plane[2], np.int32(k)
    for i in range(BLOCK):
        c, s = turn[0, i], turn[1, i]
        along = max(nx * px[j, i] + ny * py[j, i], nx * px[k, i] + ny * py[k, i])
        support = size[0] * abs(c * nx + s * ny) + size[1] * abs(c * ny - s * nx) + size[2] + turn[2, i]
        first[i] = min(first[i], step if along + support >= offset else LATE)
