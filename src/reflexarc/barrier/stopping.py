# SPDX-License-Identifier: Apache-2.0
r"""Stopping barrier of a mobile base: it can always come to rest before anything touches it.

For a thing at gap d [m] along the unit normal n (from the footprint to the thing, in base_link) the barrier at the
command u = (v, omega) is what is left of the gap when the robot, having held u for the delay tau, has braked to rest
while the thing kept coming:

    h(u) = d - z - w T - a_p T^2 / 2 - s tau - c v |v| / (2 a) - b omega |omega| / (2 alpha) - r
    T(u) = tau + max(|v| / a, |omega| / alpha),   s(u) = c v + b omega
    r(u) = max(0, n_y v omega) (tau + |v| / (2 a)) (tau + |omega| / (2 alpha))

with
    z       clearance plus k standard deviations of the position [m],
    w       closing speed of the thing along n, plus k standard deviations of the velocity; at least v_h >= 0 [m/s],
    a_p     acceleration that the thing may add in any direction [m/s^2]; 0 for walls,
    T       time until the robot rests [s],
    s       speed of the footprint's support point along n, with c = n_x and b = lever x n [m/s],
    r       how much farther along n the braking path leads because the heading turns meanwhile [m],
    a, alpha  guaranteed deceleration [m/s^2] and yaw deceleration [rad/s^2],
    tau     control period + actuation latency: the sampled-data and the latency margin [s].

It is the protective separation distance S_p = S_h + S_r + S_s + C + Z of ISO/TS 15066:2016, 5.5.4 (from ISO
13855) turned into a function of the command, with the robot's velocity signed: moving away counts, up to the
speed that is measured (a command is not yet a speed). With v_h = 1.6 m/s and a_p = 0 it is the standard's S_p for a
person whose speed is not measured, T_r being the age of the measurement plus tau; with v_h = 0 measured speeds
count. Because n is kept fixed while braking, h >= 0 is
sufficient: the plane with normal n still separates the two bodies when the robot stands.

Along a ray, u = lambda u_0, the barrier is at least a quadratic, h >= D - B lambda - Q lambda^2, so a large
admissible share of a command is closed-form (`admissible_share`). Where D < 0 the thing is closer than the
barrier allows even at standstill; then a command is admissible if it does not approach (s <= 0) and, against
a moving thing, either the robot stands (|v| <= creep) or it outruns the thing already (its measured speed
along -n is at least w). Standing still is therefore admissible always: the filter built on it is never
infeasible.

The rectangle is represented by its support in direction n: for omega = 0 the nearest point decides, when
turning the corners do, so that each thing gives two rows (D, W, E, c, b), the two corners with the largest
support, with

    h(u) = D - W (T - tau) - E (T - tau)^2 - s tau - c v |v| / (2 a) - b omega |omega| / (2 alpha) - r(u).
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from reflexarc.barrier.footprint import point_gap, segment_gap
from reflexarc.core.types import Array

# Columns of the row table; one row per supporting corner of each thing.
GAP, BUDGET, LINEAR, SQUARE, LEVER_V, LEVER_W, SIDE, SPEED, CLOSING, STAND, SOURCE = range(11)
COLUMNS = 11
"""d, D, W, E, c, b, n_y, measured v, w, 1 if the robot must stand when the thing is too close (it can move
and the robot does not outrun it) else 0, index of the thing (walls count on from the obstacles)."""

_TINY = 1e-12
_NO_APPROACH = 1e-9
"""Closing speed that is rounding. [m/s]"""


class StoppingParameters(NamedTuple):
    """Numbers of the barrier, all SI. NamedTuple because the compiled kernel takes it as it is."""

    half_length: float
    """Half of the footprint along x. [m]"""
    half_width: float
    """Half of the footprint along y. [m]"""
    deceleration: float
    """Guaranteed braking deceleration a. [m/s^2]"""
    yaw_deceleration: float
    """Guaranteed yaw deceleration alpha. [rad/s^2]"""
    delay: float
    """tau: control period plus actuation latency. [s]"""
    clearance: float
    """Distance that is to be left to moving things. [m]"""
    wall_clearance: float
    """Distance that is to be left to walls. [m]"""
    sigmas: float
    """k: standard deviations of position and velocity that are covered."""
    obstacle_acceleration: float
    """a_p: acceleration that a moving thing may add. [m/s^2]"""
    creep_speed: float
    """Below this speed the robot counts as standing. [m/s]"""
    longest_stop: float
    """T of the fastest command, see `with_envelope`. [s]"""
    farthest_stop: float
    """How far the fastest command can bring any corner along any direction until the robot rests. [m]"""
    person_speed: float = 0.0
    """v_h: every moving thing counts as coming at least so fast. [m/s]"""


def with_envelope(
    parameters: StoppingParameters, max_speed: float, max_yaw_rate: float
) -> StoppingParameters:
    """Fill in how long and how far the robot can need to stop; a thing that is out of this reach gets no row.

    Args:
        parameters: the barrier's numbers; `longest_stop` and `farthest_stop` are replaced.
        max_speed: largest |v| that the filter is asked about. [m/s]
        max_yaw_rate: largest |omega|. [rad/s]
    """
    p = parameters
    stop = p.delay + max(max_speed / p.deceleration, max_yaw_rate / p.yaw_deceleration)
    straight = max_speed * (p.delay + max_speed / (2.0 * p.deceleration))
    turn = max_yaw_rate * (p.delay + max_yaw_rate / (2.0 * p.yaw_deceleration))
    corner = math.hypot(p.half_length, p.half_width)
    return p._replace(longest_stop=stop, farthest_stop=straight + turn * (corner + straight))


@numba.njit(cache=True)
def _add_rows(rows, count, gap, nx, ny, margin, closing, acceleration, moving, source, speed, p):
    """Append the rows of one thing: its normal with the two corners of largest support."""
    delay = p.delay
    budget = gap - margin - closing * delay - 0.5 * acceleration * delay * delay
    linear = closing + acceleration * delay
    square = 0.5 * acceleration
    first_x = p.half_length if nx >= 0.0 else -p.half_length
    first_y = p.half_width if ny >= 0.0 else -p.half_width
    # The second corner is the neighbour that loses least support: across the edge that faces the thing.
    flip_x = abs(nx) * p.half_length < abs(ny) * p.half_width
    for corner in range(2):
        cx, cy, loss = first_x, first_y, 0.0
        if corner == 1:
            if flip_x:
                cx, loss = -first_x, 2.0 * abs(nx) * p.half_length
            else:
                cy, loss = -first_y, 2.0 * abs(ny) * p.half_width
        row = rows[count]
        row[GAP] = gap + loss
        row[BUDGET] = budget + loss
        row[LINEAR] = linear
        row[SQUARE] = square
        row[LEVER_V] = nx
        row[LEVER_W] = ny * cx - nx * cy
        row[SIDE] = ny
        row[SPEED] = speed
        row[CLOSING] = closing
        row[STAND] = 1.0 if moving and -nx * speed < closing else 0.0
        row[SOURCE] = source
        count += 1
    return count


@numba.njit(cache=True)
def stopping_rows(
    pose, speed, ages, position, velocity, radius, position_std, velocity_std, segments, p, rows
):
    """Fill `rows` with one line per supporting corner of each thing in reach; return how many.

    A thing is out of reach if no command within the envelope of `p` can make h < 0.

    Args:
        pose: x, y, yaw of base_link at the time of the tick, shape (3,). [m, m, rad]
        speed: measured forward velocity. [m/s]
        ages: age of the obstacles' and of the walls' measurement at the tick, shape (2,). [s]
        position: obstacle centres in the same frame, shape (n, 2). [m]
        velocity: shape (n, 2). [m/s]
        radius: shape (n,). [m]
        position_std: shape (n,). [m]
        velocity_std: shape (n,). [m/s]
        segments: walls, shape (m, 4). [m]
        p: `StoppingParameters`.
        rows: output, shape (>= 2 (n + m), COLUMNS).
    """
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    age, stop = ages[0], p.longest_stop
    count = 0
    n = radius.shape[0]
    for i in range(n):
        dx = position[i, 0] + velocity[i, 0] * age - pose[0]
        dy = position[i, 1] + velocity[i, 1] * age - pose[1]
        gap, nx, ny = point_gap(cos * dx + sin * dy, cos * dy - sin * dx, p.half_length, p.half_width)
        gap -= radius[i]
        wx = cos * velocity[i, 0] + sin * velocity[i, 1]
        wy = cos * velocity[i, 1] - sin * velocity[i, 0]
        spread = p.sigmas * velocity_std[i]
        measured = -(nx * wx + ny * wy) + spread
        closing = max(p.person_speed, measured)
        unmeasured = closing - measured if p.person_speed > 0.0 else 0.0
        margin = (
            p.clearance
            + p.sigmas * position_std[i]
            + (spread + unmeasured) * age
            + 0.5 * p.obstacle_acceleration * age * age
        )
        far = margin + closing * stop + 0.5 * p.obstacle_acceleration * stop * stop + p.farthest_stop
        if gap <= far:
            count = _add_rows(
                rows, count, gap, nx, ny, margin, closing, p.obstacle_acceleration, True, float(i), speed, p
            )
    for j in range(segments.shape[0]):
        x1, y1 = segments[j, 0] - pose[0], segments[j, 1] - pose[1]
        x2, y2 = segments[j, 2] - pose[0], segments[j, 3] - pose[1]
        gap, nx, ny = segment_gap(
            cos * x1 + sin * y1,
            cos * y1 - sin * x1,
            cos * x2 + sin * y2,
            cos * y2 - sin * x2,
            p.half_length,
            p.half_width,
        )
        if gap <= p.wall_clearance + p.farthest_stop:
            count = _add_rows(
                rows, count, gap, nx, ny, p.wall_clearance, 0.0, 0.0, False, float(n + j), speed, p
            )
    return count


@numba.njit(cache=True)
def _coefficients(row, v, omega, p):
    """B and Q of h(lambda u) >= D - B lambda - Q lambda^2 for 0 <= lambda <= 1, with equality at 1.

    All terms but r are quadratic in lambda; r(lambda u) <= lambda^2 r(u) is counted as if it were.
    """
    a, alpha = p.deceleration, p.yaw_deceleration
    turn = max(0.0, row[SIDE] * v * omega)
    turn *= (p.delay + abs(v) / (2.0 * a)) * (p.delay + abs(omega) / (2.0 * alpha))
    braking = max(abs(v) / a, abs(omega) / alpha)
    drift = row[LEVER_V] * v * abs(v) / (2.0 * a) + row[LEVER_W] * omega * abs(omega) / (2.0 * alpha)
    approach = row[LEVER_V] * v + row[LEVER_W] * omega
    return row[LINEAR] * braking + approach * p.delay, row[SQUARE] * braking * braking + drift + turn


@numba.njit(cache=True)
def _credit_speed(row, v):
    """Speed up to which moving away along c v < 0 counts; inf where it does not move away."""
    if row[LEVER_V] * v >= 0.0:
        return np.inf
    return max(0.0, row[SPEED] if v > 0.0 else -row[SPEED])


@numba.njit(cache=True)
def _credit(row, v, limit, p):
    """Replace what moving away at v adds to the gap by what the speed `limit` adds: change of h, and of B and Q. [m]"""
    c, twice_a = abs(row[LEVER_V]), 2.0 * p.deceleration
    return c * limit * (p.delay + limit / twice_a), c * abs(v) * p.delay, c * v * v / twice_a


@numba.njit(cache=True)
def _barrier(row, v, omega, p):
    linear, square = _coefficients(row, v, omega, p)
    h = row[BUDGET] - linear - square
    limit = _credit_speed(row, v)
    if abs(v) > limit:
        gain, in_linear, in_square = _credit(row, v, limit, p)
        h += gain - in_linear - in_square
    return h


@numba.njit(cache=True)
def barrier_margin(rows, count, v, omega, p):
    """Return min over the rows of h(v, omega) [m] and the row that has it; (inf, -1) without rows."""
    smallest, binding = np.inf, -1
    for i in range(count):
        h = _barrier(rows[i], v, omega, p)
        if h < smallest:
            smallest, binding = h, i
    return smallest, binding


@numba.njit(cache=True)
def _first_root(budget, linear, square):
    """Smallest positive root of D - B lambda - Q lambda^2 with D >= 0; inf if there is none."""
    discriminant = linear * linear + 4.0 * square * budget
    if discriminant < 0.0:
        return np.inf
    denominator = linear + math.sqrt(discriminant)
    if denominator <= _TINY:
        return np.inf
    return 2.0 * budget / denominator


@numba.njit(cache=True)
def _row_share(row, v, omega, p):
    """Largest lambda in [0, inf] for which lambda (v, omega) and all smaller shares are admissible for one row."""
    budget = row[BUDGET]
    if budget < 0.0:
        if row[LEVER_V] * v + row[LEVER_W] * omega > _NO_APPROACH:
            return 0.0
        if row[STAND] == 0.0 or abs(v) <= p.creep_speed:
            return np.inf
        return p.creep_speed / abs(v)
    linear, square = _coefficients(row, v, omega, p)
    limit = _credit_speed(row, v)
    if abs(v) <= limit and linear + square <= budget and square >= -budget:
        return 1.0  # admissible as it is, and at every smaller share
    share = _first_root(budget, linear, square)
    if share * abs(v) <= limit:
        return share
    gain, in_linear, in_square = _credit(row, v, limit, p)
    return _first_root(budget + gain, linear + in_linear, square + in_square)


@numba.njit(cache=True)
def admissible_share(rows, count, v, omega, p):
    """Return the largest lambda in [0, 1] such that lambda (v, omega) is admissible for all rows, and the row
    that binds.

    The row is -1 when nothing binds (lambda = 1).
    """
    share, binding = 1.0, -1
    for i in range(count):
        row_share = _row_share(rows[i], v, omega, p)
        if row_share < share:
            share, binding = row_share, i
    return share, binding


@numba.njit(cache=True)
def linear_rows(rows, count, v, omega, scale_v, scale_w, p, normals, offsets):
    """Linearise the barrier for the quadratic programme; return how many of the rows were filled.

    Row i is tangent to h_i = 0 where the ray through the nominal command (v, omega) meets it, or to h_i's level at
    the command if that is admissible: normals_i . z <= offsets_i with z = (v / scale_v, omega / scale_w), each
    normal of unit length, so that an offset is a distance in the programme's coordinates. Rows are ordered by how much
    room they leave at the nominal command, least first, and only the first len(offsets) are kept; the exact
    condition is enforced afterwards (`admissible_share`), for all rows. Standing still, z = 0, satisfies
    every row.
    """
    capacity = offsets.shape[0]
    used = 0
    zv, zw = v / scale_v, omega / scale_w
    room = np.empty(capacity)
    for i in range(count):
        row = rows[i]
        kinds = 2 if row[BUDGET] < 0.0 and row[STAND] == 1.0 else 1
        for kind in range(kinds):
            if row[BUDGET] < 0.0:
                if kind == 0:  # do not approach
                    gv, gw, offset = row[LEVER_V], row[LEVER_W], 0.0
                else:  # stand
                    gv, gw, offset = (1.0 if v >= 0.0 else -1.0), 0.0, p.creep_speed
            else:
                share = min(1.0, _row_share(row, v, omega, p))
                rv, rw = share * v, share * omega
                sign_v = 1.0 if v >= 0.0 else -1.0
                sign_w = 1.0 if omega >= 0.0 else -1.0
                a, alpha = p.deceleration, p.yaw_deceleration
                braking = max(abs(rv) / a, abs(rw) / alpha)
                urgency = row[LINEAR] + 2.0 * row[SQUARE] * braking
                gv = row[LEVER_V] * (p.delay + abs(rv) / a) if abs(rv) <= _credit_speed(row, v) else 0.0
                gw = row[LEVER_W] * (p.delay + abs(rw) / alpha)
                if abs(rv) / a >= abs(rw) / alpha:
                    gv += urgency * sign_v / a
                else:
                    gw += urgency * sign_w / alpha
                h = _barrier(row, rv, rw, p)
                offset = max(0.0, h) + gv * rv + gw * rw
            gv, gw = gv * scale_v, gw * scale_w
            norm = math.sqrt(gv * gv + gw * gw)
            if norm < 1e-9:
                continue
            gv, gw, offset = gv / norm, gw / norm, max(0.0, offset / norm)
            left = offset - gv * zv - gw * zw
            if used == capacity and left >= room[capacity - 1]:
                continue
            k = min(used, capacity - 1)
            while k > 0 and room[k - 1] > left:
                room[k] = room[k - 1]
                offsets[k] = offsets[k - 1]
                normals[k, 0], normals[k, 1] = normals[k - 1, 0], normals[k - 1, 1]
                k -= 1
            room[k], offsets[k] = left, offset
            normals[k, 0], normals[k, 1] = gv, gw
            used = min(used + 1, capacity)
    return used


def row_table(things: int) -> Array:
    """Return an uninitialised row table with room for `things` obstacles and walls."""
    return np.empty((max(1, 2 * things), COLUMNS))
