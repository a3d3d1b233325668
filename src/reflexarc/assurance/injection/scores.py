# SPDX-License-Identifier: Apache-2.0
r"""What a campaign says: latencies, fail-safe rate with its exact interval, false stops per fault-free hour.

A case is fail-safe if no person was touched by the moving robot (contacts that the same run has without the fault do
not count, nor those with a robot that stands), and, where the row demands it, name and zero command came in time. A
case whose commands equal those of the same run without the fault is unaffected, and fail-safe.

A case that is not fail-safe is a *residual risk* where the table says beforehand that nobody on board can tell the
fault, and why; every other one is a *failure*. Both are listed, and neither is fail-safe.

The rate of a Poisson count k in T hours has the exact interval (Garwood 1936)

    [ G^-1(alpha / 2; k) / T,  G^-1(1 - alpha / 2; k + 1) / T ],     G(.; k) the Gamma(k, 1) distribution.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.assurance.injection.table import injection
from reflexarc.core.errors import ConfigError
from reflexarc.core.intervals import clopper_pearson

DELTA = 0.05
"""1 - confidence of every interval."""
_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Case:
    """One fault, injected once."""

    row: str
    """Name in the table of injections."""
    phase: str
    seed: int
    mode: str
    """Mode of the supervisor at the onset."""
    named_s: float
    """From the first affected tick to the first expected name; inf: never. [s]"""
    zero_s: float
    """From there to the first command of zero; inf: never. [s]"""
    names: tuple[str, ...]
    """Every fault that was named."""
    touched: bool
    """Whether the moving robot touched a person, as it did not without the fault."""
    unaffected: bool
    """Whether the commands are those of the run without the fault."""
    touch_m_s: float = math.nan
    """Speed of the robot at the first such touch; nan: none. [m/s]"""
    approach_m_s: float = math.nan
    """Part of that speed towards the touched point; below zero the person came to a robot that drove away. [m/s]"""

    @property
    def detected(self) -> bool:
        """Whether an expected name came in time; False where none is expected."""
        row = injection(self.row)
        return bool(row.expects) and self.named_s <= row.within_s + _ROUNDING_S

    @property
    def fail_safe(self) -> bool:
        """See the module."""
        if self.touched:
            return False
        row = injection(self.row)
        named = self.detected or not row.expects
        stopped = not row.zero or self.zero_s <= row.within_s + _ROUNDING_S
        return self.unaffected or (named and stopped)

    @property
    def residual(self) -> bool:
        """Whether it is not fail-safe, as the table has declared that it may happen."""
        return not self.fail_safe and bool(injection(self.row).residual)


def latency(seconds: Iterable[float]) -> dict[str, float | int | None]:
    """Return p50, p99 and max of finite times, and how many were not finite. [s]"""
    values = np.array(list(seconds), dtype=np.float64)
    finite = values[np.isfinite(values)]
    figures: dict[str, float | int | None] = {"p50_s": None, "p99_s": None, "max_s": None}
    if finite.size:
        p50, p99 = np.percentile(finite, (50, 99))
        figures = {"p50_s": float(p50), "p99_s": float(p99), "max_s": float(finite.max())}
    return figures | {"never": int(values.size - finite.size)}


def rate_interval(count: int, hours: float, delta: float = DELTA) -> tuple[float, float]:
    """Return the exact two-sided interval of a Poisson rate. [1/h]

    Raises:
        ConfigError: a negative count, or no time.
    """
    if count < 0 or not (math.isfinite(hours) and hours > 0.0):
        raise ConfigError(f"{count} events in {hours} h is not possible")
    from scipy import special  # noqa: PLC0415 - slow to import

    low = float(special.gammaincinv(count, delta / 2.0)) / hours if count else 0.0
    return low, float(special.gammaincinv(count + 1, 1.0 - delta / 2.0)) / hours


def summarise(cases: Sequence[Case], false_stops: int, hours: float) -> dict[str, Any]:
    """Return the figures of a campaign.

    Args:
        cases: all of them.
        false_stops: how often a fault was named or the gate closed although nothing was injected.
        hours: simulated time without injection. [h]

    Raises:
        ConfigError: no case.
    """
    if not cases:
        raise ConfigError("no case was injected: no phase occurred, or no fault applies to the scenario")
    failures = [case for case in cases if not case.fail_safe and not case.residual]
    residual = [case for case in cases if case.residual]
    expecting = [case for case in cases if injection(case.row).expects]
    return {
        **_fail_safe(cases),
        "detectable": {
            **_fail_safe(expecting),
            "named_in_time": sum(case.detected for case in expecting),
        }
        if expecting
        else None,
        "latency": latency(case.named_s for case in expecting),
        "false_stops": false_stops,
        "fault_free_h": hours,
        "false_stops_per_h": false_stops / hours,
        "false_stops_per_h_interval": list(rate_interval(false_stops, hours)),
        "rows": {name: _row(name, [case for case in cases if case.row == name]) for name in _names(cases)},
        "cells": _cells(cases),
        "failures": [_told(case) for case in failures],
        "residual": [_told(case) for case in residual],
    }


def _names(cases: Sequence[Case]) -> list[str]:
    return list(dict.fromkeys(case.row for case in cases))


def _fail_safe(cases: Sequence[Case]) -> dict[str, Any]:
    """Return how many there are, how many of them are fail-safe, and the exact interval of the rate."""
    good = sum(case.fail_safe for case in cases)
    return {
        "cases": len(cases),
        "fail_safe": good,
        "fail_safe_interval": list(clopper_pearson(good, len(cases), DELTA)),
    }


def _row(name: str, cases: Sequence[Case]) -> dict[str, Any]:
    """Return the figures of one row of the table."""
    row = injection(name)
    return {
        **_fail_safe(cases),
        "expects": list(row.expects),
        "within_s": row.within_s if row.expects or row.zero else None,
        "detected": sum(case.detected for case in cases),
        "latency": latency(case.named_s for case in cases) if row.expects else None,
        "zero": latency(case.zero_s for case in cases),
        "touched": sum(case.touched for case in cases),
        "unaffected": sum(case.unaffected for case in cases),
        "named": sorted({name for case in cases for name in case.names}),
        "safe_by": row.safe_by,
        "residual_risk": row.residual,
        "residual": sum(case.residual for case in cases),
        "modes": {
            mode: {"cases": len(mine), "fail_safe": sum(case.fail_safe for case in mine)}
            for mode, mine in _by(cases, lambda case: case.mode).items()
        },
    }


def _cells(cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """Return per phase and mode how many seeds reached it, and its figures."""
    return {
        phase: {
            mode: {
                "seeds": len({case.seed for case in mine}),
                **_fail_safe(mine),
                "residual": sum(case.residual for case in mine),
            }
            for mode, mine in _by(both, lambda case: case.mode).items()
        }
        for phase, both in _by(cases, lambda case: case.phase).items()
    }


def _by(cases: Sequence[Case], key: Callable[[Case], str]) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in cases:
        found.setdefault(key(case), []).append(case)
    return found


def _told(case: Case) -> dict[str, Any]:
    """Return what a case that is not fail-safe is told by."""
    return {
        "row": case.row,
        "phase": case.phase,
        "mode": case.mode,
        "seed": case.seed,
        "touched": case.touched,
        "detected": case.detected,
        "touch_m_s": case.touch_m_s if case.touched else None,
        "approach_m_s": case.approach_m_s if case.touched and math.isfinite(case.approach_m_s) else None,
    }
