# SPDX-License-Identifier: Apache-2.0
"""Metrics of the gap between made-up drives whose answers are known, and what a verdict makes of them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reflexarc.assurance.twin.gap import UNITS, drive_gap, standstill_noise
from reflexarc.assurance.twin.judgement import interval, judge
from reflexarc.assurance.twin.tolerances import DEFAULT, Tolerance, read_tolerances
from reflexarc.assurance.twin.trace import PERIOD, Trace
from reflexarc.core.errors import ConfigError, UnknownNameError

TIME = np.arange(0.0, 12.0, PERIOD)


def speed(time):
    """1 s at rest, up to 2 m/s at 1 m/s^2, held until 6 s, down at 2 m/s^2."""
    return np.interp(time, [1.0, 3.0, 6.0, 7.0], [0.0, 2.0, 2.0, 0.0])


def yaw_rate(time):
    return 0.8 * np.sin(np.clip(time - 7.5, 0.0, math.pi))


def made(delay: float = 0.0, gain: float = 1.0, effort: float = 1.0, side: float = 0.0) -> Trace:
    """Return a drive, later by `delay`, with yaw and effort scaled and sliding to the left."""
    v, w = speed(TIME - delay), gain * yaw_rate(TIME - delay)
    yaw = np.cumsum(w) * PERIOD
    x = np.cumsum(v * np.cos(yaw) - side * np.sin(yaw)) * PERIOD
    y = np.cumsum(v * np.sin(yaw) + side * np.cos(yaw)) * PERIOD
    command = np.stack([np.where((TIME >= 1.0) & (TIME < 6.0), 2.0, 0.0), yaw_rate(TIME)], axis=1)
    return Trace(
        command, np.stack([x, y, yaw], axis=1), np.stack([v, w], axis=1), effort * np.gradient(v, PERIOD)
    )


def test_a_drive_has_no_gap_to_itself():
    gap = drive_gap(made(), made())
    assert set(gap) == set(UNITS)
    assert all(abs(value) < 1e-12 for value in gap.values())


@pytest.mark.parametrize("delay", [0.005, 0.03, -0.02])
def test_the_lag_is_the_delay_of_both_velocities(delay):
    gap = drive_gap(made(delay), made())
    assert gap["velocity_lag"] == pytest.approx(delay, rel=0.05)
    assert gap["yaw_rate_lag"] == pytest.approx(delay, rel=0.05)
    assert gap["stop_time"] == pytest.approx(delay, abs=1.01 * PERIOD)
    assert gap["stop_distance"] == pytest.approx(2.0 * delay, rel=0.05)


def test_gains_are_those_of_yaw_rate_and_effort():
    gap = drive_gap(made(gain=0.9, effort=1.2), made())
    assert gap["yaw_gain"] == pytest.approx(-0.1, abs=1e-9)
    assert gap["effort_gain"] == pytest.approx(0.2, abs=1e-9)


def test_sliding_sideways_is_slip_and_drift():
    gap = drive_gap(made(side=0.1), made())
    assert gap["slip"] == pytest.approx(0.1, rel=0.02)
    assert gap["drift"] == pytest.approx(0.2, rel=0.02)


def test_what_a_drive_does_not_show_is_nan():
    still = Trace(np.zeros((400, 2)), np.zeros((400, 3)), np.zeros((400, 2)), np.full(400, math.nan))
    gap = drive_gap(still, still)
    assert {name for name, value in gap.items() if not math.isnan(value)} == {"slip"}


def test_effort_that_was_not_measured_is_nan():
    blind = replace(made(), push=np.full(len(TIME), math.nan))
    assert math.isnan(drive_gap(blind, made())["effort_gain"])


def test_traces_of_two_lengths_are_refused():
    short = Trace(*(part[:100] for part in (made().command, made().pose, made().twist, made().push)))
    with pytest.raises(ValueError, match="100"):
        drive_gap(made(), short)


def test_the_noise_is_that_before_the_first_command():
    rng = np.random.default_rng(1)
    noisy = replace(made(), twist=made().twist + rng.normal(0.0, 0.01, (len(TIME), 2)))
    assert standstill_noise(noisy) == pytest.approx(0.01, rel=0.2)
    moving = replace(noisy, command=np.ones((len(TIME), 2)))
    assert math.isnan(standstill_noise(moving))


LIMIT = {"drift": Tolerance(0.2, "m", "test")}


@pytest.mark.parametrize(
    ("values", "passed"),
    [
        ((0.1, 0.15), True),
        ((0.1, 0.25), False),  # the mean is within, its interval is not
        ((-0.3, -0.3), False),
        ((0.1, math.nan), False),
        ((0.1, math.inf), False),
        ((), False),
    ],
)
def test_a_metric_passes_only_if_its_whole_interval_is_within_the_tolerance(values, passed):
    (judged,) = judge([{"drift": value} for value in values], LIMIT)
    assert judged.passed is passed


def test_a_metric_that_no_session_has_fails():
    assert not judge([{}, {}], LIMIT)[0].passed


def test_the_bootstrap_interval_has_the_width_of_the_normal_one_for_many_values():
    values = np.random.default_rng(3).normal(1.0, 2.0, 400)
    mean, low, high = interval(values.tolist())
    assert mean == pytest.approx(values.mean())
    assert high - low == pytest.approx(2 * 1.96 * 2.0 / 20.0, rel=0.12)


def test_tolerances_that_come_with_the_project_are_above_what_calibration_saw():
    tolerances = read_tolerances(DEFAULT)
    assert all(item.seen is None or item.seen < item.tolerance for item in tolerances.values())


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("drift:", "drifts:", UnknownNameError),
        ("stop_time:", "# stop_time:", ConfigError),
        ("unit: m/s", "unit: m", ConfigError),
        ("tolerance: 0.2,", "tolerance: .nan,", ConfigError),
        ("tolerance: 0.2,", "tolerance: 0.1,", ConfigError),
        ("tolerance: 0.2,", "limit: 0.2,", UnknownNameError),
    ],
)
def test_a_file_of_tolerances_is_checked(tmp_path, old, new, error):
    path = tmp_path / "tolerances.yaml"
    text = DEFAULT.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(error):
        read_tolerances(path)
