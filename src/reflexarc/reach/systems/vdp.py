# SPDX-License-Identifier: Apache-2.0
r"""Van der Pol oscillator: x1' = x2, x2' = mu (1 - x1^2) x2 - x1, mu = 1.

div f = mu (1 - x1^2). Box, step and horizon of Meng et al., CoRL 2021, arXiv 2109.06728.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from reflexarc.reach.system import ClosedLoop
from reflexarc.robots.systems.system import Coordinate

MU = 1.0


def _field(x: Any, t: Any, p: Any) -> Any:
    return jnp.stack([x[1], MU * (1.0 - x[0] ** 2) * x[1] - x[0]])


def _divergence(x: Any, t: Any, p: Any) -> Any:
    return MU * (1.0 - x[0] ** 2)


def system() -> ClosedLoop:
    """Return the Van der Pol oscillator."""
    return ClosedLoop(
        name="vdp",
        source="Meng et al., CoRL 2021, arXiv 2109.06728",
        state=(Coordinate("x1", "1"), Coordinate("x2", "1")),
        field=_field,
        low=np.full(2, -2.5),
        high=np.full(2, 2.5),
        dt=0.05,
        steps=50,
        substeps=2,
        divergence=_divergence,
    )
