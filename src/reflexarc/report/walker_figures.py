# SPDX-License-Identifier: Apache-2.0
"""Figures of a run of a quadruped as inline SVG: velocity as told and as it was, pushes, risk, reflexes over time."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from reflexarc.core.types import Array
from reflexarc.report import style
from reflexarc.report.arm_figures import shade
from reflexarc.report.figures import PAGE_INCHES, svg, thin

Log = Mapping[str, Array]
"""Arrays of a log as `reflexarc_sim.walker_lockstep.WalkerResult` saves it."""


def time_figure(log: Log, summary: Mapping[str, Any]) -> str:
    """Draw velocity ahead and to the left, pushes, lean, and risk with its threshold over time; reflexes shaded."""
    time = log["time"]
    with mpl.rc_context(style.SETTINGS):
        figure, axes = plt.subplots(
            4, 1, figsize=(PAGE_INCHES, 6.4), sharex=True, height_ratios=(2, 2, 2, 2), layout="constrained"
        )
        ahead, left, push, last = axes
        for axis, k, words in ((ahead, 0, "ahead"), (left, 1, "to the left")):
            axis.plot(*thin(time, log["velocity"][:, k]), color=style.BLUE, lw=1.0, label="is")
            axis.plot(*thin(time, log["told"][:, k]), color=style.MUTED, ls="--", lw=1.0, label="told")
            axis.set_title(f"Velocity {words} [m/s]")
        push.plot(*thin(time, log["push"][:, 0]), color=style.ORANGE, lw=1.0, label="ahead [N]")
        push.plot(*thin(time, log["push"][:, 1]), color=style.GREEN, lw=1.0, label="to the left [N]")
        push.set_title("Push on the trunk")
        if np.isfinite(log["risk"]).any():
            last.plot(*thin(time, log["risk"]), color=style.PURPLE, lw=1.0, label="risk")
            if summary["threshold"] is not None:
                last.axhline(summary["threshold"], color=style.VERMILION, lw=1.0, label="threshold")
            last.set_ylim(-0.02, 1.02)
            last.set_title("Risk of a fall, by the critic")
        else:
            last.plot(*thin(time, log["lean"]), color=style.PURPLE, lw=1.0, label="lean")
            last.set_title("Lean of the trunk [rad]; there is no critic")
        last.set_xlabel("simulated time [s]")
        for axis in axes:
            shade(axis, time, log["reflex"] > 0.0)
            axis.legend(
                loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=6, borderaxespad=0.1, handlelength=1.4
            )
        return svg(figure)


def seeds_figure(columns: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Draw for how long the robot of every seed stayed up, one column of points per way of running."""
    colours = (style.BLUE, style.VERMILION, style.GREEN, style.ORANGE)
    with mpl.rc_context(style.SETTINGS):
        figure, axis = plt.subplots(figsize=(PAGE_INCHES, 2.4), layout="constrained")
        for k, (label, rows) in enumerate(columns.items()):
            at = k + np.linspace(-0.3, 0.3, len(rows)) if len(rows) > 1 else np.array([float(k)])
            lasted = [row["duration_s"] for row in rows]
            face = [colours[k % 4] if row["success"] else "white" for row in rows]
            axis.scatter(at, lasted, s=26, c=face, edgecolors=colours[k % 4], label=label, zorder=3)
        axis.set_xticks(range(len(columns)), list(columns))
        axis.set_ylim(0.0, None)
        axis.set_title("Time of every seed until it fell [s]; filled: it did not fall")
        return svg(figure)
