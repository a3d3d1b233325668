# SPDX-License-Identifier: Apache-2.0
"""DAQP, a dual active-set solver (Arnstrom, Bemporad, Axehill, IEEE TAC 67, 2022). The default."""

import daqp
import numpy as np

from reflexarc.barrier.qp.backends.backend import Answer
from reflexarc.core.types import Array

_OPTIMAL = 1
_INFEASIBLE = -1


class Daqp:
    """Cold start in every call: at these sizes it is the fastest, and it has no memory."""

    tolerance = 1e-9

    def __init__(self, n: int, capacity: int):
        """Allocate for n variables and `capacity` rows."""
        self._hessian = np.eye(n)
        self._n = n
        self._upper = np.zeros(n + capacity)
        self._lower = np.full(n + capacity, -np.inf)
        self._sense = np.zeros(n + capacity, dtype=np.int32)

    def solve(self, target: Array, rows: Array, offsets: Array, lower: Array, upper: Array) -> Answer:
        """See `Backend`."""
        n, size = self._n, self._n + len(offsets)
        self._lower[:n], self._upper[:n], self._upper[n:size] = lower, upper, offsets
        z, _, flag, info = daqp.solve(
            self._hessian,
            -target,
            rows,
            self._upper[:size],
            self._lower[:size],
            self._sense[:size],
            primal_tol=1e-10,
            dual_tol=1e-12,
        )
        if flag != _OPTIMAL:
            return Answer(target, self._upper[:size], info["iterations"], flag == _INFEASIBLE)
        return Answer(z, info["lam"], info["iterations"], False)
