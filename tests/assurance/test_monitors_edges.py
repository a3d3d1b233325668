# SPDX-License-Identifier: Apache-2.0
"""Edges of formulas, units, windows and switches of the monitors: how deep, how long, which unit, how old."""

import math

import pytest

from reflexarc.assurance.monitors import compiled
from reflexarc.assurance.monitors.compiled import compile_formula, samples
from reflexarc.assurance.monitors.parser import FormulaError, parse
from reflexarc.assurance.monitors.units import UNITS, describe, parse_unit, si_unit
from reflexarc.core.errors import ConfigError, UnknownNameError

METRES = {"a": "m", "b": "m", "c": "m", "flag": "bool"}


def refused(text, problem):
    with pytest.raises(ConfigError, match=problem):
        parse(text)


# How deep and how long.


@pytest.mark.parametrize(("before", "after"), [("not ", ""), ("-", " < 1"), ("a < 1 -> ", "")])
def test_forty_levels_are_read_and_one_more_is_not(before, after):
    inner = "a" if before == "-" else "a < 1"
    parse(before * 39 + inner + after)
    refused(before * 41 + inner + after + ")", "more than 40 levels within each other")


def test_levels_that_were_left_do_not_make_room_for_deeper_ones():
    beside = " and ".join(["not a < 1"] * 30)
    parse(f"{beside} and {'not ' * 39}a < 1")
    refused(f"{beside} and {'not ' * 40}a < 1", "more than 40 levels within each other")


def test_two_thousand_characters_are_read_and_one_more_is_not():
    parse("a" * 1996 + " < 1")
    refused("a" * 1997 + " < 1", "a formula has 2001 characters, allowed: 2000")


@pytest.mark.parametrize("function", ["min", "max"])
def test_the_smallest_and_the_largest_are_of_2_to_32_terms(function):
    def of(count):
        return f"{function}({', '.join(['a'] * count)}) < 1"

    for count in (2, 32):
        assert len(parse(of(count)).smaller.arguments) == count
    for count in (1, 33):
        refused(of(count), f"{function} takes 2 to 32 terms, found {count}")
    refused("abs(a, b) < 1", "abs takes 1 terms, found 2")


# Priorities and places.


def robustness(text, **values):
    found = compile_formula(parse(text), METRES, 0.1)
    return found.node.update([values[name] for name in found.signals])[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a >= 0 [m] and b >= 0 [m] or c >= 0 [m]", 3.0),
        ("c >= 0 [m] or b >= 0 [m] and a >= 0 [m]", 3.0),
        ("a >= 0 [m] and (b >= 0 [m] or c >= 0 [m])", -1.0),
        ("b >= 0 [m] or b >= 0 [m] or c >= 0 [m]", 3.0),
        ("c >= 0 [m] and c >= 0 [m] and a >= 0 [m]", -1.0),
        ("2 * a + 3 * c - b >= 0 [m]", 2 * -1.0 + 3 * 3.0 - -2.0),
        ("b - a - c >= 0 [m]", -2.0 + 1.0 - 3.0),
        ("-a * 2 >= 0 [m]", 2.0),
        ("a < b", -1.0),
        ("a > b", 1.0),
        ("abs(a) + min(b, c) >= max(a, b) + 0.5 [m]", 1.0 - 2.0 + 1.0 - 0.5),
        ("2 * abs(b) + 1 [m] >= 0 [m]", 5.0),
        ("abs(c) + b >= 0 [m]", 1.0),
    ],
)
def test_and_comes_before_or_and_products_before_sums(text, expected):
    assert robustness(text, a=-1.0, b=-2.0, c=3.0) == pytest.approx(expected)


def test_every_part_of_a_formula_knows_its_column():
    joined = parse("gap < 1 and  speed > 2")
    assert (joined.a.column, joined.b.column) == (1, 13)
    assert (joined.a.smaller.column, joined.b.larger.column) == (1, 13)
    assert parse("once[0, 1] gap < 1").window.column == 5
    assert parse("gap < 2 * speed").larger.column == 9
    assert parse("gap < -speed").larger.column == 7
    with pytest.raises(FormulaError, match="at column 5") as found:
        parse("once[2, 1] gap < 1")
    assert found.value.column == 5


