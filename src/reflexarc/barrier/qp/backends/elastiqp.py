# SPDX-License-Identifier: Apache-2.0
"""ElastiQP (dual active-set method), which relaxes every row at a price and is therefore always feasible."""

import elastiqp
import numpy as np

from reflexarc.barrier.qp.backends.backend import Answer
from reflexarc.core.types import Array

_PENALTY = 1e6
"""Price of a unit of slack; a multiplier that reaches it means that the row cannot hold."""
_INFINITY = 1e20
"""In place of a bound that is not there."""


class Elastiqp:
    """Cold start in every call."""

    tolerance = 1e-8

    def __init__(self, n: int, capacity: int):
        """Allocate for n variables and `capacity` rows."""
        self._n = n
        self._hessian = np.asfortranarray(np.eye(n))
        self._bounds = np.vstack([np.eye(n), -np.eye(n)])
        self._penalty = np.full(2 * n + capacity, _PENALTY)
        self._data: dict[int, tuple[Array, Array]] = {}

    def solve(self, target: Array, rows: Array, offsets: Array, lower: Array, upper: Array) -> Answer:
        """See `Backend`."""
        n, m = self._n, len(offsets)
        if m not in self._data:  # columns without gaps are wanted, so every m has its own arrays
            normals = np.zeros((2 * n + m, n), order="F")
            normals[: 2 * n] = self._bounds
            self._data[m] = normals, np.empty(2 * n + m)
        normals, limits = self._data[m]
        normals[2 * n :], limits[2 * n :] = rows, offsets
        np.minimum(upper, _INFINITY, out=limits[:n])
        np.minimum(-lower, _INFINITY, out=limits[n : 2 * n])
        penalty = self._penalty[: len(limits)]
        # without its scaling: the rows arrive with unit length
        solution = elastiqp.solve(self._hessian, -target, normals, limits, penalty, eps_abs=1e-10, ruiz=False)
        y = np.asarray(solution.z)
        duals = np.concatenate([y[:n] - y[n : 2 * n], y[2 * n :]])
        relaxed = bool(y.max(initial=0.0) >= 0.999 * _PENALTY)
        return Answer(np.asarray(solution.x), duals, int(solution.iters), relaxed)
