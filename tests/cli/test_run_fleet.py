# SPDX-License-Identifier: Apache-2.0
"""`reflexarc run` with a scenario of several robots, in lock-step."""

import json

import pytest

from reflexarc.cli import main

COMMAND = [
    "run", "fleet_delivery", "--lockstep", "--duration", "2", "--quiet",
    "--set", "crowd.count=0", "--set", "fleet.robots=2", "--set", "fleet.stops.robots=0",
]  # fmt: skip


def test_a_run_leaves_figures_paths_events_and_a_report(tmp_path, capsys):
    assert main([*COMMAND, "--json", "--out", str(tmp_path), "--no-render"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["goals"], figures["robots"], figures["robot_contacts"]) == (4, 2, 0)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "robot_2" in page and "not reached" in page
    folder = tmp_path / "lockstep-0"
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8"))["digest"] == figures["digest"]
    assert "goal robot_1" in (folder / "events.txt").read_text(encoding="utf-8")
    assert (folder / "trace.npz").stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--compare"], "--compare does not apply"),
        (["--duration", "soon"], "--duration 'soon': expected a time"),
        (["--set", "fleet.robots=40"], "need more bays"),
    ],
)
def test_what_does_not_apply_to_a_fleet_is_refused(tmp_path, capsys, words, message):
    assert main([*COMMAND, "--json", "--out", str(tmp_path), *words]) == 2
    assert message in capsys.readouterr().err


def test_live_every_robot_has_its_arc(capsys):
    words = [word for word in COMMAND if word != "--lockstep"]
    assert main([*words, "--json", "--set", "arc.enabled=false"]) == 2
    assert "arc.enabled=false needs --lockstep" in capsys.readouterr().err
