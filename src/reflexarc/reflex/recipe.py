# SPDX-License-Identifier: Apache-2.0
"""A training from its recipe to its folder: weights, the recipe in full, and the log."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reflexarc.core.config import from_mapping, quantity, read_yaml
from reflexarc.core.training import Checkpoint, Progress, write_log
from reflexarc.reflex.agent import ReflexAgent
from reflexarc.reflex.learner import Training
from reflexarc.reflex.methods import METHODS, method, train_method
from reflexarc.reflex.navigation import NAVIGATION, Navigation, navigation

WEIGHTS, RECIPE, LOG = "reflex.safetensors", "recipe.yaml", "log.csv"
_EVERY = 250
"""Steps between two checkpoints."""
_OF_THE_METHOD = ("bootstrap", "limit")


@dataclass(frozen=True)
class Recipe:
    """What to learn and how."""

    problem: str = quantity(choices=tuple(NAVIGATION), doc="where")
    method: str = quantity("ours", choices=tuple(METHODS), doc="how the critic is learned and used")
    seed: int = quantity(0, low=0, high=2**31, doc="seed of everything random")
    hold: int = quantity(1, low=1, high=20, doc="published steps of one decision")
    control: int = quantity(10, low=1, high=100, doc="control steps of one published step")
    alpha: float = quantity(
        0.01, low=1e-4, high=0.5, doc="wanted rate of failed episodes, where the threshold is calibrated"
    )
    training: Training = dataclasses.field(default_factory=Training)

    @property
    def where(self) -> Navigation:
        """The problem."""
        return navigation(self.problem, self.hold, self.control)

    def content(self) -> dict[str, Any]:
        """Return the recipe in full, ready for YAML or JSON."""
        whole = dataclasses.asdict(self)
        for name in _OF_THE_METHOD:
            whole["training"].pop(name)
        return whole


def train(
    path: Path, out: Path, progress: Progress | None = None, seed: int | None = None
) -> tuple[Recipe, ReflexAgent]:
    """Follow a recipe into a folder; a training that was stopped is gone on from.

    Args:
        path: YAML file with the keys of `Recipe`.
        out: folder, made if needed.
        progress: told now and then.
        seed: instead of the recipe's.

    Raises:
        ConfigError: the recipe is not acceptable.
        ModelError: a checkpoint is damaged or of another training.
    """
    recipe = from_mapping(Recipe, read_yaml(path), str(path))
    if seed is not None:
        recipe = dataclasses.replace(recipe, seed=seed)
    content = recipe.content()
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(out / "checkpoint.safetensors", json.dumps(content, sort_keys=True), _EVERY)
    m = method(recipe.method)
    found, log = train_method(
        m, recipe.where, recipe.training, [recipe.seed], recipe.alpha, progress, checkpoint
    )
    learned, shield = found[0]
    agent = ReflexAgent(learned.networks, shield, {**content, "totals": learned.totals})
    agent.save(out / WEIGHTS)
    text = yaml.safe_dump(content, sort_keys=False)
    (out / RECIPE).write_text("# SPDX-License-Identifier: Apache-2.0\n" + text, encoding="utf-8")
    write_log(out / LOG, log)
    checkpoint.path.unlink(missing_ok=True)
    return recipe, agent
