# SPDX-License-Identifier: Apache-2.0
"""Tables of `reflexarc economics` on the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from reflexarc.economics.decisions import figure_text
from reflexarc.economics.statement import MAIN_KEYS, Statement

UNITS = {
    "capex": "usd",
    "bep_runs": "runs",
    "payback_days": "days",
    "npv": "usd",
    "trip_success": "1",
    "trip_assistance": "1",
}
"""Units of the figures that are not usd per run."""


def comparison(statements: Sequence[Statement], pairs: Sequence[Any]) -> None:
    """Print statements side by side, with intervals, then the paired differences."""
    console = Console(highlight=False)
    first = statements[0]
    table = Table(title=f"model {first.model}, revenue {first.convention}")
    table.add_column("")
    for statement in statements:
        table.add_column(statement.name, justify="right")
    runs = [f"{s.n}" + (f" ({s.skipped} skipped)" if s.skipped else "") for s in statements]
    table.add_row("runs", *runs)
    for share in first.shares:
        table.add_row(f"share {share}", *(f"{s.shares[share]:.3f}" for s in statements))
    keys = ["capex", *first.components, "opex", "revenue", "margin", "bep_runs", "payback_days"]
    keys += [key for key in first.figures if key not in keys and key not in MAIN_KEYS]
    for key in keys:
        table.add_row(f"{key} \\[{_unit(key)}]", *(_cell(s, key) for s in statements))
    if any(s.probability_positive is not None for s in statements):
        table.add_row("P(margin > 0)", *(_optional(s.probability_positive) for s in statements))
    console.print(table)
    for statement in statements:
        for reason, count in statement.skip_reasons.items():
            console.print(f"{statement.name}: {count} runs skipped: {reason}", markup=False)
        for note in statement.notes:
            console.print(f"{statement.name}: {note}", markup=False)
    for pair in pairs:
        low, high = pair.ci95["margin"]
        verdict = pair.refused or f"the second is better with probability {pair.probability_better:.3f}"
        console.print(
            f"{pair.second} less {pair.first}, {pair.missions} common missions ({pair.unpaired} runs unpaired): margin "
            f"{pair.difference['margin']:+.4f} usd/run [{low:+.4f}, {high:+.4f}]; {verdict}",
            markup=False,
        )


def break_even(statement: Statement, rows: Sequence[Any]) -> None:
    """Print what each component alone would have to become."""
    console = Console(highlight=False)
    table = Table(
        title=f"{statement.name}: margin {statement.figures['margin']:.4f} usd/run, break-even by one component alone"
    )
    for column in ("component", "now", "needed", "change", "enough alone"):
        table.add_column(column, justify="left" if column == "component" else "right")
    for row in rows:
        table.add_row(
            row.component,
            f"{row.now:.4f}",
            f"{row.needed:.4f}",
            f"{row.change:+.4f}",
            "yes" if row.enough else "no",
        )
    console.print(table)


def tornado(statement: Statement, swings: Sequence[Any], fixed: Sequence[str]) -> None:
    """Print the swing of the margin over each parameter's range."""
    console = Console(highlight=False)
    table = Table(title=f"{statement.name}: margin {statement.figures['margin']:.4f} usd/run")
    for column in ("parameter", "low", "high", "margin at low", "margin at high", "width"):
        table.add_column(column, justify="left" if column == "parameter" else "right")
    for s in swings:
        table.add_row(
            f"{s.parameter} \\[{s.unit}]",
            f"{s.low:g}",
            f"{s.high:g}",
            f"{s.margin_low:.4f}",
            f"{s.margin_high:.4f}",
            f"{s.width:.4f}",
        )
    console.print(table)
    console.print(f"not moved, because nobody states a range: {', '.join(fixed)}", markup=False)


def _unit(key: str) -> str:
    if key.endswith("_per_km") or key.endswith("_per_hour"):
        amount = "kWh" if key.startswith("kwh") else "usd" if "usd" in key else "1"
        return f"{amount}/{'km' if key.endswith('km') else 'h'}"
    return UNITS.get(key, "usd/run")


def _cell(statement: Statement, key: str) -> str:
    text = figure_text(key, statement.figures[key])
    if statement.ci95 is None or key == "capex" or text == "–":
        return text
    low, high = (figure_text(key, x) for x in statement.ci95[key])
    return f"{text}\n\\[{low}, {high}]"


def _optional(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
