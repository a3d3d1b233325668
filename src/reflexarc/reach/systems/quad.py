# SPDX-License-Identifier: Apache-2.0
r"""Quadrotor in hover coordinates under a network: p' = v, v' = (g u1, -g u2, u3 - g), g = 9.8 m/s^2.

    u = NN(p, v): tangents of pitch and roll, thrust per mass;  div f = g du1/dvx - g du2/dvy + du3/dvz

The network has the published shape 6-32-32-3; its weights are ours and imitate `law`, which flies to the origin, so
figures are not the published ones. Box, step and horizon of Meng et al., CoRL 2021, arXiv 2109.06728.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems.networks import Layers, controller_path, load_controller, mlp
from reflexarc.robots.systems.system import Coordinate

WIDTHS = (6, 32, 32, 3)
GRAVITY = 9.8
"""[m/s^2]"""
TILT = math.pi / 9.0
"""Bound of |u1|, |u2|."""
THRUST = 2.0 * GRAVITY
"""Upper bound of u3; the lower one is 0. [m/s^2]"""
WEIGHTS = (0.2, 0.1)
"""LQR weights of position and velocity per axis for unit weight on the acceleration."""
STIFFNESS = math.sqrt(WEIGHTS[0])
"""LQR gain of the position error per axis. [1/s^2]"""
DAMPING = math.sqrt(WEIGHTS[1] + 2.0 * STIFFNESS)
"""LQR gain of the velocity per axis. [1/s]"""


def law(x: Any) -> Any:
    """Return the clipped LQR law that the network imitates, (6,) -> (3,)."""
    wanted = -(STIFFNESS * x[:3] + DAMPING * x[3:])
    tilt = jnp.clip(jnp.stack([wanted[0], -wanted[1]]) / GRAVITY, -TILT, TILT)
    return jnp.concatenate([tilt, jnp.clip(wanted[2:] + GRAVITY, 0.0, THRUST)])


def system(layers: Layers | None = None) -> ClosedLoop:
    """Return the quadrotor.

    Args:
        layers: of the controller; None reads the committed one.

    Raises:
        ModelError: the committed controller is missing or another.
    """
    layers = load_controller(controller_path("quad"), WIDTHS) if layers is None else layers

    def acceleration(x: Any) -> Any:
        u = mlp(layers, x)
        return jnp.stack([GRAVITY * u[0], -GRAVITY * u[1], u[2] - GRAVITY])

    def field(x: Any, t: Any, p: Any) -> Any:
        return jnp.concatenate([x[3:], acceleration(x)])

    def divergence(x: Any, t: Any, p: Any) -> Any:
        axes = jnp.eye(6, dtype=x.dtype)[3:]
        slopes = jax.vmap(lambda axis: jax.jvp(acceleration, (x,), (axis,))[1])(axes)
        return jnp.trace(slopes)

    return ClosedLoop(
        name="quad",
        source="Meng et al., CoRL 2021, arXiv 2109.06728; controller trained here",
        state=(
            *(Coordinate(axis, "m") for axis in ("px", "py", "pz")),
            *(Coordinate(axis, "m/s") for axis in ("vx", "vy", "vz")),
        ),
        field=field,
        low=np.array([4.65, 4.65, 2.95, 0.94, -0.05, -0.5]),
        high=np.array([4.75, 4.75, 3.05, 0.96, 0.05, 0.5]),
        dt=0.1,
        steps=12,
        substeps=4,
        divergence=divergence,
    )
