# SPDX-License-Identifier: Apache-2.0
"""The report of a run of several robots: one self-contained HTML file with film, deliveries and contacts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reflexarc.report.render import film_of, write_report


class FleetRunFiles(NamedTuple):
    """One run: its clock, seed, folder and summary."""

    clock: str
    seed: int
    folder: Path
    summary: dict[str, Any]


def build_fleet_report(
    out: Path, name: str, description: str, command: str, runs: Sequence[FleetRunFiles]
) -> Path:
    """Write OUT/report.html and return its path."""
    return write_report(
        out, "fleet.html", name=name, description=description, command=command, runs=runs,
        film=lambda run: film_of(run.folder), rows=delivery_rows,
        columns=lambda run: max((len(c) for _, c in delivery_rows(run)), default=0),
    )  # fmt: skip


def delivery_rows(run: FleetRunFiles) -> list[tuple[str, list[str]]]:
    """Return for each robot how long its deliveries took."""
    table: dict[str, list[str]] = {}
    for row in run.summary["deliveries"]:
        text = "not reached" if row["end"] is None else f"{row['end'] - row['begin']:.1f}"
        table.setdefault(row["robot"], []).append(text)
    return list(table.items())
