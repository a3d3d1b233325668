# SPDX-License-Identifier: Apache-2.0
r"""Rows of a learned barrier V over a legged robot and a person, for the programme of its barrier stage; no JAX.

For each of the nearest people V is asked at x = (r, w, p) (`reflexarc.robots.systems.legged_encounter`): the person's
place from the robot's centre, the person's and the robot's velocity over ground, along the axes of base_link. The
track is carried to the time of the tick, and the place further on by the latency L with which a command acts, because
the model of V has none. A command u = (v_x, v_y), answered within the time D, gives the velocity over ground the rate
(u - p) / D + omega x p, so that dV/dt >= -alpha V becomes

    dV/dp . (u - p) / D  >=  -dV/dr . (w - p) - dV/dp . (omega x p) - alpha V_m
    V_m = min( V - k (|dV/dr| (sigma_p + L sigma_w) + |dV/dw| sigma_w) - max(0, radius - r_person),  gap )

with the track's standard deviations sigma: a person larger than the one that V knows costs V no more than what the
radius exceeds it by. A row is moved until standing still satisfies it, and asks to stand where V_m <= 0 and the person
comes or touches, as in `reflexarc.barrier.encounter_rows`, which shares and scaling are taken from. Where a velocity is
beyond the region that V was learned from, V is not asked and counts as minus infinity. Places beyond it get no row.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from reflexarc.barrier.compiled import value_and_gradient
from reflexarc.barrier.encounter_rows import (
    CLOSING,
    COMING,
    FLAT,
    GAP,
    NORMAL_V,
    NORMAL_W,
    OFFSET,
    SOURCE,
    STAND,
    VALUE,
    nearest,
    scaled_at,
    shares_at,
)
from reflexarc.core.types import Array

N = 6
"""Size of the state."""
OUTSIDE = 0.1
"""How far beyond the region a measured velocity still counts as inside. [m/s]"""


class DiscEncounterParameters(NamedTuple):
    """Numbers of the rows, all SI. NamedTuple because the compiled kernels take it as it is."""

    alpha: float
    """Decay of the barrier that is allowed. [1/s]"""
    horizon: float
    """D: time in which the drive turns a command into motion. [s]"""
    latency: float
    """L: from a command to its effect. [s]"""
    reach: float
    """People whose centre is farther away get no row. [m]"""
    sigmas: float
    """k: standard deviations of the track that are covered."""
    deceleration: float
    """Largest change of the velocity in any direction. [m/s^2]"""
    radius: float
    """Of the robot's disc. [m]"""
    person_radius: float
    """r_person: of the person that V knows. [m]"""
    unit: float
    """Of the file's V, which is a multiple of the margin. [m]"""
    low: Array
    """Region of V: low corner, shape (6,)."""
    high: Array
    """High corner, shape (6,)."""


