# SPDX-License-Identifier: Apache-2.0
"""The delivery scenario with and without the arc over the same seeds, in lock-step."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from reflexarc.core.intervals import clopper_pearson
from reflexarc_sim.lockstep import run as run_lockstep
from reflexarc_sim.scenario import load_scenario

SEEDS = tuple(range(20))
SCENARIO = "sidewalk_delivery"
_SHORT_SEEDS, _SHORT_SECONDS = SEEDS[:2], 30.0


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run every seed with and without the arc.

    Args:
        full: all seeds to the end; otherwise two seeds for 30 simulated seconds.
        progress: told after each run.
    """
    seeds, duration = (SEEDS, None) if full else (_SHORT_SEEDS, _SHORT_SECONDS)
    jobs = [(seed, arc, duration) for seed in seeds for arc in (True, False)]
    rows = []
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(jobs))) as pool:
        for row in pool.map(_one, jobs):
            rows.append(row)
            progress(
                f"seed {row['seed']:2d} {'with' if row['arc'] else 'without'} arc: "
                f"{row['successes']}/{row['missions']} missions, {row['pedestrian_contacts']} contacts with people, "
                f"{row['pedestrian_contacts_moving']} of them while driving"
            )
    return {
        "scenario": SCENARIO,
        "whole_runs": full,
        "with_arc": _totals([r for r in rows if r["arc"]]),
        "without_arc": _totals([r for r in rows if not r["arc"]]),
        "runs": rows,
    }


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return what the page leads with."""
    figures: dict[str, Any] = {"runs_per_column": results["with_arc"]["runs"]}
    for column in ("with_arc", "without_arc"):
        table = results[column]
        for key in ("mission_success", "runs_with_moving_contact", "moving_contacts", "standing_contacts"):
            figures[f"{column}_{key}"] = table[key]
    return figures


def _one(job: tuple[int, bool, float | None]) -> dict[str, Any]:
    seed, arc, duration = job
    return run_lockstep(load_scenario(SCENARIO), seed, arc, duration).summary.to_json()


def _totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Sums over runs with exact binomial 95 % intervals for rates and bootstrap intervals for means."""
    missions, successes = sum(r["missions"] for r in rows), sum(r["successes"] for r in rows)
    hit = sum(r["pedestrian_contacts_moving"] > 0 for r in rows)
    moving = sum(r["pedestrian_contacts_moving"] for r in rows)
    return {
        "runs": len(rows),
        "missions": missions,
        "successes": successes,
        "mission_success": round(successes / missions, 4) if missions else None,
        "mission_success_ci95": _rate_interval(successes, missions),
        "runs_with_moving_contact": hit,
        "runs_with_moving_contact_ci95": _rate_interval(hit, len(rows)),
        "moving_contacts": moving,
        "standing_contacts": sum(r["pedestrian_contacts"] for r in rows) - moving,
        "other_contacts": sum(r["contacts"] - r["pedestrian_contacts"] for r in rows),
        "pedestrian_impulse_n_s": _mean_interval([r["pedestrian_impulse_n_s"] for r in rows]),
        "max_delta_v_m_s": max(r["max_pedestrian_delta_v_m_s"] for r in rows),
        "duration_s": _mean_interval([r["duration_s"] for r in rows]),
        "interventions": _mean_interval([float(r["interventions"]) for r in rows]),
        "cargo_lost": sum(r["cargo_lost"] for r in rows),
        "faults": {
            k: sum(r["faults"].get(k, 0) for r in rows)
            for k in sorted({k for r in rows for k in r["faults"]})
        },
        "ticks": sum(r["ticks"] for r in rows),
    }


def _rate_interval(count: int, total: int) -> list[float] | None:
    if total == 0:
        return None
    return [round(end, 4) for end in clopper_pearson(count, total, 0.05)]


def _mean_interval(values: list[float]) -> dict[str, Any]:
    data = np.array(values)
    mean = round(float(data.mean()), 2)
    if len(data) < 2 or np.ptp(data) == 0.0:
        return {"mean": mean, "ci95": None}
    interval = bootstrap((data,), np.mean, rng=np.random.default_rng(0)).confidence_interval
    return {"mean": mean, "ci95": [round(float(interval.low), 2), round(float(interval.high), 2)]}
