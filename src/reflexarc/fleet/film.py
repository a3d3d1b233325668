# SPDX-License-Identifier: Apache-2.0
"""A plan as a film: robots as discs in their own colours, goals as rings of the same colour."""

from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

FRAMES_PER_S = 12
MOST_FRAMES = 360
"""A longer plan runs faster instead."""
FRAMES_PER_UNIT = 4
"""Frames per step, or per second of continuous time."""
SHOWN_RADIUS = 0.35
"""Radius of a disc where the plan has none. [m]"""


def positions_at(plan: dict[str, Any], times: Array) -> Array:
    """Return where every agent is, shape (agents, len(times), 2). [m]"""
    points = np.asarray(plan["positions"], dtype=np.float64)
    out = np.empty((len(plan["paths"]), len(times), 2))
    for agent, path in enumerate(plan["paths"]):
        vertices, stamps = np.array([v for v, _ in path]), np.array([t for _, t in path], dtype=np.float64)
        for axis in range(2):
            out[agent, :, axis] = np.interp(times, stamps, points[vertices, axis])
    return out


def animate(plan: dict[str, Any], path: Path) -> None:
    """Write the film of a plan in the form of its file, as GIF or MP4 by the file's name.

    Raises:
        ConfigError: MP4 was asked for and there is no ffmpeg.
    """
    import matplotlib  # noqa: PLC0415

    matplotlib.use("Agg")
    from matplotlib import animation, pyplot  # noqa: PLC0415
    from matplotlib.collections import EllipseCollection, LineCollection  # noqa: PLC0415
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    if path.suffix == ".mp4" and not animation.writers.is_available("ffmpeg"):
        raise ConfigError(f"{path}: MP4 needs ffmpeg, which is not installed; name a .gif instead")
    points = np.asarray(plan["positions"], dtype=np.float64)
    end = max(float(p[-1][1]) for p in plan["paths"])
    times = np.linspace(0.0, end, int(min(MOST_FRAMES, max(2, FRAMES_PER_UNIT * end + 1))))
    where = positions_at(plan, times)
    radius = float(plan["radius"]) or SHOWN_RADIUS
    colours = pyplot.get_cmap("hsv")(np.linspace(0.0, 1.0, len(where), endpoint=False))
    low, high = points.min(axis=0) - 1.0, points.max(axis=0) + 1.0
    width, height = high - low
    scale = 6.0 / max(width, height)
    figure, axes = pyplot.subplots(figsize=(max(2.0, scale * width), max(2.0, scale * height)), dpi=80)
    axes.set_position((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal")
    axes.axis("off")
    if plan["rows"]:
        blocked = [(x, y) for y, row in enumerate(plan["rows"]) for x, c in enumerate(row) if c != "."]
        for x, y in blocked:
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1.0, 1.0, color="0.25", lw=0))
    else:
        lines = [(points[int(u)], points[int(v)]) for u, v, _ in plan["edges"]]
        axes.add_collection(LineCollection(lines, colors="0.8", linewidths=0.8))
    size = np.full(len(where), 2.0 * radius)
    shape = {"widths": size, "heights": size, "angles": np.zeros(len(where)), "units": "xy"}
    goals = points[np.asarray(plan["goals"])]
    axes.add_collection(
        EllipseCollection(
            **shape, offsets=goals, transOffset=axes.transData, facecolors="none", edgecolors=colours
        )
    )
    robots = EllipseCollection(**shape, offsets=where[:, 0], transOffset=axes.transData, facecolors=colours)
    axes.add_collection(robots)

    def draw(k: int) -> tuple[EllipseCollection]:
        robots.set_offsets(where[:, k])
        return (robots,)

    film = animation.FuncAnimation(figure, draw, frames=len(times), blit=True)
    writer = "ffmpeg" if path.suffix == ".mp4" else "pillow"
    film.save(path, writer=writer, fps=FRAMES_PER_S)
    pyplot.close(figure)
