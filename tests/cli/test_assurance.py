# SPDX-License-Identifier: Apache-2.0
"""`reflexarc assurance explain|synthesise|check` from the command line."""

import json

import pytest
import yaml

from reflexarc.assurance.supervisor.table import digest
from reflexarc.cli import main
from reflexarc.core.config import read_yaml
from reflexarc.core.paths import models_dir

CELLS = models_dir() / "cells"


@pytest.fixture
def small_cell(tmp_path):
    """The welding cell with a single policy."""
    data = read_yaml(CELLS / "welding.yaml")
    for hazard in data["hazards"].values():
        hazard["mitigations"], hazard["resumptions"] = hazard["mitigations"][:1], hazard["resumptions"][:1]
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def test_explain_prints_hazards_modes_and_the_number_of_policies(capsys):
    assert main(["assurance", "explain", "welding"]) == 0
    out = capsys.readouterr().out
    for word in ("HRW", "hand_guided", "close_idle", "HC.mitigation", "36 policies", "prevents HC"):
        assert word in out


def test_explain_draws_the_cell(tmp_path, capsys):
    assert main(["assurance", "explain", "sidewalk", "--out", str(tmp_path / "cell.svg")]) == 0
    drawn = (tmp_path / "cell.svg").read_text(encoding="utf-8")
    assert drawn.lstrip().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "moon"], "unknown cell 'moon'; allowed: a YAML file, sidewalk, welding"),
        (["explain", "none.yaml"], "none.yaml: no such file"),
        (["explain", "welding", "--out", "cell.txt"], "the suffix must be one of"),
        (["synthesise", "welding", "--alarms", "0.5"], "leave_area, leave_workbench"),
        (["synthesise", "welding", "--alarms", "a,b"], "allowed: numbers in 0 to 1"),
        (["synthesise", "welding", "--alarms", "2,0"], "one intensity in 0 to 1"),
        (["synthesise", "welding", "--jobs", "0"], "whole numbers from 1"),
        (["synthesise", "welding", "--limit", "nan"], "seconds above 0"),
        (["synthesise", "welding", "--counts", "none.yaml"], "none.yaml: no such file"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(arguments, message, capsys):
    assert main(["assurance", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_synthesise_writes_a_table_that_check_proves_again(small_cell, tmp_path, capsys):
    pytest.importorskip("stormpy")
    out = tmp_path / "out"
    command = [
        "assurance",
        "synthesise",
        str(small_cell),
        "--out",
        str(out),
        "--alarms",
        "0.05,0.05",
        "--json",
    ]
    assert main(command) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["policies"], figures["configurations"], figures["undecided"]) == (1, 1, 0)
    assert {path.name for path in out.iterdir()} == {"table.json", "report.md", "pareto.svg", "sweep.json"}
    report = (out / "report.md").read_text(encoding="utf-8")
    assert "assumed: a seam takes four times as long as an exchange" in report
    assert main(["assurance", "check", str(out / "table.json"), "--cell", str(small_cell)]) == 0
    assert "proven again" in capsys.readouterr().out
    assert main(["assurance", "check", str(out / "table.json"), "--cell", "welding"]) == 1
    assert "hash" in capsys.readouterr().out


def test_check_refuses_a_table_that_was_tampered_with(tmp_path, capsys):
    content = json.loads((CELLS / "welding.table.json").read_text(encoding="utf-8"))
    content["states"][0]["arc_mode"] = "EMERGENCY_STOP"
    path = tmp_path / "table.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert main(["assurance", "check", str(path)]) == 1
    assert "does not agree with its digest" in capsys.readouterr().err
    assert content["digest"] != digest(content)


def test_when_no_policy_keeps_the_limit_no_table_is_written(small_cell, tmp_path, capsys):
    pytest.importorskip("stormpy")
    data = read_yaml(small_cell)
    data["limits"]["mishap_probability"] = 0.0
    data["hazards"]["HS"]["mitigations"] = ["area_force"]
    small_cell.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    out = tmp_path / "out"
    assert main(["assurance", "synthesise", str(small_cell), "--out", str(out), "--alarms", "0,0"]) == 1
    assert "no table was made" in capsys.readouterr().err
    assert not out.exists()
