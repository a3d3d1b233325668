# SPDX-License-Identifier: Apache-2.0
"""What a monitor says of samples that cannot be trusted, and of formulas that cannot be read."""

import math

import pytest

from reflexarc.assurance.monitors.monitor import Monitor, Outcome, Signal
from reflexarc.assurance.monitors.parser import DEEPEST, LONGEST, FormulaError, parse
from reflexarc.assurance.monitors.units import describe, parse_unit
from reflexarc.core.errors import ConfigError, UnknownNameError

SIGNALS = {
    "gap": Signal("m", 0.3),
    "speed": Signal("m/s", 0.1),
    "force": Signal("N", 0.01),
    "fault": Signal("bool", 0.1),
}
VIOLATED, SATISFIED, UNKNOWN = Outcome.VIOLATED, Outcome.SATISFIED, Outcome.UNKNOWN


def monitor(formula, unit="m", period=0.1, **more):
    return Monitor(formula, SIGNALS, period, unit, **more)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("formula", ["gap >= 1 [m]", "not gap >= 1 [m]", "once[0, 1] gap >= 1 [m]"])
def test_a_value_that_is_not_finite_is_a_violation_with_a_reason(formula, value):
    m = monitor(formula)
    m.update(0.0, [2.0])
    found = m.update(0.1, [value])
    assert found.outcome is VIOLATED
    assert found.low == -math.inf
    assert found.reason == f"gap is {value}"


def test_an_untrusted_sample_stays_unknown_in_the_windows_until_it_has_left_them():
    m = monitor("historically[0, 0.2] gap >= 1 [m]")
    assert [m.update(0.1 * k, [2.0]).outcome for k in range(3)] == [UNKNOWN, UNKNOWN, SATISFIED]
    assert m.update(0.3, [math.nan]).outcome is VIOLATED
    assert [m.update(0.1 * k, [2.0]).outcome for k in range(4, 7)] == [UNKNOWN, UNKNOWN, SATISFIED]


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        (0.69, "0.31 s old"),
        (1.31, "0.31 s ahead"),
        (math.nan, "no usable stamp"),
        (-math.inf, "no usable stamp"),
    ],
)
def test_a_value_with_a_stale_future_or_unusable_stamp_is_a_violation(stamp, text):
    m = monitor("gap >= 1 [m]")
    found = m.update(1.0, [2.0], [stamp])
    assert found.outcome is VIOLATED
    assert text in found.reason


def test_ages_at_the_limit_are_fresh_and_each_signal_has_its_own():
    m = monitor("fault -> speed <= 1 [m/s]", "m/s")
    assert m.update(1.0, [1.0, 0.5], [0.9, 1.1 - 1e-12]).outcome is SATISFIED
    assert "speed" in m.update(1.1, [1.0, 0.5], [1.1, 0.8]).reason


@pytest.mark.parametrize("time", [0.2, 0.1, 0.24, math.nan, math.inf, -1e12])
def test_time_that_repeats_goes_back_or_is_no_number_is_a_violation_and_changes_nothing(time):
    m = monitor("historically[0, 0.2] gap >= 1 [m]")
    for k in range(3):
        m.update(0.1 * k, [2.0])
    found = m.update(time, [-5.0])
    assert found.outcome is VIOLATED
    assert found.reason
    assert m.update(0.3, [2.0]).outcome is SATISFIED


@pytest.mark.parametrize(("missing", "unknown"), [(1, 2), (2, 2), (50, 2), (10**9, 2)])
def test_missing_samples_are_a_violation_and_unknown_in_the_windows(missing, unknown):
    m = monitor("historically[0, 0.2] gap >= 1 [m]")
    for k in range(3):
        m.update(0.1 * k, [2.0])
    found = m.update(0.1 * (3 + missing), [2.0])
    assert found.outcome is VIOLATED
    assert found.reason.startswith(f"{missing} samples are missing")
    later = [m.update(0.1 * (4 + missing + k), [2.0]).outcome for k in range(3)]
    assert later == [UNKNOWN] * (unknown - 1) + [SATISFIED] * (4 - unknown)


