# SPDX-License-Identifier: Apache-2.0
"""Rotated rectangles in the plane: what the GCBF+ systems must not touch."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from reflexarc.core.types import Array


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
