# SPDX-License-Identifier: Apache-2.0
"""Live runs of `reflexarc run`: every node a process, started from the launch file, watched until the
missions are done.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from reflexarc.cli._display import RunDisplay
from reflexarc.cli._domain import take_domain
from reflexarc.cli._request import RunRequest, failed
from reflexarc.cli._tail import JsonLines
from reflexarc.cli._world import world_map
from reflexarc.core.errors import LaunchError
from reflexarc.launcher import Launch, LaunchResult
from reflexarc.launcher.packages import package_prefix
from reflexarc.launcher.shelf import find_launch_file
from reflexarc.report.rundir import RunEntry
from reflexarc.robots import load_robot

POLL_S = 0.2
"""How often the event log is read."""
STALL_S, START_S = 60.0, 300.0
"""Wall time without progress of simulated time after which a run is given up, and that before it begins: eight robots
whose kernels are still to be compiled take minutes on a small machine. Nodes that miss each other give up earlier. [s]
"""
NODE_PACKAGES = ("reflexarc_msgs", "reflexarc_nodes")


def require_ros() -> None:
    """Check that live runs are possible.

    Raises:
        LaunchError: ROS 2 or the project's nodes are missing; the message says what to do.
    """
    for package in NODE_PACKAGES:
        try:
            package_prefix(package, os.environ)
        except LookupError as error:
            raise LaunchError(
                f"a live run needs ROS 2 and the built workspace, but {error}. Run `make setup` and then "
                "`. ./env.sh`, or add --lockstep to run without ROS; `reflexarc doctor` checks everything"
            ) from error


def run_live(request: RunRequest, entry: RunEntry, out: Path, display: RunDisplay) -> RunEntry:
    """Run one entry live and return it, with its problem if it had one."""
    from reflexarc_sim.world import make_world  # noqa: PLC0415 - only where a simulator is wanted

    require_ros()
    folder = out / entry.folder
    folder.mkdir(exist_ok=True)
    for stale in ("events.jsonl", "summary.json", "run.mcap", "log.npz"):
        (folder / stale).unlink(missing_ok=True)
    scenario = request.scenario
    world_map(make_world(scenario.world, entry.seed, load_robot(scenario.robot))).save(folder / "world.json")
    take_domain()
    display.begin(entry.title, request.duration)
    launch = Launch(find_launch_file("sim"), _arguments(request, entry, out, folder), folder)
    with launch:
        stalled = watch_launch(launch, folder, entry, display)
        if stalled:
            launch.stop(stalled)
        result = launch.wait()
    problem = stalled or launch_problem(result, folder)
    if problem:
        display.end(entry.title, "failed")
        return failed(entry, problem)
    display.finish(entry.title, json.loads((folder / "summary.json").read_text(encoding="utf-8")))
    return entry


def _arguments(request: RunRequest, entry: RunEntry, out: Path, folder: Path) -> dict[str, str]:
    """Return the launch arguments; the nodes read the scenario with every override applied."""
    scenario = out / f"{request.scenario.name}.yaml"
    scenario.write_text(request.scenario_yaml, encoding="utf-8")
    return {
        "scenario": str(scenario),
        "seed": str(entry.seed),
        "arc": str(entry.arc).lower(),
        "judge_plans": str(request.scenario.reach.enabled).lower(),
        "supervised": str(entry.arc and request.scenario.supervisor.enabled).lower(),
        "duration": str(request.duration),
        "out_dir": str(folder),
    }


def watch_launch(launch: Launch, folder: Path, entry: RunEntry, display: RunDisplay) -> str:
    """Show progress until the launch ends; return what is wrong if simulated time stands still."""
    events = JsonLines(folder / "events.jsonl")
    simulated, moved = 0.0, time.monotonic()
    counters: dict[str, Any] = {}
    while launch.running:
        for event in events.read():
            stamp = event.get("stamp", event.get("time"))
            if isinstance(stamp, int | float) and stamp > simulated:
                simulated, moved = float(stamp), time.monotonic()
            if event.get("kind") == "status":
                counters = event | {"successes": f"{event.get('successes')}/{event.get('missions')}"}
        if simulated > 0.0:
            display.update(entry.title, simulated, counters)
        patience = STALL_S if simulated > 0.0 else START_S
        if time.monotonic() - moved > patience:
            where = f"at {simulated:.1f} s for {patience:.0f} s"
            return f"simulated time stood still {where}; logs in {folder / 'log'}"
        time.sleep(POLL_S)  # an interrupt inside Thread.join would make Python 3.11 take the thread for ended
    return ""


def launch_problem(result: LaunchResult | None, folder: Path) -> str:
    """Say which node died with what code, or that the summary is missing; empty when all is well."""
    if result is None:
        return "the launch did not end"
    dead = [
        f"{item.label.rpartition('-')[0] or item.label} died with {item.ending}" for item in result.failed
    ]
    if dead or result.exit_code:
        words = "; ".join(dead) or f"{result.reason} (exit code {result.exit_code})"
        return f"{words}; logs in {result.log_dir}"
    if not (folder / "summary.json").exists():
        return f"the run ended without a summary ({result.reason}); logs in {result.log_dir}"
    return ""
