# SPDX-License-Identifier: Apache-2.0
"""Autonomous driving: tracking errors (xe, ye, theta_e) and an uncertain drift gain a of a car on a reference.

The equations stand in `reflexarc.reach.systems.tracking`; parameters p are a `Reference`. Gains, drift and box are
those of the FACTEST car of Meng et al. (CoRL 2021, arXiv 2109.06728; NFM 2022, arXiv 2209.08073); the horizon of 3 s is
ours.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from reflexarc.core.types import Array
from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems.tracking import Gains, Reference, check_gains, plane_divergence, plane_errors
from reflexarc.robots.systems.system import Coordinate

GAINS = Gains(along=0.5, across=0.5, heading=1.0)
STATE = (
    Coordinate("xe", "m"),
    Coordinate("ye", "m"),
    Coordinate("theta_e", "rad"),
    Coordinate("a", "1/s"),
)
STRAIGHT = Reference(time=np.zeros(1), speed=np.ones(1), turn_rate=np.zeros(1))
"""1 m/s straight on."""


def system(
    gains: Gains = GAINS,
    low: Array | tuple[float, ...] = (-1.1, -1.1, -0.1, 0.0),
    high: Array | tuple[float, ...] = (1.1, 1.1, 0.1, 0.5),
    dt: float = 0.1,
    steps: int = 30,
    reference: Reference = STRAIGHT,
    name: str = "driving",
) -> ClosedLoop:
    """Return the tracking errors of a car.

    Args:
        gains: of its controller.
        low: lower corner of (xe, ye, theta_e, a) at the start [m, m, rad, 1/s].
        high: upper corner.
        dt: time between outputs [s].
        steps: outputs of the horizon.
        reference: where a call passes none.
        name: of the system.

    Raises:
        ConfigError: a gain that is not positive, or a box that is none.
    """
    check_gains(gains)

    def field(x: Any, t: Any, p: Reference) -> Any:
        speed, turn_rate, _ = p.at(jnp.asarray(t, x.dtype))
        return jnp.stack([*plane_errors(x[:3], x[3], speed, turn_rate, gains), jnp.zeros_like(x[3])])

    def divergence(x: Any, t: Any, p: Reference) -> Any:
        return plane_divergence(x[:3], x[3], p.at(jnp.asarray(t, x.dtype))[0], gains)

    return ClosedLoop(
        name=name,
        source="Meng et al., NFM 2022, arXiv 2209.08073; errors and controller of FACTEST (Fan et al. 2020)",
        state=STATE,
        field=field,
        low=np.asarray(low),
        high=np.asarray(high),
        dt=dt,
        steps=steps,
        substeps=2,
        parameters=reference,
        divergence=divergence,
    )
