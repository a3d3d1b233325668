# SPDX-License-Identifier: Apache-2.0
"""A filter for each standard system that has an analytic barrier or a backup set, with what it guarantees."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from reflexarc.barrier.analytic.backup import BackupBarrier, BackupSet
from reflexarc.barrier.analytic.braking import along_line, between_spheres
from reflexarc.barrier.analytic.cbf import cbf
from reflexarc.barrier.analytic.filter import AnalyticFilter
from reflexarc.barrier.analytic.laws import brake, gravity_compensated_stop
from reflexarc.barrier.analytic.rest import rest_backup
from reflexarc.barrier.analytic.rows import Barrier
from reflexarc.barrier.analytic.sampled import OneStepGuard
from reflexarc.core.errors import UnknownNameError
from reflexarc.robots.systems import (
    SYSTEMS,
    cart_pole,
    double_integrator,
    double_integrator_2d,
    dubins,
    point_robot,
    segway,
    unicycle,
)
from reflexarc.robots.systems import adaptive_cruise as cruise
from reflexarc.robots.systems import inverted_pendulum as pendulum
from reflexarc.robots.systems import planar_quadrotor as quad
from reflexarc.robots.systems.integrate import LONGEST_SUBSTEP
from reflexarc.robots.systems.rectangles import gaps
from reflexarc.robots.systems.system import System

CLEARANCE = 1e-3
"""Kept between margin and zero, more than the margin can fall between two looks at it. [units of l]"""
FASTEST_B = 6.0
"""Speed that planar quadrotor B does not reach from its box within a backup manoeuvre. [m/s]"""
STANDSTILL = 1e-6
"""Speed that counts as standing. [m/s]"""


class StandardFilter(NamedTuple):
    """A filter and the set from which it keeps its system safe."""

    filter: AnalyticFilter
    safe: Barrier
    """Traceable, (n,) -> scalar: the guarantee holds from where it is >= 0."""
    guaranteed: bool
    """Whether {safe >= 0} is kept for ever by construction; otherwise the filter does what it can."""
    backup: BackupBarrier | None
    """The backup set, where the filter rests on one."""


def standard_filter(name: str) -> StandardFilter:
    """Build the filter of a standard system; takes seconds, mostly compilation.

    Raises:
        UnknownNameError: no such system, or one without an analytic barrier.
    """
    if name not in _MAKERS:
        raise UnknownNameError("system with an analytic barrier", name, _MAKERS)
    return _MAKERS[name](SYSTEMS[name])


def _double_integrator(system: System) -> StandardFilter:
    guard = OneStepGuard(
        system, double_integrator.stopping_margin, lambda x: -jnp.ones(1) + 0.0 * x[:1], curvature=2.0
    )

    def safe(x):
        return double_integrator.stopping_margin(x) - guard.slack

    rows = cbf(system, double_integrator.stopping_margin, 5.0)
    return StandardFilter(AnalyticFilter(system, [rows], guard), safe, True, None)


def _adaptive_cruise(system: System) -> StandardFilter:
    """The source's barrier, but with the closing speed only: a leader that draws away costs no room."""

    def full_brake(x):
        return jnp.where(x[:1] > 0.0, -cruise.MAX_FORCE, 0.0)

    def keep(x):
        return along_line(system.margin(x), x[0] - x[1], cruise.SHARE_OF_G * cruise.GRAVITY) - CLEARANCE

    guard = OneStepGuard(system, keep, full_brake)
    return StandardFilter(AnalyticFilter(system, [cbf(system, keep, 1.0)], guard), keep, True, None)


