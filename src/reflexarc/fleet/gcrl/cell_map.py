# SPDX-License-Identifier: Apache-2.0
r"""What all domains on maps of cells share: the map, its radii, and the cost of being near a wall.

With the distance h to what is near,

    C = 2 - 2 h / r   for h <= r,   else 0      (Feng et al. 2025, eq. 6).
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.gcrl.maps import boxes


@dataclass(frozen=True, eq=False)
class CellMap:
    """A map of square cells of one metre; x counts rows, y columns."""

    name: str
    blocked: np.ndarray
    """Shape (rows, columns), bool."""
    cost_radius: float = 3.0
    """r. [m]"""
    goal_radius: float = 0.5
    """A goal is reached nearer than this. [m]"""
    boxes: np.ndarray = field(init=False)
    """Rectangles that cover the blocked cells, shape (k, 4)."""

    def __post_init__(self) -> None:
        """Check and prepare.

        Raises:
            ConfigError: no free cell, or a radius that is not a finite length > 0.
        """
        if self.blocked.ndim != 2 or self.blocked.all():
            raise ConfigError(f"map {self.name}: needs at least one free cell")
        for what, value in (("cost radius", self.cost_radius), ("goal radius", self.goal_radius)):
            if not 0.0 < value < 1e3:
                raise ConfigError(f"map {self.name}: {what} {value} must be a length > 0 and < 1000 [m]")
        object.__setattr__(self, "boxes", boxes(self.blocked))

    @property
    def extent(self) -> tuple[float, float]:
        """Size of the map. [m]"""
        return float(self.blocked.shape[0]), float(self.blocked.shape[1])

    def digest_with(self, kind: str, *numbers: Any) -> str:
        """Return a hash of the map, its radii and what else defines the domain, 16 hexadecimal digits."""
        words = (kind, self.blocked.shape, self.cost_radius, self.goal_radius, *numbers)
        content = " ".join(str(word) for word in words).encode() + np.packbits(self.blocked).tobytes()
        return hashlib.sha256(content).hexdigest()[:16]

    def to_blocked(self, place: Any) -> Any:
        """Return the distance of a point to the nearest blocked cell, infinity on an empty map. [m]"""
        if not len(self.boxes):
            return jnp.float32(jnp.inf)
        b = jnp.asarray(self.boxes)
        away = jnp.maximum(jnp.maximum(b[:, :2] - place, place - b[:, 2:]), 0.0)
        return jnp.sqrt((away**2).sum(axis=1).min())

    def price(self, h: Any) -> Any:
        """Return C of a distance h. [m]"""
        return jnp.where(h <= self.cost_radius, 2.0 - 2.0 * h / self.cost_radius, 0.0)

    def reached(self, state: Any, goal: Any) -> Any:
        """Return whether the goal is nearer than `goal_radius`; a state begins with its place."""
        return ((state[:2] - goal) ** 2).sum() < self.goal_radius**2

    def place(self, state: Any) -> Any:
        """Return x and y."""
        return state[:2]
