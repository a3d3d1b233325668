# SPDX-License-Identifier: Apache-2.0
"""Cells are read strictly; every probability says where it comes from."""

import copy

import pytest

from reflexarc.assurance.hazards.condition import clauses, holds
from reflexarc.assurance.hazards.counts import with_counts
from reflexarc.assurance.hazards.policies import decision_points, policy_count, policy_from
from reflexarc.assurance.hazards.probability import Probability
from reflexarc.assurance.hazards.read import parse_cell, read_cell
from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Mode

WELDING = models_dir() / "cells" / "welding.yaml"


@pytest.fixture(scope="module")
def original():
    return read_yaml(WELDING)


@pytest.fixture
def data(original):
    return copy.deepcopy(original)


def at(data, path):
    *parents, last = path.split(".")
    for key in parents:
        data = data[int(key)] if isinstance(data, list) else data[key]
    return data, int(last) if isinstance(data, list) else last


def test_the_welding_cell_has_the_published_modes_and_36_policies():
    cell = read_cell(WELDING)
    assert policy_count(cell) == 36
    assert [mode.productivity for mode in cell.modes.values()] == [1.0, 0.8, 0.7, 0.4, 0.1, 0.0]
    assert cell.modes["hand_guided"].mishap == {"HC": 0.4, "HRW": 0.2, "HS": 0.2}
    assert cell.modes["stopped"].arc is Mode.PROTECTIVE_STOP
    assert len(decision_points(cell)["HC.mitigation"]) == 3


