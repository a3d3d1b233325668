# SPDX-License-Identifier: Apache-2.0
"""The walkers of the study: one beginning per seed, each method from there with the same budget, and then a fresh
disturber against each, frozen.

Files are the journal of this: what they were learned with is in them, so that a study that was broken off trains only
what is missing or was learned otherwise.
"""

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reflexarc.core.errors import ModelError
from reflexarc.core.paths import models_dir
from reflexarc.robust.learner import Training
from reflexarc.robust.recipe import WEIGHTS, Recipe, follow, read_recipe
from reflexarc.robust.weights import load_tensors
from reflexarc_sim.quadruped.settings import make_walk

RECIPES = models_dir() / "go1" / "hinf"
FIRST, OURS, UNIFORM = "walk", "full", "uniform"
"""The beginning, the method that is examined, and the one that it is compared with."""
METHODS: dict[str, dict[str, Any]] = {
    "none": {"pushes": "none", "constrained": False},
    UNIFORM: {"pushes": "uniform", "constrained": False, "curriculum": 0.0},
    "curriculum": {"pushes": "uniform", "constrained": False, "curriculum": 0.5},
    "rarl": {"constrained": False, "zero_sum": True, "turns": 10, "random_share": 0.0, "curriculum": 0.0},
    "unconstrained": {"constrained": False},
    "fixed": {"fixed": True},
    OURS: {},
}
"""What each method changes in the training of the committed recipe of ours; `fixed` keeps lambda at its start."""
FIXED = 2.0
"""Lambda of the method that keeps it."""
ATTACK = {
    "actor": False, "pushes": "learned", "constrained": False, "price": "none", "zero_sum": False, "turns": 0,
    "random_share": 0.0, "curriculum": 0.0,
}  # fmt: skip
ATTACK_FALL = 50.0
"""Cost of a fall to a fresh disturber: more than the rest of an episode costs, so that a fall is what it seeks."""


@dataclass(frozen=True)
class Budget:
    """Iterations of the beginning, of each method, and of a fresh disturber; episodes side by side."""

    first: int
    method: int
    attack: int
    episodes: int


def first_recipe(seed: int, budget: Budget) -> Recipe:
    """Return the recipe of the walker that all others begin with."""
    return _changed(_recipe(FIRST, seed, budget), {"iterations": budget.first})


def method_recipe(method: str, seed: int, budget: Budget) -> Recipe:
    """Return the recipe of a method, beginning with the first walker of the same seed."""
    recipe = _recipe(OURS, seed, budget)
    change = dict(METHODS[method])
    if change.pop("fixed", False):
        change["dual"] = dataclasses.replace(recipe.training.dual, start=FIXED, rate=0.0, proportional=0.0)
    return _changed(recipe, {**change, "iterations": budget.method})


def attack_recipe(method: str, seed: int, budget: Budget) -> Recipe:
    """Return the recipe of a fresh disturber against a frozen walker."""
    recipe = dataclasses.replace(method_recipe(OURS, seed, budget), start=method)
    return _changed(recipe, {**ATTACK, "fall": ATTACK_FALL, "iterations": budget.attack})


def trained(
    recipe: Recipe, folder: Path, start: Path | None, progress: Callable[[str], None]
) -> tuple[Path, float]:
    """Return the weights that a recipe leads to, and the processor time of the training [s], 0 if they were there.

    Raises:
        ModelError: a checkpoint is damaged or of another training.
    """
    file = folder / WEIGHTS
    try:
        if load_tensors(file)[1] == _plain(recipe):
            return file, 0.0
    except ModelError:
        pass  # not there, or of before: trained anew
    started = time.process_time()
    every = max(1, recipe.training.iterations // 5)

    def tell(done: int, total: int, _: Any) -> None:
        if done % every == 0:
            progress(f"{folder.name}: {done} of {total} iterations")

    follow(recipe, folder, make_walk, tell, start)
    return file, time.process_time() - started


def _recipe(name: str, seed: int, budget: Budget) -> Recipe:
    recipe = read_recipe(RECIPES / name / "recipe.yaml")
    return dataclasses.replace(recipe, seed=seed, episodes=budget.episodes)


def _changed(recipe: Recipe, change: dict[str, Any]) -> Recipe:
    training: Training = dataclasses.replace(recipe.training, **change)
    return dataclasses.replace(recipe, training=training)


def _plain(recipe: Recipe) -> Any:
    """Return a recipe as it is after it has been in a file."""
    return json.loads(json.dumps(recipe.content()))
