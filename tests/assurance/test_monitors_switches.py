# SPDX-License-Identifier: Apache-2.0
"""Edges of what a monitor does with samples over time: the grid, gaps, ages, the switch of a warning, and approach."""

import math

import numpy as np
import pytest

from reflexarc.assurance.monitors.approach import FAR, approach
from reflexarc.assurance.monitors.hysteresis import Hysteresis
from reflexarc.assurance.monitors.monitor import Judgement, Monitor, Outcome, Signal
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import FIXED_FRAME, BaseState, Obstacles, Walls

SIGNALS = {"gap": Signal("m", 0.5), "speed": Signal("m/s", 0.25), "fault": Signal("bool", 0.5)}
START = 10.0


def made(formula="gap >= 1 [m]", unit="m", signals=SIGNALS, period=0.1, **more):
    return Monitor(formula, signals, period, unit, **more)


# A monitor.


@pytest.mark.parametrize("name", ["and", "once", "max", "since", "2nd", "a b", ""])
def test_a_signal_has_a_name_that_a_formula_can_say(name):
    with pytest.raises(ConfigError, match="cannot be the name of a signal"):
        made(signals=SIGNALS | {name: Signal("m", 0.1)})


@pytest.mark.parametrize("age", [0.0, -1.0, math.inf, math.nan])
def test_a_value_counts_for_some_time_and_not_for_ever(age):
    with pytest.raises(ConfigError, match="gap: the maximum age"):
        made(signals={"gap": Signal("m", age)})


def test_the_unit_of_a_robustness_is_the_one_that_is_stated():
    assert made("fault", "1").update(START, [1.0]).outcome is Outcome.SATISFIED
    with pytest.raises(ConfigError, match="the robustness is in 1, the requirement says m$"):
        made("fault", "m")
    with pytest.raises(ConfigError, match="the robustness is in m, the requirement says 1$"):
        made("gap >= 1 [m]", "1")
    with pytest.raises(ConfigError, match="gap: the unit 'cm' is not SI"):
        made(signals={"gap": Signal("cm", 0.5)})
    with pytest.raises(ConfigError, match="unused: the unit 'cm' is not SI"):
        made(signals=SIGNALS | {"unused": Signal("cm", 0.5)})


@pytest.mark.parametrize(
    ("value", "strict", "outcome"),
    [
        (2.0, ">=", Outcome.SATISFIED),
        (0.5, ">=", Outcome.VIOLATED),
        (1.0, ">=", Outcome.SATISFIED),
        (1.0, ">", Outcome.VIOLATED),
    ],
)
def test_a_sample_satisfies_or_violates_with_its_robustness(value, strict, outcome):
    found = made(f"gap {strict} 1 [m]").update(START, [value])
    assert (found.outcome, found.reason) == (outcome, "")
    assert (found.low, found.high) == (pytest.approx(value - 1.0), pytest.approx(value - 1.0))


def test_samples_lie_on_a_grid_that_starts_with_the_first_one():
    m = made()
    assert m.update(START, [2.0]) == Judgement(Outcome.SATISFIED, 1.0, 1.0)
    assert m.update(START + 0.14, [2.0]).reason == ""
    assert m.update(START + 0.14, [2.0]).reason == "the sample at 10.14 s is not after the last one"
    assert m.update(START + 0.16, [2.0]).reason == ""
    assert m.update(START + 0.2, [2.0]).reason == "the sample at 10.2 s is not after the last one"
    assert m.update(START + 0.5, [2.0]).reason == "2 samples are missing before 10.5 s"
    assert m.update(START + 0.6, [2.0]).reason == ""
    for time in (math.nan, math.inf):
        assert m.update(time, [2.0]) == Judgement(
            Outcome.VIOLATED, -math.inf, -math.inf, f"the time {time} s of the sample is not finite"
        )
    m.reset()
    assert m.update(0.0, [2.0]) == Judgement(Outcome.SATISFIED, 1.0, 1.0)


class Counting:
    """A node that counts what it is fed."""

    def __init__(self):
        self.unknown = self.resets = 0

    def reset(self):
        self.resets += 1

    def update(self, values):
        self.unknown += values is None
        return 1.0, 1.0


@pytest.mark.parametrize(("missing", "unknown", "resets"), [(0, 0, 0), (3, 3, 0), (4, 0, 1), (10**7, 0, 1)])
def test_samples_that_are_missing_are_unknown_and_more_than_a_window_of_them_forget_everything(
    missing, unknown, resets
):
    m = made("once[0, 0.3] gap >= 1 [m]")
    assert m.horizon == 3
    m.update(START, [2.0])
    m._node = node = Counting()
    m.update(START + 0.1 * (missing + 1), [2.0])
    assert (node.unknown, node.resets) == (unknown, resets)


