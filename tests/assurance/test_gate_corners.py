# SPDX-License-Identifier: Apache-2.0
"""What mutants of gate and heartbeat once survived: words before the first opening, and what a fault begins anew."""

import math
import sys

import pytest

from reflexarc.assurance.gate import SOURCES, Gate, GateConfig
from reflexarc.assurance.heartbeat import HeartbeatConfig, Pulse


def test_a_gate_that_was_never_open_says_what_its_first_opening_waits_for():
    gate = Gate(GateConfig())
    assert gate.open(5.0).reason == "arc is not heard, needed 0.5 s"
    for k in range(26):
        now = 5.0 + 0.02 * k
        for source in SOURCES:
            gate.beat(source, k, now, now)
        if k == 10:
            assert gate.open(now).reason == "arc is good for 0.20 s, needed 0.5 s"
    verdict = gate.open(now)
    assert (verdict.reason, verdict.source, verdict.ready) == ("not acknowledged yet", "", True)


@pytest.mark.parametrize(
    ("config", "name"), [(GateConfig, "dwell_s"), (HeartbeatConfig, "lease_s"), (HeartbeatConfig, "skew_s")]
)
def test_only_what_is_not_finite_or_not_positive_switches_a_check_off(config, name):
    for value in (sys.float_info.min, sys.float_info.max):
        assert getattr(config(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("seq", "stamp", "fault"),
    [
        (1, 7.3, "heartbeat_repeated"),
        (0, 7.3, "heartbeat_out_of_order"),
        (40, 7.3, "heartbeat_gap"),
        (2, 7.2, "heartbeat_frozen"),
        (2, 7.1, "heartbeat_clock"),
        (2, 7.4, "heartbeat_clock"),
        (2, 7.2 + 1e-9, "heartbeat_late"),
    ],
)
def test_the_beat_of_a_fault_is_a_new_start_of_row_and_offset(seq, stamp, fault):
    pulse = Pulse(HeartbeatConfig(lease_s=0.2, skew_s=0.05))
    assert pulse.beat(0, 7.0, 1.0) == pulse.beat(1, 7.2, 1.2) == ("", "")
    now = 1.7 if fault == "heartbeat_late" else 1.3
    assert pulse.beat(seq, stamp, now)[0] == fault
    assert pulse.good_since == now
    assert pulse.missing(now + 0.2 - 1e-9) == ("", ""), "a whole lease begins with it"
    # What comes next is judged by the offset of the new start, whichever way the stamp had jumped.
    assert pulse.beat(seq + 1, stamp + 0.1, now + 0.1) == ("", "")
    assert pulse.good_since == now


@pytest.mark.parametrize("drift", [1.9e-4, -1.9e-4])
def test_the_drift_that_is_allowed_grows_with_the_time_between_two_beats(drift):
    pulse = Pulse(HeartbeatConfig(lease_s=0.015, skew_s=0.05))
    pulse.beat(0, 0.0, 0.0)
    assert pulse.beat(1, 100.0 * (1.0 - drift), 100.0) == ("", "")


def test_a_sender_that_was_forgotten_or_never_heard_starts_with_any_number():
    pulse = Pulse(HeartbeatConfig())
    for now, seq in ((1.0, 900), (2.0, 3), (3.0, 3)):
        assert pulse.missing(now) == ("heartbeat_missing", "no good beat has arrived")
        assert math.isnan(pulse.good_since)
        assert pulse.beat(seq, 50.0, now) == ("", "")
        assert pulse.good_since == now
        pulse.forget()
