# SPDX-License-Identifier: Apache-2.0
"""Seeded sidewalk block: buildings, a kerb with ramps, street furniture, a road and the other side.

Layout (x along the sidewalk, y from the facades towards the road):

    y < 0                 buildings, facades set back by 0 to 0.3 m
    0 .. 0.55             facade strip: some bins and mailboxes
    .. width - 0.55       clear corridor
    width - 0.55 .. width furniture strip: bollards, bins, mailboxes
    width                 kerb, 0.12 m down to the road, with ramps
    width + 7             the other kerb, sidewalk and buildings (scenery, seen by cameras)

Dimensions of furniture are usual ones (engineering estimates): bollard 0.10 m radius, 0.9 m high; bin 0.45 m square,
1.0 m; mailbox 0.50 x 0.45 m, 1.2 m; kerb 0.12 m, ramp 1:10.
"""

import numpy as np

from reflexarc.core.plant import ContactClass
from reflexarc.core.types import Array
from reflexarc_sim.scenario import WorldConfig
from reflexarc_sim.world.routing import Clearance, RouteMap
from reflexarc_sim.world.world import Block, Ramp, World

ROAD_Z = -0.12  # [m] kerb height of a usual street
_END = 8.0  # [m] sidewalk beyond the robot's bounds at both ends, where pedestrians turn round
_STRIP = 0.55  # [m] depth of the furniture strips
_ROAD_WIDTH = 7.0  # [m]
_RAMP_RUN = 1.2  # [m] 0.12 m over 1.2 m is a slope of 1:10
_RAMP_WIDTH = 1.6  # [m]
_GOAL_SPACING = 6.0  # [m]
_FACADES = ((0.62, 0.42, 0.35, 1), (0.72, 0.66, 0.56, 1), (0.52, 0.55, 0.60, 1), (0.66, 0.52, 0.40, 1))


def make_sidewalk(config: WorldConfig, seed: int, route_clearance: float) -> World:
    """Generate the block.

    Args:
        config: `WorldConfig` of the scenario.
        seed: every random choice derives from it.
        route_clearance: clearance of routes from everything fixed and from the edges of the bounds. [m]
    """
    rng = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(1,)))
    length, width = config.length_m, config.width_m
    bounds = (0.0, 0.0, length, width)
    buildings = facade(rng, "building", (-_END, length + _END), 0.0, -1)
    far = width + _ROAD_WIDTH + 3.0
    buildings += facade(rng, "building_far", (-_END, length + _END), far, 1)
    ramps = _ramps(rng, config.ramps, length)
    obstacles = _furniture(rng, config, ramps)
    middle, reach = length / 2, length / 2 + _END
    ground = (
        Block(
            "sidewalk",
            ContactClass.KERB,
            (middle, (width - 6.0) / 2),
            (reach, (width + 6.0) / 2),
            (ROAD_Z, 0.0),
        ),
        Block("sidewalk_far", ContactClass.KERB, (middle, far + 1.5), (reach, 4.5), (ROAD_Z, 0.0)),
    )

    def clearance_of(points: Array) -> Array:
        nearest = np.minimum(points[:, 1], width - points[:, 1])
        nearest = np.minimum(nearest, np.minimum(points[:, 0], length - points[:, 0]))
        for block in (*buildings, *obstacles):
            nearest = np.minimum(nearest, block.distance(points))
        return nearest

    route_map = RouteMap(bounds, clearance_of, route_clearance)
    return World(
        seed=seed,
        bounds=bounds,
        walk_bounds=(-_END + 1.0, 0.3, length + _END - 1.0, width - 0.2),
        ground=ground,
        road_z=ROAD_Z,
        ramps=ramps,
        buildings=buildings,
        obstacles=obstacles,
        keepouts=np.array([[-_END, width, length + _END, width]]),
        goals=_goals(rng, length, width, clearance_of, route_clearance + 0.1),
        route_map=route_map,
    )


