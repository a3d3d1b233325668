# SPDX-License-Identifier: Apache-2.0
r"""Projection onto a polytope with OSQP: the quadratic programme of the barrier filter.

    minimise   |z - z_0|^2 / 2
    subject to A z <= b           (rows, at most `capacity`)
               lower <= z <= upper

The sparsity pattern is fixed at construction (every row dense, unused rows zero), so that a solve is a data
update of one OSQP workspace (Stellato et al., OSQP: An Operator Splitting Solver for Quadratic Programs,
Math. Prog. Comp. 12, 2020). Every solve starts from a point and with a step size that depend on the problem
alone: the answer is a function of the problem, which makes a replay bit-exact. Most programmes of the filter
have one or two active rows, and their starting point is already a solution; it is used if it passes the
residual check, and OSQP gets the others. Whoever made an answer, it is used only if it passes that check,
which is written apart from both.
"""

import time
from typing import Any, NamedTuple

import numba
import numpy as np
import osqp
import scipy.sparse

from reflexarc.core.types import Array

_INFINITY = 1e30
"""OSQP's own value for a bound that is not there."""
_SWEEPS = 40
"""Sweeps of the dual ascent; at most some two microseconds, against thirty of a call of OSQP."""


class QpSolution(NamedTuple):
    """Answer of a solver and what an independent check thinks of it."""

    found: bool
    """Whether `z` passed the residual check; nothing else may be used as an answer."""
    z: Array
    """Minimiser, shape (n,); meaningless unless `found`."""
    primal_residual: float
    """Largest violation of a row or bound at `z`."""
    dual_residual: float
    """Largest component of the stationarity error z - z_0 + A^T y."""
    iterations: int
    """ADMM iterations; 0 where the starting point was the solution."""
    seconds: float
    """Wall time of update, solve and check. [s]"""


@numba.njit(cache=True)
def qp_residuals(z, multipliers, target, normals, offsets, lower, upper):
    """Return the largest primal violation and the largest stationarity error of a candidate solution.

    Args:
        z: candidate, shape (n,).
        multipliers: of the bounds, then of the rows, shape (>= n + m,); positive where an upper limit is active.
        target: z_0, shape (n,).
        normals: A, shape (m, n).
        offsets: b, shape (m,).
        lower: shape (n,).
        upper: shape (n,).
    """
    n, m = z.shape[0], offsets.shape[0]
    primal = 0.0
    dual = 0.0
    for j in range(n):
        primal = max(primal, lower[j] - z[j], z[j] - upper[j])
        gradient = z[j] - target[j] + multipliers[j]
        for i in range(m):
            gradient += normals[i, j] * multipliers[n + i]
        dual = max(dual, abs(gradient))
    for i in range(m):
        value = -offsets[i]
        for j in range(n):
            value += normals[i, j] * z[j]
        primal = max(primal, value)
        # A multiplier on an inactive row, or one of the wrong sign, would fake stationarity.
        dual = max(dual, -multipliers[n + i], min(multipliers[n + i], -value))
    if not np.isfinite(primal + dual):
        return np.inf, np.inf
    return primal, dual


@numba.njit(cache=True)
def _write_problem(target, normals, offsets, lower, upper, linear, entries, low, high):
    """Write a problem into OSQP's arrays: q, the values of A column by column, l and u."""
    n, m = target.shape[0], offsets.shape[0]
    capacity = high.shape[0] - n
    for j in range(n):
        linear[j] = -target[j]
        low[j], high[j] = lower[j], upper[j]
        column = j * (1 + capacity) + 1  # the first entry of a column is the bound's 1
        for i in range(capacity):
            entries[column + i] = normals[i, j] if i < m else 0.0
    for i in range(capacity):
        high[n + i] = offsets[i] if i < m else _INFINITY


