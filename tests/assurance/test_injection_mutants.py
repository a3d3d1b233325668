# SPDX-License-Identifier: Apache-2.0
"""What mutants of the safety layer once survived: each test fails on one of them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reflexarc.arc.config import ArcConfig, ModeLimitsConfig
from reflexarc.arc.mode_limits import ModeLimitStage
from reflexarc.arc.postcheck import PostCheckStage
from reflexarc.arc.sanity import SOUND, SanityStage, judge_walls
from reflexarc.arc.stage import Tick
from reflexarc.assurance.gate import SOURCES, Gate, GateConfig
from reflexarc.assurance.guards import ArcWatch, GuardConfig, ahead, separation
from reflexarc.assurance.heartbeat import HeartbeatConfig, Pulse
from reflexarc.assurance.monitors.online import UNKNOWN, FlagNode, PredicateNode
from reflexarc.assurance.supervisor.supervisor import Supervisor
from reflexarc.assurance.supervisor.table import read_table
from reflexarc.core.config import from_mapping
from reflexarc.core.errors import ConfigError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import FIXED_FRAME, BaseState, Mode, Obstacles, Proposal, Status, Verdict, Walls
from reflexarc.robots import load_base

ROBOT = load_base("segway_e1")
CLEAR = dict.fromkeys(
    ("person_near", "person_ahead", "person_close", "tracker_lost", "lidar_lost", "arc_fault"), False
)


def limited(mode, *twist, **config):
    """Command that leaves the stage of the mode's speed."""
    tick = Tick(0.0, None, None, mode, np.array(twist), lambda _: [0.0] * len(twist))
    ModeLimitStage(ModeLimitsConfig(**config)).apply(tick)
    return tick.command.tolist()


@pytest.mark.parametrize(
    ("mode", "limit"), [(Mode.NORMAL, 2.0), (Mode.SPEED_SEPARATION, 1.2), (Mode.POWER_FORCE_LIMITED, 0.2)]
)
def test_every_mode_has_the_speed_of_its_own_parameter(mode, limit):
    limits = {"normal_m_s": 2.0, "speed_separation_m_s": 1.2, "power_force_limited_m_s": 0.2}
    assert limited(mode, 3.0, 0.6, **limits) == pytest.approx([limit, 0.2 * limit])
    assert limited(mode, -3.0, 0.6, **limits) == pytest.approx([-limit, 0.2 * limit])


def test_the_speed_of_a_legged_base_is_that_over_ground():
    assert limited(Mode.SPEED_SEPARATION, 3.0, 4.0, 1.0, speed_separation_m_s=1.0) == pytest.approx(
        [0.6, 0.8, 0.2]
    )


class Barrier:
    """A barrier that has made up its mind."""

    def __init__(self, admits):
        self.admits = admits

    def admissible(self, *command):
        return self.admits

    def measure(self, tick):
        pass


@pytest.mark.parametrize(
    ("admits", "enforced", "twist", "passes"),
    [
        (True, True, (1.0, 0.0), True),
        (True, True, (99.0, 0.0), False),
        (True, True, (0.0, 99.0), False),
        (True, True, (math.nan, 0.0), False),
        (False, True, (1.0, 0.0), False),
        (False, False, (1.0, 0.0), True),
        (False, False, (99.0, 0.0), False),
    ],
)
def test_each_condition_of_the_post_check_refuses_by_itself(admits, enforced, twist, passes):
    tick = Tick(0.0, None, None, Mode.NORMAL, np.array(twist), lambda _: [0.0, 0.0])
    PostCheckStage(ROBOT, Barrier(admits), enforced).apply(tick)
    assert tick.command.tolist() == (list(twist) if passes else [0.0, 0.0])
    assert tick.faults == ([] if passes else ["postcheck_failed"])


@pytest.mark.parametrize(("x", "inside"), [(0.0, True), (-0.4, True), (-1.0, False)])
def test_a_person_beside_the_robot_is_in_its_way_and_one_behind_it_is_not(x, inside):
    person = Obstacles(0.0, FIXED_FRAME, [[x, 0.6]], [[0.0, 0.0]], [0.3], [0.0], [0.1])
    state = BaseState(0.0, FIXED_FRAME, np.zeros(3), [1.0, 0.0], person, Walls.none())
    assert ahead(state, ROBOT, GuardConfig()) is inside


