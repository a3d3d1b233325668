# SPDX-License-Identifier: Apache-2.0
"""Does a gated step of cluster entropy before each choice make a planner with a learned part better?

Three looks at it. *Validation*: runs that no figure below is of say how long a step may be and where doubt begins; the
constants here were chosen there. *Driving*: the same seeds with and without, in lock-step. *Replay*: moments of the
unmodified planner's runs, every choice judged by where people really went, with the ablations that need no run of their
own (`test_time_replay`). Intervals are 95 % bootstraps over seeds of the mean difference to the unmodified planner.
"""

import itertools
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from doubting_planner import BUILT, DoubtingPlanner
from plan_logs import Frames, drive, joined, judged, scenario
from plan_scorer import Scorer
from test_time_replay import paired, replay, timing, tuning

from reflexarc.cli.journal import Journal

SEEDS, VALIDATION = tuple(range(20)), tuple(range(200, 206))
SECONDS = 12.0
EVERY = 4
"""Proposals between two judged moments."""
ETA = 0.01
"""The longest step of the grid at which the validation runs got no worse by more than 0.01 s."""
ENTROPY = 1.1
"""80 % of the validation's moments are below. [nat]"""
NORM = 0.05
"""Half a percent of the norm of theta."""
_STEP = {"eta": ETA}
_GATED = {**_STEP, "entropy": ENTROPY, "norm": NORM}
METHODS: dict[str, dict[str, Any]] = {
    "unmodified": {},
    "gated update": _GATED,
    "update always": _STEP,
    "slow in doubt": {"doubt": "slow", "on": ENTROPY},
    "stop in doubt": {"doubt": "stop", "on": ENTROPY},
}
COMPARED = ("unmodified", "gated update", "slow in doubt")
"""On every seed; the others drive the first `FEW`, and so do `WITH_ARC` behind the arc."""
WITH_ARC = ("unmodified", "gated update")
FEW = 4
MEASURES = ("moving_contacts", "contacts", "near_misses", "near_s", "progress_m", "entropy")


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Validate, drive and replay.

    Args:
        full: all seeds for 12 s instead of two for 4 s, and some behind the arc.
        progress: told after each run.
    """
    seeds, checks, seconds = (SEEDS, VALIDATION, SECONDS) if full else (SEEDS[:2], VALIDATION[:1], 4.0)
    journal, scorer = Journal("test_time"), Scorer.load()

    def driven(seeds: Sequence[int], methods: Sequence[str], arc: bool) -> list[dict[str, Any]]:
        rows = []
        for seed, method in itertools.product(seeds, methods):
            row = journal.once(f"{seed} {method} {arc}", lambda s=seed, m=method: _row(s, m, arc, seconds))
            progress(
                f"seed {seed}, {method}{', arc' if arc else ''}: { {k: round(row[k], 3) for k in MEASURES} }"
            )
            rows.append(row)
        return rows

    rows = driven(seeds, COMPARED[:2], False) + driven(seeds, COMPARED[2:], False)
    checked = joined([_frames(journal.once(f"check {s}", lambda s=s: _check(s, seconds))) for s in checks])
    test = joined([_frames(row["frames"]) for row in rows if row["method"] == "unmodified"])
    replayed = replay(scorer, test, ETA, ENTROPY, NORM, progress)
    few = [row for row in rows if row["seed"] in seeds[:FEW]]
    few += driven(seeds[:FEW], [m for m in METHODS if m not in COMPARED], False)
    behind = driven(seeds[:FEW], WITH_ARC, True) if full else []
    return {
        "seeds": len(seeds),
        "seconds_each": seconds,
        "eta": ETA,
        "entropy_gate": ENTROPY,
        "norm_gate": NORM,
        "parameters": len(scorer.theta),
        "parameters_norm": float(np.linalg.norm(scorer.theta)),
        "scorer": scorer.recipe,
        "validation": tuning(scorer, checked),
        "driving": compared(rows, COMPARED),
        "few_seeds": len(seeds[:FEW]),
        "driving_few": compared(few, tuple(METHODS)),
        "driving_with_arc": compared(behind, WITH_ARC) if behind else None,
        "replay": replayed,
        "timing": timing(scorer, test, ETA, 2000 if full else 100),
    }


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the differences that the gated update makes, and its time."""
    driving, replayed = part["driving"]["gated update"], part["replay"]["gated update"]
    figures = {
        f"test_time_{key}_difference": driving["difference"][key]["mean"]
        for key in ("moving_contacts", "near_misses", "progress_m")
    }
    figures["test_time_replay_cost_difference_s"] = replayed["cost_difference"]["mean"]
    figures["test_time_p50_us"] = part["timing"]["update"]["p50_us"]
    figures["test_time_unmodified_p50_us"] = part["timing"]["unmodified"]["p50_us"]
    return figures


