# SPDX-License-Identifier: Apache-2.0
r"""Replayed encounters: what a learned barrier of encounters is certified on.

An episode is a pair (robot, person) of a logged run: the person walks on as recorded, the robot starts as recorded and
then drives on its own, as a unicycle behind the drive's dead time and ramps. A task that is up to no good proposes
constant speed and either a constant turn or one towards the person; between it and the drive stands nothing but the
learned barrier's row, without the stopping barrier. The tracker's noise and delay are simulated. The episode fails if
l(x) < 0 at any time: footprint and disc overlap while the robot is faster than v_stand (`reflexarc.barrier.encounter`).

What people would have done differently because the robot moves differently than recorded is not in it.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np

from reflexarc.barrier.compiled import pack
from reflexarc.barrier.encounter import STAND_SPEED, STATE, relative_states
from reflexarc.barrier.encounter_rows import (
    NORMAL_V,
    NORMAL_W,
    OFFSET,
    STAND,
    RowParameters,
    encounter_rows,
    reached,
    row_table,
)
from reflexarc.barrier.footprint import point_gap
from reflexarc.barrier.learned import LearnedBarrier, Mlp
from reflexarc.core.errors import ModelError
from reflexarc.core.types import Array

STEP = 0.02
"""Time between two commands of the rollout; coarser than the arc's 5 ms. [s]"""


class RollParameters(NamedTuple):
    """The simulated robot and tracker, all SI."""

    half_length: float
    half_width: float
    radius: float
    """Of a person. [m]"""
    dead_steps: int
    """Steps until a command acts; at least 1."""
    acceleration: float
    braking: float
    yaw_acceleration: float
    yaw_braking: float
    max_yaw_rate: float
    position_std: float
    velocity_std: float
    delay_steps: int
    """Steps by which the tracks are old."""
    scale_v: float
    """Change of speed that costs as much as scale_w of yaw rate. [m/s]"""
    scale_w: float
    """[rad/s]"""


@dataclass(frozen=True, slots=True)
class Encounters:
    """N recorded encounters of K samples each: where they start, and how the person walks on."""

    period: float
    """Time between two samples of a path. [s]"""
    path: Array
    """The person's centre in the robot's base_link at the start, shape (N, K, 2). [m]"""
    twist: Array
    """The robot's twist at the start, shape (N, 2). [m/s, rad/s]"""

    def __len__(self) -> int:
        return len(self.path)

    @property
    def starts(self) -> Array:
        """Relative states at the start, shape (N, 6)."""
        velocity = (self.path[:, 1] - self.path[:, 0]) / self.period
        return relative_states(np.zeros(3), self.twist, self.path[:, 0], velocity)

    def part(self, index: np.ndarray) -> "Encounters":
        """Return some of the encounters, by number or by truth value."""
        return Encounters(self.period, self.path[index], self.twist[index])

    def save(self, path: Path) -> None:
        """Write an npz file; lengths to the millimetre, so that the file is small and reads back the same."""
        np.savez_compressed(
            path,
            period=self.period,
            path=np.round(1000.0 * self.path).astype(np.int16),
            twist=np.round(1000.0 * self.twist).astype(np.int16),
        )


