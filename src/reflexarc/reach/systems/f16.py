# SPDX-License-Identifier: Apache-2.0
r"""Rigid-body F-16 with table aerodynamics and engine lag (Stevens & Lewis, Aircraft Control and Simulation, app. A).

Units are the book's (its tables are in them): ft, slug, lbf, s, rad for the state, degrees for the control surfaces.
Centre of gravity at its reference, 0.35 of the chord, thrust along the body's x axis, flat earth, no wind.

    v' = F/m + g(phi, theta) - omega x v,   F = qbar S (C_X, C_Y, C_Z) + (T, 0, 0)
    omega' = moments of inertia and of the engine's angular momentum H as in the book's equations with constants c1..c9

Tables are interpolated linearly and extrapolated from their last interval, so the model is differentiable except on the
tables' lines.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from reflexarc.reach.systems import f16_tables as tables

GRAVITY = 32.17
"""[ft/s^2]"""
AREA, SPAN, CHORD = 300.0, 30.0, 11.32
"""[ft^2], [ft], [ft]"""
PER_MASS = 1.57e-3
"""1 / mass. [1/slug]"""
ENGINE = 160.0
"""Angular momentum H of the engine. [slug ft^2/s]"""
C1, C2, C3, C4, C5 = -0.770, 0.02755, 1.055e-4, 1.642e-6, 0.9604
C6, C7, C8, C9 = 1.759e-2, 1.792e-5, -0.7336, 1.587e-5
"""The book's inertia constants: c1, c2, c5, c6, c8 without unit, the others in 1/(slug ft^2)."""
SENSOR = 15.0
"""Distance of the accelerometers before the centre of gravity. [ft]"""
DEGREES = 180.0 / np.pi


class Motion(NamedTuple):
    """What `derivatives` returns."""

    rates: Any
    """Time derivative of the state, (13,)."""
    normal: Any
    """Load factor Nz at the pilot above 1 g, positive pulling up. [g]"""
    side: Any
    """Ny at the pilot. [g]"""


def _mirrored(table: np.ndarray) -> np.ndarray:
    return np.concatenate([-table[:0:-1], table])


_BLOCKS = (
    tables.DAMPING,
    tables.C_Z[None],
    np.concatenate([tables.C_X, tables.C_M]),
    np.concatenate([_mirrored(tables.C_L), _mirrored(tables.C_N)]),
    np.concatenate([tables.DL_DA, tables.DL_DR, tables.DN_DA, tables.DN_DR]),
)
_BY_ALPHA = np.concatenate(_BLOCKS).T
"""All tables over the angle of attack, (12, 74): one lookup serves all."""
_ENDS = np.cumsum([len(block) for block in _BLOCKS])[:-1]


def derivatives(x: Any, throttle: Any, elevator: Any, aileron: Any, rudder: Any) -> Motion:
    """Return the rates of the aircraft and what its accelerometers feel.

    Args:
        x: airspeed [ft/s], alpha, beta, phi, theta, psi [rad], p, q, r [rad/s], north, east, altitude [ft],
            power [%], (13,).
        throttle: 0..1.
        elevator: [deg].
        aileron: [deg].
        rudder: [deg].
    """
    airspeed, alpha, beta, phi, theta, psi = x[:6]
    p, q, r = omega = x[6:9]
    altitude, power = x[11], x[12]
    mach, pressure = air_data(airspeed, altitude)
    force, (roll, pitch, yaw) = coefficients(
        airspeed, alpha * DEGREES, beta * DEGREES, omega, elevator, aileron, rudder
    )
    push = jnp.stack([thrust(power, altitude, mach), jnp.zeros_like(q), jnp.zeros_like(q)])
    specific = PER_MASS * (pressure * AREA * force + push)  # without gravity, (3,)

    along = jnp.cos(beta)
    v = airspeed * jnp.stack([jnp.cos(alpha) * along, jnp.sin(beta), jnp.sin(alpha) * along])
    down = jnp.stack([-jnp.sin(theta), jnp.cos(theta) * jnp.sin(phi), jnp.cos(theta) * jnp.cos(phi)])
    dv = specific + GRAVITY * down - jnp.cross(omega, v)
    plane = v[0] ** 2 + v[2] ** 2
    faster = v @ dv / airspeed

    turning = q * jnp.sin(phi) + r * jnp.cos(phi)
    moment = pressure * AREA * SPAN
    dq = (C5 * p - C7 * ENGINE) * r + C6 * (r**2 - p**2) + pressure * AREA * CHORD * C7 * pitch
    dr = (C8 * p - C2 * r + C9 * ENGINE) * q + moment * (C4 * roll + C9 * yaw)
    rates = jnp.stack(
        [
            faster,
            (v[0] * dv[2] - v[2] * dv[0]) / plane,
            (airspeed * dv[1] - v[1] * faster) * along / plane,
            p + jnp.tan(theta) * turning,
            q * jnp.cos(phi) - r * jnp.sin(phi),
            turning / jnp.cos(theta),
            (C2 * p + C1 * r + C4 * ENGINE) * q + moment * (C3 * roll + C4 * yaw),
            dq,
            dr,
            *_velocity(v, phi, theta, psi),
            power_rate(power, throttle),
        ]
    )
    return Motion(rates, (SENSOR * dq - specific[2]) / GRAVITY - 1.0, (specific[1] + SENSOR * dr) / GRAVITY)


