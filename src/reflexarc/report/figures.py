# SPDX-License-Identifier: Apache-2.0
"""The figures of the report as inline SVG: speeds, margin, distance and tick times over time.

Long series are thinned to the minimum and maximum of each bin, so no spike disappears.
"""

import io
from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reflexarc.core.types import Array
from reflexarc.mission.summary import MOVING_SPEED
from reflexarc.report import style
from reflexarc.report.comparison import LEARNED, STOPPING
from reflexarc.report.runlog import RunLog

BINS = 600
"""Bins along the time axis; two points each is about one per pixel of the page."""
PAGE_INCHES = 9.6
CUT_M = 6.0
"""Margins above this are drawn as this; nobody is near then."""
MIN_LATENESS_MS = 1e-3
"""Earlier and smaller values are drawn here, a logarithmic axis has no zero."""
NICE_TICKS = tuple(digit * 10.0**power for power in range(-3, 6) for digit in (1, 2, 5))
STAGE_MERGE_S = 0.1
"""Shaded spans closer than this are drawn as one; below a pixel on the page."""


def svg(figure: Figure) -> str:
    """Return `figure` as an SVG element that scales with the page, and close it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def thin(time: Array, values: Array, bins: int = BINS) -> tuple[Array, Array]:
    """Return each bin's minimum and maximum in their order in time; bins of NaN stay gaps."""
    if len(time) <= 2 * bins:
        return time, values
    edges = np.linspace(0, len(time), bins + 1).astype(int)
    kept: list[int] = []
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        piece = values[start:stop]
        if np.all(np.isnan(piece)):
            kept.append(start)
        else:
            kept.extend(sorted({start + int(np.nanargmin(piece)), start + int(np.nanargmax(piece))}))
    index = np.array(kept)
    return time[index], values[index]


def speed_figure(log: RunLog, stages: tuple[str, ...]) -> str:
    """Draw proposed against commanded speed and yaw rate, interventions shaded by stage."""
    with mpl.rc_context(style.SETTINGS):
        figure, axes = plt.subplots(2, 1, figsize=(PAGE_INCHES, 4.2), sharex=True, height_ratios=(3, 2))
        for axis, column, title in zip(
            axes, (0, 1), ("Forward speed [m/s]", "Yaw rate [rad/s]"), strict=True
        ):
            axis.plot(
                *thin(log.time, log.proposal[:, column]), color=style.PROPOSAL, lw=1.2, label="proposal"
            )
            axis.plot(
                *thin(log.time, log.twist[:, column]), color=style.INK, lw=0.7, alpha=0.5, label="measured"
            )
            axis.plot(*thin(log.time, log.command[:, column]), color=style.WITH_ARC, lw=1.3, label="command")
            axis.set_title(title)
            _shade(axis, log, stages)
        _mark_contacts(axes[0], log)
        axes[1].set_xlabel("simulated time [s]")
        _legend(axes[0])
        _align(figure)
        return svg(figure)


def margin_figure(log: RunLog, stages: tuple[str, ...]) -> str:
    """Draw the stopping barrier's margin h and the learned barrier V over time; below zero the safe set is left."""
    learned = bool(np.isfinite(log.learned_margin).any())
    with mpl.rc_context(style.SETTINGS):
        figure, axis = plt.subplots(figsize=(PAGE_INCHES, 2.3))
        axis.plot(
            *thin(log.time, np.minimum(log.margin, 6.0)), color=style.WITH_ARC, lw=1.1, label="margin h"
        )
        if learned:
            word = "learned barrier V (uncertified)" if log.uncertified.any() else "learned barrier V"
            values = np.where(np.isfinite(log.learned_margin), log.learned_margin, np.nan)
            axis.plot(*thin(log.time, values), color=style.GREEN, lw=1.1, label=word)
        axis.axhline(0.0, color=style.VERMILION, lw=1.0, label="edge of the safe set")
        both = " and learned barrier V" if learned else ""
        axis.set_title(f"Barrier margin h{both} [m], cut at 6 m")
        axis.set_xlabel("simulated time [s]")
        _shade(axis, log, stages)
        _legend(axis)
        _align(figure)
        return svg(figure)


def both_margins_figure(log: RunLog) -> str:
    """Draw both barriers' margins above the speed that they left of the proposal; shading says which one decided."""
    word = "learned barrier V" + (" (uncertified)" if log.uncertified.any() else "")
    with mpl.rc_context(style.SETTINGS):
        figure, (margins, speeds) = plt.subplots(
            2, 1, figsize=(PAGE_INCHES, 4.6), sharex=True, height_ratios=(3, 2)
        )
        near = thin(log.time, np.minimum(log.min_distance, CUT_M))
        margins.fill_between(*near, color=style.GRID, lw=0, label="clearance")
        margins.plot(
            *thin(log.time, np.minimum(log.margin, CUT_M)),
            color=style.WITH_ARC,
            lw=1.2,
            label="stopping barrier h",
        )
        values = np.where(np.isfinite(log.learned_margin), np.minimum(log.learned_margin, CUT_M), np.nan)
        margins.plot(*thin(log.time, values), color=style.GREEN, lw=1.4, label=word)
        margins.axhline(0.0, color=style.VERMILION, lw=1.0, label="edge of the safe set")
        margins.set_title("Margins [m]")
        speeds.plot(*thin(log.time, log.proposal[:, 0]), color=style.PROPOSAL, lw=1.2, label="proposal")
        speeds.plot(*thin(log.time, log.command[:, 0]), color=style.INK, lw=1.2, label="command")
        speeds.set_title("Forward speed [m/s]")
        speeds.set_xlabel("simulated time [s]")
        for stage, colour, words in (
            (STOPPING, style.SKY, "the stopping barrier decides"),
            (LEARNED, style.ORANGE, "the learned barrier decides"),
        ):
            _shade_stage(margins, log, stage, colour)
            _shade_stage(speeds, log, stage, colour, words)
        _mark_contacts(margins, log)
        _legend(margins)
        _legend(speeds)
        _align(figure)
        return svg(figure)


