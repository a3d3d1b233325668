# SPDX-License-Identifier: Apache-2.0
"""A training of actor and disturber from its recipe to its folder: weights, the recipe in full, the log."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reflexarc.core.config import from_mapping, quantity, read_yaml
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.training import Checkpoint, Progress, write_log
from reflexarc.robust.learner import Learner, Training
from reflexarc.robust.linear.problem import LinearProblem
from reflexarc.robust.linear.systems import SYSTEMS, system
from reflexarc.robust.problem import Problem
from reflexarc.robust.weights import load_tensors, save

WEIGHTS, RECIPE, LOG = "hinf.safetensors", "recipe.yaml", "log.csv"
SIMULATED = "quadruped"
REGULATORS = ("none", "lqr")

Simulated = Callable[[Mapping[str, Any], int, str], Problem]
"""Makes the problem that a simulator knows of: its own settings, episodes, where they stand for messages."""


@dataclass(frozen=True)
class LinearSettings:
    """Of a linear system."""

    horizon: int = quantity(60, low=2, high=100_000, doc="steps of an episode")
    regulator: str = quantity("none", choices=REGULATORS, doc="feedback that the actor adds to")
    timed: bool = quantity(True, doc="whether the time left is seen")
    spread: float = quantity(
        0.0, low=0.0, high=1e6, doc="standard deviation of the state at the start; 0: from rest"
    )


@dataclass(frozen=True)
class Recipe:
    """What to learn and how."""

    problem: str = quantity(choices=(*SYSTEMS, SIMULATED), doc="where: a linear system, or a quadruped")
    seed: int = quantity(0, low=0, high=2**31, doc="seed of everything random")
    episodes: int = quantity(128, low=1, high=100_000, doc="side by side")
    start: str = quantity("", doc="folder or file of weights to begin with; default: none")
    linear: LinearSettings = dataclasses.field(default_factory=LinearSettings)
    quadruped: dict[str, Any] = quantity({}, doc="what a simulated problem is, in its own words")
    training: Training = dataclasses.field(default_factory=Training)

    def content(self) -> dict[str, Any]:
        """Return the recipe in full, ready for YAML or JSON."""
        whole = dataclasses.asdict(self)
        whole.pop("linear" if self.problem == SIMULATED else "quadruped")
        return whole

    def where(self, simulated: Simulated, name: str) -> Problem:
        """Return the problem.

        Args:
            simulated: makes one that is no linear system.
            name: of the recipe, for messages.
        """
        if self.problem == SIMULATED:
            return simulated(self.quadruped, self.episodes, f"{name}.{SIMULATED}")
        s = system(self.problem)
        w = self.linear
        feedback = s.lqr() if w.regulator == "lqr" else None
        return LinearProblem(s, self.episodes, w.horizon, feedback, w.timed, w.spread)


def read_recipe(path: Path, seed: int | None = None) -> Recipe:
    """Return the recipe in a YAML file, with another seed if one is given.

    Raises:
        ConfigError: it is not acceptable.
    """
    recipe = from_mapping(Recipe, read_yaml(path), str(path))
    if recipe.training.limits.most <= 0.0 and recipe.training.pushes != "none":
        raise ConfigError(
            f"{path}.training.limits.most: a largest push of 0; allowed: above 0, or `pushes: none`"
        )
    return recipe if seed is None else dataclasses.replace(recipe, seed=seed)


def train(
    path: Path, out: Path, simulated: Simulated, progress: Progress | None = None, seed: int | None = None
) -> tuple[Recipe, Learner, list[dict[str, float]]]:
    """Follow a recipe into a folder; a training that was stopped is gone on from.

    Args:
        path: YAML file with the keys of `Recipe`.
        out: folder, made if needed.
        simulated: makes a problem that is no linear system.
        progress: told after every iteration.
        seed: instead of the recipe's.

    Returns:
        The recipe that was followed, what was learned, and the log.

    Raises:
        ConfigError: the recipe is not acceptable.
        ModelError: a checkpoint, or the weights to begin with, are damaged or of another training.
    """
    recipe = read_recipe(path, seed)
    start = _weights(path.parent / recipe.start) if recipe.start else None
    learner, log = follow(recipe, out, simulated, progress, start, str(path))
    return recipe, learner, log


def follow(
    recipe: Recipe,
    out: Path,
    simulated: Simulated,
    progress: Progress | None = None,
    start: Path | None = None,
    name: str = "recipe",
) -> tuple[Learner, list[dict[str, float]]]:
    """Follow a recipe into a folder; see `train`.

    Args:
        recipe: what to learn.
        out: folder, made if needed.
        simulated: makes a problem that is no linear system.
        progress: told after every iteration.
        start: file of weights to begin with, whatever the recipe calls it.
        name: of the recipe, for messages.

    Raises:
        ConfigError: the problem's settings are not acceptable.
        ModelError: as in `train`.
    """
    content = recipe.content()
    learner = Learner(recipe.where(simulated, name), recipe.training, recipe.seed)
    if start is not None:
        begin_with(learner, start)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(out / "checkpoint.safetensors", json.dumps(content, sort_keys=True))
    log = learner.run(progress, checkpoint)
    save(out / WEIGHTS, learner.players, learner.scaling, learner.learning.scale, content)
    text = yaml.safe_dump(content, sort_keys=False)
    (out / RECIPE).write_text("# SPDX-License-Identifier: Apache-2.0\n" + text, encoding="utf-8")
    write_log(out / LOG, log)
    checkpoint.path.unlink(missing_ok=True)
    return learner, log


def begin_with(learner: Learner, path: Path) -> None:
    """Take actor, critic and scales from a file of weights; the disturber begins anew.

    Raises:
        ModelError: the file is damaged, or its networks are of another shape.
    """
    tensors, _ = load_tensors(path)
    try:
        learner.take(tensors)
    except KeyError as error:
        raise ModelError(f"{path}: {error} is missing") from error
    except ValueError as error:
        raise ModelError(f"{path}: does not fit {learner.problem.name}: {error}") from error


def _weights(path: Path) -> Path:
    return path / WEIGHTS if path.is_dir() else path
