# SPDX-License-Identifier: Apache-2.0
"""`reflexarc validate`: what is refused, with which exit code, and that nothing is done then."""

import pytest

from reflexarc.cli import main
from reflexarc.cli.validate import PLANTED as OFFERED
from reflexarc_sim import surrogate_run
from reflexarc_sim.surrogate import PLANTED


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["twin", "nowhere", "--log", "x"], "unknown scenario"),
        (["twin", "sidewalk_calm", "--log", "x", "--tolerances", "none.yaml"], "no such file"),
        (["surrogate", "sidewalk_calm", "--out", "OUT", "--runs", "0"], "at least 1"),
        (["surrogate", "sidewalk_calm", "--out", "OUT", "--planted", "gravity"], "unknown planted error"),
        (["surrogate", "maze_arm", "--out", "OUT"], "'panda' is an arm"),
        (["twin", "maze_arm", "--log", "x", "--out", "OUT"], "'panda' is an arm"),
        (["twin", "fleet_delivery", "--log", "x", "--out", "OUT"], "fleet.robots is"),
    ],
)
def test_a_request_that_is_not_acceptable_exits_with_2(tmp_path, capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    assert main(["validate", *(str(tmp_path / "logs") if a == "OUT" else a for a in arguments)]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.mcap")) and not (tmp_path / "runs").exists()


def test_a_missing_log_exits_with_1(tmp_path, capsys):
    logs = [word for k in range(4) for word in ("--log", str(tmp_path / str(k) / "no.mcap"))]
    assert main(["validate", "twin", "sidewalk_calm", *logs, "--out", str(tmp_path / "out")]) == 1
    assert "cannot read the recording" in capsys.readouterr().err


def test_a_folder_that_holds_something_is_not_written_to(tmp_path, capsys):
    (tmp_path / "report.md").write_text("")
    assert main(["validate", "twin", "sidewalk_calm", "--log", "no.mcap", "--out", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_the_planted_errors_of_the_help_are_those_of_the_surrogate():
    assert set(OFFERED) == set(PLANTED)


def test_surrogate_logs_are_written_a_folder_per_session(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(surrogate_run, "MANOEUVRES_S", 0.3)
    monkeypatch.setattr(surrogate_run, "TOUCH_S", 0.3)
    assert (
        main(
            [
                "validate",
                "surrogate",
                "sidewalk_calm",
                "--out",
                str(tmp_path),
                "--runs",
                "1",
                "--duration",
                "1",
            ]
        )
        == 0
    )
    assert {path.name for path in (tmp_path / "session_000").iterdir()} == {
        "manoeuvres.mcap",
        "contact.mcap",
        "scenario.mcap",
    }
    assert "surrogate log" in capsys.readouterr().out
