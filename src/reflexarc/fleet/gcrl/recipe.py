# SPDX-License-Identifier: Apache-2.0
"""A training from its recipe to its folder: weights of both stages, the recipe in full, and the log.

A recipe names a domain, the training of stage 1 and what stage 2 changes. Everything else follows from it and the seed.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reflexarc.core.config import from_mapping, quantity, read_yaml
from reflexarc.core.errors import ConfigError
from reflexarc.core.training import Checkpoint, Progress, write_log
from reflexarc.fleet.gcrl.delivery import delivery_domain
from reflexarc.fleet.gcrl.domain import Domain
from reflexarc.fleet.gcrl.learner import Training, learn
from reflexarc.fleet.gcrl.maps import MAPS
from reflexarc.fleet.gcrl.point import point_domain

RECIPE, LOG = "recipe.yaml", "log.csv"
STAGES = ("unconstrained", "constrained")
"""Stem of the weights' files."""
_EVERY = 500
"""Steps between two checkpoints."""


@dataclass(frozen=True)
class PointWorld:
    """A map of the point domain."""

    map: str = quantity("CenterDot", choices=tuple(MAPS), doc="name of the map")
    factor: int | None = quantity(
        None, low=1, high=16, doc="how often each cell is repeated; default: the map's"
    )
    cost_radius: float = quantity(3.0, unit="m", low=1e-3, high=100.0, doc="distance at which costs begin")
    goal_radius: float = quantity(
        0.5, unit="m", low=1e-2, high=10.0, doc="a goal is reached nearer than this"
    )


@dataclass(frozen=True)
class DeliveryWorld(PointWorld):
    """A map for the delivery robot, cells of one metre."""

    cost_radius: float = quantity(1.5, unit="m", low=1e-3, high=100.0, doc="clearance at which costs begin")


@dataclass(frozen=True)
class Constrained:
    """What stage 2 changes; the rest is as in stage 1."""

    limit: float = quantity(1.0, low=0.0, high=40.0, doc="limit of an episode's cost")
    steps: int = quantity(2000, low=1, high=1e7, doc="steps of every environment")
    actor_rate: float = quantity(1e-4, low=1e-7, high=1.0, doc="Adam's rate at the start")
    critic_rate: float = quantity(5e-4, low=1e-7, high=1.0, doc="Adam's rate at the start")
    lambda_rate: float = quantity(1e-3, low=0.0, high=10.0, doc="rate of the multiplier per episode")


@dataclass(frozen=True)
class Recipe:
    """What to learn and how."""

    seed: int = quantity(0, low=0, high=2**31, doc="seed of weights, environments and batches")
    point: PointWorld | None = quantity(None, doc="a point on a map of cells")
    delivery: DeliveryWorld | None = quantity(None, doc="the delivery robot among walls")
    training: Training = dataclasses.field(default_factory=Training)
    constrained: Constrained = dataclasses.field(default_factory=Constrained)

    @staticmethod
    def from_content(content: Mapping[str, Any], where: str) -> "Recipe":
        """Return the checked recipe.

        Raises:
            ConfigError: unknown keys, values out of bounds, or no domain.
        """
        recipe = from_mapping(Recipe, content, where)
        if recipe.training.limit is not None:
            raise ConfigError(f"{where}: training.limit belongs to stage 2; write constrained.limit instead")
        domain_of(recipe, where)
        return recipe

    def content(self) -> dict[str, Any]:
        """Return the recipe in full, ready for YAML or JSON."""
        whole = dataclasses.asdict(self)
        for name in ("limit", "lambda_rate", "lambda_start"):
            whole["training"].pop(name)
        for name in ("point", "delivery"):
            if whole[name] is not None and whole[name]["factor"] is None:
                whole[name].pop("factor")
        return {k: v for k, v in whole.items() if v is not None}


def domain_of(recipe: Recipe, where: str = "recipe") -> Domain:
    """Return the domain that a recipe names.

    Raises:
        ConfigError: it names none, or one that cannot be made.
    """
    if (recipe.point is None) == (recipe.delivery is None):
        raise ConfigError(f"{where}: a recipe names a domain; allowed: one of point and delivery")
    if recipe.delivery is not None:
        d = recipe.delivery
        return delivery_domain(d.map, d.factor, d.cost_radius, d.goal_radius)
    assert recipe.point is not None
    p = recipe.point
    return point_domain(p.map, p.factor, p.cost_radius, p.goal_radius)


def train(path: Path, out: Path, progress: Progress | None = None, seed: int | None = None) -> Recipe:
    """Follow a recipe: both stages, weights, recipe and log into a folder. A stopped training is gone on from.

    Args:
        path: YAML file with the keys of `Recipe`.
        out: folder, made if needed.
        progress: told now and then; steps of both stages count.
        seed: instead of the recipe's.

    Raises:
        ConfigError: the recipe is not acceptable.
        ModelError: a checkpoint is damaged or of another training.
    """
    from reflexarc.fleet.gcrl.agent import Agent, load_agent  # noqa: PLC0415 - an agent's file names a recipe

    recipe = Recipe.from_content(read_yaml(path), str(path))
    if seed is not None:
        recipe = dataclasses.replace(recipe, seed=seed)
    domain, content = domain_of(recipe, str(path)), recipe.content()
    out.mkdir(parents=True, exist_ok=True)
    first, second = (
        recipe.training,
        dataclasses.replace(recipe.training, **dataclasses.asdict(recipe.constrained)),
    )
    total, before, networks = first.steps + second.steps, 0, None
    logs: list[dict[str, float]] = []
    for number, (stage, t) in enumerate(zip(STAGES, (first, second), strict=True)):
        weights, kept = out / f"{stage}.safetensors", out / f"{stage}.checkpoint"
        identity = json.dumps([stage, content], sort_keys=True)
        log_file = out / f"{stage}.log.json"
        if weights.is_file() and log_file.is_file() and not kept.is_file():
            done = load_agent(weights)
            if json.dumps(done.recipe, sort_keys=True) == json.dumps(
                {**content, "stage": stage}, sort_keys=True
            ):
                networks, log = done.networks, json.loads(log_file.read_text(encoding="utf-8"))
                logs += log
                before += t.steps
                continue

        def tell(done: int, _: int, figures: Mapping[str, float], before: int = before) -> None:
            if progress is not None:
                progress(before + done, total, figures)

        networks, log = learn(
            domain, t, 1000 * number + recipe.seed, networks, tell, Checkpoint(kept, identity, _EVERY)
        )
        log = [{"stage": number + 1, **row} for row in log]
        Agent(domain, networks, {**content, "stage": stage}).save(weights)
        log_file.write_text(json.dumps(log), encoding="utf-8")
        kept.unlink(missing_ok=True)
        logs += log
        before += t.steps
    for stage in STAGES:
        (out / f"{stage}.log.json").unlink(missing_ok=True)
    text = yaml.safe_dump(content, sort_keys=False)
    (out / RECIPE).write_text("# SPDX-License-Identifier: Apache-2.0\n" + text, encoding="utf-8")
    write_log(out / LOG, logs)
    return recipe
