# SPDX-License-Identifier: Apache-2.0
r"""Tracking errors of a unicycle that follows a reference, and the way back from errors to positions.

Errors are reference minus robot, seen in the robot's own frame (Kanayama et al., ICRA 1990; the controller of FACTEST,
Fan et al. 2020):

    [xe; ye] = R(theta)^T ([x_ref; y_ref] - [x; y]),    theta_e = theta_ref - theta
    plant       x' = v cos(theta) - a (x_ref - x),  y' = v sin(theta) - a (y_ref - y),  theta' = omega
    controller  v = v_ref cos(theta_e) + k1 xe,     omega = omega_ref + v_ref (k2 ye + k3 sin(theta_e))
    errors      xe' = omega ye - k1 xe + a xe
                ye' = -omega xe + v_ref sin(theta_e) + a ye
                theta_e' = -v_ref (k2 ye + k3 sin(theta_e))
    div         -k1 + 2 a - v_ref (k2 xe + k3 cos(theta_e))

The unknown drift gain a [1/s] pushes the robot away from its reference in proportion to the distance (Meng et al.
2021). The errors do not depend on where the reference is, only on its speeds, which a call passes as its parameters p.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from reflexarc.core.errors import ConfigError
from reflexarc.reach.trigonometry import cos, sin


class Reference(NamedTuple):
    """Speeds of a reference over time: linear between the knots, held before the first and after the last.

    Speeds without jumps, because an integrator that steps over a jump loses its order; a value that is held and then
    changed is two knots. Leaves may carry leading axes for a batch of candidates under `jax.vmap`.
    """

    time: Any
    """Increasing, shape (S,). [s]"""
    speed: Any
    """v_ref, forward, shape (S,). [m/s]"""
    turn_rate: Any
    """omega_ref, counter-clockwise, shape (S,). [rad/s]"""
    climb_rate: Any = None
    """v_z,ref, upward, shape (S,); None climbs not (only a hovercraft does). [m/s]"""

    def at(self, t: Any) -> tuple[Any, Any, Any]:
        """Return speed, turn rate and climb rate at time t [s], each of the shape and type of t."""
        t = jnp.asarray(t)
        climb = jnp.zeros_like(self.time) if self.climb_rate is None else self.climb_rate
        time, *values = (
            jnp.asarray(part, t.dtype) for part in (self.time, self.speed, self.turn_rate, climb)
        )
        # hat functions: a search for the interval would be compiled into the loop over particles
        ramp = jnp.clip((t[..., None] - time[:-1]) / jnp.diff(time), 0.0, 1.0)
        one = jnp.ones_like(t)[..., None]
        hat = jnp.concatenate([one, ramp], axis=-1) - jnp.concatenate([ramp, 0.0 * one], axis=-1)
        speed, turn_rate, climb_rate = ((hat * value).sum(axis=-1) for value in values)
        return speed, turn_rate, climb_rate


class Gains(NamedTuple):
    """Gains of the controller."""

    along: float
    """k1 [1/s]"""
    across: float
    """k2 [rad/m^2]"""
    heading: float
    """k3 [rad/m]"""
    height: float = 1.0
    """k_p of the hovercraft's climb [1/s]"""


def check_gains(gains: Gains) -> None:
    """Refuse gains that are not positive: the controller would not bring the robot to its reference.

    Raises:
        ConfigError: names the gain.
    """
    for name, value in gains._asdict().items():
        if not 0.0 < value < float("inf"):
            raise ConfigError(
                f"gain {name} of the tracking controller must be positive and finite, got {value}"
            )


def plane_errors(error: Any, drift: Any, speed: Any, turn_rate: Any, gains: Gains) -> tuple[Any, Any, Any]:
    """Return (xe', ye', theta_e').

    Args:
        error: (xe, ye, theta_e) [m, m, rad].
        drift: a [1/s].
        speed: v_ref [m/s].
        turn_rate: omega_ref [rad/s].
        gains: of the controller.
    """
    along, across, heading = error
    correction = speed * (gains.across * across + gains.heading * sin(heading))
    omega = turn_rate + correction
    return (
        omega * across - gains.along * along + drift * along,
        -omega * along + speed * sin(heading) + drift * across,
        -correction,
    )


