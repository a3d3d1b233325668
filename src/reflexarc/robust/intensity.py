# SPDX-License-Identifier: Apache-2.0
r"""How strong a disturbance may be, and how strong it counts as.

The physical limit is apart from the constraint of H-infinity, which bounds cost by intensity and no force at all:
without a limit of its own a learned disturber always pushes as hard as it can.

    magnitude   |W d| <= most                    at every step, by projection on the ball
    energy      sum |W d|^2 <= energy            over an episode, by shortening the step that would exceed it
    intensity   |W d| or |W d|^2                 what the cost is compared with

W weighs entries of different units against each other (newton and newton metre).
"""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.config import quantity
from reflexarc.core.types import Array
from reflexarc.robust.problem import Mask

NORMS = ("squared", "length")


@dataclass(frozen=True)
class Limits:
    """Limits of a disturbance."""

    most: float = quantity(1.0, low=0.0, high=1e6, doc="largest magnitude, in weighed units (N for a force)")
    energy: float | None = quantity(
        None, low=0.0, high=1e12, doc="largest sum of squared magnitudes over an episode; default: none"
    )
    norm: str = quantity("squared", choices=NORMS, doc="what counts as intensity: |d|^2 or |d|")


class Budget:
    """Holds n disturbances within their limits, step after step."""

    def __init__(self, limits: Limits, episodes: int, weight: Array | None = None):
        """Take the limits.

        Args:
            limits: of each episode.
            episodes: n.
            weight: diagonal of W, shape (d,), entries of 0 are never shortened; default: ones.
        """
        self._limits, self._weight = limits, weight
        self.spent = np.zeros(episodes)
        """Sum of squared magnitudes since the episode began, shape (n,)."""

    def applied(self, wanted: Array, most: float | None = None) -> tuple[Array, Array]:
        """Return what acts of the wanted disturbances, and its intensity; what is not finite does not act.

        Args:
            wanted: shape (n, d).
            most: limit of the magnitude for now, at most the limits' own; a curriculum raises it.

        Returns:
            Shapes (n, d) and (n,).
        """
        limit = self._limits.most if most is None else min(most, self._limits.most)
        wanted = np.where(np.isfinite(wanted).all(axis=1, keepdims=True), wanted, 0.0)
        size = self._size(wanted)
        allowed = np.full(len(size), limit)
        if self._limits.energy is not None:
            allowed = np.minimum(allowed, np.sqrt(np.maximum(self._limits.energy - self.spent, 0.0)))
        share = np.minimum(1.0, allowed / np.maximum(size, 1e-300))
        shortened = wanted * share[:, None]
        acting = shortened if self._weight is None else np.where(self._weight > 0.0, shortened, wanted)
        size = size * share
        self.spent += size**2
        return acting, size**2 if self._limits.norm == "squared" else size

    def begin(self, where: Mask) -> None:
        """Give the episodes `where`, shape (n,), their whole energy again."""
        self.spent[where] = 0.0

    def _size(self, wanted: Array) -> Array:
        weighed = wanted if self._weight is None else wanted * self._weight
        return np.linalg.norm(weighed, axis=1)
