# SPDX-License-Identifier: Apache-2.0
"""Part of the study: every solver on the same programmes of seven inputs, one thread, judged by an oracle.

In turn by short blocks, each time another solver first, so that a disturbance of the machine hits all alike: `whole`
is what a caller waits for (`FilterQp.solve`: scaling, solver, check, translation), `alone` is the solver's call.
"""

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from problems import contradictory, moving, oracle, relaxable

from reflexarc.barrier.qp import BACKENDS, FilterQp, QpProblem, QpSolution, make_backend
from reflexarc.core.types import Array

SEEDS = (0, 1, 2, 3, 4)
ROWS = (30, 100, 539)
"""With the 14 sides of the bounds: a small filter, a middling one, an arm of 21 spheres among 25 obstacles."""
DEFAULT = "daqp"
_SHORT = {30: 60, 100: 40, 539: 12}
_FULL = 200
_WARM_UP = 10
_BLOCK = 10
"""Programmes that a solver gets before it is the next one's turn."""
_SAME = 1e-3
"""An answer farther than this from the oracle's is wrong, not inaccurate; inputs are of size one."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time and judge every solver.

    Args:
        full: 200 programmes of each kind for each of five seeds instead of 12 to 60 for one.
        progress: told what is going on.
    """
    seeds = SEEDS if full else SEEDS[:1]
    cases = []
    for rows in ROWS:
        count = _FULL if full else _SHORT[rows]
        progress(f"solvers: {rows} rows, {len(seeds) * count} feasible and as many infeasible programmes")
        cases += _cases(rows, seeds, count)
    return {"inputs": 7, "cases": cases}


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the default solver's times, everybody's wrong statuses and the answers that got past the check wrong."""
    figures: dict[str, Any] = {}
    for case in part["cases"]:
        if case["solver"] == DEFAULT:
            figures[f"qp_{case['rows']}_rows_p50_us"] = case["feasible"]["whole"]["p50_us"]
            figures[f"qp_{case['rows']}_rows_p99_us"] = case["feasible"]["whole"]["p99_us"]
    chosen = [case for case in part["cases"] if case["solver"] == DEFAULT]
    figures["qp_default_worst_error"] = max(case["feasible"]["worst_error"] for case in chosen)
    figures["qp_default_wrong_status"] = sum(_wrong_status(case) for case in chosen)
    figures["qp_wrong_answers_used"] = sum(
        case["feasible"]["wrong_used"] + case["infeasible"]["used"] for case in part["cases"]
    )
    return figures


def _wrong_status(case: dict[str, Any]) -> int:
    return case["feasible"]["not_found"] + case["infeasible"]["used"]


def _cases(rows: int, seeds: tuple[int, ...], count: int) -> list[dict[str, Any]]:
    filters = {name: FilterQp(7, rows, name) for name in BACKENDS}
    alone = {name: make_backend(name, 7, rows) for name in BACKENDS}
    kinds: dict[str, list[QpProblem]] = {"feasible": [], "infeasible": []}
    for seed in seeds:
        rng = np.random.default_rng((rows, seed))
        problems = moving(rng, rows, count)
        kinds["feasible"] += problems
        kinds["infeasible"] += contradictory(rng, problems)
    kinds["relaxed"] = relaxable(kinds["infeasible"])
    truth = {kind: [oracle(problem) for problem in kinds[kind]] for kind in ("feasible", "infeasible")}
    if any(u is None for u in truth["feasible"]) or any(u is not None for u in truth["infeasible"]):
        raise RuntimeError("the oracle does not agree with how the programmes were made")
    results = {kind: _time(filters, alone, problems) for kind, problems in kinds.items()}
    return [
        {
            "rows": rows,
            "solver": name,
            "programmes": len(kinds["feasible"]),
            "feasible": _judge_feasible(results["feasible"][name], truth["feasible"]),
            "infeasible": _judge_infeasible(results["infeasible"][name]),
            "relaxed": _judge_relaxed(results["relaxed"][name]),
        }
        for name in BACKENDS
    ]


class _Calls:
    """What one solver did with all programmes of a kind."""

    def __init__(self) -> None:
        self.whole: list[float] = []
        self.alone: list[float] = []
        self.solutions: list[QpSolution] = []
        self.claims: list[tuple[Array, bool]] = []
        """Candidate and whether the solver called the programme infeasible."""

    def times(self) -> dict[str, Any]:
        return {"whole": _percentiles(self.whole), "alone": _percentiles(self.alone)}


def _time(
    filters: dict[str, FilterQp], alone: dict[str, Any], problems: list[QpProblem]
) -> dict[str, _Calls]:
    calls = {name: _Calls() for name in filters}
    for name, solver in filters.items():
        for problem in problems[:_WARM_UP]:
            solver.solve(problem)
            alone[name].solve(problem.target, problem.rows, problem.offsets, problem.lower, problem.upper)
    gc.collect()
    gc.disable()
    try:
        names = list(calls)
        for k, first in enumerate(range(0, len(problems), _BLOCK)):
            block = problems[first : first + _BLOCK]
            turn = k % len(names)
            for name in names[turn:] + names[:turn]:
                _time_block(calls[name], filters[name], alone[name], block)
    finally:
        gc.enable()
    return calls


def _time_block(call: _Calls, whole: FilterQp, alone: Any, block: list[QpProblem]) -> None:
    for problem in block:
        started = time.perf_counter()
        solution = whole.solve(problem)
        call.whole.append(time.perf_counter() - started)
        call.solutions.append(solution)
    for problem in block:
        data = problem.target, problem.rows, problem.offsets, problem.lower, problem.upper
        started = time.perf_counter()
        answer = alone.solve(*data)
        call.alone.append(time.perf_counter() - started)
        call.claims.append((answer.z.copy(), answer.infeasible))


def _judge_feasible(calls: _Calls, truth: list[Array | None]) -> dict[str, Any]:
    used = [_distance(s.u, u) for s, u in zip(calls.solutions, truth, strict=True) if s.found]
    claimed = [
        _distance(z, u) for (z, infeasible), u in zip(calls.claims, truth, strict=True) if not infeasible
    ]
    return calls.times() | {
        "worst_error": max(used, default=None),
        "not_found": len(truth) - len(used),
        "second_opinions": sum(s.reason != "" for s in calls.solutions),
        "wrong_used": sum(error > _SAME for error in used),
        "worst_error_unchecked": max(claimed, default=None),
        "wrong_unchecked": sum(error > _SAME for error in claimed),
        "called_infeasible": len(truth) - len(claimed),
    }


def _judge_infeasible(calls: _Calls) -> dict[str, Any]:
    return calls.times() | {
        "used": sum(s.found for s in calls.solutions),
        "called_solved": sum(not infeasible for _, infeasible in calls.claims),
    }


def _judge_relaxed(calls: _Calls) -> dict[str, Any]:
    return {
        "whole": _percentiles(calls.whole),
        "not_found": sum(not s.found for s in calls.solutions),
        "without_slack": sum(s.found and not s.slack.any() for s in calls.solutions),
    }


def _distance(u: Array, expected: Array | None) -> float:
    assert expected is not None
    distance = float(np.abs(u - expected).max())
    return distance if np.isfinite(distance) else 1e30


def _percentiles(seconds: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(np.array(seconds) * 1e6, [50, 99])
    return {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}