@pytest.mark.parametrize(
    ("values", "stamps", "reason"),
    [
        ([2.0, 1.0, 1.0], None, ""),
        ([2.0, 1.0, 0.0], [START] * 3, ""),
        ([2.0, 1.0], None, "2 values for the 3 signals gap, speed, fault"),
        ([2.0, 1.0], [START] * 3, "2 values for the 3 signals"),
        ([2.0, 1.0, 1.0], [START] * 2, "3 values for the 3 signals"),
        ([2.0, math.nan, 1.0], None, "speed is nan"),
        ([math.inf, 1.0, 1.0], None, "gap is inf"),
        ([2.0, 1.0, 0.5], None, "fault is 0.5, neither 0 nor 1"),
        ([2.0, 1.0, 2.0], None, "fault is 2.0, neither 0 nor 1"),
        ([2.0, 7.0, 1.0], [START - 0.5, START - 0.25, START + 0.5], ""),
        ([2.0, 1.0, 1.0], [START - 0.51, START, START], "gap is 0.51 s old, allowed: 0.5 s"),
        ([2.0, 1.0, 1.0], [START, START + 0.26, START], "speed is 0.26 s ahead, allowed: 0.25 s"),
        ([2.0, 1.0, 1.0], [START, math.nan, START], "speed has no usable stamp"),
        ([2.0, 1.0, 1.0], [START, START, -math.inf], "fault has no usable stamp"),
    ],
)
def test_a_sample_that_cannot_be_trusted_is_a_violation_that_says_why(values, stamps, reason):
    m = made(
        "(gap >= 1 [m] or speed >= 0.5 [m/s]) and fault or not fault",
        "1",
        scales={(1, 0, 0, 0): 1.0, (1, 0, -1, 0): 1.0},
    )
    assert m.signals == ("gap", "speed", "fault")
    found = m.update(START, values, stamps)
    assert found.reason.startswith(reason) and bool(found.reason) == bool(reason)
    if reason:
        assert (found.outcome, found.low, found.high) == (Outcome.VIOLATED, -math.inf, -math.inf)
    else:
        assert found.outcome is Outcome.SATISFIED


# A switch.


@pytest.mark.parametrize(
    ("on", "off", "dwell"),
    [
        (math.nan, 0.0, 1.0),
        (math.inf, 0.0, 1.0),
        (1.0, math.nan, 1.0),
        (1.0, -math.inf, 1.0),
        (1.0, 1.001, 1.0),
        (1.0, 0.5, -0.001),
        (1.0, 0.5, math.inf),
        (1.0, 0.5, math.nan),
    ],
)
def test_a_switch_has_finite_thresholds_in_their_order_and_a_dwell(on, off, dwell):
    with pytest.raises(ConfigError, match="needed: off <= on, dwell >= 0, finite"):
        Hysteresis(on, off, dwell)
    Hysteresis(1.0, 1.0, 0.0)


def switched(values, on=2.0, off=1.0, dwell=0.5, start=START):
    """Return whether the switch is on after each of some values, 0.25 s apart."""
    switch, seen = Hysteresis(on, off, dwell), []
    assert switch.active
    for k, value in enumerate(values):
        assert switch.update(start + 0.25 * k, value) == ""
        seen.append(switch.active)
    return seen


@pytest.mark.parametrize("start", [-5.0, START])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0], [False]),
        ([1.0, 0.0, 0.0, 0.0], [True, True, True, False]),
        ([0.0, 1.9, 2.0, 1.0, 0.9, 0.9, 0.9], [False, False, True, True, True, True, False]),
        ([0.0, 3.0, 0.5, 0.5, 1.0, 0.5, 0.5, 0.5], [False, True, True, True, True, True, True, False]),
        ([0.0, 1.5, 0.0, 1.999, 0.0], [False] * 5),
    ],
)
def test_a_switch_goes_on_at_one_threshold_and_off_after_a_dwell_below_the_other(values, expected, start):
    assert switched(values, start=start) == expected


def test_what_cannot_be_trusted_switches_on_and_the_dwell_begins_anew():
    switch = Hysteresis(2.0, 1.0, 0.5)
    assert switch.update(START, 0.0) == "" and not switch.active
    assert switch.update(START, 0.0) == "the time 10.0 s is not after 10.0 s" and switch.active
    assert switch.update(START + 0.25, 0.0) == "" and switch.active
    assert switch.update(START + 0.5, 0.0) == "" and switch.active
    assert switch.update(START + 0.75, 0.0) == "" and not switch.active
    for time in (math.nan, math.inf, START):
        assert switch.update(time, 0.0).startswith("the time ") and switch.active
    assert switch.update(START + 1.0, math.nan) == "the value is nan" and switch.active
    assert switch.update(START + 0.9, 0.0) == "the time 10.9 s is not after 11.0 s"
    switch.reset()
    assert switch.active
    assert switch.update(-99.0, 0.0) == "" and not switch.active


