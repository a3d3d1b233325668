# SPDX-License-Identifier: Apache-2.0
"""The report of runs of an arm in contact: one self-contained HTML file with table, figures and film."""

import base64
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from reflexarc.report.arm_figures import path_figure, seeds_figure, time_figure

DRAWN_SEEDS = 4
"""So many seeds have figures of their own; the table has all."""


class ArmRunFiles(NamedTuple):
    """One run: how it was run, its seed, folder and summary."""

    column: str
    """Such as `with the critic`."""
    clock: str
    """`lock-step` or `live`."""
    seed: int
    folder: Path
    """Holds log.npz, and film.gif where there is one."""
    summary: dict[str, Any]

    @property
    def title(self) -> str:
        """What the run is called on the page."""
        return f"{self.clock}, seed {self.seed}, {self.column}"


ROWS = (
    ("task done within the limits", "success", "share"),
    ("force beyond its limits", "violated", "share"),
    ("peak force [N]", "peak_force_n", "max"),
    ("CVaR95 of the force [N]", "cvar95_force_n", "mean"),
    ("time to completion [s]", "completion_s", "mean"),
    ("reflexes per run", "reflexes", "mean"),
    ("latency of a reflex, median [ms]", "reflex_latency_ms", "mean"),
    ("tank empty, times", "tank_underflows", "sum"),
    ("work of the motors [J]", "work_j", "mean"),
)
"""Words, key and how the runs of a column are put together."""


def compared(runs: Sequence[ArmRunFiles]) -> dict[str, list[dict[str, Any]]]:
    """Return the summaries of each column, in the order of the runs."""
    columns: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        columns.setdefault(f"{run.clock}, {run.column}", []).append(run.summary)
    return columns


def comparison_rows(runs: Sequence[ArmRunFiles]) -> list[tuple[str, list[str]]]:
    """Return the rows of the table that compares the columns."""
    columns = compared(runs)
    return [
        (words, [cell([_value(s, key) for s in rows], how) for rows in columns.values()])
        for words, key, how in ROWS
    ]


def build_arm_report(
    out: Path, name: str, description: str, command: str, runs: Sequence[ArmRunFiles]
) -> Path:
    """Write OUT/report.html and return its path."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    folder = resources.files("reflexarc.report") / "template"
    css = (folder / "page.css").read_text(encoding="utf-8")
    drawn = sorted({run.seed for run in runs})[:DRAWN_SEEDS]
    page = environment.from_string((folder / "arm.html").read_text(encoding="utf-8")).render(
        name=name, description=description, command=command, runs=runs, css=Markup(css),
        columns=list(compared(runs)), rows=comparison_rows(runs),
        peaks=Markup(seeds_figure(compared(runs))),
        figures=[(run, *_figures(run), film_of(run)) for run in runs if run.seed in drawn],
        left=len({run.seed for run in runs}) - len(drawn), number=number,
    )  # fmt: skip
    path = out / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _figures(run: ArmRunFiles) -> tuple[Markup, Markup]:
    with np.load(run.folder / "log.npz") as archive:
        log = {key: archive[key] for key in archive.files}
    return Markup(path_figure(log)), Markup(time_figure(log, run.summary))


def film_of(run: ArmRunFiles) -> str:
    """Return the film of a run as a data URL; empty where there is none."""
    path = run.folder / "film.gif"
    if not path.exists():
        return ""
    return "data:image/gif;base64," + base64.b64encode(path.read_bytes()).decode()


def _value(summary: dict[str, Any], key: str) -> float:
    if key == "violated":
        return float(bool(summary["violation"]))
    if key == "reflex_latency_ms":
        seconds = summary["reflex_latency_s"]
        return math.nan if seconds is None else 1e3 * seconds
    value = summary[key]
    return math.nan if value is None else float(value)


def cell(values: list[float], how: str) -> str:
    """Return what a table shows of the runs of a column."""
    known = [v for v in values if math.isfinite(v)]
    if how == "share":
        return f"{round(sum(known))} of {len(values)}"
    if not known:
        return "–"
    value = {"max": max(known), "mean": sum(known) / len(known), "sum": sum(known)}[how]
    return f"{value:.0f}" if how == "sum" else f"{value:.2f}"


def number(value: Any, digits: int = 2) -> str:
    """Return a number with its digits; a dash where there is none."""
    return "–" if value is None else f"{float(value):.{digits}f}"
