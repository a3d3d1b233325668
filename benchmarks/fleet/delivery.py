# SPDX-License-Identifier: Apache-2.0
"""Scenario `fleet_delivery` over seeds, in lock-step: eight robots, each under its own arc, two stopped at random.

Counted apart: contacts of two robots, which must not be; contacts with pedestrians, moving and standing. A short run
drives fewer robots for a shorter time, so that it ends in seconds.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from reflexarc.cli.journal import Journal
from reflexarc.core.intervals import clopper_pearson
from reflexarc_sim.fleet_lockstep import run_fleet
from reflexarc_sim.scenario import Scenario, load_scenario

SEEDS = 20
SCENARIO = "fleet_delivery"
SHORT = {"fleet.robots": 3, "crowd.count": 6, "missions.count": 1}
"""What a short run replaces."""
HEADLINE = (
    "seeds", "goals", "reached", "seeds_with_contacts_of_robots", "pedestrian_contacts_moving", "least_gap_m"
)  # fmt: skip
SHORT_S = 60.0
"""And its longest simulated time. [s]"""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the seeds and return what happened.

    Args:
        full: eight robots and twenty seeds.
        progress: told what is going on.
    """
    scenario = load_scenario(SCENARIO, None if full else SHORT)
    journal = Journal("delivery")
    rows = []
    for seed in range(SEEDS if full else 1):
        rows.append(journal.once(f"{seed} {full}", lambda seed=seed: _run(scenario, seed, full)))
        progress(describe(seed, rows[-1]))
    delays = {"largest_delay_s": round(max(row["largest_delay_s"] for row in rows), 1)}
    return {"robots": scenario.fleet.robots, "runs": rows} | count(rows) | delays


def _run(scenario: Scenario, seed: int, full: bool) -> dict[str, Any]:
    result = run_fleet(scenario, seed, None if full else SHORT_S)
    return result.summary.to_json() | {"wall_s": round(result.wall_s, 1)}


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that the page states."""
    return {f"delivery_{key}": part[key] for key in HEADLINE}


def describe(seed: int, row: dict[str, Any]) -> str:
    """Return what came of one seed in words."""
    return (
        f"seed {seed}: {row['reached']}/{row['goals']} goals in {row['duration_s']:.0f} s, {row['robot_contacts']} "
        f"contacts of robots, {row['pedestrian_contacts_moving']} of {row['pedestrian_contacts']} with pedestrians "
        f"while moving"
    )


def count(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures over seeds, from the summaries of their runs."""
    robots = sum(r["robot_contacts"] > 0 for r in rows)
    took = [d["end"] - d["begin"] for r in rows for d in r["deliveries"] if d["end"] is not None]
    gaps = [r["least_gap_m"] for r in rows if r["least_gap_m"] is not None]
    return {
        "seeds": len(rows),
        "seeds_with_contacts_of_robots": robots,
        "share_of_seeds_at_most": round(clopper_pearson(robots, len(rows), 0.05)[1], 4),
        "goals": sum(r["goals"] for r in rows),
        "reached": sum(r["reached"] for r in rows),
        "least_gap_m": round(min(gaps), 3) if gaps else None,
        "stops": sum(r["stops"] for r in rows),
        "stopped_s": round(math.fsum(r["stopped_s"] for r in rows), 1),
        "pedestrian_contacts_moving": sum(r["pedestrian_contacts_moving"] for r in rows),
        "pedestrian_contacts_standing": sum(
            r["pedestrian_contacts"] - r["pedestrian_contacts_moving"] for r in rows
        ),
        "other_contacts": sum(r["other_contacts"] for r in rows),
        "mean_delivery_s": round(float(np.mean(took)), 1) if took else None,
        "mean_duration_s": round(float(np.mean([r["duration_s"] for r in rows])), 1),
    }
