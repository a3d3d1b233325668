# SPDX-License-Identifier: Apache-2.0
"""The cost statement of one policy: from a summary or an episode table to dollars per run, with intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reflexarc.core.types import Array
from reflexarc.economics import extraction
from reflexarc.economics.components import DAYS_PER_YEAR
from reflexarc.economics.episodes import Episodes
from reflexarc.economics.models import Capex, CostModel
from reflexarc.economics.uncertainty import column_means, interval, resampled_means

RESAMPLES = 10_000
MAIN_KEYS = (
    "capex",
    "electricity",
    "service",
    "pedestrian",
    "property",
    "repair",
    "opex",
    "revenue",
    "margin",
    "bep_runs",
    "payback_days",
)
"""Keys that every statement has, in the order in which they are printed."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a source without episodes says about a policy: means per run of the model's columns."""

    source: str
    n: int
    means: Mapping[str, float]
    capex: Capex
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """Dollars per run, by component."""

    name: str
    model: str
    convention: str
    n: int
    skipped: int
    figures: Mapping[str, float]
    """Every figure of the model; capex in usd, bep_runs in runs, payback_days in days, the rest usd per run
    unless the key says otherwise. inf where it does not exist.
    """
    shares: Mapping[str, float]
    """Share of runs per outcome."""
    components: tuple[str, ...]
    ci95: Mapping[str, tuple[float, float]] | None = None
    """95 % bootstrap intervals of every figure; None for a summary without episodes."""
    probability_positive: float | None = None
    """Share of resamples with a positive margin."""
    rankable: bool = True
    """Whether the policy may be compared with others by its margin."""
    within_life: bool | None = None
    """Whether the capital is paid back within the robot's life; None when it never is."""
    skip_reasons: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the statement as one JSON object; what does not exist is null."""
        rest = [key for key in self.figures if key not in MAIN_KEYS]
        keys = (*MAIN_KEYS, *rest)
        data: dict[str, Any] = {"name": self.name, "model": self.model, "revenue_convention": self.convention}
        data |= {"n": self.n, "skipped": self.skipped, "skip_reasons": dict(self.skip_reasons)}
        data |= {key: _plain(self.figures[key]) for key in keys}
        data |= {"outcome_shares": {k: _plain(v) for k, v in self.shares.items()}}
        data |= {"payback_within_life": self.within_life, "rankable": self.rankable}
        if self.ci95 is not None:
            data["ci95"] = {key: [_plain(x) for x in self.ci95[key]] for key in keys}
            data["probability_margin_positive"] = self.probability_positive
        return data | {"notes": list(self.notes)}


def state_summary(
    summary: Summary, model: CostModel, convention: str | None = None, name: str = ""
) -> Statement:
    """Return the statement of a summary; it has no intervals."""
    capex = model.capital(summary.capex, model.parameters)
    return _statement(
        name or summary.source, model, convention, summary.n, summary.means, capex, notes=summary.notes
    )


def state_episodes(
    episodes: Episodes,
    model: CostModel,
    capex: Capex,
    convention: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    name: str = "",
) -> Statement:
    """Return the statement of an episode table, with bootstrap intervals for every figure.

    Args:
        episodes: runs of one policy.
        model: how they are charged.
        capex: what the robot cost.
        convention: revenue convention; the model's own if None.
        resamples: bootstrap resamples; 0 for none.
        seed: of the resampling.
        name: of the policy, for tables.
    """
    table = model.features(episodes)
    capital = model.capital(capex, model.parameters)
    means = model.means(column_means(table))
    lost = extraction.unpriced(episodes, model.parameters)
    notes = (
        *episodes.notes,
        *(
            f"{count} contacts with {kind} have no price in model {model.name}"
            for kind, count in lost.items()
        ),
    )
    statement_args = {
        "skipped": episodes.skipped,
        "skip_reasons": episodes.skip_reasons,
        "notes": notes,
    }
    ci95, positive = None, None
    if resamples:
        figures = resampled_figures(table, model, capital, convention, resamples, seed)
        ci95 = {key: interval(values) for key, values in figures.items()}
        positive = float(np.mean(figures["margin"] > 0.0))
    return _statement(
        name or episodes.source,
        model,
        convention,
        len(episodes),
        means,
        capital,
        ci95,
        positive,
        **statement_args,
    )


def resampled_figures(
    table: Array, model: CostModel, capital: float, convention: str | None, resamples: int, seed: int
) -> dict[str, Array]:
    """Return every figure for each resample of the rows of `table`, each of shape (resamples,)."""
    figures = model.figures(model.means(resampled_means(table, resamples, seed)), capital, convention)
    return {key: np.broadcast_to(values, (resamples,)) for key, values in figures.items()}


def _statement(
    name: str,
    model: CostModel,
    convention: str | None,
    n: int,
    means: Mapping[str, Any],
    capital: float,
    ci95: Mapping[str, tuple[float, float]] | None = None,
    positive: float | None = None,
    skipped: int = 0,
    skip_reasons: Mapping[str, int] | None = None,
    notes: tuple[str, ...] = (),
) -> Statement:
    figures = {key: float(value) for key, value in model.figures(means, capital, convention).items()}
    success = float(means["success"])
    life_days = model.parameters["robot_life_years"] * DAYS_PER_YEAR
    days = figures["payback_days"]
    within = None if math.isinf(days) else days <= life_days
    rankable = not (model.refuses_rank_without_success and success <= 0.0)
    extra = []
    if within is False:
        extra.append(
            f"the capital is paid back only after {days:.0f} days, beyond the robot's life of {life_days:.0f} days"
        )
    if not rankable:
        extra.append("no run succeeded: this policy is not ranked, however little it costs")
    return Statement(
        name=name,
        model=model.name,
        convention=convention or model.convention,
        n=n,
        skipped=skipped,
        figures=figures,
        shares={key: float(means[key]) for key in ("success", "spoiled", "timeout", "assistance")},
        components=model.components,
        ci95=ci95,
        probability_positive=positive,
        rankable=rankable,
        within_life=within,
        skip_reasons=skip_reasons or {},
        notes=(*notes, *extra),
    )


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
