# SPDX-License-Identifier: Apache-2.0
"""Plan the deliveries of a run: a seeded chain in which the goal of each is the start of the next."""

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.mission import Mission
from reflexarc.robots import load_robot
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.world import World, make_world


def plan_missions(
    world: World,
    count: int,
    seed: int,
    *,
    min_distance_m: float = 20.0,
    max_distance_m: float = 40.0,
    timeout_s: float = 90.0,
) -> tuple[Mission, ...]:
    """Choose goals and plan the routes.

    Args:
        world: offers the candidate goals and the routes.
        count: number of deliveries.
        seed: seed of the run.
        min_distance_m: least straight distance from start to goal. [m]
        max_distance_m: largest straight distance. [m]
        timeout_s: time allowed for each. [s]

    Raises:
        ConfigError: no goal of the world is within these distances.
    """
    stops = _chain(world, count, seed, min_distance_m, max_distance_m)
    return tuple(
        Mission(
            number=i,
            start=(float(a[0]), float(a[1])),
            goal=(float(b[0]), float(b[1])),
            route=world.route(a, b),
            timeout_s=timeout_s,
        )
        for i, (a, b) in enumerate(zip(stops[:-1], stops[1:], strict=True))
    )


def scenario_stops(scenario: Scenario, world: World, seed: int) -> Array:
    """Return the start and the goals of a run in order, shape (count + 1, 2). [m]"""
    m = scenario.missions
    return _chain(world, m.count, seed, m.min_distance_m, m.max_distance_m)


def scenario_missions(scenario: Scenario, seed: int) -> tuple[World, tuple[Mission, ...]]:
    """Return the world and the missions of a run without a plant: what a map server knows."""
    world = make_world(scenario.world, seed, load_robot(scenario.robot))
    m = scenario.missions
    return world, plan_missions(
        world,
        m.count,
        seed,
        min_distance_m=m.min_distance_m,
        max_distance_m=m.max_distance_m,
        timeout_s=m.timeout_s,
    )


def _chain(world: World, count: int, seed: int, low: float, high: float) -> Array:
    rng = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(2,)))
    distance = np.linalg.norm(world.goals[:, None] - world.goals[None], axis=-1)
    allowed = (distance >= low) & (distance <= high)
    starts = np.flatnonzero(allowed.any(axis=1))
    if not len(starts):
        raise ConfigError(
            f"no two of the world's {len(world.goals)} delivery points are {low:g} to {high:g} m apart; "
            "change missions.min_distance_m, missions.max_distance_m or world.length_m"
        )
    chain = [int(rng.choice(starts))]
    for _ in range(count):
        chain.append(int(rng.choice(np.flatnonzero(allowed[chain[-1]]))))
    return world.goals[chain]
