# SPDX-License-Identifier: Apache-2.0
"""What a critic of falls is learned from, and how its threshold is chosen: the keys of a recipe."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reflexarc.core.config import from_mapping, quantity, read_yaml
from reflexarc.core.errors import ConfigError
from reflexarc.robots.quadruped import load_quadruped


@dataclass(frozen=True)
class Rollouts:
    """Robots that walk under the task policy while somebody pushes."""

    episodes: int = quantity(256, low=2, high=100_000, doc="robots side by side")
    length_s: float = quantity(40.0, unit="s", low=1.0, high=1e4, doc="for how long they walk")
    sudden_n: float = quantity(60.0, unit="N", low=0.0, high=1e4, doc="largest sudden push")
    continuous_n: float = quantity(30.0, unit="N", low=0.0, high=1e4, doc="largest continuous push")
    calm_share: float = quantity(0.2, low=0.0, high=1.0, doc="share of robots that nobody pushes")
    randomisation: dict[str, Any] = quantity({}, doc="how the robots differ, as in `train hinf`")


@dataclass(frozen=True)
class Risk:
    """What is learned."""

    tau_s: float = quantity(0.5, unit="s", low=0.02, high=100.0, doc="tau: how fast a later fall counts less")
    horizon_s: float = quantity(2.0, unit="s", low=0.04, high=100.0, doc="a fall after it does not count")


@dataclass(frozen=True)
class Network:
    """The critic's network and its training."""

    hidden: tuple[int, ...] = quantity((64, 64), low=1, high=4096, doc="widths of the hidden layers")
    steps: int = quantity(4000, low=1, high=10_000_000, doc="steps of Adam")
    batch: int = quantity(1024, low=1, high=1_000_000, doc="views per step")
    rate: float = quantity(1e-3, low=1e-7, high=1.0, doc="rate at the start; it falls to zero along a cosine")
    held_out: float = quantity(
        0.2, low=0.01, high=0.9, doc="share of robots that judge and are not learned from"
    )


@dataclass(frozen=True)
class Threshold:
    """How the threshold is chosen: robots are pushed suddenly, with reflex, once for each threshold of the grid."""

    falls: float = quantity(0.1, low=0.001, high=0.999, doc="wanted rate of falls of an episode")
    grid: tuple[float, ...] = quantity(
        (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7), low=0.0, high=0.999, doc="thresholds, ascending"
    )
    episodes: int = quantity(256, low=2, high=100_000, doc="for each threshold")
    length_s: float = quantity(10.0, unit="s", low=1.0, high=1e4, doc="of an episode")
    sudden_n: float = quantity(30.0, unit="N", low=0.0, high=1e4, doc="magnitude of the sudden pushes")

    def __post_init__(self) -> None:
        if not self.grid or list(self.grid) != sorted(set(self.grid)):
            raise ValueError(f"grid: {list(self.grid)} does not ascend")


@dataclass(frozen=True)
class FallRecipe:
    """What to learn and how."""

    robot: str = quantity(doc="a folder of models/ with quadruped.yaml")
    policy: str = quantity(doc="file of the task policy, under models/ or a path")
    recovery: str = quantity("", doc="file of the recovery policy; empty: the stance is held")
    seed: int = quantity(0, low=0, high=2**31, doc="seed of everything random")
    rollouts: Rollouts = dataclasses.field(default_factory=Rollouts)
    risk: Risk = dataclasses.field(default_factory=Risk)
    network: Network = dataclasses.field(default_factory=Network)
    threshold: Threshold = dataclasses.field(default_factory=Threshold)

    def __post_init__(self) -> None:
        if self.rollouts.length_s <= self.risk.horizon_s:
            raise ValueError(
                f"rollouts.length_s {self.rollouts.length_s} s must be above risk.horizon_s {self.risk.horizon_s} s"
            )


def read_fall_recipe(path: Path, seed: int | None = None) -> FallRecipe:
    """Return the recipe in a YAML file, with another seed if one is given.

    Raises:
        ConfigError: it is not acceptable.
    """
    recipe = from_mapping(FallRecipe, read_yaml(path), str(path))
    try:
        load_quadruped(recipe.robot)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return recipe if seed is None else dataclasses.replace(recipe, seed=seed)
