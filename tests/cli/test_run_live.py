# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run` live: real nodes over DDS, a report, a replay, and a node killed in mid-run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reflexarc.cli import main
from reflexarc.launcher.packages import package_prefix
from reflexarc.report.comparison import JSON_KEYS
from reflexarc.report.recording import read_recording
from reflexarc.report.runlog import RunLog

RUN_SECONDS = 150
"""Longest wall time of a command; most of it is the start of the nodes on a busy machine."""


def _missing() -> str:
    try:
        for package in ("reflexarc_msgs", "reflexarc_nodes", "reflexarc_bringup"):
            package_prefix(package, os.environ)
    except LookupError as error:
        return str(error)
    return ""


pytestmark = [
    pytest.mark.ros,
    pytest.mark.slow,
    pytest.mark.skipif(bool(_missing()), reason=f"{_missing()}; run `make setup` and `. ./env.sh`"),
]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "reflexarc.cli", "run", "sidewalk_calm", *arguments]


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "ROS_DOMAIN_ID"}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    out = tmp_path_factory.mktemp("live") / "out"
    arguments = ["--compare", "--lockstep-seeds", "none", "--duration", "6", "--json", "--out", str(out)]
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        env=environment(),
        check=False,
    )
    return out, done


def test_a_live_run_ends_with_the_json_line_and_exit_code_0(live):
    out, done = live
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert list(figures) == list(JSON_KEYS)
    assert (figures["missions"], figures["seed"], figures["pedestrian_contacts_moving"]) == (1, 0, 0)
    assert figures["tick_p50_us"] > 0
    assert 0 <= figures["deadline_miss_fraction"] < 0.2


def test_both_arms_leave_summary_recording_and_report(live):
    out, _ = live
    for arc in ("with", "without"):
        folder = out / f"live-seed0-{arc}-arc"
        log = RunLog.load(folder / "log.npz")
        assert log.duration > 4.0
        assert (log.twist[:, 0] > 0.5).any()
        assert json.loads((folder / "summary.json").read_text())["arc"] is (arc == "with")
    page = (out / "report.html").read_text()
    assert "Live over ROS 2" in page
    assert "How late ticks began" in page


def test_the_live_recording_replays_to_the_same_verdicts(live, capsys):
    out, _ = live
    assert main(["replay", str(out / "live-seed0-with-arc" / "run.mcap"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["equal"] > 500
    assert figures["different"] == 0
    assert figures["missing_inputs"] <= 0.05 * figures["ticks"]


def test_no_process_of_a_run_is_left(live):
    out, _ = live
    assert [line for line in processes() if str(out) in line[1]] == []


def processes() -> list[tuple[int, str]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            found.append((int(entry.name), " ".join(word.decode(errors="replace") for word in words)))
    return found


@pytest.mark.parametrize("node", ["arc_node", "recorder_node"])
def test_a_node_killed_in_mid_run_is_named_and_what_was_recorded_is_reported(tmp_path, node):
    out = tmp_path / "out"
    arguments = ["--no-compare", "--duration", "12", "--out", str(out), "--no-render", "--quiet"]
    running = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    try:
        folder = out / "live-seed0-with-arc"
        wait_until_moving(folder / "events.jsonl", running)
        victims = [
            pid for pid, line in processes() if f"reflexarc_nodes/{node} " in line and str(out) in line
        ]
        assert len(victims) == 1
        os.kill(victims[0], signal.SIGKILL)
        _, errors = running.communicate(timeout=RUN_SECONDS)
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
            running.wait(30)
    assert running.returncode == 1
    assert f"{node} died with signal SIGKILL" in errors
    assert f"{node} died with signal SIGKILL" in (out / "report.html").read_text()
    recording = read_recording(folder / "run.mcap")
    assert len(recording.topic("verdict")) > 100
    assert recording.complete is (node != "recorder_node")


def wait_until_moving(path: Path, running: subprocess.Popen) -> None:
    end = time.monotonic() + RUN_SECONDS
    while time.monotonic() < end:
        assert running.poll() is None, running.communicate()[1]
        lines = path.read_text().splitlines() if path.exists() else []
        if any(json.loads(line)["time"] > 2.0 for line in lines if line.endswith("}")):
            return
        time.sleep(0.1)
    raise AssertionError("the run never got going")


def test_an_interrupt_stops_every_node_and_exits_with_130(tmp_path):
    out = tmp_path / "out"
    running = subprocess.Popen(
        command("--no-compare", "--duration", "30", "--out", str(out)),
        stderr=subprocess.PIPE,
        env=environment(),
        # A shell that started the tests in the background may have had SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
    wait_until_moving(out / "live-seed0-with-arc" / "events.jsonl", running)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    assert read_recording(out / "live-seed0-with-arc" / "run.mcap").complete
    assert [line for line in processes() if str(out) in line[1]] == []