def test_a_legged_base_that_walks_sideways_needs_the_distance_of_that_speed():
    def needed(x, y, *twist):
        person = Obstacles(0.0, FIXED_FRAME, [[x, y]], [[0.0, 0.0]], [0.3], [0.0], [0.1])
        state = BaseState(0.0, FIXED_FRAME, np.zeros(3), twist, person, Walls.none())
        return separation(state, ROBOT, GuardConfig())[1][0]

    assert needed(0.0, 3.0, 0.0, 1.0, 0.3) == pytest.approx(needed(3.0, 0.0, 1.0, 0.0, 0.3))


@pytest.mark.parametrize(
    ("stamp", "fault"),
    [(math.nan, "walls_not_finite"), (-math.inf, "walls_not_finite"), (math.inf, ""), (1.0, "")],
)
def test_walls_whose_stamp_is_no_time_are_named_and_a_map_has_no_age(stamp, fault):
    found = judge_walls(Walls(stamp, FIXED_FRAME, np.zeros((1, 4))))
    assert found[0] == fault
    assert (found == SOUND) == (not fault)


def test_what_is_said_of_a_person_does_not_depend_on_where_the_two_are():
    def said(x, y):
        person = Obstacles(0.0, FIXED_FRAME, [[x + 1.5, y + 0.4]], [[-0.5, 0.0]], [0.3], [0.05], [0.1])
        state = BaseState(0.0, FIXED_FRAME, [x, y, 0.2], [1.0, 0.0], person, Walls.none())
        gap, needed = separation(state, ROBOT, GuardConfig())
        return gap[0], needed[0], ahead(state, ROBOT, GuardConfig())

    assert said(40.0, -25.0) == pytest.approx(said(0.0, 0.0))


def test_without_values_nothing_is_known():
    assert PredicateNode(lambda values: values[0], strict=False, scale=1.0).update(None) == UNKNOWN
    assert FlagNode(0).update(None) == UNKNOWN


def test_a_flag_that_is_down_is_as_false_as_can_be():
    assert FlagNode(0).update([0.0]) == (-math.inf, -math.inf)
    assert FlagNode(0).update([1.0]) == (math.inf, math.inf)


@pytest.mark.parametrize(
    ("state", "proposal", "fault"),
    [
        ({"stamp": math.nan}, {}, "state_not_finite"),
        ({"stamp": math.inf}, {}, "state_not_finite"),
        ({}, {"stamp": math.nan}, "proposal_not_finite"),
        (None, {}, "state_misfit"),
        ({}, None, "proposal_misfit"),
    ],
)
def test_a_stamp_that_is_no_time_and_a_message_of_another_kind_are_named(state, proposal, fault):
    standing = BaseState(1.0, FIXED_FRAME, np.zeros(3), np.zeros(2), Obstacles.none(1.0), Walls.none())
    wanted = Proposal(1.0, np.array([1.0, 0.0]))
    seen = object() if state is None else replace(standing, **state)
    asked = object() if proposal is None else replace(wanted, **proposal)
    tick = Tick(1.0, seen, asked, Mode.NORMAL, np.ones(2), lambda _: [0.0, 0.0])
    SanityStage(ArcConfig(), 2).apply(tick)
    assert tick.faults == [fault]
    assert tick.command.tolist() == [0.0, 0.0]


def test_a_verdict_that_used_no_tracks_says_nothing_of_the_loop():
    watch = ArcWatch(GuardConfig())
    verdict = Verdict(10.0, np.zeros(2), Status.PASSED, Mode.NORMAL, 1.0, 0.0, math.nan)
    watch.take(verdict, -1.0, 10.0)
    assert watch.fault(10.0) == ""
    assert watch.longest_loop == 0.0


