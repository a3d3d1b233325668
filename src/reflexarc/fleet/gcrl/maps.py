# SPDX-License-Identifier: Apache-2.0
"""Maps of the point domain: rows of cells, `.` free and `@` blocked, blown up by a factor.

The layouts are those of the published point environments (Eysenbach et al. 2019; Feng et al. 2025), so that figures can
be compared. x counts rows and y columns, as there; one cell is one metre.
"""

from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError, UnknownNameError


class Layout(NamedTuple):
    """One map before it is blown up."""

    rows: tuple[str, ...]
    factor: int
    """How often each cell is repeated along both axes unless the recipe says otherwise."""


MAPS = {
    "CenterDot": Layout((".....", ".....", "..@..", ".....", "....."), 3),
    "CentralObstacle": Layout((*("...........",) * 4, *("....@@@....",) * 3, *("...........",) * 4), 1),
    "Line": Layout((".......", ".......", "...@...", "...@...", "...@...", ".......", "......."), 3),
    "L": Layout((".......", "..@....", "..@....", "..@....", "..@@@..", ".......", "......."), 3),
    "LQuarter": Layout((*("...@@@@",) * 4, *(".......",) * 3), 3),
    "Cross": Layout((".......", "...@...", "...@...", ".@@@@@.", "...@...", "...@...", "......."), 3),
    "FourRooms": Layout(
        (
            ".....@.....", ".....@.....", "...........", ".....@.....", ".....@.....", "@.@@@@.....",
            ".....@@@.@@", ".....@.....", ".....@.....", "...........", ".....@.....",
        ),
        3,
    ),
    "FourRoomsModified": Layout(
        (
            ".....@.....", "...........", "...........", ".....@.....", ".....@.....", "@...@@.....",
            ".....@@...@", "...........", "...........", "...........", ".....@.....",
        ),
        3,
    ),
    "Maze3x3": Layout(("...", "@@.", "..."), 4),
    "Maze6x6": Layout(("..@...", "@.@.@.", "..@.@@", ".@@..@", "..@@.@", "@....@"), 3),
    "Maze11x11": Layout(
        (
            ".@...@...@.", ".@.@.@.@.@.", ".@.@.@.@.@.", ".@.@.@.@.@.", "...@...@.@.", "@@@@@@@@.@.",
            "@@@...@..@.", "@@@.@.@.@@.", "....@...@@.", ".@@@@@@@@@.", "...........",
        ),
        3,
    ),
    "Spiral5x5": Layout((".....", ".@@@@", ".@..@", ".@@.@", "....@"), 3),
    "Spiral7x7": Layout(
        ("@@@@@@@", "@......", "@.@@@@.", "@.@..@.", "@.@@.@.", "@....@.", "@@@@@@."), 3
    ),
}  # fmt: skip
"""Name to layout."""


def walls(name: str, factor: int | None = None) -> np.ndarray:
    """Return which cells of a map are blocked, shape (rows, columns), bool.

    Args:
        name: in `MAPS`.
        factor: how often each cell is repeated along both axes; None for the map's own.

    Raises:
        UnknownNameError: no such map.
        ConfigError: the factor is below 1 or above 16.
    """
    if name not in MAPS:
        raise UnknownNameError("map", name, MAPS)
    layout = MAPS[name]
    times = layout.factor if factor is None else factor
    if not 1 <= times <= 16:
        raise ConfigError(f"map {name}: factor {times} must be a whole number from 1 to 16")
    small = np.array([[letter == "@" for letter in row] for row in layout.rows])
    return small.repeat(times, axis=0).repeat(times, axis=1)


def boxes(blocked: np.ndarray) -> np.ndarray:
    """Return rectangles (x low, y low, x high, y high) that together cover exactly the blocked cells, shape (k, 4).

    Each is grown greedily from the first cell that none covers yet. An empty map has no rectangle.
    """
    left = np.array(blocked, dtype=bool)
    found = []
    while left.any():
        i, j = (int(k) for k in np.argwhere(left)[0])
        wide = j
        while wide < left.shape[1] and left[i, wide]:
            wide += 1
        deep = i + 1
        while deep < left.shape[0] and left[deep, j:wide].all():
            deep += 1
        left[i:deep, j:wide] = False
        found.append((i, j, deep, wide))
    return np.array(found, dtype=np.float32).reshape(-1, 4)
