# SPDX-License-Identifier: Apache-2.0
"""Lock-step runs of `reflexarc run`: several seeds at the same time, one process each, every run into its own
folder.
"""

import json
import multiprocessing
import os
import queue
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from reflexarc.cli._display import RunDisplay
from reflexarc.cli._request import RunRequest, failed
from reflexarc.cli._world import world_map
from reflexarc.core.errors import ConfigError, ReflexArcError
from reflexarc.report.columns import COLUMNS
from reflexarc.report.rundir import RunEntry
from reflexarc.report.runlog import RunLogBuilder
from reflexarc.robots import load_robot

POLL_S = 0.2
"""How often finished runs are looked for."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Set to 1 in the workers: runs are parallel, their linear algebra is tiny."""

_updates: "Queue[tuple[RunEntry, Any]]"
"""Progress of this worker process, set by `_start_worker`."""


def run_lockstep(request: RunRequest, out: Path, display: RunDisplay) -> list[RunEntry]:
    """Make the lock-step runs of `request` and return their entries, with problems where there were any."""
    for entry in request.lockstep:
        display.begin(entry.title, request.duration)
    if request.jobs == 1 or len(request.lockstep) == 1:
        return [_run_here(request, entry, out, display) for entry in request.lockstep]
    return _run_in_workers(request, out, display)


def run_one(
    request: RunRequest, entry: RunEntry, out: Path, progress: Callable[[Any], None] | None
) -> dict[str, Any]:
    """Run one entry, write its folder and return its summary."""
    from reflexarc_sim import lockstep  # noqa: PLC0415 - only where a simulator is wanted
    from reflexarc_sim.world import make_world  # noqa: PLC0415

    scenario = request.scenario.with_overrides(dict(COLUMNS[entry.column].overrides))
    folder = out / entry.folder
    folder.mkdir(exist_ok=True)
    log = RunLogBuilder()
    result = lockstep.run(scenario, entry.seed, entry.arc, request.duration, progress, (log,))
    summary = result.summary.to_json() | {"wall_s": round(result.wall_s, 2)}
    log.finish().save(folder / "log.npz")
    world_map(make_world(scenario.world, entry.seed, load_robot(scenario.robot))).save(folder / "world.json")
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def counters(progress: Any) -> dict[str, Any]:
    """Return the counters that the display knows from a lock-step `Progress`."""
    return {
        "successes": f"{progress.missions_done}/{progress.missions}",
        "contacts": progress.contacts,
        "interventions": progress.interventions,
        "min_distance_m": progress.min_distance_m,
    }


def _run_here(request: RunRequest, entry: RunEntry, out: Path, display: RunDisplay) -> RunEntry:
    try:
        summary = run_one(request, entry, out, lambda p: display.update(entry.title, p.time, counters(p)))
    except ConfigError:
        raise
    except ReflexArcError as error:
        display.end(entry.title, "failed")
        return failed(entry, str(error))
    display.finish(entry.title, summary)
    return entry


def _run_in_workers(request: RunRequest, out: Path, display: RunDisplay) -> list[RunEntry]:
    context = multiprocessing.get_context("spawn")  # forking a process with running threads can deadlock
    updates: Queue[tuple[RunEntry, Any]] = context.Queue()
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ |= dict.fromkeys(THREAD_VARIABLES, "1")
    try:
        with ProcessPoolExecutor(request.jobs, context, _start_worker, (updates,)) as pool:
            futures = {entry: pool.submit(_run_in_worker, request, entry, out) for entry in request.lockstep}
            try:
                return _watch(futures, updates, display)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _watch(
    futures: "dict[RunEntry, Future[dict[str, Any]]]",
    updates: "Queue[tuple[RunEntry, Any]]",
    display: RunDisplay,
) -> list[RunEntry]:
    """Show progress until every run has ended; entries come back in the order of the request."""
    done: dict[RunEntry, RunEntry] = {}
    while len(done) < len(futures):
        try:
            entry, progress = updates.get(timeout=POLL_S)
            display.update(entry.title, progress.time, counters(progress))
        except queue.Empty:
            pass
        for entry, future in futures.items():
            if entry not in done and future.done():
                done[entry] = _collect(entry, future, display)
    return [done[entry] for entry in futures]


def _collect(entry: RunEntry, future: "Future[dict[str, Any]]", display: RunDisplay) -> RunEntry:
    try:
        display.finish(entry.title, future.result())
    except ConfigError:
        raise
    except (ReflexArcError, BrokenProcessPool) as error:
        display.end(entry.title, "failed")
        return failed(entry, str(error))
    return entry


def _start_worker(updates: "Queue[tuple[RunEntry, Any]]") -> None:
    global _updates  # noqa: PLW0603 - one queue per worker process
    _updates = updates


def _run_in_worker(request: RunRequest, entry: RunEntry, out: Path) -> dict[str, Any]:
    return run_one(request, entry, out, lambda progress: _updates.put((entry, progress)))
