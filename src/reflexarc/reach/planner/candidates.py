# SPDX-License-Identifier: Apache-2.0
r"""Candidates for a segment: a lattice around the planned one, and steps down the gradient of the softened risk.

Lattice: 9 lateral offsets of the segment's end by 5 scalings of its speed. An offset y keeps the heading at the end: it
adds +q and -q to the turn rates of the two halves, y = v q T^2, T = 0.5 s. A scaling keeps the path's curvature. In the
air 9 offsets in height by 5 scalings follow. A candidate costs (y / 0.3 m)^2 + (scaling - 1)^2.
"""

from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.types import Array
from reflexarc.reach.planner.plan import HALF, SEGMENT
from reflexarc.reach.planner.rollout import Rollouts, Surroundings
from reflexarc.reach.planner.scene import Case, Limits

OFFSETS = np.linspace(-0.32, 0.32, 9)
"""[m]"""
SCALINGS = np.array([0.6, 0.8, 1.0, 1.15, 1.3])
GRADIENT_STEPS = 4
GRADIENT_STEP = np.array([0.1, 0.5, 0.15])
"""Length of a step by kind of input: v [m/s], w [rad/s], v_z [m/s]."""
_LENGTH = 0.3
"""[m]"""


class Candidates(NamedTuple):
    """Segments to choose from."""

    controls: Array
    """Shape (C, 2, 3)."""
    cost: Array
    """Shape (C,)."""


def lattice(case: Case, segment: Array) -> Candidates:
    """Return the lattice around a segment's controls (2, 3); all keep the case's limits."""
    offset, scaling = (a.ravel() for a in np.meshgrid(OFFSETS, SCALINGS, indexing="ij"))
    controls = np.repeat(segment[None], len(offset), axis=0)
    controls[:, :, :2] *= scaling[:, None, None]
    sideways = controls.copy()
    sideways[:, :, 1] += (offset / (np.maximum(controls[:, 0, 0], 0.1) * HALF**2))[:, None] * [1.0, -1.0]
    parts = [sideways]
    if case.dimension == 3:
        controls[:, :, 2] += (offset / SEGMENT)[:, None]
        parts.append(controls)
    cost = (offset / _LENGTH) ** 2 + (scaling - 1.0) ** 2
    return Candidates(limited(np.concatenate(parts), case.limits), np.tile(cost, len(parts)))


def descent(
    rollouts: Rollouts, x: Any, pose: Array, segment: Array, around: Surroundings
) -> tuple[Candidates, list[float]]:
    """Follow the negative gradient of the softened risk from a segment.

    Args:
        rollouts: of the case.
        x: errors at the start of the segment, shape (N, n).
        pose: of the reference there, shape (4,).
        segment: controls, shape (2, 3).
        around: obstacles.

    Returns:
        One candidate after each step, and the softened risk before each.
    """
    found, values, current = [], [], segment
    for _ in range(GRADIENT_STEPS):
        value, slope = rollouts.soft_gradient(x, pose, current, around)
        slope[:, 0] = slope[:, 0].mean()  # one speed per segment
        direction = slope * GRADIENT_STEP
        size = float(np.linalg.norm(direction))
        values.append(value)
        if size > 0.0:
            current = limited((current - direction / size * GRADIENT_STEP)[None], rollouts.case.limits)[0]
        found.append(current)
    controls = np.stack(found)
    change = (controls - segment) / (GRADIENT_STEP * GRADIENT_STEPS)
    return Candidates(controls, (change**2).sum(axis=(1, 2))), values


def limited(controls: Array, limits: Limits) -> Array:
    """Return controls (C, 2, 3) clipped to the limits on speed, turn rate, curvature and climb."""
    result = controls.copy()
    result[..., 0] = np.clip(result[..., 0], limits.slowest, limits.fastest)
    turn = np.minimum(limits.turn_rate, limits.curvature * result[..., 0])
    result[..., 1] = np.clip(result[..., 1], -turn, turn)
    result[..., 2] = np.clip(result[..., 2], -limits.climb, limits.climb)
    return result
