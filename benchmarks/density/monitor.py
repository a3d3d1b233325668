# SPDX-License-Identifier: Apache-2.0
"""Part of the density study: what the plan monitor does to deliveries, with and without the arc, in lock-step.

The scenario `sidewalk_risk` over 15 seeds in four ways: the policy's plans judged or not, the arc in the loop or not.
Everything else is the same, people and sensor noise included, so columns are compared seed by seed. A contact counts as
moving if the robot was faster than 0.1 m/s when it began; people who walk into a standing robot count as standing.
Rates carry exact binomial 95 % intervals, means over runs bootstrap ones.

Rows go to `monitor/runs.jsonl` beside this file as they are made; a run that was stopped goes on where it was, so
delete the journal after a change of monitor, policy, arc or simulation.
"""

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from reflexarc.core.intervals import clopper_pearson
from reflexarc_sim.lockstep import run as run_lockstep
from reflexarc_sim.scenario import load_scenario

HERE = Path(__file__).resolve().parent
JOURNAL = HERE / "monitor" / "runs.jsonl"
SCENARIO = "sidewalk_risk"
SEEDS = range(15)
SHORT_S = 4.0
"""Simulated time of the short run's only seed."""
WAYS = tuple(itertools.product((False, True), (False, True)))
"""With the arc, with the monitor."""
KINDS = ("accepted", "changed", "refused", "unknown")
KEPT = (
    "missions",
    "successes",
    "contacts",
    "pedestrian_contacts",
    "pedestrian_contacts_moving",
    "min_distance_m",
    "max_pedestrian_delta_v_m_s",
    "interventions",
    "duration_s",
    "success_time_s",
    "distance_m",
    "outcomes",
    "plan_risks",
    "digest",
)
DELTA = 0.05

Progress = Callable[[str], None]


def row(seed: int, arc: bool, monitor: bool, duration: float | None) -> dict[str, Any]:
    """Run one seed in one way.

    Args:
        seed: of the run.
        arc: whether the arc is in the loop.
        monitor: whether plans are judged.
        duration: longest simulated time; None is the scenario's own. [s]
    """
    scenario = load_scenario(SCENARIO)
    scenario = dataclasses.replace(scenario, reach=dataclasses.replace(scenario.reach, enabled=monitor))
    summary = run_lockstep(scenario, seed, arc, duration).summary.to_json()
    return {"seed": seed, "arc": arc, "monitor": monitor} | {key: summary[key] for key in KEPT}


def run(full: bool, progress: Progress) -> dict[str, Any]:
    """Run every seed in every way; a short run takes one seed for a few seconds and keeps no journal."""
    wanted = [(seed, *way) for seed in (SEEDS if full else SEEDS[:1]) for way in WAYS]
    rows = _journal(wanted) if full else []
    for seed, arc, monitor in wanted[len(rows) :]:
        made = row(seed, arc, monitor, None if full else SHORT_S)
        if full:
            with JOURNAL.open("a", encoding="utf-8") as out:
                out.write(json.dumps(made) + "\n")
        rows.append(made)
        progress(f"seed {seed}, {name(arc, monitor)}: {_told(made)}")
    return {
        "scenario": SCENARIO,
        "whole_runs": full,
        "limit": load_scenario(SCENARIO).reach.limit,
        "columns": {name(*way): totals([r for r in rows if (r["arc"], r["monitor"]) == way]) for way in WAYS},
        "monitor_effect": {
            "with_arc" if arc else "without_arc": effect([r for r in rows if r["arc"] == arc])
            for arc in (False, True)
        },
    }


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return missions done and moving contacts per column, and how many plans were changed or refused."""
    figures: dict[str, Any] = {"monitor_runs_per_column": part["columns"][name(False, True)]["runs"]}
    for column, table in part["columns"].items():
        figures[f"monitor_{column}_successes"] = table["successes"]
        figures[f"monitor_{column}_moving_contacts"] = table["moving_contacts"]
        figures[f"monitor_{column}_standing_contacts"] = table["standing_contacts"]
    return figures


def name(arc: bool, monitor: bool) -> str:
    """Return the name of a column."""
    return f"{'arc' if arc else 'no_arc'}_{'judged' if monitor else 'unjudged'}"


def totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Sums over the runs of one column, with intervals."""
    missions, successes = sum(r["missions"] for r in rows), sum(r["successes"] for r in rows)
    moving = [r["pedestrian_contacts_moving"] for r in rows]
    people = sum(r["pedestrian_contacts"] for r in rows)
    done = [r["success_time_s"] / r["successes"] for r in rows if r["successes"]]
    table = {
        "runs": len(rows),
        "missions": missions,
        "successes": successes,
        "mission_success": rate(successes, missions),
        "runs_with_moving_contact": rate(sum(m > 0 for m in moving), len(rows)),
        "moving_contacts": sum(moving),
        "standing_contacts": people - sum(moving),
        "other_contacts": sum(r["contacts"] for r in rows) - people,
        "mission_s": mean(done),
        "largest_delta_v_m_s": max(r["max_pedestrian_delta_v_m_s"] for r in rows),
    }
    judged = [r["plan_risks"] for r in rows if r["plan_risks"]]
    for kind in KINDS if judged else ():
        shares = [r.get(kind, 0) / max(1, sum(r.get(k, 0) for k in KINDS)) for r in judged]
        table[f"plans_{kind}"] = mean(shares, 4)
    return table


