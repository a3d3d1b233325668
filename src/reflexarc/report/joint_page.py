# SPDX-License-Identifier: Apache-2.0
"""The report of runs of one robot that is driven joint by joint: table, figures and film of every way of running."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from reflexarc.report.joint_figures import Log
from reflexarc.report.render import film_of, write_report

DRAWN_SEEDS = 4
"""So many seeds have figures of their own; the table has all."""
Summary = Mapping[str, Any]


class JointRunFiles(NamedTuple):
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
    def label(self) -> str:
        """The column of the tables that it belongs to."""
        return f"{self.clock}, {self.column}"

    @property
    def title(self) -> str:
        """What the run is called on the page."""
        return f"{self.clock}, seed {self.seed}, {self.column}"

    @property
    def outcome(self) -> str:
        """The limit that was broken, else how it ended."""
        return self.summary.get("violation") or self.summary["outcome"]


def plain_value(summary: Summary, key: str) -> float:
    """Return a figure of a summary; NaN where there is none."""
    value = summary[key]
    return math.nan if value is None else float(value)


@dataclass(frozen=True, slots=True)
class JointPage:
    """What the report of one kind of robot has of its own."""

    template: str
    """Its file, an extension of joint.html."""
    rows: tuple[tuple[str, str, str], ...]
    """Words, key and how the runs of a column are put together."""
    seeds_figure: Callable[[Mapping[str, Sequence[Summary]]], str]
    """Draws a figure of all seeds of each column."""
    figures: Callable[[Log, Summary], dict[str, str]]
    """Draws the figures of a run by their names in the template."""
    value: Callable[[Summary, str], float] = plain_value
    """Takes the figure of a row from a summary."""

    def comparison_rows(self, runs: Sequence[JointRunFiles]) -> list[tuple[str, list[str]]]:
        """Return the rows of the table that compares the columns."""
        columns = _compared(runs)
        return [
            (words, [_cell([self.value(s, key) for s in summaries], how) for summaries in columns.values()])
            for words, key, how in self.rows
        ]

    def build(
        self, out: Path, name: str, description: str, command: str, runs: Sequence[JointRunFiles]
    ) -> Path:
        """Write OUT/report.html and return its path."""
        columns = _compared(runs)
        seeds = sorted({run.seed for run in runs})
        drawn = seeds[:DRAWN_SEEDS]
        return write_report(
            out, self.template,
            name=name, description=description, command=command, runs=runs,
            columns=list(columns), rows=self.comparison_rows(runs), seeds=Markup(self.seeds_figure(columns)),
            figures=[(run, self._drawn(run), film_of(run.folder)) for run in runs if run.seed in drawn],
            left=len(seeds) - len(drawn), number=_number,
        )  # fmt: skip

    def _drawn(self, run: JointRunFiles) -> dict[str, Markup]:
        with np.load(run.folder / "log.npz") as archive:
            log = {key: archive[key] for key in archive.files}
        return {name: Markup(figure) for name, figure in self.figures(log, run.summary).items()}


def _compared(runs: Sequence[JointRunFiles]) -> dict[str, list[dict[str, Any]]]:
    """Return the summaries of each column, in the order of the runs."""
    columns: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        columns.setdefault(run.label, []).append(run.summary)
    return columns


def _cell(values: list[float], how: str) -> str:
    """Return what a table shows of the runs of a column."""
    known = [v for v in values if math.isfinite(v)]
    if how == "share":
        return f"{round(sum(known))} of {len(values)}"
    if not known:
        return "–"
    value = {"max": max(known), "mean": sum(known) / len(known), "sum": sum(known)}[how]
    return f"{value:.0f}" if how == "sum" else f"{value:.2f}"


def _number(value: Any, digits: int = 2) -> str:
    """Return a number with its digits; a dash where there is none."""
    return "–" if value is None else f"{float(value):.{digits}f}"
