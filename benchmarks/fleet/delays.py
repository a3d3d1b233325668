# SPDX-License-Identifier: Apache-2.0
"""Execution under random delays and stops, by the clock and by the action-dependency graph.

Plans of the MovingAI instances and of random grids are driven by discs that are sometimes late: some stop for 1 to 5 s
at random places, all drive up to half as long again as planned. What they did is judged by `fleet.execution.judge`,
which shares nothing with the executor. Loss is makespan over that of the plan, less one; by the clock nobody waits for
anybody, so its loss is what the delays alone cost.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from figures import mean_interval
from mapf_data import data_folder, load

from reflexarc.cli.journal import Journal
from reflexarc.core.errors import ConfigError
from reflexarc.core.intervals import clopper_pearson
from reflexarc.fleet.cbs import solve
from reflexarc.fleet.execution.dependencies import ActionGraph
from reflexarc.fleet.execution.judge import meetings
from reflexarc.fleet.execution.playback import Stop, play
from reflexarc.fleet.execution.tracks import tracks_of
from reflexarc.fleet.graph import grid
from reflexarc.fleet.instances import Instance, make_instance

RADIUS = 0.25
"""Of the discs on grids of cells of 1 m. [m]"""
SHARE, SHORTEST, LONGEST = 0.3, 1.0, 5.0
"""Share of robots that stop, and for how long. [s]"""
SLOWEST = 1.5
"""Time that the slowest robot takes for a planned second. [s]"""
CASES = (
    ("random-32-32-20", 20, 10),
    ("random-32-32-20", 40, 5),
    ("room-32-32-4", 20, 5),
    ("empty-16-16", 20, 3),
)
"""Map, robots, scenarios."""
RUNS = 10
"""Draws of delays per instance."""
RANDOM = 40
"""Random instances of the full study."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Drive every plan with and without the graph and return what happened.

    Args:
        full: all scenarios and draws.
        progress: told what is going on.
    """
    folder = data_folder()
    journal = Journal("delays")
    results: dict[str, Any] = {"radius_m": RADIUS, "data": folder is not None, "cases": []}
    if folder is None:
        progress(
            "no MAPF data; set REFLEXARC_DATA to the folder of data sets; only random instances were driven"
        )
    cases: list[tuple[str, int, int]] = list(CASES) if full else [(m, n, 1) for m, n, _ in CASES[:1]]
    runs = RUNS if full else 3
    for name, robots, count in cases if folder is not None else ():
        rows = []
        for number in range(1, count + 1):
            make = partial(_drive_file, folder, name, number, robots, runs)
            rows.append(journal.once(f"{name} {robots} {number} {runs}", make))
        results["cases"].append(_case(name, robots, rows))
        progress(_line(results["cases"][-1]))
    rng = np.random.default_rng(0)
    rows = []
    for number in range(RANDOM if full else 6):
        instance = _random_instance(rng)
        make = partial(_drive, instance, runs, 1000 + number)
        rows.append(journal.once(f"random {number} {runs}", make))
    results["cases"].append(_case("random 8x8", 8, rows))
    progress(_line(results["cases"][-1]))
    return results


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return meetings with and without the graph, and what it costs."""
    cases = part["cases"]
    return {
        "delayed_runs": sum(c["runs"] for c in cases),
        "runs_with_meetings_by_order": sum(c["by_order"]["runs_with_meetings"] for c in cases),
        "runs_with_meetings_by_clock": sum(c["by_clock"]["runs_with_meetings"] for c in cases),
        "makespan_loss_by_order": {c["name"]: c["by_order"]["loss"] for c in cases},
    }


def _drive_file(folder: Path, name: str, number: int, robots: int, runs: int) -> list[dict[str, Any]]:
    return _drive(load(folder, name, number, robots), runs, number)


def _drive(instance: Instance, runs: int, seed: int) -> list[dict[str, Any]]:
    """Return a row per draw of delays; empty if there was no plan."""
    plan = solve(instance, "eecbs", 10.0)
    if not plan.solved:
        return []
    graph = ActionGraph(tracks_of(plan), RADIUS)
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(runs):
        stops = [
            Stop(k, float(rng.uniform(0.0, graph.marks(k)[-1])), float(rng.uniform(SHORTEST, LONGEST)))
            for k in range(instance.agents)
            if rng.random() < SHARE and graph.count[k]
        ]
        slowness = rng.uniform(1.0, SLOWEST, instance.agents)
        row: dict[str, Any] = {"planned": plan.makespan, "stops": len(stops), "parts": graph.parts}
        for name, ordered in (("by_order", True), ("by_clock", False)):
            played = play(graph, ordered, stops, slowness, step=0.1)
            met = meetings(played.times, played.positions, 2.0 * RADIUS - 1e-6)
            row[name] = {
                "meetings": len(met),
                "makespan": played.makespan,
                "sum": float(played.arrivals.sum()),
                "least_gap": min((m.gap for m in met), default=None),
            }
        rows.append(row)
    return rows


def _case(name: str, robots: int, rows: list[list[dict[str, Any]]]) -> dict[str, Any]:
    flat = [row for block in rows for row in block]
    case: dict[str, Any] = {
        "name": f"{name}, {robots} robots",
        "instances": len(rows),
        "solved": sum(bool(block) for block in rows),
        "runs": len(flat),
        "stops_per_run": round(float(np.mean([r["stops"] for r in flat])), 2) if flat else None,
        "parts": max((r["parts"] for r in flat), default=None),
    }
    for kind in ("by_order", "by_clock"):
        met = sum(r[kind]["meetings"] > 0 for r in flat)
        loss = [r[kind]["makespan"] / r["planned"] - 1.0 for r in flat]
        case[kind] = {
            "meetings": sum(r[kind]["meetings"] for r in flat),
            "runs_with_meetings": met,
            "share_of_runs": [round(x, 4) for x in clopper_pearson(met, len(flat), 0.05)] if flat else None,
            "loss": mean_interval(loss),
            "finished": all(np.isfinite(r[kind]["makespan"]) for r in flat),
        }
    return case


def _line(case: dict[str, Any]) -> str:
    order, clock = case["by_order"], case["by_clock"]
    losses = " and ".join(f"{kind['loss'][0]:.3f}" if kind["loss"] else "unknown" for kind in (order, clock))
    return (
        f"{case['name']}: {order['runs_with_meetings']} of {case['runs']} runs with meetings by order, "
        f"{clock['runs_with_meetings']} by the clock; makespan loss {losses}"
    )


def _random_instance(rng: np.random.Generator) -> Instance:
    while True:
        free = rng.random((8, 8)) > 0.15
        graph = grid(["".join("." if cell else "@" for cell in row) for row in free])
        starts, goals = (rng.choice(graph.vertices, 8, replace=False).tolist() for _ in range(2))
        try:
            return make_instance(graph, starts, goals)
        except ConfigError:
            continue
