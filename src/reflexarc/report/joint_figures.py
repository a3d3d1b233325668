# SPDX-License-Identifier: Apache-2.0
"""What the figures of runs of arms and quadrupeds share: shading of reflexes, and a point for every seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reflexarc.core.types import Array
from reflexarc.report import style
from reflexarc.report.figures import PAGE_INCHES, svg

Log = Mapping[str, Array]
"""Arrays of a log as the result of a run saves it."""


def finish_over_time(figure: Figure, axes: Sequence[Axes], log: Log) -> str:
    """Name the time, shade the reflexes, add the legends and return the figure as SVG."""
    axes[-1].set_xlabel("simulated time [s]")
    for axis in axes:
        _shade(axis, log["time"], log["reflex"] > 0.0)
        axis.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=6, borderaxespad=0.1, handlelength=1.4
        )
    return svg(figure)


def points_of_seeds(
    columns: Mapping[str, Sequence[Mapping[str, Any]]], key: str, title: str, limit: float | None = None
) -> str:
    """Draw a figure of every seed, filled where the run was a success, one column of points per way of running."""
    colours = (style.BLUE, style.VERMILION, style.GREEN, style.ORANGE)
    with mpl.rc_context(style.SETTINGS):
        figure, axis = plt.subplots(figsize=(PAGE_INCHES, 2.4), layout="constrained")
        for k, (label, rows) in enumerate(columns.items()):
            at = k + np.linspace(-0.3, 0.3, len(rows)) if len(rows) > 1 else np.array([float(k)])
            values = [row[key] for row in rows]
            face = [colours[k % 4] if row["success"] else "white" for row in rows]
            axis.scatter(at, values, s=26, c=face, edgecolors=colours[k % 4], label=label, zorder=3)
        if limit is not None:
            axis.axhline(limit, color=style.VERMILION, lw=1.0)
        axis.set_xticks(range(len(columns)), list(columns))
        axis.set_ylim(0.0, None)
        axis.set_title(title)
        return svg(figure)


def begins_of(flag: Array) -> Array:
    """Return the indices at which a condition begins."""
    return np.flatnonzero(flag & ~np.concatenate([[False], flag[:-1]]))


def _shade(axis: Axes, time: Array, flag: Array) -> None:
    """Shade where a condition holds, and call it a reflex."""
    ends = np.flatnonzero(flag & ~np.concatenate([flag[1:], [False]]))
    for i, (begin, end) in enumerate(zip(begins_of(flag), ends, strict=True)):
        axis.axvspan(
            time[begin], max(time[end], time[begin] + 0.005), color=style.VERMILION, alpha=0.15, lw=0,
            label="reflex" if i == 0 else None,
        )  # fmt: skip
