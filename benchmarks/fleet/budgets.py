# SPDX-License-Identifier: Apache-2.0
"""Risk budgets: plans for 5, 10 and 20 agents on the central-obstacle map whose summed risk keeps a budget.

Protocol of Parimi and Williams (arXiv 2509.08157): 50 problems per difficulty, budgets at 0, 25, 50, 75 and 100 % of
the way from the risk of the safest to that of the fastest plan. Success: a plan within the budget, in time, judged by
the validator.
Edges that cross exclude each other, as there.

Without a learned roadmap the graph is the map's 216 free cells with eight neighbours. A state at distance h <= r from
the nearest blocked cell costs 2 - 2 h / r, r = 3 cells; an edge risks the integral of that along it, a step of waiting
as much as the safest edge at its vertex. Problems are 2, 4 and 8 steps long (easy, medium, hard).
"""

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from budget_peers import PEERS, run_peer

from reflexarc.cli.journal import Journal
from reflexarc.core.intervals import clopper_pearson
from reflexarc.fleet.cbs.risk import risk_range, solve_risk_bounded
from reflexarc.fleet.cbs.risk_model import RiskModel, risk_model
from reflexarc.fleet.graph import Graph, grid
from reflexarc.fleet.instances import Instance, make_instance
from reflexarc.fleet.plan import step_path
from reflexarc.fleet.validator import validate

ROWS = ("." * 15,) * 6 + ("." * 6 + "@" * 3 + "." * 6,) * 3 + ("." * 15,) * 6
"""CenterDot, 5 x 5 cells with one blocked, enlarged three times."""
REACH, DEAREST = 3.0, 2.0
"""Distance from obstacles within which states cost something [m], and what they cost at an obstacle."""
SAMPLES = 20
"""Points per edge in its integral."""
TARGETS = {"easy": 2.0, "medium": 4.0, "hard": 8.0}
"""Steps of a problem: the largest distance, 17, over 8, 4 and 2."""
AGENTS = (5, 10, 20)
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
PROBLEMS, PEER_PROBLEMS = 50, 3
TIME_LIMIT = 5.0
"""Of ours and of every peer, processor time on one thread. [s]"""
PUBLISHED = {
    case: dict(
        zip(
            ("constrained", "lagrangian", "bi-objective", "equiris", "walris"),
            ([float(x) for x in method.split()] for method in row.split("|")),
            strict=True,
        )
    )
    for case, row in {
        "easy, 5": ".86 .96 .96 .96 .96|0 .18 .30 .60 .92|0 .92 .92 .92 .92|.74 1 1 1 1|.92 1 1 1 1",
        "easy, 10": ".58 .74 .74 .74 .74|0 .24 .52 .64 .66|0 .70 .70 .70 .70|.38 1 1 1 1|.90 1 1 1 1",
        "easy, 20": ".16 .34 .34 .34 .34|0 .14 .30 .32 .32|0 .26 .26 .26 .26|.36 1 .98 1 .98|.72 1 1 1 1",
        "medium, 5": ".92 .98 .98 .98 .98|0 .12 .40 .64 .92|0 .96 .96 .96 .96|.76 1 1 1 1|.96 1 1 1 1",
        "medium, 10": ".64 .84 .84 .84 .84|0 .18 .38 .38 .38|.02 .56 .56 .56 .56|.64 1 1 1 .98|.92 1 .96 1 .98",
        "medium, 20": ".04 .24 .24 .24 .24|0 .04 .06 .06 .06|0 0 0 0 0|.18 .82 .84 .90 .92|.42 .80 .80 .86 .84",
        "hard, 5": ".84 .98 .98 .98 .98|0 .22 .58 .64 .70|0 .70 .70 .70 .70|.80 .94 .98 1 1|.96 1 1 1 1",
        "hard, 10": ".30 .49 .49 .49 .49|0 .02 .15 .34 .36|0 .11 .11 .11 .11|.74 .91 .85 .96 .96|.83 .91 .89 .96 .96",
        "hard, 20": "0 0 0 0 0|0 0 0 0 0|0 0 0 0 0|0 .20 .20 .20 .20|0 .30 .40 .30 .40",
    }.items()
}
"""Success at the five budgets on this map with a learned roadmap of 1,000 states and 600 s, read off the bar labels of
the project's figures.
"""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return success, cost and bound per difficulty, number of agents and budget, for ours and for the peers.

    Args:
        full: 50 problems and all peers; otherwise two problems of the smallest and one of the largest team.
        progress: told what is going on.
    """
    graph = grid(ROWS, diagonal=True)
    model = risk_model(graph, edge_risks(graph))
    results: dict[str, Any] = {"published": PUBLISHED}
    results["analytic"] = study("analytic", model, hops(graph), full, progress)
    return results


def headline(figures: dict[str, Any]) -> dict[str, Any]:
    """Return success at each budget with hard problems, and the worst of all."""
    out: dict[str, Any] = {}
    for name, part in figures.items():
        if name == "published":
            continue
        ours = part["ours"]
        out[f"risk_{name}_least_success"] = min(row["success"] for row in ours)
        out[f"risk_{name}_findings"] = sum(row["findings"] for row in ours)
        out[f"risk_{name}_largest_cost_over_bound"] = max(
            row["largest_cost_over_bound"] or 0.0 for row in ours
        )
        hardest = {
            row["share"]: row for row in ours if row["difficulty"] == "hard"
        }  # the last has most agents
        for row in hardest.values():
            out[f"risk_hard_{row['agents']}_agents_at_{round(100 * row['share'])}_percent"] = row["success"]
    return out


def study(
    name: str, model: RiskModel, distances: np.ndarray, full: bool, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return the rows of one roadmap.

    Args:
        name: of the roadmap, in the journal.
        model: its risks.
        distances: steps between vertices, by which problems are chosen, shape (n, n); inf if there is no way.
        full: see `run`.
        progress: told what is going on.
    """
    journal = Journal("budgets" if full else "budgets_short")
    cases = [(d, n) for n in AGENTS for d in TARGETS] if full else [("easy", 5), ("hard", 5)]
    limit = TIME_LIMIT if full else 2.0
    ours, peers = [], []
    _compile(model, distances)
    problems, asked = (PROBLEMS, PEER_PROBLEMS) if full else (2, 0)
    known: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
    for difficulty, agents in cases:
        for number in range(problems):
            instance = make_problem(model.graph, distances, TARGETS[difficulty], agents, number)
            key = f"{name} {difficulty} {agents} {number}"
            rows = journal.once(key, lambda i=instance: ours_on(i, model, limit))
            known[difficulty, agents, number] = rows
            progress(f"{key}: {sum(row['solved'] for row in rows)}/{len(rows)}")
        runs = [row for number in range(problems) for row in known[difficulty, agents, number]]
        ours += [_row(difficulty, agents, share, runs) for share in SHARES]
    for difficulty, agents in cases:
        for number, peer in itertools.product(range(asked), PEERS):
            instance = make_problem(model.graph, distances, TARGETS[difficulty], agents, number)
            budgets = [row["budget"] for row in known[difficulty, agents, number]]
            key = f"{name} {difficulty} {agents} {number} {peer}"
            found = journal.once(key, lambda i=instance, b=budgets, q=peer: peer_on(q, i, model, b, limit))
            peers += [row | {"peer": peer, "difficulty": difficulty, "agents": agents} for row in found]
            progress(f"{key}: {sum(row['solved'] for row in found)}/{len(found)}")
    return {
        "ours": ours,
        "peers": _peer_rows(peers),
        "vertices": model.graph.vertices,
        "edges": model.graph.edges,
    }


