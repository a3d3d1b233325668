# SPDX-License-Identifier: Apache-2.0
"""Small symmetric matrices, compiled: inverse, factor, geometric mean. Sums are made in a fixed order."""

import math

import numba
import numpy as np

_SWEEPS = 30
_TINY = 1e-30


@numba.njit(cache=True)
def factor(a, out):
    """Write the lower Cholesky factor of a positive definite matrix to `out`; entries above the diagonal become 0."""
    n = a.shape[0]
    for j in range(n):
        total = a[j, j]
        for k in range(j):
            total -= out[j, k] * out[j, k]
        diagonal = math.sqrt(max(total, _TINY))
        out[j, j] = diagonal
        for i in range(j + 1, n):
            total = a[i, j]
            for k in range(j):
                total -= out[i, k] * out[j, k]
            out[i, j] = total / diagonal
            out[j, i] = 0.0


@numba.njit(cache=True)
def inverse(a, scratch, out):
    """Write the inverse of a positive definite matrix to `out`; `scratch` has its shape."""
    n = a.shape[0]
    factor(a, scratch)
    for c in range(n):
        for i in range(n):
            total = 1.0 if i == c else 0.0
            for k in range(i):
                total -= scratch[i, k] * out[k, c]
            out[i, c] = total / scratch[i, i]
        for i in range(n - 1, -1, -1):
            total = out[i, c]
            for k in range(i + 1, n):
                total -= scratch[k, i] * out[k, c]
            out[i, c] = total / scratch[i, i]


@numba.njit(cache=True)
def _diagonalise(a, vectors):
    """Turn the symmetric matrix `a` into its eigenvalues on the diagonal (cyclic Jacobi); columns of `vectors`."""
    n = a.shape[0]
    size = 0.0
    for i in range(n):
        for j in range(n):
            vectors[i, j] = 1.0 if i == j else 0.0
            size += a[i, j] * a[i, j]
    for _ in range(_SWEEPS):
        off = 0.0
        for p in range(n):
            for q in range(p + 1, n):
                off += a[p, q] * a[p, q]
        if not off > 1e-22 * size:
            return
        for p in range(n):
            for q in range(p + 1, n):
                if a[p, q] == 0.0:
                    continue
                theta = (a[q, q] - a[p, p]) / (2.0 * a[p, q])
                t = (1.0 if theta >= 0.0 else -1.0) / (abs(theta) + math.sqrt(theta * theta + 1.0))
                c = 1.0 / math.sqrt(t * t + 1.0)
                s = t * c
                for k in range(n):
                    x, y = a[k, p], a[k, q]
                    a[k, p], a[k, q] = c * x - s * y, s * x + c * y
                for k in range(n):
                    x, y = a[p, k], a[q, k]
                    a[p, k], a[q, k] = c * x - s * y, s * x + c * y
                for k in range(n):
                    x, y = vectors[k, p], vectors[k, q]
                    vectors[k, p], vectors[k, q] = c * x - s * y, s * x + c * y


@numba.njit(cache=True)
def critical_damping(mass, stiffness, ratio, scratch, out):
    r"""Write D = 2 ratio L (L^-1 K L^-T)^(1/2) L^T, with mass = L L^T, to `out`.

    Damping by double diagonalisation (Albu-Schaeffer, Ott, Frese and Hirzinger, ICRA 2003): with mass = Q^T Q and
    K = Q^T B Q, B diagonal, D = 2 ratio Q^T B^(1/2) Q. It is 2 ratio times the geometric mean of both matrices.

    Args:
        mass: symmetric, positive definite, shape (n, n).
        stiffness: symmetric, positive semidefinite, shape (n, n).
        ratio: 1 for critical damping of each mode.
        scratch: shape (3, n, n).
        out: shape (n, n).
    """
    n = mass.shape[0]
    low, inner, vectors = scratch[0], scratch[1], scratch[2]
    factor(mass, low)
    for c in range(n):  # L^-1 K
        for i in range(n):
            total = stiffness[i, c]
            for k in range(i):
                total -= low[i, k] * inner[k, c]
            inner[i, c] = total / low[i, i]
    for r in range(n):  # times L^-T from the right
        for i in range(n):
            total = inner[r, i]
            for k in range(i):
                total -= low[i, k] * inner[r, k]
            inner[r, i] = total / low[i, i]
    for i in range(n):
        for j in range(i):
            inner[i, j] = inner[j, i] = 0.5 * (inner[i, j] + inner[j, i])
    _diagonalise(inner, vectors)
    for k in range(n):
        root = math.sqrt(math.sqrt(max(inner[k, k], 0.0)) * 2.0 * ratio)
        for i in range(n):
            vectors[i, k] *= root
    for k in range(n):  # L times the scaled vectors, from the last row up so that it can be done in place
        for i in range(n - 1, -1, -1):
            total = 0.0
            for j in range(i + 1):
                total += low[i, j] * vectors[j, k]
            vectors[i, k] = total
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for k in range(n):
                total += vectors[i, k] * vectors[j, k]
            out[i, j] = out[j, i] = total


@numba.njit(cache=True)
def quadratic(a, x):
    """Return x^T a x."""
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[0]):
            total += x[i] * a[i, j] * x[j]
    return total


def symmetric_positive(a: np.ndarray, most: float) -> bool:
    """Whether a matrix is symmetric with eigenvalues above 0 and at most `most`."""
    if not np.isfinite(a).all() or np.abs(a - a.T).max() > 1e-6 * np.abs(a).max():
        return False
    values = np.linalg.eigvalsh(a)
    return bool(values[0] > 0.0 and values[-1] <= most * (1.0 + 1e-9))
