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
from reflexarc.reflex.contact.agent import ContactFile
from reflexarc.reflex.contact.mazes import FAMILIES
from reflexarc.reflex.contact.problem import ContactProblem
from reflexarc.reflex.contact.view import DECISION_S
from reflexarc.reflex.learner import Training
from reflexarc.reflex.methods import CALIBRATIONS, METHODS, Method, method, train_method
from reflexarc.reflex.navigation import NAVIGATION, navigation
from reflexarc.reflex.problem import Problem

MAZE = "maze"
WEIGHTS, RECIPE, LOG = "reflex.safetensors", "recipe.yaml", "log.csv"
CONTACT = "contact.safetensors"
"""Weights of a tool in contact."""
_EVERY = 250
"""Steps between two checkpoints."""
_OF_NAVIGATION, _OF_THE_MAZE = ("hold", "control"), ("robot", "family", "mazes")
_OF_THE_METHOD = ("bootstrap", "limit", "rests")


@dataclass(frozen=True)
class Recipe:
    """What to learn and how."""

    problem: str = quantity(choices=(*NAVIGATION, MAZE), doc="where")
    method: str = quantity("ours", choices=tuple(METHODS), doc="how the critic is learned and used")
    seed: int = quantity(0, low=0, high=2**31, doc="seed of everything random")
    hold: int = quantity(1, low=1, high=20, doc="published steps of one decision (navigation)")
    control: int = quantity(10, low=1, high=100, doc="control steps of one published step (navigation)")
    robot: str = quantity("panda", doc="whom it is for (maze)")
    family: str = quantity("train", choices=tuple(FAMILIES), doc="shapes of the mazes (maze)")
    mazes: int = quantity(512, low=1, high=100_000, doc="how many different ones (maze)")
    alpha: float = quantity(
        0.01, low=1e-4, high=0.5, doc="wanted rate of failed episodes, where the threshold is calibrated"
    )
    calibration: str = quantity(
        CALIBRATIONS[0], choices=CALIBRATIONS, doc="rule by which the threshold follows from alpha"
    )
    training: Training = dataclasses.field(default_factory=Training)

    @property
    def where(self) -> Problem:
        """The problem."""
        if self.problem == MAZE:
            return ContactProblem(family=self.family, mazes=self.mazes)
        return navigation(self.problem, self.hold, self.control)

    def content(self) -> dict[str, Any]:
        """Return the recipe in full, ready for YAML or JSON."""
        whole = dataclasses.asdict(self)
        for name in _OF_NAVIGATION if self.problem == MAZE else _OF_THE_MAZE:
            whole.pop(name)
        for name in _OF_THE_METHOD:
            whole["training"].pop(name)
        return whole


def train(
    path: Path, out: Path, progress: Progress | None = None, seed: int | None = None, driven: bool = True
) -> tuple[Recipe, ReflexAgent, Path]:
    """Follow a recipe into a folder; a training that was stopped is gone on from.

    Args:
        path: YAML file with the keys of `Recipe`.
        out: folder, made if needed.
        progress: told now and then.
        seed: instead of the recipe's.
        driven: False: only critic and recovery are learned, from probes, and nothing is calibrated.

    Returns:
        The recipe that was followed, what was learned, and its file.

    Raises:
        ConfigError: the recipe is not acceptable.
        ModelError: a checkpoint is damaged or of another training.
    """
    recipe = from_mapping(Recipe, read_yaml(path), str(path))
    if seed is not None:
        recipe = dataclasses.replace(recipe, seed=seed)
    m = method(recipe.method)
    if not driven:
        recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, episodes=0))
        m = dataclasses.replace(m, calibrate=False)
    content = recipe.content()
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(out / "checkpoint.safetensors", json.dumps(content, sort_keys=True), _EVERY)
    found, log = train_method(
        m,
        recipe.where,
        recipe.training,
        [recipe.seed],
        recipe.alpha,
        progress,
        checkpoint,
        recipe.calibration,
    )
    learned, shield = found[0]
    agent = ReflexAgent(learned.networks, shield, {**content, "totals": learned.totals})
    if recipe.problem == MAZE:
        file = out / CONTACT
        contact_file(agent, m).save(file, DECISION_S / recipe.where.length)
    else:
        file = out / WEIGHTS
        agent.save(file)
    text = yaml.safe_dump(content, sort_keys=False)
    (out / RECIPE).write_text("# SPDX-License-Identifier: Apache-2.0\n" + text, encoding="utf-8")
    write_log(out / LOG, log)
    checkpoint.path.unlink(missing_ok=True)
    return recipe, agent, file


def contact_file(agent: ReflexAgent, m: Method) -> ContactFile:
    """Return what was learned for a tool in contact as the arc and the learned policy read it."""
    problem = {"name": MAZE, "fixed": m.fixed, "wrench_only": m.wrench_only}
    return ContactFile(agent.networks, agent.shield, {**agent.recipe, "problem": problem})
