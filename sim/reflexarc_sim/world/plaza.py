# SPDX-License-Identifier: Apache-2.0
"""Seeded open square, level with its surroundings: for recorded crowds, whose people walk wherever they walked.

x_min .. x_max = 0 .. length, y likewise 0 .. width; buildings stand along the two long sides outside the bounds.
"""

import numpy as np

from reflexarc.core.plant import ContactClass
from reflexarc.core.types import Array
from reflexarc_sim.scenario import WorldConfig
from reflexarc_sim.world.routing import RouteMap
from reflexarc_sim.world.sidewalk import facade
from reflexarc_sim.world.world import Block, World

_REACH = 12.0  # [m] paved ground beyond the bounds


def make_plaza(config: WorldConfig, seed: int, route_clearance: float) -> World:
    """Generate the square; arguments as in `make_sidewalk`. Furniture stands along the two long edges."""
    rng = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(1,)))
    length, width = config.length_m, config.width_m
    buildings = facade(rng, "building", (-4.0, length + 4.0), -1.0, -1)
    buildings += facade(rng, "building_far", (-4.0, length + 4.0), width + 1.0, 1)
    count = config.bollards
    xs = (np.arange(count) + 0.5) * length / max(count, 1)
    obstacles = tuple(
        Block(
            f"bollard_{i}",
            ContactClass.BOLLARD,
            (float(x), 0.3 if i % 2 else width - 0.3),
            (0.10, 0.10),
            (0.0, 0.9),
            True,
            (0.85, 0.75, 0.10, 1.0),
        )
        for i, x in enumerate(xs)
    )
    ground = (
        Block(
            "pavement",
            ContactClass.KERB,
            (length / 2, width / 2),
            (length / 2 + _REACH, width / 2 + _REACH),
            (-0.12, 0.0),
        ),
    )

    def clearance_of(points: Array) -> Array:
        nearest = np.minimum(points[:, 1], width - points[:, 1])
        nearest = np.minimum(nearest, np.minimum(points[:, 0], length - points[:, 0]))
        for block in (*buildings, *obstacles):
            nearest = np.minimum(nearest, block.distance(points))
        return nearest

    ends = [(1.2, length - 1.2), (1.2, width - 1.2)]
    goals = np.array([[x, y] for x in ends[0] for y in np.linspace(*ends[1], 4)])
    return World(
        seed=seed,
        bounds=(0.0, 0.0, length, width),
        walk_bounds=(-_REACH + 1.0, 0.3, length + _REACH - 1.0, width - 0.3),
        ground=ground,
        road_z=-0.12,
        ramps=(),
        buildings=buildings,
        obstacles=obstacles,
        keepouts=np.zeros((0, 4)),
        goals=goals,
        route_map=RouteMap((0.0, 0.0, length, width), clearance_of, route_clearance),
    )
