# SPDX-License-Identifier: Apache-2.0
r"""Double integrator under a saturated network: x' = A x + B u(x), u = clip(NN(x), -1, 1).

    A = [[0, 1], [0, 0]],  B = (0.5, 1),  div f = B . du/dx

The network has the published shape 2-10-5-1; its weights are ours and imitate `law`, so figures are not the published
ones. Box, step and horizon of Meng et al., CoRL 2021, arXiv 2109.06728, whose code takes one Euler step per second:
that map, with its exact density factor, is `discrete`.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems.networks import Layers, controller_path, load_controller, mlp
from reflexarc.robots.systems.system import Coordinate

WIDTHS = (2, 10, 5, 1)
INPUT = (0.5, 1.0)
"""B."""
LQR = (1.0, 1.3027756)
"""Gain of u = -K x for unit weights on states and input: K solves the Riccati equation of A and B."""
LIMIT = 1.0
"""Bound of |u|. [m/s^2]"""


def law(x: Any) -> Any:
    """Return the saturated LQR law that the network imitates, (2,) -> (1,)."""
    return jnp.clip(-(LQR[0] * x[:1] + LQR[1] * x[1:]), -LIMIT, LIMIT)


def system(layers: Layers | None = None) -> ClosedLoop:
    """Return the double integrator.

    Args:
        layers: of the controller; None reads the committed one.

    Raises:
        ModelError: the committed controller is missing or another.
    """
    layers = load_controller(controller_path("dint"), WIDTHS) if layers is None else layers

    def control(x: Any) -> Any:
        return jnp.clip(mlp(layers, x)[0], -LIMIT, LIMIT)

    def field(x: Any, t: Any, p: Any) -> Any:
        u = control(x)
        return jnp.stack([x[1] + INPUT[0] * u, INPUT[1] * u])

    def divergence(x: Any, t: Any, p: Any) -> Any:
        return jax.jvp(control, (x,), (jnp.asarray(INPUT, x.dtype),))[1]

    return ClosedLoop(
        name="dint",
        source="Meng et al., CoRL 2021, arXiv 2109.06728; controller trained here",
        state=(Coordinate("x", "m"), Coordinate("v", "m/s")),
        field=field,
        low=np.array([-0.5, -1.0]),
        high=np.array([4.0, 1.0]),
        dt=1.0,
        steps=10,
        substeps=40,
        divergence=divergence,
    )


def discrete(layers: Layers | None = None) -> ClosedLoop:
    """Return the map x+ = x + A x + B u(x), the exact double integrator with u held for 1 s.

    Arguments and errors as for `system`.
    """
    flow = system(layers)
    return replace(
        flow,
        name="dint_discrete",
        field=lambda x, k, p: x + flow.dt * flow.field(x, k, p),
        substeps=1,
        kind="map",
        divergence=None,
    )
