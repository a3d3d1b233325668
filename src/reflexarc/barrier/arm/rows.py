# SPDX-License-Identifier: Apache-2.0
r"""Barrier rows of an arm covered by spheres, compiled: one pass over all spheres, no Python per row.

    sphere i, obstacle o     h = |c_i - p_o| - r_i - r_o - clearance
    sphere i, half-space     h = n . c_i - offset - r_i
    spheres i, j             h = |c_i - c_j| - r_i - r_j
    end effector, box        h = p_a - low_a,  high_a - p_a           for a = x, y, z
    manipulability           h = prod(sigma(J)) - least

with c_i(q) the spheres' centres. For each row the kernel gives h, its gradient by q, its rate and (second order) its
bend, so that  h' = grad . q' + rate  in first order, where `rate` is what the obstacle's motion does, and
h'' = grad . q'' + bend  in second order, where `rate` is the whole h' at the current velocity and

    bend = n . (gamma_i - gamma_j) + (|w|^2 - (n . w)^2) / d - a_o

with w the relative velocity, d the distance of the centres and a_o a bound of the obstacle's acceleration.

Where two centres coincide (d < 1e-9 m) no direction leads apart: the gradient is zero and h < 0, and the filter answers
that with its backup.
"""

import math
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from reflexarc.barrier.arm.manipulability import manipulability
from reflexarc.core.types import Array

OBSTACLE, PLANE, PAIR, BOX, SINGULARITY, PRIMITIVE = range(6)
KINDS = ("obstacle", "plane", "self-collision", "end-effector box", "singularity", "shapes")
RECOVERY = 0.2
"""Rate at which a comfort row is asked to recover at most: an end effector far outside its box comes back at this
speed instead of as fast as it can. [m/s]"""
CONCENTRIC = 1e-9
"""Distance of two centres below which there is no direction between them. [m]"""


class Rows(NamedTuple):
    """Room for the rows of one tick."""

    gradient: Array
    """dh/dq, shape (capacity, n)."""
    h: Array
    """Shape (capacity,)."""
    rate: Array
    """See the module, shape (capacity,)."""
    bend: Array
    """See the module, shape (capacity,)."""
    margin: Array
    """Sampled-data margin, in the units of h, shape (capacity,)."""
    label: npt.NDArray
    """Kind, first and second index, shape (capacity, 3), int."""


class Task(NamedTuple):
    """What the kernel needs to know besides the tree, constant over the filter's life."""

    radius: Array
    """Of the spheres, shape (s,). [m]"""
    moving: int
    """Spheres that joints can move: the first ones."""
    planes: Array
    """Rows (n_x, n_y, n_z, offset), shape (k, 4)."""
    pairs: npt.NDArray
    """Pairs of spheres, shape (p, 2)."""
    box: Array
    """Low and high corner, shape (2, 3), or (0, 3) for none."""
    least: float
    """Least manipulability, 0 for none."""
    margin: Array
    """Sampled-data margin of each point (spheres, then end effector), shape (s + 1,). [m]"""
    alpha: float
    """Class-K gain that the screening uses. [1/s]"""
    top_speed: Array
    """Bound of each point's speed within the limits, infinite for no screening, shape (s + 1,). [m/s]"""


def capacity(task: Task, obstacles: int) -> int:
    """Return how many rows there can be."""
    spheres = task.moving * (obstacles + len(task.planes)) + len(task.pairs)
    return spheres + 6 * (len(task.box) > 0) + (task.least > 0.0)


def new_rows(count: int, n: int) -> Rows:
    """Return uninitialised room for `count` rows of n joints."""
    count = max(1, count)
    h, rate, bend, margin = np.empty((4, count))
    return Rows(np.empty((count, n)), h, rate, bend, margin, np.empty((count, 3), dtype=np.int64))


@numba.njit(cache=True)
def _between(jacobian, i, j, nx, ny, nz, out):
    """Write n^T (J_i - J_j) into `out`; j < 0 stands for something outside the arm."""
    first = jacobian[i]
    for k in range(out.shape[0]):
        out[k] = nx * first[0, k] + ny * first[1, k] + nz * first[2, k]
    if j >= 0:
        second = jacobian[j]
        for k in range(out.shape[0]):
            out[k] -= nx * second[0, k] + ny * second[1, k] + nz * second[2, k]