def test_a_window_of_one_moment_is_a_window():
    window = parse("once[1, 1] gap < 1").window
    assert (window.first, window.last) == (1.0, 1.0)


# Windows in samples.


def test_a_window_may_miss_a_sample_by_a_millionth_of_it():
    assert samples(3.0 + 0.8e-6, 1.0) == samples(3.0 - 0.8e-6, 1.0) == 3
    assert samples(0.3 + 0.8e-7, 0.1) == 3
    for seconds in (3.0 + 1.4e-6, 3.0 - 1.4e-6):
        with pytest.raises(ConfigError, match="is no multiple"):
            samples(seconds, 1.0)


def test_a_window_of_a_hundred_thousand_samples_is_the_longest():
    assert samples(100_000.0, 1.0) == compiled.LONGEST_WINDOW == 100_000
    with pytest.raises(ConfigError, match="has 100001 samples, allowed: 100000"):
        samples(100_001.0, 1.0)


@pytest.mark.parametrize(
    ("text", "horizon"),
    [
        ("a < 1 [m]", 0),
        ("once[0, 1] a < 1 [m]", 10),
        ("once[0, 1] historically[0.5, 2] a < 1 [m]", 30),
        ("(once[0, 1] a < 1 [m]) since[0, 0.5] (once[0, 2] b < 1 [m])", 25),
        ("(once[0, 3] a < 1 [m]) since[0, 0.5] b < 1 [m]", 35),
        ("previously once[0, 1] a < 1 [m]", 11),
        ("rise previously flag", 2),
        ("once[0, 1] a < 1 [m] and previously b < 1 [m]", 10),
        ("not once[0, 0.2] flag", 2),
    ],
)
def test_the_robustness_depends_on_as_many_samples_as_the_windows_reach_back(text, horizon):
    assert compile_formula(parse(text), METRES, 0.1).horizon == horizon


@pytest.mark.parametrize("period", [0.0, -0.1, math.nan, math.inf])
def test_samples_have_a_period(period):
    with pytest.raises(ConfigError, match="must be positive and finite"):
        compile_formula(parse("a < 1 [m]"), METRES, period)


# Terms and their units.


@pytest.mark.parametrize("text", ["a * b < 1 [m]", "abs(a) * b < 1 [m]", "a * abs(b) < 1 [m]"])
def test_a_product_of_two_signals_is_refused(text):
    with pytest.raises(ConfigError, match="is of two signals"):
        compile_formula(parse(text), METRES, 0.1)


@pytest.mark.parametrize("text", ["a < 1", "a + 1 < 2 [m]", "min(a, 1) < 1 [m]", "2 * 3 * a < 1 [s]"])
def test_terms_of_different_units_are_not_compared_added_or_chosen_from(text):
    with pytest.raises(ConfigError, match="mixes"):
        compile_formula(parse(text), METRES, 0.1)


def test_flags_stand_alone_and_nothing_else_does():
    with pytest.raises(ConfigError, match="compare it with something"):
        compile_formula(parse("a"), METRES, 0.1)
    with pytest.raises(ConfigError, match="it has no size"):
        compile_formula(parse("flag < 1"), METRES, 0.1)
    with pytest.raises(UnknownNameError, match="unknown signal 'z'"):
        compile_formula(parse("a < z"), METRES, 0.1)


