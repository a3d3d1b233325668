# SPDX-License-Identifier: Apache-2.0
"""The map of the report: the world from above, everybody's ways, contacts and interventions."""

from collections.abc import Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle, Polygon

from reflexarc.mission.summary import MOVING_SPEED
from reflexarc.report import style
from reflexarc.report.figures import PAGE_INCHES, svg
from reflexarc.report.runlog import RunLog
from reflexarc.report.worldmap import WorldMap

ROBOT_SAMPLES = 1500
TRACK_SAMPLES = 250
"""Points per drawn line; more would not be visible on the page."""
VIEW_MARGIN_M = 4.0
"""Free space around the robot's way."""
WIDE_PANEL = 1.6
"""Panels wider than this (width over height) are stacked, others stand side by side."""


def map_figure(runs: Sequence[tuple[str, str, RunLog]], world: WorldMap | None) -> str:
    """Draw one panel per (title, colour, log), all of the same piece of the world."""
    x0, y0, x1, y1 = _view([log for _, _, log in runs], world)
    wide = (x1 - x0) / (y1 - y0) > WIDE_PANEL
    rows, columns = (len(runs), 1) if wide else (1, len(runs))
    panel_width = PAGE_INCHES / columns
    panel_height = min(panel_width * (y1 - y0) / (x1 - x0) + 0.45, 5.5)
    with mpl.rc_context(style.SETTINGS):
        size = (PAGE_INCHES, panel_height * rows + 0.5)
        figure, axes = plt.subplots(
            rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
        )
        for axis, (title, colour, log) in zip(axes.flat, runs, strict=True):
            axis.grid(visible=False)
            if world is not None:
                draw_world(axis, world)
            _draw_run(axis, log, colour)
            axis.set(xlim=(x0, x1), ylim=(y0, y1), aspect="equal")
            axis.set_title(title)
            axis.set_ylabel("y [m]")
        axes[-1, 0].set_xlabel("x [m]")
        handles, labels = _merged_legend(axes.flat)
        figure.legend(handles, labels, loc="outside lower center", ncols=6)
        return svg(figure)


def draw_world(axis: Axes, world: WorldMap) -> None:
    """Draw the static surroundings."""
    for area in world.areas:
        colour = style.OBSTACLE_COLOURS.get(area.kind, style.BUILDING)
        axis.add_patch(Polygon(area.polygon, closed=True, fc=colour, ec=style.MUTED, lw=0.5, zorder=1))
    if world.lines:
        segments = [((a, b), (c, d)) for a, b, c, d in world.lines]
        axis.add_collection(
            LineCollection(segments, colors=style.OBSTACLE_COLOURS["kerb"], linewidths=1.2, zorder=1)
        )
    for disc in world.discs:
        colour = style.OBSTACLE_COLOURS.get(disc.kind, style.MUTED)
        axis.add_patch(Circle((disc.x, disc.y), disc.radius, fc=colour, ec="none", zorder=2))


def _draw_run(axis: Axes, log: RunLog, colour: str) -> None:
    step = max(1, len(log.track_time) // TRACK_SAMPLES)
    for column in range(len(log.track_names)):
        axis.plot(
            *log.tracks[::step, column].T,
            color=style.PEDESTRIAN,
            lw=0.6,
            alpha=0.6,
            zorder=2.5,
            label="pedestrians" if column == 0 else None,
        )
    step = max(1, len(log.time) // ROBOT_SAMPLES)
    axis.plot(*log.pose[::step, :2].T, color=colour, lw=1.8, zorder=4, label="robot")
    if log.changed.any():
        active = np.flatnonzero((log.changed > 0).any(axis=1))
        active = active[:: max(1, len(active) // ROBOT_SAMPLES)]
        axis.plot(
            *log.pose[active, :2].T,
            ".",
            color=style.ORANGE,
            ms=3.2,
            mew=0,
            zorder=5,
            label="the arc intervenes",
        )
    for label, marker, face, chosen in _contact_groups(log):
        axis.plot(
            *np.array(chosen).T,
            marker,
            mfc=face,
            mec=style.VERMILION,
            mew=1.2,
            ms=9,
            ls="",
            zorder=7,
            label=label,
        )
    goals = [event["goal"] for event in log.events_of("mission") if event.get("ended")]
    if goals:
        axis.plot(
            *np.array(goals).T,
            "*",
            color=style.GREEN,
            mec="white",
            mew=0.6,
            ms=13,
            ls="",
            zorder=6,
            label="goal",
        )
    known = np.flatnonzero(np.isfinite(log.pose[:, 0]))
    if len(known):
        axis.plot(
            *log.pose[known[0], :2], "o", color="white", mec=colour, mew=1.6, ms=6, zorder=6, label="start"
        )


def _contact_groups(log: RunLog) -> list[tuple[str, str, str, list[list[float]]]]:
    """Return label, marker, face colour and positions of each kind of contact that happened."""
    groups: dict[tuple[str, str, str], list[list[float]]] = {}
    for event in log.events_of("contact"):
        if event["contact_class"] != "pedestrian":
            key = ("contact with a thing", "P", "white")
        elif event["robot_speed"] > MOVING_SPEED:
            key = ("hit a pedestrian", "X", style.VERMILION)
        else:
            key = ("touched by a pedestrian while standing", "X", "white")
        groups.setdefault(key, []).append(event["position"])
    return [(*key, positions) for key, positions in groups.items()]


def _view(logs: list[RunLog], world: WorldMap | None) -> tuple[float, float, float, float]:
    """Return the piece of the world worth drawing: all the robots' ways and a margin, within the bounds."""
    points = np.concatenate([log.pose[np.isfinite(log.pose[:, 0]), :2] for log in logs])
    if len(points) == 0:
        return world.bounds if world else (0.0, 0.0, 1.0, 1.0)
    low, high = points.min(axis=0) - VIEW_MARGIN_M, points.max(axis=0) + VIEW_MARGIN_M
    if world is not None:
        low, high = np.maximum(low, world.bounds[:2]), np.minimum(high, world.bounds[2:])
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _merged_legend(axes: Sequence[Axes]) -> tuple[list, list[str]]:
    """Return handles and labels of all panels, each label once."""
    seen: dict[str, object] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            seen.setdefault(label, handle)
    return list(seen.values()), list(seen)
