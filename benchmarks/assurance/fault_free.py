# SPDX-License-Identifier: Apache-2.0
"""Part of the assurance study: hours without a fault in lock-step, and how often the robot is stopped all the same."""

from collections.abc import Callable
from typing import Any

from reflexarc.assurance.injection.scores import rate_interval
from reflexarc_sim.inject_campaign import CampaignRequest, run_campaign
from reflexarc_sim.scenario import load_scenario

SCENARIO = "sidewalk_supervised"
SEEDS, FIRST_SEED, DRIVE_S = 60, 100, 60.0
"""Drives, the seed of the first, which no other part uses, and the length of each. [s]"""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Drive without injecting anything; a short run drives once.

    Args:
        full: the whole study instead of a short run.
        progress: told every drive.
    """
    scenario = load_scenario(SCENARIO)
    seeds = range(FIRST_SEED, FIRST_SEED + (SEEDS if full else 1))
    stops, driven, contacts = 0, 0.0, 0
    for seed in seeds:
        found = run_campaign(CampaignRequest(scenario, (), (), (seed,), 0.1, DRIVE_S), lambda *_: None)
        stops, driven = stops + found.false_stops, driven + found.fault_free_s
        contacts += found.contacts_without_fault
        progress(f"seed {seed}: {found.false_stops} false stops; {stops} in {driven / 3600.0:.2f} h")
    low, high = rate_interval(stops, driven / 3600.0)
    return {
        "scenario": SCENARIO,
        "drives": len(seeds),
        "hours": driven / 3600.0,
        "false_stops": stops,
        "per_h": stops * 3600.0 / driven,
        "per_h_interval": [low, high],
        "contacts": contacts,
    }


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return hours, false stops, and what their rate is below."""
    return {
        "fault_free_h": round(part["hours"], 2),
        "fault_free_false_stops": part["false_stops"],
        "fault_free_stops_per_h_below": round(part["per_h_interval"][1], 2),
    }