def _row(seed: int, method: str, arc: bool, seconds: float) -> dict[str, Any]:
    scene = scenario("doubting_planner:DoubtingPlanner", deliveries=1, **METHODS[method])
    result, watcher = drive(scene, seed, arc, seconds)
    planner = BUILT.pop()
    assert isinstance(planner, DoubtingPlanner)
    summary, steps = result.summary, planner.steps
    row = {
        "seed": seed,
        "method": method,
        "arc": arc,
        "moving_contacts": summary.pedestrian_contacts_moving,
        "contacts": summary.contacts,
        "near_misses": watcher.near_events,
        "near_s": watcher.near_ticks * scene.plant.step_period,
        "progress_m": planner.progress,
        "entropy": statistics.fmean(s.entropy for s in steps),
        "entropy_after": statistics.fmean(s.after for s in steps),
        "stepped": statistics.fmean(s.outcome == "stepped" for s in steps),
        "interventions": summary.interventions,
        "times_us": [round(1e6 * t, 1) for t in planner.times],
    }
    if method == "unmodified" and not arc:
        row["frames"] = _kept(judged(watcher, planner.moments, seed, EVERY))
    return row


def _check(seed: int, seconds: float) -> dict[str, Any]:
    _, watcher = drive(scenario("doubting_planner:DoubtingPlanner", deliveries=1), seed, False, seconds)
    return _kept(judged(watcher, BUILT.pop().moments, seed, EVERY))


def _kept(frames: Frames) -> dict[str, Any]:
    return {name: column.tolist() for name, column in frames._asdict().items()}


def _frames(kept: dict[str, Any]) -> Frames:
    found = Frames(**{name: np.array(column) for name, column in kept.items()})
    return found._replace(features=found.features.astype(np.float32), cluster=found.cluster.astype(np.int32))


def compared(rows: list[dict[str, Any]], methods: tuple[str, ...]) -> dict[str, Any]:
    """Totals and means of each method, and differences to the unmodified planner seed by seed."""
    found = {}
    base = {r["seed"]: r for r in rows if r["method"] == "unmodified"}
    for method in methods:
        mine = [r for r in rows if r["method"] == method]
        times = np.concatenate([r["times_us"] for r in mine])
        found[method] = {
            **{key: float(sum(r[key] for r in mine)) for key in MEASURES[:4]},
            **{f"{key}_mean": statistics.fmean(r[key] for r in mine) for key in MEASURES[4:]},
            **{f"{key}_mean": statistics.fmean(r[key] for r in mine) for key in ("entropy_after", "stepped")},
            "runs_with_near_miss": sum(r["near_misses"] > 0 for r in mine),
            "interventions": sum(r["interventions"] for r in mine),
            "proposal_p50_us": float(np.percentile(times, 50)),
            "proposal_p99_us": float(np.percentile(times, 99)),
            "difference": {key: paired([r[key] - base[r["seed"]][key] for r in mine]) for key in MEASURES},
        }
    return found
