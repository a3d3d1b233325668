# SPDX-License-Identifier: Apache-2.0
"""Live runs of a quadruped: plant, arc, task policy and judge are ROS 2 nodes, started from `quadruped.launch.xml`."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reflexarc.cli._arm_live import COLUMN
from reflexarc.cli._display import RunDisplay
from reflexarc.cli._domain import choose_domain
from reflexarc.cli._live import launch_problem, require_ros, watch_launch
from reflexarc.launcher import Launch
from reflexarc.launcher.shelf import find_launch_file
from reflexarc.report.arm_page import ArmRunFiles
from reflexarc.report.columns import WITH_ARC
from reflexarc.report.rundir import RunEntry

PACE = "REFLEXARC_WALKER_PACE"
"""Environment variable: simulated seconds per second of the machine; 1 without it."""


def run_live(
    scenario: Any, seeds: Sequence[int], duration: float, out: Path, display: RunDisplay, problems: list[str]
) -> list[ArmRunFiles]:
    """Run a scenario live, one seed after the other.

    Args:
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
    runs = (_run(scenario, seed, duration, out, display, problems) for seed in seeds)
    return [run for run in runs if run is not None]


def _run(
    scenario: Any, seed: int, duration: float, out: Path, display: RunDisplay, problems: list[str]
) -> ArmRunFiles | None:
    entry = RunEntry.of("live", seed, WITH_ARC)
    title, folder = f"live, seed {seed}, {COLUMN}", out / f"live-{seed}-reflexes"
    folder.mkdir(exist_ok=True)
    for stale in ("events.jsonl", "summary.json", "log.npz", "arc.json"):
        (folder / stale).unlink(missing_ok=True)
    os.environ["ROS_DOMAIN_ID"] = str(choose_domain())
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # nobody else's robot is to listen
    arguments = {
        "scenario": str(out / f"{scenario.name}.yaml"),
        "seed": str(seed),
        "duration": str(duration),
        "pace": os.environ.get(PACE, "1.0"),
        "out_dir": str(folder),
    }
    display.begin(entry.title, duration)
    with Launch(find_launch_file("quadruped"), arguments, folder) as launch:
        stalled = watch_launch(launch, folder, entry, display)
        if stalled:
            launch.stop(stalled)
        result = launch.wait()
    if problem := stalled or launch_problem(result, folder):
        display.end(entry.title, "failed")
        problems.append(f"{title}: {problem}")
        return None
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    display.end(entry.title, summary["outcome"])
    return ArmRunFiles(COLUMN, "live", seed, folder, summary)
