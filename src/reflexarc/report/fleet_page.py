# SPDX-License-Identifier: Apache-2.0
"""The report of a run of several robots: one self-contained HTML file with film, deliveries and contacts."""

import base64
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup


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
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    folder = resources.files("reflexarc.report") / "template"
    css = (folder / "page.css").read_text(encoding="utf-8")
    page = environment.from_string((folder / "fleet.html").read_text(encoding="utf-8")).render(
        name=name, description=description, command=command, runs=runs, css=Markup(css), film=_film,
        rows=delivery_rows, columns=lambda run: max((len(c) for _, c in delivery_rows(run)), default=0),
    )  # fmt: skip
    path = out / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def delivery_rows(run: FleetRunFiles) -> list[tuple[str, list[str]]]:
    """Return for each robot how long its deliveries took."""
    table: dict[str, list[str]] = {}
    for row in run.summary["deliveries"]:
        text = "not reached" if row["end"] is None else f"{row['end'] - row['begin']:.1f}"
        table.setdefault(row["robot"], []).append(text)
    return list(table.items())


def _film(run: FleetRunFiles) -> str:
    path = run.folder / "film.gif"
    if not path.exists():
        return ""
    return "data:image/gif;base64," + base64.b64encode(path.read_bytes()).decode()
