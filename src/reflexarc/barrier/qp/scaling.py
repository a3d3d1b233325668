# SPDX-License-Identifier: Apache-2.0
r"""From the caller's units to the solver's and back.

The solver sees z_j = sqrt(w_j) u_j and rows of unit length, so that every residual is a distance. What can be decided
by looking at the data is decided here: numbers that are not finite, bounds that cross, rows of zeros.
"""

import numba
import numpy as np

_ZERO_ROW = 1e-12
"""Length, in units of 1 / sqrt(w), below which a row says nothing about u."""
WRONG_WEIGHT, WRONG_BOUNDS, WRONG_DATA, NEVER = -1, -2, -3, -4
REASONS = {
    WRONG_WEIGHT: "a weight is not a positive, finite number; nothing was solved",
    WRONG_BOUNDS: "a lower bound lies above its upper bound, or one is not a number; nothing was solved",
    WRONG_DATA: "the target, a row or an offset is not finite; nothing was solved",
    NEVER: "a row of zeros with a negative offset can never hold, whatever the input; nothing was solved",
}


@numba.njit(cache=True)
def scale_problem(target, weight, rows, offsets, lower, upper, scale, z, a, b, low, high, lengths, kept):
    """Write the problem in z = sqrt(w) u with rows of unit length; return how many rows are left, or a code < 0.

    Rows of zeros that hold anyway are dropped, and so are rows without a limit (b = inf).
    """
    n, m = target.shape[0], offsets.shape[0]
    for j in range(n):
        if not (weight[j] > 0.0 and np.isfinite(weight[j])):
            return WRONG_WEIGHT
        if not lower[j] <= upper[j] or lower[j] == np.inf or upper[j] == -np.inf:
            return WRONG_BOUNDS
        scale[j] = np.sqrt(weight[j])
        z[j], low[j], high[j] = target[j] * scale[j], lower[j] * scale[j], upper[j] * scale[j]
        if not np.isfinite(z[j]):
            return WRONG_DATA
    used = 0
    for i in range(m):
        length2 = 0.0
        for j in range(n):
            a[used, j] = rows[i, j] / scale[j]
            length2 += a[used, j] * a[used, j]
        if not np.isfinite(length2) or np.isnan(offsets[i]) or offsets[i] == -np.inf:
            return WRONG_DATA
        length = np.sqrt(length2)
        if length <= _ZERO_ROW:
            if offsets[i] < 0.0:
                return NEVER
            continue
        if offsets[i] == np.inf:
            continue
        for j in range(n):
            a[used, j] /= length
        b[used], lengths[used], kept[used] = offsets[i] / length, length, i
        used += 1
    return used


@numba.njit(cache=True)
def translate(
    z, duals, rows, offsets, lower, upper, scale, lengths, kept, tolerance, relaxed, u, multipliers, slack
):
    """Fill input, multipliers and slack in the caller's units; return the largest slack."""
    n, m = z.shape[0], offsets.shape[0]
    for j in range(n):
        u[j] = min(upper[j], max(lower[j], z[j] / scale[j]))  # the bounds hold exactly, rounding or not
        multipliers[j] = duals[j] * scale[j]
    for k in range(kept.shape[0]):
        if duals[n + k] > tolerance:
            multipliers[n + kept[k]] = duals[n + k] / lengths[k]
    worst = 0.0
    if relaxed:
        for i in range(m):
            value, length2 = -offsets[i], 0.0
            for j in range(n):
                value += rows[i, j] * u[j]
                length2 += (rows[i, j] / scale[j]) ** 2
            if value > tolerance * np.sqrt(length2):
                slack[i] = value
                worst = max(worst, value)
    return worst
