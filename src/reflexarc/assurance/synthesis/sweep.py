# SPDX-License-Identifier: Apache-2.0
"""Every policy with every alarm setting of a grid, checked side by side; the Pareto front; the choice."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, NamedTuple

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.policies import Policy, policies
from reflexarc.assurance.synthesis.checker import QUERY_LIMIT_S, Checker
from reflexarc.assurance.synthesis.prism import model_text
from reflexarc.assurance.synthesis.queries import figures, policy_queries
from reflexarc.core.errors import ConfigError

ALARM_LEVELS = (0.05, 0.5, 0.95)
"""Quiet, middle and loud; the grid is every corner of quiet and loud, and the middle."""
OBJECTIVES = {"utility": 1, "nuisance": -1, "weighted_risk": -1, "mishap": -1}
"""Figure to its sense: 1 is to be large, -1 small."""


class Configuration(NamedTuple):
    """One point of the design space."""

    policy: Policy
    alarms: Mapping[str, float]


def alarm_grid(cell: Cell, levels: tuple[float, float, float] = ALARM_LEVELS) -> list[dict[str, float]]:
    """Return the corners of the quiet and the loud level, and the middle."""
    quiet, middle, loud = levels
    corners = list(itertools.product((quiet, loud), repeat=len(cell.alarms)))
    points = [*corners, (middle,) * len(cell.alarms)] if cell.alarms else corners
    return [dict(zip(cell.alarms, point, strict=True)) for point in points]


def configurations(cell: Cell, alarms: Iterable[Mapping[str, float]] | None = None) -> list[Configuration]:
    """Return every policy with every alarm setting.

    Raises:
        ConfigError: a setting does not give every alarm an intensity in 0 to 1.
    """
    grid = alarm_grid(cell) if alarms is None else [dict(point) for point in alarms]
    for point in grid:
        if set(point) != set(cell.alarms) or not all(0.0 <= value <= 1.0 for value in point.values()):
            raise ConfigError(
                f"alarms {point}: allowed: one intensity in 0 to 1 for each of {', '.join(cell.alarms) or 'none'}"
            )
    return [Configuration(policy, point) for policy in policies(cell) for point in grid]


def sweep(
    cell: Cell,
    points: Sequence[Configuration],
    jobs: int = 2,
    limit_s: float = QUERY_LIMIT_S,
    progress: Callable[[int], None] = lambda done: None,
    values: Mapping[str, float] | None = None,
    default_stop: bool = True,
) -> list[dict[str, Any]]:
    """Return the figures of every point, in their order.

    Args:
        cell: the cell.
        points: what to check.
        jobs: processes side by side.
        limit_s: longest time of one query. [s]
        progress: told how many points are done.
        values: probabilities by path that replace the nominal ones.
        default_stop: whether the supervisors have their default stop.

    Raises:
        ConfigError: Storm is not installed, or `jobs` is below 1.
        ModelError: Storm refuses a model.
    """
    if jobs < 1:
        raise ConfigError(f"{jobs} jobs; allowed: at least 1")
    free: SimpleQueue[Checker] = SimpleQueue()
    checkers = [Checker(limit_s) for _ in range(jobs)]
    for checker in checkers:
        free.put(checker)
    queries = policy_queries(cell)

    def check(point: Configuration) -> dict[str, Any]:
        checker = free.get()
        try:
            text = model_text(cell, point.policy, point.alarms, values=values, default_stop=default_stop)
            found = figures(cell, checker.check(text, queries))
        finally:
            free.put(checker)
        return {"policy": point.policy.choices(), "alarms": dict(point.alarms), **found}

    rows: list[dict[str, Any]] = []
    pool = ThreadPoolExecutor(jobs)
    try:
        for row in pool.map(check, points):
            rows.append(row)
            progress(len(rows))
    finally:
        pool.shutdown(cancel_futures=True)
        for checker in checkers:
            checker.__exit__()
    return rows


def acceptable(cell: Cell, row: Mapping[str, Any]) -> bool:
    """Return whether a point keeps every constraint: no deadlock, live, resuming, P(mishap) within the cell's limit."""
    return (
        not row["undecided"]
        and row["deadlock"] == 0.0
        and row["live"]
        and row["resumes"]
        and row["mishap"] <= cell.limits.mishap_probability
    )


def pareto(cell: Cell, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the indices of the acceptable points that no other acceptable one dominates in all `OBJECTIVES`."""
    scores = {
        i: tuple(sense * _finite(row[key], sense) for key, sense in OBJECTIVES.items())
        for i, row in enumerate(rows)
        if acceptable(cell, row)
    }
    return [i for i, own in scores.items() if not any(_dominates(other, own) for other in scores.values())]


def by_utility(cell: Cell, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the acceptable points from the largest utility to the smallest; of equals the less risky first."""
    good = [i for i, row in enumerate(rows) if acceptable(cell, row)]
    return sorted(
        good, key=lambda i: (-_finite(rows[i]["utility"], 1), rows[i]["mishap"], rows[i]["nuisance"])
    )


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x >= y for x, y in zip(a, b, strict=True))


def _finite(value: float | None, sense: int) -> float:
    """A figure that does not exist is the worst."""
    return -sense * float("inf") if value is None else value
