# SPDX-License-Identifier: Apache-2.0
"""Live runs of one robot that is driven joint by joint: plant, arc, task policy and judge are ROS 2 nodes."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reflexarc.cli._display import RunDisplay
from reflexarc.cli._domain import choose_domain
from reflexarc.cli._joint_runs import AS_IS, JointRobot
from reflexarc.cli._live import launch_problem, require_ros, watch_launch
from reflexarc.launcher import Launch
from reflexarc.launcher.shelf import find_launch_file
from reflexarc.report.columns import WITH_ARC
from reflexarc.report.joint_page import JointRunFiles
from reflexarc.report.rundir import RunEntry


def run_live(
    robot: JointRobot,
    scenario: Any,
    seeds: Sequence[int],
    duration: float,
    out: Path,
    display: RunDisplay,
    problems: list[str],
) -> list[JointRunFiles]:
    """Run a scenario live, one seed after the other.

    Args:
        robot: of the scenario.
        scenario: whose file is in `out`, under its name.
        seeds: of the runs.
        duration: longest simulated time of each. [s]
        out: folder of all runs.
        display: shows progress.
        problems: what failed is appended.

    Raises:
        LaunchError: ROS 2 or the project's nodes are missing.
    """
    require_ros()
    runs = (_run(robot, scenario, seed, duration, out, display, problems) for seed in seeds)
    return [run for run in runs if run is not None]


def _run(
    robot: JointRobot,
    scenario: Any,
    seed: int,
    duration: float,
    out: Path,
    display: RunDisplay,
    problems: list[str],
) -> JointRunFiles | None:
    entry = RunEntry.of("live", seed, WITH_ARC)
    title, folder = f"live, seed {seed}, {AS_IS.label}", out / f"live-{seed}-{AS_IS.key}"
    folder.mkdir(exist_ok=True)
    for stale in ("events.jsonl", "summary.json", "log.npz", "arc.json"):
        (folder / stale).unlink(missing_ok=True)
    os.environ["ROS_DOMAIN_ID"] = str(choose_domain())
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # nobody else's robot is to listen
    arguments = {
        "scenario": str(out / f"{scenario.name}.yaml"),
        "seed": str(seed),
        "duration": str(duration),
        "pace": os.environ.get(robot.pace, "1.0"),
        "out_dir": str(folder),
    }
    display.begin(entry.title, robot.longest(scenario, duration))
    with Launch(find_launch_file(robot.launch), arguments, folder) as launch:
        stalled = watch_launch(launch, folder, entry, display)
        if stalled:
            launch.stop(stalled)
        result = launch.wait()
    if problem := stalled or launch_problem(result, folder):
        display.end(entry.title, "failed")
        problems.append(f"{title}: {problem}")
        return None
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    run = JointRunFiles(AS_IS.label, "live", seed, folder, summary)
    display.end(entry.title, run.outcome)
    return run
