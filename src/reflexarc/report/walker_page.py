# SPDX-License-Identifier: Apache-2.0
"""The report of runs of a quadruped: one self-contained HTML file with table, figures and film."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from reflexarc.report.arm_page import DRAWN_SEEDS, ArmRunFiles, cell, compared, film_of, number
from reflexarc.report.walker_figures import seeds_figure, time_figure

ROWS = (
    ("stayed up", "success", "share"),
    ("time until it fell or the run was over [s]", "duration_s", "mean"),
    ("error of the velocity, root mean square [m/s]", "velocity_error_m_s", "mean"),
    ("reflexes per run", "reflexes", "mean"),
    ("share of the time under a reflex", "reflex_share", "mean"),
    ("latency of a reflex after its push, median [s]", "reflex_latency_s", "mean"),
    ("largest risk", "risk_most", "max"),
    ("largest lean [rad]", "lean_most_rad", "max"),
    ("share of the time halted", "halted", "mean"),
    ("work of the motors [J]", "work_j", "mean"),
)
"""Words, key and how the runs of a column are put together."""


def comparison_rows(runs: Sequence[ArmRunFiles]) -> list[tuple[str, list[str]]]:
    """Return the rows of the table that compares the columns."""
    columns = compared(runs)
    return [
        (words, [cell([_value(s[key]) for s in rows], how) for rows in columns.values()])
        for words, key, how in ROWS
    ]


def build_walker_report(
    out: Path, name: str, description: str, command: str, runs: Sequence[ArmRunFiles]
) -> Path:
    """Write OUT/report.html and return its path."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    folder = resources.files("reflexarc.report") / "template"
    css = (folder / "page.css").read_text(encoding="utf-8")
    drawn = sorted({run.seed for run in runs})[:DRAWN_SEEDS]
    page = environment.from_string((folder / "walker.html").read_text(encoding="utf-8")).render(
        name=name, description=description, command=command, runs=runs, css=Markup(css),
        columns=list(compared(runs)), rows=comparison_rows(runs),
        lasted=Markup(seeds_figure(compared(runs))),
        figures=[(run, _figure(run), film_of(run)) for run in runs if run.seed in drawn],
        left=len({run.seed for run in runs}) - len(drawn), number=number,
    )  # fmt: skip
    path = out / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _figure(run: ArmRunFiles) -> Markup:
    with np.load(run.folder / "log.npz") as archive:
        log = {key: archive[key] for key in archive.files}
    return Markup(time_figure(log, run.summary))


def _value(value: Any) -> float:
    return float("nan") if value is None else float(value)
