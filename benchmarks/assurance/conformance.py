# SPDX-License-Identifier: Apache-2.0
"""Does the hazard model of the sidewalk agree with what supervised lock-step runs do?

Runs of `sidewalk_supervised`, one seed each, become cell traces; every turn is replayed through the model, every
probability gets its exact interval, and the committed table's policy is verified again on the measured counts. Held-out
runs then judge the model with these counts in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reflexarc.assurance.conformance.estimate import Finding, count, estimate
from reflexarc.assurance.conformance.replay import replay
from reflexarc.assurance.conformance.reverify import counted_cell, counts_of, reverify
from reflexarc.assurance.conformance.trace import CellTrace
from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.read import read_cell
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.assurance.synthesis.checker import Checker
from reflexarc.core.config import read_yaml
from reflexarc.core.paths import models_dir
from reflexarc_sim.cell_trace import record_run
from reflexarc_sim.scenario import load_scenario

SCENARIO = "sidewalk_supervised"
SEEDS, HELD_OUT = range(20), range(20, 50)
"""Of the runs that the model is judged and counted by, and of those that judge the counts."""
RUN_S, SHORT_S = 60.0, 6.0
LIMIT_S = 300.0
"""Longest time of one query; the machine may be busy. [s]"""
CELL = models_dir() / "cells" / "sidewalk.yaml"


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Make 20 runs of a minute and 30 held-out ones, or one of six seconds in a short run, and return what they say."""
    traces = recorded(SEEDS if full else SEEDS[:1], RUN_S if full else SHORT_S, progress)
    found = figures(traces, len(SEEDS) if full else 1, full)
    if full:
        found["held_out"] = held_out(recorded(HELD_OUT, RUN_S, progress), found["counts"])
    return found


def recorded(seeds: Sequence[int], duration: float, progress: Callable[[str], None]) -> list[CellTrace]:
    """Return the cell traces of one run per seed, each of `duration` [s]."""
    cell, scenario = read_cell(CELL), load_scenario(SCENARIO)
    traces: list[CellTrace] = []
    for done, seed in enumerate(seeds, 1):
        traces += record_run(scenario, seed, cell, duration)
        progress(f"run {done} of {len(seeds)}")
    return traces


def figures(traces: Sequence[CellTrace], runs: int, verify: bool) -> dict[str, Any]:
    """Return what traces say of the sidewalk's model; with `verify` also of its policy on the measured counts."""
    cell, table = read_cell(CELL), read_table(CELL.with_suffix(".table.json"))
    counts = counts_of(estimate(cell, count(cell, table, traces)))
    verified = None
    if verify:
        counted = counted_cell(read_yaml(CELL), cell, counts, f"{runs} runs of {SCENARIO}")
        with Checker(LIMIT_S) as checker:
            verified = {
                "assumed": {key: table.properties[key] for key in ("mishap", "mishap_worst")},
                **reverify(counted, table, checker),
            }
    return {"runs": runs, **_judged(cell, traces), "counts": counts, "reverified": verified}


def held_out(traces: Sequence[CellTrace], counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what held-out traces say of the model with counts in place of its assumptions."""
    counted = counted_cell(read_yaml(CELL), read_cell(CELL), counts, f"runs of {SCENARIO}")
    return {"runs": len(HELD_OUT), "counted": len(counts), **_judged(counted, traces)}


def _judged(cell: Cell, traces: Sequence[CellTrace]) -> dict[str, Any]:
    table = read_table(CELL.with_suffix(".table.json"))
    replayed, estimates = replay(cell, table, traces), estimate(cell, count(cell, table, traces))
    return {
        "traces": replayed.traces,
        "turns": replayed.turns,
        "unmatched": len(replayed.unmatched),
        "unmatched_kinds": [[*kind, times] for kind, times in replayed.kinds().items()],
        "findings": {str(f): sum(e.finding is f for e in estimates) for f in Finding},
        "probabilities": [asdict(e) for e in estimates],
    }


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that the page leads with."""
    verified = part["reverified"]
    found = {
        "conformance_runs": part["runs"],
        "conformance_turns": part["turns"],
        "conformance_unmatched": part["unmatched"],
        "conformance_covered": part["findings"]["covered"],
        "conformance_not_covered": part["findings"]["not covered"],
        "conformance_too_few": part["findings"]["too few trials"],
    }
    if verified is not None:
        found["conformance_mishap_on_counts"] = verified["nominal"]["mishap"]
        found["conformance_mishap_on_counts_worst"] = verified["worst"]["mishap"]
    if "held_out" in part:
        held = part["held_out"]
        of_counts = [e for e in held["probabilities"] if e["path"] in part["counts"]]
        found["conformance_held_out_turns"] = held["turns"]
        found["conformance_held_out_unmatched"] = held["unmatched"]
        found["conformance_held_out_not_covered"] = sum(e["finding"] == "not covered" for e in of_counts)
    return found
