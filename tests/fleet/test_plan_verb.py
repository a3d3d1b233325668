# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from reflexarc.cli import main
from reflexarc.fleet.film import positions_at

MAP = "type octile\nheight 2\nwidth 5\nmap\n.....\n@@.@@\n"
SCENARIO = "version 1\n0\tm.map\t5\t2\t0\t0\t4\t0\t4.0\n0\tm.map\t5\t2\t4\t0\t0\t0\t4.0\n"
ROADMAP = """
roadmap: {vertices: [[0, 0], [2, 0], [4, 0], [2, 2]], edges: [[0, 1], [1, 2], [1, 3]]}
agents: [{start: 0, goal: 2}, {start: 2, goal: 0}]
radius: 0.3
"""
FIGURES = "solved soc makespan lower_bound expanded seconds validated digest".split()


@pytest.fixture
def folder(tmp_path):
    for name, text in (("m.map", MAP), ("m.scen", SCENARIO), ("r.yaml", ROADMAP)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def planned(folder, *options):
    return main(["plan", str(folder / "m.map"), str(folder / "m.scen"), "--agents", "2", *options])


@pytest.mark.parametrize("solver", ["cbs", "eecbs", "lacam", "ccbs"])
def test_every_solver_prints_its_figures_and_writes_a_plan_that_holds(folder, capsys, solver):
    out = folder / "plan.json"
    assert planned(folder, "--solver", solver, "--first", "--json", "--out", str(out)) == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures)[: len(FIGURES)] == FIGURES
    assert figures["solved"] and figures["validated"] and figures["lower_bound"] <= figures["soc"] + 1e-9
    assert main(["plan", "validate", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"valid": True, "agents": 2, "findings": []}


def test_a_roadmap_is_planned_in_continuous_time(folder, capsys):
    assert main(["plan", str(folder / "r.yaml"), "--solver", "ccbs", "--json"]) == 0
    assert 8.0 < json.loads(capsys.readouterr().out)["soc"] < 14.0


def test_a_broken_plan_is_judged_so(folder, capsys):
    out = folder / "plan.json"
    planned(folder, "--out", str(out))
    content = json.loads(out.read_text(encoding="utf-8"))
    content["paths"][1] = [[v, t] for t, v in enumerate([4, 3, 2, 1, 0])]
    content["paths"][0] = [[v, t] for t, v in enumerate([0, 1, 2, 3, 4])]
    out.write_text(json.dumps(content), encoding="utf-8")
    capsys.readouterr()
    assert main(["plan", "validate", str(out)]) == 1
    assert "vertex: agents 0 and 1 are both at vertex 2 at step 2" in capsys.readouterr().out
    del content["edges"]
    out.write_text(json.dumps(content), encoding="utf-8")
    assert main(["plan", "validate", str(out)]) == 2
    assert "malformed plan (KeyError('edges')); nothing was judged" in capsys.readouterr().err


def test_no_plan_in_time_is_an_exit_code_of_one_and_no_file(folder, capsys):
    (folder / "m.map").write_text(MAP.replace("@@.@@", "@@@@@"), encoding="utf-8")
    out = folder / "plan.json"
    assert planned(folder, "--time-limit", "0.2", "--out", str(out), "--json") == 1
    captured = capsys.readouterr()
    figures = json.loads(captured.out)
    assert not figures["solved"] and figures["soc"] is None and figures["status"] == "no plan within 0.2 s"
    assert not out.exists() and "no file was written" in captured.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--solver", "pbs"], "unknown solver 'pbs'; allowed: cbs, ccbs, eecbs, lacam"),
        (["--agents", "3"], "2 agents; 3 were asked for"),
        (["--agents", "0"], "0 agents; an instance needs at least one"),
        (["--agents", "two"], "--agents 'two': expected a whole number >= 0"),
        (["--time-limit", "nan"], "--time-limit 'nan': expected a number > 0"),
        (["--weight", "0.5", "--solver", "eecbs"], "weight 0.5 must be >= 1"),
        (["--radius", "-1"], "--radius '-1': expected a number > 0"),
        (["--animate", "film.avi"], "'film.avi' must end in .gif or .mp4; nothing was planned"),
        (["--out", "nowhere/plan.json"], "its folder does not exist; nothing was planned"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(folder, capsys, options, message):
    assert planned(folder, *options) == 2
    assert message in capsys.readouterr().err


def test_inputs_of_another_kind_are_refused(folder, capsys):
    assert main(["plan", str(folder / "m.scen")]) == 2
    assert "allowed: MAP.map SCEN.scen, INSTANCE.yaml, or validate PLAN.json" in capsys.readouterr().err
    assert main(["plan", "validate"]) == 2
    assert main(["plan", "validate", str(folder / "m.map")]) == 2
    assert "no plan can be read" in capsys.readouterr().err


def test_a_film_is_a_moving_picture(folder):
    from PIL import Image  # noqa: PLC0415 - part of the simulation's dependencies

    film = folder / "film.gif"
    assert planned(folder, "--animate", str(film)) == 0
    with Image.open(film) as picture:
        assert picture.n_frames > 10


def test_films_show_robots_between_vertices_while_they_drive():
    plan = {"positions": [[0, 0], [2, 0]], "paths": [[[0, 0], [0, 1], [1, 3]]]}
    where = positions_at(plan, np.array([0.5, 2.0, 9.0]))
    assert where[0].tolist() == [[0, 0], [1, 0], [2, 0]]
