# SPDX-License-Identifier: Apache-2.0
r"""The contact that task policy, critic and recovery are learned in: the tip of an arm under impedance control, in the
plane, as a mass between walls and loose balls, for many episodes at once.

    m x'' = K (x_d - x) + D (x_d' - x') + F,    D = 2 sqrt(m) K^(1/2)   (critically damped),

F the sum of contacts, each with normal force max(0, k p + c p') at penetration p, and Coulomb friction, regularised.
The mass stands for the arm's effective mass at the tip (1.2 to 3.4 kg for a Panda above its table); it, the walls'
stiffness, friction, and the force sensor's delay and bias are drawn for every episode. What is learned here runs on
the whole arm in MuJoCo, which knows nothing of this model.

It fails when the force on the tip exceeds `PEAK`, or `SUSTAINED` for longer than `SUSTAINED_S`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from reflexarc.reflex.contact.guide import resampled
from reflexarc.reflex.contact.mazes import BALL_RADIUS, TIP_RADIUS, WALL_HALF, Maze
from reflexarc.reflex.contact.view import newtons_per_metre

PEAK, SUSTAINED, SUSTAINED_S = 40.0, 25.0, 0.05
"""Limits of the force on the tip. [N, N, s]"""
STEP_S = 0.001
"""Time step. [s]"""
BALL_MASS = 2500.0 * 4.0 / 3.0 * np.pi * BALL_RADIUS**3
"""Glass. [kg]"""
BALL_STIFFNESS, BALL_DAMPING, ROLLING = 5.0e3, 5.0, 0.05
"""Of contacts with a ball [N/m, N s/m], and drag of a rolling one [N s/m]."""
WALL_DAMPING = 30.0
"""[N s/m]"""
SLIP = 0.01
"""Friction is fully there from this speed on. [m/s]"""
DELAYS = 8
"""The force sensor's delay is less than so many milliseconds."""
_TINY = 1e-9


class Bank(NamedTuple):
    """Mazes as arrays of a common first dimension."""

    walls: Any
    start: Any
    end: Any
    balls: Any
    plan: Any
    """Shape (b, points, 2), see `guide`."""
    spacing: Any
    """Between its points. [m]"""


def bank_of(mazes: Sequence[Maze]) -> Bank:
    """Return mazes as arrays."""
    plans, spacings = zip(*(resampled(m.plan[: m.pieces + 1]) for m in mazes), strict=True)
    stacked = [np.stack(x) for x in (
        [m.walls for m in mazes], [m.path[0] for m in mazes], [m.path[m.pieces] for m in mazes],
        [m.balls for m in mazes], plans, spacings,
    )]  # fmt: skip
    return Bank(*(jnp.asarray(x, dtype=jnp.float32) for x in stacked))


@dataclass(frozen=True)
class Drawn:
    """What is drawn for every episode: medians and spreads."""

    mass: tuple[float, float] = (2.2, 0.3)
    """Median [kg] and standard deviation of its logarithm."""
    wall: tuple[float, float] = (5.0e3, 0.3)
    """Stiffness of a wall with what holds the peg [N/m], the same."""
    friction: tuple[float, float] = (0.3, 0.1)
    """Mean and standard deviation."""
    delay: int = 6
    """Milliseconds below which the sensor's delay lies."""
    bias: float = 0.3
    noise: float = 0.3
    """Standard deviations of the force sensor's bias of an episode and of its noise. [N]"""


class Tip(NamedTuple):
    """Where n episodes are; shapes (n, ...)."""

    maze: Any
    place: Any
    velocity: Any
    reference: Any
    pace: Any
    """Velocity of the reference while it runs. [m/s]"""
    goal: Any
    axis: Any
    """Direction in which `stiffness` is turned."""
    stiffness: Any
    """Entries of the action, in [-1, 1]."""
    balls: Any
    rolling: Any
    """Velocities of the balls. [m/s]"""
    force: Any
    """On the tip. [N]"""
    felt: Any
    """The last `DELAYS` values of it, newest first."""
    hiss: Any
    """Noise and bias of the sensor at present. [N]"""
    bias: Any
    over: Any
    """Time above `SUSTAINED`. [s]"""
    violated: Any
    effort: Any
    """Mean of (|F| / SUSTAINED)^2 in the last control step."""
    largest: Any
    """Largest force of the episode. [N]"""
    at: Any
    """Where on the plan: number of the point."""
    gained: Any
    """On the plan, in the last control step. [m]"""
    stall: Any
    """Since the plan's next point was reached. [s]"""
    mass: Any
    wall: Any
    friction: Any
    delay: Any


def started(bank: Bank, drawn: Drawn, z: Any) -> Tip:
    """Return episodes at the entrance of mazes drawn by standard normal numbers z, shape (n, CHANCE)."""
    n, count = len(z), bank.walls.shape[0]
    which = jnp.clip((norm.cdf(z[:, 0]) * count).astype(jnp.int32), 0, count - 1)
    place = bank.start[which] + 0.001 * z[:, 1:3]
    return resting(bank, drawn, which, place, z[:, 3:], jnp.zeros(n, jnp.int32))


CHANCE = 9
"""Numbers that a start needs."""


