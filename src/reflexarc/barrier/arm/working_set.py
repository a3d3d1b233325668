# SPDX-License-Identifier: Apache-2.0
r"""Which rows go into the programme, and whether the answer keeps all of them.

Of hundreds of rows A u <= b most cannot be broken by any u within the bounds; they are left out, which changes neither
the answer nor what must be relaxed if there is none (`breakable`).

Of the others at most n or so bind. On request the programme is first solved with the K rows that the nominal input
breaks most or comes nearest to breaking; if its solution breaks rows that were left out they are added and it is
solved again. The last solution keeps every row and is the optimum of a programme with fewer rows, so it is the optimum
with all of them: K costs or saves time, it does not change the answer.
"""

import math

import numba
import numpy as np


@numba.njit(cache=True)
def clip(target, lower, upper, out):
    """Write the nearest point of the box to `out`."""
    for j in range(target.shape[0]):
        out[j] = min(upper[j], max(lower[j], target[j]))


@numba.njit(cache=True)
def worst_excess(normals, offsets, count, u):
    """Return the largest a_i . u - b_i over |a_i| of all rows and its row; (-inf, -1) without rows.

    Rows with |a_i| below 1e-9 count with a_i . u - b_i itself.
    """
    worst, index = -np.inf, -1
    for i in range(count):
        value, square = -offsets[i], 0.0
        for j in range(u.shape[0]):
            value += normals[i, j] * u[j]
            square += normals[i, j] * normals[i, j]
        norm = math.sqrt(square)
        excess = value / norm if norm > 1e-9 else value
        if not excess <= worst:
            worst, index = excess, i
    return worst, index


@numba.njit(cache=True)
def choose(normals, offsets, count, u, lower, upper, limit, floor, chosen, used, excess, members):
    """Append to `members[:used]` up to `limit` rows that u breaks most; return the new number.

    Rows that no u within the bounds can break are never taken.

    Args:
        normals: A, shape (>= count, n).
        offsets: b, shape (>= count,).
        count: number of rows.
        u: point at which the rows are ranked, shape (n,).
        lower: bounds, shape (n,).
        upper: shape (n,).
        limit: most rows to add.
        floor: rows with less excess than this (over |a_i|) are not taken; -inf takes any.
        chosen: True where a row is a member already; updated. Shape (>= count,).
        used: members so far.
        excess: scratch, shape (>= used + limit,).
        members: row indices, shape (>= used + limit,); updated.
    """
    n = u.shape[0]
    start, end = used, used
    for i in range(count):
        if chosen[i]:
            continue
        value, square, most = -offsets[i], 0.0, -offsets[i]
        for j in range(n):
            a = normals[i, j]
            value += a * u[j]
            square += a * a
            most += max(a * lower[j], a * upper[j])
        if most <= 0.0:
            continue
        norm = math.sqrt(square)
        amount = value / norm if norm > 1e-9 else np.inf
        if amount < floor or (end - start == limit and amount <= excess[end - 1]):
            continue
        k = end if end - start < limit else end - 1
        while k > start and excess[k - 1] < amount:
            excess[k], members[k] = excess[k - 1], members[k - 1]
            k -= 1
        excess[k], members[k] = amount, i
        if end - start < limit:
            end += 1
    for k in range(start, end):
        chosen[members[k]] = True
    return end


@numba.njit(cache=True)
def breakable(normals, offsets, count, lower, upper, members):
    """Fill `members` with the rows that some u within the bounds breaks; return how many.

    The others hold whatever the answer is, also where rows must be relaxed.
    """
    used = 0
    for i in range(count):
        most = -offsets[i]
        for j in range(lower.shape[0]):
            a = normals[i, j]
            most += max(a * lower[j], a * upper[j])
        if not most <= 0.0:
            members[used] = i
            used += 1
    return used


@numba.njit(cache=True)
def gather(normals, offsets, tiers, members, used, out_normals, out_offsets, out_tiers):
    """Copy the member rows to the start of the output arrays."""
    for k in range(used):
        i = members[k]
        for j in range(normals.shape[1]):
            out_normals[k, j] = normals[i, j]
        out_offsets[k] = offsets[i]
        out_tiers[k] = tiers[i]