def test_samples_may_be_off_the_grid_by_less_than_half_a_period_without_drifting():
    m = monitor("historically[0, 0.2] gap >= 1 [m]")
    outcomes = [m.update(0.1 * k + (0.04 if k % 2 else -0.04 * (k > 0)), [2.0]).outcome for k in range(2000)]
    assert set(outcomes[2:]) == {SATISFIED}


@pytest.mark.parametrize("value", [0.5, -1.0, 2.0])
def test_a_flag_is_0_or_1(value):
    m = monitor("fault -> gap >= 1 [m]")
    assert "neither 0 nor 1" in m.update(0.0, [value, 2.0]).reason


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0]])
def test_another_number_of_values_is_a_violation(values):
    m = monitor("fault -> gap >= 1 [m]")
    found = m.update(0.0, values)
    assert found.outcome is VIOLATED
    assert "2 signals fault, gap" in found.reason


def test_a_sum_that_overflows_is_never_satisfied():
    m = monitor("gap + gap >= 1 [m]")
    assert m.update(0.0, [1e308]).outcome is UNKNOWN


def test_reset_starts_a_new_grid_and_forgets_everything():
    m = monitor("once[0, 1] gap >= 1 [m]")
    m.update(100.0, [2.0])
    m.reset()
    assert m.update(0.0, [0.5]).outcome is UNKNOWN


def test_flags_select_and_never_measure():
    m = monitor("fault -> gap >= 1 [m]")
    assert m.update(0.0, [1.0, 1.25]).low == 0.25
    assert m.update(0.1, [0.0, -8.0]).low == math.inf
    assert m.update(0.2, [1.0, -8.0]).low == -9.0


@pytest.mark.parametrize(
    ("operator", "outcome"), [("<=", SATISFIED), ("<", VIOLATED), (">=", SATISFIED), (">", VIOLATED)]
)
def test_a_value_on_its_limit_is_judged_by_the_comparison_also_under_not(operator, outcome):
    other = {SATISFIED: VIOLATED, VIOLATED: SATISFIED}[outcome]
    assert monitor(f"gap {operator} 1 [m]").update(0.0, [1.0]).outcome is outcome
    assert monitor(f"not gap {operator} 1 [m]").update(0.0, [1.0]).outcome is other


def test_constants_are_converted_and_robustness_is_in_si():
    assert monitor("gap >= 500 [mm]").update(0.0, [2.0]).low == pytest.approx(1.5)
    assert monitor("speed <= 3.6 [km/h]", "m/s").update(0.0, [0.25]).low == pytest.approx(0.75)
    assert monitor("gap - 2 [s] * speed >= 0 [m]").update(0.0, [3.0, 1.0]).low == pytest.approx(1.0)
    assert monitor("max(gap, 2 * gap, abs(gap)) <= 10 [m]").update(0.0, [-3.0]).low == pytest.approx(7.0)
    assert monitor("-gap + (gap + gap) >= 1 [m]").update(0.0, [3.0]).low == pytest.approx(2.0)


def test_units_that_do_not_fit_are_refused():
    for formula, text in [
        ("gap >= 1", "mixes m with 1"),
        ("gap >= 1 [s]", "mixes m with s"),
        ("gap + speed >= 1 [m]", "mixes m with m/s"),
        ("min(gap, speed) >= 1 [m]", "min mixes"),
        ("gap >= 1 [m] or speed <= 1 [m/s]", "declare scales"),
        ("speed <= 1 [m/s]", "the requirement says m"),
        ("fault >= 1", "it has no size"),
        ("gap and fault", "compare it with something"),
        ("gap * gap >= 1 [m]", "only linear terms"),
        ("1 [m] <= 2 [m]", "no signal in it"),
    ]:
        with pytest.raises(ConfigError, match=text):
            monitor(formula)


def test_declared_scales_turn_several_units_into_one_number():
    m = monitor(
        "gap >= 1 [m] or speed <= 1 [m/s]", "1", scales={parse_unit("m").dimension: 0.5, (1, 0, -1, 0): 2.0}
    )
    assert m.update(0.0, [0.0, 0.0]).low == pytest.approx(0.5)
    assert m.update(0.1, [0.0, 7.0]).low == pytest.approx(-2.0)
    with pytest.raises(ConfigError, match="is in N; scales are given for: m"):
        monitor("gap >= 1 [m] or force <= 1 [N]", "1", scales={(1, 0, 0, 0): 1.0})


