# SPDX-License-Identifier: Apache-2.0
r"""Mazes for a tool in contact: a channel with bends between low walls, loose balls in it.

The channel is drawn by the seed: straight pieces whose turns alternate or not, walls on both sides, open at the exit,
closed behind the start. What the task policy is told of it is its centre line as drawn in the plan, which lies a little
beside the real one (registration). Lengths in metres, in the axes of the arm's base; z is up, the table is at z = 0.
"""

import math
from dataclasses import dataclass

import numpy as np

from reflexarc.core.errors import UnknownNameError
from reflexarc.core.types import Array

TIP_RADIUS, BALL_RADIUS, WALL_HALF = 0.010, 0.012, 0.004
"""Radius of the peg and of the balls, half the thickness of a wall. [m]"""
WALL_HEIGHT = 0.05
"""[m]"""
BALLS = 3
CORNERS = 6
"""Points of a centre line, padded with its last."""
WALLS = 2 * (CORNERS - 1) + 1
"""Walls of a maze, padded with its last."""
CENTRE = (0.5, 0.0)
"""Middle of every maze in the arm's base frame. [m]"""
EXTENT = 0.21
"""No point of a centre line is farther from the middle along an axis. [m]"""


@dataclass(frozen=True)
class Family:
    """Shapes that mazes are drawn from."""

    doc: str
    bends: tuple[int, int]
    """Fewest and most."""
    turn: tuple[float, float]
    """Least and largest angle of a bend. [rad]"""
    piece: tuple[float, float]
    """Shortest and longest straight piece. [m]"""
    width: tuple[float, float] = (0.050, 0.060)
    """Between the walls' faces. [m]"""


FAMILIES = {
    "train": Family("one or two bends of 35 to 75 degrees", (1, 2), (0.6, 1.3), (0.09, 0.15)),
    "held_out": Family("two or three bends of 60 to 100 degrees", (2, 3), (1.05, 1.75), (0.08, 0.13)),
}
"""Families of shapes; what is learned on the first is tested on the second."""


@dataclass(frozen=True, eq=False)
class Maze:
    """One maze. Every array is padded by repeating its last row."""

    path: Array
    """Centre line from start to exit, shape (CORNERS, 2). [m]"""
    plan: Array
    """The same as the task policy is told it."""
    walls: Array
    """Centre lines of the walls, x1, y1, x2, y2, shape (WALLS, 4). [m]"""
    balls: Array
    """Where they lie at first, shape (BALLS, 2). [m]"""
    pieces: int
    """Straight pieces of the centre line."""
    width: float
    """[m]"""


def maze(seed: int, family: str = "train", registration: float = 0.012) -> Maze:
    """Return the maze of a seed.

    Args:
        seed: of everything drawn.
        family: a name of `FAMILIES`.
        registration: standard deviation of the plan's shift along each axis [m]; its angle has 5 rad per metre of it.

    Raises:
        UnknownNameError: there is no such family.
    """
    if family not in FAMILIES:
        raise UnknownNameError("family of mazes", family, FAMILIES)
    f = FAMILIES[family]
    rng = np.random.default_rng((seed, 7))
    while True:
        made = _drawn(f, rng)
        if made is not None:
            break
    points, width = made
    pieces = len(points) - 1
    walls = _walls(points, width / 2.0 + WALL_HALF)
    balls = _balls(points, width, rng)
    angle, shift = rng.normal(0.0, 5.0 * registration), rng.normal(0.0, registration, 2)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.array(CENTRE)
    plan = (points - centre) @ turn.T + centre + shift
    return Maze(_padded(points, CORNERS), _padded(plan, CORNERS), _padded(walls, WALLS), balls, pieces, width)


def _drawn(f: Family, rng: np.random.Generator) -> tuple[Array, float] | None:
    """Return a centre line and a width, or None where the line comes too near to itself or leaves the table."""
    bends = int(rng.integers(f.bends[0], f.bends[1] + 1))
    width = float(rng.uniform(*f.width))
    heading = rng.uniform(-math.pi, math.pi)
    points = [np.zeros(2)]
    for k in range(bends + 1):
        if k:
            heading += rng.choice([-1.0, 1.0]) * rng.uniform(*f.turn)
        points.append(points[-1] + rng.uniform(*f.piece) * np.array([math.cos(heading), math.sin(heading)]))
    line = np.array(points)
    line += np.array(CENTRE) - (line.min(axis=0) + line.max(axis=0)) / 2.0
    if np.abs(line - np.array(CENTRE)).max() > EXTENT:
        return None
    fine = [np.linspace(a, b, 25) for a, b in zip(line[:-1], line[1:], strict=True)]
    for i in range(len(fine)):
        for j in range(i + 2, len(fine)):
            gap = np.linalg.norm(fine[i][:, None] - fine[j][None], axis=-1).min()
            if gap < width + 4.0 * WALL_HALF:
                return None
    return line, width


def _walls(points: Array, offset: float) -> Array:
    """Return both sides, mitred at the bends, and the end behind the start."""
    ahead = np.diff(points, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    back = points[0] - (TIP_RADIUS + 0.015 + WALL_HALF) * ahead[0]
    line = np.vstack([back, points[1:-1], points[-1]])
    sides = []
    for sign in (1.0, -1.0):
        corner = [line[0] + sign * offset * left[0]]
        for k in range(1, len(points) - 1):
            mitre = left[k - 1] + left[k]
            corner.append(line[k] + sign * offset * mitre / (1.0 + left[k - 1] @ left[k]))
        corner.append(line[-1] + sign * offset * left[-1])
        sides.append(np.array(corner))
    rows = [np.hstack([s[:-1], s[1:]]) for s in sides]
    return np.vstack([*rows, np.hstack([sides[0][0], sides[1][0]])])


def _balls(points: Array, width: float, rng: np.random.Generator) -> Array:
    """Return places on the way, apart from each other, from the start and from the exit."""
    length = np.linalg.norm(np.diff(points, axis=0), axis=1)
    ends = np.concatenate([[0.0], np.cumsum(length)])
    places: list[Array] = []
    side = width / 2.0 - BALL_RADIUS - 0.002
    while len(places) < BALLS:
        at = rng.uniform(0.06, ends[-1] - 0.03)
        k = int(np.searchsorted(ends, at) - 1)
        e = (points[k + 1] - points[k]) / length[k]
        middle = points[k] + (at - ends[k]) * e
        place = middle + rng.uniform(-side, side) * np.array([-e[1], e[0]])
        if all(np.linalg.norm(place - other) > 2.0 * BALL_RADIUS + 0.004 for other in places):
            places.append(place)
    return np.array(places)


def _padded(rows: Array, count: int) -> Array:
    return np.vstack([rows, np.repeat(rows[-1:], count - len(rows), axis=0)])
