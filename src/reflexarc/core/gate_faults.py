# SPDX-License-Identifier: Apache-2.0
"""Faults that the heartbeat gate and the supervisor find, part of the one table in `faults`."""

import math

from reflexarc.core.fault_type import Fault
from reflexarc.core.gate_interfaces import LEASE_S

_CLOSED = "the gate closes: the plant receives zero velocity"
_ACKNOWLEDGE = "all sources good for gate.dwell_s, then an acknowledgement"
_STOP = "mode PROTECTIVE_STOP"
_GATE_TURN_S = 0.02
"""Longest time between two looks of gate_node. [s]"""
_TURN_S = 0.02
"""One turn of supervisor_node. [s]"""
_TESTS = "tests/assurance/test_gate.py"
_GUARDS = "tests/assurance/test_guards.py"
_TURNS = "tests/assurance/test_supervision.py"
_LIVE = "tests/ros/test_gate_live.py"


def _beat(name: str, how: str) -> Fault:
    test = f"{_TESTS}::test_a_beat_that_is_wrong_closes_the_gate_at_once_and_is_named"
    return Fault(name, "gate", how, _GATE_TURN_S, _CLOSED, _ACKNOWLEDGE, test)


GATE_FAULTS: tuple[Fault, ...] = (
    Fault(
        "heartbeat_missing",
        "gate",
        "no good beat of a source has arrived since the start, or since its last fault",
        0.0,
        "the gate stays closed, an acknowledgement is refused",
        _ACKNOWLEDGE,
        f"{_TESTS}::test_the_gate_is_closed_until_everybody_was_good_for_the_dwell_and_it_is_acknowledged",
    ),
    Fault(
        "heartbeat_late",
        "gate",
        "the newest beat was sent longer ago than the lease, on the gate's steady clock",
        LEASE_S + _GATE_TURN_S,
        _CLOSED,
        _ACKNOWLEDGE,
        f"{_LIVE}::test_a_stopped_or_killed_process_means_zero_within_the_lease",
    ),
    _beat("heartbeat_repeated", "a beat has the number of the one before"),
    _beat("heartbeat_out_of_order", "a beat has a lower number than the one before, as after a restart"),
    _beat("heartbeat_gap", "more beats are missing between two than heartbeat.max_gap"),
    _beat("heartbeat_frozen", "a new beat has the stamp of the one before"),
    _beat(
        "heartbeat_clock", "a stamp goes back, or is ahead of the gate's clock by more than heartbeat.skew_s"
    ),
    _beat("heartbeat_not_finite", "a stamp is NaN or infinite, or a number negative"),
    _beat("heartbeat_source", "a beat of a source that is not watched"),
    Fault(
        "gate_clock",
        "gate",
        "the gate's own clock goes back or is not finite",
        0.0,
        f"{_CLOSED}, and every source is forgotten",
        _ACKNOWLEDGE,
        f"{_TESTS}::test_a_clock_of_the_gate_that_goes_back_or_is_not_finite_closes_it",
    ),
    Fault(
        "gate_silent",
        "supervisor_node",
        "the gate's beats are late or wrong, or say that it is closed",
        LEASE_S + _TURN_S,
        f"{_STOP} while it lasts, so that an opening gate finds a command of zero",
        "the gate is open",
        f"{_TURNS}::test_a_gate_that_is_closed_or_not_heard_means_a_protective_stop",
    ),
    Fault(
        "signal_unknown",
        "supervisor_node",
        "a signal of the table cannot be computed: a track that is not finite or in another frame, no state",
        _TURN_S,
        f"{_STOP}, latched",
        "the signal is known, then an acknowledgement",
        f"{_TURNS}::test_a_signal_that_cannot_be_computed_stops_the_robot_until_it_is_acknowledged",
    ),
    Fault(
        "loop_slow",
        "supervisor_node",
        "a command came later after the measurement of persons than supervisor.guards.reaction_s",
        _TURN_S,
        "signal arc_fault, on which the table stops the robot",
        "as the table says",
        f"{_GUARDS}::test_a_loop_slower_than_the_reaction_time_is_a_fault_of_the_arc",
    ),
    Fault(
        "mode_ignored",
        "supervisor_node",
        "for supervisor.guards.obey_s the arc has run in a less restrictive mode than it was told",
        0.2 + _TURN_S,
        "signal arc_fault, on which the table stops the robot; a stop also reaches the plant through the gate",
        "as the table says",
        f"{_TURNS}::test_an_arc_that_ignores_its_mode_is_a_fault",
    ),
    Fault(
        "table_refused",
        "supervisor_node",
        "the supervisor table is missing, damaged, changed, or needs a signal that nobody computes",
        math.nan,
        "the node ends with exit code 1 and says why; without its beats the gate never opens",
        "put the verified table back",
        f"{_LIVE}::test_a_tampered_table_keeps_the_supervisor_from_starting",
    ),
)