def test_every_probability_of_the_sidewalk_says_that_it_is_assumed():
    cell = read_cell(models_dir() / "cells" / "sidewalk.yaml")
    assert all(p.assumed for p in cell.probabilities().values())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("colour", "red", "unknown key 'colour'"),
        ("hazards.HC.colour", "red", "unknown key 'colour'"),
        ("name", "two words", "is no name"),
        ("description", "", "expected a text"),
        ("step_s", 0, "above 0"),
        ("step_s", float("nan"), "allowed: above 0"),
        ("horizon_steps", 1.5, "whole"),
        ("horizon_steps", True, "allowed: above 0"),
        ("person.initial", "moon", "unknown initial state 'moon'"),
        ("person.locations", [], "each named once"),
        ("person.locations", ["at_table", "at_table"], "each named once"),
        ("person.moves.0.when", {"moon": "full"}, "unknown variable 'moon'"),
        ("person.moves.0.when", {"operator": "moon"}, "unknown state 'moon'"),
        ("person.moves.0.when", {"operator": []}, "at least one state"),
        ("person.moves.0.when", {"any_of": []}, "any_of must stand alone"),
        ("person.moves.0.when", {"mode": "normal"}, "unknown variable 'mode'"),
        ("person.moves.0.set", {"activity": "idle"}, "unknown variable 'activity'"),
        ("person.moves.0.set", {"support": "moon"}, "unknown state 'moon'"),
        ("person.moves.0.name", "enter_cell", "two moves have the same name"),
        ("person.moves.0.deterred_by", "horn", "unknown alarm 'horn'"),
        ("person.moves.4.deterred_by", "leave_area", "both deterred and hurried"),
        ("person.moves.5.probability.value", 0.51, "probabilities up to 1.01, above 1"),
        ("person.moves.5.probability.value", 1.5, "out of bounds"),
        ("person.moves.5.probability", {"value": 0.5}, "either a source or the reason"),
        ("person.moves.5.probability", {"value": 0.5, "source": "study", "assumed": "x"}, "either a source"),
        ("person.moves.5.probability", {"source": "study"}, "either value or counts"),
        ("person.moves.5.probability", {"value": 0.5, "source": "moon"}, "unknown source 'moon'"),
        ("person.moves.5.probability", {"counts": [3, 2], "source": "study"}, "hits <= trials"),
        (
            "person.moves.5.probability",
            {"value": 0.4, "low": 0.5, "high": 0.6, "source": "study"},
            "does not hold",
        ),
        ("person.moves.5.probability", {"value": 0.4, "low": 0.3, "source": "study"}, "belong together"),
        ("process.tasks.1.when", {"activity": "idle", "gripper": "raw"}, "several tasks are due"),
        ("process.goal", [], "expected a mapping"),
        ("sensors.range_finder.reports", "noise", "unknown value 'noise'"),
        ("sensors.range_finder.loss", {"value": 0.1, "source": "study"}, "belong together"),
        ("signals.range_near.sensor", "radar", "unknown sensor 'radar'"),
        ("signals.unused", {"when": {"operator": "in_cell"}}, "no hazard is detected by unused"),
        ("modes.normal.arc", "SLEEP", "unknown mode of the arc 'SLEEP'"),
        ("modes.normal.arc", "POWER_FORCE_LIMITED", "most permissive to the strictest"),
        ("modes.normal.productivity", 1.5, "allowed: 0 to 1"),
        ("modes.normal.mishap", {"HC": 1}, "one factor for each"),
        ("modes.normal.colour", 1, "exactly arc"),
        ("hazards.HC.detected_by", [], "at least one is needed"),
        ("hazards.HC.detected_by", ["radar"], "unknown detected_by 'radar'"),
        ("hazards.HC.mitigations", ["hope"], "unknown mitigations 'hope'"),
        ("hazards.HC.resumptions", ["close_off"], "cannot lead to a latched mode"),
        ("hazards.HC.requires", ["HX"], "unknown hazard 'HX'"),
        ("hazards.HC.requires", ["HC"], "no relation to itself"),
        ("hazards.HS.blocks", ["HRW"], "block each other in a circle"),
        ("hazards.HRW.causes", ["HC"], "cannot cause what it prevents"),
        ("hazards.HC.severity", -1, "out of bounds"),
        ("actions.close_off.mode", "asleep", "unknown mode 'asleep'"),
        ("actions.close_off.activity", "dance", "unknown activity 'dance'"),
        ("actions.close_off.alarm", "horn", "unknown alarm 'horn'"),
        ("actions.close_off.effort", float("inf"), "out of bounds"),
        ("default_stop.mode", "normal", "must be mapped to a stop"),
        ("limits.mishap_probability", 2, "out of bounds"),
        ("sources", "a book", "expected a mapping of names"),
        ("things.operator", {"states": ["a"], "initial": "a"}, "names of their own"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(data, path, value, message):
    parent, key = at(data, path)
    parent[key] = value
    with pytest.raises(ConfigError, match="welding") as error:
        parse_cell(data, "welding")
    assert message in str(error.value)


@pytest.mark.parametrize("key", ["name", "step_s", "hazards", "modes", "default_stop", "resuming", "limits"])
def test_a_missing_section_is_refused(data, key):
    del data[key]
    with pytest.raises(ConfigError, match=f"'{key}' is required"):
        parse_cell(data, "welding")


def test_a_hazard_cannot_have_the_name_of_a_variable(data):
    data["hazards"]["mode"] = data["hazards"].pop("HC")
    data["hazards"]["HRW"] |= {"prevents": [], "blocks": []}
    for mode in data["modes"].values():
        mode["mishap"]["mode"] = mode["mishap"].pop("HC")
    with pytest.raises(ConfigError, match="choose another name"):
        parse_cell(data, "welding")


def test_the_hash_is_of_the_content_and_not_of_the_order(data, original):
    assert parse_cell(dict(reversed(data.items())), "a").sha256 == read_cell(WELDING).sha256
    data["hazards"]["HC"]["severity"] = 8
    assert parse_cell(data, "a").sha256 != read_cell(WELDING).sha256


def test_conditions_are_disjunctions_of_memberships():
    when = {"any_of": [{"a": ["x", "y"], "b": "u"}, {"c": "v"}]}
    assert len(clauses(when)) == 2
    assert holds(when, {"a": "y", "b": "u", "c": "-"})
    assert holds(when, {"a": "-", "b": "u", "c": "v"})
    assert not holds(when, {"a": "y", "b": "-", "c": "-"})
    assert holds({}, {"a": "x"})


def test_counts_give_the_exact_interval_of_clopper_and_pearson():
    assert Probability(counts=(0, 100), source="log").interval(0.95) == pytest.approx(
        (0.0, 0.036217), abs=1e-6
    )
    assert Probability(counts=(5, 10), source="log").interval(0.95) == pytest.approx(
        (0.187086, 0.812914), abs=1e-6
    )
    assert Probability(counts=(5, 10), source="log").nominal == 0.5
    assert Probability(value=0.3, source="x").interval(0.95) == (0.3, 0.3)
    assert Probability(value=0.3, low=0.2, high=0.5, assumed="x").interval(0.95) == (0.2, 0.5)


@pytest.mark.parametrize(
    "path",
    [
        "hazards.HC.mishap",
        "person.withdraw_arm",
        "process.weld",
        "sensors.range_finder.failure",
        "resuming.dwell",
    ],
)
def test_counts_from_logs_take_the_place_of_a_probability(data, path):
    cell = read_cell(WELDING)
    changed = parse_cell(with_counts(data, cell, {path: [3, 40]}, "logs.yaml"), "welding")
    assert changed.probabilities()[path].counts == (3, 40)
    assert changed.sources["counts"] == "logs.yaml"
    assert changed.sha256 != cell.sha256


def test_counts_of_nothing_known_or_of_no_numbers_are_refused(data):
    cell = read_cell(WELDING)
    with pytest.raises(UnknownNameError, match=r"hazards\.HX\.mishap"):
        with_counts(data, cell, {"hazards.HX.mishap": [1, 2]}, "logs.yaml")
    for pair in ([1], [1, 2.5], "1/2", [True, 2]):
        with pytest.raises(ConfigError, match="expected \\[hits, trials\\]"):
            with_counts(data, cell, {"hazards.HC.mishap": pair}, "logs.yaml")


def test_a_policy_needs_one_known_action_for_every_decision():
    cell = read_cell(WELDING)
    choices = {point: actions[0] for point, actions in decision_points(cell).items()}
    assert policy_from(cell, choices).choices() == choices
    with pytest.raises(UnknownNameError, match="unknown action"):
        policy_from(cell, choices | {"HC.mitigation": "hope"})
    with pytest.raises(UnknownNameError, match="unknown decision point"):
        policy_from(cell, choices | {"HX.mitigation": "hope"})
    del choices["HC.mitigation"]
    with pytest.raises(ConfigError, match=r"no action chosen for HC\.mitigation"):
        policy_from(cell, choices)
