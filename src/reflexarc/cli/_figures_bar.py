# SPDX-License-Identifier: Apache-2.0
"""A progress bar for long work that has figures to show on its way: trainings, searches."""

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class FiguresBar:
    """A progress bar on standard error with figures; use it in a `with`."""

    def __init__(self, title: str, quiet: bool, unit: str = "steps") -> None:
        """Take a title, whether to show nothing, and what is counted."""
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn(f"{{task.completed:.0f}}/{{task.total:.0f}} {unit}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            refresh_per_second=4,
            disable=quiet,
        )
        self._title = title
        self._task = self._progress.add_task(title, total=1, figures="preparing")
        self._said = -1

    def __enter__(self) -> "FiguresBar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Move the bar; where the output is no terminal, print a line every tenth of the way."""
        text = "  ".join(f"{name} {value:.3g}" for name, value in figures.items())
        self._progress.update(self._task, completed=done, total=total, figures=text)
        if not self._console.is_terminal and 10 * done // total > self._said:
            self._said = 10 * done // total
            self._console.print(f"{self._title}: {done}/{total}  {text}", soft_wrap=True, markup=False)
