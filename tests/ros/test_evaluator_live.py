# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""evaluator_node as a process: what it publishes is the statement of the same events computed here."""

import json
import math

import numpy as np
import pytest

from reflexarc.core.plant import ContactClass, ContactEvent
from reflexarc.core.types import FIXED_FRAME, BaseState, Obstacles, Walls
from reflexarc.economics import Capex, cost_model
from reflexarc.economics.live import LiveStatement
from reflexarc.mission import Mission, MissionEnded, MissionStarted, Outcome

pytestmark = [pytest.mark.ros, pytest.mark.integration]

MISSIONS = (
    (0, 0.0, 20.0, Outcome.SUCCESS),
    (1, 20.0, 50.0, Outcome.TIMEOUT),
    (2, 50.0, 60.0, Outcome.UNFINISHED),
)
CONTACT = ContactEvent(5.0, 5.5, ContactClass.PEDESTRIAN, "p1", 60.0, 900.0, 0.8, 1.2, (1.0, 2.0))
COUNTERS = {"missions": 3, "successes": 1}


def state(stamp, x):
    pose = np.array([x, 0.0, 0.0])
    return BaseState(stamp, FIXED_FRAME, pose, np.zeros(2), Obstacles.none(stamp), Walls.none())


def test_the_statement_on_the_topic_is_that_of_the_events(probe_and_graph, tmp_path):
    from reflexarc_nodes import convert

    probe, graph = probe_and_graph
    probe.listen("statement", "/diagnostics")
    graph.start("evaluator_node", model="reflexarc_run", out_dir=tmp_path / "out", use_sim_time=False)
    expected = LiveStatement(cost_model("reflexarc_run"), Capex(robot=8000.0, lidar=3000.0))

    def drive(start, end):
        """Publish odometry and wheels of a robot that drives 1 m/s at 40 W."""
        for stamp in np.arange(start, end + 0.1, 1.0).tolist():
            probe.publish("odom", convert.odometry_to(state(stamp, stamp)))
            velocity, torque = np.array([8.0, 8.0]), np.array([2.5, -2.5])
            probe.publish("joint_states", convert.wheels_to(stamp, velocity, torque))
            expected.add_position(np.array([stamp, 0.0]))
            expected.add_power(stamp, 40.0)
            probe.spin(0.005)

    drive(0.0, 0.0)
    probe.until(lambda: probe.health("evaluator_node"), 60.0, "the node is there")
    assert probe.health("evaluator_node")[:2] == (1, "no mission has ended yet")
    for number, start, end, outcome in MISSIONS:
        mission = Mission(number, (0.0, 0.0), (1.0, 0.0), np.array([[0.0, 0.0], [1.0, 0.0]]), 60.0)
        started = MissionStarted(start, number, mission.goal, mission.route)
        probe.publish("mission", convert.mission_to(started, mission, COUNTERS, ""))
        expected.start(number, start)
        probe.until(lambda: settle(probe), 5.0, "messages of different topics arrive in order")
        drive(start + 1.0, end)
        if number == 0:
            probe.publish("contact_events", convert.contact_to(CONTACT))
            expected.add_contact(CONTACT)
        probe.until(lambda: settle(probe), 5.0, "messages of different topics arrive in order")
        ended = MissionEnded(end, number, outcome, end - start, 0.5)
        probe.publish("mission", convert.mission_to(ended, mission, COUNTERS, ""))
        expected.end(number, str(outcome), end, end - start)
        wanted = number + 1
        probe.until(lambda n=wanted: len(probe.messages["statement"]) >= n, 20.0, f"statement {wanted}")
    got, wanted = probe.last("statement"), expected.statement()
    assert (got.episodes, got.skipped, got.model) == (2, 1, "reflexarc_run")
    assert got.success == 0.5 and got.rankable
    for key in (
        "capex",
        "electricity",
        "service",
        "pedestrian",
        "property",
        "repair",
        "opex",
        "revenue",
        "margin",
    ):
        assert getattr(got, key) == pytest.approx(wanted.figures[key], rel=1e-9), key
    assert got.pedestrian > 50.0 and got.electricity > 0.0 and math.isinf(got.bep_runs)
    assert got.operator_cost == pytest.approx(6.0 * 25.0 / 3600.0)
    assert got.margin_low <= got.margin <= got.margin_high
    assert not any("energy was not measured" in note for note in got.notes)
    written = json.loads((tmp_path / "out" / "economics.json").read_text(encoding="utf-8"))
    assert written["margin"] == got.margin
    assert graph.stop() == {"evaluator_node": 0}


def test_an_unknown_model_ends_the_node_with_2(probe_and_graph):
    _, graph = probe_and_graph
    process = graph.start("evaluator_node", model="v9")
    assert process.wait(60.0) == 2
    assert "unknown cost model 'v9'" in graph.log("evaluator_node")


_waits = {}


def settle(probe, turns=40):
    """Count spins of the probe, so that what was published before is certainly delivered."""
    _waits[id(probe)] = _waits.get(id(probe), 0) + 1
    return _waits[id(probe)] % turns == 0
