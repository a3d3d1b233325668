# SPDX-License-Identifier: Apache-2.0
"""Figures of a run of an arm in contact as inline SVG: the tip's way, force, stiffness, risk and reflexes over time."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from reflexarc.core.types import Array
from reflexarc.report import style
from reflexarc.report.figures import PAGE_INCHES, svg, thin
from reflexarc.report.joint_figures import Log, begins_of, finish_over_time, points_of_seeds

_BALL = 0.012
"""Radius of the balls. [m]"""
_BALLS_EVERY = 10
"""Every so many positions of the balls are drawn, so that their way is seen."""


def path_figure(log: Log) -> str:
    """Draw walls, plan, the tip's way, balls, places of contact and of reflexes, seen from above."""
    tip, surface = log["tip"], log["path"]
    with mpl.rc_context(style.SETTINGS):
        figure, axis = plt.subplots(figsize=(5.2, 4.6))
        if len(walls := log["segments"]):
            lines = walls.reshape(-1, 2, 2)
            axis.add_collection(LineCollection(list(lines), colors=style.INK, linewidths=2.5, label="walls"))
        axis.plot(
            log["plan"][:, 0], log["plan"][:, 1], color=style.MUTED, ls="--", lw=1.0, label="plan as told"
        )
        axis.plot(surface[:, 0], surface[:, 1], color=style.GRID, lw=1.0)
        _balls(axis, log)
        axis.plot(tip[:, 0], tip[:, 1], color=style.BLUE, lw=1.3, label="tip")
        if len(contacts := log["contacts"]):
            axis.scatter(
                contacts[:, 3], contacts[:, 4], s=8.0 + 2.0 * contacts[:, 2], color=style.ORANGE, alpha=0.6,
                label="touched (size: peak force)", zorder=4,
            )  # fmt: skip
        if len(begins := begins_of(log["reflex"] > 0.0)):
            axis.plot(
                tip[begins, 0], tip[begins, 1], "X", color=style.VERMILION, ms=7, label="reflex", zorder=5
            )
        axis.plot(tip[0, 0], tip[0, 1], "o", color=style.INK, ms=4, label="start")
        axis.set_aspect("equal")
        axis.autoscale_view()
        axis.set_title("From above [m]")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7.5)
        figure.tight_layout()
        return svg(figure)


def time_figure(log: Log, summary: Mapping[str, Any]) -> str:
    """Draw force with its limits, stiffness, risk with its threshold and the tank over time; reflexes shaded."""
    time = log["time"]
    stiffest, softest = planar_stiffness(log["stiffness"])
    risk = bool(np.isfinite(log["risk"]).any())
    with mpl.rc_context(style.SETTINGS):
        figure, axes = plt.subplots(
            3, 1, figsize=(PAGE_INCHES, 5.4), sharex=True, height_ratios=(3, 2, 2), layout="constrained"
        )
        force, stiff, last = axes
        measured = np.linalg.norm(log["measured"], axis=1)
        force.plot(*thin(time, measured), color=style.SKY, lw=0.8, label="measured")
        force.plot(*thin(time, np.linalg.norm(log["force"], axis=1)), color=style.INK, lw=1.0, label="true")
        if np.isfinite(log["foreseen"]).any():
            foreseen = np.minimum(log["foreseen"], 1.5 * summary["limits"]["peak_n"])
            force.plot(*thin(time, foreseen), color=style.GREEN, lw=0.8, label="foreseen by the barrier")
        limits = summary["limits"]
        force.axhline(
            limits["peak_n"], color=style.VERMILION, lw=1.0, label=f"never above {limits['peak_n']:g} N"
        )
        sustained = f"not above {limits['sustained_n']:g} N for {1e3 * limits['sustained_s']:g} ms"
        force.axhline(limits["sustained_n"], color=style.ORANGE, lw=1.0, label=sustained)
        force.set_ylim(-1.0, None)
        force.margins(y=0.1)
        force.set_title("Force on the tip [N]")
        stiff.plot(*thin(time, stiffest), color=style.BLUE, lw=1.1, label="largest")
        stiff.plot(*thin(time, softest), color=style.GREEN, lw=1.1, label="least")
        stiff.set_yscale("log")
        stiff.set_title("Planar stiffness [N/m]")
        if risk:
            last.plot(*thin(time, log["risk"]), color=style.PURPLE, lw=1.0, label="risk")
            if summary["threshold"] is not None:
                last.axhline(summary["threshold"], color=style.VERMILION, lw=1.0, label="threshold")
            last.set_title("Risk of the action, by the critic")
        else:
            last.plot(*thin(time, log["tank"]), color=style.PURPLE, lw=1.0, label="tank")
            last.set_title("Energy in the tank [J]; there is no critic")
        return finish_over_time(figure, axes, log)


def seeds_figure(columns: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Draw the peak force of every seed, one column of points per way of running, with the limits."""
    peak = next(iter(columns.values()))[0]["limits"]["peak_n"]
    title = "Peak force of every seed [N]; filled: task done within the limits"
    return points_of_seeds(columns, "peak_force_n", title, peak)


def planar_stiffness(entries: Array) -> tuple[Array, Array]:
    """Return the largest and the least planar stiffness from xx, yy, xy, shape (t, 3) -> (t,) each. [N/m]"""
    middle = (entries[:, 0] + entries[:, 1]) / 2.0
    spread = np.hypot((entries[:, 0] - entries[:, 1]) / 2.0, entries[:, 2])
    return middle + spread, middle - spread


def _balls(axis: Axes, log: Log) -> None:
    balls = log["balls"]
    if balls.size == 0:
        return
    for k in range(balls.shape[1]):
        way = balls[:, k]
        axis.plot(way[:, 0], way[:, 1], color=style.GREEN, lw=0.7, alpha=0.8)
        for place, alpha in [(p, 0.12) for p in way[::_BALLS_EVERY]] + [(way[-1], 0.5)]:
            axis.add_patch(mpl.patches.Circle(place[:2], _BALL, color=style.GREEN, alpha=alpha, lw=0))
