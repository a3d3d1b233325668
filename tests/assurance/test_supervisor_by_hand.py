# SPDX-License-Identifier: Apache-2.0
"""The executor on small tables made by hand: which hazard's dwell counts, and what is said; each kills a mutant."""

import json
import sys

import pytest

from reflexarc.assurance.supervisor.supervisor import Supervisor
from reflexarc.assurance.supervisor.table import FORMAT, VERSION, digest, parse_table
from reflexarc.core.errors import ModelError
from reflexarc.core.paths import models_dir

HAZARDS = ("a", "b", "c")
CLEAR = dict.fromkeys(HAZARDS, False)
MASKS = range(8)


def made(states, hold, release, stop=-1):
    """Table with one signal per hazard; states are (arc mode, hazards), the first is the initial one."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "cell": "by hand",
        "model_sha256": "0" * 64,
        "policy": {},
        "alarms": {},
        "signals": list(HAZARDS),
        "excused_by": {},
        "hazards": {name: [name] for name in HAZARDS},
        "states": [
            {"name": f"s{k}", "mode": mode.lower(), "arc_mode": mode, "hazards": list(held), "alarms": []}
            for k, (mode, held) in enumerate(states)
        ],
        "initial": 0,
        "default_stop": stop % len(states),
        "transitions": [{"hold": list(h), "release": list(r)} for h, r in zip(hold, release, strict=True)],
        "properties": {},
    }
    return parse_table({**content, "digest": digest(content)}, "by hand")


def slowing(*held):
    """Any hazard slows down and holds `held`; the release goes back to the start unless something is perceived."""
    back = [0] + [1] * 7
    rows = ([0] + [1] * 7, [1] * 8, [2] * 8)
    states = [("NORMAL", ()), ("SPEED_SEPARATION", held), ("PROTECTIVE_STOP", ())]
    return Supervisor(made(states, rows, (back, back, [0] + [2] * 7)), dwell_s=1.0)


@pytest.mark.parametrize("name", HAZARDS)
def test_the_dwell_counts_from_the_newest_of_the_hazards_that_are_held(name):
    supervisor = slowing(*HAZARDS)
    supervisor.step(CLEAR | dict.fromkeys(HAZARDS, True), 0.0)
    supervisor.step(CLEAR | {name: True}, 5.0)
    assert supervisor.step(CLEAR, 5.9).state == "s1"
    assert supervisor.step(CLEAR, 6.0).state == "s0"


@pytest.mark.parametrize("name", HAZARDS)
def test_a_hazard_that_is_not_held_does_not_restart_the_dwell(name):
    other = [hazard for hazard in HAZARDS if hazard != name]
    supervisor = slowing(*other)
    supervisor.step(CLEAR | dict.fromkeys(HAZARDS, True), 0.0)
    supervisor.step(CLEAR | {name: True}, 0.8)
    assert supervisor.step(CLEAR, 1.0).state == "s0"


@pytest.mark.parametrize("name", HAZARDS)
def test_a_held_hazard_that_was_never_perceived_holds_nothing_up(name):
    supervisor = slowing(*HAZARDS)
    supervisor.step(CLEAR | {name: True}, 0.0)
    assert supervisor.step(CLEAR, 0.9).state == "s1"
    assert supervisor.step(CLEAR, 1.0).state == "s0"


@pytest.mark.parametrize("name", HAZARDS)
def test_a_hazard_that_is_perceived_waits_for_nothing_and_the_others_for_their_dwell(name):
    """While `name` is perceived only what is not may be let go: after its dwell, and not before."""
    states = [
        ("NORMAL", ()),
        ("SPEED_SEPARATION", HAZARDS),
        ("SPEED_SEPARATION", (name,)),
        ("PROTECTIVE_STOP", ()),
    ]
    bit = 1 << HAZARDS.index(name)
    start = [0] + [1] * 7
    alone = [1 if mask != bit else 2 for mask in MASKS]
    rows = (start, [1] * 8, [2] * 8, [3] * 8)
    supervisor = Supervisor(made(states, rows, (start, alone, [2] * 8, [3] * 8)), dwell_s=1.0)
    supervisor.step(dict.fromkeys(HAZARDS, True), 0.0)
    assert supervisor.step(CLEAR | {name: True}, 0.9).state == "s1"
    assert supervisor.step(CLEAR | {name: True}, 1.0).state == "s2"


def test_before_the_first_hazard_nothing_is_waited_for():
    states = [("NORMAL", ()), ("NORMAL", ()), ("PROTECTIVE_STOP", ())]
    rows = ([0] + [2] * 7, [1] + [2] * 7, [2] * 8)
    table = made(states, rows, ([1] + [2] * 7, [1] + [2] * 7, [0] + [2] * 7))
    supervisor = Supervisor(table, dwell_s=1.0)
    assert supervisor.step(CLEAR, 0.0).state == "s1"
    supervisor.reset()
    supervisor.step(CLEAR | {"a": True}, 1.0)
    supervisor.reset()
    assert supervisor.step(CLEAR, 0.0).state == "s1", "a reset forgets what was perceived"


@pytest.mark.parametrize("name", HAZARDS)
def test_a_stop_waits_for_the_newest_of_what_it_holds_and_for_its_own_time(name):
    """Nothing was perceived when the stop began, but its own beginning counts."""
    supervisor = slowing(*HAZARDS)
    supervisor.step({}, 0.0)
    assert supervisor.step(CLEAR, 0.9, acknowledged=True).state == "s2"
    supervisor.step(CLEAR | {name: True}, 1.0)
    assert supervisor.step(CLEAR, 1.9, acknowledged=True).state == "s2"
    assert supervisor.step(CLEAR, 2.0, acknowledged=True).state == "s0"


def latching(held):
    """Any hazard stops and holds `held`; the release goes back."""
    back, away = [0] + [1] * 7, [0] + [2] * 7
    states = [("NORMAL", ()), ("PROTECTIVE_STOP", held), ("PROTECTIVE_STOP", ())]
    return Supervisor(made(states, (back, [1] * 8, [2] * 8), (back, back, away)), dwell_s=1.0)


def test_what_is_said_names_the_hazards_perceived_those_held_and_what_is_waited_for():
    supervisor = latching(("a",))
    assert supervisor.step(CLEAR, 0.0).reason == "no hazard perceived"
    assert supervisor.step(CLEAR | {"a": True}, 1.0).reason == "a"
    assert supervisor.step(CLEAR | {"b": True}, 2.0).reason == "b; a held, waits for the hazards to end"
    assert (
        supervisor.step(CLEAR, 2.5).reason == "no hazard perceived; a held, waits for 1 s without the hazard"
    )
    assert supervisor.step(CLEAR, 3.5).reason == "no hazard perceived; a held, waits for an acknowledgement"
    assert supervisor.step(CLEAR, 4.0, acknowledged=True).reason == "no hazard perceived"


def test_what_is_said_of_a_stop_that_holds_no_hazard_is_what_it_waits_for():
    supervisor = latching(())
    assert supervisor.step(CLEAR | {"a": True, "c": True}, 0.0).reason == "a, c"
    assert (
        supervisor.step(CLEAR, 0.5).reason
        == "no hazard perceived; stop held, waits for 1 s without the hazard"
    )
    assert (
        supervisor.step(CLEAR, 1.0).reason == "no hazard perceived; stop held, waits for an acknowledgement"
    )
    assert supervisor.step(CLEAR, 2.0, acknowledged=True).reason == "no hazard perceived"


def test_what_is_said_where_a_hazard_is_held_and_may_go_at_the_next_step():
    states = [
        ("NORMAL", ()),
        ("SPEED_SEPARATION", ("a",)),
        ("SPEED_SEPARATION", ("a", "b")),
        ("PROTECTIVE_STOP", ()),
    ]
    start = [0, 1, 2, 2, 3, 3, 3, 3]
    rows = (start, [1, 1, 2, 2, 1, 1, 2, 2], [2] * 8, [3] * 8)
    release = (start, start, [1] + [2] * 7, [0] + [3] * 7)
    supervisor = Supervisor(made(states, rows, release), dwell_s=1.0)
    assert supervisor.step(CLEAR | {"b": True}, 0.0).reason == "b; a held, waits for 1 s without the hazard"
    waiting = "no hazard perceived; a, b held, waits for 1 s without the hazard"
    assert supervisor.step(CLEAR, 0.5).reason == waiting
    assert supervisor.step(CLEAR, 1.0).reason == "no hazard perceived; a held, waits for the next step"
    assert supervisor.step(CLEAR, 2.0).reason == "no hazard perceived"


def test_the_default_stop_is_said_to_be_not_provided_for_when_it_begins_and_not_afterwards():
    states = [("NORMAL", ()), ("PROTECTIVE_STOP", ())]
    table = made(states, ([0] + [1] * 7, [1] * 8), ([0] + [1] * 7, [0] + [1] * 7))
    supervisor = Supervisor(table, dwell_s=1.0)
    assert supervisor.step(CLEAR | {"b": True}, 0.0).reason == "b: not provided for, default stop"
    assert supervisor.step(CLEAR | {"b": True}, 0.5).reason == "b; stop held, waits for the hazards to end"
    assert (
        supervisor.step(CLEAR, 0.7).reason
        == "no hazard perceived; stop held, waits for 1 s without the hazard"
    )


def test_what_is_said_of_a_time_that_does_not_advance_is_the_two_times():
    supervisor = latching(())
    supervisor.step(CLEAR, 2.0)
    assert supervisor.step(CLEAR, 1.5).reason == "the time went from 2.000 s to 1.500 s: default stop"


def test_after_a_time_that_is_none_the_default_stop_waits_from_the_last_that_was_one():
    supervisor = latching(())
    supervisor.step(CLEAR, 10.0)
    assert supervisor.step(CLEAR, float("nan")).state == "s2"
    assert supervisor.step(CLEAR, 10.9, acknowledged=True).state == "s2"
    assert supervisor.step(CLEAR, 11.0, acknowledged=True).state == "s0"


def test_the_longest_finite_dwell_is_one():
    supervisor = Supervisor(slowing("a").table, dwell_s=sys.float_info.max)
    supervisor.step(CLEAR | {"a": True}, 0.0)
    assert supervisor.step(CLEAR, 1e300).state == "s1"


def test_without_a_dwell_a_hazard_that_is_gone_is_let_go_at_once():
    supervisor = Supervisor(slowing("a").table, dwell_s=0.0)
    supervisor.step(CLEAR | {"a": True}, 0.0)
    assert supervisor.step(CLEAR, 1e-9).state == "s0"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda state: state.pop("alarms"), "a state needs exactly alarms, arc_mode, hazards, mode, name"),
        (lambda state: state.__setitem__("colour", "red"), "a state needs exactly alarms, arc_mode"),
        (lambda state: state["alarms"].pop(), "'normal' has 1 alarms, the table 2"),
        (lambda state: state["alarms"].append(0.5), "'normal' has 3 alarms, the table 2"),
    ],
)
def test_a_state_with_other_keys_or_another_number_of_alarms_is_refused(change, problem):
    content = json.loads((models_dir() / "cells" / "welding.table.json").read_text(encoding="utf-8"))
    change(content["states"][0])
    with pytest.raises(ModelError, match=problem):
        parse_table({**content, "digest": digest(content)}, "t")


def test_a_hazard_that_the_policy_lets_pass_is_named_and_nothing_is_said_to_be_held():
    states = [("NORMAL", ()), ("PROTECTIVE_STOP", ())]
    supervisor = Supervisor(made(states, ([0] * 8, [1] * 8), ([0] * 8, [0] + [1] * 7)), dwell_s=1.0)
    assert supervisor.step(CLEAR | {"a": True}, 0.0).reason == "a"
    assert supervisor.step(CLEAR, 0.5).reason == "no hazard perceived"


def test_a_stop_whose_release_leads_nowhere_waits_for_nothing_that_could_be_named():
    states = [("NORMAL", ()), ("PROTECTIVE_STOP", ())]
    supervisor = Supervisor(made(states, ([0] + [1] * 7, [1] * 8), ([0] + [1] * 7, [1] * 8)), dwell_s=1.0)
    supervisor.step(CLEAR | {"a": True}, 0.0)
    assert (
        supervisor.step(CLEAR, 2.0).reason == "no hazard perceived; stop held, waits for an acknowledgement"
    )
    assert supervisor.step(CLEAR, 3.0, acknowledged=True).reason == "no hazard perceived"


def test_a_default_stop_that_follows_when_a_hazard_is_gone_is_not_blamed_on_a_hazard():
    states = [("NORMAL", ()), ("SPEED_SEPARATION", ("a",)), ("PROTECTIVE_STOP", ())]
    rows = ([0] + [1] * 7, [1] * 8, [2] * 8)
    supervisor = Supervisor(made(states, rows, (rows[0], [2] + [1] * 7, [0] + [2] * 7)), dwell_s=1.0)
    supervisor.step(CLEAR | {"a": True}, 0.0)
    decision = supervisor.step(CLEAR, 1.0)
    assert (decision.state, decision.reason) == ("s2", "no hazard perceived")
