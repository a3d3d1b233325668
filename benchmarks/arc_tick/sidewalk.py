# SPDX-License-Identifier: Apache-2.0
"""Part of the study: the tick among twenty moving obstacles, beside cbfpy on the same scenes in the same run."""

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
from tick_figures import BARRIER, WHOLE, percentiles, sidewalk_headline

try:
    from cbfpy_filter import cbfpy_filters
except ImportError as error:  # the peers are installed by `make bench`
    cbfpy_filters, _MISSING = None, str(error)

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.core.types import Array, Mode

SEEDS = (0, 1, 2, 3, 4)


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
    times: dict[str, list[float]] = {WHOLE: [], BARRIER: [], **{name: [] for name in peers}}
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
                times[WHOLE].append(verdict.time_used)
                times[BARRIER].append(verdict.stage_times[barrier_index])
                active.append(verdict.intervened)
                statuses[verdict.status.name] = statuses.get(verdict.status.name, 0) + 1
                for name, call in peers.items():
                    times[name].append(_timed(call, scene))
    finally:
        gc.enable()
        gc.unfreeze()
    table = {name: percentiles(np.array(values)) for name, values in times.items()}
    chosen = np.array(active)
    if chosen.any():
        table["barrier_us_when_active"] = percentiles(np.array(times[BARRIER])[chosen])
        table["tick_us_when_active"] = percentiles(np.array(times[WHOLE])[chosen])
    # The peers solve their programme in every tick, so the ratio that counts is the one over the ticks in
    # which ours does.
    ratios = {}
    for name in peers:
        ratio = np.array(times[name]) / np.array(times[BARRIER])
        ratios[f"ratio_{name}"] = float(np.median(ratio[chosen])) if chosen.any() else None
        ratios[f"ratio_{name}_all_ticks"] = float(np.median(ratio))
    return {
        "calls": len(times[WHOLE]),
        "obstacles": OBSTACLES,
        "active_fraction": float(np.mean(active)),
        "statuses": statuses,
        "times_us": table,
        **ratios,
    }


def headline(results: dict[str, Any]) -> dict[str, Any]:
    """See `sidewalk_headline`."""
    return sidewalk_headline(results)


def _timed(call: Callable[[Scene], Array], scene: Scene) -> float:
    started = time.perf_counter()
    call(scene)
    return time.perf_counter() - started


def _peers(progress: Callable[[str], None]) -> dict[str, Callable[[Scene], Array]]:
    if cbfpy_filters is None:
        progress(f"without peers: {_MISSING}; `make bench` installs them")
        return {}
    return cbfpy_filters()
