# SPDX-License-Identifier: Apache-2.0
"""Cell traces of the simulated welding cell: well formed, and what the run was."""

import math

import pytest

from reflexarc.assurance.conformance.trace import TURNS, check_trace
from reflexarc.core.errors import ConfigError
from reflexarc_sim.welding.cell_trace import cell_trace
from reflexarc_sim.welding.controllers import make_controller, welding_cell, welding_table
from reflexarc_sim.welding.operator import Waypoint
from reflexarc_sim.welding.parameters import read_plant
from reflexarc_sim.welding.simulation import Setup, run_cell

OUTSIDE = (0.0, 6.0)


@pytest.fixture(scope="module")
def plant():
    return read_plant()


def traced(plant, script, start, duration, controller="verified", region="chest", blind=()):
    setup = Setup("gripper", region, script, start, duration, blind=blind)
    return cell_trace(plant, run_cell(plant, setup, make_controller(controller, plant)))


def test_a_trace_is_acceptable_and_tells_what_the_arm_did(plant):
    trace = traced(plant, (Waypoint(OUTSIDE, math.inf, 1.0),), OUTSIDE, 20.0)
    check_trace(trace, welding_cell(), welding_table())
    assert [step.turn for step in trace.steps] == list(TURNS) * 6
    assert {step.person for step in trace.steps} == {"at_table"}
    assert trace.steps[0].things == {"support": "left", "gripper": "open"}
    assert trace.steps[-1].things == {"support": "right", "gripper": "open"}
    assert not any(value for step in trace.steps for value in step.signals.values())
    changes = [
        after
        for before, after in zip(trace.steps, trace.steps[1:], strict=False)
        if before.things != after.things
    ]
    assert {after.turn for after in changes} == {"person"}, "what the arm changes it changes in its own turn"


def test_who_walks_to_the_welder_is_seen_in_the_trace_and_answered_in_the_same_round(plant):
    x, y = plant.layout.weld_spot
    trace = traced(plant, (Waypoint((x - 0.3, y), math.inf, 1.2),), (x - 6.0, y), 12.0)
    check_trace(trace, welding_cell(), welding_table())
    rounds = [
        (a.person, a.signals["range_near"], b.state)
        for a, b in zip(trace.steps[::3], trace.steps[1::3], strict=True)
    ]
    assert rounds[0] == ("at_table", False, "normal")
    assert rounds[-1][0] == "weld_spot" and rounds[-1][1] and rounds[-1][2].endswith("HC")


def test_a_mishap_ends_the_trace_and_is_named_after_the_hazard(plant):
    x, y = plant.layout.weld_spot
    path = (x + 0.15, y + 0.35)  # on the way of the arm back to its weld spot
    trace = traced(plant, (Waypoint(path, math.inf, 1.0),), path, 20.0, "never_mitigate", "face")
    assert trace.steps[-1].mishap in {"HS", "HC"} and len(trace.steps) % 3 == 0 and len(trace.steps) < 18
    assert not any(step.mishap for step in trace.steps[:-1])


def test_a_blind_sensor_counts_as_wrong(plant):
    trace = traced(plant, (Waypoint(OUTSIDE, math.inf, 1.0),), OUTSIDE, 5.0, blind=("light_curtain",))
    assert trace.steps[0].sensors == {"range_finder": "works", "light_barrier": "wrong"}


def test_runs_without_a_table_or_a_round_have_no_trace(plant):
    away = (Waypoint(OUTSIDE, math.inf, 1.0),)
    with pytest.raises(ConfigError, match="without a table"):
        traced(plant, away, OUTSIDE, 5.0, "none")
    with pytest.raises(ConfigError, match="shorter than a round"):
        traced(plant, away, OUTSIDE, 2.0)
