# SPDX-License-Identifier: Apache-2.0
r"""The clock of a trot: which feet should be in the air, and how high.

With the phase p of a leg in [0, 1), the leg stands while p < s and swings after it; the foot's height above the ground
is then  h sin(pi (p - s) / (1 - s)).  Diagonal legs move together, the pairs half a period apart. A robot that is told
to stand has no clock.
"""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.config import quantity
from reflexarc.core.types import Array

_OFFSETS = np.array([0.0, 0.5, 0.5, 0.0])
"""Of the legs' phases, in the order of `reflexarc.robots.quadruped.LEGS`."""


@dataclass(frozen=True)
class Gait:
    """Parameters."""

    frequency: float = quantity(2.0, unit="Hz", low=0.1, high=10.0, doc="steps of a leg per second")
    stance_share: float = quantity(0.5, low=0.1, high=0.95, doc="s: part of the period on the ground")
    clearance: float = quantity(0.08, unit="m", low=0.0, high=0.5, doc="h: height of a foot in mid swing")

    def heights(self, phase: Array, walks: Array) -> Array:
        """Return how high each foot should be above the ground, shape (n, 4). [m]

        Args:
            phase: of the clock in [0, 1), shape (n,).
            walks: 1 where the robot should walk, 0 where it should stand, shape (n,).
        """
        leg = (phase[:, None] + _OFFSETS) % 1.0
        swing = np.maximum(leg - self.stance_share, 0.0) / (1.0 - self.stance_share)
        return self.clearance * np.sin(np.pi * swing) * walks[:, None]


def clock(phase: Array, walks: Array) -> Array:
    """Return what a policy sees of the clock: sine and cosine, or zeros where it should stand, shape (n, 2)."""
    angle = 2.0 * np.pi * phase
    return np.stack((np.sin(angle), np.cos(angle)), axis=1) * walks[:, None]


def walks(command: Array) -> Array:
    """Return 1 where a command (m/s, m/s, rad/s) is to walk and 0 where it is to stand, shape (n, 3) to (n,)."""
    return (np.abs(command) > 0.1).any(axis=1).astype(float)
