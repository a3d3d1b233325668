# SPDX-License-Identifier: Apache-2.0
"""Path finding on the MovingAI instances: costs, times, bounds, conflicts; beside peers.

Every plan is judged by the validator. Kernels are compiled before anything is timed. Times and limits are of the
processor, as those of the peers are.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mapf_data import PUBLISHED, data_folder, load, random_instance, reference_costs, scenarios
from python_peers import peer_plan, peers
from textbook import textbook_cbs

from reflexarc.cli.journal import Journal
from reflexarc.fleet.cbs import SOLVERS, compile_kernels, solve
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.validator import validate

OPTIMAL = (
    ("random-32-32-20", (10, 20, 30, 40), 25, 60.0),
    ("random-32-32-20", (50,), 10, 60.0),
    ("room-32-32-4", (10, 20, 30), 10, 30.0),
    ("maze-32-32-2", (10,), 10, 60.0),
    ("maze-32-32-2", (20,), 25, 60.0),
)
"""Map, agents, most scenarios, time limit. [s]"""
BOUNDED = (
    ("random-32-32-20", (50, 100), 10, 10.0),
    ("random-32-32-20", (150,), 10, 30.0),
    ("room-32-32-4", (50,), 10, 30.0),
    ("maze-32-32-2", (50,), 10, 30.0),
)
LARGE = (
    ("random-32-32-20", (50, 100, 200, 300, 400), 10, 15.0),
    ("room-32-32-4", (300,), 10, 15.0),
    ("maze-32-32-2", (300,), 10, 15.0),
    ("warehouse-10-20-10-2-1", (1000,), 3, 60.0),
)
ANYTIME = (("random-32-32-20", (50, 100, 200, 300, 400), 5, 10.0),)
CONTINUOUS = (
    ("empty-16-16", (5, 10, 15, 20), 25, 30.0),
    ("warehouse-10-20-10-2-2", (5, 10, 15), 10, 30.0),
)
TEXTBOOK = (("random-32-32-20", (10, 20), 5, 60.0),)
REPEATS = 5
"""How often ours solves an instance beside planners in Python."""
RANDOM_FULL, RANDOM_SHORT = 10_000, 100
"""Random small instances, on all of which no plan may have a conflict."""
WEIGHT = 1.2
RADIUS = 2.0**0.5 / 4.0
"""Of the discs in continuous time, whose grids have diagonal edges. [cells]"""


CHUNK = 1000
"""Random instances with one seed."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of all solvers.

    Args:
        full: all scenarios, all agents, all random instances.
        progress: told what is going on.
    """
    folder, journal = data_folder(), Journal("mapf" if full else "mapf_short")
    for solver in SOLVERS:
        compile_kernels(solver)
    results: dict[str, Any] = {"published": PUBLISHED, "data": folder is not None}
    results["random"] = _random_instances(RANDOM_FULL if full else RANDOM_SHORT, journal, progress)
    if folder is None:
        progress(
            "no MAPF data; set REFLEXARC_DATA to the folder of data sets; only random instances were planned"
        )
        return results
    known = reference_costs(folder)

    def table(name: str, cases: Any, solver: str, **options: Any) -> None:
        if not full:
            cases = [(m, agents[:1], 1, min(limit, 5.0)) for m, agents, _, limit in cases]
        rows = []
        for m, agents, most, limit in cases:
            numbers = scenarios(folder, m, most)
            if not numbers:
                progress(f"no scenarios of {m} in {folder}; left out")
            for n in agents if numbers else ():
                row = journal.once(
                    f"{name} {m} {n} {len(numbers)}",
                    lambda m=m, n=n, numbers=numbers, limit=limit: _case(
                        folder, known, m, n, numbers, limit, solver, options
                    ),
                )
                progress(f"{solver} {m} {n}: {row['solved']}/{row['instances']}, median {row['median_s']} s")
                rows.append(row)
        results[name] = rows

    table("large", LARGE, "lacam", first_only=True)
    table("bounded", BOUNDED, "eecbs", weight=WEIGHT)
    table("optimal", OPTIMAL, "cbs")
    table("anytime", ANYTIME, "lacam")
    table("continuous", CONTINUOUS, "ccbs")
    results["textbook"] = _textbook(folder, known, full, journal, progress)
    results["python_peers"] = _python_peers(folder, full, journal, progress)
    return results


def headline(figures: dict[str, Any]) -> dict[str, Any]:
    """Return solved instances, median times and conflicts."""
    out: dict[str, Any] = {
        "random_instances": figures["random"]["instances"],
        "random_plans": figures["random"]["planned"],
        "conflicts": figures["random"]["findings"]
        + sum(row["findings"] for name in _TABLES for row in figures.get(name, ())),
    }
    for name in ("optimal", "bounded", "large"):
        hardest = {row["map"]: row for row in figures.get(name, ())}  # the last of a map has most agents
        for row in hardest.values():
            solved = f"{row['solved']}/{row['instances']}"
            out[f"{row['solver']}_{row['map']}_{row['agents']}"] = f"{solved}, median {row['median_s']} s"
    if "optimal" in figures:
        out["costs_compared_with_reference"] = sum(row["compared_costs"] for row in figures["optimal"])
        out["costs_differing_from_reference"] = sum(row["wrong_costs"] for row in figures["optimal"])
        for row in figures["textbook"]:
            out[f"textbook_over_cbs_{row['agents']}_agents"] = row["ratio"]
        for row in figures["python_peers"]:
            out[f"{row['peer']}, {row['agents']} agents, over cbs"] = row["ratio"]
    return out


_TABLES = ("optimal", "bounded", "large", "anytime", "continuous")


def _random_instances(count: int, journal: Journal, progress: Callable[[str], None]) -> dict[str, int]:
    """Plan small random instances with all solvers in steps and judge every plan."""
    parts = []
    for begin in range(0, count, CHUNK):
        size = min(CHUNK, count - begin)
        parts.append(
            journal.once(f"random {begin} {size}", lambda begin=begin, size=size: _random_chunk(begin, size))
        )
        progress(f"{begin + size} random instances")
    return {key: sum(part[key] for part in parts) for key in parts[0]}


def _random_chunk(begin: int, size: int) -> dict[str, int]:
    rng = np.random.default_rng(begin)
    planned = findings = over = without = 0
    for _ in range(size):
        instance = random_instance(rng)
        for solver in ("lacam", "eecbs", "cbs"):
            plan = solve(instance, solver, 0.25, WEIGHT, first_only=True, clock=time.process_time)
            if not plan.solved:
                if plan.status == "there is no plan":
                    without += 1
                    break
                continue
            planned += 1
            findings += len(validate(plan.to_json()))
            over += solver == "eecbs" and plan.soc > WEIGHT * plan.lower_bound + 1e-9
    return {
        "instances": size,
        "without_plan": without,
        "planned": planned,
        "findings": findings,
        "over_the_bound": over,
    }


def _case(
    folder: Path,
    known: dict[tuple[str, int], int],
    name: str,
    agents: int,
    numbers: list[int],
    limit: float,
    solver: str,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Return one row: a map with so many agents, over its scenarios."""
    seconds, ratios, costs, nodes, findings, compared, wrong = [], [], [], [], 0, 0, 0
    for number in numbers:
        instance = load(folder, name, number, agents, RADIUS if solver == "ccbs" else 0.0)
        plan = solve(instance, solver, limit, clock=time.process_time, **options)
        seconds.append(plan.seconds if plan.solved else float("inf"))
        if plan.solved:
            findings += len(validate(plan.to_json()))
            ratios.append(plan.soc / plan.lower_bound)
            costs.append(plan.soc)
            nodes.append(float(plan.expanded))
            best = known.get((f"{name}-random-{number}.scen", agents))
            if solver == "cbs" and best is not None:
                compared += 1
                wrong += plan.soc != best
    return {
        "solver": solver,
        "map": name,
        "agents": agents,
        "instances": len(numbers),
        "solved": len(costs),
        "limit_s": limit,
        "median_s": _median(seconds),
        "slowest_s": round(max((s for s in seconds if s < float("inf")), default=0.0), 4),
        "mean_cost": round(statistics.fmean(costs), 3) if costs else None,
        "mean_cost_over_bound": round(statistics.fmean(ratios), 4) if ratios else None,
        "largest_cost_over_bound": round(max(ratios), 4) if ratios else None,
        "median_nodes": _median(nodes) if nodes else None,
        "findings": findings,
        "compared_costs": compared,
        "wrong_costs": wrong,
    }


