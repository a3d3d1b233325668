# SPDX-License-Identifier: Apache-2.0
"""Scenario `fleet_delivery` over seeds, live over ROS 2: every node a process of its own, counted as in `delivery`.

A run whose launch failed is counted as such and left out of the other figures. A short run drives two robots.
"""

import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from delivery import HEADLINE, SCENARIO, SEEDS, count, describe

from reflexarc.cli._live import require_ros
from reflexarc.cli.journal import Journal
from reflexarc.core.errors import LaunchError
from reflexarc_sim.mujoco_plant.fleet_plant import stop_times
from reflexarc_sim.scenario import Scenario, load_scenario

SHORT = ("fleet.robots=2", "crowd.count=4", "missions.count=1")
"""What a short run replaces."""
SHORT_S = 60
"""And its longest simulated time. [s]"""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the seeds, one after the other, and return what happened.

    Args:
        full: eight robots and twenty seeds.
        progress: told what is going on.
    """
    try:
        require_ros()
    except LaunchError as error:
        progress(str(error))
        return {"left_out": str(error)}
    scenario = load_scenario(SCENARIO, None if full else dict(text.split("=", 1) for text in SHORT))
    journal = Journal("live")
    rows = []
    for seed in range(SEEDS if full else 1):
        rows.append(journal.once(f"{seed} {full}", lambda seed=seed: _run(scenario, seed, full, progress)))
        progress(f"live, {describe(seed, rows[-1]) if 'problem' not in rows[-1] else rows[-1]['problem']}")
    done = [row for row in rows if "problem" not in row]
    figures = {"failed_runs": len(rows) - len(done)} | (count(done) if done else {})
    if done:
        speed = statistics.median(row["duration_s"] / row["wall_s"] for row in done)
        figures["median_speed"] = round(speed, 3)
    return {"robots": scenario.fleet.robots, "runs": rows} | figures


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that the page states."""
    return {f"live_{key}": part[key] for key in ("failed_runs", *HEADLINE) if key in part}


def _run(scenario: Scenario, seed: int, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "reflexarc.cli",
        "run",
        SCENARIO,
        "--seed",
        str(seed),
        "--json",
        "--quiet",
    ]
    if not full:
        command += ["--duration", str(SHORT_S), *(word for text in SHORT for word in ("--set", text))]
    out = tempfile.mkdtemp(prefix="fleet-live-")
    began = time.perf_counter()
    child = subprocess.run([*command, "--out", out], capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    if child.returncode:
        progress(f"seed {seed} failed; what it left is in {out}")
        return {
            "problem": f"seed {seed}: exit code {child.returncode}: {child.stderr[-2000:].replace(out, 'OUT')}"
        }
    shutil.rmtree(out)
    row = json.loads(child.stdout.splitlines()[-1])
    end = row["duration_s"]
    stops = [
        (max(begin, 0.0), min(until, end))
        for robot in stop_times(scenario.fleet.stops, scenario.fleet.robots, seed)
        for begin, until in robot
        if begin < end
    ]
    row |= {"stops": len(stops), "stopped_s": math.fsum(until - begin for begin, until in stops)}
    return row | {"wall_s": round(wall, 1)}
