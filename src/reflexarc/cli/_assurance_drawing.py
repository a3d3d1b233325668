# SPDX-License-Identifier: Apache-2.0
"""Drawings of a cell and of a synthesis."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.synthesis.sweep import acceptable
from reflexarc.core.errors import ConfigError

COLOURS = {"requires": "#5b5b5b", "prevents": "#b3261e", "causes": "#0b6fb8", "blocks": "#c8641e"}
SUFFIXES = (".svg", ".png")
_BOX = 0.27
"""Half the width of a box, in columns."""


def cell_figure(cell: Cell) -> Figure:
    """Draw signals, hazards with their relations, mitigations and modes, from left to right."""
    columns = [
        list(cell.signals),
        list(cell.hazards),
        [name for hazard in cell.hazards.values() for name in hazard.mitigations],
        list(cell.modes),
    ]
    rows = max(len(set(column)) for column in columns)
    figure = Figure(figsize=(11.0, 1.0 + 0.62 * rows), layout="constrained")
    panel = figure.subplots()
    panel.set(xlim=(-0.5, 3.5), ylim=(-0.9, rows))
    panel.axis("off")
    at: list[dict[str, tuple[float, float]]] = []
    for x, (title, names) in enumerate(
        zip(("signals", "hazards", "mitigations", "modes"), columns, strict=True)
    ):
        unique = list(dict.fromkeys(names))
        step = rows / len(unique)
        at.append({name: (float(x), rows - 0.5 - step * (i + 0.5)) for i, name in enumerate(unique)})
        panel.text(x, rows - 0.25, title, ha="center", weight="bold")
        for name, (left, y) in at[-1].items():
            panel.text(
                left,
                y,
                name,
                ha="center",
                va="center",
                fontsize=9,
                bbox={"boxstyle": "round", "fc": "white", "ec": "black"},
            )
    for name, hazard in cell.hazards.items():
        for signal in hazard.detected_by:
            _arrow(panel, at[0][signal], at[1][name], "#999999")
        for action in hazard.mitigations:
            _arrow(panel, at[1][name], at[2][action], "#999999")
            _arrow(panel, at[2][action], at[3][cell.actions[action].mode], "#999999")
        for i, (kind, colour) in enumerate(COLOURS.items()):
            for other in getattr(hazard, kind):
                _arrow(panel, at[1][name], at[1][other], colour, bend=0.25 + 0.15 * i)
    for i, (kind, colour) in enumerate(COLOURS.items()):
        panel.text(i - 0.2, -0.8, f"→ {kind}", color=colour, fontsize=9)
    return figure


def pareto_figure(cell: Cell, rows: Sequence[Mapping[str, Any]], front: Sequence[int], chosen: int) -> Figure:
    """Draw utility against P(mishap) of all acceptable points, the front and the choice."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    panel = figure.subplots()
    groups = (
        ("keeps the constraints", [i for i, r in enumerate(rows) if acceptable(cell, r)], "#b0b0b0", 18),
        ("not dominated", list(front), "#0b6fb8", 26),
        ("chosen", [chosen], "#c8641e", 70),
    )
    for label, indices, colour, size in groups:
        points = [(rows[i]["mishap"], rows[i]["utility"]) for i in indices if rows[i]["utility"] is not None]
        if points:
            panel.scatter(*zip(*points, strict=True), s=size, color=colour, label=label)
    panel.axvline(cell.limits.mishap_probability, color="#b3261e", lw=1.0, label="limit")
    seconds = cell.horizon_steps * cell.step_s
    panel.set(xlabel=f"P(mishap within {seconds:g} s)", ylabel="productivity / (disruption + effort)")
    panel.legend(fontsize=8)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG or PNG.

    Raises:
        ConfigError: another suffix.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: the suffix must be one of {', '.join(SUFFIXES)}; nothing was drawn")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".svg":
        FigureCanvasSVG(figure)
    figure.savefig(path)


def _arrow(
    panel: Any, start: tuple[float, float], end: tuple[float, float], colour: str, bend: float = 0.0
) -> None:
    style: dict[str, Any] = {"arrowstyle": "->", "color": colour}
    if bend:
        style |= {"connectionstyle": f"arc3,rad={bend}", "shrinkA": 12, "shrinkB": 12, "lw": 1.3}
    else:
        start, end = (start[0] + _BOX, start[1]), (end[0] - _BOX, end[1])
    panel.annotate("", xy=end, xytext=start, arrowprops=style)