def coefficients(
    airspeed: Any, alpha: Any, beta: Any, omega: Any, elevator: Any, aileron: Any, rudder: Any
) -> tuple[Any, tuple[Any, Any, Any]]:
    """Return force coefficients (3,) and those of roll, pitch and yaw moment.

    Args:
        airspeed: [ft/s].
        alpha: angle of attack [deg].
        beta: sideslip [deg].
        omega: p, q, r [rad/s].
        elevator: [deg].
        aileron: [deg].
        rudder: [deg].
    """
    column = _interpolate(jnp.asarray(_BY_ALPHA, alpha.dtype), 0.2 * alpha + 2.0)
    damping, (z,), tail, body, flaps = jnp.split(column, _ENDS)
    xq, yr, yp, zq, lr, lp, mq, nr, np_ = damping
    x, m = _interpolate(tail.reshape(2, 5).T, elevator / 12.0 + 2.0)
    roll, yaw = _interpolate(body.reshape(2, 13).T, 0.2 * beta + 6.0)
    roll_aileron, roll_rudder, yaw_aileron, yaw_rudder = _interpolate(flaps.reshape(4, 7).T, 0.1 * beta + 3.0)
    ailerons, rudders = aileron / 20.0, rudder / 30.0
    p, q, r = omega
    lateral, chordwise = 0.5 * SPAN / airspeed, 0.5 * CHORD / airspeed * q
    force = jnp.stack(
        [
            x + chordwise * xq,
            -0.02 * beta + 0.021 * ailerons + 0.086 * rudders + lateral * (yr * r + yp * p),
            z * (1.0 - (beta / 57.3) ** 2) - 0.19 * elevator / 25.0 + chordwise * zq,
        ]
    )
    roll += roll_aileron * ailerons + roll_rudder * rudders + lateral * (lr * r + lp * p)
    yaw += yaw_aileron * ailerons + yaw_rudder * rudders + lateral * (nr * r + np_ * p)
    return force, (roll, m + chordwise * mq, yaw)


def air_data(airspeed: Any, altitude: Any) -> tuple[Any, Any]:
    """Return Mach number and dynamic pressure [lbf/ft^2] at an airspeed [ft/s] and an altitude [ft]."""
    lapse = 1.0 - 0.703e-5 * altitude
    temperature = jnp.where(altitude >= 35000.0, 390.0, 519.0 * lapse)  # [deg R]
    return airspeed / jnp.sqrt(1.4 * 1716.3 * temperature), 0.5 * 2.377e-3 * lapse**4.14 * airspeed**2


def thrust(power: Any, altitude: Any, mach: Any) -> Any:
    """Return the thrust [lbf] at a power level [%], an altitude [ft] (ground level below 0) and a Mach number."""
    stack = jnp.asarray(np.stack([tables.IDLE, tables.MILITARY, tables.MAXIMUM], axis=-1), power.dtype)
    at_height = _interpolate(jnp.swapaxes(stack, 0, 1), 1e-4 * jnp.maximum(altitude, 0.0))  # (mach, 3)
    idle, military, maximum = _interpolate(at_height, 5.0 * mach)
    low = idle + (military - idle) * 0.02 * power
    return jnp.where(power < 50.0, low, military + (maximum - military) * 0.02 * (power - 50.0))


def power_rate(power: Any, throttle: Any) -> Any:
    """Return the rate of the engine's power level [%/s] at a power level [%] and a throttle 0..1."""
    command = jnp.where(throttle <= 0.77, 64.94 * throttle, 217.38 * throttle - 117.38)
    burning, wanted = power >= 50.0, command >= 50.0
    goal = jnp.where(wanted, jnp.where(burning, command, 60.0), jnp.where(burning, 40.0, command))
    slow = jnp.clip(1.9 - 0.036 * (goal - power), 0.1, 1.0)  # [1/s]
    return jnp.where(burning, 5.0, slow) * (goal - power)


def _velocity(v: Any, phi: Any, theta: Any, psi: Any) -> tuple[Any, Any, Any]:
    """Velocity over ground north, east and up of the body velocity v, all [ft/s]."""
    side = v[1] * jnp.cos(phi) - v[2] * jnp.sin(phi)
    below = v[1] * jnp.sin(phi) + v[2] * jnp.cos(phi)
    ahead = v[0] * jnp.cos(theta) + below * jnp.sin(theta)
    return (
        ahead * jnp.cos(psi) - side * jnp.sin(psi),
        ahead * jnp.sin(psi) + side * jnp.cos(psi),
        v[0] * jnp.sin(theta) - below * jnp.cos(theta),
    )


def _interpolate(table: Any, position: Any) -> Any:
    """Entry of the first axis at a position in units of its spacing, linear, extrapolated at both ends."""
    index = jnp.clip(jnp.floor(position), 0, table.shape[0] - 2).astype(int)
    lower = jnp.take(table, index, axis=0)
    return lower + (position - index.astype(table.dtype)) * (jnp.take(table, index + 1, axis=0) - lower)
