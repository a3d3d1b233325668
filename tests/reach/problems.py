# SPDX-License-Identifier: Apache-2.0
"""Small systems with known answers, written here and nowhere else."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from reflexarc.reach.system import ClosedLoop
from reflexarc.robots.systems.system import Coordinate


def loop(field: Any, low: Any, high: Any, dt: float, steps: int, **rest: Any) -> ClosedLoop:
    state = tuple(Coordinate(f"x{i}", "1") for i in range(len(low)))
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    return ClosedLoop("test", "this file", state, field, low, high, dt, steps, **rest)


def linear(a: Any, low: Any, high: Any, dt: float, steps: int, **rest: Any) -> ClosedLoop:
    a = np.asarray(a, dtype=float)
    return loop(lambda x, t, p: jnp.asarray(a, x.dtype) @ x, low, high, dt, steps, **rest)


def van_der_pol(dt: float = 0.05, steps: int = 50, **rest: Any) -> ClosedLoop:
    def field(x: Any, t: Any, p: Any) -> Any:
        return jnp.stack([x[1], (1.0 - x[0] ** 2) * x[1] - x[0]])

    return loop(field, [-2.5, -2.5], [2.5, 2.5], dt, steps, **{"substeps": 4, **rest})


def cubic(**rest: Any) -> ClosedLoop:
    return loop(lambda x, t, p: -(x**3), [-2.0], [2.0], 0.05, 20, **{"substeps": 4, **rest})


def riccati(**rest: Any) -> ClosedLoop:
    return loop(lambda x, t, p: x**2, [-2.0], [0.8], 0.05, 20, **{"substeps": 8, **rest})


K1, K2, ML2 = -23.58639732 / 50.0, -5.31421063 / 50.0, 0.15 * 0.5**2
"""Feedback of the pendulum and its m L^2 [kg m^2]."""


def pendulum(**rest: Any) -> ClosedLoop:
    """State: angle, rate, two logarithmic gains of which only the first acts."""

    def field(x: Any, t: Any, p: Any) -> Any:
        torque = 0.15 * 9.81 * 0.5 * jnp.sin(x[0]) + (K1 * x[0] + K2 * x[1]) * jnp.exp(x[2])
        return jnp.stack([x[1], torque / ML2, 0.0 * x[2], 0.0 * x[3]])

    return loop(field, [-2.1, -5.5, -2, -2], [2.1, 5.5, 2, 2], 0.02, 50, **{"substeps": 2, **rest})