def _textbook(
    folder: Path,
    known: dict[tuple[str, int], int],
    full: bool,
    journal: Journal,
    progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Return how much longer a plain Python search takes on the same instances in the same run."""
    rows = []
    for name, agents, most, limit in TEXTBOOK:
        numbers = scenarios(folder, name, most if full else 1)
        for n in agents if full else agents[:1]:
            row = journal.once(
                f"textbook {name} {n} {len(numbers)}",
                lambda n=n, numbers=numbers, name=name, limit=limit: _beside_textbook(
                    folder, known, name, n, numbers, limit if full else 5.0
                ),
            )
            rows.append(row)
            progress(
                f"textbook {name} {n}: {row['ratio']:.0f} times as long (at least, where its time ran out)"
            )
    return rows


def _beside_textbook(
    folder: Path,
    known: dict[tuple[str, int], int],
    name: str,
    agents: int,
    numbers: list[int],
    limit: float,
) -> dict[str, Any]:
    slow, fast, solved = [], [], 0
    for number in numbers:
        instance = load(folder, name, number, agents)
        began = time.process_time()
        cost = textbook_cbs(instance, limit)
        slow.append(time.process_time() - began)
        ours, seconds = _timed_cbs(instance, limit)
        fast.append(seconds)
        solved += cost is not None
        assert cost is None or cost == ours == known.get((f"{name}-random-{number}.scen", agents), cost)
    return {
        "map": name,
        "agents": agents,
        "instances": len(numbers),
        "textbook_solved": solved,
        "textbook_cpu_s": [round(s, 4) for s in slow],
        "cbs_cpu_s": [round(f, 4) for f in fast],
        "ratio": round(statistics.median(s / f for s, f in zip(slow, fast, strict=True)), 1),
    }


def _timed_cbs(instance: Instance, limit: float) -> tuple[float, float]:
    """Return cost and processor seconds of ours, the median of `REPEATS`; the first fills caches."""
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        cost = solve(instance, "cbs", limit, clock=time.process_time).soc
        taken.append(time.process_time() - began)
    return cost, statistics.median(taken)


def _python_peers(
    folder: Path, full: bool, journal: Journal, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return the same for each published planner whose clone is there."""
    rows = []
    if not peers():
        progress("no planners of others in $REFLEXARC_PEERS; see python_peers.py")
    for name, agents, most, limit in TEXTBOOK:
        numbers = scenarios(folder, name, most if full else 1)
        for n in agents if full else agents[:1]:
            for peer in peers():
                row = journal.once(
                    f"{peer} {name} {n} {len(numbers)}",
                    lambda peer=peer, n=n, numbers=numbers, name=name, limit=limit: _beside_peer(
                        folder, name, n, numbers, limit if full else 5.0, peer
                    ),
                )
                rows.append(row)
                progress(f"{peer} {n}: {row['ratio']:.0f} times as long (at least, where its time ran out)")
    return rows


def _beside_peer(
    folder: Path, name: str, agents: int, numbers: list[int], limit: float, peer: str
) -> dict[str, Any]:
    found, fast, best = [], [], []
    for number in numbers:
        instance = load(folder, name, number, agents)
        found.append(peer_plan(peer, instance, limit))
        cost, seconds = _timed_cbs(instance, limit)
        best.append(cost)
        fast.append(seconds)
    return {
        "peer": peer,
        "map": name,
        "agents": agents,
        "instances": len(numbers),
        "solved": sum(f["cost"] is not None for f in found),
        "above_optimum": sum(
            f["cost"] is not None and f["cost"] > b for f, b in zip(found, best, strict=True)
        ),
        "conflicts": sum(f["conflicts"] or 0 for f in found),
        "peer_cpu_s": [round(f["seconds"], 4) for f in found],
        "cbs_cpu_s": [round(f, 4) for f in fast],
        "ratio": round(statistics.median(f["seconds"] / s for f, s in zip(found, fast, strict=True)), 1),
    }


def _median(values: list[float]) -> float | None:
    value = statistics.median(values)
    return round(value, 4) if value < float("inf") else None
