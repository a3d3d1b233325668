# SPDX-License-Identifier: Apache-2.0
"""`reflexarc bench` runs studies and keeps what they found."""

import json

import pytest

from reflexarc.cli import main

STUDY = """
SEEDS = (3, 4)
def run(full, progress):
    progress("counting")
    return {"runs": 20 if full else 2, "times": [1.5, 2.5]}
def headline(results):
    return {"runs": results["runs"], "slowest_us": max(results["times"])}
"""


@pytest.fixture
def studies(tmp_path, monkeypatch):
    for name in ("counting", "timing"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.py").write_text(STUDY)
    (tmp_path / "counting" / "README.md").write_text("# How many\n")
    monkeypatch.setenv("REFLEXARC_BENCHMARKS", str(tmp_path))
    return tmp_path


def test_studies_are_listed_with_their_titles(studies, capsys):
    assert main(["bench", "--list"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["counting", "How", "many"],
        ["timing"],
    ]


def test_a_short_run_prints_the_headline_as_its_last_line_and_writes_nothing(studies, capsys):
    assert main(["bench", "counting", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1]) == {"runs": 2, "slowest_us": 2.5}
    assert "counting: counting" in captured.err
    assert not (studies / "counting" / "results.json").exists()


def test_a_full_run_writes_figures_command_seeds_versions_machine_and_date(studies):
    assert main(["bench", "counting", "--full"]) == 0
    results = json.loads((studies / "counting" / "results.json").read_text())
    assert results["headline"] == {"runs": 20, "slowest_us": 2.5}
    assert results["figures"] == {"runs": 20, "times": [1.5, 2.5]}
    assert results["command"] == "reflexarc bench counting --full"
    assert results["seeds"] == [3, 4]
    assert results["versions"]["numpy"]
    assert results["machine"]["cores"] >= 1
    assert len(results["date"]) == 10


def test_all_runs_every_study(studies, capsys):
    assert main(["bench", "--all", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])) == {"counting", "timing"}


def test_an_unknown_study_lists_those_that_exist(studies, capsys):
    assert main(["bench", "guessing"]) == 2
    assert "unknown study 'guessing'" in (error := capsys.readouterr().err)
    assert "allowed: counting, timing" in error
    assert main(["bench"]) == 2
    assert "no study given; allowed: --all, counting, timing" in capsys.readouterr().err


def test_a_study_without_a_headline_is_an_error(studies, capsys):
    (studies / "timing" / "study.py").write_text("def run(full, progress): return {}")
    assert main(["bench", "timing"]) == 1
    assert "has no function headline()" in capsys.readouterr().err


PARTS = """
PARTS = ("slow",)
def run(full, progress): return {"runs": 20, "slow": {"us": 7.0}}
def run_part(name, full, progress): return {"us": 9.0 if full else 8.0}
def headline(results):
    return {k: v["us"] if k in PARTS else v for k, v in results.items()}
"""


def test_a_part_is_renewed_and_the_rest_of_the_results_stays(studies):
    folder = studies / "counting"
    (folder / "study.py").write_text(PARTS)
    assert main(["bench", "counting", "--full"]) == 0
    before = json.loads((folder / "results.json").read_text())
    assert main(["bench", "counting", "--full", "--part", "slow"]) == 0
    after = json.loads((folder / "results.json").read_text())
    assert after["figures"] == {"runs": 20, "slow": {"us": 9.0}}
    assert after["headline"] == {"runs": 20, "slow": 9.0}
    origin = after.pop("parts")["slow"]
    assert origin["command"] == "reflexarc bench counting --full --part slow"
    assert origin["machine"] == before["machine"] and len(origin["date"]) == 10
    rest = set(before) - {"figures", "headline"}
    assert {key: after[key] for key in rest} == {key: before[key] for key in rest}


def test_a_short_run_of_a_part_prints_its_figures_alone(studies, capsys):
    (studies / "counting" / "study.py").write_text(PARTS)
    assert main(["bench", "counting", "--part", "slow", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"slow": 8.0}
    assert not (studies / "counting" / "results.json").exists()


def test_a_part_that_cannot_be_run_or_renewed_is_an_error(studies, capsys):
    (studies / "counting" / "study.py").write_text(PARTS)
    assert main(["bench", "counting", "--part", "fast"]) == 2
    assert "allowed: slow" in capsys.readouterr().err
    assert main(["bench", "timing", "--part", "slow"]) == 2
    assert main(["bench", "--all", "--part", "slow"]) == 2
    assert main(["bench", "counting", "--full", "--part", "slow"]) == 1
    assert "run the whole study" in capsys.readouterr().err
