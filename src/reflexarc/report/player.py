# SPDX-License-Identifier: Apache-2.0
"""Data for the report's player: robot, pedestrians and margin at 10 Hz, rounded to centimetres."""

from typing import Any

import numpy as np

from reflexarc.core.types import Array
from reflexarc.report.runlog import NO_STATUS, STATUS_ORDER, RunLog
from reflexarc.report.worldmap import WorldMap

FRAME_PERIOD_S = 0.1


def player_data(log: RunLog, title: str) -> dict[str, Any]:
    """Return `log` sampled at `FRAME_PERIOD_S`, ready for JSON; unknown values are None.

    It begins with the first known pose; the log must have one.
    """
    first = np.flatnonzero(np.isfinite(log.pose[:, 0]))[0]
    frames = np.arange(log.time[first], log.time[-1] + 1e-9, FRAME_PERIOD_S)
    tick = np.clip(np.searchsorted(log.time, frames), 0, len(log.time) - 1)
    tracks = _interpolate(log.track_time, log.tracks, frames)
    intervening = (log.changed > 0).any(axis=1) if log.changed.size else np.zeros(len(log.time), dtype=bool)
    return {
        "title": title,
        "start": float(log.time[first]),
        "frames": len(frames),
        "x": _rounded(log.pose[tick, 0], 2),
        "y": _rounded(log.pose[tick, 1], 2),
        "yaw": _rounded(log.pose[tick, 2], 3),
        "speed": _rounded(log.twist[tick, 0], 2),
        "proposal": _rounded(log.proposal[tick, 0], 2),
        "margin": _rounded(log.margin[tick], 2),
        "learned": _rounded(log.learned_margin[tick], 2),
        "clearance": _rounded(log.min_distance[tick], 2),
        "acting": [int(v) for v in intervening[tick]],
        "status": ["" if s == NO_STATUS else STATUS_ORDER[s].name for s in log.status[tick]],
        "people": [_rounded(row.ravel(), 2) for row in tracks],
        "contacts": [
            {
                "t": round(e["time"], 2),
                "x": e["position"][0],
                "y": e["position"][1],
                "who": e["contact_class"],
            }
            for e in log.events_of("contact")
        ],
    }


def world_data(world: WorldMap | None) -> dict[str, Any]:
    """Return the shapes of the world, ready for JSON."""
    if world is None:
        return {"lines": [], "areas": [], "discs": [], "goals": []}
    return {
        "lines": world.lines,
        "areas": [{"kind": area.kind, "polygon": area.polygon} for area in world.areas],
        "discs": [{"kind": d.kind, "x": d.x, "y": d.y, "r": d.radius} for d in world.discs],
        "goals": world.goals,
    }


def _interpolate(time: Array, tracks: Array, frames: Array) -> Array:
    """Return positions at `frames`, shape (len(frames), p, 2), linear between samples; NaN where unknown."""
    if len(time) < 2 or tracks.shape[1] == 0:
        return np.zeros((len(frames), 0, 2))
    right = np.clip(np.searchsorted(time, frames), 1, len(time) - 1)
    span = np.maximum(time[right] - time[right - 1], 1e-9)
    weight = np.clip((frames - time[right - 1]) / span, 0.0, 1.0)[:, None, None]
    before, after = tracks[right - 1], tracks[right]
    nearest = np.where(weight < 0.5, before, after)  # for those who are in only one of the two samples
    mixed = (1 - weight) * before + weight * after
    return np.where(np.isnan(mixed), nearest, mixed)


def _rounded(values: Array, digits: int) -> list[float | None]:
    return [round(float(v), digits) if np.isfinite(v) else None for v in values]
