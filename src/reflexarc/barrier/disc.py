# SPDX-License-Identifier: Apache-2.0
r"""Stopping barrier of a base that moves in any direction: it can always come to rest before anything touches it.

The robot is a disc of radius R around base_link, so turning moves none of its boundary. For a thing at gap d [m] along
the unit normal n (from the disc to the thing, in base_link) the barrier at the command u = (p, omega), p = (v_x, v_y),
is what is left of the gap when the robot, having held u for the delay tau, has braked to rest while the thing kept
coming:

    h(u) = d - z - w T - a_p T^2 / 2 - S (tau + |p| / (2 a)),      T(u) = tau + |p| / a
    S(u) = min(|p|, max(0, n . p) + theta max(0, sgn(omega) (n_y p_x - n_x p_y)))
    theta(u) = |omega| (tau + |omega| / (2 alpha))

with
    z       clearance plus k standard deviations of the position [m],
    w       closing speed of the thing along n, plus k standard deviations of the velocity; at least v_h >= 0 [m/s],
    a_p     acceleration that the thing may add in any direction [m/s^2]; 0 for walls,
    S       largest speed along n while the heading, and p with it, turns by theta [m/s]; |p| from a quarter turn on,
    a, alpha  guaranteed deceleration [m/s^2] and yaw deceleration [rad/s^2],
    tau     control period + actuation latency [s].

n is kept fixed while braking, so h >= 0 is sufficient: the plane with normal n still separates robot and thing when the
robot stands. Moving away earns nothing. The form is that of `stopping`, for a rectangle that moves along one axis.

Along a ray, u = lambda u_0, h >= D - B lambda - Q lambda^2 with equality at 1, so the admissible share is closed-form.
Where D < 0 the thing is closer than the barrier allows even at standstill; then a command is admissible if it does not
approach (S at most 1 mm/s) and, against a moving thing, the robot creeps or outruns the thing already by its measured
velocity. Standing still is therefore admissible always.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from reflexarc.barrier.footprint import point_gap, segment_gap
from reflexarc.core.types import Array

GAP, BUDGET, LINEAR, SQUARE, NORMAL_X, NORMAL_Y, CLOSING, STAND, SOURCE = range(9)
COLUMNS = 9
"""d, D, W, E of h(u) = D - W |p|/a - E (|p|/a)^2 - S (tau + |p|/(2a)), n, w, 1 if the robot must stand when the thing
is too close (it can move and the robot does not outrun it) else 0, index of the thing (walls count on)."""

_NO_APPROACH = 1e-3
"""Speed towards a thing that counts as none, so that moving along its surface is a command with room for rounding: a
fiftieth of what counts as standing. [m/s]"""


class DiscParameters(NamedTuple):
    """Numbers of the barrier, all SI. NamedTuple because the compiled kernels take it as it is."""

    radius: float
    """Of the robot's disc. [m]"""
    deceleration: float
    """Guaranteed, in any direction. [m/s^2]"""
    yaw_deceleration: float
    """Guaranteed. [rad/s^2]"""
    delay: float
    """tau: control period plus actuation latency. [s]"""
    clearance: float
    """To moving things. [m]"""
    wall_clearance: float
    """[m]"""
    sigmas: float
    """k: standard deviations of position and velocity that are covered."""
    obstacle_acceleration: float
    """a_p. [m/s^2]"""
    creep_speed: float
    """Below this speed the robot counts as standing. [m/s]"""
    top_speed: float
    """Largest |p| that is asked about; what it cannot bring near gets no row. [m/s]"""
    person_speed: float = 0.0
    """v_h: every moving thing counts as coming at least so fast. [m/s]"""


@numba.njit(cache=True)
def _add(rows, count, gap, nx, ny, margin, closing, acceleration, stand, source, p):
    row = rows[count]
    row[GAP] = gap
    row[BUDGET] = gap - margin - closing * p.delay - 0.5 * acceleration * p.delay * p.delay
    row[LINEAR] = closing + acceleration * p.delay
    row[SQUARE] = 0.5 * acceleration
    row[NORMAL_X], row[NORMAL_Y] = nx, ny
    row[CLOSING], row[STAND], row[SOURCE] = closing, stand, source
    return count + 1