def effect(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean differences, judged less unjudged, of the same seeds."""
    judged, free = ({r["seed"]: r for r in rows if r["monitor"] == way} for way in (True, False))
    seeds = sorted(judged.keys() & free.keys())

    def difference(key: str) -> dict[str, Any]:
        return mean([float(judged[s][key] - free[s][key]) for s in seeds])

    return {
        "moving_contacts_per_run": difference("pedestrian_contacts_moving"),
        "contacts_with_people_per_run": difference("pedestrian_contacts"),
        "successes_per_run": difference("successes"),
        "duration_s": difference("duration_s"),
    }


def rate(count: int, total: int) -> dict[str, Any] | None:
    """Return a rate with its exact interval, None of nothing."""
    if total == 0:
        return None
    low, high = clopper_pearson(count, total, DELTA)
    return {"rate": count / total, "low": low, "high": high, "count": count, "total": total}


def mean(values: list[float], digits: int = 2) -> dict[str, Any]:
    """Return a mean with its bootstrap interval, without one where values are fewer than two or all the same."""
    if not values:
        return {"mean": None, "low": None, "high": None}
    data = np.array(values, dtype=np.float64)
    low = high = None
    if len(data) > 1 and np.ptp(data) > 0.0:
        found = bootstrap((data,), np.mean, rng=np.random.default_rng(0)).confidence_interval
        low, high = round(float(found.low), digits), round(float(found.high), digits)
    return {"mean": round(float(data.mean()), digits), "low": low, "high": high}


def _journal(wanted: list[tuple[int, bool, bool]]) -> list[dict[str, Any]]:
    """Return the rows that the journal has in the wanted order, and cut it to them."""
    JOURNAL.parent.mkdir(exist_ok=True)
    lines = JOURNAL.read_text(encoding="utf-8").splitlines(keepends=True) if JOURNAL.exists() else []
    rows = []
    for line, want in zip(lines, wanted, strict=False):
        made = json.loads(line) if line.endswith("\n") else {}
        if (made.get("seed"), made.get("arc"), made.get("monitor")) != want:
            break
        rows.append(made)
    JOURNAL.write_text("".join(lines[: len(rows)]), encoding="utf-8")
    return rows


def _told(made: dict[str, Any]) -> str:
    return (
        f"{made['successes']}/{made['missions']} missions in {made['duration_s']:.0f} s, "
        f"{made['pedestrian_contacts']} contacts with people, {made['pedestrian_contacts_moving']} moving"
    )
