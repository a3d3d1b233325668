# SPDX-License-Identifier: Apache-2.0
r"""Kraichnan-Orszag three-mode problem: x1' = x1 x3, x2' = -x2 x3, x3' = -x1^2 + x2^2.

div f = 0, so the density is constant along trajectories; x1 x2 and x1^2 + x2^2 + x3^2 are invariants. Box, step and
horizon of Meng et al., CoRL 2021, arXiv 2109.06728; its Gaussian option is `GAUSSIAN`.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from reflexarc.reach.system import ClosedLoop
from reflexarc.robots.systems.system import Coordinate

GAUSSIAN = ((1.0, 0.0, 0.0), (0.0625, 0.25, 0.25))
"""Mean and variances of the source's other initial density."""


def _field(x: Any, t: Any, p: Any) -> Any:
    return jnp.stack([x[0] * x[2], -x[1] * x[2], x[1] ** 2 - x[0] ** 2])


def _divergence(x: Any, t: Any, p: Any) -> Any:
    return jnp.zeros_like(x[0])


def system() -> ClosedLoop:
    """Return the Kraichnan-Orszag problem."""
    return ClosedLoop(
        name="kop",
        source="Meng et al., CoRL 2021, arXiv 2109.06728; Kraichnan 1963, Orszag 1967",
        state=(Coordinate("x1", "1"), Coordinate("x2", "1"), Coordinate("x3", "1")),
        field=_field,
        low=np.array([0.0, -2.0, -2.0]),
        high=np.array([2.0, 2.0, 2.0]),
        dt=0.125,
        steps=80,
        substeps=8,
        divergence=_divergence,
    )
