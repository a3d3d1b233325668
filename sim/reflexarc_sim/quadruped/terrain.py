# SPDX-License-Identifier: Apache-2.0
"""Ground to walk on: a plane, or square tiles of one kind each whose difficulty grows from tile to tile.

Kinds and how they grow with the difficulty d in [0, 1] are those of the parent code base of *Learning H-Infinity
Locomotion Control*: slope 0.4 d, roughness 0.01 + 0.07 d m, steps 0.05 + 0.18 d m high and 0.30 m deep, blocks
0.05 + 0.1 d m. Every tile has a level place in its middle, on which a robot begins.
"""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.types import Array

KINDS = ("smooth_slope", "rough_slope", "stairs_up", "stairs_down", "discrete")
SHARES = (0.1, 0.2, 0.3, 0.3, 0.1)
"""Of the kinds among the columns of tiles."""
TILE = 8.0
"""Side of a tile. [m]"""
CELL = 0.1
"""Distance of two heights. [m]"""
LEVELS = 10
_PLACE = 1.0
"""Half the side of the level place. [m]"""
_DEPTH = 0.3
"""Of a step. [m]"""


@dataclass(frozen=True)
class Terrain:
    """Heights over a grid, x along columns and y along rows, centred at the origin."""

    heights: Array | None
    """Shape (rows, columns) [m]; None: a plane at 0."""
    cell: float
    """[m]"""
    places: Array
    """Where a robot may begin: x, y and height of the level places, shape (levels, columns of tiles, 3). [m]"""

    def at(self, points: Array) -> Array:
        """Return the height below points (x, y), shape (n, 2) to (n,), of the nearest grid point. [m]"""
        if self.heights is None:
            return np.zeros(len(points))
        rows, columns = self.heights.shape
        column = np.rint(points[:, 0] / self.cell + 0.5 * (columns - 1)).astype(int)
        row = np.rint(points[:, 1] / self.cell + 0.5 * (rows - 1)).astype(int)
        return self.heights[np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)]


def plane() -> Terrain:
    """Return level ground without end."""
    return Terrain(None, CELL, np.zeros((1, 1, 3)))


def tiles(seed: int, columns: int = 20, levels: int = LEVELS) -> Terrain:
    """Return levels x columns tiles; row k of tiles has the difficulty k / (levels - 1).

    Args:
        seed: of what is rough.
        columns: tiles of each level, of the kinds in `SHARES`.
        levels: how many difficulties.
    """
    rng = np.random.default_rng(seed)
    n = round(TILE / CELL)
    heights = np.zeros((levels * n + 1, columns * n + 1))
    bounds = np.cumsum(SHARES)
    places = np.zeros((levels, columns, 3))
    for level in range(levels):
        for column in range(columns):
            kind = KINDS[int(np.searchsorted(bounds, (column + 0.5) / columns))]
            tile = _tile(kind, level / max(levels - 1, 1), n, rng)
            heights[level * n : (level + 1) * n, column * n : (column + 1) * n] = tile
            centre = (np.array([column, level]) + 0.5) * TILE - 0.5 * TILE * np.array([columns, levels])
            places[level, column] = *centre, tile[n // 2, n // 2]
    return Terrain(heights, CELL, places)


def _tile(kind: str, difficulty: float, n: int, rng: np.random.Generator) -> Array:
    """Return the heights of a tile, shape (n, n), 0 at its rim."""
    at = (np.arange(n) - 0.5 * (n - 1)) * CELL
    ring = np.maximum(*np.abs(np.meshgrid(at, at)))  # distance from the middle by the longer axis
    inside = np.maximum(0.5 * TILE - np.maximum(ring, _PLACE), 0.0)
    if kind in ("smooth_slope", "rough_slope"):
        heights = 0.4 * difficulty * inside
        if kind == "rough_slope":
            coarse = rng.uniform(-1.0, 1.0, (n // 2 + 1, n // 2 + 1)).repeat(2, 0).repeat(2, 1)[:n, :n]
            heights = heights + (0.01 + 0.07 * difficulty) * coarse * (ring > _PLACE)
    elif kind in ("stairs_up", "stairs_down"):
        steps = np.floor(inside / _DEPTH)
        # seen from the middle, where the robot begins, stairs that rise lead out of a pit
        heights = (0.05 + 0.18 * difficulty) * steps * (-1.0 if kind == "stairs_up" else 1.0)
    else:
        heights = np.zeros((n, n))
        for _ in range(40):
            w, h = rng.integers(4, 16, 2)
            r, c = rng.integers(0, n - 16, 2)
            heights[r : r + h, c : c + w] = rng.choice([-1.0, 0.5, 1.0]) * (0.05 + 0.1 * difficulty)
        heights *= ring > _PLACE
    return heights
