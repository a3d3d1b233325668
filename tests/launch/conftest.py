# SPDX-License-Identifier: Apache-2.0
"""A workspace with stand-in executables, found through the ament index exactly as the real ones are."""

import os
import stat
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCH_FILES = REPOSITORY / "launch" / "launch"
NODES = (
    "plant_node",
    "task_policy_node",
    "arc_node",
    "mission_node",
    "recorder_node",
    "evaluator_node",
    "reachability_node",
    "fleet_planner_node",
    "fleet_plant_node",
    "arm_plant_node",
    "arm_arc_node",
    "contact_policy_node",
    "contact_task_node",
    "supervisor_node",
    "gate_node",
    "quadruped_plant_node",
    "quadruped_arc_node",
    "walker_policy_node",
    "walker_task_node",
)

DAEMON = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("arguments", *sys.argv[1:])
while True:
    time.sleep(60)
"""
"""Runs until it is told to stop, then ends with 0, as a node does."""


@pytest.fixture
def prefix(tmp_path, monkeypatch) -> Path:
    """An install prefix that holds a package `reflexarc_nodes` with all node executables."""
    root = tmp_path / "prefix"
    for name in NODES:
        install(root, "reflexarc_nodes", name, DAEMON)
    monkeypatch.setenv(
        "AMENT_PREFIX_PATH", os.pathsep.join([str(root), os.environ.get("AMENT_PREFIX_PATH", "")])
    )
    monkeypatch.setenv("ROS_DOMAIN_ID", "61")
    monkeypatch.delenv("REFLEXARC_OUT_DIR", raising=False)
    return root


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a launch file with the given lines inside `<launch>` and returns its
    path."""

    def write_file(body: str, name: str = "test.launch.xml") -> Path:
        path = tmp_path / name
        path.write_text(f"<launch>\n{body}\n</launch>\n", encoding="utf-8")
        return path

    return write_file


def install(root: Path, package: str, name: str, source: str) -> Path:
    """Install a Python program as executable `name` of `package` below the prefix `root`."""
    marker = root / "share/ament_index/resource_index/packages" / package
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    (root / "share" / package).mkdir(parents=True, exist_ok=True)
    path = root / "lib" / package / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
