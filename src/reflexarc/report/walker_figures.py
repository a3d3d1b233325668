# SPDX-License-Identifier: Apache-2.0
"""Figures of a run of a quadruped as inline SVG: velocity as told and as it was, pushes, risk, reflexes over time."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from reflexarc.report import style
from reflexarc.report.figures import PAGE_INCHES, thin
from reflexarc.report.joint_figures import Log, finish_over_time, points_of_seeds


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
        return finish_over_time(figure, axes, log)


def seeds_figure(columns: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Draw for how long the robot of every seed stayed up, one column of points per way of running."""
    title = "Time of every seed until it fell [s]; filled: it did not fall"
    return points_of_seeds(columns, "duration_s", title)
