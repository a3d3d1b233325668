# SPDX-License-Identifier: Apache-2.0
"""From logged runs to transitions of (robot, person) pairs, and how far reality is from the pair's equations of motion.

People's velocities are central differences of their logged positions. The input is what the drive did: the change of
the measured twist over the transition. Each transition is also entered mirrored (y -> -y), because the robot is
symmetric.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from reflexarc.barrier.encounter import INPUT, STATE, margins, rates, relative_states
from reflexarc.core.types import Array
from reflexarc.robots import BaseRobot
from reflexarc_sim.crowd import PEDESTRIAN_RADIUS
from reflexarc_sim.encounters.log import EncounterRun

RANGE = 6.0
"""Pairs farther apart are not learned from. [m]"""
FASTEST_PERSON = 3.0
"""A person who is faster has been moved by the crowd simulator to another place. [m/s]"""
MIRROR_STATE = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
MIRROR_INPUT = np.array([1.0, -1.0])


class Pairs(NamedTuple):
    """Transitions of one kind after another, those of a pair in a row."""

    x: Array
    """Shape (n, 6)."""
    u: Array
    """Shape (n, 2)."""
    next_x: Array
    """Shape (n, 6)."""
    last: np.ndarray
    """Whether the recording of the pair breaks off here; shape (n,), bool."""
    dt: float
    """[s]"""


def tracks(run: EncounterRun) -> tuple[Array, Array]:
    """Return people's positions and velocities, shape (n, p, 2) each; NaN where they are not known or jump."""
    position = run.people
    velocity = np.full_like(position, np.nan)
    velocity[1:-1] = (position[2:] - position[:-2]) / (2.0 * run.period)
    fast = np.hypot(velocity[..., 0], velocity[..., 1]) > FASTEST_PERSON
    velocity[fast] = np.nan
    return position, velocity


def pair_transitions(run: EncounterRun, every: int = 2, reach: float = RANGE) -> Pairs:
    """Return the transitions of all pairs within `reach` [m] of a run, over `every` of its samples each."""
    position, velocity = tracks(run)
    states = [
        relative_states(run.pose, run.twist, position[:, k], velocity[:, k]) for k in range(position.shape[1])
    ]
    parts: list[tuple[Array, ...]] = []
    dt = every * run.period
    twist_rate = (run.twist[every:] - run.twist[:-every]) / dt
    for path in states:
        near = np.hypot(path[:, 0], path[:, 1]) <= reach
        known = np.asarray(np.isfinite(path).all(axis=1))
        good = near[:-every] & known[:-every] & known[every:]
        for offset in range(every):
            index = np.arange(offset, len(path) - every, every)
            kept = index[good[index]]
            if len(kept) == 0:
                continue
            last = np.append(np.diff(kept) > every, True)
            parts.append((path[kept], twist_rate[kept], path[kept + every], last))
    if not parts:
        return Pairs(np.zeros((0, 6)), np.zeros((0, 2)), np.zeros((0, 6)), np.zeros(0, bool), dt)
    x, u, next_x, last = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Pairs(x, u, next_x, last, dt)


def join(pairs: Iterable[Pairs]) -> Pairs:
    """Return all transitions, followed by their mirror images."""
    parts = list(pairs)
    x, u, next_x = (np.concatenate([getattr(p, name) for p in parts]) for name in ("x", "u", "next_x"))
    last = np.concatenate([p.last for p in parts])
    return Pairs(
        np.concatenate((x, x * MIRROR_STATE)),
        np.concatenate((u, u * MIRROR_INPUT)),
        np.concatenate((next_x, next_x * MIRROR_STATE)),
        np.concatenate((last, last)),
        parts[0].dt,
    )


def residual_bound(pairs: Pairs, share: float = 0.95) -> Array:
    """Return, per coordinate, the rate error that the share `share` of the transitions stays below, shape (6,).

    Error of the trapezoidal rule with the pair's equations of motion; rates in [unit/s].
    """
    mean = 0.5 * (rates(pairs.x, pairs.u) + rates(pairs.next_x, pairs.u))
    error = np.abs((pairs.next_x - pairs.x) / pairs.dt - mean)
    return np.quantile(error, share, axis=0)


def as_transitions(pairs: Pairs, robot: BaseRobot, name: str):  # type: ignore[no-untyped-def]
    """Return the pairs as `reflexarc.barrier.learn.transitions.Transitions` of the system `name`."""
    from reflexarc.barrier.learn.transitions import Transitions  # noqa: PLC0415 - needs the extra `learn`

    lower = np.array((-robot.max_deceleration, -robot.max_yaw_deceleration))
    upper = np.array((robot.max_acceleration, robot.max_yaw_deceleration))
    return Transitions(
        x=pairs.x,
        u=np.clip(pairs.u, lower, upper),
        next_x=pairs.next_x,
        margin=margins(pairs.x, robot, PEDESTRIAN_RADIUS),
        next_margin=margins(pairs.next_x, robot, PEDESTRIAN_RADIUS),
        reward=pairs.x[:, 4] * pairs.dt,
        dt=np.full(len(pairs.x), pairs.dt),
        terminal=np.zeros(len(pairs.x), bool),
        last=pairs.last,
        system=name,
        state=STATE,
        input=INPUT,
        lower=lower,
        upper=upper,
    )
