# SPDX-License-Identifier: Apache-2.0
r"""Rows of a learned barrier V over encounters, for the programme of the barrier stage.

For each of the nearest people, at the relative state x of `reflexarc.barrier.encounter` (tracks carried forward to the
time of the tick), the drive's answer a to a command u over the horizon D is a = (u - (v, omega)) / D, and the
condition dV/dt >= -alpha V becomes one row of the command:

    -c_v u_v / D - c_w u_omega / D  <=  r + alpha V_m - (c_v v + c_w omega) / D
    c = (dV/dv, dV/domega),   V_m = V - k (|dV/dp| sigma_p + |dV/dw| sigma_w),
    r = grad_x V . f(x) - s sum_i |dV/dx_i| e_i

Outside its safe set (V_m <= 0) the barrier's slope is worth little: if the person comes nearer by more than
COMING, or touches, the row asks to stand, u_v = 0, which is what the barrier calls safe always; V_m is never taken
above the exact gap. Here f is the drift of the pair's equations of motion, e the residual bound per coordinate that was
measured on the logs, s the share of it that counts, sigma the track's standard deviations. A row whose right side is
below zero is moved to zero, because standing still must always be admissible (passive safety): then it only asks not
to move that way.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from reflexarc.barrier.compiled import value_and_gradient
from reflexarc.barrier.footprint import point_gap
from reflexarc.core.types import Array

VALUE, GAP, CLOSING, SOURCE, NORMAL_V, NORMAL_W, OFFSET, STAND = range(8)
COLUMNS = 8
"""V_m, gap between footprint and person, closing speed across the gap, index of the person, and the row in
(v, omega), or in (v_x, v_y) where the robot side-steps: NORMAL . u <= OFFSET, not scaled; a row with both normals 0
says nothing, one with STAND = 1 asks to stand."""
COMING = 0.1
"""Speed across the gap from which on a person counts as coming. [m/s]"""
N = 6
"""Size of the relative state."""
FLAT = 1e-6
"""Gradient by the command below which a row says nothing about it. [m / (m/s)]"""


class RowParameters(NamedTuple):
    """Numbers of the rows, all SI. NamedTuple because the compiled kernel takes it as it is."""

    alpha: float
    """Decay of the barrier that is allowed. [1/s]"""
    horizon: float
    """D: time in which the drive turns a command into motion. [s]"""
    reach: float
    """People whose centre is farther away get no row. [m]"""
    sigmas: float
    """k: standard deviations of the track that are covered."""
    residual: Array
    """s e: counted residual bound per coordinate, shape (6,). [unit/s]"""
    deceleration: float
    """[m/s^2]"""
    acceleration: float
    """[m/s^2]"""
    yaw_acceleration: float
    """Both ways. [rad/s^2]"""
    half_length: float
    """Half of the footprint along x. [m]"""
    half_width: float
    """Half of the footprint along y. [m]"""


def row_table(people: int) -> Array:
    """Return an uninitialised table with room for `people` rows."""
    return np.empty((people, COLUMNS))


@numba.njit(cache=True)
def nearest(pose, age, position, velocity, reach, index, distance):
    """Write the nearest people, nearest first, and return how many; the size of `index` is the most."""
    most = index.shape[0]
    count = 0
    for i in range(position.shape[0]):
        dx = position[i, 0] + velocity[i, 0] * age - pose[0]
        dy = position[i, 1] + velocity[i, 1] * age - pose[1]
        d = math.sqrt(dx * dx + dy * dy)
        if not d <= reach or (count == most and d >= distance[most - 1]):
            continue
        k = min(count, most - 1)
        while k > 0 and distance[k - 1] > d:
            distance[k], index[k] = distance[k - 1], index[k - 1]
            k -= 1
        distance[k], index[k] = d, i
        count = min(count + 1, most)
    return count


@numba.njit(cache=True)
def encounter_rows(pose, twist, age, position, velocity, radius, position_std, velocity_std, packed, p, rows):
    """Fill `rows` with one line per person among the nearest; return how many, or -1 if a number is not finite.

    Args:
        pose: x, y, yaw of base_link at the time of the tick, shape (3,). [m, m, rad]
        twist: measured forward and yaw velocity, shape (2,). [m/s, rad/s]
        age: age of the tracks at the tick. [s]
        position: centres, shape (n, 2). [m]
        velocity: shape (n, 2). [m/s]
        radius: shape (n,). [m]
        position_std: shape (n,). [m]
        velocity_std: shape (n,). [m/s]
        packed: the barrier.
        p: `RowParameters`.
        rows: output, shape (most, COLUMNS).
    """
    index = np.empty(rows.shape[0], np.int64)
    distance = np.empty(rows.shape[0])
    count = nearest(pose, age, position, velocity, p.reach, index, distance)
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    x, g = np.empty(N), np.empty(N)
    v, omega = twist[0], twist[1]
    for k in range(count):
        i = index[k]
        dx = position[i, 0] + velocity[i, 0] * age - pose[0]
        dy = position[i, 1] + velocity[i, 1] * age - pose[1]
        x[0], x[1] = cos * dx + sin * dy, cos * dy - sin * dx
        x[2] = cos * velocity[i, 0] + sin * velocity[i, 1]
        x[3] = cos * velocity[i, 1] - sin * velocity[i, 0]
        x[4], x[5] = v, omega
        value = value_and_gradient(x, packed, g)
        spread = math.sqrt(g[0] * g[0] + g[1] * g[1]) * (position_std[i] + age * velocity_std[i])
        spread += math.sqrt(g[2] * g[2] + g[3] * g[3]) * velocity_std[i]
        gap, nx, ny = point_gap(x[0], x[1], p.half_length, p.half_width)
        gap -= radius[i]
        value = min(value - p.sigmas * spread, gap)
        drift = g[0] * (x[2] - v + omega * x[1]) + g[1] * (x[3] - omega * x[0])
        drift += g[2] * omega * x[3] - g[3] * omega * x[2]
        for j in range(N):
            drift -= abs(g[j]) * p.residual[j]
        row = rows[k]
        row[VALUE], row[GAP], row[SOURCE] = value, gap, float(i)
        coming = -(nx * x[2] + ny * x[3])
        row[CLOSING] = coming + nx * v
        row[STAND] = 1.0 if value <= 0.0 and (coming > COMING or gap <= 0.0) else 0.0
        row[NORMAL_V], row[NORMAL_W] = -g[4] / p.horizon, -g[5] / p.horizon
        row[OFFSET] = drift + p.alpha * value + row[NORMAL_V] * v + row[NORMAL_W] * omega
        if not math.isfinite(value + row[NORMAL_V] + row[NORMAL_W] + row[OFFSET]):
            return -1
        if abs(g[4]) + abs(g[5]) < FLAT:
            row[NORMAL_V], row[NORMAL_W], row[OFFSET] = 0.0, 0.0, 0.0
    return count


@numba.njit(cache=True)
def _reached(command, measured, slower, faster, horizon):
    """What the drive makes of a command within the horizon."""
    low = measured - horizon * (slower if measured >= 0.0 else faster)
    high = measured + horizon * (faster if measured >= 0.0 else slower)
    return min(high, max(low, command))


@numba.njit(cache=True)
def reached(forward, yaw, twist, p):
    """Return the velocity to which a command leads within the horizon: (v, omega)."""
    return (
        _reached(forward, twist[0], p.deceleration, p.acceleration, p.horizon),
        _reached(yaw, twist[1], p.yaw_acceleration, p.yaw_acceleration, p.horizon),
    )


@numba.njit(cache=True)
def shares_at(rows, count, first, second, near_first, near_second, moves):
    """Return the largest share in [0, 1] of a command that all rows admit, and the row that binds (-1: none).

    A row that holds for what the drive makes of the command does not bind.

    Args:
        rows: `count` of them.
        count: number of rows.
        first: component of the command that NORMAL_V belongs to.
        second: component that NORMAL_W belongs to.
        near_first: what the drive makes of the first component within the horizon.
        near_second: of the second.
        moves: whether the command is one that a row with STAND forbids.
    """
    share, binding = 1.0, -1
    for k in range(count):
        row = rows[k]
        if row[STAND] == 1.0:
            if moves:
                share, binding = 0.0, k
            continue
        if row[NORMAL_V] * near_first + row[NORMAL_W] * near_second <= row[OFFSET]:
            continue
        along = row[NORMAL_V] * first + row[NORMAL_W] * second
        limit = max(0.0, row[OFFSET])
        if along > limit and limit < share * along:
            share, binding = limit / along, k
    return share, binding


@numba.njit(cache=True)
def scaled_at(
    rows,
    count,
    first,
    second,
    near_first,
    near_second,
    scale_first,
    scale_second,
    stand_first,
    stand_second,
    normals,
    offsets,
):
    """Write the first two columns of the rows for the programme whose target is a command; return how many rows.

    normals_i . z <= offsets_i with z = (first / scale_first, second / scale_second), each normal of unit length; z = 0
    satisfies all. A row that does not bind at the target does not cut it off either. A row with STAND is written as
    (stand_first, stand_second) . z <= 0. The other arguments are those of `shares_at`.
    """
    used = 0
    for k in range(count):
        row = rows[k]
        if row[STAND] == 1.0 and used < offsets.shape[0]:
            normals[used, 0], normals[used, 1], offsets[used] = stand_first, stand_second, 0.0
            used += 1
            continue
        nv, nw = row[NORMAL_V] * scale_first, row[NORMAL_W] * scale_second
        norm = math.sqrt(nv * nv + nw * nw)
        if norm < 1e-9 or used == offsets.shape[0]:
            continue
        offset = max(0.0, row[OFFSET])
        if row[NORMAL_V] * near_first + row[NORMAL_W] * near_second <= row[OFFSET]:
            offset = max(offset, row[NORMAL_V] * first + row[NORMAL_W] * second)
        normals[used, 0], normals[used, 1] = nv / norm, nw / norm
        offsets[used] = offset / norm
        used += 1
    return used


@numba.njit(cache=True)
def row_shares(rows, count, forward, yaw, twist, p):
    """Return the largest share in [0, 1] of a command that all rows admit, and the row that binds (-1: none).

    A row that holds for what the drive makes of the command within the horizon does not bind.
    """
    near_v, near_w = reached(forward, yaw, twist, p)
    return shares_at(rows, count, forward, yaw, near_v, near_w, forward != 0.0)


@numba.njit(cache=True)
def scaled_rows(rows, count, forward, yaw, twist, scale_v, scale_w, p, normals, offsets):
    """Write the rows for the programme whose target is a command; return how many. See `scaled_at`."""
    near_v, near_w = reached(forward, yaw, twist, p)
    ahead = 1.0 if forward >= 0.0 else -1.0
    return scaled_at(
        rows, count, forward, yaw, near_v, near_w, scale_v, scale_w, ahead, 0.0, normals, offsets
    )
