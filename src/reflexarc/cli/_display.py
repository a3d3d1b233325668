# SPDX-License-Identifier: Apache-2.0
"""What `reflexarc run` shows while it works: one bar per run with both times and running counters.

Everything goes to standard error, so standard output stays clean for the table and the JSON line.
"""

import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from reflexarc.report.comparison import Comparison

COUNTERS = {
    "successes": "{} missions",
    "contacts": "{} contacts",
    "interventions": "{} acts",
    "min_distance_m": "{:.2f} m",
}
"""Running counter to the words shown for it: missions, contacts, interventions, smallest clearance."""
PIPED_WIDTH = 140
"""Columns where the output is no terminal."""


class RunDisplay:
    """Progress bars of several runs; shows nothing when `quiet`."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        if not self.console.is_terminal:
            self.console.width = PIPED_WIDTH
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=8),
            TextColumn("{task.completed:.1f}/{task.total:.0f} s"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[counters]}"),
            console=self.console,
            refresh_per_second=4,
            disable=quiet,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def begin(self, name: str, duration: float) -> None:
        """Show a bar for the run `name` of `duration` simulated seconds."""
        if not self.console.is_terminal:
            self.say(f"{name}: started")
        self._tasks[name] = self._progress.add_task(name, total=duration, counters="starting")

    def update(self, name: str, simulated: float, counters: Mapping[str, Any]) -> None:
        """Move the bar of `name` and show its counters."""
        self._progress.update(self._tasks[name], completed=simulated, counters=counters_text(counters))

    def finish(self, name: str, summary: Mapping[str, Any]) -> None:
        """Fill the bar of `name` with the time the run took and show its final counters."""
        task, simulated = self._tasks[name], summary["duration_s"]
        counters = {**summary, "successes": f"{summary['successes']}/{summary['missions']}"}
        self._progress.update(task, total=simulated, completed=simulated, counters=counters_text(counters))
        self._progress.stop_task(task)

    def end(self, name: str, note: str) -> None:
        """Stop the clock of `name` where it is and replace its counters by `note`."""
        self._progress.update(self._tasks[name], counters=note)
        self._progress.stop_task(self._tasks[name])

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self.console.print(text, soft_wrap=True, markup=False)


def counters_text(counters: Mapping[str, Any]) -> str:
    """Return the known counters in words, such as `1/2 missions · 0 contacts · 0.42 m`."""
    parts = []
    for key, words in COUNTERS.items():
        value = counters.get(key)
        if value is not None and not (isinstance(value, float) and not math.isfinite(value)):
            parts.append(words.format(value))
    return " · ".join(parts)


def print_table(console: Console, comparison: Comparison) -> None:
    """Print the table of one clock."""
    table = Table(title=comparison.title, title_justify="left", title_style="bold")
    table.add_column("")
    for column in comparison.columns:
        table.add_column(column.title, justify="right", style=column.colour)
    for row in comparison.rows:
        cells = (
            f"[bold]{cell}[/bold]" if marked else cell
            for cell, marked in zip(row.cells, row.marked, strict=True)
        )
        table.add_row(escape(row.label), *cells)
    console.print(table)