def test_no_acknowledgement_counts_while_a_hazard_is_perceived_even_if_the_table_would_let_go():
    table = read_table(models_dir() / "cells" / "sidewalk.table.json")
    assert table.initial == 0
    free = table.release[:1] + tuple(tuple(0 for _ in row) for row in table.release[1:])
    supervisor = Supervisor(replace(table, release=free), dwell_s=0.0)
    near = CLEAR | {"person_near": True}
    supervisor.step(near | {"person_close": True}, 0.0)
    assert supervisor.step(near, 1.0, acknowledged=True).mode is Mode.PROTECTIVE_STOP
    assert supervisor.step(CLEAR, 2.0, acknowledged=True).mode is Mode.NORMAL


def test_only_none_is_excused_by_a_lost_sensor():
    table = read_table(models_dir() / "cells" / "sidewalk.table.json")
    blind = CLEAR | {"tracker_lost": True}
    assert "unknown" not in Supervisor(table).step(blind | {"person_near": None}, 0.0).reason
    assert "unknown" in Supervisor(table).step(blind | {"person_near": "no"}, 0.0).reason


def test_the_default_dwell_is_a_second():
    supervisor = Supervisor(read_table(models_dir() / "cells" / "sidewalk.table.json"))
    supervisor.step(CLEAR | {"person_near": True}, 0.0)
    assert supervisor.step(CLEAR, 0.99).mode is Mode.SPEED_SEPARATION
    assert supervisor.step(CLEAR, 1.0).mode is Mode.NORMAL


def test_a_gate_whose_clock_went_back_can_be_opened_again_on_its_new_time():
    gate = Gate(GateConfig())
    for begin in (50.0, 10.0):
        for k in range(40):
            now = begin + 0.02 * k
            for source in SOURCES:
                gate.beat(source, k, now, now)
            assert not gate.open(now).open
        assert gate.acknowledge(begin + 0.8) == ""
        assert gate.open(begin + 0.8).open
        gate.open(begin - 20.0)


@pytest.mark.parametrize(("drift", "fault"), [(1.9e-4, ""), (-1.9e-4, ""), (3.5e-4, "heartbeat_late")])
def test_a_senders_clock_may_drift_by_200_ppm_and_not_by_more(drift, fault):
    pulse = Pulse(HeartbeatConfig(lease_s=0.05))
    found = {pulse.beat(k, 0.02 * k * (1.0 - drift), 0.02 * k)[0] for k in range(30_000)}
    assert found - {""} == ({fault} - {""})


BOUNDS = {
    GateConfig: {"dwell_s": (0.05, 0.5, 60.0)},
    HeartbeatConfig: {"lease_s": (0.005, 0.2, 5.0), "max_gap": (1, 10, 1000), "skew_s": (0.001, 0.05, 1.0)},
    GuardConfig: {
        "reaction_s": (0.01, 0.25, 2.0),
        "walking_speed_m_s": (0.1, 1.6, 5.0),
        "position_std_factor": (0.0, 2.0, 5.0),
        "close_m": (0.05, 0.2, 5.0),
        "ahead_m": (0.0, 0.5, 5.0),
        "side_m": (0.0, 0.2, 2.0),
        "tracker_s": (0.02, 0.3, 5.0),
        "state_s": (0.02, 0.3, 5.0),
        "lidar_s": (0.02, 0.5, 5.0),
        "verdict_s": (0.01, 0.2, 5.0),
        "arc_fault_s": (0.0, 0.1, 5.0),
        "obey_s": (0.01, 0.2, 5.0),
    },
}
"""Lowest, default and highest value of every limit."""


@pytest.mark.parametrize(
    ("config", "name", "low", "default", "high"),
    [(config, name, *values) for config, limits in BOUNDS.items() for name, values in limits.items()],
)
def test_a_safety_limit_has_its_default_and_cannot_leave_its_bounds(config, name, low, default, high):
    assert getattr(config(), name) == default
    for good in (low, high):
        assert getattr(from_mapping(config, {name: good}, "limits"), name) == good
    whole = isinstance(low, int)
    for bad in (low - 1, high + 1) if whole else (0.99 * low - 1e-9, 1.01 * high):
        with pytest.raises(ConfigError, match=name):
            from_mapping(config, {name: bad}, "limits")
