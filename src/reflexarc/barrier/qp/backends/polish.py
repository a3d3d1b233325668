# SPDX-License-Identifier: Apache-2.0
r"""From an approximate to an exact solution: read the active set off it, solve its equations, mend the set if need be.

Operator splitting finds the active set long before it finds the digits. With S the active rows and B the variables
at a bound,

    z_B at the bound,   z_F = z_0F - A_SF^T y_S,   (A_SF A_SF^T) y_S = A_SF z_0F + A_SB z_B - b_S.

Rows enter by falling multiplier, and those that depend on earlier ones stay out. A multiplier of the wrong sign then
leaves the set, the most violated constraint enters it, a few times at most. (Stellato et al., OSQP, Math. Prog.
Comp. 12, 2020, section 5.2, without the mending.)
"""

import numba
import numpy as np

_EXACT = 1e-10
"""Violation or wrong sign that is rounding; the data are of size one."""
_DEPENDENT = 1e-11
"""Pivot below which a row depends on those before it."""


@numba.njit(cache=True)
def polish(target, rows, offsets, lower, upper, z, y, rounds):
    """Overwrite z and y with the exact solution and return True, or leave them alone and return False.

    Args:
        target: z_0, shape (n,).
        rows: A, unit length, shape (m, n).
        offsets: b, shape (m,).
        lower: shape (n,).
        upper: shape (n,).
        z: approximate solution, shape (n,).
        y: its multipliers, bounds (negative at a lower one), then rows, shape (>= n + m,).
        rounds: how often the set may be mended.
    """
    n, m = target.shape[0], offsets.shape[0]
    side = np.zeros(n + m, dtype=np.int8)
    for j in range(n):
        if z[j] - lower[j] < max(-y[j], 0.0):
            side[j] = -1
        elif upper[j] - z[j] < max(y[j], 0.0):
            side[j] = 1
    for i in range(m):
        room = offsets[i]
        for j in range(n):
            room -= rows[i, j] * z[j]
        if room < y[n + i] and y[n + i] > 0.0:
            side[n + i] = 1
    x, dual = np.empty(n), np.zeros(n + m)
    priority = y[n : n + m].copy()
    for _ in range(rounds + 1):
        _solve(target, rows, offsets, lower, upper, side, priority, x, dual)
        worst, where, sign = _EXACT, -1, 0
        for k in range(n + m):
            if side[k] != 0 and -dual[k] * side[k] > worst:
                worst, where = -dual[k] * side[k], k
        if where < 0:
            for k in range(n + m):
                if side[k] != 0:
                    continue
                if k < n:
                    over, under = x[k] - upper[k], lower[k] - x[k]
                else:
                    over, under = -offsets[k - n], -np.inf
                    for j in range(n):
                        over += rows[k - n, j] * x[j]
                if over > worst:
                    worst, where, sign = over, k, 1
                if under > worst:
                    worst, where, sign = under, k, -1
        if where < 0:
            z[:] = x
            y[: n + m] = dual
            return True
        side[where] = sign
        priority[:] = dual[n:]
        if where >= n and sign != 0:
            priority[where - n] = np.inf
    return False


@numba.njit(cache=True)
def _solve(target, rows, offsets, lower, upper, side, priority, x, dual):
    """Fill x and its multipliers for one active set; rows that depend on others leave the set."""
    n = target.shape[0]
    dual[:] = 0.0
    for j in range(n):
        x[j] = target[j] if side[j] == 0 else (upper[j] if side[j] > 0 else lower[j])
    members = np.flatnonzero(side[n:])
    members = members[np.argsort(-priority[members])]
    factor, right = np.empty((n, n)), np.empty(n)
    s = 0
    for i in members:  # Cholesky of A_SF A_SF^T, row by row
        for b in range(s + 1):
            other = i if b == s else members[b]
            total = 0.0
            for j in range(n):
                if side[j] == 0:
                    total += rows[i, j] * rows[other, j]
            if s == n:
                total = 0.0
                break
            for c in range(b):
                total -= factor[s, c] * factor[b, c]
            if b < s:
                factor[s, b] = total / factor[b, b]
        if total <= _DEPENDENT:
            side[n + i] = 0
            continue
        factor[s, s] = np.sqrt(total)
        right[s] = -offsets[i]
        for j in range(n):
            right[s] += rows[i, j] * x[j]
        members[s] = i
        s += 1
    for a in range(s):
        for b in range(a):
            right[a] -= factor[a, b] * right[b]
        right[a] /= factor[a, a]
    for a in range(s - 1, -1, -1):
        for b in range(a + 1, s):
            right[a] -= factor[b, a] * right[b]
        right[a] /= factor[a, a]
    for a in range(s):
        i = members[a]
        dual[n + i] = right[a]
        for j in range(n):
            if side[j] == 0:
                x[j] -= rows[i, j] * right[a]
            else:
                dual[j] -= rows[i, j] * right[a]
    for j in range(n):
        if side[j] != 0:
            dual[j] += target[j] - x[j]
