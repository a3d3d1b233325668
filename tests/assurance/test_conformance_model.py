# SPDX-License-Identifier: Apache-2.0
"""Traces drawn from a known model: intervals cover at their rate; what is wrong or impossible is found."""

import copy
import random
from dataclasses import replace

import pytest

from reflexarc.assurance.conformance.estimate import Finding, Own, count, estimate, needed_trials
from reflexarc.assurance.conformance.replay import replay
from reflexarc.assurance.conformance.report import conformance_figures, conformance_page, conforms
from reflexarc.assurance.conformance.reverify import counted_cell, counts_of
from reflexarc.assurance.hazards.read import parse_cell
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ModelError
from reflexarc.core.intervals import clopper_pearson
from reflexarc.core.paths import models_dir
from tests.assurance.drawn_traces import draw

CELLS = models_dir() / "cells"
SENSORS = {"range_finder": 0.1, "light_barrier": 0.05}


def make(name="welding", **resuming):
    """The cell with sensors that fail and mitigations that last, so that every probability has something to count."""
    data = copy.deepcopy(read_yaml(CELLS / f"{name}.yaml"))
    if name == "welding":
        for move in data["person"]["moves"][:6]:
            move["probability"] = {
                "value": 0.35 if move["name"] == "enter_cell" else 0.15,
                "assumed": "less than all",
            }
        for sensor, share in SENSORS.items():
            data["sensors"][sensor]["failure"] = {"value": share, "assumed": "for the test"}
        for key, value in ({"dwell": 0.4, "acknowledge": 0.3} | resuming).items():
            data["resuming"][key] = {"value": value, "assumed": "for the test"}
    return data, parse_cell(data, name)


@pytest.fixture(scope="module")
def welding():
    return make()[1]


@pytest.fixture(scope="module")
def table():
    return read_table(CELLS / "welding.table.json")


@pytest.fixture(scope="module")
def drawn(welding, table):
    return [draw(welding, table, 600, random.Random(seed)) for seed in range(30)]


def test_intervals_cover_the_model_that_traces_were_drawn_from_at_their_rate(welding, table, drawn):
    covered = trials = 0
    for traces in drawn:
        for found in estimate(welding, count(welding, table, traces)):
            covered += found.covers and found.trials > 0
            trials += found.trials > 0
    assert trials > 300
    assert 0.94 < covered / trials < 1.0  # 95 % at least; never missing would be no interval of 95 %


def test_counts_come_near_every_probability_of_the_model(welding, table, drawn):
    found = estimate(welding, count(welding, table, [trace for traces in drawn for trace in traces]))
    close = [e for e in found if e.trials > 300]
    assert {e.path for e in close} >= {"person.enter_cell", "process.weld", "resuming.dwell"} | {
        f"sensors.{name}.failure" for name in SENSORS
    }
    for e in close:
        wide = clopper_pearson(e.hits, e.trials, 1e-4)
        assert wide[0] <= e.model <= wide[1], e
    assert not replay(welding, table, [t for traces in drawn for t in traces]).unmatched


@pytest.mark.parametrize(("hits", "finding"), [(56, Finding.COVERED), (100, Finding.NOT_COVERED)])
def test_a_value_that_was_counted_itself_is_compared_as_counts(hits, finding):
    data, _ = make()
    data["sensors"]["range_finder"]["failure"] = {"counts": [20, 200], "source": "study"}
    cell, path = parse_cell(data, "welding"), "sensors.range_finder.failure"
    counts = dict.fromkeys(cell.probabilities(), (0, 0)) | {path: (hits, 400)}
    found = next(e for e in estimate(cell, counts) if e.path == path)
    assert found.finding is finding
    assert not found.covers, "the interval alone leaves 0.1 out both times"


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("process.weld", lambda d, p: d["process"]["tasks"][4].update(probability=p)),
        ("person.enter_cell", lambda d, p: d["person"]["moves"][5].update(probability=p)),
        ("sensors.range_finder.failure", lambda d, p: d["sensors"]["range_finder"].update(failure=p)),
        ("hazards.HS.mishap", lambda d, p: d["hazards"]["HS"].update(mishap=p)),
        ("resuming.dwell", lambda d, p: d["resuming"].update(dwell=p)),
    ],
)
def test_a_planted_wrong_probability_is_not_covered_and_the_others_stay(welding, table, drawn, path, change):
    data = make()[0]
    change(data, {"value": 0.01 if path != "hazards.HS.mishap" else 0.5, "assumed": "planted"})
    wrong = parse_cell(data, "wrong")
    traces = [trace for part in drawn for trace in part]
    found = estimate(wrong, count(wrong, table, traces))
    missed = {e.path for e in found if e.finding is Finding.NOT_COVERED}
    right = {
        e.path for e in estimate(welding, count(welding, table, traces)) if e.finding is Finding.NOT_COVERED
    }
    assert missed - right == {path}


def _first(traces, wanted):
    for i, trace in enumerate(traces):
        for k, step in enumerate(trace.steps[:-1]):
            if wanted(step):
                return i, k
    raise AssertionError("no such step was drawn")


