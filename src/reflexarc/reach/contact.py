# SPDX-License-Identifier: Apache-2.0
r"""The compiled check of which particle touches what first.

Between two outputs a particle is taken to move in a straight line, as a disc does. In the disc's frame the particle
runs from a to b; the smallest distance on the way is at an end, or between them where a . d < 0 < b . d, d = b - a:

    |a|^2 <= R^2   or   |b|^2 <= R^2   or   (a . d < 0 < b . d   and   (a x d)^2 <= R^2 |d|^2),

exact and free of divisions. Walls: distance of two segments, exact. A rectangle is taken at the heading in the middle
of the step and grown by the way that its corners turn in half a step, so that no contact is missed; at a constant
heading it is exact (separating axes) against discs and half-planes, and against walls if its corners are not rounded.

Particles are handled in blocks whose arrays fit into the fastest cache, with loops over particles innermost, which
the compiler turns into vector instructions. A disc whose swept bounding box misses the block's costs nothing. The
contact of the step from output k - 1 to output k counts at k; the step to output 0 has length 0.
"""

import math

import numba
import numpy as np

from reflexarc.reach.obstacles import BLOCK

LATE = np.int32(2**31 - 1)
"""No contact."""


@numba.njit(cache=True, error_model="numpy")
def first_touch(x, t, ix, iy, ih, size, draws, bounds, radius, walls, planes, first, escape):
    """Write each particle's first output of contact and first output that is not finite; K + 1 where there is none.

    Args:
        x: states, shape (K + 1, N, n).
        t: time of each output, shape (K + 1,). [s]
        ix: index of the state's x.
        iy: index of its y.
        ih: index of its heading, -1 for a disc.
        size: half length, half width and radius (of the disc, or of the rectangle's corners), shape (3,). [m]
        draws: discs per particle, shape (m, blocks, 4, BLOCK).
        bounds: per block, shape (m, blocks, 8).
        radius: of the discs, shape (m,). [m]
        walls: shape (walls, 4). [m]
        planes: unit normal and offset, shape (planes, 3).
        first: output, shape (N,), int32.
        escape: output, shape (N,), int32.
    """
    outputs, count, _ = x.shape
    px, py = np.empty((outputs, BLOCK), x.dtype), np.empty((outputs, BLOCK), x.dtype)
    f = np.empty(BLOCK, np.int32)
    turn = np.zeros((outputs, 3, BLOCK), x.dtype)  # cosine, sine of the middle heading; way of the corners
    box = np.empty((outputs, 4), x.dtype)
    margin = size[2]
    reach = margin + np.sqrt(size[0] * size[0] + size[1] * size[1])
    for block in range((count + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        end = min(start + BLOCK, count)
        e = escape[start:end]
        f[:] = outputs
        e[:] = outputs
        own = x[:, start:end]
        _gather(own, ix, iy, px, py, e)
        if ih >= 0:
            _headings(own, ih, reach - margin, turn)
        _bound(px, py, box)
        for m in range(len(radius)):
            disc = draws[m, block]
            for k in range(min(outputs, f.max())):
                j = max(k - 1, 0)
                if _far(box, j, k, t, bounds[m, block], reach + radius[m]):
                    continue
                if ih < 0:
                    _disc(px, py, j, k, t, disc, margin + radius[m], f)
                else:
                    _disc_rectangle(px, py, j, k, t, disc, size[0], size[1], margin + radius[m], turn, f)
        for m in range(len(walls)):
            for k in range(min(outputs, f.max())):
                j = max(k - 1, 0)
                if _wall_far(box, j, k, walls[m], reach):
                    continue
                if ih < 0:
                    _wall(px, py, j, k, walls[m], margin, f)
                else:
                    _wall_rectangle(px, py, j, k, walls[m], size, turn, f)
        for m in range(len(planes)):
            for k in range(min(outputs, f.max())):
                _plane(px, py, max(k - 1, 0), k, planes[m], size, turn, f)
        first[start:end] = f[: end - start]


@numba.njit(cache=True, error_model="numpy")
def first_inside(x, coordinates, low, high, first):
    """Lower `first` to the first output by which a particle's straight path meets a box.

    Args:
        x: states, shape (K + 1, N, n).
        coordinates: indices of d coordinates, shape (d,).
        low: corners, shape (d,).
        high: corners, shape (d,).
        first: changed in place, shape (N,), int32.
    """
    outputs, count, _ = x.shape
    for k in range(outputs):
        j = max(k - 1, 0)
        for i in range(count):
            if first[i] <= k:
                continue
            enter, leave = 0.0, 1.0
            for c in range(len(coordinates)):
                a, b = x[j, i, coordinates[c]], x[k, i, coordinates[c]]
                d = b - a
                if d == 0.0:
                    if not (low[c] <= a <= high[c]):
                        leave = -1.0
                else:
                    s, u = (low[c] - a) / d, (high[c] - a) / d
                    enter = max(enter, min(s, u))
                    leave = min(leave, max(s, u))
                if not (math.isfinite(a) and math.isfinite(b)):
                    leave = -1.0
            if enter <= leave:
                first[i] = k


@numba.njit(cache=True, error_model="numpy")
def _gather(x, ix, iy, px, py, escape):
    """Copy the block's positions, held where they stop being finite; pad with the last particle's."""
    outputs, size, n = x.shape
    for k in range(outputs):
        bad = x.dtype.type(0.0)
        for i in range(size):
            px[k, i] = x[k, i, ix]
            py[k, i] = x[k, i, iy]
            for c in range(n):
                bad += x[k, i, c] * x.dtype.type(0.0)
        if not bad == 0.0:
            for i in range(size):
                for c in range(n):
                    if not math.isfinite(x[k, i, c]):
                        escape[i] = min(escape[i], np.int32(k))
        if k >= escape.min():
            for i in range(size):
                if k >= escape[i]:
                    px[k, i] = px[k - 1, i] if k > 0 else 0.0
                    py[k, i] = py[k - 1, i] if k > 0 else 0.0
        px[k, size:] = px[k, size - 1]
        py[k, size:] = py[k, size - 1]


@numba.njit(cache=True, error_model="numpy")
def _headings(x, ih, corner, turn):
    for k in range(len(x)):
        j = max(k - 1, 0)
        for i in range(x.shape[1]):
            change = x[k, i, ih] - x[j, i, ih]
            change -= 2.0 * math.pi * np.rint(change / (2.0 * math.pi))
            middle = x[j, i, ih] + 0.5 * change
            if not math.isfinite(middle):
                middle, change = 0.0, 0.0
            turn[k, 0, i] = math.cos(middle)
            turn[k, 1, i] = math.sin(middle)
            turn[k, 2, i] = 2.0 * corner * math.sin(0.25 * abs(change))
        turn[k, :, x.shape[1] :] = turn[k, :, x.shape[1] - 1 : x.shape[1]]


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract", "nnan"})
def _bound(px, py, box):
    for k in range(len(px)):
        low_x, low_y, high_x, high_y = px[k, 0], py[k, 0], px[k, 0], py[k, 0]
        for i in range(BLOCK):
            low_x, high_x = min(low_x, px[k, i]), max(high_x, px[k, i])
            low_y, high_y = min(low_y, py[k, i]), max(high_y, py[k, i])
        box[k, 0], box[k, 1], box[k, 2], box[k, 3] = low_x, low_y, high_x, high_y


@numba.njit(cache=True, error_model="numpy", inline="always")
def _far(box, j, k, t, bounds, reach):
    """Whether the block's bounding box over a step, grown by `reach`, misses the disc's."""
    for axis in range(2):
        at, after = bounds[axis], bounds[4 + axis]
        slow, fast = bounds[2 + axis], bounds[6 + axis]
        low = at + min(slow * t[j], fast * t[j], slow * t[k], fast * t[k])
        high = after + max(slow * t[j], fast * t[j], slow * t[k], fast * t[k])
        if (
            low > max(box[j, 2 + axis], box[k, 2 + axis]) + reach
            or high < min(box[j, axis], box[k, axis]) - reach
        ):
            return True
    return False


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _disc(px, py, j, k, t, disc, reach, first):
    square = reach * reach
    tj, tk, step = t[j], t[k], np.int32(k)
    ax, ay, bx, by = px[j], py[j], px[k], py[k]
    cx, cy, vx, vy = disc[0], disc[1], disc[2], disc[3]
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


@numba.njit(cache=True, error_model="numpy", inline="always")
def _near(x0, y0, x1, y1, square):
    """Whether the segment from (x0, y0) to (x1, y1) comes as near to the origin as the root of `square`."""
    dx, dy = x1 - x0, y1 - y0
    cross = x0 * dy - y0 * dx
    between = (
        (x0 * dx + y0 * dy < 0) & (x1 * dx + y1 * dy > 0) & (cross * cross <= square * (dx * dx + dy * dy))
    )
    return between | (x0 * x0 + y0 * y0 <= square) | (x1 * x1 + y1 * y1 <= square)


@numba.njit(cache=True, error_model="numpy", inline="always")
def _meets(cx, cy, hx, hy, a, b):
    """Whether the segment with middle c and half h meets the box [-a, a] x [-b, b]."""
    return (
        (abs(cx) <= a + abs(hx))
        & (abs(cy) <= b + abs(hy))
        & (abs(cx * hy - cy * hx) <= a * abs(hy) + b * abs(hx))
    )


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _disc_rectangle(px, py, j, k, t, disc, a, b, margin, turn, first):
    """A disc against the rectangle: in its frame, a segment against the rectangle rounded by the disc's radius."""
    half, step = px.dtype.type(0.5), np.int32(k)
    for i in range(BLOCK):
        c, s, reach = turn[k, 0, i], turn[k, 1, i], margin + turn[k, 2, i]
        x0 = disc[0, i] + t[j] * disc[2, i] - px[j, i]
        y0 = disc[1, i] + t[j] * disc[3, i] - py[j, i]
        x1 = disc[0, i] + t[k] * disc[2, i] - px[k, i]
        y1 = disc[1, i] + t[k] * disc[3, i] - py[k, i]
        x0, y0, x1, y1 = c * x0 + s * y0, c * y0 - s * x0, c * x1 + s * y1, c * y1 - s * x1
        mx, my, hx, hy = half * (x0 + x1), half * (y0 + y1), half * (x1 - x0), half * (y1 - y0)
        square = reach * reach
        touched = (
            _meets(mx, my, hx, hy, a + reach, b)
            | _meets(mx, my, hx, hy, a, b + reach)
            | _near(x0 - a, y0 - b, x1 - a, y1 - b, square)
            | _near(x0 + a, y0 - b, x1 + a, y1 - b, square)
            | _near(x0 - a, y0 + b, x1 - a, y1 + b, square)
            | _near(x0 + a, y0 + b, x1 + a, y1 + b, square)
        )
        first[i] = min(first[i], step if touched else LATE)


@numba.njit(cache=True, error_model="numpy", inline="always")
def _wall_far(box, j, k, wall, reach):
    for axis in range(2):
        low, high = min(wall[axis], wall[2 + axis]), max(wall[axis], wall[2 + axis])
        if (
            low > max(box[j, 2 + axis], box[k, 2 + axis]) + reach
            or high < min(box[j, axis], box[k, axis]) - reach
        ):
            return True
    return False


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _wall(px, py, j, k, wall, reach, first):
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
def _wall_rectangle(px, py, j, k, wall, size, turn, first):
    """A moving rectangle against a wall: the origin in the sum of rectangle, wall and path (separating axes)."""
    half, step = px.dtype.type(0.5), np.int32(k)
    wx, wy = half * (wall[0] + wall[2]), half * (wall[1] + wall[3])
    for i in range(BLOCK):
        c, s = turn[k, 0, i], turn[k, 1, i]
        a, b = size[0] + size[2] + turn[k, 2, i], size[1] + size[2] + turn[k, 2, i]
        mx, my = wx - half * (px[j, i] + px[k, i]), wy - half * (py[j, i] + py[k, i])
        mx, my = c * mx + s * my, c * my - s * mx
        ux, uy = half * (wall[2] - wall[0]), half * (wall[3] - wall[1])
        ux, uy = c * ux + s * uy, c * uy - s * ux
        hx, hy = half * (px[k, i] - px[j, i]), half * (py[k, i] - py[j, i])
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
def _plane(px, py, j, k, plane, size, turn, first):
    """The furthest point of the footprint along the normal, at either end of the step."""
    nx, ny, offset, step = plane[0], plane[1], plane[2], np.int32(k)
    for i in range(BLOCK):
        c, s = turn[k, 0, i], turn[k, 1, i]
        along = max(nx * px[j, i] + ny * py[j, i], nx * px[k, i] + ny * py[k, i])
        support = size[0] * abs(c * nx + s * ny) + size[1] * abs(c * ny - s * nx) + size[2] + turn[k, 2, i]
        first[i] = min(first[i], step if along + support >= offset else LATE)
