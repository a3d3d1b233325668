# SPDX-License-Identifier: Apache-2.0
"""Transitions from replayed people: recorded paths of pedestrians, a robot that drives at random beside them.

Logged runs hold few near misses, because people give way and the robot brakes. A replay takes a recorded piece of
somebody's path, turns and moves it, and lets a robot with the drive's limits drive past, brake or speed up at random.
The person does not react to it, as a distracted one would not. People's motion is recorded; the robot's is simulated as
a unicycle whose speed and yaw rate follow held accelerations exactly.
"""

from collections.abc import Sequence

import numpy as np

from reflexarc.barrier.encounter import relative_states
from reflexarc.core.types import Array
from reflexarc.robots import BaseRobot
from reflexarc_sim.encounters.log import EncounterRun
from reflexarc_sim.encounters.transitions import MIRROR_INPUT, MIRROR_STATE, Pairs, tracks

STEP = 0.02
"""Integration step. [s]"""
LENGTH = 2.4
"""How long a replay is. [s]"""
EVERY = 2
"""Samples of the log per transition."""


def recorded_paths(runs: Sequence[EncounterRun], samples: int, rng: np.random.Generator) -> Array:
    """Return pieces of people's paths that begin at the origin, shape (n, samples, 2)."""
    pieces: list[Array] = []
    for run in runs:
        position, velocity = tracks(run)
        for k in range(position.shape[1]):
            known = np.asarray(np.isfinite(velocity[:, k]).all(axis=1))
            for start in rng.permutation(max(0, len(known) - samples))[:40]:
                if known[start : start + samples].all():
                    path = position[start : start + samples, k]
                    pieces.append(path - path[0])
    return np.array(pieces)


def replayed_pairs(runs: Sequence[EncounterRun], robot: BaseRobot, count: int, seed: int) -> Pairs:
    """Return the transitions of `count` replays.

    Args:
        runs: logged runs.
        robot: whose limits the simulated robot has.
        count: replays.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    fine = runs[0].period
    period = EVERY * fine
    steps = round(LENGTH / period)
    pieces = recorded_paths(runs, steps * EVERY + 3, rng)
    path = pieces[rng.integers(0, len(pieces), count)]
    velocity = np.zeros_like(path)
    velocity[:, 1:-1] = (path[:, 2:] - path[:, :-2]) / (2.0 * fine)
    path, velocity = path[:, 1:-1], velocity[:, 1:-1]
    turn = rng.uniform(-np.pi, np.pi, count)
    path, velocity = _turned(path - path[:, :1], turn), _turned(velocity, turn)
    distance, bearing = rng.uniform(0.3, 4.5, count), rng.uniform(-np.pi, np.pi, count)
    bearing = np.where(rng.random(count) < 0.7, 0.4 * bearing, bearing)  # mostly ahead of the robot
    start = np.column_stack((distance * np.cos(bearing), distance * np.sin(bearing)))
    path = path + start[:, None]
    twist = np.column_stack((rng.uniform(-0.3, 2.6, count), rng.uniform(-0.8, 0.8, count)))
    twist[rng.random(count) < 0.15] *= 0.1
    pose = np.zeros((count, 3))
    states, inputs = [], []
    held, left = np.zeros((count, 2)), np.zeros(count, int)
    for k in range(steps):
        states.append(relative_states(pose, twist, path[:, EVERY * k], velocity[:, EVERY * k]))
        due = left <= 0
        held[due] = _wish(rng, int(due.sum()), robot)
        left[due] = rng.integers(2, steps, int(due.sum()))
        left -= 1
        before = twist.copy()
        pose, twist = _drive(pose, twist, held, period, robot)
        inputs.append((twist - before) / period)
    states.append(relative_states(pose, twist, path[:, EVERY * steps], velocity[:, EVERY * steps]))
    x = np.stack(states[:-1], axis=1).reshape(-1, 6)
    next_x = np.stack(states[1:], axis=1).reshape(-1, 6)
    u = np.stack(inputs, axis=1).reshape(-1, 2)
    last = np.zeros((count, steps), bool)
    last[:, -1] = True
    return Pairs(x, u, next_x, last.reshape(-1), period)


def mirrored(pairs: Pairs) -> Pairs:
    """Return the transitions seen in a mirror."""
    return Pairs(
        pairs.x * MIRROR_STATE, pairs.u * MIRROR_INPUT, pairs.next_x * MIRROR_STATE, pairs.last, pairs.dt
    )


def _turned(vectors: Array, angle: Array) -> Array:
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = vectors[..., 0], vectors[..., 1]
    return np.stack((cos * x - sin * y, sin * x + cos * y), axis=-1)


def _wish(rng: np.random.Generator, count: int, robot: BaseRobot) -> Array:
    """Draw twists that the robot tries to reach: two of five stop, the others drive anyhow."""
    wish = np.column_stack((rng.uniform(-0.3, 2.6, count), rng.uniform(-1.2, 1.2, count)))
    stops = rng.random(count) < 0.4
    wish[stops, 0] = 0.0
    wish[stops & (rng.random(count) < 0.5), 1] = 0.0
    return wish


def _drive(pose: Array, twist: Array, wish: Array, period: float, robot: BaseRobot) -> tuple[Array, Array]:
    """Follow the wished twist with the drive's ramps for a period."""
    pose, twist = pose.copy(), twist.copy()
    for _ in range(round(period / STEP)):
        before = twist.copy()
        for i, up, down in (
            (0, robot.max_acceleration, robot.max_deceleration),
            (1, robot.max_yaw_acceleration, robot.max_yaw_deceleration),
        ):
            now, wanted = twist[:, i], np.where(twist[:, i] * wish[:, i] < 0.0, 0.0, wish[:, i])
            limit = STEP * np.where(np.abs(wanted) >= np.abs(now), up, down)
            twist[:, i] = now + np.clip(wanted - now, -limit, limit)
        middle = 0.5 * (before + twist)
        heading = pose[:, 2] + 0.5 * STEP * middle[:, 1]
        pose[:, 0] += STEP * middle[:, 0] * np.cos(heading)
        pose[:, 1] += STEP * middle[:, 0] * np.sin(heading)
        pose[:, 2] += STEP * middle[:, 1]
    return pose, twist