def edge_risks(graph: Graph) -> np.ndarray:
    """Return the integral of the state cost along each edge, shape (m,)."""
    a, b = graph.positions[graph.tail], graph.positions[graph.head]
    parts = (np.arange(SAMPLES) + 0.5) / SAMPLES
    blocked = [(x, y) for y, row in enumerate(ROWS) for x, cell in enumerate(row) if cell == "@"]
    total = np.zeros(len(a))
    for part in parts:
        beyond = np.maximum(np.abs((a + part * (b - a))[:, None] - np.array(blocked)) - 0.5, 0.0)
        h = np.hypot(beyond[..., 0], beyond[..., 1]).min(axis=1)
        total += np.where(h <= REACH, DEAREST - DEAREST * h / REACH, 0.0)
    return total / SAMPLES * np.hypot(*(b - a).T)


def hops(graph: Graph) -> np.ndarray:
    """Return edges from every vertex to every other, shape (n, n); inf if there is no way."""
    table = np.full((graph.vertices, graph.vertices), np.inf)
    np.fill_diagonal(table, 0.0)
    reached, steps = np.eye(graph.vertices, dtype=bool), 0
    beside = np.zeros_like(reached)
    beside[graph.tail, graph.head] = True
    while True:
        steps += 1
        wider = reached | (reached.astype(np.float32) @ beside.astype(np.float32) > 0.0)
        if (wider == reached).all():
            return table
        table[wider & ~reached] = steps
        reached = wider


def make_problem(graph: Graph, distances: np.ndarray, target: float, agents: int, number: int) -> Instance:
    """Return agents whose goals lie as near to `target` steps from their starts as any; starts and goals all differ."""
    rng = np.random.default_rng([number, agents, round(100 * target)])
    while True:
        starts: list[int] = rng.choice(graph.vertices, agents, replace=False).tolist()
        goals: list[int] = []
        for start in starts:
            off = np.abs(distances[start] - target)
            off[[*goals, start]] = np.inf
            best = np.flatnonzero(off <= max(off.min(), 0.5))
            if not np.isfinite(off.min()) or not len(best):
                break
            goals.append(int(rng.choice(best)))
        if len(goals) == agents:
            return make_instance(graph, starts, goals, f"{target:g}-{agents}-{number}")


