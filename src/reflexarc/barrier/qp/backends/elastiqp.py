# SPDX-License-Identifier: Apache-2.0
"""ElastiQP (dual active-set method), which relaxes every row at a price and is therefore always feasible."""

import elastiqp
import numpy as np

from reflexarc.barrier.qp.backends.backend import Answer
from reflexarc.core.types import Array

_PENALTY = 1e6
"""Price of a unit of slack; a multiplier that reaches it means that the row cannot hold."""


class Elastiqp:
    """Cold start in every call."""

    tolerance = 1e-8

    def __init__(self, n: int, capacity: int):
        """Allocate for n variables and `capacity` rows."""
        self._n = n
        self._hessian = np.asfortranarray(np.eye(n))
        self._bounds = np.vstack([np.eye(n), -np.eye(n)])
        self._penalty = np.full(2 * n + capacity, _PENALTY)

    def solve(self, target: Array, rows: Array, offsets: Array, lower: Array, upper: Array) -> Answer:
        """See `Backend`."""
        n = self._n
        normals = np.asfortranarray(np.vstack([self._bounds, rows]))
        limits = np.concatenate([np.minimum(upper, 1e20), np.minimum(-lower, 1e20), offsets])
        solution = elastiqp.solve(
            self._hessian, -target, normals, limits, self._penalty[: len(limits)], eps_abs=1e-10
        )
        y = np.asarray(solution.z)
        duals = np.concatenate([y[:n] - y[n : 2 * n], y[2 * n :]])
        relaxed = bool(y.max(initial=0.0) >= 0.999 * _PENALTY)
        return Answer(np.asarray(solution.x), duals, int(solution.iters), relaxed)
