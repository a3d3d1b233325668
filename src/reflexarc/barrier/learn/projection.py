# SPDX-License-Identifier: Apache-2.0
r"""Filtering a batch of inputs by one barrier row, with the bounds inside the programme.

    min |u - u_nom|^2   subject to   a . u >= c,   u in U

has a closed form where U is a ball, and one scalar unknown where U is a box: u(lambda) = clip(u_nom + lambda a),
with a . u(lambda) piecewise linear and not decreasing. Where no admissible input satisfies the row, the answer
is the one that comes closest, argmax over U of a . u.

`unbounded_then_clip` is what published code does instead: project without bounds, clip afterwards.
"""

import numpy as np

from reflexarc.core.types import Array
from reflexarc.robots.systems.system import Ball, Box


def project(u: Array, a: Array, c: Array, inputs: Box | Ball) -> tuple[Array, np.ndarray]:
    """Return the filtered inputs and whether the row could be satisfied.

    Args:
        u: nominal inputs, shape (batch, m).
        a: row normals, shape (batch, m).
        c: right-hand sides, shape (batch,).
        inputs: the bounds U.
    """
    return _in_box(u, a, c, inputs) if isinstance(inputs, Box) else _in_ball(u, a, c, inputs.radius)


def _in_ball(u: Array, a: Array, c: Array, radius: float) -> tuple[Array, np.ndarray]:
    length = np.linalg.norm(u, axis=1)
    inside = u * np.minimum(1.0, radius / np.maximum(length, 1e-300))[:, None]
    square = np.maximum((a * a).sum(axis=1), 1e-300)
    norm = np.sqrt(square)
    feasible = c <= radius * norm
    result = inside.copy()
    active = (a * inside).sum(axis=1) < c
    plane = u + ((c - (a * u).sum(axis=1)) / square)[:, None] * a
    on_plane = active & (np.linalg.norm(plane, axis=1) <= radius)
    result[on_plane] = plane[on_plane]
    # The rest lies where plane and sphere meet, in the direction of u along the plane.
    foot = (c / square)[:, None] * a
    along = u - ((a * u).sum(axis=1) / square)[:, None] * a
    size = np.linalg.norm(along, axis=1)
    rest = np.sqrt(np.maximum(radius**2 - c**2 / square, 0.0))
    on_rim = active & ~on_plane & feasible
    rim = foot + along * np.where(size > 1e-12, rest / np.maximum(size, 1e-300), 0.0)[:, None]
    result[on_rim] = rim[on_rim]
    stuck = active & ~feasible
    result[stuck] = radius * a[stuck] / norm[stuck, None]
    moved = stuck & (square <= 1e-24)
    result[moved] = inside[moved]
    return result, ~stuck


def _in_box(u: Array, a: Array, c: Array, box: Box) -> tuple[Array, np.ndarray]:
    lower, upper = np.asarray(box.lower, dtype=float), np.asarray(box.upper, dtype=float)
    inside = np.clip(u, lower, upper)
    best = np.where(a > 0.0, upper, np.where(a < 0.0, lower, inside))
    active = (a * inside).sum(axis=1) < c
    feasible = (a * best).sum(axis=1) >= c
    result = np.where((active & ~feasible)[:, None], best, inside)
    rows = np.flatnonzero(active & feasible)
    if len(rows):
        result[rows] = _on_row(u[rows], a[rows], c[rows], lower, upper)
    return result, ~(active & ~feasible)


def _on_row(u: Array, a: Array, c: Array, lower: Array, upper: Array) -> Array:
    """Solve a . clip(u + lambda a) = c for rows where a solution with lambda >= 0 exists."""
    safe = np.where(a == 0.0, 1.0, a)
    ends = np.concatenate(((lower - u) / safe, (upper - u) / safe), axis=1)
    ends = np.where(np.concatenate((a, a), axis=1) == 0.0, 0.0, np.maximum(ends, 0.0))
    ends = np.sort(np.concatenate((np.zeros((len(u), 1)), ends), axis=1), axis=1)  # (batch, 2 m + 1)
    reached = np.einsum("bm,bkm->bk", a, np.clip(u[:, None] + ends[:, :, None] * a[:, None], lower, upper))
    after = np.clip((reached < c[:, None]).sum(axis=1), 1, ends.shape[1] - 1)
    row = np.arange(len(u))
    low, high = ends[row, after - 1], ends[row, after]
    got_low, got_high = reached[row, after - 1], reached[row, after]
    rise = got_high - got_low
    share = np.where(rise > 0.0, (c - got_low) / np.where(rise > 0.0, rise, 1.0), 1.0)
    multiplier = low + np.clip(share, 0.0, 1.0) * (high - low)
    return np.clip(u + multiplier[:, None] * a, lower, upper)


def unbounded_then_clip(u: Array, a: Array, c: Array, inputs: Box | Ball) -> Array:
    """Return what published code sends: u + max(0, c - a.u) / (|a|^2 + 1e-6) a, then clipped per component.

    Where the bound is a ball the boat's environment rescales the result to the ball's radius, whatever its length.
    """
    missing = np.maximum(0.0, c - (a * u).sum(axis=1))
    raw = u + (missing / ((a * a).sum(axis=1) + 1e-6))[:, None] * a
    if isinstance(inputs, Box):
        return np.clip(raw, inputs.lower, inputs.upper)
    clipped = np.clip(raw, -inputs.radius, inputs.radius)
    return inputs.radius * clipped / np.maximum(np.linalg.norm(clipped, axis=1, keepdims=True), 1e-9)
