# SPDX-License-Identifier: Apache-2.0
r"""The compiled check of which particle touches what first.

Between two outputs a particle is taken to move in a straight line, as a disc does (`contact_tests`). A rectangle is
taken at the heading in the middle of the step and grown by the way that its corners turn in half a step, so that no
contact is missed; at a constant heading it is exact against discs and half-planes, and against walls if its corners are
not rounded.

Particles are handled in blocks whose arrays fit into the fastest cache, with loops over particles innermost, which
the compiler turns into vector instructions. A disc whose swept bounding box misses the block's costs nothing, and
headings are only looked at where one does not. The contact of the step from output k - 1 to output k counts at k; the
step to output 0 has length 0.
"""

import math

import numba
import numpy as np

from reflexarc.reach.compiled_trigonometry import near_sine, sine
from reflexarc.reach.contact_tests import (
    disc,
    disc_rectangle,
    half_plane,
    near_disc,
    near_discs,
    near_wall,
    wall_disc,
    wall_rectangle,
)
from reflexarc.reach.obstacles import BLOCK


@numba.njit(cache=True, error_model="numpy")
def first_touch(x, t, ix, iy, ih, size, draws, bounds, radius, walls, planes, first, escape):
    """Write each particle's first output of contact and first output that is not finite; K + 1 where there is none.

    Args:
        x: states, shape (K + 1, N, n), contiguous.
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
    heading = np.zeros((outputs, BLOCK), x.dtype)
    turn, turned = np.zeros((outputs, 3, BLOCK), x.dtype), np.zeros(outputs, np.bool_)
    box, f = np.empty((8, outputs), x.dtype), np.empty(BLOCK, np.int32)
    before = np.concatenate((t[:1], t[:-1]))
    obstacles = draws, bounds, radius, walls, planes
    for block in range((count + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        end = min(start + BLOCK, count)
        e = escape[start:end]
        f[:] = outputs
        e[:] = outputs
        turned[:] = ih < 0
        for k in range(outputs):
            _gather(x[k], k, start, end, ix, iy, ih, px, py, heading, e)
            sweep(k, px, py, box)
        touch(0, outputs, px, py, heading, turn, turned, box, before, t, ih >= 0, size, block, obstacles, f)
        first[start:end] = f[: end - start]


@numba.njit(cache=True, error_model="numpy")
def touch(
    begin, end, px, py, heading, turn, turned, box, before, t, rectangle, size, block, obstacles, first
):
    """Lower `first` to the outputs from `begin` to before `end` at which the particles of a block touch something.

    Args:
        begin: first output to look at.
        end: output after the last.
        px: x at every output, shape (K + 1, BLOCK). [m]
        py: y likewise. [m]
        heading: likewise, unused for a disc. [rad]
        turn: space for the turns of `contact_tests`, shape (K + 1, 3, BLOCK), zeros for a disc.
        turned: which outputs of `turn` are filled, shape (K + 1,); all for a disc.
        box: of `sweep`, shape (8, K + 1). [m]
        before: time of the output before each, shape (K + 1,). [s]
        t: time of each output, shape (K + 1,). [s]
        rectangle: whether the footprint is one.
        size: as in `first_touch`.
        block: which block of the draws the particles are.
        obstacles: draws, bounds, radius, walls and planes as in `first_touch`.
        first: changed in place, shape (BLOCK,), int32.
    """
    draws, bounds, radius, walls, planes = obstacles
    margin = size[2]
    corner = np.sqrt(size[0] * size[0] + size[1] * size[1])
    reach = margin + corner
    near, some = np.empty(end, np.uint8), np.empty(len(radius), np.int32)
    for m in some[: near_discs(begin, end, box, before, t, bounds, block, radius, reach, some)]:
        last = min(end, first.max())
        near_disc(begin, last, box, before, t, bounds[m, block], reach + radius[m], near)
        for k in range(begin, last):
            if not near[k]:
                continue
            j = max(k - 1, 0)
            if not rectangle:
                disc(px, py, j, k, t, draws[m, block], margin + radius[m], first)
                continue
            if not turned[k]:
                _turn(heading[j], heading[k], corner, turn[k])
                turned[k] = True
            disc_rectangle(
                px, py, j, k, t, draws[m, block], size[0], size[1], margin + radius[m], turn[k], first
            )
    for m in range(len(walls)):
        last = min(end, first.max())
        near_wall(begin, last, box, walls[m], reach, near)
        for k in range(begin, last):
            if not near[k]:
                continue
            j = max(k - 1, 0)
            if not rectangle:
                wall_disc(px, py, j, k, walls[m], margin, first)
                continue
            if not turned[k]:
                _turn(heading[j], heading[k], corner, turn[k])
                turned[k] = True
            wall_rectangle(px, py, j, k, walls[m], size, turn[k], first)
    for m in range(len(planes)):
        for k in range(begin, min(end, first.max())):
            j = max(k - 1, 0)
            if not turned[k]:
                _turn(heading[j], heading[k], corner, turn[k])
                turned[k] = True
            half_plane(px, py, j, k, planes[m], size, turn[k], first)


@numba.njit(cache=True, error_model="numpy")
def sweep(k, px, py, box):
    """Write the box of a block over the step to output k, shape of `box` (8, K + 1): over the step, and at k alone."""
    own = _bound(px[k], py[k])
    for side in range(4):
        box[4 + side, k] = own[side]
        last = box[4 + side, max(k - 1, 0)]
        box[side, k] = min(last, own[side]) if side < 2 else max(last, own[side])


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract", "nnan"})
def _bound(x, y):
    low_x, low_y, high_x, high_y = x[0], y[0], x[0], y[0]
    for i in range(BLOCK):
        low_x, high_x = min(low_x, x[i]), max(high_x, x[i])
        low_y, high_y = min(low_y, y[i]), max(high_y, y[i])
    return low_x, low_y, high_x, high_y


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
def _gather(x, k, start, end, ix, iy, ih, px, py, heading, escape):
    """Copy a block's pose at output k, held where it stops being finite; pad with the last particle's."""
    size, n = end - start, x.shape[1]
    for i in range(size):
        px[k, i] = x[start + i, ix]
        py[k, i] = x[start + i, iy]
    if ih >= 0:
        for i in range(size):
            heading[k, i] = x[start + i, ih]
    if not _finite(x.reshape(-1)[start * n : end * n]):
        for i in range(size):
            for c in range(n):
                if not math.isfinite(x[start + i, c]):
                    escape[i] = min(escape[i], np.int32(k))
    if k >= escape.min():
        hold(k, escape, px, py, heading)
    px[k, size:] = px[k, size - 1]
    py[k, size:] = py[k, size - 1]
    heading[k, size:] = heading[k, size - 1]


@numba.njit(cache=True, error_model="numpy")
def hold(k, escape, px, py, heading):
    """Keep particles that have escaped by output k where they were."""
    for i in range(len(escape)):
        if k >= escape[i]:
            px[k, i] = px[k - 1, i] if k > 0 else 0.0
            py[k, i] = py[k - 1, i] if k > 0 else 0.0
            heading[k, i] = heading[k - 1, i] if k > 0 else 0.0


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc"})
def _finite(x):
    """Whether all are: zero times an infinity or NaN is NaN."""
    total = x.dtype.type(0.0)
    for i in range(len(x)):
        total += x[i] * x.dtype.type(0.0)
    return total == 0.0


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _turn(before, after, corner, turn):
    """Write cosine and sine of the middle heading of a step, and the way of the corners in half of it."""
    kind = turn.dtype.type
    whole, per, half, quarter = kind(2.0 * math.pi), kind(0.5 / math.pi), kind(0.5), kind(0.25)
    right, way = kind(0.5 * math.pi), kind(2.0) * corner
    for i in range(BLOCK):
        change = after[i] - before[i]
        change -= whole * np.floor(change * per + half)
        middle = before[i] + half * change
        turn[0, i] = sine(middle + right)
        turn[1, i] = sine(middle)
        turn[2, i] = way * near_sine(quarter * abs(change))