def ours_on(instance: Instance, model: RiskModel, limit: float) -> list[dict[str, Any]]:
    """Return one row per budget."""
    ends = risk_range(instance, model, 2.0 * limit, clock=time.process_time)
    rows = []
    for share in SHARES:
        plan = solve_risk_bounded(instance, model, ends.budget(share), limit, clock=time.process_time)
        findings = len(validate(plan.to_json())) if plan.solved else 0
        rows.append(
            {
                "share": share, "budget": ends.budget(share), "solved": plan.solved and not findings,
                "findings": findings, "cost": plan.soc if plan.solved else None,
                "bound": plan.lower_bound if np.isfinite(plan.lower_bound) else None,
                "risk": plan.risk if plan.solved else None, "seconds": round(plan.seconds, 3),
                "first_s": round(plan.first_seconds, 4) if plan.solved else None,
                "safest_proved": ends.low <= ends.bound + 1e-6,
            }
        )  # fmt: skip
    return rows


def peer_on(
    peer: str, instance: Instance, model: RiskModel, budgets: list[float], limit: float
) -> list[dict[str, Any]]:
    """Return one row per budget."""
    rows = []
    for share, budget in zip(SHARES, budgets, strict=True):
        paths, seconds = run_peer(peer, instance, model, budget, limit)
        timed = [step_path(path.vertices.tolist()) for path in paths]
        good = bool(paths) and not _judged(instance, model, budget, timed)
        cost = sum(path.cost for path in paths) if paths else None
        rows.append({"share": share, "solved": good, "cost": cost, "seconds": round(seconds, 3)})
    return rows


def _judged(instance: Instance, model: RiskModel, budget: float, paths: list[Any]) -> list[Any]:
    graph = instance.graph
    edges = zip(graph.tail.tolist(), graph.head.tolist(), graph.duration.tolist(), strict=True)
    content = {
        "time": "steps", "radius": 0.0, "positions": graph.positions.tolist(), "edges": [list(e) for e in edges],
        "starts": list(instance.starts), "goals": list(instance.goals), "paths": paths,
        "risk": {
            "budget": budget, "edges": model.edge.tolist(), "wait": model.wait.tolist(), "crossing": model.crossing
        },
    }  # fmt: skip
    return validate(content)


def _row(difficulty: str, agents: int, share: float, runs: list[dict[str, Any]]) -> dict[str, Any]:
    mine = [row for row in runs if row["share"] == share]
    good = [row for row in mine if row["solved"]]
    over = [row["cost"] / row["bound"] for row in good if row["bound"]]
    firsts = [min(row["first_s"], row["seconds"]) for row in good]
    low, high = clopper_pearson(len(good), len(mine), 0.05)
    return {
        "difficulty": difficulty,
        "agents": agents,
        "share": share,
        "problems": len(mine),
        "success": round(len(good) / len(mine), 4),
        "success_interval": [round(low, 4), round(high, 4)],
        "findings": sum(row["findings"] for row in mine),
        "proved_optimal": round(sum(row["cost"] <= row["bound"] + 1e-6 for row in good) / len(mine), 4),
        "mean_cost": round(statistics.fmean(row["cost"] for row in good), 3) if good else None,
        "mean_cost_over_bound": round(statistics.fmean(over), 5) if over else None,
        "largest_cost_over_bound": round(max(over), 5) if over else None,
        "median_seconds": round(statistics.median(row["seconds"] for row in mine), 3),
        "median_first_s": round(statistics.median(firsts), 4) if good else None,
        "slowest_first_s": round(max(firsts), 3) if good else None,
        "safest_risk_proved": round(sum(row["safest_proved"] for row in mine) / len(mine), 4),
    }


def _peer_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out = []
    for key in dict.fromkeys((r["peer"], r["difficulty"], r["agents"], r["share"]) for r in rows):
        mine = [r for r in rows if (r["peer"], r["difficulty"], r["agents"], r["share"]) == key]
        good = [r for r in mine if r["solved"]]
        low, high = clopper_pearson(len(good), len(mine), 0.05)
        out.append(
            {
                "peer": key[0],
                "difficulty": key[1],
                "agents": key[2],
                "share": key[3],
                "problems": len(mine),
                "success": round(len(good) / len(mine), 4),
                "success_interval": [round(low, 4), round(high, 4)],
                "mean_cost": round(statistics.fmean(r["cost"] for r in good), 3) if good else None,
                "median_seconds": round(statistics.median(r["seconds"] for r in mine), 3),
            }
        )
    return out


def _compile(model: RiskModel, distances: np.ndarray) -> None:
    instance = make_problem(model.graph, distances, TARGETS["easy"], 3, 0)
    ends = risk_range(instance, model, 4.0)
    solve_risk_bounded(instance, model, ends.budget(0.5), 2.0)
    run_peer("equiris", instance, model, ends.budget(0.5), 2.0)