def load_encounters(path: Path) -> Encounters:
    """Read what `Encounters.save` wrote.

    Raises:
        ModelError: the file is missing or is none.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            return Encounters(float(data["period"]), data["path"] / 1000.0, data["twist"] / 1000.0)
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: no file of encounters ({error!r})") from error


@dataclass(frozen=True, slots=True)
class Episodes:
    """Encounters with what the robot's task proposes in each, and the tracker's noise."""

    encounters: Encounters
    proposal: Array
    """Proposed speed and turn, shape (N, 2). [m/s, rad/s]"""
    chase: np.ndarray
    """Whether the proposal turns towards the person, at most so fast; shape (N,), bool."""
    noise: Array
    """Standard normal, per step position and velocity, shape (N, steps, 4)."""

    def __len__(self) -> int:
        return len(self.encounters)


def draw(encounters: Encounters, rng: np.random.Generator) -> Episodes:
    """Add tasks to encounters: 0.5 to 2 m/s, turns of up to 0.8 rad/s; every second one goes for the person."""
    count = len(encounters)
    steps = int(round((encounters.path.shape[1] - 1) * encounters.period / STEP))
    proposal = np.column_stack((rng.uniform(0.5, 2.0, count), rng.uniform(-0.8, 0.8, count)))
    return Episodes(encounters, proposal, rng.random(count) < 0.5, rng.standard_normal((count, steps, 4)))


class Rolled(NamedTuple):
    """What became of the episodes."""

    value: Array
    """V at the start, shape (N,). [m]"""
    least: Array
    """Smallest l along the episode, shape (N,); negative where it failed. [m]"""
    changed: Array
    """Share of the steps in which the row changed the proposal, shape (N,)."""
    way: Array
    """Distance driven, shape (N,). [m]"""


def roll(
    barrier: LearnedBarrier | None, rows: RowParameters, robot: RollParameters, episodes: Episodes
) -> Rolled:
    """Drive all episodes with the barrier's row as the only filter; None: without any.

    Args:
        barrier: over the state of `reflexarc.barrier.encounter`.
        rows: parameters of its rows.
        robot: the simulated robot and tracker.
        episodes: what is replayed.
    """
    count, recorded = len(episodes), episodes.encounters
    least, changed, way = np.empty(count), np.zeros(count), np.zeros(count)
    value = np.full(count, np.nan) if barrier is None else barrier.values(recorded.starts)
    packed = pack(_nothing() if barrier is None else barrier)
    for i in range(count):
        least[i], changed[i], way[i] = _roll(
            recorded.path[i],
            recorded.period,
            recorded.twist[i],
            episodes.proposal[i],
            bool(episodes.chase[i]),
            episodes.noise[i],
            packed,
            rows,
            robot,
            barrier is not None,
            row_table(1),
        )
    return Rolled(value, least, changed, way)


def _nothing() -> LearnedBarrier:
    zero = Mlp((np.zeros((1, len(STATE))),), (np.ones(1),), "relu")
    return LearnedBarrier((zero,), "min", np.zeros(6), np.ones(6), 0.0, "nothing", STATE, {})


@numba.njit(cache=True)
def _ramp(now, wanted, up, down):
    """Follow a command: at most `up` while the magnitude grows, at most `down` while it falls."""
    if now * wanted < 0.0:
        wanted = 0.0
    if abs(wanted) >= abs(now):
        return now + min(up, max(-up, wanted - now))
    return now + min(down, max(-down, wanted - now))


@numba.njit(cache=True)
def _filtered(forward, yaw, row, twist, p, robot):
    """Project the proposal onto the row, within 0 .. forward and the drive's yaw rate; shorten it if need be."""
    if row[STAND] == 1.0:
        return 0.0, yaw
    near_v, near_w = reached(forward, yaw, twist, p)
    if row[NORMAL_V] * near_v + row[NORMAL_W] * near_w <= row[OFFSET]:
        return forward, yaw
    tv = near_v if near_v * forward > 0.0 and abs(near_v) < abs(forward) else forward
    tw = near_w if near_w * yaw > 0.0 and abs(near_w) < abs(yaw) else yaw
    nv, nw = row[NORMAL_V] * robot.scale_v, row[NORMAL_W] * robot.scale_w
    offset = max(0.0, row[OFFSET])
    zv, zw = tv / robot.scale_v, tw / robot.scale_w
    excess = (nv * zv + nw * zw - offset) / (nv * nv + nw * nw)
    if excess > 0.0:
        zv -= excess * nv
        zw -= excess * nw
    v = zv * robot.scale_v
    v = min(max(v, min(0.0, tv)), max(0.0, tv))
    w = min(max(zw * robot.scale_w, -robot.max_yaw_rate), robot.max_yaw_rate)
    along = row[NORMAL_V] * v + row[NORMAL_W] * w
    if along > offset:
        share = offset / along
        v, w = share * v, share * w
    return v, w