def test_a_missing_signal_is_an_error_at_the_start_and_lists_what_there_is():
    with pytest.raises(
        UnknownNameError, match="unknown signal 'gpa'.*column 10; allowed: fault, force, gap, speed"
    ):
        monitor("fault -> gpa >= 1 [m]")


@pytest.mark.parametrize("window", ["[0, 0.25]", "[0.05, 0.5]"])
def test_a_window_that_is_no_multiple_of_the_period_is_refused(window):
    with pytest.raises(ConfigError, match="no multiple of the sample period 0.1 s"):
        monitor(f"once{window} gap >= 1 [m]")


def test_a_window_that_needs_too_much_memory_is_refused():
    with pytest.raises(ConfigError, match="samples, allowed: 100000"):
        monitor("once[0, 10001] gap >= 1 [m]")


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("gap >= ", 7, "expected a signal, a number or a bracket, found the end"),
        ("gap >= 1 [mph]", 11, "unknown unit 'mph'"),
        ("gap >= 1 [m] and", 17, "found the end"),
        ("(gap >= 1 [m]", 14, r"expected '\)'"),
        ("once gap >= 1 [m]", 6, r"expected '\['"),
        ("once[0.5, 0.1] fault", 5, "begins 0.5 s and ends 0.1 s ago"),
        ("once[-1, 0] fault", 6, "a time in seconds"),
        ("gap # 1", 5, "'#' is not understood"),
        ("gap >= 1 [m] gap", 14, "an operator or the end"),
        ("abs(gap, gap) >= 1 [m]", 1, "abs takes 1 terms, found 2"),
        ("and >= 1 [m]", 1, "found 'and'"),
        ("gap = 1 [m]", 5, "'=' is not understood"),
        ("eventually[0, 1] fault", 11, "an operator or the end"),
        ("", 1, "found the end"),
    ],
)
def test_errors_of_syntax_point_at_the_column(text, column, problem):
    with pytest.raises(FormulaError, match=problem) as caught:
        parse(text)
    assert caught.value.column == column
    lines = str(caught.value).splitlines()
    assert lines[-1].index("^") == column - 1 + 2


@pytest.mark.parametrize("text", ["(" * 500 + "fault", "not " * 400 + "fault", "-" * 500 + "gap >= 1 [m]"])
def test_a_formula_that_is_too_deep_is_an_error_and_no_crash(text):
    with pytest.raises(FormulaError, match=f"more than {DEEPEST} levels"):
        parse(text)
    with pytest.raises(ConfigError, match=f"allowed: {LONGEST}"):
        parse("fault" + " and fault" * 1000)


def test_brackets_and_priorities_are_as_written_down():
    a = monitor("(gap + 1 [m]) * 2 >= 4 [m]")
    assert a.update(0.0, [1.5]).low == pytest.approx(1.0)
    b = monitor("((gap >= 1 [m]) or fault) and not fault")
    assert b.update(0.0, [0.0, 1.0]).outcome is VIOLATED
    c = monitor("fault or fault and not fault -> gap >= 1 [m]")
    assert c.update(0.0, [1.0, 0.0]).outcome is VIOLATED
    d = monitor("fault -> fault -> gap >= 1 [m]")
    assert d.update(0.0, [0.0, 0.0]).outcome is SATISFIED


def test_units_are_read_as_the_project_writes_them():
    assert parse_unit("N s/m").dimension == (0, 1, -1, 0)
    assert parse_unit("m/s^2") == (1.0, (1, 0, -2, 0))
    assert parse_unit("1/s").dimension == parse_unit("Hz").dimension
    assert describe(parse_unit("kg m/s^2").dimension) == "N"
    assert parse_unit("km/h").factor == pytest.approx(1 / 3.6)
    for text in ("", "m/", "m//s", "m^", "2 m"):
        with pytest.raises(ConfigError):
            parse_unit(text)
    with pytest.raises(ConfigError, match="not SI"):
        Monitor("x >= 1 [mm]", {"x": Signal("mm", 1.0)}, 0.1, "m")
