# SPDX-License-Identifier: Apache-2.0
"""The least number of steps between two places of a point map, by dynamic programming on a lattice.

Points lie `1 / PER_CELL` apart, actions are multiples of that in [-1, 1]^2, and every transition is made by the
domain's own step; those that a wall stops between two lattice points are left out. What comes out is exact for the
lattice and an upper bound for all real actions.
"""

from typing import NamedTuple

import jax
import numba
import numpy as np

from reflexarc.core.types import Array
from reflexarc.fleet.gcrl.point import PointDomain

PER_CELL = 4
"""Lattice points per cell and axis."""
_FAR = np.int32(1 << 20)


class Lattice(NamedTuple):
    """The transitions of a map."""

    points: Array
    """Free lattice points, shape (n, 2). [m]"""
    back_first: np.ndarray
    """First incoming transition of each point, shape (n + 1,)."""
    back_tail: np.ndarray
    """Where it comes from."""


def lattice(domain: PointDomain) -> Lattice:
    """Return the lattice of a map."""
    rows, columns = (int(k) for k in domain.extent)
    grid = np.stack(
        np.meshgrid(np.arange(rows * PER_CELL + 1), np.arange(columns * PER_CELL + 1), indexing="ij"), -1
    )
    every = grid.reshape(-1, 2)
    free = ~np.asarray(jax.jit(jax.vmap(domain.is_blocked))((every / PER_CELL).astype(np.float32)))
    number = np.full(grid.shape[:2], -1)
    points = every[free]
    number[points[:, 0], points[:, 1]] = np.arange(len(points))
    reach = np.arange(-PER_CELL, PER_CELL + 1)
    actions = np.stack(np.meshgrid(reach, reach, indexing="ij"), -1).reshape(-1, 2)
    step = jax.jit(jax.vmap(lambda s, a: domain.step(s, a)[0], in_axes=(0, None)))
    tails, heads = [], []
    places = (points / PER_CELL).astype(np.float32)
    for action in actions:
        after = np.asarray(step(places, (action / PER_CELL).astype(np.float32))) * PER_CELL
        whole = np.rint(after).astype(int)
        on = np.abs(after - whole).max(axis=1) < 1e-2
        tails.append(np.flatnonzero(on))
        heads.append(number[whole[on, 0], whole[on, 1]])
    tail, head = np.concatenate(tails), np.concatenate(heads)
    inside = head >= 0
    tail, head = tail[inside], head[inside]
    order = np.argsort(head, kind="stable")
    counts = np.bincount(head, minlength=len(points))
    first = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return Lattice(places.astype(np.float64), first, tail[order].astype(np.int64))


def least_steps(domain: PointDomain, table: Lattice, goals: Array) -> Array:
    """Return the least steps from every lattice point to each goal, shape (goals, n); infinity if there is no way.

    A point that is at the goal already has zero.
    """
    out = np.empty((len(goals), len(table.points)))
    for k, goal in enumerate(np.asarray(goals, dtype=np.float64)):
        at = np.hypot(*(table.points - goal).T) < domain.goal_radius
        steps = _breadth_first(table.back_first, table.back_tail, np.flatnonzero(at), len(table.points))
        out[k] = np.where(steps < _FAR, steps, np.inf)
    return out


@numba.njit(cache=True)
def _breadth_first(first, tail, sources, n):
    steps = np.full(n, _FAR, dtype=np.int32)
    queue = np.empty(n, dtype=np.int64)
    end = 0
    for s in sources:
        steps[s] = 0
        queue[end] = s
        end += 1
    done = 0
    while done < end:
        v = queue[done]
        done += 1
        for e in range(first[v], first[v + 1]):
            u = tail[e]
            if steps[u] == _FAR:
                steps[u] = steps[v] + 1
                queue[end] = u
                end += 1
    return steps
