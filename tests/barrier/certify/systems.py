# SPDX-License-Identifier: Apache-2.0
"""Small systems of the certificate tests, with known answers."""

import jax.numpy as jnp
import numpy as np

from reflexarc.robots.systems.system import Ball, Box, Coordinate, System


def double_integrator(extra_states: int = 0) -> System:
    """x'' = u, |u| <= 1, failure x > 0; V* = -x - max(v, 0)^2 / 2."""
    n = 2 + extra_states
    return System(
        name="double_integrator_test",
        source="exact solution",
        state=tuple(Coordinate(f"x{i}", "m") for i in range(n)),
        input=(Coordinate("u", "m/s^2"),),
        f=lambda x: jnp.concatenate([x[1:2], jnp.zeros(n - 1)]),
        g=lambda x: jnp.zeros((n, 1)).at[1, 0].set(1.0),
        inputs=Box(np.array([-1.0]), np.array([1.0])),
        margin=lambda x: -x[0],
        nominal=lambda x: jnp.ones(1),
        reward=lambda x: x[0],
        low=np.array([-2.0, -1.5] + [-1.0] * extra_states),
        high=np.array([1.0, 1.5] + [1.0] * extra_states),
        period=0.01,
        steps=150,
    )


def turning_car() -> System:
    """Unit speed, bounded turn rate, a disk in the middle."""
    return System(
        name="turning_car_test",
        source="Dubins car",
        state=(Coordinate("x", "m"), Coordinate("y", "m"), Coordinate("theta", "rad")),
        input=(Coordinate("w", "rad/s"),),
        f=lambda x: jnp.stack([jnp.cos(x[2]), jnp.sin(x[2]), 0.0 * x[2]]),
        g=lambda x: jnp.array([[0.0], [0.0], [1.0]]),
        inputs=Ball(2.0, 1),
        margin=lambda x: jnp.hypot(x[0], x[1]) - 0.5,
        nominal=lambda x: jnp.zeros(1),
        reward=lambda x: 0.0 * x[0],
        low=np.array([-1.5, -1.5, -np.pi]),
        high=np.array([1.5, 1.5, np.pi]),
        period=0.02,
        steps=100,
        periodic=(2,),
    )
