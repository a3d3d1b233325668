# SPDX-License-Identifier: Apache-2.0
r"""F-16 ground-collision avoidance: the aircraft of `f16`, an LQR flight controller and a recovery autopilot.

State: the 13 of the aircraft and the controller's three error integrators, so n = 16 (the density study lists 13):

    iz' = Nz - Nz_ref,  ip' = ps - ps_ref,  iy' = Ny + r,  ps = p cos(alpha - alpha_trim) + r sin(alpha - alpha_trim)
    (elevator, aileron, rudder) = trim - K (alpha, q, iz, beta, p, r, ip, iy deviations), clipped; throttle at trim

    standby   path angle theta - alpha > 0                Nz_ref = 0,   ps_ref = 0
    pull      else, |phi| < 5 deg and |p| < 10 deg/s      Nz_ref = 5 g, ps_ref = 0
    roll      else                                        Nz_ref = 0,   ps_ref = -4 phi - 2 p

Controller, gains and autopilot: Heidlauf, Collins, Bolender, Bak, Verification challenges in F-16 ground collision
avoidance and other automated maneuvers, ARCH 2018. Their autopilot starts in roll mode, remembers its mode, revises it
30 times a second and pulls for 2 s at least. Here the mode is a function of the state and one mode fades into the next
over `FADE`, so that the closed loop is a vector field that an integrator follows with full order. The minimum of 2 s
never acts from the box below: the nose comes up after 2.2 s at the earliest.

The aerodynamics are the book's tables. The density study of Meng et al. (CoRL 2021, arXiv 2109.06728) ran Morelli's
polynomial fit with the tables' damping added a second time, and summed ln(1 - dt div f) over Euler steps and 13 of the
16 states; figures for this system are therefore not its figures.

Units are ft, s, rad, g and percent of power. Box, step and horizon of Meng et al.; the integrators start within +-0.01,
as the study's configuration lists.
"""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid

from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems import f16
from reflexarc.robots.systems.system import Coordinate

TRIM_ALPHA = 0.0389
"""Angle of attack at the trim of 502 ft/s and 1000 ft, wings level; other deviations are from zero. [rad]"""
TRIM = (0.1395, -0.7496, 0.0, 0.0)
"""Throttle 0..1, elevator, aileron, rudder there. [deg]"""
K_LONG = (-156.8801506723475, -31.037008068526642, -38.72983346216317)
"""Elevator per alpha, q, iz. [deg/rad], [deg s/rad], [deg/(g s)]"""
K_LAT = (
    (37.84483, -25.40956, -6.82876, -332.88343, -17.15997),
    (-23.91233, 5.69968, -21.63431, 64.49490, -88.36203),
)
"""Aileron and rudder per beta, p, r, ip, iy. [deg/rad], [deg s/rad] twice, [deg/rad], [deg/(g s)]"""
SURFACES = (25.0, 21.5, 30.0)
"""Bounds of elevator, aileron and rudder. [deg]"""
LEVEL = (math.radians(5.0), math.radians(10.0))
"""Roll angle and roll rate below which the autopilot pulls. [rad], [rad/s]"""
PULL = 5.0
"""Load factor above 1 g of the recovery. [g]"""
FADE = (0.001, 0.002, 0.001)
"""Scale of the logistic step at the limits of roll angle, roll rate and path angle; the original's 1/30 s between two
looks is a roll of about 0.005 rad. [rad], [rad/s], [rad]"""
ROLL_GAINS = (4.0, 2.0)
"""Roll-rate reference per roll angle and roll rate. [1/s], [1]"""


def references(x: Any) -> tuple[Any, Any]:
    """Return the autopilot's references: load factor above 1 g [g] and stability roll rate [rad/s].

    Args:
        x: state, (>= 13,).
    """
    alpha, phi, theta, p = x[1], x[3], x[4], x[6]
    roll, path = _nearest(phi), _nearest(theta - alpha)
    level = sigmoid((LEVEL[0] - jnp.abs(roll)) / FADE[0]) * sigmoid((LEVEL[1] - jnp.abs(p)) / FADE[1])
    diving = sigmoid(-path / FADE[2])
    return (
        PULL * diving * level,
        -diving * (1.0 - level) * (ROLL_GAINS[0] * roll + ROLL_GAINS[1] * p),
    )


def surfaces(x: Any) -> Any:
    """Return elevator, aileron and rudder [deg], clipped, for a state (16,)."""
    _, alpha, beta = x[:3]
    p, q, r = x[6:9]
    longitudinal = jnp.stack([alpha - TRIM_ALPHA, q, x[13]])
    lateral = jnp.stack([beta, p, r, x[14], x[15]])
    elevator = TRIM[1] - jnp.asarray(K_LONG, x.dtype) @ longitudinal
    others = jnp.asarray(TRIM[2:], x.dtype) - jnp.asarray(K_LAT, x.dtype) @ lateral
    bound = jnp.asarray(SURFACES, x.dtype)
    return jnp.clip(jnp.concatenate([elevator[None], others]), -bound, bound)


def _field(x: Any, t: Any, p: Any) -> Any:
    normal, roll_rate = references(x)
    motion = f16.derivatives(x[:13], jnp.asarray(TRIM[0], x.dtype), *surfaces(x))
    alpha, yaw_rate = x[1] - TRIM_ALPHA, x[8]
    stability = x[6] * jnp.cos(alpha) + yaw_rate * jnp.sin(alpha)
    integrators = jnp.stack([motion.normal - normal, stability - roll_rate, motion.side + yaw_rate])
    return jnp.concatenate([motion.rates, integrators])


def _nearest(angle: Any) -> Any:
    return angle - 2.0 * jnp.pi * jnp.round(angle / (2.0 * jnp.pi))


def system() -> ClosedLoop:
    """Return the F-16 under its ground-collision avoidance."""
    small = [-0.01, 0.01]
    box = np.array(
        [
            [560.0, 600.0],
            [0.075, 0.1],
            small,
            [-0.1, -0.075],
            [-1.0, -0.5],
            *[small] * 6,
            [1150.0, 1200.0],
            [0.0, 1.0],
            *[small] * 3,
        ]
    )
    return ClosedLoop(
        name="gcas",
        source="Stevens & Lewis, appendix A; Heidlauf et al., ARCH 2018; box of Meng et al., CoRL 2021",
        state=(
            Coordinate("airspeed", "ft/s"),
            *(Coordinate(name, "rad") for name in ("alpha", "beta", "phi", "theta", "psi")),
            *(Coordinate(name, "rad/s") for name in "pqr"),
            *(Coordinate(name, "ft") for name in ("north", "east", "altitude")),
            Coordinate("power", "%"),
            Coordinate("iz", "g s"),
            Coordinate("ip", "rad"),
            Coordinate("iy", "g s"),
        ),
        field=_field,
        low=box[:, 0],
        high=box[:, 1],
        dt=1.0 / 30.0,
        steps=106,
        substeps=4,
    )