@pytest.mark.parametrize(
    ("turn", "wanted", "changed"),
    [
        ("person", lambda s: s.turn == "person" and s.person == "at_table", {"person": "weld_spot"}),
        ("process", lambda s: s.turn == "process" and s.activity == "idle", {"activity": "welding"}),
        ("process", lambda s: s.turn == "process", {"things": {"support": "both", "gripper": "finished"}}),
        ("supervisor", lambda s: s.turn == "supervisor" and s.state == "normal", {"state": "default_stop"}),
        ("supervisor", lambda s: s.turn == "supervisor", {"person": "weld_spot"}),
        ("process", lambda s: s.turn == "process" and s.state == "normal", {"state": "default_stop"}),
        ("person", lambda s: s.turn == "person" and s.state == "normal", {"state": "default_stop"}),
    ],
)
def test_a_planted_impossible_turn_is_found_with_its_time_and_what_was_allowed(
    welding, table, drawn, turn, wanted, changed
):
    traces = list(drawn[0])
    i, k = _first(traces, wanted)
    steps = list(traces[i].steps)[: k + 2]
    modes = {"mode": "stopped"} if changed.get("state") == "default_stop" else {}
    steps[k + 1] = replace(steps[k + 1], **changed, **modes)
    found = replay(welding, table, [replace(traces[i], steps=tuple(steps))])
    assert found.turns == k + 1
    assert [(u.turn, u.time) for u in found.unmatched] == [(turn, steps[k].time)] * len(found.unmatched)
    assert found.unmatched
    assert found.unmatched[0].allowed
    assert str(next(iter(changed.values()))) in found.unmatched[0].after or "things" in changed


def test_a_phantom_and_a_mishap_without_its_hazard_are_found(welding, table, drawn):
    traces = list(drawn[0])
    i, k = _first(
        traces, lambda s: s.turn == "supervisor" and not any(s.signals.values()) and s.person == "at_table"
    )
    steps = list(traces[i].steps)[: k + 1]
    steps[k] = replace(steps[k], signals={**steps[k].signals, "range_close": True})
    steps.append(replace(traces[i].steps[k + 1]))
    found = replay(welding, table, [replace(traces[i], steps=tuple(steps))]).unmatched
    assert found[0].turn == "perception"
    assert "range_close" in found[0].after
    i, k = _first(traces, lambda s: s.turn == "process" and s.person == "at_table")
    steps = [*traces[i].steps[: k + 1], replace(traces[i].steps[k + 1], mishap="HC")]
    found = replay(welding, table, [replace(traces[i], steps=tuple(steps))]).unmatched
    assert [(u.turn, u.after, u.allowed) for u in found] == [("process", "mishap of HC", ("none",))]


def test_without_a_chance_of_waiting_a_mitigation_that_lasts_is_unmatched(table, drawn):
    at_once = make(dwell=1.0, acknowledge=1.0)[1]
    found = replay(at_once, table, drawn[0]).unmatched
    assert found
    assert {u.turn for u in found} == {"supervisor"}


def test_a_table_of_another_cell_is_refused(drawn):
    with pytest.raises(ModelError, match="does not fit"):
        replay(make("sidewalk")[1], read_table(CELLS / "welding.table.json"), drawn[0])


def test_what_was_counted_can_be_put_into_the_cell(welding, table, drawn):
    data, cell = make()
    traces = [trace for part in drawn for trace in part]
    found = estimate(cell, count(cell, table, traces))
    counts = counts_of(found)
    assert "process.weld" in counts
    assert all(e.finding is Finding.TOO_FEW for e in found if e.path not in counts)
    again = estimate(counted_cell(data, cell, counts, "drawn"), count(cell, table, traces))
    for e in again:
        if e.path in counts:
            assert (e.finding, e.own) == (Finding.COVERED, Own.INSIDE)
            assert e.model == e.hits / e.trials


def test_findings_and_the_trials_needed(welding):
    counts = dict.fromkeys(welding.probabilities(), (0, 0))
    by_path = {e.path: e for e in estimate(welding, counts | {"process.weld": (5, 10)})}
    none, few = by_path["person.enter_cell"], by_path["process.weld"]
    assert (none.finding, none.low, none.high) == (Finding.TOO_FEW, 0.0, 1.0)
    assert few.finding is Finding.TOO_FEW  # 5 of 10 says 0.19 to 0.81, wider than the model's 0.25
    assert few.covers
    n, value = few.needed, few.model
    low, high = clopper_pearson(round(value * n), n, 0.05)
    fewer = clopper_pearson(round(value * (n - 1)), n - 1, 0.05)
    assert high - low <= value < fewer[1] - fewer[0]
    enough = {e.path: e for e in estimate(welding, counts | {"process.weld": (250, 1000)})}["process.weld"]
    assert enough.finding is Finding.COVERED
    assert needed_trials(0.0, 0.0, 0.95) is None
    assert needed_trials(0.5, 1e-9, 0.95) is None


def test_the_page_and_the_figures_say_the_same(welding, table, drawn):
    replayed = replay(welding, table, drawn[0])
    found = estimate(welding, count(welding, table, drawn[0]))
    figures = conformance_figures(welding, replayed, found, None)
    assert figures["conforms"] == conforms(replayed, found)
    assert figures["covered"] + figures["not_covered"] + figures["too_few_trials"] == len(found)
    text = conformance_page(welding, replayed, found, None)
    assert ("**CONFORMS**" in text) == figures["conforms"]
    assert all(f"| {e.path} | {e.hits} / {e.trials:,} |" in text for e in found)
