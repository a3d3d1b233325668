# SPDX-License-Identifier: Apache-2.0
"""A table that was tampered with, truncated, or holds an unsafe automaton is refused."""

import copy
import json

import pytest

from reflexarc.assurance.supervisor.table import digest, parse_table, read_table, write_table
from reflexarc.core.errors import ModelError
from reflexarc.core.paths import models_dir

PATH = models_dir() / "cells" / "welding.table.json"


@pytest.fixture
def content():
    return json.loads(PATH.read_text(encoding="utf-8"))


def signed(content):
    return {**content, "digest": digest(content)}


def test_a_written_table_reads_back_the_same(content, tmp_path):
    written = write_table({k: v for k, v in content.items() if k != "digest"}, tmp_path / "t.json")
    assert written == read_table(tmp_path / "t.json") == read_table(PATH)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["transitions"][0]["release"].__setitem__(1, 0),
        lambda c: c["states"][0].__setitem__("arc_mode", "SPEED_SEPARATION"),
        lambda c: c["alarms"].__setitem__("leave_area", 0.5),
        lambda c: c["properties"].__setitem__("mishap", 0.0),
        lambda c: c.__setitem__("model_sha256", "0" * 64),
        lambda c: c["policy"].__setitem__("HC.mitigation", "close_off"),
        lambda c: c["signals"].reverse(),
        lambda c: c.__setitem__("digest", "0" * 64),
        lambda c: c.__setitem__("digest", None),
    ],
)
def test_any_change_of_the_content_is_noticed(content, change):
    change(content)
    with pytest.raises(ModelError, match="digest"):
        parse_table(content, "t")


def test_a_number_that_is_none_cannot_hide_a_missing_digest(content):
    content["alarms"]["leave_area"] = float("nan")
    with pytest.raises(ModelError, match="digest"):
        parse_table({**content, "digest": None}, "t")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share):
    text = PATH.read_text(encoding="utf-8")
    path = tmp_path / "t.json"
    path.write_text(text[: int(share * len(text))], encoding="utf-8")
    with pytest.raises(ModelError, match="not readable"):
        read_table(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not readable"):
        read_table(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "another"}, "this is no"),
        ({"version": 2}, "version 2 is not known"),
        ({"version": True}, "version True is not known"),
        ({"colour": 1}, "keys differ"),
        ({"initial": 99}, "no index of a state"),
        ({"initial": True}, "no index of a state"),
        ({"default_stop": 0}, "must be latched"),
        ({"signals": ["range_near"]}, "exactly those"),
        ({"excused_by": {"range_near": "colour"}}, "excused_by"),
        ({"alarms": {"leave_area": 1.5, "leave_workbench": 0}}, "intensity of an alarm"),
        ({"transitions": []}, "transitions"),
        ({"hazards": {}}, "hazards"),
    ],
)
def test_a_signed_table_that_makes_no_sense_is_refused(content, change, message):
    with pytest.raises(ModelError, match=message):
        parse_table(signed({**content, **change}), "t")


def test_a_list_is_no_table():
    with pytest.raises(ModelError, match="this is no"):
        parse_table([], "t")


def test_a_row_that_is_too_short_is_refused(content):
    content["transitions"][0]["hold"].pop()
    with pytest.raises(ModelError, match="entries"):
        parse_table(signed(content), "t")


def test_an_automaton_that_leaves_a_latched_stop_without_a_release_is_refused(content):
    stop = content["default_stop"]
    for row, mask in (("hold", 0), ("hold", 1), ("release", 1)):
        changed = copy.deepcopy(content)
        changed["transitions"][stop][row][mask] = content["initial"]
        with pytest.raises(ModelError, match="is latched but is left"):
            parse_table(signed(changed), "t")


def test_an_automaton_that_lets_go_of_what_it_holds_is_refused(content):
    held = next(i for i, state in enumerate(content["states"]) if state["hazards"])
    content["transitions"][held]["hold"][0] = content["initial"]
    with pytest.raises(ModelError, match="lets go"):
        parse_table(signed(content), "t")


def test_two_states_of_one_name_are_refused(content):
    content["states"][1]["name"] = content["states"][0]["name"]
    with pytest.raises(ModelError, match="same name"):
        parse_table(signed(content), "t")


def test_an_unknown_mode_of_the_arc_is_refused(content):
    content["states"][0]["arc_mode"] = "SLEEP"
    with pytest.raises(ModelError, match="SLEEP"):
        parse_table(signed(content), "t")