@numba.njit(cache=True)
def disc_rows(pose, twist, age, position, velocity, radius, position_std, velocity_std, segments, p, rows):
    """Fill `rows` with one line per thing in reach; return how many.

    Args:
        pose: x, y, yaw of base_link at the time of the tick, shape (3,). [m, m, rad]
        twist: measured forward, left and yaw velocity, shape (3,). [m/s, rad/s]
        age: of the obstacles' measurement at the tick. [s]
        position: obstacle centres in the same frame as the pose, shape (n, 2). [m]
        velocity: shape (n, 2). [m/s]
        radius: shape (n,). [m]
        position_std: shape (n,). [m]
        velocity_std: shape (n,). [m/s]
        segments: walls, shape (m, 4). [m]
        p: `DiscParameters`.
        rows: output, shape (>= n + m, COLUMNS).
    """
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    stop = p.delay + p.top_speed / p.deceleration
    farthest = p.top_speed * (p.delay + p.top_speed / (2.0 * p.deceleration))
    count, n = 0, radius.shape[0]
    for i in range(n):
        dx = position[i, 0] + velocity[i, 0] * age - pose[0]
        dy = position[i, 1] + velocity[i, 1] * age - pose[1]
        gap, nx, ny = point_gap(cos * dx + sin * dy, cos * dy - sin * dx, 0.0, 0.0)
        gap -= radius[i] + p.radius
        spread = p.sigmas * velocity_std[i]
        wx = cos * velocity[i, 0] + sin * velocity[i, 1]
        wy = cos * velocity[i, 1] - sin * velocity[i, 0]
        measured = -(nx * wx + ny * wy) + spread
        closing = max(p.person_speed, measured)
        unmeasured = closing - measured if p.person_speed > 0.0 else 0.0
        margin = p.clearance + p.sigmas * position_std[i] + (spread + unmeasured) * age
        margin += 0.5 * p.obstacle_acceleration * age * age
        if gap <= margin + closing * stop + 0.5 * p.obstacle_acceleration * stop * stop + farthest:
            away = -(nx * twist[0] + ny * twist[1])
            stand = 1.0 if away < closing else 0.0
            count = _add(
                rows, count, gap, nx, ny, margin, closing, p.obstacle_acceleration, stand, float(i), p
            )
    for j in range(segments.shape[0]):
        x1, y1 = segments[j, 0] - pose[0], segments[j, 1] - pose[1]
        x2, y2 = segments[j, 2] - pose[0], segments[j, 3] - pose[1]
        gap, nx, ny = segment_gap(
            cos * x1 + sin * y1,
            cos * y1 - sin * x1,
            cos * x2 + sin * y2,
            cos * y2 - sin * x2,
            0.0,
            0.0,
        )
        gap -= p.radius
        if gap <= p.wall_clearance + farthest:
            count = _add(rows, count, gap, nx, ny, p.wall_clearance, 0.0, 0.0, 0.0, float(n + j), p)
    return count


@numba.njit(cache=True)
def _approach(row, vx, vy, omega, p):
    """Return S [m/s]."""
    along = max(0.0, row[NORMAL_X] * vx + row[NORMAL_Y] * vy)
    speed = math.hypot(vx, vy)
    turn = abs(omega) * (p.delay + abs(omega) / (2.0 * p.yaw_deceleration))
    if turn >= 0.5 * math.pi:
        return speed
    side = row[NORMAL_Y] * vx - row[NORMAL_X] * vy
    return min(speed, along + turn * max(0.0, side if omega >= 0.0 else -side))


@numba.njit(cache=True)
def _coefficients(row, vx, vy, omega, p):
    """B and Q of h(lambda u) >= D - B lambda - Q lambda^2 for 0 <= lambda <= 1, with equality at 1."""
    speed = math.hypot(vx, vy)
    braking = speed / p.deceleration
    approach = _approach(row, vx, vy, omega, p)
    return (
        row[LINEAR] * braking + approach * p.delay,
        row[SQUARE] * braking * braking + approach * speed / (2.0 * p.deceleration),
    )


@numba.njit(cache=True)
def disc_margin(rows, count, vx, vy, omega, p):
    """Return min over the rows of h(u) [m] and the row that has it; (inf, -1) without rows."""
    smallest, binding = np.inf, -1
    for i in range(count):
        linear, square = _coefficients(rows[i], vx, vy, omega, p)
        h = rows[i, BUDGET] - linear - square
        if h < smallest:
            smallest, binding = h, i
    return smallest, binding


@numba.njit(cache=True)
def _row_share(row, vx, vy, omega, p):
    """Largest lambda for which lambda u and all smaller shares are admissible for one row."""
    budget = row[BUDGET]
    speed = math.hypot(vx, vy)
    if budget < 0.0:
        if _approach(row, vx, vy, omega, p) > _NO_APPROACH:
            return 0.0
        return 1.0 if row[STAND] == 0.0 or speed <= p.creep_speed else p.creep_speed / speed
    linear, square = _coefficients(row, vx, vy, omega, p)
    if linear + square <= budget:
        return 1.0
    return 2.0 * budget / (linear + math.sqrt(linear * linear + 4.0 * square * budget))


