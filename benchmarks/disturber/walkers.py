# SPDX-License-Identifier: Apache-2.0
"""Part of the study: walkers of a quadruped, learned with seven ways of being pushed and the same budget, judged by
the same protocol; each also by a fresh disturber that learned against it.
"""

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from linear import interval
from walker_judges import judged, walks
from walker_methods import (
    FIRST,
    METHODS,
    OURS,
    UNIFORM,
    Budget,
    attack_recipe,
    first_recipe,
    method_recipe,
    trained,
)  # fmt: skip

from reflexarc.cli.journal import Journal

SEEDS = tuple(range(5))
FULL, SHORT = Budget(first=900, method=150, attack=50, episodes=512), Budget(2, 2, 1, 16)
ROBOTS = 32
SHORT_METHODS = (UNIFORM, OURS)


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Train and judge every method for every seed; with `REFLEXARC_JOURNAL` what is done is kept as it comes.

    Args:
        full: the whole study; else two methods, one seed, two iterations and four robots.
        progress: told every training and case.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # see reflexarc.cli._hinf
    methods, seeds = (tuple(METHODS), SEEDS) if full else (SHORT_METHODS, SEEDS[:1])
    budget, robots = (FULL, ROBOTS) if full else (SHORT, 4)
    journal = Journal("walkers")
    rows, first = [], []
    with _folder() as folder:
        for seed in seeds:
            begin = lambda s=seed: _first(s, budget, folder, full, progress)  # noqa: E731
            first.append(journal.once(f"{FIRST} {seed} {budget}", begin))
            progress(f"{FIRST}, seed {seed}: {first[-1]['upright']} of {first[-1]['robots']} upright")
            for method in methods:
                key = f"{method} {seed} {budget} {robots}"
                make = lambda m=method, s=seed: _row(m, s, budget, robots, folder, full, progress)  # noqa: E731
                rows.append(journal.once(key, make))
                progress(f"{method}, seed {seed}: {_words(rows[-1]['cases'])}")
    return {
        "first": first,
        "rows": rows,
        "robots": robots,
        "iterations": dataclasses.asdict(budget),
        "table": _table(rows, methods),
    }


def _first(
    seed: int, budget: Budget, folder: Path, whole: bool, progress: Callable[[str], None]
) -> dict[str, Any]:
    recipe = first_recipe(seed, budget)
    weights, spent = trained(recipe, folder / str(seed) / FIRST, None, progress)
    return {"seed": seed, "cpu_s": spent, **walks(weights, recipe, 64 if whole else 4)}


def _row(
    method: str,
    seed: int,
    budget: Budget,
    robots: int,
    folder: Path,
    whole: bool,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    place = folder / str(seed)
    first, begun = trained(first_recipe(seed, budget), place / FIRST, None, progress)
    recipe = method_recipe(method, seed, budget)
    walker, spent = trained(recipe, place / method, first, progress)
    attack = attack_recipe(method, seed, budget)
    attacker, against = trained(attack, place / f"{method}_attacked", walker, progress)
    cases = judged(walker, attacker, attack.training.limits, recipe, robots, seed, whole)
    return {"method": method, "seed": seed, "cases": cases, "cpu_s": [begun, spent, against]}


def _table(rows: list[dict[str, Any]], methods: tuple[str, ...]) -> dict[str, Any]:
    """Return mean and interval over seeds of every figure of every case and method."""
    table: dict[str, Any] = {}
    for method in methods:
        own = [row["cases"] for row in rows if row["method"] == method]
        table[method] = {
            case: {
                figure: interval([cases[case][figure] for cases in own if figure in cases[case]])
                for figure in dict.fromkeys(key for cases in own for key in cases[case])
            }
            for case in own[0]
        }
    return table


def _words(cases: dict[str, Any]) -> str:
    return ", ".join(f"{name} {100.0 * found['survival']:.0f} %" for name, found in cases.items())


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Give the folder of the weights: beside the journal, or one that is removed afterwards."""
    name = os.environ.get("REFLEXARC_JOURNAL")
    folder = Path(f"{name}.walkers.weights") if name else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if not name:
            shutil.rmtree(folder, ignore_errors=True)


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return ours beside uniform pushes: survival where it is asked, and the error in calm."""
    table = part["table"]
    figures: dict[str, Any] = {}
    cases = [name for name in table[OURS] if name.startswith(("adversarial", "sudden"))]
    for case in cases:
        ours, uniform = (table[name][case]["survival"] for name in (OURS, UNIFORM))
        figures[f"survival {case}, ours and uniform"] = f"{_mean(ours)}, {_mean(uniform)}"
    error = [table[name]["calm"]["velocity_rmse"][0] for name in (OURS, UNIFORM)]
    figures["calm error, ours over uniform"] = round(float(np.divide(*error)), 3)
    return figures


def _mean(found: list[float]) -> str:
    return f"{found[0]:.2f}" + (f" ({found[1]:.2f} to {found[2]:.2f})" if len(found) > 1 else "")
