# SPDX-License-Identifier: Apache-2.0
"""Synthesis of supervisors: every policy of the welding cell, failing sensors, the order of the modes, conformance."""

import resource
import time
from collections.abc import Callable
from typing import Any

import mitigation_order

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.policies import policies, policy_from
from reflexarc.assurance.hazards.read import read_cell
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.assurance.synthesis.checker import Checker
from reflexarc.assurance.synthesis.conformance import conformance
from reflexarc.assurance.synthesis.pipeline import FAILURE_SHARES, exploring_values, failure_values
from reflexarc.assurance.synthesis.prism import model_text
from reflexarc.assurance.synthesis.sweep import (
    Configuration,
    acceptable,
    alarm_grid,
    configurations,
    pareto,
    sweep,
)
from reflexarc.core.paths import models_dir

JOBS = 2
PUBLISHED_FREEDOM = 0.8947
"""Least mishap freedom of the authors' model with sensors that fail in 5 % of the steps."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of the welding cell and the conformance of both tables that come with the project."""
    cell = _cell("welding")
    grid = alarm_grid(cell) if full else alarm_grid(cell)[:1]
    points = configurations(cell, grid)
    began, cpu = time.perf_counter(), _cpu()
    rows = sweep(
        cell, points, JOBS, progress=_every(36, lambda done: progress(f"sweep: {done} of {len(points)}"))
    )
    wall, used = time.perf_counter() - began, _cpu() - cpu
    progress("failing sensors")
    failing = _failing(cell, full)
    progress("order of the modes")
    with Checker() as checker:
        order = mitigation_order.order(cell, checker, full, progress)
    progress("conformance")
    return {
        "sweep": {
            "policies": len(policies(cell)),
            "configurations": len(rows),
            "jobs": JOBS,
            "wall_s": round(wall, 1),
            "cpu_s": round(used, 1),
            "undecided": sum(bool(row["undecided"]) for row in rows),
            "deadlocked": sum(row["deadlock"] != 0.0 for row in rows),
            "not_live": sum(not (row["live"] and row["resumes"]) for row in rows),
            "acceptable": sum(acceptable(cell, row) for row in rows),
            "pareto": len(pareto(cell, rows)),
            "states": [min(r["states"] for r in rows), max(r["states"] for r in rows)],
            "transitions": [min(r["transitions"] for r in rows), max(r["transitions"] for r in rows)],
            "freedom_min": min(row["freedom"]["min"] for row in rows),
        },
        "failing_sensors": failing,
        "order": order,
        "conformance": {name: _conformance(name) for name in ("welding", "sidewalk")},
    }


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that the page leads with."""
    swept, failing = part["sweep"], part["failing_sensors"]
    return {
        "synthesis_configurations": swept["configurations"],
        "synthesis_wall_s": swept["wall_s"],
        "synthesis_cpu_s": swept["cpu_s"],
        "synthesis_undecided": swept["undecided"],
        "synthesis_deadlock_with_default_stop": max(row["deadlock_with"] for row in failing),
        "synthesis_deadlock_without": round(max(row["deadlock_without"] for row in failing), 4),
        "synthesis_order_agreement": part["order"]["mishap_pairs_agreeing"],
        "synthesis_productivity_order_agreement": part["order"]["productivity_pairs_agreeing"],
        "synthesis_conformance_differences": sum(c["differences"] for c in part["conformance"].values()),
    }


def _failing(cell: Cell, full: bool) -> list[dict[str, Any]]:
    """Largest deadlock probability over the policies at each share of failures, with and without the default stop."""
    points = configurations(cell, alarm_grid(cell)[:1])[:: 1 if full else 6]
    found = []
    for share in FAILURE_SHARES:
        values = failure_values(cell, share)
        with_stop, without = (
            sweep(cell, points, JOBS, values=values, default_stop=flag) for flag in (True, False)
        )
        found.append(
            {
                "share": share,
                "policies": len(points),
                "deadlock_with": max(row["deadlock"] for row in with_stop),
                "deadlock_without": max(row["deadlock"] for row in without),
                "policies_deadlocked_without": sum(row["deadlock"] > 0.0 for row in without),
                "live": sum(row["live"] and row["resumes"] for row in with_stop),
                "freedom_min": min(freedom := [row["freedom"]["min"] for row in with_stop]),
                "freedom_best": max(freedom),
                "above_published": sum(value > PUBLISHED_FREEDOM for value in freedom),
                "mishap": [min(r["mishap"] for r in with_stop), max(r["mishap"] for r in with_stop)],
            }
        )
    return found


def _conformance(name: str) -> dict[str, Any]:
    cell, table = _cell(name), read_table(models_dir() / "cells" / f"{name}.table.json")
    point = Configuration(policy_from(cell, table.policy), table.alarms)
    with Checker() as checker:
        text = model_text(cell, point.policy, point.alarms, values=exploring_values(cell))
        found = conformance(cell, table, checker.check(text, [], explore=True).values["explore"])
    return {
        "model_states": found.states,
        "table_states": found.table_states,
        "transitions": found.transitions,
        "differences": len(found.differences),
    }


def _cell(name: str) -> Cell:
    return read_cell(models_dir() / "cells" / f"{name}.yaml")


def _cpu() -> float:
    """CPU time of this process and of all that it has waited for. [s]"""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _every(count: int, say: Callable[[int], None]) -> Callable[[int], None]:
    return lambda done: say(done) if done % count == 0 else None