def distance_figure(runs: Sequence[tuple[str, str, RunLog]]) -> str:
    """Draw the clearance to the nearest pedestrian of each (label, colour, log), contacts at zero."""
    with mpl.rc_context(style.SETTINGS):
        figure, axis = plt.subplots(figsize=(PAGE_INCHES, 2.6))
        for label, colour, log in runs:
            axis.plot(*thin(log.time, np.minimum(log.min_distance, 6.0)), color=colour, lw=1.1, label=label)
            _mark_contacts(axis, log, colour, "_nolegend_")
        axis.set_ylim(bottom=-0.15)
        axis.set_title("Nearest pedestrian [m], cut at 6 m (× contact)")
        axis.set_xlabel("simulated time [s]")
        _legend(axis)
        _align(figure)
        return svg(figure)


def tick_figure(log: RunLog, period: float) -> str:
    """Draw how long ticks took and, live, how late they began; `period` is the control period [s]."""
    used = log.tick_time[np.isfinite(log.tick_time)] * 1e6
    late = np.maximum(log.lateness[np.isfinite(log.lateness)] * 1e3, MIN_LATENESS_MS)
    with mpl.rc_context(style.SETTINGS):
        figure, axes = plt.subplots(1, 2 if len(late) else 1, figsize=(PAGE_INCHES, 2.6), squeeze=False)
        lines = [(np.percentile(used, q), f"p{q} = {np.percentile(used, q):.0f} µs") for q in (50, 99)]
        _histogram(axes[0, 0], used, style.WITH_ARC, "Time used by a tick [µs], number of ticks", lines)
        if len(late):
            limit = 0.5e3 * period
            lines = [(limit, f"half a period; {np.mean(late > limit):.2%} of ticks are later")]
            _histogram(axes[0, 1], late, style.GREEN, "How late ticks began [ms], number of ticks", lines)
        _align(figure)
        return svg(figure)


def _histogram(
    axis: Axes, values: Array, colour: str, title: str, lines: Sequence[tuple[float, str]]
) -> None:
    """Draw a histogram with both axes logarithmic and marked values."""
    axis.hist(values, bins=_log_bins(values), color=colour)
    axis.set_xscale("log")
    axis.set_yscale("log")
    low, high = axis.get_xlim()
    axis.set_xticks([t for t in NICE_TICKS if low <= t <= high])
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    for (value, label), dash in zip(lines, ("-", "--"), strict=False):
        axis.axvline(value, color=style.INK, lw=1.1, ls=dash, label=label)
    axis.set_title(title)
    top = axis.get_ylim()[1]
    axis.set_ylim(0.7, 8 * top)
    axis.legend(loc="upper right", handlelength=1.4)


def _log_bins(values: Array) -> Array:
    low, high = max(float(values.min()), 1e-3), max(float(values.max()), 2e-3)
    return np.geomspace(low * 0.99, high * 1.01, 60)


def _shade(axis: Axes, log: RunLog, stages: tuple[str, ...]) -> None:
    """Shade the time during which each stage changed the command."""
    for stage in log.stages:
        _shade_stage(axis, log, stage, style.stage_colour(stage, stages), f"{stage} intervenes")


def _shade_stage(axis: Axes, log: RunLog, stage: str, colour: str, label: str | None = None) -> None:
    """Shade the time during which one stage changed the command."""
    active = log.time[log.changed[:, log.stages.index(stage)] > 0] if stage in log.stages else log.time[:0]
    if len(active) == 0:
        return
    breaks = np.flatnonzero(np.diff(active) > STAGE_MERGE_S)
    starts = active[np.r_[0, breaks + 1]]
    ends = active[np.r_[breaks, len(active) - 1]]
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis.axvspan(
            start, max(end, start + 0.02), color=colour, alpha=0.25, lw=0, label=label if i == 0 else None
        )


def _mark_contacts(axis: Axes, log: RunLog, colour: str = style.VERMILION, label: str | None = None) -> None:
    """Mark contacts with pedestrians at zero: filled while the robot moved, hollow while it stood."""
    for moving, face, words in (
        (True, colour, "hit a pedestrian"),
        (False, "white", "touched while standing"),
    ):
        times = [
            event["time"]
            for event in log.events_of("contact")
            if event["contact_class"] == "pedestrian" and (event["robot_speed"] > MOVING_SPEED) == moving
        ]
        if times:
            axis.plot(
                times,
                np.zeros(len(times)),
                "X",
                mfc=face,
                mec=colour,
                ms=7,
                ls="",
                label=label or words,
                clip_on=False,
                zorder=5,
            )


def _legend(axis: Axes) -> None:
    axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=6, borderaxespad=0.1, handlelength=1.4)


def _align(figure: Figure) -> None:
    """Give every figure of the page the same edges, so that equal times lie below each other."""
    height = figure.get_figheight()
    figure.subplots_adjust(
        left=0.05, right=0.99, top=1 - 0.32 / height, bottom=0.45 / height, hspace=0.3, wspace=0.15
    )
