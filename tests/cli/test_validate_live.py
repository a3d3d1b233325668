# SPDX-License-Identifier: Apache-2.0
"""`reflexarc validate live`: what is refused, what is launched, and where recordings go. The launch is made up."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from reflexarc import launcher
from reflexarc.cli import _domain, _live, main
from reflexarc_sim.scenario import load_scenario


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", "--out", "OUT"], "unknown scenario"),
        (["sidewalk_calm", "--out", "OUT", "--runs", "0"], "at least 1"),
        (["sidewalk_calm", "--out", "OUT", "--duration", "0.5"], "at least 1"),
        (["sidewalk_calm", "--out", "OUT", "--seed", "-1"], "at least 0"),
        (["maze_arm", "--out", "OUT"], "'panda' is an arm"),
        (["fleet_delivery", "--out", "OUT"], "fleet.robots is"),
    ],
)
def test_a_request_that_is_not_acceptable_exits_with_2(tmp_path, capsys, arguments, says):
    assert main(["validate", "live", *(str(tmp_path / "logs") if a == "OUT" else a for a in arguments)]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()


def test_a_session_that_is_there_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "session_001").mkdir()
    assert main(["validate", "live", "sidewalk_calm", "--out", str(tmp_path)]) == 2
    assert "session_001 exists" in capsys.readouterr().err
    assert not (tmp_path / "session_000").exists()


class MadeUpLaunch:
    """Writes what the nodes would, or nothing."""

    made: list["MadeUpLaunch"]
    summary = True

    def __init__(self, _path, arguments, out_dir):
        self.arguments, self.folder, self.running = arguments, Path(out_dir), False
        self.domain = os.environ["ROS_DOMAIN_ID"]
        self.made.append(self)

    def __enter__(self):
        (self.folder / "run.mcap").write_bytes(self.arguments["drive"].encode())
        if self.summary:
            (self.folder / "summary.json").write_text("{}")
        return self

    def __exit__(self, *_):
        pass

    def wait(self):
        return SimpleNamespace(failed=(), exit_code=0, reason="done", log_dir=self.folder / "log")


@pytest.fixture
def launches(monkeypatch):
    monkeypatch.setattr(MadeUpLaunch, "made", [], raising=False)
    monkeypatch.setattr(launcher, "Launch", MadeUpLaunch)
    monkeypatch.setattr(_live, "require_ros", lambda: None)
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    monkeypatch.setattr(_domain, "_taken", [])
    return MadeUpLaunch.made


def test_a_session_is_three_drives_of_which_contact_goes_without_the_arc(launches, tmp_path):
    arguments = ["--runs", "2", "--seed", "5", "--duration", "12"]
    assert main(["validate", "live", "sidewalk_supervised", "--out", str(tmp_path), *arguments]) == 0
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.mcap")}
    assert names == {f"session_00{k}/{d}.mcap" for k in (0, 1) for d in ("manoeuvres", "contact", "scenario")}
    assert (tmp_path / "session_001/contact.mcap").read_bytes() == b"contact"
    told = [
        {key: made.arguments[key] for key in ("drive", "seed", "arc", "supervised", "duration")}
        for made in launches[:3]
    ]
    assert told == [
        {"drive": "manoeuvres", "seed": "5", "arc": "true", "supervised": "false", "duration": "23.6"},
        {
            "drive": "contact",
            "seed": "5",
            "arc": "false",
            "supervised": "false",
            "duration": told[1]["duration"],
        },
        {"drive": "scenario", "seed": "5", "arc": "true", "supervised": "true", "duration": "12.0"},
    ]
    assert float(told[1]["duration"]) == pytest.approx(8.9)
    assert {made.arguments["seed"] for made in launches[3:]} == {"6"}
    driven = [yaml.safe_load(Path(made.arguments["scenario"]).read_text()) for made in launches[:3]]
    assert [scenario.get("plant", {}).get("start", "mission") for scenario in driven] == [
        "middle",
        "bollard",
        "mission",
    ]
    assert driven[2] == dict(load_scenario("sidewalk_supervised").source)


def test_only_the_drives_that_are_asked_for_are_made(launches, tmp_path):
    arguments = ["--runs", "1", "--drives", "scenario", "scenario"]
    assert main(["validate", "live", "sidewalk_calm", "--out", str(tmp_path), *arguments]) == 0
    assert [made.arguments["drive"] for made in launches] == ["scenario"]


def test_a_node_that_fails_ends_it_with_1(launches, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(MadeUpLaunch, "summary", False)
    assert main(["validate", "live", "sidewalk_calm", "--out", str(tmp_path)]) == 1
    assert "manoeuvres of" in (said := capsys.readouterr().err) and "without a summary" in said
    assert len(launches) == 1 and not list(tmp_path.glob("*/*.mcap"))


def test_every_launch_takes_a_domain_anew_unless_the_user_set_one(launches, tmp_path, monkeypatch):
    free = iter(("11", "12", "13", "14", "15", "16"))
    monkeypatch.setattr(_domain, "choose_domain", lambda: int(os.environ.get("ROS_DOMAIN_ID") or next(free)))
    assert main(["validate", "live", "sidewalk_calm", "--out", str(tmp_path / "a"), "--runs", "1"]) == 0
    assert [made.domain for made in launches] == ["11", "12", "13"]
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    assert main(["validate", "live", "sidewalk_calm", "--out", str(tmp_path / "b"), "--runs", "1"]) == 0
    assert [made.domain for made in launches[3:]] == ["42"] * 3