def plane_divergence(error: Any, drift: Any, speed: Any, gains: Gains) -> Any:
    """Return the divergence of `plane_errors` over the three errors; arguments as there. [1/s]"""
    along, _, heading = error
    return -gains.along + 2.0 * drift - speed * (gains.across * along + gains.heading * cos(heading))


def poses(reference: Reference, start: Any, times: Any) -> Any:
    """Integrate the reference to poses with Simpson's rule on each interval of `times`.

    Exact for the heading and of fourth order for the position where every knot of the reference is one of `times`.

    Args:
        reference: speeds.
        start: (x, y, theta) or (x, y, theta, z) at times[0] [m, m, rad, m].
        times: increasing, shape (T,) [s].

    Returns:
        Shape (T, 3) or (T, 4), the columns of `start`.
    """
    start, times = jnp.asarray(start), jnp.asarray(times)
    width = jnp.diff(times)
    (v0, w0, c0), (v1, w1, c1) = reference.at(times[:-1]), reference.at(times[1:])
    vm, wm, cm = reference.at(times[:-1] + 0.5 * width)
    heading = start[2] + _sums(width / 6.0 * (w0 + 4.0 * wm + w1))
    middle = heading[:-1] + width / 24.0 * (5.0 * w0 + 8.0 * wm - w1)

    def travelled(part):
        return _sums(
            width / 6.0 * (v0 * part(heading[:-1]) + 4.0 * vm * part(middle) + v1 * part(heading[1:]))
        )

    columns = [start[0] + travelled(cos), start[1] + travelled(sin), heading]
    if start.shape[-1] == 4:
        columns.append(start[3] + _sums(width / 6.0 * (c0 + 4.0 * cm + c1)))
    return jnp.stack(columns, axis=-1)


def world(error: Any, pose: Any) -> Any:
    """Return where robots with these errors are.

    Args:
        error: (..., >= 3), first (xe, ye, theta_e) [m, m, rad]; for a pose with z the fourth entry is ze [m].
        pose: of the reference, (..., 3) or (..., 4): x, y, theta and z [m, m, rad, m]; broadcast against `error`.

    Returns:
        (..., 3) or (..., 4): x, y, theta and z of the robot.
    """
    theta = pose[..., 2] - error[..., 2]
    c, s = cos(theta), sin(theta)
    columns = [
        pose[..., 0] - (c * error[..., 0] - s * error[..., 1]),
        pose[..., 1] - (s * error[..., 0] + c * error[..., 1]),
        theta,
    ]
    if pose.shape[-1] == 4:
        columns.append(pose[..., 3] - error[..., 3])
    return jnp.stack(columns, axis=-1)


def errors(state: Any, pose: Any) -> Any:
    """Return the errors of robots: the inverse of `world`, same shapes."""
    away = pose - state
    c, s = cos(state[..., 2]), sin(state[..., 2])
    columns = [
        c * away[..., 0] + s * away[..., 1],
        -s * away[..., 0] + c * away[..., 1],
        away[..., 2],
    ]
    if pose.shape[-1] == 4:
        columns.append(away[..., 3])
    return jnp.stack(columns, axis=-1)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `jax.jit` of a rollout of tracking errors, for a CPU.

    XLA's older way to fuse loops makes code that is about three times faster for these equations (and slower for many
    others, which is why it is not used elsewhere). Where the compiler no longer knows the option it is left out.
    """
    return jax.jit(function, compiler_options=_options())


@cache
def _options() -> dict[str, Any]:
    options: dict[str, Any] = {"xla_cpu_use_fusion_emitters": False}
    try:
        jax.jit(lambda x: x + 1.0, compiler_options=options)(0.0)
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def _sums(parts: Any) -> Any:
    return jnp.concatenate([jnp.zeros_like(parts[:1]), jnp.cumsum(parts)])
