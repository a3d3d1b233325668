# SPDX-License-Identifier: Apache-2.0
"""The agents of the maze part: each method learned in the contact model, its seeds side by side, and kept as files.

The files are the journal of this: what they were learned with and what happened meanwhile is in them, so that a study
that was broken off trains only what is missing or was learned otherwise.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from configurations import SEEDS

from reflexarc.core.config import from_mapping, read_yaml
from reflexarc.core.errors import ModelError
from reflexarc.core.training import Checkpoint
from reflexarc.core.weights import read_weights, save_weights
from reflexarc.reflex.agent import ReflexAgent
from reflexarc.reflex.contact.agent import FORMAT
from reflexarc.reflex.contact.problem import ContactProblem
from reflexarc.reflex.contact.view import DECISION_S
from reflexarc.reflex.methods import method, train_method
from reflexarc.reflex.recipe import CONTACT, MAZE, RECIPE, Recipe, contact_file

COMMITTED = Path(__file__).resolve().parents[2] / "models" / "reflex" / MAZE
"""Folder of the agent that comes with the project, and of the recipe that all methods follow here."""
NEVER = 1.0
"""Threshold that no risk is above, in the files of methods without a critic."""
_EVERY = 500
"""Steps between two checkpoints."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Agents:
    """What one method led to."""

    method: str
    files: tuple[Path, ...]
    """One per seed."""
    training: list[Row]
    """Of each seed `failed`, `reached`, `over` and `reflex`: numbers while learning."""
    thresholds: list[float]
    """To deploy with, as they were learned with or calibrated in the contact model."""
    cpu_s: float
    """Processor time of the training, all seeds together. [s]"""


def study_recipe() -> Recipe:
    """Return the recipe of the committed agent, or the usual one while there is none; methods and seeds vary."""
    path = COMMITTED / RECIPE
    return from_mapping(Recipe, read_yaml(path), str(path)) if path.is_file() else Recipe(problem=MAZE)


def agents(
    name: str, recipe: Recipe, folder: Path, progress: Callable[[str], None], seeds: int = SEEDS
) -> Agents:
    """Return the agents of a method, trained unless the folder has them.

    Args:
        name: of the method.
        recipe: what is learned; its method and seed are replaced.
        folder: gets `METHOD/SEED/contact.safetensors`.
        progress: told how far a training is.
        seeds: how many.

    Raises:
        ModelError: a file or a checkpoint is damaged, or a training diverged.
    """
    recipes = [dataclasses.replace(recipe, method=name, seed=seed) for seed in range(seeds)]
    files = tuple(folder / name / str(seed) / CONTACT for seed in range(seeds))
    if not all(_of(file, one) for file, one in zip(files, recipes, strict=True)):
        _train(recipes, files, folder / name, progress)
    kept = [read_weights(file, FORMAT)[0] for file in files]
    return Agents(
        name,
        files,
        [one["totals"] for one in kept],
        [float(one["shield"]["threshold"]) for one in kept],
        float(kept[0]["cpu_s"]),
    )


def with_threshold(source: Path, target: Path, threshold: float) -> None:
    """Write the same agent with another threshold.

    Raises:
        ModelError: the source cannot be read.
    """
    recipe, arrays = read_weights(source, FORMAT)
    wanted = {**recipe, "shield": {**recipe["shield"], "threshold": float(threshold)}}
    if target.is_file():  # bytes differ from one writing to the next, and what was measured goes by them
        kept, same = read_weights(target, FORMAT)
        if kept == wanted and all(np.array_equal(a, b) for a, b in zip(same, arrays, strict=True)):
            return
    save_weights(target, FORMAT, [jax.numpy.asarray(x) for x in arrays], wanted)


def fingerprint(path: Path) -> str:
    """Return what tells a file from others."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _train(
    recipes: list[Recipe], files: tuple[Path, ...], folder: Path, progress: Callable[[str], None]
) -> None:
    recipe = recipes[0]
    m, where = method(recipe.method), recipe.where
    assert isinstance(where, ContactProblem)
    folder.mkdir(parents=True, exist_ok=True)
    identity = {**recipe.content(), "seed": [r.seed for r in recipes]}
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    checkpoint = Checkpoint(
        folder / f"{name}.checkpoint", json.dumps(identity, sort_keys=True), _EVERY
    )  # of another recipe: another file
    told = [0]

    def tell(done: int, total: int, _: Any) -> None:
        tenth = 10 * done // total
        if tenth != told[0]:
            told[0] = tenth
            progress(f"{recipe.method}: {done} of {total} steps")

    started = time.process_time()
    found, _ = train_method(
        m,
        where,
        recipe.training,
        [r.seed for r in recipes],
        recipe.alpha,
        tell,
        checkpoint,
        recipe.calibration,
    )
    spent = round(time.process_time() - started, 1)
    checkpoint.path.unlink(missing_ok=True)
    if not all(
        np.isfinite(x).all() for one, _ in found for x in jax.tree.leaves(eqx.filter(one, eqx.is_array))
    ):
        raise ModelError(f"{recipe.method}: its training diverged, weights are not finite; nothing was kept")
    for one, path, (learned, shield) in zip(recipes, files, found, strict=True):
        path.parent.mkdir(exist_ok=True)
        content = {**one.content(), "totals": learned.totals, "cpu_s": spent}
        guard = shield._replace(threshold=min(float(shield.threshold), NEVER))
        agent = ReflexAgent(learned.networks, guard, content)
        contact_file(agent, m).save(path, DECISION_S / where.length)
    jax.clear_caches()  # nothing of it fits another method


def _of(file: Path, recipe: Recipe) -> bool:
    """Whether the file holds an agent of this recipe."""
    if not file.is_file():
        return False
    kept = read_weights(file, FORMAT)[0]
    wanted = json.loads(json.dumps(recipe.content()))
    return all(kept.get(key) == value for key, value in wanted.items() if key != "problem")
