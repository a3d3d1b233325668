# SPDX-License-Identifier: Apache-2.0
"""OSQP, an operator-splitting solver (Stellato et al., Math. Prog. Comp. 12, 2020), and its answer polished.

ADMM alone would need thousands of iterations for six digits; it is stopped at four, and `polish` does the rest.
"""

from typing import Any

import numpy as np
import osqp
import scipy.sparse

from reflexarc.barrier.qp.backends.backend import Answer
from reflexarc.barrier.qp.backends.polish import polish
from reflexarc.core.types import Array

_INFINITY = 1e30
"""OSQP's own value for a bound that is not there."""
_INFEASIBLE = ("primal infeasible", "primal infeasible inaccurate")
RHO = 1.0
"""Step size with which every call begins."""
SETTINGS: dict[str, Any] = {
    "verbose": False,
    "scaling": 0,  # the rows arrive with unit length
    "adaptive_rho": 1,  # by iterations; a step size that depends on timing would break the replay
    "adaptive_rho_interval": 50,
    "rho": RHO,
    "alpha": 1.6,
    "eps_abs": 1e-4,
    "eps_rel": 0.0,
    "eps_prim_inf": 1e-7,
    "check_termination": 10,
    "polishing": False,  # ours also works for the generated code, and mends a wrong active set
    "warm_starting": True,
}
"""Of OSQP; the same for the solver generated as C."""
ROUNDS = 20
"""How often the polishing may mend the active set."""


def problem_arrays(n: int, capacity: int) -> tuple[Any, Any]:
    """Return P and A in compressed columns: every row dense, so that a solve is an update of values only."""
    pattern = np.vstack([np.eye(n), np.ones((capacity, n))])
    return scipy.sparse.identity(n, format="csc"), scipy.sparse.csc_matrix(pattern)


def fill(
    entries: Array, low: Array, high: Array, rows: Array, offsets: Array, lower: Array, upper: Array
) -> None:
    """Write a problem into the values of A (column by column) and into l and u; unused rows become zero."""
    n, m = len(lower), len(offsets)
    columns = entries.reshape(n, -1)  # of A: the bound's 1, then the rows
    columns[:, 1 : 1 + m] = rows.T
    columns[:, 1 + m :] = 0.0
    np.maximum(lower, -_INFINITY, out=low[:n])
    np.minimum(upper, _INFINITY, out=high[:n])
    high[n : n + m] = offsets
    high[n + m :] = _INFINITY


class Osqp:
    """One workspace, updated and started from the target in every call."""

    tolerance = 1e-8

    def __init__(self, n: int, capacity: int, max_iterations: int = 4000):
        """Set the workspace up.

        Args:
            n: number of variables.
            capacity: largest number of rows.
            max_iterations: of ADMM, after which the call gives up; bounds its time.
        """
        self._n = n
        hessian, matrix = problem_arrays(n, capacity)
        self._entries = matrix.data
        self._low = np.full(n + capacity, -_INFINITY)
        self._high = np.full(n + capacity, _INFINITY)
        self._zero = np.zeros(n + capacity)
        self._solver = osqp.OSQP()
        self._solver.setup(
            hessian, np.zeros(n), matrix, self._low, self._high, max_iter=max_iterations, **SETTINGS
        )
        # The compiled solver itself: the Python wrapper's bookkeeping takes longer than these small problems do.
        self._core: Any = self._solver._solver

    def solve(self, target: Array, rows: Array, offsets: Array, lower: Array, upper: Array) -> Answer:
        """See `Backend`."""
        fill(self._entries, self._low, self._high, rows, offsets, lower, upper)
        core = self._core
        core.update_data_vec(q=-target, l=self._low, u=self._high)
        core.update_data_mat(P_x=None, P_i=None, A_x=self._entries, A_i=None)
        core.update_rho(RHO)
        core.warm_start(target, self._zero)
        core.solve()
        solution, size = core.solution, self._n + len(offsets)
        z, y = solution.x.copy(), solution.y[:size].copy()
        infeasible = core.info.status in _INFEASIBLE
        if not infeasible:
            polish(target, rows, offsets, lower, upper, z, y, ROUNDS)
        return Answer(z, y, core.info.iter, infeasible)
