# SPDX-License-Identifier: Apache-2.0
"""Plan the deliveries of a run: a seeded chain in which the goal of each is the start of the next."""

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.mission import Mission
from reflexarc.robots import load_robot
from reflexarc_sim.scenario import MissionsConfig, Scenario
from reflexarc_sim.world import World, make_world


def plan_missions(
    world: World, start: Array | None, config: MissionsConfig, seed: int
) -> tuple[Mission, ...]:
    """Choose goals and plan the routes.

    Args:
        world: offers the candidate goals and the routes.
        start: where the robot stands, shape (2,) [m]; None for the run's own start, where the plant puts it.
        config: number, distances and time limit.
        seed: seed of the run.

    Raises:
        ConfigError: no goal of the world is within these distances, or `start` is not drivable.
    """
    stops = mission_stops(world, config, seed)
    if start is not None:
        stops = np.vstack((np.asarray(start, float)[None], stops[1:]))
    return tuple(
        Mission(
            number=i,
            start=(float(a[0]), float(a[1])),
            goal=(float(b[0]), float(b[1])),
            route=world.route(a, b),
            timeout_s=config.timeout_s,
        )
        for i, (a, b) in enumerate(zip(stops[:-1], stops[1:], strict=True))
    )


def scenario_missions(scenario: Scenario, seed: int) -> tuple[World, tuple[Mission, ...]]:
    """Return the world and the missions of a run without a plant: what a map server knows."""
    world = make_world(scenario.world, seed, load_robot(scenario.robot))
    return world, plan_missions(world, None, scenario.missions, seed)


def mission_stops(world: World, config: MissionsConfig, seed: int) -> Array:
    """Return the start and the goals of a run in order, shape (count + 1, 2), in metres.

    Raises:
        ConfigError: no two of the world's delivery points are as far apart as asked for.
    """
    low, high = config.min_distance_m, config.max_distance_m
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
    for _ in range(config.count):
        chain.append(int(rng.choice(np.flatnonzero(allowed[chain[-1]]))))
    return world.goals[chain]
