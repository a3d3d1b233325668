# SPDX-License-Identifier: Apache-2.0
r"""Hovercraft: tracking errors (xe, ye, theta_e, ze) and two uncertain drift gains of a craft on a reference.

In the plane the equations of `reflexarc.reach.systems.tracking`; in height, with ze = z_ref - z:

    plant z' = v_z - a_z (z_ref - z),  controller v_z = v_z,ref + k_p ze,  error ze' = -k_p ze + a_z ze

Plant and gains are the hovercraft of FACTEST (Fan et al. 2020), which the case study of Meng et al. (NFM 2022, arXiv
2209.08073) builds on; the drift in height, the box and the horizon are ours.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from reflexarc.core.types import Array
from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems.driving import STRAIGHT
from reflexarc.reach.systems.tracking import Gains, Reference, check_gains, plane_divergence, plane_errors
from reflexarc.robots.systems.system import Coordinate

GAINS = Gains(along=2.0, across=2.0, heading=1.0, height=1.0)
STATE = (
    Coordinate("xe", "m"),
    Coordinate("ye", "m"),
    Coordinate("theta_e", "rad"),
    Coordinate("ze", "m"),
    Coordinate("a", "1/s"),
    Coordinate("a_z", "1/s"),
)


def system(
    gains: Gains = GAINS,
    low: Array | tuple[float, ...] = (-0.5, -0.5, -0.1, -0.5, 0.0, 0.0),
    high: Array | tuple[float, ...] = (0.5, 0.5, 0.1, 0.5, 0.5, 0.5),
    dt: float = 0.1,
    steps: int = 30,
    reference: Reference = STRAIGHT,
) -> ClosedLoop:
    """Return the tracking errors of a hovercraft.

    The errors do not depend on the climb rate of the reference, only positions do (`tracking.poses`).

    Args:
        gains: of its controller.
        low: lower corner of (xe, ye, theta_e, ze, a, a_z) at the start [m, m, rad, m, 1/s, 1/s].
        high: upper corner.
        dt: time between outputs [s].
        steps: outputs of the horizon.
        reference: where a call passes none.

    Raises:
        ConfigError: a gain that is not positive, or a box that is none.
    """
    check_gains(gains)

    def field(x: Any, t: Any, p: Reference) -> Any:
        speed, turn_rate, _ = p.at(jnp.asarray(t, x.dtype))
        zero = jnp.zeros_like(x[4])
        plane = plane_errors(x[:3], x[4], speed, turn_rate, gains)
        return jnp.stack([*plane, (x[5] - gains.height) * x[3], zero, zero])

    def divergence(x: Any, t: Any, p: Reference) -> Any:
        return plane_divergence(x[:3], x[4], p.at(jnp.asarray(t, x.dtype))[0], gains) + x[5] - gains.height

    return ClosedLoop(
        name="hovercraft",
        source="hovercraft of FACTEST (Fan et al. 2020); Meng et al., NFM 2022, arXiv 2209.08073",
        state=STATE,
        field=field,
        low=np.asarray(low),
        high=np.asarray(high),
        dt=dt,
        steps=steps,
        substeps=4,
        parameters=reference,
        divergence=divergence,
    )
