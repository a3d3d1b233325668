# SPDX-License-Identifier: Apache-2.0
"""Part of the density study: planning under risk beside fixed margins, the worst case, and no check.

Every method plans the same scenes (`reflexarc.reach.planner.scene`, seeds from 0) with the same routes and the same
nominal programme; accepted plans are driven by one true robot per scene, whose initial error and drift gains are drawn
from the belief, and judged by the executor, which shares no code with the planner.

    feasibility   runs that end with an accepted plan to the goal
    safety        driven runs without contact
    success       runs that reach the goal without contact

each with its 95 % Clopper-Pearson interval. Rows go to a journal as they are made, `planning/CASE.jsonl` beside this
file; a run that was stopped goes on where it was, so delete the journal after a change of the planner.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.core.intervals import clopper_pearson
from reflexarc.reach.planner.baselines import METHODS, method
from reflexarc.reach.planner.executor import Drive, drive
from reflexarc.reach.planner.plan import Plan
from reflexarc.reach.planner.scene import CASES, Scene, generate

HERE = Path(__file__).resolve().parent
RUNS = {"driving": 1000, "hovercraft": 1000}
SHORT_RUNS = {"driving": 12, "hovercraft": 4}
CHUNK = 20
"""Scenes that are driven together."""
DELTA = 0.05
SAFE = 0.993
"""Safety that the methods are compared at."""

Progress = Callable[[str], None]


def rows(case: str, seeds: range) -> list[dict[str, Any]]:
    """Plan and drive the scenes of some seeds with every method; one row per scene."""
    scenes = [generate(case, seed) for seed in seeds]
    methods = {name: method(name, CASES[case]) for name in METHODS}
    result = []
    for seed, scene in zip(seeds, scenes, strict=True):
        row: dict[str, Any] = {"seed": seed}
        for k, (name, plan) in enumerate(methods.items()):
            row[name] = plan(scene, np.random.default_rng([seed, k, scene.case.dimension, 1]))
        result.append(row)
    for name in METHODS:
        driven = [
            (scene, row) for scene, row in zip(scenes, result, strict=True) if row[name].plan is not None
        ]
        drives = _drive([scene for scene, _ in driven], [row[name].plan for _, row in driven])
        for row in result:
            row[name] = {"feasible": row[name].plan is not None, "seconds": round(row[name].seconds, 4)}
        for (_, row), done in zip(driven, drives, strict=True):
            row[name] |= {
                "contact": done.contact,
                "success": done.success,
                "clearance_m": round(done.clearance, 4),
            }
    return result


def _drive(scenes: list[Scene], plans: list[Plan]) -> list[Drive]:
    if not scenes:
        return []
    case = scenes[0].case
    truths = np.stack(
        [s.belief.sample(np.random.default_rng([s.seed, case.dimension, 2]), 1)[0] for s in scenes]
    )
    missions = [
        {
            "centre": s.centre,
            "radius": s.radius,
            "size": np.array(case.size),
            "robot": case.robot,
            "goal": s.goal,
            "goal_radius": case.goal_radius,
        }
        for s in scenes
    ]
    return drive(
        case.dimension, np.stack([p.start for p in plans]), [p.controls for p in plans], truths, missions
    )


def run(full: bool, progress: Progress) -> dict[str, Any]:
    """Run the planning study; a plain run takes a few scenes and keeps no journal."""
    result = {}
    for case in CASES:
        made, runs = [], (RUNS if full else SHORT_RUNS)[case]
        for chunk in _chunks(case, runs) if full else [rows(case, range(runs))]:
            made += chunk
            progress(f"planning, {case}, {len(made)} of {runs} scenes")
        result[case] = {name: summary([row[name] for row in made]) for name in METHODS}
    return result


def _chunks(case: str, runs: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of all seeds, from the journal as far as it goes."""
    journal = HERE / "planning" / f"{case}.jsonl"
    journal.parent.mkdir(exist_ok=True)
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True) if journal.exists() else []
    kept = [json.loads(line) for line in lines if line.endswith("\n")]
    kept = [row for row, seed in zip(kept, range(runs), strict=False) if row["seed"] == seed]
    yield kept
    with journal.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in kept)
        out.flush()
        for first in range(len(kept), runs, CHUNK):
            made = rows(case, range(first, min(first + CHUNK, runs)))
            out.writelines(json.dumps(row) + "\n" for row in made)
            out.flush()
            yield made


def summary(made: list[dict[str, Any]]) -> dict[str, Any]:
    """Rates of one method with their intervals, and its times."""
    feasible = [row for row in made if row["feasible"]]
    seconds = np.array([row["seconds"] for row in made])
    return {
        "runs": len(made),
        "feasibility": _rate(len(feasible), len(made)),
        "safety": _rate(sum(not row["contact"] for row in feasible), len(feasible)),
        "success": _rate(sum(row["success"] for row in feasible), len(made)),
        "p50_s": float(np.percentile(seconds, 50)),
        "p99_s": float(np.percentile(seconds, 99)),
    }


def _rate(count: int, total: int) -> dict[str, float] | None:
    if total == 0:
        return None
    low, high = clopper_pearson(count, total, DELTA)
    return {"rate": count / total, "low": low, "high": high, "count": count, "total": total}


def headline(part: dict[str, Any]) -> dict[str, float]:
    """Return feasibility and safety of ours per case, and its lead over the best baseline that is as safe."""
    figures = {}
    for case, methods in part.items():
        ours = methods["ours"]
        safe = [
            m["feasibility"]["rate"]
            for name, m in methods.items()
            if name != "ours" and m["safety"] is not None and m["safety"]["rate"] >= SAFE
        ]
        figures |= {
            f"planning_{case}_feasibility": ours["feasibility"]["rate"],
            f"planning_{case}_safety": ours["safety"]["rate"] if ours["safety"] else 0.0,
            f"planning_{case}_success": ours["success"]["rate"],
            f"planning_{case}_lead": ours["feasibility"]["rate"] - max(safe, default=0.0),
            f"planning_{case}_p99_s": ours["p99_s"],
        }
    return figures
