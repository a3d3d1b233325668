# SPDX-License-Identifier: Apache-2.0
r"""What stands in front of the arm, drawn by the seed: a maze, a plate with a hole, an uneven surface, or nothing.

Everything is in the axes of the arm's base [m], z up, the table at z = 0. The tip is the centre of the tool's round
nose, so that a touched face is one nose radius away from it. The plan is what the task policy is told; the path is what
is so.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.reflex.contact.mazes import BALL_RADIUS, BALLS, TIP_RADIUS, WALL_HALF, WALL_HEIGHT, maze
from reflexarc_sim.cell import CellConfig

HEIGHT = 0.015
"""Of the tip above the table in a maze. [m]"""
PLATE = 0.05
"""Height of the plate's upper face. [m]"""
DEPTH = 0.03
"""Of the hole. [m]"""
_SIDES = 8
"""Of the hole, which is a regular polygon around a circle."""
_BEYOND = 0.03
"""A maze is left through its exit, so far beyond it at most. [m]"""
_RING = 0.06
"""The plate reaches so far beyond the hole's edge. [m]"""
_STRIPS = 24
"""Flat pieces that the uneven surface is made of."""
EXIT = 0.022
"""A maze is solved when the tip is nearer than this to its exit, or past it. [m]"""


@dataclass(frozen=True, eq=False)
class Box:
    """A fixed box."""

    name: str
    centre: Array
    """Shape (3,). [m]"""
    half: Array
    """Half its edges, shape (3,). [m]"""
    yaw: float = 0.0
    """About z. [rad]"""
    pitch: float = 0.0
    """About y, before the yaw. [rad]"""


@dataclass(frozen=True, eq=False)
class Scene:
    """One scene of a seed."""

    task: str
    start: Array
    """Where the tip is at first, shape (3,). [m]"""
    plan: Array
    """Way of the tip as the task policy is told it, shape (k, 3). [m]"""
    path: Array
    """The same as it is, shape (k, 3). [m]"""
    boxes: tuple[Box, ...]
    balls: Array
    """Centres of the balls at first, shape (b, 3). [m]"""
    tool_radius: float
    """Of the tool's shaft; that of its nose is `TIP_RADIUS`. [m]"""
    reached: Callable[[Array], bool]
    """Whether a tip at this place has done the task."""
    segments: Array
    """Walls seen from above, x1, y1, x2, y2, shape (w, 4); for plots. [m]"""


def make_scene(cell: CellConfig, seed: int) -> Scene:
    """Return the scene of a seed.

    Raises:
        ConfigError: the cell has no task.
    """
    scenes = {"maze": _maze, "peg_in_hole": _peg_in_hole, "surface": _surface, "free": _free}
    if cell.task not in scenes:
        raise ConfigError(f"cell.task is {cell.task!r}; an arm needs one of {', '.join(scenes)}")
    return scenes[cell.task](cell, seed)


def _maze(cell: CellConfig, seed: int) -> Scene:
    made = maze(seed, cell.family, cell.registration_m)
    rows = 2 * made.pieces + 1
    segments = made.walls[:rows]
    boxes = []
    for i, (x1, y1, x2, y2) in enumerate(segments):
        half = np.array([math.hypot(x2 - x1, y2 - y1) / 2.0 + WALL_HALF, WALL_HALF, WALL_HEIGHT / 2.0])
        centre = np.array([(x1 + x2) / 2.0, (y1 + y2) / 2.0, WALL_HEIGHT / 2.0])
        boxes.append(Box(f"wall_{i}", centre, half, math.atan2(y2 - y1, x2 - x1)))
    path, plan = (_at(points[: made.pieces + 1], HEIGHT) for points in (made.path, made.plan))
    out = path[-1, :2] - path[-2, :2]
    out /= np.linalg.norm(out)

    def reached(tip: Array) -> bool:
        gap = tip[:2] - path[-1, :2]
        beside = float(gap[0] * out[1] - gap[1] * out[0])
        return math.hypot(*gap) < EXIT or (0.0 < float(gap @ out) < _BEYOND and abs(beside) < made.width)

    balls = _at(made.balls[: min(cell.balls, BALLS)], BALL_RADIUS)
    return Scene("maze", path[0], plan, path, tuple(boxes), balls, 0.006, reached, segments)


