# SPDX-License-Identifier: Apache-2.0
"""Mazes: every method learned in the contact model, then deployed on a whole arm in MuJoCo, which it knows nothing of.

A full run trains, compares, calibrates ours in the loop, proves its deployed form on many mazes, and varies it. A short
run deploys the committed agent on a few mazes.
"""

import dataclasses
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from configurations import FEW, SEEDS
from figures import geometric_mean, mean, ratio
from maze_agents import COMMITTED, Agents, Row, agents, study_recipe, with_threshold
from maze_figures import Found, by_seed, compared, deployment, varied
from maze_units import (
    ABLATIONS,
    FEW_MAZES,
    HELD_OUT,
    INNER,
    MAZES,
    PLAIN,
    SHORT,
    Form,
    Unit,
    ablations,
    calibrating,
    comparison,
    measured,
    proof,
)

from reflexarc.cli.journal import Journal
from reflexarc.core.intervals import clopper_pearson
from reflexarc.reflex.calibration import controlled_threshold
from reflexarc.reflex.methods import METHODS
from reflexarc.reflex.recipe import CONTACT

OURS, BASELINE = "ours", "recovery_rl"
GRID = (0.05, 0.1, 0.2, 0.35, 0.55, 0.8)
"""Thresholds that calibration in the loop chooses from."""
CALIBRATED, PROVED = 100, 1000
"""Mazes per threshold of the calibration; mazes of the proof."""
LONG_S = 0.05
"""A force above a limit for longer than this must not be. [s]"""
DEPLOYED = "deployed.safetensors"
"""Agent of ours with the threshold that was calibrated in the loop."""
PAIRED = ("rates", "tank", "zeroing")
"""Ablations whose forms are compared seed by seed."""
_SHORT_MAZES = 5
Tell = Callable[[str], None]


class _Missing(Exception):
    """The journal does not hold it."""


