# SPDX-License-Identifier: Apache-2.0
"""Learning curves of a training: every column of its log over the steps, those that never change left out."""

import csv
import math
from pathlib import Path

from reflexarc.core.errors import ConfigError

LOG, PICTURE = "log.csv", "curves.png"
_COLUMNS, _SIZE = 3, (3.2, 2.2)
"""Panels in a row, and the size of one. [inch]"""


def draw_curves(folder: Path) -> Path | None:
    """Draw a training's log beside it and return the picture; None if there is nothing to draw.

    Args:
        folder: of the training. A column `stage` parts the rows into lines of their own.

    Raises:
        ConfigError: the log is no table of numbers.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    rows = _read(folder / LOG)
    names = [n for n in (rows[0] if rows else {}) if n not in ("step", "stage") and _varies(rows, n)]
    if not names:
        return None
    stages = sorted({row.get("stage", 0.0) for row in rows})
    height = math.ceil(len(names) / _COLUMNS)
    width = min(len(names), _COLUMNS)
    figure = Figure(figsize=(_SIZE[0] * width, _SIZE[1] * height), layout="constrained")
    panels = figure.subplots(height, width, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        for stage in stages:
            own = [row for row in rows if row.get("stage", 0.0) == stage]
            panel.plot(
                [row["step"] for row in own], [row[name] for row in own], linewidth=1.0, label=f"{stage:g}"
            )
        panel.set_title(name.replace("_", " "), fontsize=9)
        panel.tick_params(labelsize=7)
        panel.grid(alpha=0.3)
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    if len(stages) > 1:
        panels[0].legend(title="stage", fontsize=7, title_fontsize=7)
    figure.supxlabel("step", fontsize=9)
    figure.savefig(folder / PICTURE, dpi=110)
    return folder / PICTURE


def _read(path: Path) -> list[dict[str, float]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: not a training's log ({error})") from error


def _varies(rows: list[dict[str, float]], name: str) -> bool:
    return len({row[name] for row in rows}) > 1