@numba.njit(cache=True)
def disc_encounter_rows(
    pose, twist, age, position, velocity, radius, position_std, velocity_std, packed, p, rows
):
    """Fill `rows` with one line per person among the nearest; return how many, or -1 if a number is not finite.

    Args:
        pose: x, y, yaw of base_link at the time of the tick, shape (3,). [m, m, rad]
        twist: measured forward, left and yaw velocity, shape (3,). [m/s, rad/s]
        age: age of the tracks at the tick. [s]
        position: centres, shape (n, 2). [m]
        velocity: shape (n, 2). [m/s]
        radius: shape (n,). [m]
        position_std: shape (n,). [m]
        velocity_std: shape (n,). [m/s]
        packed: the barrier.
        p: `DiscEncounterParameters`.
        rows: output, of `encounter_rows.row_table`.
    """
    index = np.empty(rows.shape[0], np.int64)
    distance = np.empty(rows.shape[0])
    found = nearest(pose, age, position, velocity, p.reach, index, distance)
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    x, g = np.empty(N), np.empty(N)
    px, py, omega = twist[0], twist[1], twist[2]
    count = 0
    for k in range(found):
        i = index[k]
        dx = position[i, 0] + velocity[i, 0] * age - pose[0]
        dy = position[i, 1] + velocity[i, 1] * age - pose[1]
        rx, ry = cos * dx + sin * dy, cos * dy - sin * dx
        wx = cos * velocity[i, 0] + sin * velocity[i, 1]
        wy = cos * velocity[i, 1] - sin * velocity[i, 0]
        x[0], x[1] = rx + p.latency * (wx - px), ry + p.latency * (wy - py)
        x[2], x[3], x[4], x[5] = wx, wy, px, py
        inside = True
        for j in range(2):
            inside = inside and p.low[j] <= x[j] <= p.high[j]
        if not inside and distance[k] > p.radius + radius[i]:
            continue  # it leaves the region before a command acts
        whole = max(1e-12, distance[k])
        nx, ny = rx / whole, ry / whole
        gap = distance[k] - p.radius - radius[i]
        coming = -(nx * wx + ny * wy)
        row = rows[count]
        row[GAP], row[SOURCE], row[CLOSING] = gap, float(i), coming + nx * px + ny * py
        row[NORMAL_V], row[NORMAL_W], row[OFFSET] = 0.0, 0.0, 0.0
        for j in range(2, N):
            inside = inside and p.low[j] - OUTSIDE <= x[j] <= p.high[j] + OUTSIDE
        count += 1
        if not inside:
            row[VALUE] = -np.inf
            row[STAND] = 1.0 if coming > COMING or gap <= 0.0 else 0.0
            continue
        value = p.unit * value_and_gradient(x, packed, g)
        for j in range(N):
            g[j] *= p.unit
        spread = math.sqrt(g[0] * g[0] + g[1] * g[1])
        spread *= position_std[i] + (age + p.latency) * velocity_std[i]
        spread += math.sqrt(g[2] * g[2] + g[3] * g[3]) * velocity_std[i]
        value = min(value - p.sigmas * spread - max(0.0, radius[i] - p.person_radius), gap)
        drift = g[0] * (wx - px) + g[1] * (wy - py) + omega * (g[5] * px - g[4] * py)
        normal_x, normal_y = -g[4] / p.horizon, -g[5] / p.horizon
        offset = drift + p.alpha * value + normal_x * px + normal_y * py
        if not math.isfinite(value + normal_x + normal_y + offset):
            return -1
        row[VALUE] = value
        row[STAND] = 1.0 if value <= 0.0 and (coming > COMING or gap <= 0.0) else 0.0
        if abs(g[4]) + abs(g[5]) >= FLAT:
            row[NORMAL_V], row[NORMAL_W], row[OFFSET] = normal_x, normal_y, offset
    return count


@numba.njit(cache=True)
def disc_reached(vx, vy, twist, p):
    """Return the velocity over ground to which a command leads within the horizon."""
    dx, dy = vx - twist[0], vy - twist[1]
    change, most = math.hypot(dx, dy), p.horizon * p.deceleration
    share = 1.0 if change <= most else most / change
    return twist[0] + share * dx, twist[1] + share * dy


@numba.njit(cache=True)
def disc_row_shares(rows, count, vx, vy, twist, p):
    """Return the largest share in [0, 1] of a velocity over ground that all rows admit, and the row that binds."""
    near_x, near_y = disc_reached(vx, vy, twist, p)
    return shares_at(rows, count, vx, vy, near_x, near_y, vx != 0.0 or vy != 0.0)


@numba.njit(cache=True)
def disc_scaled_rows(rows, count, vx, vy, twist, scale, p, normals, offsets):
    """Write the rows for the programme in (v_x / scale, v_y / scale, ..); return how many. See `scaled_at`.

    The programme must keep a v_x or v_y of zero at zero and the others on their side of it, so that a row that asks to
    stand does so in both.
    """
    near_x, near_y = disc_reached(vx, vy, twist, p)
    whole = math.hypot(vx, vy)
    ahead_x, ahead_y = (vx / whole, vy / whole) if whole > 0.0 else (1.0, 0.0)
    # A component that is not proposed is 0 in every answer: without it rows keep their scale.
    scale_x, scale_y = scale if vx != 0.0 else 0.0, scale if vy != 0.0 else 0.0
    used = scaled_at(
        rows, count, vx, vy, near_x, near_y, scale_x, scale_y, ahead_x, ahead_y, normals, offsets
    )
    normals[:used, 2:] = 0.0
    return used