def resting(bank: Bank, drawn: Drawn, which: Any, place: Any, z: Any, at: Any) -> Tip:
    """Return tips at rest at `place` in the mazes `which`, with what z, shape (n, 6), draws."""
    n = len(which)
    two, one = jnp.zeros((n, 2)), jnp.zeros(n)
    bias = drawn.bias * z[:, 4:6]
    return Tip(
        maze=which, place=place, velocity=two, reference=place, pace=two, goal=place, axis=two,
        stiffness=two - 1.0, balls=bank.balls[which], rolling=jnp.zeros((n, *bank.balls.shape[1:])), force=two,
        felt=jnp.zeros((n, DELAYS, 2)), hiss=bias, bias=bias, over=one, violated=one > 0.0, effort=one, largest=one,
        at=at, gained=one, stall=one, mass=drawn.mass[0] * jnp.exp(drawn.mass[1] * z[:, 0]),
        wall=drawn.wall[0] * jnp.exp(drawn.wall[1] * z[:, 1]),
        friction=jnp.clip(drawn.friction[0] + drawn.friction[1] * z[:, 2], 0.02, 1.0),
        delay=jnp.clip((norm.cdf(z[:, 3]) * drawn.delay).astype(jnp.int32), 0, DELAYS - 1),
    )  # fmt: skip


def stepped(s: Tip, walls: Any) -> Tip:
    """Return the tips one time step later; `walls` are those of their mazes, shape (n, w, 4)."""
    left = s.goal - s.reference
    stride = s.pace * STEP_S
    arrives = (left * left).sum(-1) <= (stride * stride).sum(-1) + _TINY
    pace = jnp.where(arrives[:, None], 0.0, s.pace)
    reference = jnp.where(arrives[:, None], s.goal, s.reference + stride)
    stiff = newtons_per_metre(s.stiffness)
    pull = _turned(s.axis, stiff, reference - s.place)
    damp = _turned(s.axis, 2.0 * jnp.sqrt(s.mass[:, None] * stiff), pace - s.velocity)

    wall = _walls(s.place[:, None], s.velocity[:, None], walls, TIP_RADIUS, s.wall, WALL_DAMPING, s.friction)
    gap = s.place[:, None] - s.balls
    pushes = _touch(gap, s.velocity[:, None] - s.rolling, TIP_RADIUS + BALL_RADIUS)
    force = wall[:, 0] + pushes.sum(axis=1)
    between = s.balls[:, :, None] - s.balls[:, None]
    apart = _touch(between, s.rolling[:, :, None] - s.rolling[:, None], 2.0 * BALL_RADIUS).sum(axis=2)
    stop = _walls(
        s.balls,
        s.rolling,
        walls,
        BALL_RADIUS,
        jnp.full_like(s.wall, BALL_STIFFNESS),
        BALL_DAMPING,
        0.0 * s.wall,
    )
    rolling = s.rolling + (stop + apart - pushes - ROLLING * s.rolling) * (STEP_S / BALL_MASS)
    velocity = s.velocity + (pull + damp + force) * (STEP_S / s.mass[:, None])

    size = jnp.sqrt((force * force).sum(-1))
    over = jnp.where(size > SUSTAINED, s.over + STEP_S, 0.0)
    return s._replace(
        reference=reference, pace=pace, velocity=velocity, place=s.place + velocity * STEP_S, rolling=rolling,
        balls=s.balls + rolling * STEP_S, force=force,
        felt=jnp.concatenate([force[:, None], s.felt[:, :-1]], axis=1), over=over,
        violated=s.violated | (size > PEAK) | (over > SUSTAINED_S), effort=s.effort + (size / SUSTAINED) ** 2,
        largest=jnp.maximum(s.largest, size),
    )  # fmt: skip


def _turned(axis: Any, k: Any, x: Any) -> Any:
    """Return k[0] times the part of x along `axis` and k[1] times the rest, shape (n, 2) each."""
    size = jnp.sqrt((axis * axis).sum(-1, keepdims=True)) + _TINY
    e = axis / size
    along = (e * x).sum(-1, keepdims=True) * e
    return k[:, :1] * along + k[:, 1:] * (x - along)


def _walls(x: Any, v: Any, walls: Any, radius: float, stiffness: Any, damping: float, friction: Any) -> Any:
    """Return the force of walls (n, w, 4) on discs at x, shape (n, p, 2), with velocities v."""
    a, d = walls[:, None, :, :2], (walls[..., 2:] - walls[..., :2])[:, None]
    share = ((x[:, :, None] - a) * d).sum(-1) / ((d * d).sum(-1) + _TINY)
    gap = x[:, :, None] - a - jnp.clip(share, 0.0, 1.0)[..., None] * d
    far = jnp.sqrt((gap * gap).sum(-1) + _TINY)
    n, depth = gap / far[..., None], radius + WALL_HALF - far
    speed = (v[:, :, None] * n).sum(-1)
    normal = jnp.where(depth > 0.0, jnp.maximum(0.0, stiffness[:, None, None] * depth - damping * speed), 0.0)
    slip = v[:, :, None] - speed[..., None] * n
    grip = slip / (jnp.sqrt((slip * slip).sum(-1, keepdims=True) + _TINY) + SLIP)
    return (normal[..., None] * (n - friction[:, None, None, None] * grip)).sum(axis=2)


def _touch(gap: Any, v: Any, radii: float) -> Any:
    """Return the force on the first of two discs, `gap` from the second to it, v their relative velocity, (..., 2)."""
    far = jnp.sqrt((gap * gap).sum(-1) + _TINY)
    n, depth = gap / far[..., None], radii - far
    touching = (depth > 0.0) & (far > 1e-4)  # a disc does not touch itself
    force = jnp.maximum(0.0, BALL_STIFFNESS * depth - BALL_DAMPING * (v * n).sum(-1))
    return jnp.where(touching, force, 0.0)[..., None] * n
