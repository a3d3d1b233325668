# SPDX-License-Identifier: Apache-2.0
"""Simulated worlds. A new kind of world is a new file here and an entry in `WORLDS`."""

import math

from reflexarc.robots import BaseRobot
from reflexarc_sim.scenario import WorldConfig
from reflexarc_sim.world.cells import make_cells
from reflexarc_sim.world.plaza import make_plaza
from reflexarc_sim.world.sidewalk import make_sidewalk
from reflexarc_sim.world.world import Block as Block
from reflexarc_sim.world.world import Ramp as Ramp
from reflexarc_sim.world.world import World as World

WORLDS = {"sidewalk": make_sidewalk, "plaza": make_plaza, "cells": make_cells}
"""Kind of world -> function (WorldConfig, seed, route clearance [m]) -> World."""


def make_world(config: WorldConfig, seed: int, robot: BaseRobot) -> World:
    """Generate the world of a run.

    Args:
        config: `WorldConfig`; its own `seed`, where given, takes precedence.
        seed: seed of the run.
        robot: routes keep its circumscribed circle plus `config.route_margin_m` clear.
    """
    clearance = math.hypot(robot.length, robot.width) / 2 + config.route_margin_m
    return WORLDS[config.type](config, seed if config.seed is None else config.seed, clearance)
