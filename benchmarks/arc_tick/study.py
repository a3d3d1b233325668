# SPDX-License-Identifier: Apache-2.0
"""Time of the arc's tick among twenty moving obstacles, beside cbfpy on the same scenes in the same run."""

import gc
import os
import time
from collections.abc import Callable
from typing import Any

# What cbfpy's README recommends for speed and precision on a CPU; must be set before jax is imported.
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import numpy as np
from scenes import OBSTACLES, Scene, sidewalk_scenes

try:
    from cbfpy_filter import cbfpy_filters
except ImportError as error:  # the peers are installed by `make bench`
    cbfpy_filters, _MISSING = None, str(error)

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.core.types import Array, Mode

SEEDS = (0, 1, 2, 3, 4)
_BARRIER, _WHOLE = "barrier_us", "tick_us"


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time the arc and the peers, call by call in turn on the same scenes, and return medians and p99.

    Args:
        full: five whole runs of the scenario instead of the first 20 s of one.
        progress: told what is going on.
    """
    progress("driving the scenario in lock-step for its scenes")
    runs = sidewalk_scenes(SEEDS, 120.0) if full else sidewalk_scenes(SEEDS[:1], 20.0)
    peers = _peers(progress)
    arc = build_arc(ArcConfig())
    barrier_index = [stage.name for stage in arc.stages].index("barrier")
    times: dict[str, list[float]] = {_WHOLE: [], _BARRIER: [], **{name: [] for name in peers}}
    active = []
    statuses: dict[str, int] = {}
    progress(f"{sum(map(len, runs))} scenes with {OBSTACLES} obstacles and lidar walls, {len(peers)} peers")
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for scenes in runs:
            arc.reset()
            for call in peers.values():
                call(scenes[0])
            for scene in scenes:
                verdict = arc.tick(scene.state, scene.proposal, Mode.NORMAL, scene.now)
                times[_WHOLE].append(verdict.time_used)
                times[_BARRIER].append(verdict.stage_times[barrier_index])
                active.append(verdict.intervened)
                statuses[verdict.status.name] = statuses.get(verdict.status.name, 0) + 1
                for name, call in peers.items():
                    times[name].append(_timed(call, scene))
    finally:
        gc.enable()
        gc.unfreeze()
    table = {name: _percentiles(np.array(values)) for name, values in times.items()}
    chosen = np.array(active)
    if chosen.any():
        table["barrier_us_when_active"] = _percentiles(np.array(times[_BARRIER])[chosen])
        table["tick_us_when_active"] = _percentiles(np.array(times[_WHOLE])[chosen])
    # The peers solve their programme in every tick, so the ratio that counts is the one over the ticks in
    # which ours does.
    ratios = {}
    for name in peers:
        ratio = np.array(times[name]) / np.array(times[_BARRIER])
        ratios[f"ratio_{name}"] = float(np.median(ratio[chosen])) if chosen.any() else None
        ratios[f"ratio_{name}_all_ticks"] = float(np.median(ratio))
    return {
        "calls": len(times[_WHOLE]),
        "obstacles": OBSTACLES,
        "active_fraction": float(np.mean(active)),
        "statuses": statuses,
        "times_us": table,
        **ratios,
    }


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """Return median and p99 of tick and barrier stage and the median ratios to the peers (above 1: ours is faster)."""
    table = results["times_us"]
    figures = {
        "tick_p50_us": table[_WHOLE]["p50"],
        "tick_p99_us": table[_WHOLE]["p99"],
        "barrier_p50_us": table[_BARRIER]["p50"],
        "barrier_p99_us": table[_BARRIER]["p99"],
        "barrier_active_p50_us": table.get("barrier_us_when_active", {}).get("p50"),
        "barrier_active_p99_us": table.get("barrier_us_when_active", {}).get("p99"),
        "active_fraction": round(results["active_fraction"], 3),
    }
    return figures | {k: v and round(v, 2) for k, v in results.items() if k.startswith("ratio_")}


def _timed(call: Callable[[Scene], Array], scene: Scene) -> float:
    started = time.perf_counter()
    call(scene)
    return time.perf_counter() - started


def _percentiles(seconds: Array) -> dict[str, float]:
    p50, p99, p999 = np.percentile(seconds * 1e6, [50, 99, 99.9])
    return {
        "p50": round(p50, 1),
        "p99": round(p99, 1),
        "p99_9": round(p999, 1),
        "max": round(seconds.max() * 1e6, 1),
    }


def _peers(progress: Callable[[str], None]) -> dict[str, Callable[[Scene], Array]]:
    if cbfpy_filters is None:
        progress(f"without peers: {_MISSING}; `make bench` installs them")
        return {}
    return cbfpy_filters()
