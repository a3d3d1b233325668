# SPDX-License-Identifier: Apache-2.0
"""The quadruped as a recipe says it: robot, task, ground, differences between robots, kind of push."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reflexarc.core.config import from_mapping, quantity
from reflexarc.robots.quadruped import load_quadruped
from reflexarc_sim.quadruped.randomisation import NONE, Randomisation
from reflexarc_sim.quadruped.stand import StandingTask
from reflexarc_sim.quadruped.task import WalkingTask
from reflexarc_sim.quadruped.terrain import LEVELS, plane, tiles
from reflexarc_sim.quadruped.walk import PUSHED, Walk

GROUNDS = ("plane", "tiles")
_ENDLESS_S = 1e4


@dataclass(frozen=True)
class QuadrupedSettings:
    """Settings."""

    robot: str = quantity("go1", doc="a folder of models/ with quadruped.yaml")
    task: WalkingTask = dataclasses.field(default_factory=WalkingTask)
    stand: StandingTask | None = quantity(None, doc="given: they stand on their hind legs instead of walking")
    ground: str = quantity("plane", choices=GROUNDS, doc="what they walk on")
    ground_seed: int = quantity(0, low=0, high=2**31, doc="of what is rough")
    levels: int = quantity(
        1, low=1, high=LEVELS, doc="of the tiles' difficulty on which they begin, the easiest first"
    )
    randomisation: Randomisation = dataclasses.field(default_factory=Randomisation)
    pushed: str = quantity("force", choices=tuple(PUSHED), doc="what a push holds")

    def make(self, episodes: int, threads: int = 0) -> Walk:
        """Return the problem."""
        ground = plane() if self.ground == "plane" else tiles(self.ground_seed)
        levels = min(self.levels, len(ground.places))
        return Walk(
            load_quadruped(self.robot), episodes, self.asked, self.randomisation, ground, levels, threads, self.pushed,
        )  # fmt: skip

    @property
    def asked(self) -> WalkingTask | StandingTask:
        """The task."""
        return self.task if self.stand is None else self.stand


def judged_walk(
    settings: QuadrupedSettings,
    episodes: int,
    randomisation: Randomisation = NONE,
    threads: int = 0,
    level: int | None = None,
) -> Walk:
    """Return robots of the same kind whose episodes have no end of their own.

    Args:
        settings: say which robot and task.
        episodes: n.
        randomisation: differences between them.
        threads: of the physics; 0: one per core.
        level: of the tiles' difficulty on which they begin; default: a plane.
    """
    task = dataclasses.replace(settings.asked, length_s=_ENDLESS_S)
    ground = plane()
    if level is not None:
        ground = tiles(settings.ground_seed)
        ground = dataclasses.replace(ground, places=ground.places[level : level + 1])
    robot = load_quadruped(settings.robot)
    return Walk(robot, episodes, task, randomisation, ground, threads=threads)


def make_walk(settings: Mapping[str, Any], episodes: int, where: str) -> Walk:
    """Return the problem of a recipe; fulfils `reflexarc.robust.recipe.Simulated`.

    Raises:
        ConfigError: the settings are not acceptable.
    """
    return settings_of(settings, where).make(episodes)


def settings_of(settings: Mapping[str, Any], where: str) -> QuadrupedSettings:
    """Return the checked settings of a recipe.

    Raises:
        ConfigError: they are not acceptable.
    """
    return from_mapping(QuadrupedSettings, settings, where)
