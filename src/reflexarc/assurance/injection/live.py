# SPDX-License-Identifier: Apache-2.0
r"""What was seen of a fault that was injected into running processes, and whether it was answered.

Every time is a stamp of the sender on the machine's one clock, so that a listener that is late itself changes nothing.
With t0 the injection, what decides is by the row of the table

    zero         t(first zero command after which none moves the robot) - t0 <= limit + stop time
    zero_plant   the same on the clock of the plant, on which the arc judges ages
    standstill   t(odometry says that it stands) - t0                     <= limit + stop time + report,
                 both on the clock of the plant; a simulated one may be slower than the machine's
    vouched      for every command that moves the robot and every source of beats:
                 t(command) - t(newest beat sent before it)               <= lease + one turn of the gate,

with the stop time v / deceleration + actuation latency of the robot that drove at v, and one report of the odometry. A
case whose command was zero within the limit itself is *in time*.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reflexarc.assurance.injection.false_stops import FalseStop
from reflexarc.assurance.injection.scores import DELTA, latency, rate_interval
from reflexarc.assurance.injection.table import NOT_INJECTABLE, Injection, injection
from reflexarc.core.errors import ConfigError
from reflexarc.core.faults import fault
from reflexarc.core.gate_interfaces import LEASE_S
from reflexarc.core.intervals import clopper_pearson
from reflexarc.robots import BaseRobot

REPORT_S = 0.1
"""Room for the report of a standstill. [s]"""
VOUCHED_S = fault("heartbeat_late").within_s
"""Lease and one turn of the gate. [s]"""


@dataclass(frozen=True, slots=True)
class LiveCase:
    """One fault, injected once into running processes."""

    row: str
    """Name in the table of injections."""
    repetition: int
    mode: str
    """Mode of the supervisor at the injection."""
    speed_m_s: float
    """Speed at the injection. [m/s]"""
    stop_s: float
    """How long the robot may take to stop from it. [s]"""
    named_s: float = math.inf
    """To the first expected name; inf: never. [s]"""
    zero_s: float = math.inf
    """To the first zero command after the gate after which none moves the robot; inf: never. [s]"""
    standstill_s: float = math.inf
    """To the odometry that says that it stands; inf: never. [s]"""
    braking_s: float = math.inf
    """The same on the clock of the plant. [s]"""
    zero_plant_s: float = math.inf
    """As `zero_s`, on the clock of the plant. [s]"""
    unvouched_s: float = 0.0
    """Longest time between a command that moves the robot and the newest beat before it, over all sources. [s]"""
    unjudged: int = 0
    """Commands that cannot be judged, since a beat was not heard by the study."""
    names: tuple[str, ...] = ()
    """Every fault that was named."""

    @property
    def in_time(self) -> bool:
        """Whether what decides came within the limit of the table, without a stop time."""
        row = injection(self.row)
        return self._zero(row) <= row.within_s if row.zero else self.fail_safe

    @property
    def fail_safe(self) -> bool:
        """See the module."""
        row = injection(self.row)
        if row.zero:
            return self._zero(row) <= row.within_s + self.stop_s
        if row.measure == "standstill":
            return self.braking_s <= row.within_s + self.stop_s + REPORT_S
        return self.unvouched_s <= VOUCHED_S

    def _zero(self, row: Injection) -> float:
        return self.zero_plant_s if row.measure == "zero_plant" else self.zero_s


def stop_time(robot: BaseRobot, speed: float) -> float:
    """Return how long a robot takes to stop. [s]

    Args:
        robot: its guaranteed deceleration and latency.
        speed: forward. [m/s]
    """
    return abs(speed) / robot.max_deceleration + robot.actuation_latency


def live_rows(names: Sequence[str] = ()) -> tuple[Injection, ...]:
    """Return the live rows of these names, all where there is none.

    Raises:
        UnknownNameError: no such row.
        ConfigError: a row of lock-step.
    """
    from reflexarc.assurance.injection.table import INJECTIONS  # noqa: PLC0415 - used here alone

    every = tuple(row for row in INJECTIONS if row.needs == "live")
    wanted = tuple(injection(name) for name in dict.fromkeys(names))
    for row in wanted:
        if row not in every:
            raise ConfigError(
                f"--faults {row.name} is injected in lock-step; with --live: {', '.join(r.name for r in every)}"
            )
    return wanted or every


def unvouched(
    commands: Sequence[tuple[float, bool]], beats: dict[str, Sequence[tuple[float, int]]], begin: float
) -> tuple[float, int]:
    """Return the longest time that a moving command came after the newest beat, and how many could not be judged.

    Args:
        commands: (sent [s], whether it moves the robot), in order of time.
        beats: per source (sent [s], number), in order of time.
        begin: commands before this time do not count. [s]

    Numbers that are missing between two beats were sent and not heard: commands between those two are not judged.
    """
    longest, unjudged = 0.0, 0
    for source in beats.values():
        times = [sent for sent, _ in source]
        for sent, moves in commands:
            if not moves or sent < begin:
                continue
            after = bisect.bisect_right(times, sent)
            if after == 0 or (after < len(times) and source[after][1] != source[after - 1][1] + 1):
                unjudged += 1
            else:
                longest = max(longest, sent - times[after - 1])
    return longest, unjudged


def summarise_live(
    cases: Sequence[LiveCase],
    left_out: dict[str, str],
    false_stops: int,
    fault_free_s: float,
    causes: Sequence[FalseStop] = (),
) -> dict[str, Any]:
    """Return the figures of a live campaign.

    Args:
        cases: all of them.
        left_out: rows that could not be injected, and why.
        false_stops: how often the gate closed or a fault was named while nothing was injected.
        fault_free_s: how long the robot drove without a fault. [s]
        causes: what was seen of each false stop.

    Raises:
        ConfigError: no case, or no time without a fault.
    """
    if not cases:
        why = "; ".join(f"{name}: {text}" for name, text in left_out.items()) or "none was asked for"
        raise ConfigError(f"no fault was injected: {why}")
    hours = fault_free_s / 3600.0
    rows = {
        name: _row(name, [c for c in cases if c.row == name]) for name in dict.fromkeys(c.row for c in cases)
    }
    good = sum(case.fail_safe for case in cases)
    measured = [case for case in cases if injection(case.row).measure == "zero"]
    return {
        "cases": len(cases),
        "fail_safe": good,
        "fail_safe_interval": list(clopper_pearson(good, len(cases), DELTA)),
        "in_time": sum(case.in_time for case in cases),
        "zero": latency(case.zero_s for case in measured),
        "lease_s": LEASE_S,
        "vouched_s": VOUCHED_S,
        "false_stops": false_stops,
        "false_stop_causes": [cause.as_json() for cause in causes],
        "fault_free_min": fault_free_s / 60.0,
        "false_stops_per_h_interval": list(rate_interval(false_stops, hours)),
        "rows": rows,
        "left_out": left_out,
        "not_injectable": NOT_INJECTABLE,
        "failures": [_told(case) for case in cases if not case.fail_safe],
        "late": [_told(case) for case in cases if case.fail_safe and not case.in_time],
    }


def _row(name: str, cases: Sequence[LiveCase]) -> dict[str, Any]:
    row, good = injection(name), sum(case.fail_safe for case in cases)
    return {
        "cases": len(cases),
        "measure": row.measure,
        "expects": list(row.expects),
        "safe_by": row.safe_by,
        "within_s": row.within_s,
        "named": sum(bool(set(row.expects).intersection(case.names)) for case in cases),
        "names": sorted({name for case in cases for name in case.names}),
        "named_latency": latency(case.named_s for case in cases) if row.expects else None,
        "zero": latency(case.zero_s for case in cases),
        "zero_plant": latency(case.zero_plant_s for case in cases),
        "standstill": latency(case.standstill_s for case in cases),
        "braking": latency(case.braking_s for case in cases),
        "stopped": sum(math.isfinite(case.zero_s) for case in cases),
        "unvouched": latency(case.unvouched_s for case in cases),
        "unjudged": sum(case.unjudged for case in cases),
        "modes": sorted({case.mode for case in cases}),
        "in_time": sum(case.in_time for case in cases),
        "fail_safe": good,
        "fail_safe_interval": list(clopper_pearson(good, len(cases), DELTA)),
    }


def _told(case: LiveCase) -> dict[str, Any]:
    """Return a case as JSON may hold it: a time that never came is null."""
    figures = {name: getattr(case, name) for name in LiveCase.__dataclass_fields__}
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in figures.items()
    }
