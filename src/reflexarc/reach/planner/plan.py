# SPDX-License-Identifier: Apache-2.0
r"""Plans: references that the tracking controller follows.

A plan is made of segments of 1 s with two halves; each half holds speed v, turn rate w and climb rate v_z constant:

    x' = v cos(theta),   y' = v sin(theta),   z' = v_z,   theta' = w

so that over a time t it is an arc whose chord has the length v t sinc(w t / 2) and the direction theta + w t / 2.
Poses are (x, y, z, theta), [m] and [rad], in the fixed frame; on the ground z = v_z = 0.
"""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

SEGMENT = 1.0
"""Duration of a segment. [s]"""
HALVES = 2
"""Intervals of constant inputs per segment."""
HALF = SEGMENT / HALVES
"""[s]"""
INPUTS = 3
"""v [m/s], w [rad/s], v_z [m/s]."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A start pose and the inputs of every half segment."""

    start: Array
    """Pose (x, y, z, theta), shape (4,)."""
    controls: Array
    """Shape (S, 2, 3)."""

    def __post_init__(self) -> None:
        start, controls = np.array(self.start, dtype=np.float64), np.array(self.controls, dtype=np.float64)
        if start.shape != (4,) or controls.ndim != 3 or controls.shape[1:] != (HALVES, INPUTS):
            raise ConfigError(
                f"a plan is a pose (4,) and controls (S, {HALVES}, {INPUTS}), "
                f"got {start.shape} and {controls.shape}"
            )
        if not (np.isfinite(start).all() and np.isfinite(controls).all()):
            raise ConfigError("a plan must be finite; it holds NaN or infinity and was refused")
        start.setflags(write=False)
        controls.setflags(write=False)
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "controls", controls)

    @property
    def segments(self) -> int:
        """Number of segments S."""
        return len(self.controls)

    def pose(self, segment: int) -> Array:
        """Pose at the start of a segment (S: at the end), shape (4,)."""
        return end_pose(self.start, self.controls[:segment])

    def poses(self, per_half: int) -> Array:
        """Poses every half / `per_half`, the start included, shape (2 S per_half + 1, 4)."""
        fractions = np.linspace(0.0, HALF, per_half + 1)[1:]
        parts, pose = [self.start[None]], self.start
        for inputs in self.controls.reshape(-1, INPUTS):
            parts.append(advance(pose, inputs, fractions))
            pose = parts[-1][-1]
        return np.concatenate(parts)


def advance(pose: Array, inputs: Array, t: Array) -> Array:
    """Pose(s) after time(s) t of constant inputs.

    Args:
        pose: shape (..., 4).
        inputs: v, w, v_z, shape (..., 3).
        t: times, [s], broadcast against the leading shape.
    """
    v, w, climb = inputs[..., 0], inputs[..., 1], inputs[..., 2]
    half_turn = 0.5 * w * t
    chord = v * t * np.sinc(half_turn / np.pi)
    direction = pose[..., 3] + half_turn
    return np.stack(
        [
            pose[..., 0] + chord * np.cos(direction),
            pose[..., 1] + chord * np.sin(direction),
            pose[..., 2] + climb * t,
            pose[..., 3] + w * t,
        ],
        axis=-1,
    )


def end_pose(start: Array, controls: Array) -> Array:
    """Pose at the end of controls (S, 2, 3) from `start`, shape (4,)."""
    pose = start
    for inputs in controls.reshape(-1, INPUTS):
        pose = advance(pose, inputs, np.asarray(HALF))
    return pose
