# SPDX-License-Identifier: Apache-2.0
"""Distributions of latencies: distances with known answers, steps of made-up drives, ticks of made-up recordings."""

import math

import numpy as np
import pytest

from reflexarc.assurance.twin.latency import (
    EFFECT,
    LOOP,
    distances,
    effect_gap,
    effect_times,
    loop_gap,
    loop_times,
    tick_times,
)
from reflexarc.assurance.twin.trace import PERIOD, Trace
from reflexarc.core.errors import RecordingError
from tests.assurance.monitor_recordings import calm, recording, verdict

TIME = np.arange(0.0, 12.0, PERIOD)
STEPS = ((1.0, 1.0), (3.0, 0.0), (5.0, 2.0), (8.0, 0.5), (10.0, 0.0))
"""When [s] a velocity is commanded [m/s]."""


def drive(delay: float, rate: float = 4.0) -> Trace:
    """Return a drive along x that follows each step `delay` [s] later with `rate` [m/s^2]; it never turns."""
    command = np.zeros(len(TIME))
    measured = np.zeros(len(TIME))
    for begin, v in STEPS:
        before = command[TIME < begin][-1]
        command[TIME >= begin] = v
        late = np.clip((TIME - begin - delay) * rate, 0.0, abs(v - before))
        measured[TIME >= begin] = (before + math.copysign(1.0, v - before) * late)[TIME >= begin]
    zero = np.zeros(len(TIME))
    return Trace(
        np.stack([command, zero], axis=1), np.zeros((len(TIME), 3)), np.stack([measured, zero], axis=1), zero
    )


def test_distances_of_a_shifted_sample():
    sample = np.arange(0.0, 1.0, 0.1)
    w1, ks = distances(sample + 0.25, sample)
    assert w1 == pytest.approx(0.25)
    assert ks == pytest.approx(0.3)  # three of ten are beyond
    assert distances(sample, sample) == (0.0, 0.0)
    assert distances(sample + 5.0, sample)[1] == 1.0


@pytest.mark.parametrize("bad", [np.zeros(4), np.array([0.0, 1.0, math.nan, 2.0, 3.0])])
def test_too_few_times_or_one_that_is_none_are_not_measured(bad):
    assert all(math.isnan(value) for value in distances(bad, np.zeros(10)))
    assert all(math.isnan(value) for value in distances(np.zeros(10), bad))


@pytest.mark.parametrize("delay", [0.03, 0.06])
def test_the_effect_comes_after_dead_time_and_acceleration(delay):
    times = effect_times(drive(delay))
    assert times == pytest.approx(np.full(5, delay + 0.1 / 4.0), abs=2 * PERIOD)


def test_later_effects_are_a_gap_of_the_delay():
    gap = effect_gap(drive(0.06), drive(0.03))
    assert set(gap) == set(EFFECT)
    assert gap["effect_w1"] == pytest.approx(0.03, abs=1e-6)
    assert gap["effect_ks"] == 1.0


def test_a_step_without_effect_counts_as_long_as_it_waited():
    dead = drive(0.03, rate=1e-6)
    assert effect_times(dead)[0] == pytest.approx(2.0, abs=6 * PERIOD)


def test_a_drive_with_few_steps_measures_no_effect():
    still = Trace(np.zeros((400, 2)), np.zeros((400, 3)), np.zeros((400, 2)), np.zeros(400))
    assert all(math.isnan(value) for value in effect_gap(still, still).values())


def ticks(used: float, late: float = 0.0, age: float = 0.05, none: bool = False):
    """Return 2 s of ticks that take `used` and begin `late`, of tracks of the given age; all in seconds."""

    def made(t: float) -> dict:
        stamps = {"obstacles_stamp": -1.0 if none else 10.0 + t - age, "now": 10.0 + t}
        return verdict(t) | stamps | {"time_used": used, "tick_lateness": late}

    return recording(calm() | {"verdict": (1, made)}, 2.0)


def test_the_loop_is_from_the_tracks_to_the_end_of_the_tick():
    assert loop_times(ticks(0.001)) == pytest.approx(np.full(200, 0.051))
    gap = loop_gap(ticks(0.001), ticks(0.0), 0.005)
    assert set(gap) == set(LOOP)
    assert gap["loop_w1"] == pytest.approx(0.001)


def test_ticks_that_are_late_or_long_are_seen():
    assert tick_times(ticks(0.001, 0.0005)) == pytest.approx(np.full(200, 0.0015))
    assert loop_gap(ticks(0.001, 0.0005), ticks(0.0), 0.005)["tick_w1"] == pytest.approx(0.0015)
    assert loop_gap(ticks(0.001, 0.0005), ticks(0.0), 0.005)["tick_over"] == 0.0
    assert loop_gap(ticks(0.004, 0.0015), ticks(0.0), 0.005)["tick_over"] == 1.0


def test_ticks_without_a_duration_or_without_tracks_are_not_measured():
    gap = loop_gap(ticks(0.0), ticks(0.0), 0.005)
    assert math.isnan(gap["tick_w1"]) and math.isnan(gap["tick_over"]) and gap["loop_w1"] == 0.0
    assert math.isnan(loop_gap(ticks(0.001, none=True), ticks(0.0), 0.005)["loop_w1"])
    assert math.isnan(loop_gap(ticks(math.inf), ticks(0.0), 0.005)["tick_w1"])


def test_a_recording_without_verdicts_is_refused():
    with pytest.raises(RecordingError, match="no topic 'verdict'"):
        loop_gap(recording({"odom": calm()["odom"]}, 1.0), ticks(0.0), 0.005)