def test_a_unit_without_a_scale_is_refused_with_those_that_have_one():
    with pytest.raises(ConfigError, match="is in m; scales are given for: s, m/s$"):
        compile_formula(parse("a < 1 [m]"), METRES, 0.1, scales={(0, 0, 1, 0): 1.0, (1, 0, -1, 0): 1.0})
    with pytest.raises(ConfigError, match="is in m; scales are given for: none$"):
        compile_formula(parse("a < 1 [m]"), METRES, 0.1, scales={})
    scaled = compile_formula(parse("a < 1 [m]"), METRES, 0.1, scales={(1, 0, 0, 0): 4.0})
    assert scaled.dimension == (0, 0, 0, 0)
    assert scaled.node.update([-1.0]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("name", "factor", "dimension"),
    [
        ("1", 1.0, (0, 0, 0, 0)),
        ("%", 1e-2, (0, 0, 0, 0)),
        ("m", 1.0, (1, 0, 0, 0)),
        ("cm", 1e-2, (1, 0, 0, 0)),
        ("mm", 1e-3, (1, 0, 0, 0)),
        ("km", 1e3, (1, 0, 0, 0)),
        ("kg", 1.0, (0, 1, 0, 0)),
        ("g", 1e-3, (0, 1, 0, 0)),
        ("s", 1.0, (0, 0, 1, 0)),
        ("ms", 1e-3, (0, 0, 1, 0)),
        ("min", 60.0, (0, 0, 1, 0)),
        ("h", 3600.0, (0, 0, 1, 0)),
        ("Hz", 1.0, (0, 0, -1, 0)),
        ("rad", 1.0, (0, 0, 0, 1)),
        ("deg", math.pi / 180.0, (0, 0, 0, 1)),
        ("N", 1.0, (1, 1, -2, 0)),
        ("kN", 1e3, (1, 1, -2, 0)),
        ("J", 1.0, (2, 1, -2, 0)),
        ("W", 1.0, (2, 1, -3, 0)),
        ("Pa", 1.0, (-1, 1, -2, 0)),
    ],
)
def test_a_unit_is_the_multiple_of_si_that_physics_says(name, factor, dimension):
    assert parse_unit(name) == (pytest.approx(factor, rel=1e-15), dimension)
    assert name in UNITS


def test_every_unit_is_checked_against_physics():
    (marked,) = test_a_unit_is_the_multiple_of_si_that_physics_says.pytestmark
    assert [row[0] for row in marked.args[1]] == list(UNITS)


@pytest.mark.parametrize(
    ("text", "factor", "dimension"),
    [
        ("m/s^2", 1.0, (1, 0, -2, 0)),
        ("N s/m", 1.0, (0, 1, -1, 0)),
        ("km/h", 1000.0 / 3600.0, (1, 0, -1, 0)),
        ("1/s", 1.0, (0, 0, -1, 0)),
        ("N/m rad", 1.0, (0, 1, -2, 1)),
        ("kg/m/s^2", 1.0, (-1, 1, -2, 0)),
        ("cm^2", 1e-4, (2, 0, 0, 0)),
        ("s^-1 rad^3", 1.0, (0, 0, -1, 3)),
        ("1/mm^2", 1e6, (-2, 0, 0, 0)),
    ],
)
def test_factors_above_and_below_are_raised_to_their_powers(text, factor, dimension):
    found = parse_unit(text)
    assert found == (pytest.approx(factor), dimension)


@pytest.mark.parametrize("text", ["", "/s", "m/", "m//s", "m^x", "m2", "m s^22"])
def test_what_is_no_product_of_factors_is_no_unit(text):
    with pytest.raises(ConfigError, match="unit '.*' in here: .*write it like m/s\\^2 or N s/m"):
        parse_unit(text, "here")
    with pytest.raises(ConfigError, match="unit '.*': "):
        parse_unit(text)
    with pytest.raises(UnknownNameError, match="furlong"):
        parse_unit("furlong")


def test_signals_are_in_si():
    assert si_unit("m/s", "speed").dimension == (1, 0, -1, 0)
    with pytest.raises(
        ConfigError, match="speed: the unit 'km/h' is not SI; signals and robustness are in m/s"
    ):
        si_unit("km/h", "speed")


@pytest.mark.parametrize(
    ("dimension", "text"),
    [
        ((0, 0, 0, 0), "1"),
        ((1, 0, 0, 0), "m"),
        ((0, 0, -1, 0), "1/s"),
        ((1, 1, -2, 0), "N"),
        ((2, 1, -3, 0), "W"),
        ((1, 0, -2, 0), "m/s^2"),
        ((0, 1, -1, 2), "kg rad^2/s"),
        ((-1, 0, -1, 0), "1/m/s"),
    ],
)
def test_a_dimension_is_told_in_units_that_are_read_back(dimension, text):
    assert describe(dimension) == text
    assert parse_unit(text) == (1.0, dimension)
