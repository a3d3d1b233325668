# SPDX-License-Identifier: Apache-2.0
"""Part of the assurance study: what a verified policy does in a simulated welding cell, beside simpler ones, and in
scenario regressions that cover every pair of factors.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.assurance.regression.baseline import baseline_file, compare, read_baseline
from reflexarc.assurance.regression.report import summary
from reflexarc.assurance.regression.run import run_suite
from reflexarc.core.intervals import clopper_pearson
from reflexarc_sim.encounters.suite import encounter_suite
from reflexarc_sim.welding.campaign import RunFigures, run_campaign
from reflexarc_sim.welding.controllers import CONTROLLERS
from reflexarc_sim.welding.parameters import read_plant
from reflexarc_sim.welding.suite import welding_suite

RUNS, SHORT_RUNS = 100, 3
PLANTED = {
    "table that never mitigates": ("never_mitigate", ()),
    "range finder sees nobody": ("verified", ("range_finder",)),
    "light curtain sees nobody": ("verified", ("light_curtain",)),
}
"""Faults that the regression of the welding cell must find: controller, blind sensors."""
DELTA = 0.05


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the campaign and the regressions; a short run has few seeds, few cases and no encounters."""
    plant, requirements = read_plant(), read_requirements(requirements_file("welding"))
    seeds = range(RUNS if full else SHORT_RUNS)
    controllers = {}
    for name in CONTROLLERS:
        if name == "never_mitigate":
            continue
        rows = run_campaign(plant, requirements, name, seeds)
        controllers[name] = _row(rows)
        progress(f"{name}: {controllers[name]['mishaps']} mishaps in {len(rows)} runs")
    suites = {"welding": _suite(welding_suite(), full, progress)}
    if full:
        suites["sidewalk_supervised"] = _suite(encounter_suite(), full, progress)
    planted = {
        text: _suite(welding_suite(controller, blind), full, progress)["regressions"]
        for text, (controller, blind) in PLANTED.items()
    }
    return {"controllers": controllers, "suites": suites, "planted": planted}


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that the page states."""
    figures: dict[str, Any] = {}
    for name, row in part["controllers"].items():
        figures[f"regression_{name}_mishaps"] = row["mishaps"]
        figures[f"regression_{name}_productivity"] = row["productivity"]
    for name, row in part["suites"].items():
        figures[f"regression_{name}_cases"] = row["cases"]
        figures[f"regression_{name}_held"] = row["passed"]
        figures[f"regression_{name}_regressions"] = row["regressions"]
    figures["regression_planted_found"] = sum(count > 0 for count in part["planted"].values())
    return figures


def _row(rows: list[RunFigures]) -> dict[str, Any]:
    n, hit = len(rows), sum(row.mishaps > 0 for row in rows)
    low, high = clopper_pearson(hit, n, DELTA)
    values = np.array([row.value for row in rows])
    names = rows[0].robustness
    return {
        "runs": n,
        "contacts": sum(row.contacts for row in rows),
        "mishaps": sum(row.mishaps for row in rows),
        "runs_with_mishap": hit,
        "mishap_interval": [round(low, 4), round(high, 4)],
        "peak_force_n": round(max(row.peak_force for row in rows), 1),
        "violated_runs": {name: sum(row.robustness[name] <= 0.0 for row in rows) for name in names},
        "productivity": round(float(values.mean()), 2),
        "productivity_std": round(float(values.std(ddof=1)), 2) if n > 1 else 0.0,
        "finished": sum(row.finished for row in rows),
        "stopped_s": round(float(np.mean([row.stopped_s for row in rows])), 2),
    }


def _suite(suite: Any, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    from reflexarc.assurance.regression.cases import plan  # noqa: PLC0415

    cases = None if full else plan(suite).cases[:4]
    results = run_suite(suite, None, cases)
    found = summary(results, compare(results, read_baseline(baseline_file(suite.name), suite.name)))
    told = [text for text in found["regressions"] if full or "was not run" not in text]
    progress(f"{suite.name}: {len(told)} regressions in {found['cases']} cases")
    kept = ("cases", "passed", "use_cases")
    return {key: found[key] for key in kept} | {
        "regressions": len(told),
        "known_findings": len(found["known_findings"]),
    }
