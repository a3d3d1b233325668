# SPDX-License-Identifier: Apache-2.0
"""Part of the assurance study: does every loss of a heartbeat mean zero within the lease, and how often without a loss?

Three measurements: losses injected into the pure gate in simulated time; fault-free hours of jittered beats; real
processes killed or stopped while the robot drives in the simulator.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from gate_injections import FASTEST_S, KINDS, TURN_S, campaign, false_closings
from gate_live import run_live

from reflexarc.assurance.gate import GateConfig
from reflexarc.cli._live import require_ros
from reflexarc.core.errors import LaunchError
from reflexarc.core.intervals import clopper_pearson_upper

INJECTIONS, SHORT_INJECTIONS = 3300, 330
HOURS, SHORT_HOURS = 10.0, 0.1
"""Simulated time without a fault. [h]"""
REPETITIONS = 5
LIVE_LEASE_S = 0.2
DELTA = 0.05
SEED = 0


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the campaign, the fault-free hours and the live part; a short run leaves the live part out.

    Raises:
        ReflexArcError: the live part did not come to a measurement.
    """
    count, hours = (INJECTIONS, HOURS) if full else (SHORT_INJECTIONS, SHORT_HOURS)
    rows = campaign(count, SEED)
    limit = GateConfig().heartbeat.lease_s + TURN_S + FASTEST_S
    failures = sum(not (row.time_s <= limit and row.stayed) for row in rows)
    progress(f"{count} losses injected, {failures} not answered in time")
    kinds = {}
    for kind in KINDS:
        times = np.array([row.time_s for row in rows if row.kind == kind])
        kinds[kind] = {"count": len(times), "p50_s": _round(np.median(times)), "max_s": _round(times.max())}
    closings = false_closings(hours, SEED)
    progress(f"{hours:g} h without a fault: {closings} closings")
    results = {
        "injections": count,
        "failures": failures,
        "failure_upper_95": clopper_pearson_upper(failures, count, DELTA),
        "limit_s": _round(limit),
        "max_s": _round(max(row.time_s for row in rows)),
        "kinds": kinds,
        "fault_free_hours": hours,
        "false_closings": closings,
    }
    if full:
        results["live"] = _live(progress)
    return results


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that the page states."""
    figures = {
        f"gate_{key}": part[key] for key in ("injections", "failures", "max_s", "limit_s", "false_closings")
    }
    figures["gate_failure_upper_95"] = round(part["failure_upper_95"], 6)
    rows = part.get("live", {}).get("rows", ())
    if rows:
        figures["gate_live_wounds"] = len(rows)
        figures["gate_live_max_zero_s"] = max(row["zero_s"] for row in rows)
        figures["gate_live_max_standstill_s"] = max(
            row["standstill_s"]
            for row in rows
            if row["standstill_s"] is not None  # a stopped plant tells none
        )
        figures["gate_loop_p99_9_s"] = part["live"]["loop_p99_9_s"]
    return figures


def _live(progress: Callable[[str], None]) -> dict[str, Any]:
    try:
        require_ros()
    except LaunchError as error:
        progress(str(error))
        return {"left_out": str(error)}
    return run_live(REPETITIONS, LIVE_LEASE_S, progress)


def _round(value: Any) -> float | None:
    """Return a time for the results; None where commands never became zero. [s]"""
    return round(float(value), 4) if math.isfinite(value) else None
