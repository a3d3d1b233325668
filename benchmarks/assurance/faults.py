# SPDX-License-Identifier: Apache-2.0
"""Part of the assurance study: every injected fault in every phase and mode that occurs, with and without a learned
barrier.
"""

from collections.abc import Callable
from typing import Any

from reflexarc.assurance.injection.scores import summarise
from reflexarc.assurance.injection.table import PHASES
from reflexarc.core.errors import ReflexArcError
from reflexarc.core.types import Mode
from reflexarc_sim.inject_campaign import CampaignRequest, applicable, never_reached, run_campaign
from reflexarc_sim.inject_refusals import refusals
from reflexarc_sim.scenario import load_scenario

SCENARIOS = ("sidewalk_supervised", "sidewalk_learned")
SEEDS, DRIVE_S, WINDOW_S = 5, 60.0, 1.5
MODES = tuple(Mode.__members__)
SHORT_ROWS = ("odometry_nan", "obstacles_drop", "obstacles_miss", "clock_backward", "arc_killed")


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the campaigns; a short run has five faults, one phase and one seed of the first scenario.

    Args:
        full: the whole study instead of a short run.
        progress: told what is going on.

    Raises:
        ReflexArcError: no phase occurred.
    """
    figures = {}
    for name in SCENARIOS if full else SCENARIOS[:1]:
        scenario = load_scenario(name)
        rows = applicable(scenario)
        request = (
            CampaignRequest(scenario, rows, PHASES, tuple(range(SEEDS)), WINDOW_S, DRIVE_S, MODES)
            if full
            else CampaignRequest(
                scenario,
                tuple(row for row in rows if row.name in SHORT_ROWS),
                ("person_near",),
                (0,),
                0.5,
                5.0,
            )
        )
        found = run_campaign(request, lambda done, total, text: progress(f"{done} of {total}: {text}"))
        if not found.cases:
            raise ReflexArcError(f"{name}: no phase occurred, nothing was injected")
        figures[name] = summarise(found.cases, found.false_stops, found.fault_free_s / 3600.0) | {
            "phases_missing": [list(cell) for cell in found.missing],
            "never_reached": [list(cell) for cell in never_reached(found, len(request.seeds))],
            "seeds": len(request.seeds),
            "window_s": request.window_s,
            "drive_s": request.drive_s,
            "contacts_without_fault": found.contacts_without_fault,
            "refusals": refusals(scenario),
        }
    return figures


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return cases, fail-safe rate and latencies of the first scenario."""
    first = part[SCENARIOS[0]]
    latency = first["latency"]
    return {
        "fault_cases": first["cases"],
        "fault_fail_safe": first["fail_safe"],
        "fault_fail_safe_low": round(first["fail_safe_interval"][0], 4),
        "fault_residual": len(first["residual"]),
        "fault_failures": len(first["failures"]),
        "fault_latency_p50_ms": round(1e3 * latency["p50_s"], 1),
        "fault_latency_p99_ms": round(1e3 * latency["p99_s"], 1),
        "fault_latency_max_ms": round(1e3 * latency["max_s"], 1),
        "fault_false_stops": first["false_stops"],
    }
