# SPDX-License-Identifier: Apache-2.0
"""The refusals and rare ways of the monitors that no other test takes."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from reflexarc.assurance.monitors import figure
from reflexarc.assurance.monitors.compiled import compile_formula
from reflexarc.assurance.monitors.drift import Bins, DriftModel, Feature, Run, count_transitions
from reflexarc.assurance.monitors.entropy import EntropyMonitor, lateral_anchors
from reflexarc.assurance.monitors.formula import Number, Predicate
from reflexarc.assurance.monitors.hysteresis import Hysteresis
from reflexarc.assurance.monitors.monitor import Monitor, Signal
from reflexarc.assurance.monitors.online import Held, Largest
from reflexarc.assurance.monitors.parser import FormulaError, parse
from reflexarc.assurance.monitors.recorded import judge, sample_recording
from reflexarc.assurance.monitors.recorded_signals import FAR, SIGNALS
from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file
from reflexarc.assurance.monitors.units import parse_unit
from reflexarc.core import wire
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.core.types import Mode, Status
from tests.assurance.monitor_recordings import calm, recording
from tests.cli.recordings import odometry, twist_stamped

GAP = {"gap": Signal("m", 0.3)}
LINE = Bins((Feature("gap", "m", (1.0, 2.0)),))
SIDEWALK = requirements_file("sidewalk")


@pytest.mark.parametrize("period", [0.0, -0.1, math.nan, math.inf])
def test_a_period_that_is_none_is_refused(period):
    with pytest.raises(ConfigError, match=r"sample period .* must be positive and finite"):
        Monitor("gap >= 1 [m]", GAP, period, "m")


def test_a_formula_of_numbers_alone_is_refused_also_where_a_function_hides_them():
    with pytest.raises(ConfigError, match="uses no signal"):
        Monitor("abs(2 [m]) >= 1 [m]", GAP, 0.1, "m")


def test_what_is_no_formula_and_no_term_is_not_compiled():
    with pytest.raises(AssertionError, match="[Uu]nreachable"):
        compile_formula("gap", {"gap": "m"}, 0.1)
    one = Number(1.0, parse_unit("m"))
    with pytest.raises(AssertionError, match="[Uu]nreachable"):
        compile_formula(Predicate(one, "gap", False, 1), {"gap": "m"}, 0.1)


@pytest.mark.parametrize("name", ["once", "2gap", "a b", ""])
def test_a_signal_cannot_have_a_name_that_no_formula_can_say(name):
    with pytest.raises(ConfigError, match="cannot be the name of a signal"):
        Monitor("gap >= 1 [m]", GAP | {name: Signal("m", 1.0)}, 0.1, "m")


@pytest.mark.parametrize("age", [0.0, -1.0, math.nan, math.inf])
def test_a_signal_cannot_be_fresh_for_ever_or_never(age):
    with pytest.raises(ConfigError, match=r"gap: the maximum age .* must be positive and finite"):
        Monitor("gap >= 1 [m]", {"gap": Signal("m", age)}, 0.1, "m")


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("(gap >= 1 [m]) >= 2 [m]", 6, "expected '\\)', found '>='"),
        ("(gap >= 1 [m]) + 2 [m] >= 1 [m]", 6, "expected '\\)', found '>='"),
        ("gap + gap", 10, "expected a comparison"),
        ("gap >= 1 [furlong]", 11, "furlong"),
    ],
)
def test_what_cannot_be_read_is_shown_at_its_place(text, column, problem):
    with pytest.raises(FormulaError, match=problem) as caught:
        parse(text)
    assert caught.value.column == column


def test_features_and_danger_of_other_shapes_are_refused():
    with pytest.raises(ConfigError, match=r"features of shape \(2, 2\), expected \(n, 1\)"):
        LINE.states(np.zeros((2, 2)))
    with pytest.raises(ConfigError, match=r"features of shape \(3,\), expected \(n, 1\)"):
        LINE.states(np.zeros(3))
    with pytest.raises(ConfigError, match=r"2 rows of features and danger of shape \(3,\)"):
        count_transitions(LINE, [Run(np.zeros((2, 1)), np.zeros(3, dtype=bool))])


@pytest.mark.parametrize(
    ("period", "steps", "confidence"),
    [
        (0.0, 5, 0.95),
        (math.inf, 5, 0.95),
        (math.nan, 5, 0.95),
        (0.1, 0, 0.95),
        (0.1, 10_001, 0.95),
        (0.1, 5, 0.0),
        (0.1, 5, 1.0),
    ],
)
def test_a_horizon_or_confidence_out_of_bounds_is_refused(period, steps, confidence):
    with pytest.raises(ConfigError, match="out of bounds"):
        DriftModel(LINE, np.ones((3, 4), dtype=int), period, steps, confidence)


def test_a_reset_doubts_again_until_the_first_good_plans():
    anchors = lateral_anchors(2.0, np.array([1.0, 2.0, 3.0]))
    monitor = EntropyMonitor(anchors, dwell=0.0)
    sure = (anchors[2:3], np.array([1.0]))
    assert monitor.update(5.0, *sure).mode is Mode.NORMAL
    monitor.reset()
    nothing = (anchors[2:3], np.array([0.0]))
    assert monitor.update(1.0, *nothing).mode is Mode.SPEED_SEPARATION
    assert monitor.update(2.0, *sure).mode is Mode.NORMAL, "also at an earlier time than before the reset"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_switches_on_and_the_dwell_begins_anew(value):
    switch = Hysteresis(2.0, 1.0, 0.5)
    assert switch.update(0.0, 0.0) == "" and not switch.active
    assert switch.update(1.0, value) == f"the value is {value}"
    assert switch.active
    switch.update(2.0, 0.0)
    assert switch.active
    switch.update(2.5, 0.0)
    assert not switch.active


def test_a_value_without_a_time_does_not_move_the_clock():
    switch = Hysteresis(2.0, 1.0, 0.0)
    switch.update(3.0, 0.0)
    assert switch.distrust(math.nan, "nothing came") == "nothing came"
    assert switch.active
    assert "not after 3.0 s" in switch.update(3.0, 0.0)
    assert switch.update(3.1, 0.0) == "" and not switch.active


def test_every_requirement_is_told_before_it_is_judged_and_what_is_below_zero_is_filled(
    tmp_path, monkeypatch
):
    requirements = read_requirements(SIDEWALK)
    fast = calm() | {"cmd_vel": (1, lambda t: twist_stamped(t, 9.0, 0.0))}
    samples = sample_recording(recording(fast, 0.3), requirements)
    told = []
    findings = judge(samples, requirements, told.append)
    assert told == [finding.requirement.id for finding in findings]
    filled = []

    def fill(self, time, series, zero, where, **style):
        filled.append((len(time), bool(where.any()), style["color"]))

    monkeypatch.setattr("matplotlib.axes.Axes.fill_between", fill)
    figure.draw(samples, findings, tmp_path / "robustness.svg")
    low = [f for f in findings if (f.series[np.isfinite(f.series)] < 0.0).any()]
    assert {"ACT-V", "MOD-C"} <= {f.requirement.id for f in low}
    assert filled == [(len(samples.time), True, "#D55E00")] * len(low)
    assert (tmp_path / "robustness.svg").stat().st_size > 10_000


def test_a_topic_without_a_message_cannot_be_judged():
    made = recording(calm(), 0.5)
    made.topics["/odom"] = []
    with pytest.raises(RecordingError, match=r"run.mcap: the topic 'odom' has no message"):
        sample_recording(made, read_requirements(SIDEWALK))


def as_message(data):
    return json.loads(json.dumps(data), object_hook=lambda d: SimpleNamespace(**d))


def test_a_separation_needs_its_numbers_and_is_far_with_nobody_there():
    odom = as_message(odometry(0.0, 0.0, 1.0))
    nobody = SimpleNamespace(header=odom.header, obstacles=[])
    where = SimpleNamespace(
        components=2, half_length=0.4, half_width=0.3, separation=read_requirements(SIDEWALK).separation
    )
    assert SIGNALS["separation"].read(where, odom, nobody) == FAR
    assert SIGNALS["protective_distance"].read(where, odom, nobody) == 0.0
    where.separation = None
    for name in ("separation", "protective_distance"):
        with pytest.raises(ConfigError, match="need the section 'separation'"):
            SIGNALS[name].read(where, odom, nobody)


def test_the_force_is_that_of_all_three_axes():
    wrench = SimpleNamespace(wrench=SimpleNamespace(force=SimpleNamespace(x=2.0, y=-3.0, z=6.0)))
    assert SIGNALS["force"].read(None, wrench) == pytest.approx(7.0)


@pytest.mark.parametrize("status", Status)
def test_the_arc_brakes_where_it_backs_up_or_has_latched(status):
    verdict = SimpleNamespace(status=wire.STATUS_CODES.index(status))
    assert SIGNALS["braking"].read(None, verdict) == float(status in (Status.BACKUP, Status.LATCHED))


def written(tmp_path, change):
    data = yaml.safe_load(SIDEWALK.read_text(encoding="utf-8"))
    change(data)
    path = tmp_path / "requirements.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def test_a_requirements_file_may_be_named_by_its_path(tmp_path):
    path = written(tmp_path, lambda _: None)
    assert requirements_file(str(path)) == path
    assert dataclasses.replace(read_requirements(path), path=SIDEWALK) == read_requirements(SIDEWALK)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["separation"].__setitem__("source", "  "), "separation.source says nothing"),
        (
            lambda d: d["requirements"][0]["scales"].__setitem__("m", True),
            "expected a finite number, found True",
        ),
        (
            lambda d: d["requirements"][0]["scales"].__setitem__("m", "1"),
            "expected a finite number, found '1'",
        ),
        (
            lambda d: d["requirements"][0]["scales"].__setitem__("m", math.inf),
            "expected a finite number, found inf",
        ),
    ],
)
def test_a_separation_without_source_and_a_scale_that_is_no_number_are_refused(tmp_path, change, problem):
    with pytest.raises(ConfigError, match=problem):
        read_requirements(written(tmp_path, change))


WINDOWS = [(0, 0), (0, 3), (1, 1), (1, 4), (2, 5), (3, 3), (4, 4), (5, 6), (4, 9)]


@pytest.mark.parametrize("unknown", [-math.inf, math.inf])
@pytest.mark.parametrize(("first", "last"), WINDOWS)
def test_a_window_that_is_not_filled_holds_what_is_not_known(first, last, unknown):
    """Against the definition, from the first sample on; what was before it counts as `unknown`, also in `since`."""
    rng = np.random.default_rng([3, first, last])
    for bias in (-3, 0, 3):
        a, b = (rng.integers(-4, 5, 25) + sign * bias for sign in (1, -1))
        known = [{r: float(v) for r, v in enumerate(values)} for values in (a, b)]
        held, largest = Held(first, last, unknown), Largest(first, last, unknown)
        for _ in range(2):
            for t in range(len(a)):
                window = range(t - last, t - first + 1)
                small = {
                    s: min((known[0].get(r, unknown) for r in range(s + 1, t + 1)), default=math.inf)
                    for s in window
                }
                expected = max(min(known[1].get(s, unknown), small[s]) for s in window)
                assert held.update(float(a[t]), float(b[t])) == expected
                assert largest.update(float(b[t])) == max(known[1].get(s, unknown) for s in window)
            held.reset()
            largest.reset()
