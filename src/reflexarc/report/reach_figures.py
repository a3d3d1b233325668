# SPDX-License-Identifier: Apache-2.0
"""Figures of density reachability: particles coloured by their density over time, and when the first contact is."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

PANELS = 6
"""Most points in time that are drawn."""
SHOWN = 3000
"""Most particles per panel."""


def density_figure(
    t: Any, x: Any, log_density: Any, names: list[str], axes: tuple[int, int], boxes: Any = None
) -> Figure:
    """Draw particles at some times, coloured by their log-density.

    Args:
        t: shape (K + 1,). [s]
        x: shape (K + 1, N, n).
        log_density: shape (K + 1, N).
        names: of the n coordinates, with units.
        axes: coordinates to draw.
        boxes: low and high corner of a box on the drawn coordinates, or None.
    """
    chosen = np.unique(np.linspace(0, len(t) - 1, PANELS).astype(int))
    figure = Figure(figsize=(2.6 * len(chosen), 2.9), layout="constrained")
    panels = figure.subplots(1, len(chosen), squeeze=False)[0]
    few = slice(None, SHOWN)
    for panel, k in zip(panels, chosen, strict=True):
        order = np.argsort(log_density[k, few])
        points = x[k, few][order]
        shown = panel.scatter(
            points[:, axes[0]], points[:, axes[1]], c=log_density[k, few][order], s=2, cmap="viridis"
        )
        if boxes is not None:
            (a, b), (c, d) = boxes
            panel.plot([a, c, c, a, a], [b, b, d, d, b], color="#c8641e", lw=1.2)
        panel.set_title(f"{t[k]:.2f} s", fontsize=9)
        panel.set_xlabel(names[axes[0]])
        figure.colorbar(shown, ax=panel, shrink=0.7)
    panels[0].set_ylabel(names[axes[1]])
    figure.suptitle("log-density of reachable states", fontsize=10)
    return figure


def contact_figure(t: Any, first_hit: Any) -> Figure:
    """Draw the probability of having touched something by each time.

    Args:
        t: shape (K + 1,). [s]
        first_hit: probability that the first contact is at each output, shape (K + 1,).
    """
    figure = Figure(figsize=(5.0, 2.8), layout="constrained")
    panel = figure.subplots()
    panel.step(t, np.cumsum(first_hit), where="post", color="#0b6fb8")
    panel.set(xlabel="time [s]", ylabel="probability of a contact so far", ylim=(0.0, None))
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG or, by the path's suffix, PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".svg":
        FigureCanvasSVG(figure)
    figure.savefig(path)
