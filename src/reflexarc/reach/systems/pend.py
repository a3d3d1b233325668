# SPDX-License-Identifier: Apache-2.0
r"""Inverted pendulum under a linear controller whose strength is uncertain.

    theta' = omega,  omega' = (m g L sin(theta) - b omega + u) / (m L^2),  u = (K1 theta + K2 omega) e^{kappa1},
    kappa1' = kappa2' = 0,   div f = (K2 e^{kappa1} - b) / (m L^2), constant along a trajectory

Numbers, box, step and horizon of Meng et al., CoRL 2021, arXiv 2109.06728. Its published code moves with e^{kappa1} but
takes the divergence with e^{kappa2}, so its density is not that of its trajectories; here both have e^{kappa1} and
kappa2 has no influence.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from reflexarc.reach.system import ClosedLoop
from reflexarc.robots.systems.system import Coordinate

GRAVITY = 9.81
"""[m/s^2]"""
LENGTH = 0.5
"""[m]"""
MASS = 0.15
"""[kg]"""
DAMPING = 0.0
"""b [N m s/rad]"""
K = (-23.58639732 / 50.0, -5.31421063 / 50.0)
"""[N m/rad], [N m s/rad]"""
INERTIA = MASS * LENGTH**2
"""[kg m^2]"""


def _field(x: Any, t: Any, p: Any) -> Any:
    theta, omega, kappa, _ = x
    torque = (K[0] * theta + K[1] * omega) * jnp.exp(kappa)
    turn = (MASS * GRAVITY * LENGTH * jnp.sin(theta) - DAMPING * omega + torque) / INERTIA
    return jnp.stack([omega, turn, jnp.zeros_like(turn), jnp.zeros_like(turn)])


def _divergence(x: Any, t: Any, p: Any) -> Any:
    return (K[1] * jnp.exp(x[2]) - DAMPING) / INERTIA


def system() -> ClosedLoop:
    """Return the pendulum; its divergence is the corrected one."""
    return ClosedLoop(
        name="pend",
        source="Meng et al., CoRL 2021, arXiv 2109.06728, divergence corrected",
        state=(
            Coordinate("theta", "rad"),
            Coordinate("omega", "rad/s"),
            Coordinate("kappa1", "1"),
            Coordinate("kappa2", "1"),
        ),
        field=_field,
        low=np.array([-2.1, -5.5, -2.0, -2.0]),
        high=np.array([2.1, 5.5, 2.0, 2.0]),
        dt=0.02,
        steps=50,
        substeps=4,
        divergence=_divergence,
    )
