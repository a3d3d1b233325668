# SPDX-License-Identifier: Apache-2.0
"""Part of the assurance study: time per update of the monitors beside rtamt, drift warnings, entropy of plans."""

import logging
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import monitor_drift
import monitor_entropy
import numpy as np

from reflexarc.assurance.monitors.monitor import Monitor, Signal
from reflexarc.assurance.monitors.requirements import read_requirements, requirements_file

PERIOD = 0.01
"""[s]"""
HEADLINE_TEMPERATURE = "0.1"
"""The middle one of `monitor_entropy.TEMPERATURES`."""
SIGNALS = {"x": Signal("1", 1.0), "y": Signal("1", 1.0)}
CASES = {
    "predicate": ("x <= 1", "x <= 1"),
    "window of 15": ("historically[0, 0.14] x <= 1", "historically[0,14](x <= 1)"),
    "window of 200": ("historically[0, 1.99] x <= 1", "historically[0,199](x <= 1)"),
    "nested windows of 15": (
        "once[0, 0.14] (historically[0, 0.14] x <= 1) or y >= 0",
        "once[0,14](historically[0,14](x <= 1)) or (y >= 0)",
    ),
    "since over 15": ("(x <= 1) since[0, 0.14] (y >= 0)", "(x <= 1) since[0,14] (y >= 0)"),
}
"""The same formulas for both; rtamt's windows in samples, since its milliseconds are a thousand times too long."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run all three.

    Args:
        full: the whole study instead of a short run.
        progress: told what is going on.
    """
    updates = 20_000 if full else 2_000
    figures = {
        "updates": updates,
        "latency": _latency(updates, progress),
        "requirements": _requirements(updates),
        "drift": monitor_drift.run(full, progress),
        "entropy": monitor_entropy.run(full, progress),
    }
    return figures


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the slowest formula's times, the ratio to rtamt, and what the two warnings are worth."""
    ours = [row["reflexarc"] for row in part["latency"].values()] + list(part["requirements"].values())
    ratios = [
        row["rtamt"]["median_us"] / row["reflexarc"]["median_us"]
        for row in part["latency"].values()
        if row["rtamt"]
    ]
    figures = {
        "monitor_worst_median_us": round(max(row["median_us"] for row in ours), 1),
        "monitor_worst_p99_us": round(max(row["p99_us"] for row in ours), 1),
        "rtamt_over_ours_median": round(statistics.median(ratios), 2) if ratios else None,
    }
    if "scores" in part["drift"]:
        for name in ("chain", "gap"):
            figures[f"drift_average_precision_{name}"] = round(
                part["drift"]["scores"][name]["average_precision"], 3
            )
    for name in ("entropy", "clearance"):
        flags = part["entropy"][HEADLINE_TEMPERATURE][f"{name}_chosen_threshold"]
        for key in ("true_positive_rate", "precision"):
            figures[f"plans_{name}_{key}"] = round(flags[key], 3)
    return figures


def _latency(updates: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Time both on the same samples, one after the other at each, so that load hits both."""
    values = np.random.default_rng(0).normal(size=(updates, 2)).tolist()
    result = {}
    for name, (ours, theirs) in CASES.items():
        monitor, other = Monitor(ours, SIGNALS, PERIOD, "1"), _rtamt(theirs)
        index = ["xy".index(signal) for signal in monitor.signals]
        mine, others = [], []
        for k, row in enumerate(values):
            sample, stamps = [row[i] for i in index], [k * PERIOD] * len(index)
            begin = time.perf_counter_ns()
            monitor.update(k * PERIOD, sample, stamps)
            middle = time.perf_counter_ns()
            mine.append(middle - begin)
            if other is not None:
                pairs = [("x", row[0]), ("y", row[1])]
                begin = time.perf_counter_ns()
                other.update(k, pairs)
                others.append(time.perf_counter_ns() - begin)
        result[name] = {"reflexarc": _times(mine), "rtamt": _times(others) if others else None}
        progress(f"{name}: {result[name]}")
    return result


def _requirements(updates: int) -> dict[str, dict[str, float]]:
    """Time every requirement of the delivery robot on made-up values."""
    requirements = read_requirements(requirements_file("sidewalk"))
    rng = np.random.default_rng(1)
    result = {}
    for requirement in requirements.requirements:
        monitor = requirements.monitor(requirement)
        values = [
            (rng.random(updates) > 0.5).astype(float)
            if requirements.signals[s].unit == "bool"
            else rng.random(updates)
            for s in monitor.signals
        ]
        spent = []
        for k, row in enumerate(np.stack(values, axis=1).tolist()):
            now = k * requirements.period
            stamps = [now] * len(row)
            begin = time.perf_counter_ns()
            monitor.update(now, row, stamps)
            spent.append(time.perf_counter_ns() - begin)
        result[requirement.id] = _times(spent)
    return result


def _rtamt(formula: str) -> Any | None:
    if find_spec("rtamt") is None:
        return None
    import rtamt  # noqa: PLC0415 - where it is installed

    logging.disable(logging.WARNING)
    spec = rtamt.StlDiscreteTimeSpecification()
    for name in ("x", "y", "out"):
        spec.declare_var(name, "float")
    spec.spec = f"out = {formula}"
    spec.set_sampling_period(1, "s", 0.1)
    spec.parse()
    logging.disable(logging.NOTSET)
    return spec


def _times(nanoseconds: list[int]) -> dict[str, float]:
    p50, p99 = np.percentile(nanoseconds, (50, 99)) / 1000.0
    return {"median_us": round(float(p50), 2), "p99_us": round(float(p99), 2)}
