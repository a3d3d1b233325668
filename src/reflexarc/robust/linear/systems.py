# SPDX-License-Identifier: Apache-2.0
r"""Linear time-invariant systems with a disturbance, sampled:

    x[t+1] = A x[t] + B u[t] + E d[t],      C[t] = x[t+1]' Q x[t+1] + u[t]' R u[t]

C is the cost that a disturbance is to be bounded against. All are sampled exactly, u and d held over a period.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm, solve_discrete_are

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.types import Array


@dataclass(frozen=True)
class LinearSystem:
    """One system."""

    name: str
    dt: float
    """Period. [s]"""
    a: Array
    """A, shape (n, n)."""
    b: Array
    """B, shape (n, k)."""
    e: Array
    """E, shape (n, m)."""
    q: Array
    """Q, shape (n, n), positive semidefinite."""
    r: Array
    """R, shape (k, k), positive definite."""

    def closed(self, gain: Array) -> tuple[Array, Array]:
        """Return A - B K and W with C[t] = |W [x[t+1]; x[t]]|^2 for u = -K x.

        Args:
            gain: K, shape (k, n).

        Returns:
            Shapes (n, n) and (n + k, 2 n).
        """
        n, k = self.b.shape
        weight = np.zeros((n + k, 2 * n))
        weight[:n, :n] = root(self.q)
        weight[n:, n:] = -root(self.r) @ gain
        return self.a - self.b @ gain, weight

    def lqr(self) -> Array:
        """Return the gain K of the linear-quadratic regulator without a disturbance, shape (k, n)."""
        p = solve_discrete_are(self.a, self.b, self.q, self.r)
        return np.linalg.solve(self.r + self.b.T @ p @ self.b, self.b.T @ p @ self.a)


def root(matrix: Array) -> Array:
    """Return the symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def sampled(a: Array, b: Array, e: Array, dt: float) -> tuple[Array, Array, Array]:
    """Return A, B, E of dx/dt = a x + b u + e d with u and d held over dt [s]."""
    n, k, m = len(a), b.shape[1], e.shape[1]
    whole = np.zeros((n + k + m, n + k + m))
    whole[:n, :n], whole[:n, n : n + k], whole[:n, n + k :] = a, b, e
    held: Array = np.asarray(expm(whole * dt), dtype=float)
    return held[:n, :n], held[:n, n : n + k], held[:n, n + k :]


def mass_spring_damper(dt: float = 0.1) -> LinearSystem:
    """1 kg on a spring of 4 N/m with 0.4 N s/m (damping ratio 0.1); forces of actuator and disturbance on the mass."""
    a = np.array([[0.0, 1.0], [-4.0, -0.4]])
    force = np.array([[0.0], [1.0]])
    return LinearSystem(
        "mass_spring_damper", dt, *sampled(a, force, force, dt), np.diag([1.0, 0.1]), np.eye(1) * 0.1
    )


def double_integrator(dt: float = 0.1) -> LinearSystem:
    """1 kg that slides without friction."""
    a = np.array([[0.0, 1.0], [0.0, 0.0]])
    force = np.array([[0.0], [1.0]])
    return LinearSystem(
        "double_integrator", dt, *sampled(a, force, force, dt), np.diag([1.0, 0.1]), np.eye(1) * 0.1
    )


def cart_pole(dt: float = 0.05) -> LinearSystem:
    """Cart of 1 kg with a pole of 0.1 kg and half length 0.5 m, linearised upright; the disturbance pushes the cart.

    x = (place, angle, speed, rate). Barto, Sutton & Anderson 1983, the classical numbers; a rod about its centre.
    """
    cart, pole, half, g = 1.0, 0.1, 0.5, 9.81
    total = cart + pole
    length = half * (4.0 / 3.0 - pole / total)
    a = np.zeros((4, 4))
    a[0, 2] = a[1, 3] = 1.0
    a[3, 1] = g / length
    a[2, 1] = -pole * half * a[3, 1] / total
    force = np.zeros((4, 1))
    force[3, 0] = -1.0 / (total * length)
    force[2, 0] = 1.0 / total - pole * half * force[3, 0] / total
    return LinearSystem(
        "cart_pole", dt, *sampled(a, force, force, dt), np.diag([1.0, 10.0, 0.1, 0.1]), np.eye(1) * 0.1
    )


SYSTEMS = {make.__name__: make for make in (mass_spring_damper, double_integrator, cart_pole)}
"""By name."""


def system(name: str) -> LinearSystem:
    """Return the system `name`.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in SYSTEMS:
        raise UnknownNameError("linear system", name, SYSTEMS, "reflexarc.robust.linear")
    return SYSTEMS[name]()
