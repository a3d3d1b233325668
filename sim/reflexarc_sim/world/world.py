# SPDX-License-Identifier: Apache-2.0
"""What a simulated world consists of: fixed things with a contact class, goals, and what a map knows."""

from dataclasses import dataclass, field

import numpy as np

from reflexarc.core.plant import ContactClass
from reflexarc.core.types import Array
from reflexarc_sim.world.routing import RouteMap


@dataclass(frozen=True, slots=True)
class Block:
    """A fixed upright body with a rectangular or round base."""

    name: str
    """Unique; the partner's name in contact events."""
    contact_class: ContactClass
    """What is counted when the robot touches it."""
    centre: tuple[float, float]
    """Centre of the base. [m]"""
    half_size: tuple[float, float]
    """Half extents along x and y; both are the radius of a round one. [m]"""
    z: tuple[float, float]
    """Bottom and top; the sidewalk is at 0. [m]"""
    round: bool = False
    """Cylinder instead of box."""
    rgba: tuple[float, float, float, float] = (0.6, 0.6, 0.6, 1.0)
    """Colour for pictures."""

    def distance(self, points: Array) -> Array:
        """Return the distance in metres of each of `points`, shape (n, 2), from the base; 0 inside."""
        offset = np.abs(points - np.array(self.centre))
        if self.round:
            return np.maximum(np.hypot(offset[:, 0], offset[:, 1]) - self.half_size[0], 0.0)
        outside = np.maximum(offset - np.array(self.half_size), 0.0)
        return np.hypot(outside[:, 0], outside[:, 1])


@dataclass(frozen=True, slots=True)
class Ramp:
    """A kerb ramp: a slope from the sidewalk down to the road."""

    name: str
    """Unique."""
    x: tuple[float, float]
    """Extent along the kerb. [m]"""
    run: float
    """Length of the slope across the kerb, outwards from it. [m]"""


@dataclass(frozen=True)
class World:
    """A static world and the map of it, in the fixed frame: x along the sidewalk, y towards the road, z up."""

    seed: int
    """Seed that generated it."""
    bounds: tuple[float, float, float, float]
    """Where the robot may drive: x_min, y_min, x_max, y_max. [m]"""
    walk_bounds: tuple[float, float, float, float]
    """Where pedestrians walk, beyond the robot's bounds at both ends. [m]"""
    ground: tuple[Block, ...]
    """Raised ground (the sidewalk), top at z = 0; its edge is the kerb."""
    road_z: float
    """Height of the road. [m]"""
    ramps: tuple[Ramp, ...]
    """Kerb ramps."""
    buildings: tuple[Block, ...]
    """Buildings."""
    obstacles: tuple[Block, ...]
    """Street furniture: bollards, bins, mailboxes."""
    keepouts: Array
    """Lines not to be crossed that no sensor sees (kerb edges); x1, y1, x2, y2; shape (m, 4). [m]"""
    goals: Array
    """Candidate delivery points, shape (k, 2). [m]"""
    route_map: RouteMap = field(repr=False, compare=False)
    """Clearance map for route planning."""

    @property
    def fixed(self) -> tuple[Block, ...]:
        """Everything that stands up and does not move."""
        return self.buildings + self.obstacles

    def route(self, start_xy: Array, goal_xy: Array) -> Array:
        """Return a polyline, shape (n, 2) [m], from start to goal that keeps clear of everything fixed.

        Raises:
            ConfigError: start or goal is not drivable, or there is no way between them.
        """
        return self.route_map.route(np.asarray(start_xy, float), np.asarray(goal_xy, float))

    def clearance(self, points: Array) -> Array:
        """Return how far `points`, shape (n, 2), are from fixed things and the edges of the bounds [m]; < 0 outside."""
        points = np.asarray(points, float).reshape(-1, 2)
        x_min, y_min, x_max, y_max = self.bounds
        nearest = np.minimum.reduce(
            [points[:, 0] - x_min, x_max - points[:, 0], points[:, 1] - y_min, y_max - points[:, 1]]
        )
        for block in self.fixed:
            nearest = np.minimum(nearest, block.distance(points))
        return nearest
