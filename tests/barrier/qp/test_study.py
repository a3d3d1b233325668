# SPDX-License-Identifier: Apache-2.0
"""The solver study judges rightly: its oracle, its counting, its tables, and the parts that it joins."""

import ast
import importlib
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize

from reflexarc.barrier.qp import BACKENDS, QpSolution
from reflexarc.cli.bench import benchmarks_dir, load_study
from reflexarc.core.errors import ReflexArcError

FOLDER = benchmarks_dir() / "barrier"


@pytest.fixture
def module(monkeypatch):
    """Import a module that stands beside the study."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_oracle_of_the_study_agrees_with_sequential_quadratic_programming(module):
    problems = module("problems")
    for p in problems.moving(np.random.default_rng(3), 30, 400)[::20]:
        answer = scipy.optimize.minimize(
            lambda u, p=p: 0.5 * ((u - p.target) ** 2).sum(),
            np.zeros(7),
            jac=lambda u, p=p: u - p.target,
            bounds=list(zip(p.lower, p.upper, strict=True)),
            constraints={
                "type": "ineq",
                "fun": lambda u, p=p: p.offsets - p.rows @ u,
                "jac": lambda u, p=p: -p.rows,
            },
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 300},
        )
        assert np.abs(problems.oracle(p) - answer.x).max() < 1e-5


def test_contradictory_programmes_have_no_feasible_point(module):
    problems = module("problems")
    rng = np.random.default_rng(4)
    spoilt = problems.contradictory(rng, problems.moving(rng, 30, 40))
    for p in spoilt:
        found = scipy.optimize.linprog(
            np.zeros(7), p.rows, p.offsets, bounds=list(zip(p.lower, p.upper, strict=True))
        )
        assert found.status == 2  # infeasible, says a method of another kind
        assert problems.oracle(p) is None


def test_motion_is_smooth(module):
    programmes = module("problems").moving(np.random.default_rng(5), 100, 50)
    steps = [np.abs(b.rows - a.rows).max() for a, b in itertools.pairwise(programmes)]
    assert 0.0 < max(steps) < 0.1


def test_every_solver_is_timed_and_nobody_errs_after_the_check(module, monkeypatch):
    solvers = module("solvers")
    monkeypatch.setattr(solvers, "ROWS", (30,))
    monkeypatch.setattr(solvers, "_SHORT", {30: 8})
    said = []
    part = solvers.run(False, said.append)
    assert [case["solver"] for case in part["cases"]] == list(BACKENDS) and said
    for case in part["cases"]:
        assert case["programmes"] == 8
        assert case["feasible"]["not_found"] == case["infeasible"]["used"] == 0
        assert case["feasible"]["worst_error"] < 1e-6
        assert case["relaxed"]["not_found"] == case["relaxed"]["without_slack"] == 0
        assert 0.0 < case["feasible"]["alone"]["p50_us"] <= case["feasible"]["alone"]["p99_us"]
    headline = solvers.headline(part)
    assert headline["qp_default_wrong_status"] == headline["qp_wrong_answers_used"] == 0
    table = "\n".join(module("tables")._solvers(part))
    assert all(f"| {name} | 30 |" in table for name in BACKENDS)


def test_wrong_answers_and_wrong_statuses_are_counted(module):
    solvers = module("solvers")
    calls = solvers._Calls()
    truth = [np.zeros(7)] * 4
    for found, shift, infeasible in (
        (True, 0.0, False),
        (True, 0.1, False),
        (False, 0.1, True),
        (True, np.nan, False),
    ):
        u = np.full(7, shift)
        calls.whole.append(1e-5)
        calls.alone.append(1e-5)
        calls.solutions.append(QpSolution(found, u, np.zeros(7), np.zeros(0), -1, (), 0.0, 1, 0.0, ""))
        calls.claims.append((u, infeasible))
    judged = solvers._judge_feasible(calls, truth)
    assert (judged["not_found"], judged["wrong_used"]) == (1, 2)
    assert (judged["called_infeasible"], judged["wrong_unchecked"]) == (1, 2)
    assert solvers._judge_infeasible(calls)["used"] == 3


def test_every_part_of_the_study_offers_what_the_study_calls():
    for name in load_study(FOLDER).PARTS:
        tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
        functions = {
            n.name: [a.arg for a in n.args.args] for n in tree.body if isinstance(n, ast.FunctionDef)
        }
        assert functions["run"] == ["full", "progress"] and len(functions["headline"]) == 1


def test_a_part_that_fails_is_named(monkeypatch, tmp_path):
    study = load_study(FOLDER)
    (tmp_path / "study.py").write_text((FOLDER / "study.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "solvers.py").write_text("def run(full, progress):\n    raise ValueError('no such rows')\n")
    monkeypatch.setattr(study, "HERE", Path(tmp_path))
    with pytest.raises(ReflexArcError, match=r"(?s)'solvers'.*no such rows"):
        study.run(False, print)


def test_parts_report_progress_and_figures_through_their_own_process(monkeypatch, tmp_path):
    study = load_study(FOLDER)
    source = (FOLDER / "study.py").read_text(encoding="utf-8")
    for name in study.PARTS:
        (tmp_path / f"{name}.py").write_text(
            f"import os\ndef run(full, progress):\n    progress('at {name}')\n"
            "    return {'full': full, 'threads': os.environ['OMP_NUM_THREADS']}\n"
            f"def headline(part):\n    return {{'{name}_full': part['full']}}\n"
        )
    (tmp_path / "study.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(study, "HERE", Path(tmp_path))
    said = []
    results = study.run(True, said.append)
    assert said == [f"at {name}" for name in study.PARTS]
    assert results["ladder"]["figures"] == {"full": True, "threads": "1"}
    assert study.headline(results) == {f"{name}_full": True for name in study.PARTS}
    results["ladder"]["headline"] = results["solvers"]["headline"]
    with pytest.raises(ReflexArcError, match="ladder"):
        study.headline(results)


def test_a_short_run_has_every_part_once():
    study = load_study(FOLDER)
    assert sorted(itertools.chain(*study.LANES)) == sorted(study.PARTS)


def test_tables_wait_for_a_full_run(module, tmp_path):
    assert "not been repeated" in module("tables").barrier_tables(tmp_path / "results.json")


def test_headline_figures_are_json(module):
    solvers = module("solvers")
    times = {"p50_us": 1.0, "p99_us": 2.0}
    case = {
        "rows": 30,
        "solver": "daqp",
        "feasible": {"whole": times, "worst_error": 1e-9, "not_found": 1, "wrong_used": 2},
        "infeasible": {"used": 3},
    }
    figures = json.loads(json.dumps(solvers.headline({"cases": [case]})))
    assert figures["qp_30_rows_p99_us"] == 2.0
    assert figures["qp_default_wrong_status"] == 4 and figures["qp_wrong_answers_used"] == 5
