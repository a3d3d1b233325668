# SPDX-License-Identifier: Apache-2.0
"""A walled yard on one of the maps on which goal-conditioned policies are learned; nothing of it is random.

Blocked cells are buildings and so is what lies around the map; a cell is one metre, and places are the map's own.
"""

import numpy as np

from reflexarc.core.plant import ContactClass
from reflexarc.core.types import Array
from reflexarc.fleet.gcrl.maps import boxes, walls
from reflexarc_sim.scenario import WorldConfig
from reflexarc_sim.world.routing import RouteMap
from reflexarc_sim.world.world import Block, World

_THICK = 0.5  # [m] of the walls around the map
_HEIGHT = 1.5  # [m]


def make_cells(config: WorldConfig, seed: int, route_clearance: float) -> World:
    """Build the yard of `config.map`; arguments as in `make_sidewalk`.

    Raises:
        UnknownNameError: no such map.
    """
    blocked = walls(config.map)
    length, width = (float(n) for n in blocked.shape)
    around = (
        (-_THICK, -_THICK, 0.0, width + _THICK),
        (length, -_THICK, length + _THICK, width + _THICK),
        (0.0, -_THICK, length, 0.0),
        (0.0, width, length, width + _THICK),
    )
    buildings = tuple(
        Block(
            f"wall_{k}",
            ContactClass.BUILDING,
            ((x0 + x1) / 2, (y0 + y1) / 2),
            ((x1 - x0) / 2, (y1 - y0) / 2),
            (0.0, _HEIGHT),
        )
        for k, (x0, y0, x1, y1) in enumerate((*around, *boxes(blocked).astype(float).tolist()))
    )
    half = (length / 2, width / 2)
    ground = Block("pavement", ContactClass.KERB, half, (half[0] + _THICK, half[1] + _THICK), (-0.12, 0.0))

    def clearance_of(points: Array) -> Array:
        return np.minimum.reduce([block.distance(points) for block in buildings])

    centres = np.argwhere(~blocked).astype(np.float64) + 0.5
    bounds = (0.0, 0.0, length, width)
    return World(
        seed=seed,
        bounds=bounds,
        walk_bounds=bounds,
        ground=(ground,),
        road_z=-0.12,
        ramps=(),
        buildings=buildings,
        obstacles=(),
        keepouts=np.zeros((0, 4)),
        goals=centres[clearance_of(centres) >= route_clearance],
        route_map=RouteMap(bounds, clearance_of, route_clearance),
    )
