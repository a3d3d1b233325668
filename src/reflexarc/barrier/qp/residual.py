# SPDX-License-Identifier: Apache-2.0
r"""The independent check of a solution: the Karush-Kuhn-Tucker conditions of a projection, row by row.

For   minimise |z - z_0|^2 / 2   subject to   A z <= b,  lower <= z <= upper   a pair (z, y) is the solution if and
only if the residuals

    primal  max(A z - b, lower - z, z - upper, 0)
    dual    max |z - z_0 + y_bounds + A^T y_rows|,  -y_rows,  min(y, room that its constraint leaves)

vanish. The programme is strictly convex, so small residuals bound the distance to the solution. The check knows
nothing of the solver.
"""

import numba
import numpy as np

_NONE = 1e20
"""A bound at least this large is no bound."""


@numba.njit(cache=True)
def kkt_residual(z, duals, target, rows, offsets, lower, upper):
    """Return the worst KKT residual of a candidate; inf if anything in it is not finite.

    Args:
        z: candidate, shape (n,).
        duals: of the bounds (negative at a lower one), then of the rows, shape (n + m,).
        target: z_0, shape (n,).
        rows: A, shape (m, n); rows of about unit length make the residual a distance.
        offsets: b, shape (m,).
        lower: shape (n,).
        upper: shape (n,).
    """
    n, m = z.shape[0], offsets.shape[0]
    worst = 0.0
    if not (np.isfinite(z).all() and np.isfinite(duals).all()):
        return np.inf
    gradient = np.empty(n)
    for j in range(n):
        gradient[j] = z[j] - target[j] + duals[j]
        below, above = lower[j] - z[j], z[j] - upper[j]
        worst = max(worst, below, above)
        if duals[j] > 0.0:
            worst = max(worst, min(duals[j], -above) if upper[j] < _NONE else duals[j])
        elif duals[j] < 0.0:
            worst = max(worst, min(-duals[j], -below) if lower[j] > -_NONE else -duals[j])
    for i in range(m):
        y = duals[n + i]
        value = -offsets[i]
        for j in range(n):
            value += rows[i, j] * z[j]
        if np.isnan(value):
            return np.inf  # finite numbers can overflow into inf - inf, which no comparison sees
        worst = max(worst, value, -y)
        if y > 0.0:
            worst = max(worst, min(y, -value))  # a multiplier on a row that is not active fakes stationarity
            for j in range(n):
                gradient[j] += rows[i, j] * y
    for j in range(n):
        if np.isnan(gradient[j]):
            return np.inf
        worst = max(worst, abs(gradient[j]))
    return worst
