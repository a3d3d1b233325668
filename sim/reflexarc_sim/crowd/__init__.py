# SPDX-License-Identifier: Apache-2.0
"""Crowds. A new source of pedestrians is a new file here and an entry in `CROWDS`."""

import numpy as np

from reflexarc_sim.crowd.base import CROWD_PERIOD as CROWD_PERIOD
from reflexarc_sim.crowd.base import PEDESTRIAN_MASS as PEDESTRIAN_MASS
from reflexarc_sim.crowd.base import PEDESTRIAN_RADIUS as PEDESTRIAN_RADIUS
from reflexarc_sim.crowd.base import Crowd as Crowd
from reflexarc_sim.crowd.base import Intent as Intent
from reflexarc_sim.crowd.base import NoCrowd as NoCrowd
from reflexarc_sim.crowd.base import Surroundings as Surroundings
from reflexarc_sim.crowd.recorded import Recorded, read_tracks
from reflexarc_sim.crowd.walkers import Walkers
from reflexarc_sim.scenario import Scenario, data_file
from reflexarc_sim.world import World


def _walkers(scenario: Scenario, world: World, seed: int, rng: np.random.Generator) -> Crowd:
    return Walkers(scenario.crowd, world, rng) if scenario.crowd.count else NoCrowd()


def _recorded(scenario: Scenario, world: World, seed: int, rng: np.random.Generator) -> Crowd:
    config = scenario.crowd
    tracks = read_tracks(data_file(str(config.file), scenario.where))
    start = config.start_s + seed * config.seed_shift_s
    return Recorded(tracks, start, config.transform.rotate, config.transform.translate)


def _nobody(scenario: Scenario, world: World, seed: int, rng: np.random.Generator) -> Crowd:
    return NoCrowd()


CROWDS = {"jupedsim": _walkers, "recorded": _recorded, "none": _nobody}
"""Source -> function (Scenario, World, seed, random generator) -> Crowd."""


def make_crowd(scenario: Scenario, world: World, seed: int, rng: np.random.Generator) -> Crowd:
    """Make the crowd of a run."""
    return CROWDS[scenario.crowd.source](scenario, world, seed, rng)
