# SPDX-License-Identifier: Apache-2.0
r"""Worst case of a linear closed loop: the largest sum C / sum |d|^2 from rest, and the d that reaches it.

Over N steps the outputs are z = T d with a block Toeplitz matrix T, so the gain is the square of its largest singular
value and the worst disturbance the right singular vector. Over all time it is the square of the H-infinity norm, the
largest singular value of the transfer function on the unit circle, found by bisection: a level is exceeded exactly if a
symplectic pencil has an eigenvalue on the circle (Boyd, Balakrishnan & Kabamba 1989, in discrete time).
"""

import numpy as np
from scipy.linalg import eigvals

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robust.linear.systems import LinearSystem


def response(system: LinearSystem, gain: Array, steps: int) -> Array:
    """Return T with z = T d, shape ((n + k) N, m N), for u = -K x from x[0] = 0.

    z[t] = (Q^1/2 x[t+1], R^1/2 u[t]), so |z|^2 is the sum of C.

    Args:
        system: in which d acts.
        gain: K, shape (k, n).
        steps: N.
    """
    closed, weight = system.closed(gain)
    n, m = system.e.shape
    rows = len(weight)
    powers = [system.e]
    for _ in range(steps - 1):
        powers.append(closed @ powers[-1])
    pieces = [
        weight @ np.vstack((now, before))
        for now, before in zip(powers, [np.zeros((n, m)), *powers[:-1]], strict=True)
    ]
    whole = np.zeros((steps, rows, steps, m))
    for lag, piece in enumerate(pieces[:steps]):
        for t in range(lag, steps):
            whole[t, :, t - lag, :] = piece
    return whole.reshape(steps * rows, steps * m)


def worst_case(system: LinearSystem, gain: Array, steps: int) -> tuple[float, Array]:
    """Return the largest sum C / sum |d|^2 over N steps from rest, and the disturbance of norm 1 that has it.

    Args:
        system: in which d acts.
        gain: K of u = -K x, shape (k, n).
        steps: N.

    Returns:
        The gain, and d of shape (N, m).
    """
    _, values, right = np.linalg.svd(response(system, gain, steps), full_matrices=False)
    return float(values[0] ** 2), right[0].reshape(steps, -1)


def hinf_gain(system: LinearSystem, gain: Array, tolerance: float = 1e-9) -> float:
    """Return the largest sum C / sum |d|^2 over all time from rest: the square of the H-infinity norm of d to z.

    Args:
        system: in which d acts.
        gain: K of u = -K x, shape (k, n).
        tolerance: relative, of the norm.

    Raises:
        ConfigError: the closed loop is not stable, so no bound exists.
    """
    closed, weight = system.closed(gain)
    if (radius := np.abs(np.linalg.eigvals(closed)).max()) >= 1.0:
        raise ConfigError(
            f"{system.name}: closed loop with spectral radius {radius:.4f}; a gain exists below 1 only"
        )
    n = len(closed)
    # z[t] = H x[t] + J d[t]: x[t+1] is written as A x + E d
    h = weight[:, :n] @ closed + weight[:, n:]
    j = weight[:, :n] @ system.e
    sweep = [_level(closed, system.e, h, j, np.exp(1j * w)) for w in np.linspace(0.0, np.pi, 721)]
    low = max(sweep)
    high = 2.0 * low
    while _exceeds(closed, system.e, h, j, high):
        low, high = high, 2.0 * high
    while high - low > tolerance * high:
        middle = 0.5 * (low + high)
        if _exceeds(closed, system.e, h, j, middle):
            low = middle
        else:
            high = middle
    return high**2


def _level(a: Array, e: Array, h: Array, j: Array, z: complex) -> float:
    return float(np.linalg.norm(h @ np.linalg.solve(z * np.eye(len(a)) - a, e) + j, 2))


def _exceeds(a: Array, e: Array, h: Array, j: Array, level: float) -> bool:
    """Whether the transfer function reaches `level` somewhere on the circle."""
    n, m = e.shape
    r = level**2 * np.eye(m) - j.T @ j
    if np.linalg.eigvalsh(r).min() <= 0.0:
        return True
    drift = a + e @ np.linalg.solve(r, j.T @ h)
    left = np.block(
        [[drift, np.zeros((n, n))], [-h.T @ (np.eye(len(h)) + j @ np.linalg.solve(r, j.T)) @ h, np.eye(n)]]
    )
    right = np.block([[np.eye(n), -e @ np.linalg.solve(r, e.T)], [np.zeros((n, n)), drift.T]])
    found = eigvals(left, right)
    return bool((np.abs(np.abs(found[np.isfinite(found)]) - 1.0) < 1e-7).any())
