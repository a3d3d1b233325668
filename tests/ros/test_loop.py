# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""Clock, loop and statistics on made-up time, and the end of a process."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.ros


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, duration):
        self.now += duration


def make_pacer(period, make_up=0.0):
    from reflexarc_nodes.pacer import Pacer

    time = Time()
    return Pacer(period, make_up, time, time.sleep), time


def make_clock():
    from reflexarc_nodes.sim_clock import SimClock

    time = Time()
    return SimClock(time), time


def test_turns_are_due_on_absolute_times_however_long_the_work():
    pacer, time = make_pacer(0.005)
    for k in range(1000):
        late = pacer.wait()
        assert time.now == pytest.approx(k * 0.005, abs=1e-9)
        assert late == pytest.approx(0.0, abs=1e-9)
        time.now += 0.004


def test_late_ticks_are_counted_and_not_made_up():
    from reflexarc_nodes.pacer import TickStatistics

    pacer, time = make_pacer(0.005)
    statistics = TickStatistics(0.005)
    lateness = []
    for k in range(100):
        late = pacer.wait()
        lateness.append(late)
        statistics.add(late, 1e-4)
        time.now += 0.023 if k == 50 else 0.001  # the turn at 0.25 s takes until 0.273 s; due next: 0.255 s
    assert lateness[51] == pytest.approx(0.018)
    assert statistics.misses == 1
    assert statistics.miss_fraction == pytest.approx(0.01)
    assert pacer.dropped == 3, "the turns of 0.260, 0.265 and 0.270 s are gone"
    assert all(late == pytest.approx(0.0, abs=1e-9) for late in lateness[52:])


def test_a_plant_makes_up_short_delays_and_drops_long_ones():
    pacer, time = make_pacer(0.005, make_up=0.25)
    pacer.wait()
    time.now += 0.1
    assert pacer.wait() == pytest.approx(0.095)
    assert pacer.dropped == 0
    turns = 0
    while pacer.remaining() == 0.0:
        pacer.begin()
        turns += 1
    assert turns == pytest.approx(19, abs=1)
    time.now += 1.0
    pacer.begin()
    assert pacer.dropped == pytest.approx((1.0 - 0.25) / 0.005, abs=2)


@pytest.mark.parametrize("late", [0.0, 0.00249, 0.0025])
def test_up_to_half_a_period_is_in_time(late):
    from reflexarc_nodes.pacer import TickStatistics

    statistics = TickStatistics(0.005)
    statistics.add(late, 0.0)
    assert statistics.misses == 0
    statistics.add(0.00251, 0.0)
    assert statistics.misses == 1


@given(st.lists(st.floats(0.0, 0.019), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.99, 1.0]))
def test_quantiles_are_within_a_bin_of_the_exact_ones(values, share):
    from reflexarc_nodes.pacer import Histogram

    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = np.quantile(values, share, method="inverted_cdf")
    assert exact - 1e-12 <= histogram.quantile(share) <= exact + 5e-6 + 1e-12


def test_what_is_longer_than_the_histogram_is_not_lost():
    from reflexarc_nodes.pacer import Histogram

    histogram = Histogram()
    histogram.add(3.0)
    assert (histogram.total, histogram.longest) == (1, 3.0)
    assert np.isnan(Histogram().quantile(0.5))


def test_time_runs_on_when_clock_messages_stop():
    clock, time = make_clock()
    assert clock.now() == 0.0
    clock.update(5.0)
    time.now = 0.3
    assert clock.now() == pytest.approx(5.3)
    assert clock.silence() == pytest.approx(0.3)
    time.now = 100.0
    assert clock.now() == pytest.approx(105.0)


@pytest.mark.parametrize("speed", [0.1, 0.35, 1.0])
def test_beside_a_slow_plant_time_goes_as_slowly_until_messages_stay_away(speed):
    clock, time = make_clock()
    gap = 0.02 / speed
    for k in range(100):
        time.now = k * gap
        clock.update(0.02 * k)
        for part in (0.25, 0.5, 0.99):
            time.now = (k + part) * gap
            if k > 2.0 / speed:  # before the second message its speed was not known
                assert clock.now() == pytest.approx(0.02 * (k + part), abs=1e-9)
    silent = time.now - 99 * gap + 5.0
    time.now += 5.0
    usual = max(0.25, 5.0 * gap)
    assert clock.now() == pytest.approx(99 * 0.02 + speed * usual + silent - usual)


def test_beside_a_plant_that_waits_time_stands_still_for_a_moment_only():
    clock, time = make_clock()
    for _ in range(20):
        clock.update(0.0)
        time.now += 0.1
    assert clock.now() == pytest.approx(0.0, abs=0.11)  # before the second message nothing was known
    time.now += 1.0
    assert clock.now() == pytest.approx(0.6)


@given(st.lists(st.tuples(st.floats(0.0, 0.1), st.floats(0.0, 0.1)), max_size=50))
def test_time_never_runs_backwards_by_itself(steps):
    clock, time = make_clock()
    stamp, last = 0.0, 0.0
    for wall, simulated in steps:  # the plant may be slower or faster than the wall clock
        time.now += wall
        stamp += simulated
        clock.update(stamp)
        assert clock.now() >= last
        last = clock.now()
        assert last >= stamp


def test_a_clock_message_that_runs_backwards_is_shown_even_if_undone_at_once():
    clock, _ = make_clock()
    clock.update(10.0)
    assert clock.now() == 10.0
    clock.update(2.0)
    clock.update(10.01)
    assert clock.now() == 2.0
    assert clock.now() == pytest.approx(10.01)


def test_refused_real_time_scheduling_is_said_and_the_loop_goes_on(monkeypatch):
    import gc
    import os

    from reflexarc_nodes.realtime import enter_realtime, leave_realtime

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    try:
        assert "Operation not permitted" in enter_realtime(10)
        assert enter_realtime(0) == ""
        assert not gc.isenabled()
    finally:
        leave_realtime()
    assert gc.isenabled()


def test_a_clock_in_step_waits_for_a_plant_that_stutters_and_notices_a_dead_one():
    from reflexarc_nodes.sim_clock import LEAD_S, SimClock

    time = Time()
    clock = SimClock(time, in_step=True)
    for k in range(2000):
        time.now = 0.001 * k
        clock.update(0.001 * k)
        assert clock.now() == pytest.approx(0.001 * k, abs=1e-12)
    time.now += 0.1  # the machine was busy elsewhere
    assert clock.now() == pytest.approx(1.999 + LEAD_S)
    clock.update(2.0)
    assert clock.now() == pytest.approx(1.999 + LEAD_S), "time does not run backwards"
    clock.update(2.005)
    assert clock.now() == pytest.approx(2.005)
    time.now += 10.0
    assert clock.now() > 2.005 + 9.0


HANGS = """
import sys, time
from reflexarc_nodes.base_node import main_of

class Node:
    def __init__(self):
        self.executor_ = self
    def run(self, stop):
        return 3
    def close(self):
        print("closed", flush=True)
    def shutdown(self):
        {hang}
    def destroy_node(self):
        pass

sys.exit(main_of(Node))
"""


@pytest.mark.parametrize(("hang", "told"), [("time.sleep(60.0)", "in shutdown"), ("pass", "")])
def test_a_middleware_that_does_not_end_is_left_with_the_exit_code_of_the_run(hang, told):
    done = subprocess.run(
        [sys.executable, "-c", HANGS.format(hang=hang)],
        capture_output=True,
        text=True,
        timeout=40.0,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "closed\n"), done.stderr
    assert told in done.stderr and bool(told) == bool(done.stderr)
