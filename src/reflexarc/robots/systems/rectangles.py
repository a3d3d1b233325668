# SPDX-License-Identifier: Apache-2.0
"""Rotated rectangles in the plane: what the GCBF+ systems must not touch."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from reflexarc.core.types import Array

_PARALLEL = 1e-9
"""Direction components below this count as this: avoids 0 / 0 along a side."""


class Rectangles(NamedTuple):
    """k rectangles."""

    centre: Array
    """Shape (k, 2). [m]"""
    half: Array
    """Half of length and width, shape (k, 2). [m]"""
    angle: Array
    """Shape (k,). [rad]"""


def scattered(count: int, side: tuple[float, float], area: float, seed: int) -> Rectangles:
    """Return `count` rectangles as GCBF+ draws them: centres, sides and angles uniform.

    Args:
        count: number of rectangles.
        side: shortest and longest side. [m]
        area: side of the square [0, area]^2 that holds the centres. [m]
        seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0.0, area, (count, 2))
    half = 0.5 * rng.uniform(*side, (count, 2))
    return Rectangles(centre, half, rng.uniform(0.0, 2.0 * np.pi, count))


def gaps(rectangles: Rectangles, point):
    """Return the signed distances from `point` (2,) to each rectangle, negative inside: shape (k,). [m]"""
    cos, sin = jnp.cos(rectangles.angle), jnp.sin(rectangles.angle)
    dx, dy = point[0] - rectangles.centre[:, 0], point[1] - rectangles.centre[:, 1]
    local = jnp.stack([cos * dx + sin * dy, cos * dy - sin * dx], axis=1)
    over = jnp.abs(local) - rectangles.half
    beyond = jnp.maximum(over, 0.0)
    square = jnp.sum(beyond * beyond, axis=1)
    outside = jnp.where(square > 0.0, jnp.sqrt(jnp.where(square > 0.0, square, 1.0)), 0.0)
    return outside + jnp.minimum(jnp.max(over, axis=1), 0.0)


def ranges(rectangles: Rectangles, point, rays: int, reach: float):
    """Return the distance from `point` (2,) to the first rectangle along each of `rays` evenly spaced rays, (rays,).

    The first ray points along x, the others follow counter-clockwise; a ray that meets nothing reads `reach`, a
    point inside a rectangle reads 0. Slab method: in a rectangle's frame the ray is inside between the largest
    entry and the smallest exit over both axes.
    """
    beam = jnp.arange(rays) * (2.0 * jnp.pi / rays)
    bearing = beam[:, None] - rectangles.angle[None, :]
    direction = jnp.stack([jnp.cos(bearing), jnp.sin(bearing)], axis=-1)  # (rays, k, 2)
    direction = jnp.where(jnp.abs(direction) < _PARALLEL, _PARALLEL, direction)
    cos, sin = jnp.cos(rectangles.angle), jnp.sin(rectangles.angle)
    dx, dy = point[0] - rectangles.centre[:, 0], point[1] - rectangles.centre[:, 1]
    origin = jnp.stack([cos * dx + sin * dy, cos * dy - sin * dx], axis=-1)[None]  # (1, k, 2)
    first = (-rectangles.half - origin) / direction
    second = (rectangles.half - origin) / direction
    entry = jnp.max(jnp.minimum(first, second), axis=-1)
    leave = jnp.min(jnp.maximum(first, second), axis=-1)
    hit = (entry <= leave) & (leave >= 0.0)
    return jnp.min(jnp.where(hit, jnp.clip(entry, 0.0, reach), reach), axis=1)