def facade(
    rng: np.random.Generator, prefix: str, x_range: tuple[float, float], y: float, side: int
) -> tuple[Block, ...]:
    """Return a row of buildings over `x_range` whose fronts are at y plus a set-back away from the street.

    Args:
        rng: decides widths, heights, set-backs and colours.
        prefix: of the names.
        x_range: extent along the street. [m]
        y: the building line. [m]
        side: sign of the direction away from the street along y.
    """
    blocks: list[Block] = []
    x, end = x_range
    while x < end - 1e-6:
        front = min(float(rng.uniform(7.0, 14.0)), end - x)
        if end - x - front < 4.0:
            front = end - x
        setback, height = float(rng.uniform(0.0, 0.3)), float(rng.uniform(4.0, 9.0))
        depth = 4.0
        colour = _FACADES[int(rng.integers(len(_FACADES)))]
        centre = (x + front / 2, y + side * (setback + depth / 2))
        blocks.append(
            Block(
                f"{prefix}_{len(blocks)}",
                ContactClass.BUILDING,
                centre,
                (front / 2, depth / 2),
                (0.0, height),
                rgba=colour,
            )
        )
        x += front
    return tuple(blocks)


def _ramps(rng: np.random.Generator, count: int, length: float) -> tuple[Ramp, ...]:
    """Ramps at even spacing with a random shift."""
    pitch = length / max(count, 1)
    xs = [(i + 0.5) * pitch + float(rng.uniform(-0.2, 0.2)) * pitch for i in range(count)]
    return tuple(
        Ramp(f"ramp_{i}", (x - _RAMP_WIDTH / 2, x + _RAMP_WIDTH / 2), _RAMP_RUN) for i, x in enumerate(xs)
    )


def _furniture(rng: np.random.Generator, config: WorldConfig, ramps: tuple[Ramp, ...]) -> tuple[Block, ...]:
    """Street furniture in the two strips, apart from each other and off the ramps."""
    width = config.width_m
    kinds = (
        [(ContactClass.BOLLARD, (0.10, 0.10), 0.9, True, (0.85, 0.75, 0.10, 1.0))] * config.bollards
        + [(ContactClass.TRASH_BIN, (0.225, 0.225), 1.0, False, (0.15, 0.35, 0.20, 1.0))] * config.trash_bins
        + [(ContactClass.MAILBOX, (0.25, 0.225), 1.2, False, (0.15, 0.25, 0.60, 1.0))] * config.mailboxes
    )
    placed: list[Block] = []
    counts: dict[ContactClass, int] = {}
    for kind, half, height, is_round, rgba in kinds:
        at_kerb = kind is ContactClass.BOLLARD or rng.random() < 0.6
        for _ in range(200):
            x = float(rng.uniform(1.0, config.length_m - 1.0))
            y = (width - half[1] - 0.08) if at_kerb else half[1] + 0.08
            near_ramp = at_kerb and any(r.x[0] - 0.6 < x < r.x[1] + 0.6 for r in ramps)
            crowded = any(np.hypot(x - b.centre[0], y - b.centre[1]) < 1.5 for b in placed)
            if not near_ramp and not crowded:
                number = counts.get(kind, 0)
                counts[kind] = number + 1
                placed.append(
                    Block(f"{kind.value}_{number}", kind, (x, y), half, (0.0, height), is_round, rgba)
                )
                break
    return tuple(placed)


def _goals(
    rng: np.random.Generator, length: float, width: float, clearance_of: Clearance, required: float
) -> Array:
    """Delivery points every few metres along the block, at a random place across it where there is room."""
    goals = []
    for x in np.arange(3.0, length - 2.9, _GOAL_SPACING):
        for _ in range(100):
            point = np.array([[x + rng.uniform(-1.0, 1.0), rng.uniform(1.0, width - 1.0)]])
            if clearance_of(point)[0] >= required:
                goals.append(point[0])
                break
    return np.array(goals).reshape(-1, 2)