def test_who_says_that_there_is_no_value_says_when():
    switch = Hysteresis(2.0, 1.0, 0.0)
    switch.update(START, 0.0)
    assert switch.distrust(START + 1.0, "no plans") == "no plans" and switch.active
    assert switch.update(START + 0.5, 0.0).startswith("the time 10.5 s is not after 11.0 s")
    assert switch.distrust(math.nan, "no time") == "no time"
    assert switch.distrust(START, "late") == "late"
    assert switch.update(START + 0.9, 0.0).startswith("the time 10.9 s is not after 11.0 s")
    assert switch.update(START + 1.1, 0.0) == "" and not switch.active


# Approach.


def around(people, pose=(0.0, 0.0, 0.0), twist=(0.0, 0.0)):
    table = np.array(people, dtype=float).reshape(-1, 4)
    n = len(table)
    obstacles = Obstacles(
        0.0, FIXED_FRAME, table[:, :2], table[:, 2:], np.full(n, 0.3), np.zeros(n), np.zeros(n)
    )
    return BaseState(0.0, FIXED_FRAME, np.array(pose), np.array(twist), obstacles, Walls.none())


def test_nobody_and_somebody_far_away_are_twenty_metres_away():
    assert FAR == 20.0
    assert approach(around([]), 0.5, 0.3, 2.0) == (20.0, 20.0, 0.0)
    assert approach(around([[30.0, 0.0, 0.0, 0.0]]), 0.5, 0.3, 2.0) == (20.0, 20.0, 0.0)
    assert approach(around([[19.0, 0.0, 0.0, 0.0]]), 0.5, 0.3, 2.0).gap == pytest.approx(19.0 - 0.5 - 0.3)


@pytest.mark.parametrize(
    "sizes", [(0.0, 0.3, 2.0), (0.5, -0.3, 2.0), (0.5, 0.3, 0.0), (0.5, math.inf, 2.0), (0.5, 0.3, math.nan)]
)
def test_sizes_and_horizon_are_positive_and_finite(sizes):
    with pytest.raises(ConfigError, match="must be positive"):
        approach(around([]), *sizes)


@pytest.mark.parametrize(
    ("pose", "twist"), [((math.nan, 0.0, 0.0), (0.0, 0.0)), ((0.0, 0.0, 0.0), (0.0, math.inf))]
)
def test_what_is_no_number_is_no_approach(pose, twist):
    assert all(math.isnan(v) for v in approach(around([[2.0, 0.0, 0.0, 0.0]], pose, twist), 0.5, 0.3, 2.0))


@pytest.mark.parametrize("yaw", [0.0, 0.7, -2.0])
@pytest.mark.parametrize(
    ("offset", "gap"),
    [
        ((2.0, 0.0), 2.0 - 0.5 - 0.3),
        ((-2.0, 0.1), 2.0 - 0.5 - 0.3),
        ((0.2, -1.5), 1.5 - 0.3 - 0.3),
        ((3.5, 4.3), 5.0 - 0.3),
        ((0.1, 0.1), -0.3),
    ],
)
def test_the_gap_is_between_footprint_and_person_wherever_the_robot_stands(offset, gap, yaw):
    cos, sin = math.cos(yaw), math.sin(yaw)
    x, y = offset
    person = [7.0 + cos * x - sin * y, -3.0 + sin * x + cos * y, 0.0, 0.0]
    found = approach(around([person], (7.0, -3.0, yaw)), 0.5, 0.3, 2.0)
    assert found == pytest.approx((gap, gap, 0.0))


@pytest.mark.parametrize("yaw", [0.0, 1.2])
@pytest.mark.parametrize("twist", [(0.5, 0.3, 0.0), (0.5, 0.3)])
def test_the_smallest_gap_on_the_way_is_that_of_the_moving_robot_and_person(yaw, twist):
    turn = np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
    velocity = np.array([twist[0], twist[1] if len(twist) == 3 else 0.0])
    relative = np.array([-1.5, 0.4])  # as the robot sees it: 2 m ahead, nearest after 1 s, beside it
    place, moving = turn @ [1.5, 0.6], turn @ (relative + velocity)
    found = approach(around([[*place, *moving]], (0.0, 0.0, yaw), twist), 0.5, 0.3, 2.0)
    assert found.gap == pytest.approx(math.hypot(1.0, 0.3) - 0.3)
    looks = [(max(abs(1.5 - 1.5 * t) - 0.5, 0.0), 0.6 + 0.4 * t - 0.3) for t in np.arange(21) / 10.0]
    gaps = [math.hypot(*look) - 0.3 for look in looks]
    assert found.predicted == pytest.approx(min(gaps))
    assert found.time == pytest.approx(0.1 * int(np.argmin(gaps)))
    assert 0.0 < found.time < 2.0


def test_a_person_who_passes_in_the_middle_of_the_horizon_is_seen_there():
    found = approach(around([[2.0, 0.5, -4.0, 0.0]]), 0.001, 0.001, 1.0)
    assert found.time == 0.5
    assert found.predicted == pytest.approx(0.499 - 0.3)