@numba.njit(cache=True)
def _roll(path, period, twist0, proposal, chase, noise, packed, p, robot, filtered, table):
    """Drive one episode; return the smallest l, the share of changed steps and the way."""
    ticks = noise.shape[0]
    pose = np.zeros(3)
    twist = twist0.copy()
    drive = twist0.copy()
    queue = np.empty((robot.dead_steps, 2))
    for k in range(robot.dead_steps):
        queue[k, 0], queue[k, 1] = twist0[0], twist0[1]
    position, velocity = np.empty((1, 2)), np.empty((1, 2))
    radius = np.full(1, robot.radius)
    position_std, velocity_std = np.full(1, robot.position_std), np.full(1, robot.velocity_std)
    least, changed, way = np.inf, 0, 0.0
    for k in range(ticks + 1):
        px, py, _, _ = _person(path, period, k * STEP)
        cos, sin = math.cos(pose[2]), math.sin(pose[2])
        dx, dy = px - pose[0], py - pose[1]
        gap, _, _ = point_gap(cos * dx + sin * dy, cos * dy - sin * dx, robot.half_length, robot.half_width)
        gap -= robot.radius
        speed = abs(twist[0])
        if gap < 0.0 and speed > STAND_SPEED:
            least = min(least, max(gap, STAND_SPEED - speed))
        else:
            least = min(least, max(gap, 0.0))
        if k == ticks:
            break
        forward, yaw = proposal[0], proposal[1]
        if chase:
            bearing = math.atan2(cos * dy - sin * dx, cos * dx + sin * dy)
            yaw = min(max(2.0 * bearing, -abs(yaw)), abs(yaw))
        if filtered:
            seen = max(0, k - robot.delay_steps)
            sx, sy, sw, sz = _person(path, period, seen * STEP)
            position[0, 0] = sx + robot.position_std * noise[k, 0]
            position[0, 1] = sy + robot.position_std * noise[k, 1]
            velocity[0, 0] = sw + robot.velocity_std * noise[k, 2]
            velocity[0, 1] = sz + robot.velocity_std * noise[k, 3]
            age = (k - seen) * STEP
            count = encounter_rows(
                pose, twist, age, position, velocity, radius, position_std, velocity_std, packed, p, table
            )
            if count == 1:
                v, w = _filtered(forward, yaw, table[0], twist, p, robot)
                if v != forward or w != yaw:
                    changed += 1
                forward, yaw = v, w
            elif count < 0:
                forward, yaw = 0.0, 0.0
        slot = k % robot.dead_steps
        told_v, told_w = queue[slot, 0], queue[slot, 1]
        queue[slot, 0], queue[slot, 1] = forward, yaw
        drive[0] = _ramp(drive[0], told_v, robot.acceleration * STEP, robot.braking * STEP)
        drive[1] = _ramp(drive[1], told_w, robot.yaw_acceleration * STEP, robot.yaw_braking * STEP)
        v, w = 0.5 * (twist[0] + drive[0]), 0.5 * (twist[1] + drive[1])
        middle = pose[2] + 0.5 * w * STEP
        pose[0] += v * STEP * math.cos(middle)
        pose[1] += v * STEP * math.sin(middle)
        pose[2] += w * STEP
        way += abs(v) * STEP
        twist[0], twist[1] = drive[0], drive[1]
    return least, changed / ticks, way


@numba.njit(cache=True)
def _person(path, period, time):
    """Position and velocity of the person on the polyline of samples."""
    k = min(int(time / period), path.shape[0] - 2)
    share = time / period - k
    vx, vy = (path[k + 1, 0] - path[k, 0]) / period, (path[k + 1, 1] - path[k, 1]) / period
    return path[k, 0] + share * period * vx, path[k, 1] + share * period * vy, vx, vy
