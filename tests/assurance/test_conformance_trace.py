# SPDX-License-Identifier: Apache-2.0
"""Files of cell traces: written, read, and refused where they are damaged."""

import json
import math
import random

import pytest

from reflexarc.assurance.conformance.trace import read_traces, write_traces
from reflexarc.assurance.hazards.read import read_cell
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.core.errors import ConfigError
from reflexarc.core.paths import models_dir
from tests.assurance.drawn_traces import draw

CELLS = models_dir() / "cells"


@pytest.fixture(scope="module")
def cell():
    return read_cell(CELLS / "welding.yaml")


@pytest.fixture(scope="module")
def table():
    return read_table(CELLS / "welding.table.json")


@pytest.fixture
def lines(cell, table, tmp_path):
    traces = draw(cell, table, 60, random.Random(3))[:1]
    write_traces(traces, tmp_path / "whole.jsonl")
    return [json.loads(line) for line in (tmp_path / "whole.jsonl").read_text().splitlines()]


def test_what_is_written_is_read_back(cell, table, tmp_path):
    traces = tuple(draw(cell, table, 300, random.Random(1)))
    write_traces(traces, tmp_path / "deep" / "a.jsonl")
    assert read_traces(tmp_path / "deep" / "a.jsonl", cell, table) == traces


def put(tmp_path, lines, cell, table):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read_traces(path, cell, table)


def edit(number, **change):
    def apply(lines):
        lines[number] = {**lines[number], **change}
        return lines

    return apply


def without(number):
    return lambda lines: lines[:number] + lines[number + 1 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edit(0, version=2), "allowed: reflexarc cell trace 1"),
        (edit(0, format="something"), "allowed: reflexarc cell trace"),
        (edit(0, extra=1), "a head has exactly"),
        (edit(0, cell="sidewalk"), "of the cell 'sidewalk', asked for 'welding'"),
        (edit(0, step_s=0.5), "its turns take 0.5 s"),
        (edit(0, step_s=math.nan), "step_s: nan is no finite number"),
        (without(0), "must be a head"),
        (lambda lines: lines[:2], "at least 2 are needed"),
        (lambda lines: [], "the file is empty"),
        (without(3), "it is the turn of"),
        (edit(3, time=2.5), "expected 2.000000 s"),
        (edit(3, time=math.nan), "time: nan is no finite number"),
        (edit(3, time=True), "time: True is no finite number"),
        (edit(2, person="on_the_moon"), "unknown location 'on_the_moon'"),
        (edit(2, activity="sleeping"), "unknown activity"),
        (edit(2, mode="fast"), "unknown mode"),
        (edit(2, state="nowhere"), "unknown state of the table"),
        (edit(2, mode="stopped"), "but the state"),
        (edit(2, mishap="HX"), "a mishap ends a trace"),
        (edit(-1, mishap="HX"), "unknown hazard"),
        (edit(2, things={"support": "empty"}), "things: missing or unknown: gripper"),
        (edit(2, things={"support": "full", "gripper": "open"}), "unknown state of support"),
        (edit(2, sensors={}), "sensors: missing or unknown"),
        (edit(2, sensors={"range_finder": 1, "light_barrier": "works"}), "expected str, found 1"),
        (
            edit(2, sensors={"range_finder": "broken", "light_barrier": "works"}),
            "unknown state of range_finder",
        ),
        (edit(1, signals={"range_near": True}), "signals: missing or unknown"),
        (edit(1, signals={"range_near": 1}), "expected bool, found 1"),
        (edit(2, surprise=1), "missing or unknown keys: surprise"),
        (edit(2, turn=None), "turn: expected str, found None"),
        (lambda lines: [*lines[:2], [1], *lines[3:]], "expected an object"),
    ],
)
def test_a_damaged_file_is_refused(lines, damage, message, cell, table, tmp_path):
    with pytest.raises(ConfigError, match=message):
        put(tmp_path, damage(lines), cell, table)


def test_a_file_that_was_cut_off_or_is_not_there_is_refused(cell, table, lines, tmp_path):
    path = tmp_path / "whole.jsonl"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ConfigError, match="was the file cut off"):
        read_traces(path, cell, table)
    with pytest.raises(ConfigError, match="not readable as cell traces"):
        read_traces(tmp_path / "none.jsonl", cell, table)
