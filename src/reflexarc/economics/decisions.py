# SPDX-License-Identifier: Apache-2.0
"""What follows from statements: paired comparison of two policies, break-even changes, tornado."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.economics.episodes import Episodes
from reflexarc.economics.models import Capex, CostModel
from reflexarc.economics.statement import MAIN_KEYS, RESAMPLES, Statement
from reflexarc.economics.uncertainty import interval, resampled_means


@dataclass(frozen=True, slots=True)
class Comparison:
    """Second policy less first, on missions that both drove."""

    first: str
    second: str
    missions: int
    unpaired: int
    """Missions that only one of them drove; left out of the comparison and counted here."""
    difference: dict[str, float]
    """Per figure. [usd/run]"""
    ci95: dict[str, tuple[float, float]]
    probability_better: float
    """Share of resamples in which the second has the larger margin."""
    refused: str = ""
    """Why there is no ranking; empty if there is one."""


def compare(
    first: Episodes,
    second: Episodes,
    model: CostModel,
    capex: tuple[Capex, Capex],
    convention: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    names: tuple[str, str] = ("first", "second"),
) -> Comparison:
    """Compare two policies mission by mission: missions are resampled, and both policies keep their runs of
    each.

    Raises:
        ConfigError: they ran on different robots or have no mission in common.
    """
    if first.robot != second.robot:
        raise ConfigError(
            f"mixed robots: {names[0]} ran on {first.robot!r}, {names[1]} on {second.robot!r}; they cannot be paired"
        )
    place = {key: i for i, key in enumerate(second.keys)}
    rows = [(i, place[key]) for i, key in enumerate(first.keys) if key in place]
    if not rows:
        raise ConfigError(
            f"{names[0]} and {names[1]} have no mission in common (such as {first.keys[0]!r} and {second.keys[0]!r})"
        )
    a, b = first.select([i for i, _ in rows]), second.select([j for _, j in rows])
    tables = [model.features(episodes) for episodes in (a, b)]
    capital = [model.capital(c, model.parameters) for c in capex]
    resampled = resampled_means(np.hstack(tables), resamples, seed)
    width = tables[0].shape[1]
    sides, points = [], []
    for k, table in enumerate(tables):
        means = model.means(resampled[:, k * width : (k + 1) * width])
        sides.append(model.figures(means, capital[k], convention))
        points.append(model.figures(model.means(table.mean(axis=0)), capital[k], convention))
    keys = [key for key in points[0] if key not in ("bep_runs", "payback_days", "usd_per_delivery")]
    difference = {key: float(points[1][key] - points[0][key]) for key in keys}
    changes = {key: np.broadcast_to(sides[1][key] - sides[0][key], (resamples,)) for key in keys}
    return Comparison(
        first=names[0],
        second=names[1],
        missions=len(rows),
        unpaired=len(first) + len(second) - 2 * len(rows),
        difference=difference,
        ci95={key: interval(values) for key, values in changes.items()},
        probability_better=float(np.mean(changes["margin"] > 0.0)),
        refused=_refusal(model, (a, b), names),
    )


def _refusal(model: CostModel, tables: tuple[Episodes, Episodes], names: tuple[str, str]) -> str:
    if not model.refuses_rank_without_success:
        return ""
    idle = []
    for name, episodes in zip(names, tables, strict=True):
        if float(model.means(model.features(episodes).mean(axis=0))["success"]) <= 0.0:
            idle.append(name)
    return f"not ranked: no run of {' and '.join(idle)} succeeded" if idle else ""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The smallest change of one component that brings the margin to zero, all others unchanged."""

    component: str
    now: float
    """[usd/run]"""
    needed: float
    """Value at which the margin is zero; never below zero for a cost. [usd/run]"""
    change: float
    """needed - now; 0 when the margin is not negative. [usd/run]"""
    enough: bool
    """Whether this component alone can do it."""


def break_even(statement: Statement) -> list[BreakEven]:
    """Return the change that each component, and the revenue, would have to make alone."""
    deficit = max(0.0, -statement.figures["margin"])
    rows = []
    for name in statement.components:
        now = statement.figures[name]
        enough = now >= deficit
        needed = now - deficit if enough else 0.0
        rows.append(BreakEven(name, now, needed, needed - now, enough))
    now = statement.figures["revenue"]
    rows.append(BreakEven("revenue", now, now + deficit, deficit, True))
    return rows


@dataclass(frozen=True, slots=True)
class Swing:
    """What the stated range of one parameter does to the margin."""

    parameter: str
    unit: str
    low: float
    high: float
    margin_low: float
    """Margin with the parameter at `low`. [usd/run]"""
    margin_high: float
    """Margin with the parameter at `high`. [usd/run]"""

    @property
    def width(self) -> float:
        """Largest less smallest margin over the range. [usd/run]"""
        return abs(self.margin_high - self.margin_low)


def tornado(model: CostModel, margin: Callable[[CostModel], float]) -> list[Swing]:
    """Return the swing of every parameter that has a stated range, widest first; a parameter without range
    is not moved.

    Args:
        model: with its parameters.
        margin: margin of the runs under a model. [usd/run]
    """
    swings = []
    for item in model.parameters.all():
        if item.low is None or item.high is None or item.low == item.high:
            continue
        ends = [
            margin(model.with_parameters(model.parameters.with_values({item.name: value})))
            for value in (item.low, item.high)
        ]
        swings.append(Swing(item.name, item.unit, item.low, item.high, *ends))
    return sorted(swings, key=lambda s: -s.width)


def ranking(statements: list[Statement]) -> list[tuple[int | None, Statement]]:
    """Return statements by margin with their ranks; those that may not be ranked come last, without one."""
    ordered = sorted((s for s in statements if s.rankable), key=lambda s: -s.figures["margin"])
    rest = [s for s in statements if not s.rankable]
    return [*((i + 1, s) for i, s in enumerate(ordered)), *((None, s) for s in rest)]


def figure_text(key: str, value: float) -> str:
    """Return a figure for a table; what does not exist is a dash."""
    if math.isinf(value):
        return "–"
    digits = {"capex": 2, "bep_runs": 1, "payback_days": 1, "npv": 0}.get(
        key, 4 if key in (*MAIN_KEYS, "operator", "rescue") else 6
    )
    return f"{value:.{digits}f}"