@numba.njit(cache=True)
def fill_rows(
    tree, pose, motion, jacobian, task, position, velocity, radius, acceleration, second_order, rows
):
    """Fill `rows`; return how many, the smallest h of all spheres (also of rows that were screened out) and its label.

    A row is screened out, in first order, if alpha (h - margin) + rate >= the top speed of its point: then no
    admissible command can break it, and the programme with and without it has the same solution.

    Args:
        tree: `kinematics.Tree`.
        pose: after `place`.
        motion: after `move`; used in second order only.
        jacobian: of all points, shape (s + 1, 3, n), after `jacobians`.
        task: `Task`.
        position: obstacle centres, shape (m, 3). [m]
        velocity: shape (m, 3). [m/s]
        radius: with clearance, shape (m,). [m]
        acceleration: bound of the obstacles' acceleration. [m/s^2]
        second_order: whether `rate` and `bend` are for h''.
        rows: output.
    """
    count = 0
    least, least_kind, least_first, least_second = np.inf, -1, -1, -1
    for i in range(task.moving):
        cx, cy, cz = pose.point[i, 0], pose.point[i, 1], pose.point[i, 2]
        for o in range(radius.shape[0]):
            dx, dy, dz = cx - position[o, 0], cy - position[o, 1], cz - position[o, 2]
            d = math.sqrt(dx * dx + dy * dy + dz * dz)
            h = d - task.radius[i] - radius[o]
            if h < least:
                least, least_kind, least_first, least_second = h, OBSTACLE, i, o
            if d > CONCENTRIC:
                nx, ny, nz = dx / d, dy / d, dz / d
            else:
                nx, ny, nz, d = 0.0, 0.0, 0.0, CONCENTRIC
            margin = task.margin[i]
            wx, wy, wz = -velocity[o, 0], -velocity[o, 1], -velocity[o, 2]
            bend = 0.0
            if second_order:
                wx += motion.point_velocity[i, 0]
                wy += motion.point_velocity[i, 1]
                wz += motion.point_velocity[i, 2]
            rate = nx * wx + ny * wy + nz * wz
            if second_order:
                across = wx * wx + wy * wy + wz * wz - rate * rate
                bend = across / d - acceleration
                bend += nx * motion.point_bias[i, 0]
                bend += ny * motion.point_bias[i, 1]
                bend += nz * motion.point_bias[i, 2]
            elif task.alpha * (h - margin) + rate >= task.top_speed[i]:
                continue
            _between(jacobian, i, -1, nx, ny, nz, rows.gradient[count])
            rows.h[count], rows.rate[count], rows.bend[count], rows.margin[count] = h, rate, bend, margin
            rows.label[count, 0], rows.label[count, 1], rows.label[count, 2] = OBSTACLE, i, o
            count += 1
        for o in range(task.planes.shape[0]):
            nx, ny, nz = task.planes[o, 0], task.planes[o, 1], task.planes[o, 2]
            h = nx * cx + ny * cy + nz * cz - task.planes[o, 3] - task.radius[i]
            if h < least:
                least, least_kind, least_first, least_second = h, PLANE, i, o
            rate, bend = 0.0, 0.0
            if second_order:
                v, g = motion.point_velocity[i], motion.point_bias[i]
                rate = nx * v[0] + ny * v[1] + nz * v[2]
                bend = nx * g[0] + ny * g[1] + nz * g[2]
            elif task.alpha * (h - task.margin[i]) >= task.top_speed[i]:
                continue
            _between(jacobian, i, -1, nx, ny, nz, rows.gradient[count])
            rows.h[count], rows.rate[count], rows.bend[count] = h, rate, bend
            rows.margin[count] = task.margin[i]
            rows.label[count, 0], rows.label[count, 1], rows.label[count, 2] = PLANE, i, o
            count += 1
    for p in range(task.pairs.shape[0]):
        i, j = task.pairs[p, 0], task.pairs[p, 1]
        dx = pose.point[i, 0] - pose.point[j, 0]
        dy = pose.point[i, 1] - pose.point[j, 1]
        dz = pose.point[i, 2] - pose.point[j, 2]
        d = math.sqrt(dx * dx + dy * dy + dz * dz)
        h = d - task.radius[i] - task.radius[j]
        if h < least:
            least, least_kind, least_first, least_second = h, PAIR, i, j
        if d > CONCENTRIC:
            nx, ny, nz = dx / d, dy / d, dz / d
        else:
            nx, ny, nz, d = 0.0, 0.0, 0.0, CONCENTRIC
        margin = task.margin[i] + task.margin[j]
        rate, bend = 0.0, 0.0
        if second_order:
            wx = motion.point_velocity[i, 0] - motion.point_velocity[j, 0]
            wy = motion.point_velocity[i, 1] - motion.point_velocity[j, 1]
            wz = motion.point_velocity[i, 2] - motion.point_velocity[j, 2]
            rate = nx * wx + ny * wy + nz * wz
            bend = (wx * wx + wy * wy + wz * wz - rate * rate) / d
            bend += nx * (motion.point_bias[i, 0] - motion.point_bias[j, 0])
            bend += ny * (motion.point_bias[i, 1] - motion.point_bias[j, 1])
            bend += nz * (motion.point_bias[i, 2] - motion.point_bias[j, 2])
        elif task.alpha * (h - margin) >= task.top_speed[i] + task.top_speed[j]:
            continue
        _between(jacobian, i, j, nx, ny, nz, rows.gradient[count])
        rows.h[count], rows.rate[count], rows.bend[count], rows.margin[count] = h, rate, bend, margin
        rows.label[count, 0], rows.label[count, 1], rows.label[count, 2] = PAIR, i, j
        count += 1
    last = pose.point.shape[0] - 1
    for side in range(task.box.shape[0]):
        sign = 1.0 if side == 0 else -1.0
        for a in range(3):
            h = sign * (pose.point[last, a] - task.box[side, a])
            rows.h[count], rows.rate[count], rows.bend[count] = h, 0.0, 0.0
            if second_order:
                rows.rate[count] = sign * motion.point_velocity[last, a]
                rows.bend[count] = sign * motion.point_bias[last, a]
            for k in range(rows.gradient.shape[1]):
                rows.gradient[count, k] = sign * jacobian[last, a, k]
            rows.margin[count] = task.margin[last]
            rows.label[count, 0], rows.label[count, 1], rows.label[count, 2] = BOX, a, side
            count += 1
    if task.least > 0.0:
        w = manipulability(tree, pose, last, rows.gradient[count])
        rows.h[count], rows.rate[count], rows.bend[count] = w - task.least, 0.0, 0.0
        rows.margin[count] = 0.0
        rows.label[count, 0], rows.label[count, 1], rows.label[count, 2] = SINGULARITY, 0, 0
        count += 1
    return count, least, least_kind, least_first, least_second
