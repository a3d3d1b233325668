# SPDX-License-Identifier: Apache-2.0
r"""Changes of a plan that a robot may choose from: slower, and to the side.

A plan is a reference pose P(t). A variant passes the same poses with the rate r(t), and a distance d to the left:

    tau' = r,  r(t) = s + (s_0 - s) max(0, 1 - t / T_s),  T_s = |s_0 - s| v_0 / a        s_0 v_0: the measured speed
    P_v(t) = P(tau) + d b(q) n(P(tau)),   b(q) = 3 q^2 - 2 q^3,   q = min(1, length travelled / 2 m)

so that speed and place are continuous with what the robot does now. The lattice is 9 offsets by 5 scales; a variant
costs (1 - s)^2 + (d / 0.5 m)^2, the plan as it is costs nothing and comes first.
"""

from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array, Plan

OFFSETS: Array = np.linspace(-0.8, 0.8, 9, dtype=np.float64)
"""[m]"""
SCALES = (1.0, 0.8, 0.6, 0.4, 0.2)
KNOT = 0.25
"""Between two knots of a reference. [s]"""
_BLEND = 2.0
"""Length over which an offset is taken up. [m]"""
_STILL = 1e-3
"""Way between two knots below which the reference counts as standing. [m]"""
_LENGTH = 0.5
"""Offset that costs as much as standing still. [m]"""


class Variants(NamedTuple):
    """References to choose from, cheapest first."""

    scale: Array
    """Shape (C,)."""
    offset: Array
    """To the left, shape (C,). [m]"""
    time: Array
    """Of the knots, shape (S,). [s]"""
    pose: Array
    """x, y, yaw of the references at the knots, yaw along the path, shape (C, S, 3). [m, m, rad]"""
    speed: Array
    """v_ref at the knots, shape (C, S). [m/s]"""
    turn_rate: Array
    """omega_ref at the knots, shape (C, S). [rad/s]"""


def check_plan(plan: Plan, horizon: float) -> None:
    """Refuse a plan that cannot be judged.

    Raises:
        ConfigError: fewer than two poses, a number that is not finite, time that goes backwards, or a plan that is
            shorter than the horizon [s].
    """
    time, pose = plan.time, plan.pose
    if len(time) < 2:
        raise ConfigError(f"a plan needs at least two poses, this one has {len(time)}")
    bad = ~(np.isfinite(time) & np.isfinite(pose).all(axis=1))
    if bad.any() or not np.isfinite(plan.stamp):
        raise ConfigError(f"pose {int(np.argmax(bad))} of the plan, or its stamp, is not finite")
    back = np.diff(time) <= 0.0
    if back.any():
        k = int(np.argmax(back))
        raise ConfigError(
            f"the plan's time goes from {time[k]:g} s to {time[k + 1]:g} s at pose {k + 1}; it must increase"
        )
    if time[0] > 0.0 or time[-1] < horizon - 1e-6:
        raise ConfigError(f"the plan covers {time[0]:g} to {time[-1]:g} s, needed are 0 to {horizon:g} s")


def variants(plan: Plan, speed: float, horizon: float, deceleration: float) -> Variants:
    """Return the lattice of variants of a plan that `check_plan` accepts.

    Args:
        plan: what the robot means to do, from now on.
        speed: measured forward speed. [m/s]
        horizon: length of the variants. [s]
        deceleration: a. [m/s^2]
    """
    scale, offset = (g.ravel() for g in np.meshgrid(SCALES, OFFSETS, indexing="ij"))
    cost = (1.0 - scale) ** 2 + (offset / _LENGTH) ** 2
    order = np.argsort(cost, kind="stable")
    scale, offset = scale[order], offset[order]
    time = np.arange(round(horizon / KNOT) + 1, dtype=np.float64) * KNOT
    place, heading, length = _at_knots(plan, _progress(plan, scale, speed, time, deceleration))
    share = np.minimum(1.0, length / _BLEND)
    left = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)  # (C, S, 2)
    place = place + (offset[:, None] * (3.0 - 2.0 * share) * share**2)[..., None] * left
    step = np.diff(place, axis=1)
    distance = np.hypot(step[..., 0], step[..., 1])
    # A reference that stands keeps the plan's heading, one that moves looks where it goes.
    turned = np.where(distance < _STILL, 0.0, np.arctan2(step[..., 1], step[..., 0]) - heading[:, :-1])
    turned = np.remainder(turned + np.pi, 2.0 * np.pi) - np.pi
    heading = heading + _knots(turned)
    turn_rate = np.gradient(heading, KNOT, axis=1)
    pose = np.concatenate([place, heading[..., None]], axis=-1)
    return Variants(scale, offset, time, pose, _knots(distance / KNOT), turn_rate)


def _progress(plan: Plan, scale: Array, speed: float, time: Array, deceleration: float) -> Array:
    """Return tau at the knots, shape (C, S). [s]"""
    first = plan.pose[np.searchsorted(plan.time, KNOT)] - plan.pose[0]
    planned = max(float(np.hypot(first[0], first[1])) / KNOT, 0.05)  # v_0
    now = min(max(speed / planned, 0.0), 1.5)
    ramp = np.maximum(np.abs(now - scale) * planned / deceleration, 1e-9)[:, None]
    t = np.minimum(time, ramp)
    return scale[:, None] * time + (now - scale)[:, None] * (t - t**2 / (2.0 * ramp))


def _at_knots(plan: Plan, tau: Array) -> tuple[Array, Array, Array]:
    """Return place (C, S, 2) [m], heading (C, S) [rad] and length travelled (C, S) [m] at tau."""
    heading = np.unwrap(plan.pose[:, 2])
    steps = np.hypot(*np.diff(plan.pose[:, :2], axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    x, y, yaw, length = (
        np.interp(tau, plan.time, column) for column in (plan.pose[:, 0], plan.pose[:, 1], heading, travelled)
    )
    return np.stack([x, y], axis=-1), yaw, length


def _knots(between: Array) -> Array:
    """Return values at S knots from the means of the S - 1 intervals, shape (C, S)."""
    inner = 0.5 * (between[:, :-1] + between[:, 1:])
    return np.concatenate([between[:, :1], inner, between[:, -1:]], axis=1)
