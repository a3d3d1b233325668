# SPDX-License-Identifier: Apache-2.0
"""The edges of what a supervisor table may be: how many hazards, which numbers, which ways between its states."""

import copy
import json

import pytest

from reflexarc.assurance.supervisor.table import FORMAT, VERSION, digest, parse_table, write_table
from reflexarc.core.errors import ModelError
from reflexarc.core.paths import models_dir

PATH = models_dir() / "cells" / "welding.table.json"


def state(name, mode, hazards=(), alarms=()):
    held = {"hazards": list(hazards), "alarms": list(alarms)}
    return {"name": name, "mode": mode.lower(), "arc_mode": mode, **held}


def table(hazards=1, alarms=0, **changed):
    """Content that is valid unless changed: the first hazard slows the robot down, every other one stops it."""
    names = [f"h{k}" for k in range(hazards)]
    more = (1 << hazards) - 2
    content = {
        "format": FORMAT,
        "version": VERSION,
        "cell": "made up",
        "model_sha256": "0" * 64,
        "policy": {},
        "alarms": {f"a{k}": 0.5 for k in range(alarms)},
        "signals": [f"see {name}" for name in names],
        "excused_by": {},
        "hazards": {name: [f"see {name}"] for name in names},
        "states": [
            state("normal", "NORMAL", alarms=[0.0] * alarms),
            state("slow", "SPEED_SEPARATION", ["h0"], [1.0] * alarms),
            state("stop", "PROTECTIVE_STOP", alarms=[0.3] * alarms),
        ],
        "initial": 0,
        "default_stop": 2,
        "transitions": [
            {"hold": [0, 1] + [2] * more, "release": [0, 1] + [2] * more},
            {"hold": [1, 1] + [2] * more, "release": [0, 1] + [2] * more},
            {"hold": [2, 2] + [2] * more, "release": [0, 2] + [2] * more},
        ],
        "properties": {},
    }
    return content | changed


def parsed(content):
    return parse_table({**content, "digest": digest(content)}, "t")


def refused(content, message):
    with pytest.raises(ModelError, match=message):
        parsed(content)


@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_table_has_one_to_ten_hazards(count):
    assert len(parsed(table(count)).hold[0]) == 2**count


def test_a_table_of_eleven_hazards_is_refused():
    refused(table(11), "11 hazards; allowed: 1 to 10")


def test_every_hazard_has_a_signal_and_every_signal_is_named_once():
    silent = table(2)
    silent["hazards"]["h1"] = []
    silent["signals"] = ["see h0"]
    refused(silent, "signals must be exactly those")
    refused(table(2, signals=["see h0", "see h1", "see h0"]), "signals must be exactly those")
    shared = table(2, signals=["see h0"])
    shared["hazards"]["h1"] = ["see h0"]
    assert parsed(shared).hazards["h1"] == ("see h0",), "one signal may tell of two hazards"


def test_a_table_begins_where_nothing_is_stopped_or_mitigated():
    refused(table(initial=2), "initial state neither latched nor mitigated")
    refused(table(initial=1), "initial state neither latched nor mitigated")
    refused(table(default_stop=1), "default stop must be latched")


@pytest.mark.parametrize("row", ["hold", "release"])
def test_what_is_not_latched_may_be_left_for_a_faster_mode(row):
    content = table()
    content["states"].append(state("warned", "NORMAL", ["h0"]))
    content["transitions"].append({"hold": [3, 3], "release": [0, 3]})
    content["transitions"][1][row][1] = 3
    found = parsed(content)
    assert getattr(found, row)[1][1] == 3


def test_a_state_has_its_keys_and_no_others():
    content = table()
    content["states"][0]["colour"] = "green"
    refused(content, "a state needs exactly alarms, arc_mode, hazards, mode, name")
    del content["states"][0]["colour"], content["states"][0]["mode"]
    refused(content, "a state needs exactly")


def test_a_state_has_a_level_for_every_alarm_of_the_table():
    assert parsed(table(alarms=2)).states[1].alarms == (1.0, 1.0)
    content = table(alarms=2)
    content["states"][1]["alarms"] = [1.0]
    refused(content, "state 'slow' has 1 alarms, the table 2")


@pytest.mark.parametrize("level", [True, False, "0.5", None, -0.001, 1.001])
def test_the_level_of_an_alarm_is_a_number_from_nothing_to_all(level):
    content = table(alarms=1)
    content["states"][1]["alarms"] = [level]
    refused(content, "is no intensity of an alarm; allowed: 0 to 1")
    content["states"][1]["alarms"] = [1]
    assert parsed(content).states[1].alarms == (1.0,)


@pytest.mark.parametrize("index", [1.0, "1", None, -1, 3])
def test_the_index_of_a_state_is_a_whole_number_below_their_count(index):
    content = table()
    content["transitions"][0]["hold"][1] = index
    refused(content, "is no index of a state; allowed: 0 to 2")


@pytest.mark.parametrize("row", [{"0": 0, "1": 1}, "01", None, [0, 1, 2], [0]])
def test_a_row_of_transitions_is_a_list_of_one_entry_per_mask(row):
    content = table()
    content["transitions"][0]["hold"] = row
    refused(content, "a row of transitions needs 2 entries")


@pytest.mark.parametrize("name", ["welding", "sidewalk"])
def test_a_table_is_written_as_it_is_committed_so_that_a_change_shows_its_lines(name, tmp_path):
    path = PATH.with_name(f"{name}.table.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    before = copy.deepcopy(content)
    del content["digest"]
    write_table(content, tmp_path / "new" / "t.json")
    assert (tmp_path / "new" / "t.json").read_bytes() == path.read_bytes()
    assert {**content, "digest": before["digest"]} == before


def test_what_makes_no_table_is_not_written(tmp_path):
    with pytest.raises(ModelError):
        write_table(table(initial=2), tmp_path / "t.json")
    assert not (tmp_path / "t.json").exists()
