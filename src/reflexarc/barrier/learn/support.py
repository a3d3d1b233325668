# SPDX-License-Identifier: Apache-2.0
"""Where the data say nothing: states that a learned barrier must not call safe.

A state is unsupported where its distance to the k-th nearest recorded state (coordinates scaled to about [-1, 1])
exceeds both `gap` and 1.5 times nearly the largest such distance among the recorded states themselves. The training
draws such states in 1.6 times the box of the data and pushes V down to at most -depth there; the gap leaves the
network room to fall from the values at the border of the data without bending them. Farther away it extrapolates.
"""

import numpy as np
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]

from reflexarc.core.types import Array


class Support:
    """Distance to the recorded states, in scaled coordinates."""

    def __init__(
        self,
        x: Array,
        centre: Array,
        scale: Array,
        seed: int,
        sample: int = 20_000,
        neighbours: int = 4,
        gap: float = 0.0,
    ) -> None:
        rng = np.random.default_rng(seed)
        self._centre, self._scale, self._k = centre, scale, neighbours
        chosen = x if len(x) <= sample else x[rng.choice(len(x), sample, replace=False)]
        z = (chosen - centre) / scale
        self._tree = cKDTree(z)
        within = self._tree.query(z, k=min(neighbours + 1, len(z)))[0][:, -1]
        self.radius = max(gap, 1.5 * float(np.quantile(within, 0.999)))
        """Distance beyond which a state is unsupported."""

    def unsupported(self, x: Array) -> np.ndarray:
        """Return whether each state of shape (batch, n) lies beyond the data."""
        return self.distance(x) > self.radius

    def distance(self, x: Array) -> Array:
        """Return the scaled distance to the k-th nearest recorded state."""
        k = min(self._k, self._tree.n)
        answer = self._tree.query((x - self._centre) / self._scale, k=[k])[0]
        return np.asarray(answer)[:, 0]

    def draw(self, count: int, seed: int, reach: float = 1.6) -> Array:
        """Return up to `count` unsupported states, uniform in `reach` times the box of the data."""
        rng = np.random.default_rng(seed)
        kept: list[Array] = []
        have = 0
        for _ in range(20):
            z = rng.uniform(-reach, reach, (2 * count, len(self._scale)))
            x = self._centre + self._scale * z
            x = x[self.unsupported(x)]
            kept.append(x)
            have += len(x)
            if have >= count:
                break
        return np.concatenate(kept)[:count]