def _braked(
    system: System,
    speeds: tuple[int, ...],
    inputs: tuple[int, ...],
    gain: float,
    longest_stop: float,
    keep: Barrier,
    alpha: float,
) -> StandardFilter:
    law = brake(system, speeds, inputs, gain, system.period)

    def standing(x):
        return STANDSTILL - jnp.max(jnp.abs(x[np.asarray(speeds)]))

    def sample(rng: np.random.Generator, count: int):
        states = rng.uniform(system.low, system.high, (count, system.n))
        states[:, list(speeds)] = rng.uniform(-STANDSTILL, STANDSTILL, (count, len(speeds)))
        clear = [float(jnp.min(keep(s))) >= CLEARANCE for s in states[:200]]
        return states[:200][clear]

    barrier = BackupBarrier(
        system, BackupSet(law, standing, sample), longest_stop + system.period, keep, slack=CLEARANCE
    )
    stride = max(1, barrier.count // 10)
    rows = barrier.rows(alpha, stride, with_end=False)
    return StandardFilter(AnalyticFilter(system, [rows], barrier.guard(), 24), barrier.value, True, barrier)


def _double_integrator_2d(system: System) -> StandardFilter:
    def keep(x):
        near = gaps(double_integrator_2d.OBSTACLES, x[:2]) - double_integrator_2d.RADIUS
        limit = double_integrator_2d.SPEED_LIMIT + 2.0 * CLEARANCE
        return jnp.concatenate([near, limit - x[2:4], limit + x[2:4]])

    stop = double_integrator_2d.SPEED_LIMIT * double_integrator_2d.MASS / double_integrator_2d.MAX_FORCE
    return _braked(system, (2, 3), (0, 1), 1.0 / double_integrator_2d.MASS, stop * 1.1, keep, 3.0)


def _dubins(system: System) -> StandardFilter:
    def keep(x):
        near = gaps(dubins.OBSTACLES, x[:2]) - dubins.RADIUS
        limit = dubins.SPEED_LIMIT + 2.0 * CLEARANCE
        return jnp.concatenate([near, jnp.stack([limit - x[3], limit + x[3]])])

    return _braked(system, (3,), (1,), 1.0, dubins.SPEED_LIMIT / 3.0 * 1.1, keep, 3.0)


def _unicycle(system: System) -> StandardFilter:
    def keep(x):
        near = [jnp.hypot(x[0] - cx, x[1] - cy) - r for cx, cy, r in unicycle.DISKS]
        return jnp.stack([*near, 2.5 - x[2], 2.5 + x[2]])

    return _braked(system, (2,), (0,), 1.0, 2.5, keep, 2.0)


def _point_robot(system: System) -> StandardFilter:
    strength = point_robot.MAX_FORCE / point_robot.MASS
    reaction = system.period

    def walls(x):
        speed = jnp.concatenate([x[3:6], -x[3:6]])
        return along_line(point_robot.box_gaps(x), speed, strength, reaction) - CLEARANCE

    def sphere(x):
        touch = point_robot.ROBOT_RADIUS + point_robot.SPHERE_RADIUS
        return between_spheres(x[:3], x[3:6], x[6:9], x[9:12], touch, strength, reaction) - CLEARANCE

    def keep(x):
        return jnp.append(walls(x), sphere(x))

    def escape(x):
        """Away from the sphere, as far as the walls' braking distances leave room; otherwise stop."""
        away = x[:3] - x[6:9]
        away = away / jnp.sqrt(away @ away + 1e-12)
        stop = jnp.clip(-x[3:6] / reaction, -1.0, 1.0)
        near = walls(x)
        free = jnp.where(away > 0.0, near[:3], near[3:]) > 0.05
        return point_robot.MAX_FORCE * jnp.where((sphere(x) < 0.1) & free, jnp.clip(away, -1.0, 1.0), stop)

    rows = [cbf(system, walls, 4.0), cbf(system, sphere, 2.0)]
    guard = OneStepGuard(system, keep, escape)
    return StandardFilter(AnalyticFilter(system, rows, guard), lambda x: jnp.min(keep(x)), False, None)


def _inverted_pendulum(system: System) -> StandardFilter:
    weight = pendulum.MASS * pendulum.GRAVITY * pendulum.LENGTH
    damping = 3.0
    decay = (damping + pendulum.DAMPING) / (pendulum.MASS * pendulum.LENGTH**2)
    law = gravity_compensated_stop(system, lambda x: -weight * jnp.sin(x[:1]) + 0.0 * x[:1], (1,), damping)
    slow, lean = 0.05, 1.4

    def inside(x):
        """Slow, and the angle at which it will stop, theta + theta' / decay (constant under the law), within 1.4."""
        return jnp.minimum(slow - jnp.abs(x[1]), lean - jnp.abs(x[0] + x[1] / decay))

    def sample(rng: np.random.Generator, count: int):
        return rng.uniform([-lean, -slow], [lean, slow], (count, 2))

    barrier = BackupBarrier(system, BackupSet(law, inside, sample), 1.5, slack=CLEARANCE)
    rows = barrier.rows(5.0, stride=10)
    return StandardFilter(AnalyticFilter(system, [rows], barrier.guard()), barrier.value, True, barrier)


def _resting(
    system: System,
    equilibrium: np.ndarray,
    positions: tuple[int, ...],
    room: Callable[[Any], Any],
    limits: list[float],
    weights: list[float],
    effort: float,
    horizon: float,
    alpha: float,
    look: float = LONGEST_SUBSTEP,
    slack: float = CLEARANCE,
) -> StandardFilter:
    backup = rest_backup(
        system, equilibrium, positions, room, np.array(limits), np.array(weights), np.full(system.m, effort)
    )
    barrier = BackupBarrier(system, backup, horizon, slack=slack, longest=look)
    rows = barrier.rows(alpha, stride=max(1, barrier.count // 20))
    return StandardFilter(AnalyticFilter(system, [rows], barrier.guard()), barrier.value, True, barrier)


def _cart_pole(system: System) -> StandardFilter:
    def room(place):
        return cart_pole.LIMITS[0] * (1.0 - 2.0 * CLEARANCE) - jnp.abs(place[0])

    return _resting(system, np.zeros(1), (0,), room, [1.9, 0.19, 1.9], [1.0, 10.0, 1.0], 0.05, 3.0, 2.0)


def _segway(system: System) -> StandardFilter:
    x, _, radius = segway.BAR
    lean = 0.1  # the head is at most this far from the base while in the set. [m]

    def room(place):
        return jnp.abs(place[0] - x) - radius - lean - 0.01

    return _resting(system, np.zeros(1), (0,), room, [lean, 1.0, 2.0], [1.0, 1.0, 0.1], 0.1, 3.0, 3.0)


def _quadrotor_a(system: System) -> StandardFilter:
    def room(place):
        return quad.LIMIT_A[0] * (1.0 - 2.0 * CLEARANCE) - jnp.max(jnp.abs(place))

    hover = np.full(2, 0.5 * quad.MASS_A * quad.GRAVITY)
    return _resting(system, hover, (0, 2), room, [1.5, 1.5, 0.8, 8.0], [1.0, 1.0, 1.0, 0.05], 400.0, 2.4, 3.0)


def _quadrotor_b(system: System) -> StandardFilter:
    def room(place):
        return jnp.minimum(place[1] - quad.FLOOR_B, jnp.min(gaps(quad.BOXES_B, place))) - 0.01

    hover = np.full(2, 0.5 * quad.MASS_B * quad.GRAVITY)
    # The margin is a distance to boxes with corners: between two looks it can fall by half the way in between.
    look = 2e-3
    slack = 0.5 * look * FASTEST_B
    return _resting(
        system, hover, (0, 1), room, [0.8, 1.5, 1.5, 6.0], [1.0, 1.0, 1.0, 0.05], 0.1, 2.4, 3.0, look, slack
    )


_MAKERS: dict[str, Callable[[System], StandardFilter]] = {
    "double_integrator": _double_integrator,
    "double_integrator_2d": _double_integrator_2d,
    "dubins": _dubins,
    "unicycle": _unicycle,
    "point_robot": _point_robot,
    "adaptive_cruise": _adaptive_cruise,
    "inverted_pendulum": _inverted_pendulum,
    "cart_pole": _cart_pole,
    "planar_quadrotor_a": _quadrotor_a,
    "planar_quadrotor_b": _quadrotor_b,
    "segway": _segway,
}
NAMES = tuple(_MAKERS)
"""Systems that have a standard filter."""
