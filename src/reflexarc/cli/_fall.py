# SPDX-License-Identifier: Apache-2.0
"""`reflexarc train fall RECIPE`: let robots walk and fall, learn the risk, choose a threshold, write the critic."""

import dataclasses
from pathlib import Path
from typing import Any

WEIGHTS, RECIPE, LOG = "fall.safetensors", "recipe.yaml", "log.csv"
NEVER = 2.0
"""A threshold that no risk exceeds: without reflex."""


def train_fall(source: Path, out: Path, display: Any, seed: int | None) -> list[str]:
    """Follow the recipe and return what is to be said of the result, line by line.

    Args:
        source: recipe.
        out: folder.
        display: told of the progress.
        seed: instead of the recipe's.
    """
    import yaml  # noqa: PLC0415 - after the options are known

    from reflexarc.core.paths import model_file  # noqa: PLC0415
    from reflexarc.core.training import write_log  # noqa: PLC0415 - needs JAX, lazy
    from reflexarc.robots.quadruped import load_quadruped  # noqa: PLC0415
    from reflexarc.robust.weights import NumpyPolicy  # noqa: PLC0415
    from reflexarc.walking import fall_training as training  # noqa: PLC0415
    from reflexarc.walking.fall import FallCritic, save_fall  # noqa: PLC0415
    from reflexarc.walking.fall_recipe import read_fall_recipe  # noqa: PLC0415
    from reflexarc.walking.policy import load_walking_policy  # noqa: PLC0415
    from reflexarc_sim.quadruped.falls import collect, shielded  # noqa: PLC0415 - only where a simulator is wanted

    recipe = read_fall_recipe(source, seed)
    content = dataclasses.asdict(recipe)
    policy = load_walking_policy(model_file(recipe.policy), recipe.robot)
    recovery = load_walking_policy(model_file(recipe.recovery), recipe.robot) if recipe.recovery else None
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.safetensors"
    falls = collect(recipe, policy, display.update)
    held = training.split(falls.robots, recipe.network.held_out)
    learned = training.learn(
        falls.views[~held], falls.labels[~held], recipe.network, recipe.seed, display.update, checkpoint
    )
    network = NumpyPolicy(learned.layers, learned.mean, learned.deviation)
    critic = FallCritic(load_quadruped(recipe.robot), network, recipe.threshold.grid[0], {})
    found, entropy = training.judged(critic.risks(falls.views[held]), falls.labels[held])
    grid = (*recipe.threshold.grid, NEVER)
    fallen = shielded(recipe, policy, recovery, critic, grid, display.update)
    chosen = training.choose(recipe, fallen[:-1])
    figures = {
        "views": len(falls.labels),
        "fallen": falls.fallen,
        "calibration_error": found.error,
        "reliability": [list(map(float, row)) for row in zip(*found[:3], strict=True)],
        "cross_entropy": entropy,
        "falls_by_threshold": fallen[:-1].mean(axis=1).tolist(),
        "falls_without_reflex": float(fallen[-1].mean()),
        "passed": chosen.passed,
    }
    whole = {**content, "threshold": chosen.threshold, "chosen_by": content["threshold"], "figures": figures}
    save_fall(out / WEIGHTS, learned.layers, learned.mean, learned.deviation, whole)
    text = yaml.safe_dump(_plain(content), sort_keys=False)
    (out / RECIPE).write_text("# SPDX-License-Identifier: Apache-2.0\n" + text, encoding="utf-8")
    write_log(out / LOG, learned.log)
    checkpoint.unlink(missing_ok=True)
    return _said(out / WEIGHTS, recipe, figures, chosen)


def _said(file: Path, recipe: Any, figures: dict[str, Any], chosen: Any) -> list[str]:
    t = recipe.threshold
    by = ", ".join(f"{x:g}: {y:.3f}" for x, y in zip(t.grid, figures["falls_by_threshold"], strict=True))
    verdict = (
        f"threshold {chosen.threshold:g} keeps at most {t.falls:g}"
        if chosen.passed
        else f"NO threshold keeps at most {t.falls:g}; the one with the fewest falls was taken, {chosen.threshold:g}"
    )
    return [
        f"{file}: {figures['views']} views, {figures['fallen']} falls, seed {recipe.seed}",
        f"  on robots that were held out: calibration error {figures['calibration_error']:.4f}, cross-entropy "
        f"{figures['cross_entropy']:.4f}",
        f"  falls in {t.length_s:g} s under sudden pushes of {t.sudden_n:g} N, {t.episodes} robots: without reflex "
        f"{figures['falls_without_reflex']:.3f}; by threshold {by}",
        f"  {verdict}",
    ]


def _plain(value: Any) -> Any:
    """Tuples as lists, which YAML writes plainly."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