def _peg_in_hole(cell: CellConfig, seed: int) -> Scene:
    rng = np.random.default_rng((seed, 8))
    hole = np.array([0.5, 0.0]) + rng.uniform(-0.06, 0.06, 2)
    turn = rng.uniform(0.0, 2.0 * math.pi / _SIDES)
    told = hole + rng.normal(0.0, cell.registration_m, 2)
    clearance = cell.hole_clearance_m * (0.5 if cell.family == "held_out" else 1.0)
    edge = TIP_RADIUS + clearance
    wide = (edge + _RING) * math.tan(math.pi / _SIDES)
    boxes, sides = [], []
    for k in range(_SIDES):
        angle = turn + 2.0 * math.pi * k / _SIDES
        out = np.array([math.cos(angle), math.sin(angle)])
        middle = hole + (edge + _RING / 2.0) * out
        half = np.array([_RING / 2.0, wide, DEPTH / 2.0])
        boxes.append(Box(f"plate_{k}", np.array([*middle, PLATE - DEPTH / 2.0]), half, angle))
        corner = edge * math.tan(math.pi / _SIDES) * np.array([-out[1], out[0]])
        sides.append([*(hole + edge * out - corner), *(hole + edge * out + corner)])
    top = PLATE + TIP_RADIUS
    bottom = PLATE - DEPTH + TIP_RADIUS
    start = np.array([*(told + rng.uniform(-0.03, 0.03, 2)), top + 0.03])
    ways = [
        np.array([start, [*place, top + 0.01], [*place, bottom]]) for place in (told, hole)
    ]  # as told, and as it is
    deep = top - 0.6 * DEPTH
    none = np.zeros((0, 3))
    return Scene(
        "peg_in_hole", start, ways[0], ways[1], tuple(boxes), none, TIP_RADIUS, lambda tip: bool(tip[2] < deep),
        np.array(sides),
    )  # fmt: skip


def _surface(cell: CellConfig, seed: int) -> Scene:
    rng = np.random.default_rng((seed, 9))
    y = rng.uniform(-0.08, 0.08)
    x = np.linspace(0.38, 0.62, _STRIPS + 1)
    height = 0.04 + surface_waves(x, cell, rng)
    boxes = []
    thick = 0.01
    for i in range(_STRIPS):
        dx, dz = x[i + 1] - x[i], height[i + 1] - height[i]
        slope, length = math.atan2(dz, dx), math.hypot(dx, dz)
        normal = np.array([-math.sin(slope), math.cos(slope)])
        middle = np.array([x[i] + x[i + 1], height[i] + height[i + 1]]) / 2.0 - thick * normal
        half = np.array([length / 2.0, 0.06, thick])
        boxes.append(Box(f"strip_{i}", np.array([middle[0], y, middle[1]]), half, 0.0, -slope))
    path = np.stack([x[1:-1], np.full(len(x) - 2, y), height[1:-1] + TIP_RADIUS], axis=1)
    shift = rng.normal(0.0, cell.registration_m)
    ends = np.array([path[0], path[-1]])
    ends[:, 2] = 0.04 + TIP_RADIUS + shift
    start = np.array([path[0, 0], y, height.max() + TIP_RADIUS + 0.02])
    plan = np.vstack([start, ends])
    last = float(path[-1, 0]) - 0.005
    outline = np.array([[x[0], y - 0.06, x[-1], y - 0.06], [x[0], y + 0.06, x[-1], y + 0.06]])
    return Scene(
        "surface", start, plan, path, tuple(boxes), np.zeros((0, 3)), 0.006, lambda tip: bool(tip[0] > last),
        outline,
    )  # fmt: skip


def surface_waves(x: Array, cell: CellConfig, rng: np.random.Generator) -> Array:
    """Return the heights of three random waves over x, shape like x. [m]"""
    held_out = cell.family == "held_out"
    size = cell.roughness_m * (2.0 if held_out else 1.0)
    longest = 0.12 if held_out else 0.2
    waves = np.zeros_like(x)
    for part in (0.6, 0.3, 0.1):
        length = rng.uniform(0.5, 1.0) * longest * (0.4 + part)
        waves += part * size * np.sin(2.0 * math.pi * x / length + rng.uniform(0.0, 2.0 * math.pi))
    return waves


def _free(cell: CellConfig, seed: int) -> Scene:
    rng = np.random.default_rng((seed, 10))
    start = np.array([0.45, rng.uniform(-0.1, 0.1), 0.15])
    goal = start + np.array([0.12, rng.uniform(-0.1, 0.1), 0.05])
    way = np.array([start, goal])
    none = np.zeros((0, 3))
    return Scene(
        "free", start, way, way, (), none, 0.006, lambda tip: bool(np.linalg.norm(tip - goal) < 0.005),
        np.zeros((0, 4)),
    )  # fmt: skip


def _at(points: Array, z: float) -> Array:
    """Return points of the plane, shape (k, 2), at a height, shape (k, 3). [m]"""
    return np.column_stack([points, np.full(len(points), z)])