@numba.njit(cache=True)
def _starting_point(target, normals, offsets, lower, upper, sweeps, z, y):
    """Fill z, y with an approximate solution by Hildreth's cyclic dual ascent and return its residuals.

    Each step projects onto one row, y_i <- max(0, y_i + a_i z - b_i); rows have unit length, so no division is needed
    (Hildreth, A quadratic programming procedure, Naval Research Logistics Quarterly 4, 1957). It is exact
    after one sweep when a single row is active, slow where rows are nearly parallel, and it depends on the
    problem alone.
    """
    n, m = target.shape[0], offsets.shape[0]
    z[:] = target
    y[:] = 0.0
    for _ in range(sweeps):
        moved = 0.0
        for i in range(m):
            excess = -offsets[i]
            for j in range(n):
                excess += normals[i, j] * z[j]
            step = max(-y[n + i], excess)
            if step != 0.0:
                y[n + i] += step
                moved = max(moved, abs(step))
                for j in range(n):
                    z[j] -= step * normals[i, j]
        for j in range(n):
            free = z[j] + y[j]
            z[j] = min(upper[j], max(lower[j], free))
            moved = max(moved, abs(free - z[j] - y[j]))
            y[j] = free - z[j]
        if moved < 1e-9:
            break
    return qp_residuals(z, y, target, normals, offsets, lower, upper)


class OsqpProjection:
    """One OSQP workspace for problems of n variables and at most `capacity` rows."""

    def __init__(self, n: int, capacity: int, tolerance: float = 1e-4, max_iterations: int = 400):
        """Set the solver up.

        Args:
            n: number of variables.
            capacity: largest number of rows.
            tolerance: largest primal and dual residual that the check accepts, in the units of z.
            max_iterations: ADMM iterations after which the solve counts as failed; bounds the time of a tick.
        """
        self.n, self.capacity, self.tolerance = n, capacity, tolerance
        m = n + capacity
        pattern = np.vstack([np.eye(n), np.ones((capacity, n))])
        self._matrix = scipy.sparse.csc_matrix(pattern)
        self._entries = self._matrix.data  # column-major values; bounds stay 1, rows are rewritten each solve
        self._linear = np.zeros(n)
        self._lower = np.full(m, -_INFINITY)
        self._upper = np.full(m, _INFINITY)
        self._start_z, self._start_y = np.zeros(n), np.zeros(m)
        self._solver = osqp.OSQP()
        self._solver.setup(
            scipy.sparse.identity(n, format="csc"),
            np.zeros(n),
            self._matrix,
            self._lower,
            self._upper,
            verbose=False,
            scaling=0,  # the rows arrive with unit length
            adaptive_rho=False,  # a step size that depends on timing or history would break the replay
            rho=10.0,  # of 0.1 to 10, and with alpha = 1.8, the fewest unsolved problems in crowds of 20
            alpha=1.8,
            eps_abs=0.1 * tolerance,
            eps_rel=0.0,
            max_iter=max_iterations,
            check_termination=5,
            polishing=False,
            warm_starting=True,
        )
        # The compiled solver itself: the Python wrapper's bookkeeping around it takes longer than these small
        # problems do.
        self._core: Any = self._solver._solver

    def solve(self, target: Array, normals: Array, offsets: Array, lower: Array, upper: Array) -> QpSolution:
        """Project `target` onto the polytope.

        Args:
            target: z_0, shape (n,).
            normals: A, rows of unit length, shape (m, n) with m <= capacity.
            offsets: b, shape (m,).
            lower: shape (n,).
            upper: shape (n,).
        """
        started = time.perf_counter()
        z, y, iterations = self._start_z, self._start_y, 0
        primal, dual = _starting_point(target, normals, offsets, lower, upper, _SWEEPS, z, y)
        found = primal <= self.tolerance and dual <= self.tolerance
        if not found:
            _write_problem(
                target, normals, offsets, lower, upper, self._linear, self._entries, self._lower, self._upper
            )
            z, y, iterations = self._run(self._linear)
            primal, dual = qp_residuals(z, y, target, normals, offsets, lower, upper)
            found = primal <= self.tolerance and dual <= self.tolerance
        return QpSolution(found, z, primal, dual, iterations, time.perf_counter() - started)

    def _run(self, linear: Array) -> tuple[Array, Array, int]:
        """Give OSQP the data and the starting point; return its z, y and iterations, whatever they are worth."""
        core = self._core
        core.update_data_vec(q=linear, l=self._lower, u=self._upper)
        core.update_data_mat(P_x=None, P_i=None, A_x=self._entries, A_i=None)
        core.warm_start(self._start_z, self._start_y)
        core.solve()
        solution = core.solution
        return solution.x, solution.y, core.info.iter
