# SPDX-License-Identifier: Apache-2.0
"""The real nodes under the small launcher, over DDS: a run to its end, and a node killed in the middle."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from mcap.reader import make_reader

from reflexarc.launcher import Launch
from reflexarc.launcher.packages import package_prefix

SIM = Path(__file__).resolve().parents[2] / "launch" / "launch" / "sim.launch.xml"
FEW = {"overrides": "crowd.count=2", "seed": "1"}
START_S = 90.0
"""Longest wall time until simulated time runs; compiling the arc for the first time takes long. [s]"""


def problem() -> str:
    """Say why the real nodes cannot be started; empty when they can."""
    for package in ("reflexarc_msgs", "reflexarc_nodes"):
        try:
            package_prefix(package, os.environ)
        except LookupError as error:
            return str(error)
    return ""


pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.skipif(bool(problem()), reason=problem() or "all there"),
]


@pytest.fixture(autouse=True)
def own_domain(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "62")


def test_a_simulation_runs_to_its_end_and_every_node_ends_cleanly(tmp_path):
    with Launch(SIM, FEW | {"duration": "3"}, tmp_path) as launch:
        result = launch.wait(timeout=START_S + 30.0)
    assert result is not None
    assert result.exit_code == 0 and result.failed == ()
    assert "mission_node-4 is required and finished" in result.reason
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["ticks"] > 300
    assert recorded(tmp_path) >= {"/odom", "/cmd_vel", "/verdict", "/proposal"}


@pytest.mark.parametrize("victim", ["arc_node", "plant_node"])
def test_a_node_killed_in_mid_run_ends_everything_and_leaves_a_readable_recording(tmp_path, victim):
    with Launch(SIM, FEW | {"duration": "60"}, tmp_path) as launch:
        end = time.monotonic() + START_S
        while simulated_time(tmp_path / "events.jsonl") < 1.5:
            assert launch.running and time.monotonic() < end, "the run did not begin"
            time.sleep(0.1)
        os.kill(launch.pid(victim), signal.SIGKILL)
        result = launch.wait(timeout=30.0)
    assert result is not None
    assert result.exit_code == 128 + signal.SIGKILL
    assert victim in result.reason
    assert [item.label.rpartition("-")[0] for item in result.failed] == [victim]
    assert recorded(tmp_path) >= {"/odom", "/cmd_vel", "/verdict"}


def simulated_time(events: Path) -> float:
    """Return the time of the last complete line of the event log; 0 before the first. [s]"""
    lines = events.read_text(encoding="utf-8").split("\n")[:-1] if events.exists() else []
    return json.loads(lines[-1])["time"] if lines else 0.0


def recorded(folder: Path) -> set[str]:
    """Return the topics of the recording, by reading every message."""
    with (folder / "run.mcap").open("rb") as file:
        return {channel.topic for _, channel, _ in make_reader(file).iter_messages()}
