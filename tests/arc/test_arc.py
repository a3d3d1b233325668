# SPDX-License-Identifier: Apache-2.0
"""What holds for every tick, whatever comes in."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Mode, Status
from reflexarc.robots import load_robot
from tests.arc.scenes import ANY_NUMBER, PERSON, obstacles, proposal, state

ROBOT = load_robot("segway_e1")
SHARED_ARC = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PEOPLE = st.lists(PERSON, max_size=8)


@SHARED_ARC
@given(PEOPLE, ANY_NUMBER, ANY_NUMBER, st.sampled_from(Mode))
def test_command_is_always_finite_and_within_the_drive(arc, people, v, omega, mode):
    arc.reset()
    verdict = arc.tick(state(people), proposal(v, omega), mode, 0.0)
    assert np.isfinite(verdict.command).all()
    assert abs(verdict.command[0]) + abs(verdict.command[1]) * ROBOT.track / 2 <= ROBOT.max_speed + 1e-9
    assert abs(verdict.command[1]) <= ROBOT.max_yaw_rate + 1e-9


@SHARED_ARC
@given(PEOPLE, st.floats(-4, 4), st.floats(-2, 2))
def test_arc_never_drives_faster_than_proposed_nor_the_other_way(arc, people, v, omega):
    arc.reset()
    command = arc.tick(state(people), proposal(v, omega), Mode.NORMAL, 0.0).command
    assert abs(command[0]) <= abs(v) + 1e-9
    assert command[0] * v >= 0.0


@SHARED_ARC
@given(PEOPLE, st.floats(-4, 4), st.floats(-2, 2), st.floats(0.0, 1.5))
def test_equal_ticks_give_equal_verdicts(arc, people, v, omega, speed):
    first, second = (
        (arc.reset(), arc.tick(state(people, twist=(speed, 0.0)), proposal(v, omega), Mode.NORMAL, 0.0))[1]
        for _ in range(2)
    )
    assert first.command.tobytes() == second.command.tobytes()
    assert (first.status, first.interventions, first.faults, first.slack) == (
        second.status,
        second.interventions,
        second.faults,
        second.slack,
    )


@SHARED_ARC
@given(PEOPLE, st.floats(-4, 4), st.floats(-2, 2))
def test_every_change_of_the_command_is_explained(arc, people, v, omega):
    arc.reset()
    verdict = arc.tick(state(people), proposal(v, omega), Mode.NORMAL, 0.0)
    changed = not np.array_equal(verdict.command, np.array([v, omega]))
    assert changed == verdict.intervened
    assert (verdict.status is Status.PASSED) == (not changed)
    assert all(i.stage and i.reason for i in verdict.interventions)


@SHARED_ARC
@given(PEOPLE, st.floats(-4, 4), st.floats(-2, 2))
def test_robot_at_rest_is_never_told_to_violate_the_barrier(arc, people, v, omega):
    arc.reset()
    verdict = arc.tick(state(people), proposal(v, omega), Mode.NORMAL, 0.0)
    assert verdict.slack <= 1e-9


def test_free_road_passes_the_proposal_untouched(arc):
    verdict = arc.tick(state(), proposal(1.2, 0.1), Mode.NORMAL, 0.0)
    assert verdict.status is Status.PASSED
    assert verdict.command.tolist() == [1.2, 0.1]
    assert verdict.margin > 0.0


def test_robot_stops_before_someone_who_stands_in_its_way(arc):
    verdict = arc.tick(state([(0.9, 0.0, 0.0, 0.0)]), proposal(1.5), Mode.NORMAL, 0.0)
    assert verdict.status is Status.FILTERED
    assert verdict.interventions[0].stage == "barrier"
    assert "obstacle 0 at 0.1" in verdict.interventions[0].reason
    assert verdict.command[0] < 0.25


def test_slack_tells_when_the_robot_is_already_too_fast(arc):
    verdict = arc.tick(state([(1.2, 0.0, -1.0, 0.0)], twist=(2.0, 0.0)), proposal(2.0), Mode.NORMAL, 0.0)
    assert verdict.command[0] < 0.4
    assert verdict.slack == -verdict.margin > 0.3


@pytest.mark.parametrize(
    ("mode", "limit"),
    [
        (Mode.NORMAL, 3.0),
        (Mode.SPEED_SEPARATION, 1.5),
        (Mode.POWER_FORCE_LIMITED, 0.25),
        (Mode.PROTECTIVE_STOP, 0.0),
        (Mode.EMERGENCY_STOP, 0.0),
    ],
)
def test_mode_limits_the_speed_and_keeps_the_curvature(arc, mode, limit):
    verdict = arc.tick(state(walls=()), proposal(3.0, 0.6), mode, 0.0)
    assert verdict.command[0] == pytest.approx(limit)
    assert verdict.command[1] == pytest.approx(0.2 * limit)
    assert verdict.mode is mode


def test_value_that_is_no_mode_stops_the_robot(arc):
    verdict = arc.tick(state(), proposal(), 17, 0.0)
    assert verdict.status is Status.STOPPED
    assert not verdict.command.any()


def test_failed_solver_sends_the_admissible_share_and_says_so(arc, monkeypatch):
    barrier = next(s for s in arc.stages if s.name == "barrier")
    scene = state([(1.8, 0.3, -0.5, 0.0)])
    normal = arc.tick(scene, proposal(1.5, 0.2), Mode.NORMAL, 0.0)
    monkeypatch.setattr(barrier, "_project", lambda v, w: None)
    backup = arc.tick(scene, proposal(1.5, 0.2), Mode.NORMAL, 0.0)
    assert backup.status is Status.BACKUP
    assert backup.faults == ("solver_failed",)
    assert 0.0 < backup.command[0] < 1.5
    assert normal.command[1] != pytest.approx(
        backup.command[1]
    )  # the programme also turns, the backup only slows
    assert backup.command[1] / backup.command[0] == pytest.approx(0.2 / 1.5)


@pytest.mark.parametrize("planted", [(math.nan, 0.0), (99.0, 0.0), (0.0, 99.0), (1.5, 0.0)])
def test_post_check_refuses_what_a_broken_stage_lets_through(arc, monkeypatch, planted):
    actuator = next(s for s in arc.stages if s.name == "actuator_limits")
    monkeypatch.setattr(
        type(actuator), "apply", lambda self, tick: tick.command.__setitem__(slice(None), planted)
    )
    verdict = arc.tick(state([(0.9, 0.0, 0.0, 0.0)]), proposal(1.5), Mode.NORMAL, 0.0)
    assert not verdict.command.any()
    assert verdict.status is Status.BACKUP
    assert "postcheck_failed" in verdict.faults


def test_verdict_is_read_only(arc):
    verdict = arc.tick(state(), proposal(), Mode.NORMAL, 0.0)
    with pytest.raises(ValueError, match="read-only"):
        verdict.command[0] = 9.0


def test_ids_of_obstacles_appear_in_the_reason(arc):
    people = obstacles([(0.9, 0.0, 0.0, 0.0)])
    named = type(people)(
        people.stamp,
        people.frame_id,
        people.position,
        people.velocity,
        people.radius,
        people.position_std,
        people.velocity_std,
        ("track 42",),
    )
    verdict = arc.tick(state(obstacles=named), proposal(1.5), Mode.NORMAL, 0.0)
    assert "obstacle track 42" in verdict.interventions[0].reason


def test_unknown_robot_is_refused_with_the_list():
    with pytest.raises(UnknownNameError, match="segway_e1"):
        build_arc(ArcConfig(robot="no_such_robot"))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"rat_hz": 200}, "allowed: .*rate_hz"),
        ({"rate_hz": 5}, "allowed: 10 to 1000 Hz"),
        ({"rate_hz": "fast"}, "expected a number"),
        ({"rate_hz": True}, "expected a number"),
        ({"rate_hz": float("nan")}, "out of bounds"),
        ({"barrier": {"clearence_m": 1}}, "clearance_m"),
        ({"barrier": {"rows": 2.5}}, "whole number"),
        ({"barrier": 3}, "expected a mapping"),
        ({"rate_hz": 10, "freshness": {"state_s": 0.05}}, "shorter than one period"),
    ],
)
def test_bad_configuration_says_what_is_allowed(data, text):
    with pytest.raises(ConfigError, match=text):
        ArcConfig.from_dict(data)


def test_late_solution_is_refused_and_the_admissible_share_sent():
    arc = build_arc(ArcConfig.from_dict({"barrier": {"deadline_s": 1e-6}}))
    verdict = arc.tick(state([(1.6, 0.2, 0.0, 0.0)]), proposal(1.5, 0.3), Mode.NORMAL, 0.0)
    assert (verdict.status, verdict.faults) == (Status.BACKUP, ("solver_failed",))
    assert 0.0 < verdict.command[0] < 1.5
    assert verdict.margin >= -1e-9
