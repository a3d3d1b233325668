# SPDX-License-Identifier: Apache-2.0
r"""Routes around the obstacles on a grid: where a nominal plan starts from.

Shortest path over the grid's nodes with 8 (3-D: 26) neighbours; a step of length l to a node with the clearance c costs
l (1 + 2 exp(-c / 0.3 m)), c without the wanted margin, so that a route keeps to the middle of a gap. Nodes whose
clearance lies more than half a step of the grid below the margin are closed, those of a `strict` search at the margin.
"""

import functools
import itertools

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from reflexarc.core.types import Array
from reflexarc.reach.planner.scene import Scene

SPACING = {2: 0.15, 3: 0.3}
"""Step of the grid by dimension. [m]"""
_ATTRACTION = 2.0
_RANGE = 0.3
"""[m]"""


def find_route(
    scene: Scene,
    margin: float,
    *,
    start: Array | None = None,
    closed: Array | None = None,
    strict: bool = False,
) -> Array | None:
    """Return the cheapest route's points, shape (k, 3), or None if there is none.

    Args:
        scene: obstacles, goal, and the start where none is given.
        margin: wanted clearance of the robot's hull. [m]
        start: position, shape (3,).
        closed: centres of places to avoid, shape (j, 3); nodes within 0.4 m of one are closed.
        strict: close every node below the margin.
    """
    spacing = SPACING[scene.case.dimension]
    nodes, tails, heads, lengths = _grid(scene.case.size, spacing)
    clearance = scene.clearance(nodes) - margin
    free = clearance >= (0.0 if strict else -0.5 * spacing)
    if closed is not None:
        for place in closed:
            free &= np.linalg.norm(nodes - place, axis=1) > 0.4
    start = scene.start[:3] if start is None else start
    ends = [int(np.argmin(np.linalg.norm(nodes - p, axis=1))) for p in (start, scene.goal)]
    free[ends] = True
    open_edges = free[tails] & free[heads]
    cost = lengths * (1.0 + _ATTRACTION * np.exp(-np.maximum(clearance, -0.3) / _RANGE))[heads]
    graph = csr_array(
        (cost[open_edges], (tails[open_edges], heads[open_edges])), shape=(len(nodes), len(nodes))
    )
    distance, before = dijkstra(graph, indices=ends[0], return_predecessors=True)
    if not np.isfinite(distance[ends[1]]):
        return None
    path = [ends[1]]
    while path[-1] != ends[0]:
        path.append(int(before[path[-1]]))
    points = nodes[path[::-1]].copy()
    points[0], points[-1] = start, scene.goal
    return points


def bottleneck(scene: Scene, route: Array) -> Array:
    """Point of a route with the least clearance, shape (3,), its first and last metre left out."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(route, axis=0), axis=1))])
    inner = (along > 1.0) & (along < along[-1] - 1.0)
    inner = inner if inner.any() else np.ones(len(route), dtype=bool)
    return route[inner][np.argmin(scene.clearance(route[inner]))]


def resample(route: Array, count: int) -> Array:
    """`count` points of equal distance along a route that was smoothed a little, shape (count, 3)."""
    smooth = route.copy()
    for _ in range(2):
        smooth[1:-1] = 0.25 * smooth[:-2] + 0.5 * smooth[1:-1] + 0.25 * smooth[2:]
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(smooth, axis=0), axis=1))])
    wanted = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(wanted, along, smooth[:, i]) for i in range(3)], axis=1)


def length(route: Array) -> float:
    """Length of a route. [m]"""
    return float(np.linalg.norm(np.diff(route, axis=0), axis=1).sum())


@functools.cache
def _grid(size: tuple[float, ...], spacing: float) -> tuple[Array, np.ndarray, np.ndarray, Array]:
    shape = [round(s / spacing) + 1 for s in size]
    axes = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    index = np.stack([a.ravel() for a in axes], axis=1)
    nodes = np.zeros((len(index), 3))
    nodes[:, : len(size)] = index * spacing
    tails, heads, lengths = [], [], []
    for step in itertools.product((-1, 0, 1), repeat=len(size)):
        if not any(step):
            continue
        target = index + step
        inside = ((target >= 0) & (target < shape)).all(axis=1)
        tails.append(np.flatnonzero(inside))
        heads.append(np.ravel_multi_index(target[inside].T, shape))
        lengths.append(np.full(inside.sum(), spacing * float(np.linalg.norm(step))))
    return nodes, np.concatenate(tails), np.concatenate(heads), np.concatenate(lengths)
