# SPDX-License-Identifier: Apache-2.0
"""`reflexarc plan --solver risk`: budgets, shares, risks from files, and what is refused."""

import json

import pytest

from reflexarc.cli import main

ROADMAP = """
roadmap:
  vertices: [[0, 0], [2, 0], [1, 1], [4, 0], [4, 2]]
  edges: [[0, 1, 1, 3.0], [0, 2, 1, 0.5], [2, 1, 1, 0.5], [1, 3, 1, 1.0], [3, 4, 1, 0.0]]
agents: [{start: 0, goal: 3}, {start: 3, goal: 4}]
"""  # 0-2-1 is a step longer and 2.0 safer than 0-1
MAP = "type octile\nheight 3\nwidth 3\nmap\n...\n.@.\n...\n"
SCENARIO = "version 1\n0\tm.map\t3\t3\t0\t0\t2\t0\t2.0\n0\tm.map\t3\t3\t2\t0\t0\t0\t2.0\n"
RISKS = "states: [[[1, 0], 4.0]]\nedges: [[[0, 0], [0, 1], 0.25]]\ndefault: 0.5\nwait: 0.0\n"


@pytest.fixture
def folder(tmp_path):
    for name, text in (("r.yaml", ROADMAP), ("m.map", MAP), ("m.scen", SCENARIO), ("risks.yaml", RISKS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def planned(capsys, *arguments):
    code = main(
        ["plan", *map(str, arguments), "--solver", "risk", "--weight", "1", "--time-limit", "20", "--json"]
    )
    return code, json.loads(capsys.readouterr().out)


def test_shares_of_the_range_and_absolute_budgets(folder, capsys):
    out = folder / "plan.json"
    code, fast = planned(capsys, folder / "r.yaml", "--out", out)
    assert code == 0 and fast["solved"] and fast["validated"] and fast["budget"] is None
    code, safe = planned(capsys, folder / "r.yaml", "--budget", "0%", "--out", out)
    assert code == 0 and safe["soc"] > fast["soc"] and safe["risk"] <= safe["budget"] + 1e-8 < fast["risk"]
    assert safe["lower_bound"] == safe["soc"]
    assert main(["plan", "validate", str(out)]) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    content["risk"]["budget"] = safe["risk"] - 0.1
    out.write_text(json.dumps(content), encoding="utf-8")
    capsys.readouterr()
    assert main(["plan", "validate", str(out)]) == 1
    assert "risk: the plan risks" in capsys.readouterr().out
    code, none = planned(capsys, folder / "r.yaml", "--budget", str(safe["risk"] / 2))
    assert code == 1 and not none["solved"] and "no plan" in none["status"]


def test_risks_of_a_map_come_from_a_file(folder, capsys):
    inputs = (folder / "m.map", folder / "m.scen", "--agents", "2")
    # straight through (1, 0) takes 2 steps and 5.0, the way round 6 and 3.0, but only 2.75 out of (0, 0)
    code, plan = planned(capsys, *inputs, "--risk-file", folder / "risks.yaml", "--budget", "7.75")
    assert code == 0 and plan["validated"] and plan["soc"] == 8 and plan["risk"] == pytest.approx(7.75)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("r.yaml", ROADMAP.replace(", 3.0]", "]"), "risks need all four"),
        ("r.yaml", ROADMAP.replace("3.0", ".nan"), "edge 0 -> 1: its risk nan must be finite"),
        ("r.yaml", ROADMAP.replace("3.0", "-1"), "must be finite and >= 0"),
        ("r.yaml", ROADMAP.replace("3.0", "high"), "malformed roadmap"),
    ],
)
def test_roadmaps_without_sound_risks_are_refused(folder, capsys, name, text, words):
    (folder / name).write_text(text, encoding="utf-8")
    assert main(["plan", str(folder / name), "--solver", "risk"]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "expected keys and values"),
        ("costs: 1", "unknown key 'costs'"),
        ("edges: [[[0, 0], [2, 2], 1.0]]", "there is no edge from cell (0, 0) to cell (2, 2)"),
        ("edges: [[[0, 0], [1, 1], 1.0]]", "(1, 1) is no free cell"),
        ("edges: [[0, 99, 1.0]]", "99 is no vertex"),
        ("default: .inf", "must be finite"),
        ("wait: -1", "its wait risk -1.0"),
        ("crossing: 3", "allowed: true or false"),
        ("states: [1, 2]", "malformed risks"),
    ],
)
def test_files_of_risks_without_sense_are_refused(folder, capsys, text, words):
    path = folder / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    inputs = [str(folder / "m.map"), str(folder / "m.scen"), "--agents", "2"]
    assert main(["plan", *inputs, "--solver", "risk", "--risk-file", str(path)]) == 2
    assert words in capsys.readouterr().err
    assert main(["plan", *inputs, "--solver", "risk"]) == 2
    assert "needs --risk-file" in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--budget", "-1"), ("--budget", "many"), ("--budget", "nan%")])
def test_budgets_that_are_none_are_refused(folder, capsys, options):
    assert main(["plan", str(folder / "r.yaml"), "--solver", "risk", *options]) == 2
    assert "nothing was planned" in capsys.readouterr().err
    assert main(["plan", str(folder / "r.yaml"), "--budget", "1"]) == 2
    assert "for --solver risk only" in capsys.readouterr().err
