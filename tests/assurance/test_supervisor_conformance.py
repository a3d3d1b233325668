# SPDX-License-Identifier: Apache-2.0
"""The tables that come with the project are the verified models, state by state and transition by transition."""

import copy
import functools
import json

import pytest

from reflexarc.assurance.hazards.policies import policy_from
from reflexarc.assurance.hazards.read import parse_cell, read_cell
from reflexarc.assurance.supervisor.table import digest, parse_table, read_table
from reflexarc.assurance.synthesis.automaton import automaton
from reflexarc.assurance.synthesis.checker import Checker
from reflexarc.assurance.synthesis.conformance import conformance
from reflexarc.assurance.synthesis.pipeline import check_table, exploring_values
from reflexarc.assurance.synthesis.prism import model_text
from reflexarc.core.config import read_yaml
from reflexarc.core.paths import models_dir

pytest.importorskip("stormpy")
CELLS = models_dir() / "cells"


def shipped(name):
    cell, table = read_cell(CELLS / f"{name}.yaml"), read_table(CELLS / f"{name}.table.json")
    return cell, table, json.loads((CELLS / f"{name}.table.json").read_text(encoding="utf-8"))


@functools.cache
def explore(name):
    cell, table, _ = shipped(name)
    policy = policy_from(cell, table.policy)
    with Checker(60.0) as checker:
        text = model_text(cell, policy, table.alarms, values=exploring_values(cell))
        return checker.check(text, [], explore=True).values["explore"]


@pytest.mark.parametrize("name", ["welding", "sidewalk"])
def test_the_table_executes_every_state_and_transition_of_its_model(name):
    cell, table, _ = shipped(name)
    assert table.model_sha256 == cell.sha256
    found = conformance(cell, table, explore(name))
    assert found.complete, found.differences[:3]
    claimed = table.properties["conformance"]
    assert (found.states, found.table_states, found.transitions) == (
        claimed["model_states"],
        claimed["table_states"],
        claimed["transitions"],
    )
    assert table.properties["deadlock"] == 0.0
    assert all(row["deadlock"] == 0.0 for row in table.properties["failing_sensors"].values())
    assert table.properties["mishap_worst"] <= table.properties["mishap_limit"]


def test_a_wrong_successor_on_any_transition_that_the_model_reaches_is_found():
    cell, table, content = shipped("welding")
    turns = explore("welding")
    index = {(state.mode, state.hazards, i == table.default_stop): i for i, state in enumerate(table.states)}
    reached = set()
    for turn in turns:
        state = turn["state"]
        held = sum(1 << i for i, name in enumerate(cell.hazards) if state[f"held_{name}"])
        at = index[list(cell.modes)[state["mode"]], held, state["stopped"]]
        mask = sum(1 << i for i, name in enumerate(cell.hazards) if f"noticed_{name}" in turn["labels"])
        reached.add((at, mask))
    stop, rows = table.default_stop, content["transitions"]
    wrong = sorted(t for t in reached if stop not in (rows[t[0]]["hold"][t[1]], rows[t[0]]["release"][t[1]]))
    assert len(wrong) > 20
    for at, mask in wrong[::3]:
        changed = copy.deepcopy(content)
        for row in changed["transitions"][at].values():
            row[mask] = stop
        broken = parse_table({**changed, "digest": digest(changed)}, "broken")
        assert not conformance(cell, broken, turns).complete


def test_the_automaton_stops_for_what_the_relations_exclude():
    cell, table, _ = shipped("welding")
    states = automaton(cell, policy_from(cell, table.policy))
    names = list(cell.hazards)
    both = 1 << names.index("HRW") | 1 << names.index("HC")
    alone = 1 << names.index("HC")
    start = next(state for state in states if state.mode == "normal")
    assert states[start][both, True].stopped
    assert states[start][alone, True].stopped  # HC requires HS
    assert not states[start][1 << names.index("HS"), True].stopped


def test_a_table_of_another_model_or_with_other_properties_does_not_pass():
    cell, table, content = shipped("welding")
    data = read_yaml(CELLS / "welding.yaml")
    data["hazards"]["HC"]["severity"] = 8
    assert "hash" in check_table(parse_cell(data, "changed"), table, content)[0]
    content["properties"]["mishap"] = 0.01
    content["digest"] = digest(content)
    lie = parse_table(content, "lie")
    assert check_table(cell, lie, content) == [
        f"properties.mishap: 0.01 in the table, {table.properties['mishap']} now"
    ]
    content["transitions"][0]["release"][2] = content["default_stop"]
    content["digest"] = digest(content)
    assert "transitions" in check_table(cell, parse_table(content, "other"), content)[0]
