# SPDX-License-Identifier: Apache-2.0
"""Where a plan goes on from the tip, for one tip at the rate of a task policy; the model does the same for many."""

import numpy as np

from reflexarc.core.types import Array
from reflexarc.reflex.contact.view import FORCE, SPEED, STEP, along_across, direction

POINTS = 48
"""Of a plan, at equal distances."""
NEAR, FAR = 0.025, 0.07
"""Where the plan's direction is looked for, ahead of the tip. [m]"""
ROOM = 0.3
"""[m]"""
BACK, FORWARD = 2, 4
"""Points of the plan around the last one among which the nearest is looked for."""
LONG_STALL_S = 1.0
"""A longer stall is not seen. [s]"""


def resampled(line: Array) -> tuple[Array, float]:
    """Return `POINTS` points at equal distances on a polyline, shape (k, 2), and that distance. [m]"""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, length[-1], POINTS)
    return np.stack([np.interp(at, length, line[:, k]) for k in (0, 1)], axis=1), float(at[1])


class Guide:
    """Follows one tip along one plan."""

    def __init__(self, plan: Array):
        """Take the plan, shape (k, 2). [m]"""
        self.points, self.spacing = resampled(plan)
        self.at = 0
        self._advanced: float | None = None

    def seen(
        self, tip: Array, velocity: Array, force: Array, stretch: Array, stiffness: Array, now: float
    ) -> tuple[Array, Array]:
        """Return what the task policy sees, shape (12,), and the plan's direction at the tip, shape (2,).

        Args:
            tip: where it is, shape (2,). [m]
            velocity: shape (2,). [m/s]
            force: on the tip, shape (2,). [N]
            stretch: reference less tip, shape (2,). [m]
            stiffness: entries of the present action, shape (2,).
            now: [s]
        """
        low, high = max(0, self.at - BACK), min(POINTS, self.at + FORWARD + 1)
        at = low + int(np.argmin(((self.points[low:high] - tip) ** 2).sum(axis=1)))
        if self._advanced is None or at > self.at:
            self._advanced = now
        self.at = at
        near, far = self._ahead(NEAR), self._ahead(FAR)
        e = direction(np, near - tip)
        seen = np.concatenate(
            [
                along_across(np, e, force) / FORCE,
                along_across(np, e, velocity) / SPEED,
                along_across(np, e, stretch) / STEP,
                stiffness,
                along_across(np, e, direction(np, far - near + 1e-3 * (near - tip))),
                [(POINTS - 1 - at) * self.spacing / ROOM],
                [min(now - self._advanced, LONG_STALL_S)],
            ]
        )
        return seen, e

    def _ahead(self, distance: float) -> Array:
        return self.points[min(self.at + int(np.ceil(distance / self.spacing)), POINTS - 1)]