@numba.njit(cache=True)
def disc_share(rows, count, vx, vy, omega, p):
    """Return the largest lambda in [0, 1] such that lambda u is admissible for all rows, and the row that binds.

    The row is -1 when nothing binds (lambda = 1).
    """
    share, binding = 1.0, -1
    for i in range(count):
        row_share = _row_share(rows[i], vx, vy, omega, p)
        if row_share < share:
            share, binding = row_share, i
    return share, binding


@numba.njit(cache=True)
def disc_lines(rows, count, vx, vy, omega, scale_v, scale_w, p, normals, offsets):
    """Linearise the barrier for the quadratic programme; return how many of the rows were filled.

    Row i is tangent to h_i where the ray through the nominal command meets h_i = 0, or at the command if that is
    admissible: normals_i . z <= offsets_i with z = (v_x / scale_v, v_y / scale_v, omega / scale_w), unit normals. The
    rows with the least room at the command are kept, least first. z = 0 satisfies every row; the exact condition is
    enforced afterwards for all rows by `disc_share`. The programme must keep a v_x or v_y of zero at zero.

    Args:
        rows: of `disc_rows`, `count` of them.
        count: number of rows.
        vx: forward velocity of the nominal command. [m/s]
        vy: velocity to the left. [m/s]
        omega: yaw velocity. [rad/s]
        scale_v: change of speed that costs one. [m/s]
        scale_w: change of yaw rate that costs one. [rad/s]
        p: `DiscParameters`.
        normals: output, shape (k, 3).
        offsets: output, shape (k,); k rows at most are filled.
    """
    capacity = offsets.shape[0]
    used = 0
    room = np.empty(capacity)
    whole = max(1e-12, math.hypot(vx, vy))
    ex, ey = vx / whole, vy / whole
    for i in range(count):
        row = rows[i]
        nx, ny = row[NORMAL_X], row[NORMAL_Y]
        kinds = 2 if row[BUDGET] < 0.0 and row[STAND] == 1.0 else 1
        for kind in range(kinds):
            if row[BUDGET] < 0.0:
                gw = 0.0
                if kind == 0:  # do not approach
                    gx, gy, offset = nx, ny, 0.5 * _NO_APPROACH
                else:  # stand
                    gx, gy, offset = ex, ey, p.creep_speed
            else:
                share = min(1.0, _row_share(row, vx, vy, omega, p))
                rx, ry, rw = share * vx, share * vy, share * omega
                speed = share * whole
                sign = 1.0 if omega >= 0.0 else -1.0
                turn = abs(rw) * (p.delay + abs(rw) / (2.0 * p.yaw_deceleration))
                side = sign * (ny * rx - nx * ry)
                path = p.delay + speed / (2.0 * p.deceleration)
                approach = _approach(row, rx, ry, rw, p)
                urgency = (row[LINEAR] + 2.0 * row[SQUARE] * speed / p.deceleration) / p.deceleration
                urgency += approach / (2.0 * p.deceleration)
                gx, gy, gw = urgency * ex, urgency * ey, 0.0
                if turn >= 0.5 * math.pi or approach >= speed:
                    gx, gy = gx + path * ex, gy + path * ey
                else:
                    if nx * rx + ny * ry > 0.0:
                        gx, gy = gx + path * nx, gy + path * ny
                    if side > 0.0:
                        gx, gy = gx + path * turn * sign * ny, gy - path * turn * sign * nx
                        gw = path * side * sign * (p.delay + abs(rw) / p.yaw_deceleration)
                linear, square = _coefficients(row, rx, ry, rw, p)
                h = row[BUDGET] - linear - square
                offset = max(0.0, h) + gx * rx + gy * ry + gw * rw
            # A component that is not proposed is 0 in every answer: without it rows keep their scale.
            gx, gy, gw = gx * scale_v if vx != 0.0 else 0.0, gy * scale_v if vy != 0.0 else 0.0, gw * scale_w
            norm = math.sqrt(gx * gx + gy * gy + gw * gw)
            if norm < 1e-9:
                continue
            gx, gy, gw, offset = gx / norm, gy / norm, gw / norm, max(0.0, offset / norm)
            left = offset - (gx * vx + gy * vy) / scale_v - gw * omega / scale_w
            if used == capacity and left >= room[capacity - 1]:
                continue
            k = min(used, capacity - 1)
            while k > 0 and room[k - 1] > left:
                room[k], offsets[k] = room[k - 1], offsets[k - 1]
                for a in range(3):
                    normals[k, a] = normals[k - 1, a]
                k -= 1
            room[k], offsets[k] = left, offset
            normals[k, 0], normals[k, 1], normals[k, 2] = gx, gy, gw
            used = min(used + 1, capacity)
    return used


def disc_table(things: int) -> Array:
    """Return an uninitialised row table with room for `things` obstacles and walls."""
    return np.empty((max(1, things), COLUMNS))
