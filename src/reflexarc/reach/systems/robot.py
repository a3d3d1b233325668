# SPDX-License-Identifier: Apache-2.0
r"""Ground robot driven to the origin by a network: x' = v cos(theta), y' = v sin(theta), theta' = u1, v' = u2.

    u = 4 tanh(NN(x, y, theta, v)),  div f = du1/dtheta + du2/dv

The network has the published shape 4-32-32-2; its weights are ours and imitate `law`, so figures are not the published
ones. Box, step and horizon of Meng et al., CoRL 2021, arXiv 2109.06728.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems.networks import Layers, controller_path, load_controller, mlp
from reflexarc.robots.systems.system import Coordinate

WIDTHS = (4, 32, 32, 2)
LIMIT = 4.0
"""Bound of |u|. [rad/s, m/s^2]"""
TURN = 3.0
"""Turn rate per sine of the angle to the origin. [rad/s]"""
APPROACH = 1.0
"""Wanted speed per metre to go. [1/s]"""
SPEED_GAIN = 2.0
"""[1/s]"""
NEAR = 0.2
"""Distance below which the direction to the origin loses its weight. [m]"""


def law(x: Any) -> Any:
    """Return the law that the network imitates, (4,) -> (2,): turn to the origin, slow down on the way."""
    cos, sin = jnp.cos(x[2]), jnp.sin(x[2])
    ahead = -(x[0] * cos + x[1] * sin)
    aside = x[0] * sin - x[1] * cos
    distance = jnp.sqrt(x[0] ** 2 + x[1] ** 2 + NEAR**2)
    u = jnp.stack([TURN * aside / distance, SPEED_GAIN * (APPROACH * ahead - x[3])])
    return LIMIT * jnp.tanh(u / LIMIT)


def system(layers: Layers | None = None) -> ClosedLoop:
    """Return the robot.

    Args:
        layers: of the controller; None reads the committed one.

    Raises:
        ModelError: the committed controller is missing or another.
    """
    layers = load_controller(controller_path("robot"), WIDTHS) if layers is None else layers

    def control(x: Any) -> Any:
        return LIMIT * jnp.tanh(mlp(layers, x))

    def field(x: Any, t: Any, p: Any) -> Any:
        u = control(x)
        return jnp.stack([x[3] * jnp.cos(x[2]), x[3] * jnp.sin(x[2]), u[0], u[1]])

    def divergence(x: Any, t: Any, p: Any) -> Any:
        axes = jnp.eye(4, dtype=x.dtype)[2:]
        slopes = jax.vmap(lambda axis: jax.jvp(control, (x,), (axis,))[1])(axes)  # (2 axes, 2 inputs)
        return jnp.trace(slopes)

    return ClosedLoop(
        name="robot",
        source="Meng et al., CoRL 2021, arXiv 2109.06728; controller trained here",
        state=(
            Coordinate("x", "m"),
            Coordinate("y", "m"),
            Coordinate("theta", "rad"),
            Coordinate("v", "m/s"),
        ),
        field=field,
        low=np.array([-1.8, -1.8, 0.0, 1.0]),
        high=np.array([-1.2, -1.2, 1.57, 1.5]),
        dt=0.05,
        steps=50,
        substeps=4,
        divergence=divergence,
    )
