# SPDX-License-Identifier: Apache-2.0
"""Where a robot stands when a run begins."""

import math
from enum import StrEnum

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import ContactClass
from reflexarc.core.types import Array
from reflexarc_sim.missions import mission_stops
from reflexarc_sim.scenario import MissionsConfig
from reflexarc_sim.world import World

GAP = 0.3
"""Between hull and bollard where a drive of contact begins. [m]"""


class Start(StrEnum):
    """Where a drive begins; `plant.start` in a scenario."""

    MISSION = "mission"
    """At the first mission's start, looking along its route."""
    MIDDLE = "middle"
    """In the middle of the world, looking along x."""
    BOLLARD = "bollard"
    """`GAP` in front of the first bollard, which is ahead."""


def start_pose(start: Start, world: World, missions: MissionsConfig, seed: int, length: float) -> Array:
    """Return x, y and yaw, shape (3,). [m, m, rad]

    Args:
        start: what kind of place.
        world: of the run.
        missions: of the scenario.
        seed: of the run.
        length: of the robot. [m]

    Raises:
        ConfigError: the world has no bollard to stand in front of, or no two goals as far apart as the missions ask.
    """
    if start is Start.MIDDLE:
        x_min, y_min, x_max, y_max = world.bounds
        return np.array([0.5 * (x_min + x_max), 0.5 * (y_min + y_max), 0.0])
    if start is Start.BOLLARD:
        bollard = next((o for o in world.obstacles if o.contact_class is ContactClass.BOLLARD), None)
        if bollard is None:
            raise ConfigError("plant.start is 'bollard', but the world has none; set world.bollards")
        x, y = bollard.centre
        return np.array([x, y - bollard.half_size[0] - GAP - 0.5 * length, 0.5 * np.pi])
    stops = mission_stops(world, missions, seed)
    route = world.route(stops[0], stops[1])
    ahead = route[min(2, len(route) - 1)] - route[0]
    return np.array([*stops[0], math.atan2(ahead[1], ahead[0])])