def run(full: bool, progress: Tell) -> dict[str, Any]:
    """Train, deploy and compare; return the figures.

    Args:
        full: everything; else the committed agent is deployed on a few mazes.
        progress: told what is going on.
    """
    results: dict[str, Any] = {"agent": committed(progress)}
    if not full:
        return results
    journal, recipe = Journal("maze"), study_recipe()
    with _folder() as folder:
        found = {name: agents(name, recipe, folder, progress) for name in METHODS}
        for one in found.values():
            progress(f"{one.method}: learned in {one.cpu_s:.0f} s; {_totals(one)}")
        ours, deployed = found[OURS], folder / DEPLOYED
        compared_units = [unit for one in found.values() for unit in comparison(one)]
        methods = run_units(journal, compared_units, progress)
        calibration = calibrated_in_the_loop(journal, ours.files[0], recipe.alpha, progress)
        with_threshold(ours.files[0], deployed, calibration["threshold"])
        progress(f"threshold {calibration['threshold']:g}: {deployed}")
        proved = run_units(journal, proof(deployed, PROVED), progress)
        changed = run_units(journal, ablations(found), progress)
    return results | {
        "alpha": recipe.alpha,
        "recipe": dataclasses.asdict(recipe.training),
        "seeds": [SEEDS, FEW],
        "mazes": [MAZES, FEW_MAZES],
        "training": [learned(one) for one in found.values()],
        "methods": method_rows(methods),
        "comparisons": compared(methods, tuple(METHODS)),
        "calibration": calibration,
        "proof": proof_figures([row for _, got in proved for row in got["forms"][INNER]], recipe.alpha),
        "ablations": ablation_rows(changed),
        "ablated": [row for group in PAIRED for row in ablation_pairs(changed, group)],
        "cpu_s": {
            "training": round(sum(one.cpu_s for one in found.values())),
            "methods": _cpu(methods),
            "calibration": calibration["cpu_s"],
            "proof": _cpu(proved),
            "ablations": _cpu(changed),
        },
    }


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return what the deployed form does, and what ours is over the baseline."""
    agent = part["agent"]
    out: dict[str, Any] = {
        "maze_agent": "not committed"
        if agent is None
        else f"{agent['successes'][0]} of {agent['episodes']} mazes",
    }
    if agent is not None:
        out["maze_agent_violations"] = agent["violations"][0]
    if "proof" not in part:
        return out
    p = part["proof"]
    out |= {
        "maze_proof_episodes": p["episodes"],
        "maze_proof_violations": p["violations"],
        "maze_proof_violations_at_most": f"{100 * p['interval'][1]:.2g} %",
        "maze_proof_long_above_a_limit": p["long_above_peak"] + p["long_above_sustained"],
        "maze_proof_tank_underflows": p["underflows"],
        "maze_proof_success": f"{100 * p['successes'] / p['episodes']:.3g} %",
    }
    for row in part["comparisons"]:
        if row["of"] == [OURS, PLAIN] and row["over"][0] in (BASELINE, "bresa"):
            out[f"maze_ours_over_{row['over'][0]}"] = "{:.3g} ({:.3g} to {:.3g})".format(*row["advantage"])
    for row in part["ablations"]:
        if row["group"] == "rates":
            out[f"maze_violation_percent_{row['form'].replace(' ', '_')}"] = round(
                100.0 * row["violation"][0], 1
            )
    return out


def committed(progress: Tell) -> Row | None:
    """Return what the committed agent does in its deployed form; None while there is none."""
    file = COMMITTED / CONTACT
    if not file.is_file():
        progress(f"maze: no agent at {file}; its part of the short run is left out")
        return None
    unit = Unit("short", OURS, 0, file, HELD_OUT, SHORT, _SHORT_MAZES, (Form(INNER, True),))
    found = deployment([measured(unit)["forms"][INNER]])
    progress(
        f"maze, committed agent: {found['successes'][0]} of {found['episodes']} solved, "
        f"{found['violations'][0]} violations"
    )
    return found


def run_units(journal: Journal, units: list[Unit], progress: Tell) -> Found:
    """Run units, those in the journal not again; `REFLEXARC_JOBS` of them side by side."""
    todo = [unit for unit in units if _kept(journal, unit) is None]
    with _workers(min(_jobs(), len(todo))) as each:
        for k, (unit, got) in enumerate(zip(todo, each(measured, todo), strict=True)):
            journal.once(unit.key, lambda got=got: got)
            told = _said([row for rows in got["forms"].values() for row in rows])
            progress(f"{unit.group} {unit.method} {unit.seed} {unit.family} ({k + 1}/{len(todo)}): {told}")
    kept = ((unit, _kept(journal, unit)) for unit in units)
    return [(unit, got) for unit, got in kept if got is not None]


def calibrated_in_the_loop(journal: Journal, file: Path, alpha: float, progress: Tell) -> dict[str, Any]:
    """Return the threshold of `GRID` that keeps violations of the deployed form at `alpha`, and how it was found.

    Mazes are of the family that was learned on, but others than those, and others than those of any test. Larger
    thresholds than the first that breaks the bound need not be run.

    Args:
        journal: of finished units.
        file: the agent.
        alpha: wanted rate of violations.
        progress: told what is going on.
    """
    failed: list[list[bool]] = []
    rows: list[Row] = []
    spent = 0.0
    for threshold in GRID:
        got = run_units(journal, calibrating(file, threshold, CALIBRATED), progress)
        spent += _cpu(got)
        one = [row for _, g in got for form in g["forms"].values() for row in form]
        failed.append([row["violation"] for row in one])
        rows.append(
            {
                "threshold": threshold,
                "violations": sum(failed[-1]),
                "successes": sum(r["success"] for r in one),
            }
        )
        if _breaks(sum(failed[-1]), CALIBRATED, alpha):
            break
    found = controlled_threshold(np.array(GRID[: len(failed)]), np.array(failed), alpha)
    return {
        "threshold": GRID[0] if found is None else found,
        "held": found is not None,
        "alpha": alpha,
        "mazes": CALIBRATED,
        "rows": rows,
        "cpu_s": round(spent),
    }


def proof_figures(rows: list[Row], alpha: float) -> dict[str, Any]:
    """Return what must hold of the deployed form, from the rows of its episodes."""
    n, violations = len(rows), sum(row["violation"] for row in rows)
    interval = clopper_pearson(violations, n, 0.05)
    return {
        "episodes": n,
        "violations": violations,
        "interval": list(interval),
        "wanted": alpha,
        "rate_kept": violations / n <= alpha,
        "kept_surely": interval[1] <= alpha,
        "long_above_peak": sum(row["above_peak_s"] > LONG_S for row in rows),
        "long_above_sustained": sum(row["above_sustained_s"] > LONG_S for row in rows),
        "longest_above_peak_s": max(row["above_peak_s"] for row in rows),
        "longest_above_sustained_s": max(row["above_sustained_s"] for row in rows),
        **{
            k: v
            for k, v in deployment([rows]).items()
            if k not in ("seeds", "episodes", "violations", "successes")
        },
        "successes": sum(row["success"] for row in rows),
    }


def learned(one: Agents) -> dict[str, Any]:
    """Return what happened while a method learned, means over seeds."""
    keys = ("reached", "failed", "over", "reflex")
    return {
        "method": one.method,
        "seeds": len(one.training),
        **{key: mean([t[key] for t in one.training]) for key in keys},
        "ratio": geometric_mean([ratio(t["reached"], t["failed"]) for t in one.training]),
        "thresholds": one.thresholds,
        "rows": one.training,
    }


def method_rows(found: Found) -> list[dict[str, Any]]:
    """Return the figures of every method and form."""
    return [
        {"method": name, "form": form} | deployment(seeds)
        for name in METHODS
        for form in (PLAIN, INNER)
        if (seeds := by_seed(found, "methods", name, form))
    ]


def ablation_rows(found: Found) -> list[dict[str, Any]]:
    """Return the figures of every form of every ablation."""
    return [
        {"group": group, "method": a.subject, "form": form.name} | deployment(seeds)
        for group, a in ABLATIONS.items()
        for form in a.forms
        if (seeds := by_seed(found, group, a.subject, form.name))
    ]


def ablation_pairs(found: Found, group: str) -> list[dict[str, Any]]:
    """Return every form of an ablation beside its first, seed by seed."""
    a = ABLATIONS[group]
    return varied(found, group, a.subject, [form.name for form in a.forms])


def _breaks(violations: int, count: int, alpha: float) -> bool:
    return (violations + 1.0) / (count + 1.0) > alpha


def _kept(journal: Journal, unit: Unit) -> Any:
    def missing() -> Any:
        raise _Missing

    try:
        return journal.once(unit.key, missing)
    except _Missing:
        return None


def _jobs() -> int:
    return max(1, int(os.environ.get("REFLEXARC_JOBS", "1")))


@contextmanager
def _workers(jobs: int) -> Iterator[Callable[..., Any]]:
    """Give what maps a function over a list, in this process or in others."""
    if jobs <= 1:
        yield map
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield pool.map


@contextmanager
def _folder() -> Iterator[Path]:
    """Give the folder of the agents: beside the journal, or one that is removed afterwards."""
    name = os.environ.get("REFLEXARC_JOURNAL")
    folder = Path(f"{name}.maze.agents") if name else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if not name:
            shutil.rmtree(folder, ignore_errors=True)


def _cpu(found: Found) -> int:
    return round(sum(got["cpu_s"] for _, got in found))


def _said(rows: list[Row]) -> str:
    return f"{sum(r['success'] for r in rows)} solved, {sum(r['violation'] for r in rows)} violations of {len(rows)}"


def _totals(one: Agents) -> str:
    reached, failed = (sum(t[key] for t in one.training) for key in ("reached", "failed"))
    return f"{reached} reached, {failed} failed while learning"
