# SPDX-License-Identifier: Apache-2.0
"""Who pushes while a policy is trained: nobody, chance, or a disturber that learns."""

import numpy as np

from reflexarc.core.types import Array
from reflexarc.robust.problem import Mask

PUSHES = ("none", "uniform", "learned")
HOLD = 8
"""Steps for which a push by chance lasts; 0.16 s at 50 Hz, as in the published baseline."""


class Pushes:
    """Pushes of n episodes, in units of the largest."""

    def __init__(self, kind: str, episodes: int, size: int):
        """Take who pushes.

        Args:
            kind: one of `PUSHES`.
            episodes: n.
            size: entries of a push.
        """
        self._kind = kind
        self._held, self._left = np.zeros((episodes, size)), np.zeros(episodes, dtype=int)

    def wanted(self, learned: Array, driven: Array, share: float, rng: np.random.Generator) -> Array:
        """Return what is wanted now, shape (n, d).

        Args:
            learned: what the disturber wants, shape (n, d).
            driven: 1 where it decides, shape (n,).
            share: of the largest that is allowed for now.
            rng: of chance; every entry is uniform in +- share, for `HOLD` steps.
        """
        if self._kind == "none":
            return np.zeros_like(self._held)
        new = self._left == 0
        drawn = rng.uniform(-share, share, self._held.shape)
        self._held[new] = drawn[new]
        self._left = np.where(new, HOLD, self._left) - 1
        return np.where(driven[:, None] > 0.0, learned, self._held)

    def begin(self, where: Mask) -> None:
        """Draw anew in the episodes `where`, shape (n,)."""
        self._left[where] = 0
