# SPDX-License-Identifier: Apache-2.0
r"""Platoon of eight cars under one network, in deviations from the wanted formation, with an uncertain gap drift p.

    x0' = u0;  gaps x_{2i-1}' = x_{2i} + p;  relative speeds x_{2i}' = u_{i-1} - u_i, i = 1..7;  p' = 0
    u = 10 tanh(NN(x_0..x_14)),  div f = du0/dx0 + sum_i (du_{i-1} - du_i)/dx_{2i}

x0 is the leader's speed. The network has the published shape 15-400-300-200-8; the published one has a batch
normalisation before each further layer, which is affine and here part of that layer. Its weights are ours and imitate
`law`, so figures are not the published ones. Box, step and horizon of Meng et al., CoRL 2021, arXiv 2109.06728.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems.networks import Layers, controller_path, load_controller, mlp
from reflexarc.robots.systems.system import Coordinate

WIDTHS = (15, 400, 300, 200, 8)
CARS = 8
LIMIT = 10.0
"""Bound of |u|. [m/s^2]"""
LEADER = 1.0
"""The leader's gain on its speed: LQR of x' = u with unit weights. [1/s]"""
FOLLOWER = (1.0, math.sqrt(3.0))
"""A follower's gains on gap and relative speed: LQR of the double integrator with unit weights. [1/s^2], [1/s]"""


def law(x: Any) -> Any:
    """Return the law that the network imitates, (15,) -> (8,): each follower sees only the car before it."""
    followers = FOLLOWER[0] * x[1::2] + FOLLOWER[1] * x[2::2]
    return LIMIT * jnp.tanh(jnp.concatenate([-LEADER * x[:1], followers]) / LIMIT)


def system(layers: Layers | None = None) -> ClosedLoop:
    """Return the platoon.

    Args:
        layers: of the controller; None reads the committed one.

    Raises:
        ModelError: the committed controller is missing or another.
    """
    layers = load_controller(controller_path("toon"), WIDTHS) if layers is None else layers

    def speed_rates(x: Any) -> Any:
        """Rates of x0, x2, .., x14, shape (8,)."""
        u = LIMIT * jnp.tanh(mlp(layers, x[:15]))
        return jnp.concatenate([u[:1], u[:-1] - u[1:]])

    def field(x: Any, t: Any, p: Any) -> Any:
        rates = speed_rates(x)
        gaps = x[2:15:2] + x[15]
        followers = jnp.stack([gaps, rates[1:]], axis=1).reshape(-1)
        return jnp.concatenate([rates[:1], followers, jnp.zeros_like(x[15:])])

    def divergence(x: Any, t: Any, p: Any) -> Any:
        axes = jnp.eye(16, dtype=x.dtype)[:15:2]
        slopes = jax.vmap(lambda axis: jax.jvp(speed_rates, (x,), (axis,))[1])(axes)
        return jnp.trace(slopes)

    pairs = range(1, CARS)
    return ClosedLoop(
        name="toon",
        source="Meng et al., CoRL 2021, arXiv 2109.06728; controller trained here",
        state=(
            Coordinate("v0", "m/s"),
            *(c for i in pairs for c in (Coordinate(f"gap{i}", "m"), Coordinate(f"dv{i}", "m/s"))),
            Coordinate("p", "m/s"),
        ),
        field=field,
        low=np.array([-0.1] * 15 + [-0.01]),
        high=np.array([0.1] * 15 + [0.01]),
        dt=0.15,
        steps=50,
        substeps=2,
        divergence=divergence,
    )
