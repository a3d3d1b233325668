# SPDX-License-Identifier: Apache-2.0
"""`reflexarc assurance conform`: what it reads, writes, says and exits with."""

import argparse
import json
import random
from dataclasses import replace

import pytest

from reflexarc.assurance.conformance.reverify import counted_cell, reverify
from reflexarc.assurance.conformance.trace import read_traces, write_traces
from reflexarc.assurance.hazards.policies import policy_from
from reflexarc.assurance.hazards.read import parse_cell, read_cell
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.assurance.synthesis import robust
from reflexarc.assurance.synthesis.checker import Checker
from reflexarc.assurance.synthesis.robust import robust_mishap
from reflexarc.assurance.synthesis.sweep import Configuration
from reflexarc.cli import _assurance_conform as verb
from reflexarc.cli import assurance
from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.core.paths import models_dir
from tests.assurance.drawn_traces import draw
from tests.cli.recordings import write_recording

CELLS = models_dir() / "cells"


@pytest.fixture(scope="module")
def cell():
    return read_cell(CELLS / "sidewalk.yaml")


@pytest.fixture(scope="module")
def table():
    return read_table(CELLS / "sidewalk.table.json")


@pytest.fixture(scope="module")
def drawn(cell, table):
    return draw(cell, table, 1500, random.Random(5))


def call(*words):
    parser = argparse.ArgumentParser()
    assurance.add_parser(parser.add_subparsers())
    return assurance.run(parser.parse_args(["assurance", "conform", *map(str, words)]))


def test_traces_of_the_model_conform_and_everything_is_written(cell, table, drawn, tmp_path, capsys):
    write_traces(drawn, tmp_path / "logs" / "deep" / "a.jsonl")
    out = tmp_path / "out"
    code = call("sidewalk", "--log", tmp_path / "logs", "--out", out, "--json")
    printed = capsys.readouterr().out.splitlines()
    figures = json.loads(printed[-1])
    assert figures == json.loads((out / "report.json").read_text())
    assert figures["unmatched"] == []
    assert code == int(figures["not_covered"] > 0)
    assert figures["turns"] == 1500
    assert "## Unmatched transitions\n\nNone." in (out / "report.md").read_text()
    assert read_traces(out / "traces.jsonl", cell, table) == tuple(drawn)
    counts = json.loads((out / "counts.json").read_text())
    kept = {
        p["path"]: [p["hits"], p["trials"]]
        for p in figures["probabilities"]
        if p["finding"] != "too few trials"
    }
    assert counts == kept != {}
    counted_cell(read_yaml(CELLS / "sidewalk.yaml"), cell, counts, "counts")


def test_an_impossible_turn_is_printed_and_fails(drawn, tmp_path, capsys):
    trace = max(drawn, key=lambda t: len(t.steps))
    steps = list(trace.steps)
    steps[2] = replace(steps[2], activity="handing_over" if steps[2].activity == "driving" else "driving")
    steps[2] = replace(steps[2], person="blocking" if steps[1].person != "blocking" else "away")
    write_traces([replace(trace, steps=tuple(steps))], tmp_path / "a.jsonl")
    assert call("sidewalk", "--log", tmp_path / "a.jsonl") == 1
    text = capsys.readouterr().out
    assert "DOES NOT CONFORM" in text
    assert "| process | " in text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.jsonl", "there is no such file"),
        ("a.csv", "the suffix must be one of"),
        ("empty", "no .mcap or .jsonl"),
    ],
)
def test_logs_that_are_none_are_refused(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(ConfigError, match=message):
        call("sidewalk", "--log", tmp_path / name)


def test_a_recording_that_says_too_little_is_refused_by_name(tmp_path):
    path = tmp_path / "run.mcap"
    write_recording(path, 0.1)
    with pytest.raises(RecordingError, match=r"run\.mcap: no message on 'mode'; a cell trace needs odom"):
        call("sidewalk", "--log", path)


def test_a_log_that_is_named_twice_counts_once(tmp_path):
    (tmp_path / "a.jsonl").write_text("")
    assert verb.log_files([tmp_path, tmp_path / "a.jsonl"]) == [tmp_path / "a.jsonl"]


@pytest.fixture(scope="module")
def welding():
    """The welding cell with a short horizon, its content, and its table: models that Storm checks in no time."""
    data = {**read_yaml(CELLS / "welding.yaml"), "horizon_steps": 9}
    return data, parse_cell(data, "welding"), read_table(CELLS / "welding.table.json")


def test_a_policy_is_verified_again_on_counts(welding):
    pytest.importorskip("stormpy")
    data, cell, table = welding
    more = {f"hazards.{name}.mishap": [120, 400] for name in cell.hazards}  # above the model's 0.1 and 0.2
    counted = counted_cell(data, cell, more, "counts")
    with Checker(60.0) as checker:
        before = robust_mishap(cell, Configuration(policy_from(cell, table.policy), table.alarms), checker)
        found = reverify(counted, table, checker)
    assert before["nominal"] < found["nominal"]["mishap"] < found["worst"]["mishap"]
    assert found["nominal"]["deadlock"] == found["worst"]["deadlock"] == 0.0
    assert found["keeps_limit"] == (found["worst"]["mishap"] <= cell.limits.mishap_probability)
    assert set(found["worst_at"]) == set(more)


def test_more_uncertain_probabilities_than_corners_can_be_made_of_are_screened(welding, monkeypatch):
    pytest.importorskip("stormpy")
    monkeypatch.setattr(robust, "MOST_UNCERTAIN", 4)
    monkeypatch.setattr(robust, "SCREENED", 2)
    data, cell, table = welding
    paths = [path for path in cell.probabilities() if not path.startswith("resuming")][:6]
    many = counted_cell(data, cell, dict.fromkeys(paths, [3, 100]), "counts")
    point = Configuration(policy_from(cell, table.policy), table.alarms)
    with Checker(60.0) as checker:
        found = robust_mishap(many, point, checker, inside=0)
    assert len(found["intervals"]) == 6
    assert found["corners"] == 4
    assert set(found["worst_at"]) == set(paths)  # none is forgotten
    assert found["worst"] > found["nominal"]
