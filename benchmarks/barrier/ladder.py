# SPDX-License-Identifier: Apache-2.0
"""Part of the barrier study: the double-integrator ladder (periods, delays, gains), and the suite of standard systems.

The ladder: x'' = u, |u| <= 1, wall at 0, h = -x - max(v, 0)^2 / 2, nominal input +1, 15 s, eleven starts at rest at
x = -4.00, -3.99, .. -3.90 m. `plain` is the CBF row alone (gain 5 1/s unless said otherwise), projected onto the input
bounds; where the input does not enter the row (v <= 0) the nominal input passes.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from reflexarc.barrier.analytic.batch import BatchFilter, DelayedFilter
from reflexarc.barrier.analytic.braking import along_line
from reflexarc.barrier.analytic.catalogue import NAMES, standard_filter
from reflexarc.barrier.analytic.cbf import cbf
from reflexarc.barrier.analytic.gains import ReachableSearch, largest_scale
from reflexarc.barrier.analytic.hocbf import hocbf
from reflexarc.barrier.analytic.latency import LatencyPredictor
from reflexarc.barrier.analytic.sampled import OneStepGuard, curvature_bound, taylor_margin
from reflexarc.robots.systems import SYSTEMS
from reflexarc.robots.systems.double_integrator import DOUBLE_INTEGRATOR, stopping_margin
from reflexarc.robots.systems.integrate import batched
from reflexarc.robots.systems.rollout import Rollout, rollout

STARTS = np.array([[-4.0 + 0.01 * k, 0.0] for k in range(11)])
HORIZON = 15.0
"""[s]"""
GAIN = 5.0
"""[1/s]"""
PERIODS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1)
"""[s]"""
DELAY_PERIOD = 0.005
"""Period of the delayed loops. [s]"""
DELAYS = (0.01, 0.02, 0.05, 0.1)
"""[s]"""
DELAY_GAINS = (20.0, 5.0)
"""[1/s]"""
HOCBF_GAINS = (0.5, 1.0, 1.5, 2.0, 5.0)
"""alpha_1 = alpha_2. [1/s]"""
SHORT_PERIODS, SHORT_DELAYS = (0.02,), (0.02,)
SHORT_SYSTEMS = ("adaptive_cruise",)
SUITE_STARTS = 50
SEED = 3
"""Of the suite's starts."""

Progress = Callable[[str], None]


def full_brake(x: Any) -> Any:
    """The ladder's backup: u = -1."""
    return -1.0 + 0.0 * x[:1]


def plain(gain: float = GAIN) -> BatchFilter:
    """The row alone."""
    return BatchFilter(DOUBLE_INTEGRATOR, cbf(DOUBLE_INTEGRATOR, stopping_margin, gain))


def one_step(period: float, gain: float = GAIN) -> BatchFilter:
    """The row, then the one-step check."""
    guard = OneStepGuard(DOUBLE_INTEGRATOR, stopping_margin, full_brake, period=period, curvature=2.0)
    return BatchFilter(DOUBLE_INTEGRATOR, cbf(DOUBLE_INTEGRATOR, stopping_margin, gain), guard)


def additive(period: float) -> BatchFilter:
    """The row of the braking barrier with reaction time = period, with the margin nu."""

    def h(x: Any) -> Any:
        return along_line(-x[0], x[1], 1.0, period)

    nu = taylor_margin(curvature_bound(DOUBLE_INTEGRATOR, h), period, GAIN)
    return BatchFilter(DOUBLE_INTEGRATOR, cbf(DOUBLE_INTEGRATOR, h, GAIN, nu))


def loop(safety: Any, period: float, delay: float = 0.0, watch: Any = stopping_margin) -> Rollout:
    """Run the ladder's loop."""
    return rollout(
        DOUBLE_INTEGRATOR,
        STARTS,
        safety,
        period=period,
        steps=round(HORIZON / period),
        delay=round(delay / period),
        watch=watch,
    )


def _delayed(gain: float, delay: float) -> dict[str, float]:
    predicted = DelayedFilter(
        one_step(DELAY_PERIOD, gain),
        LatencyPredictor(DOUBLE_INTEGRATOR, delay),
        DELAY_PERIOD,
        np.zeros((len(STARTS), 1)),
    )
    return {
        "gain": gain,
        "delay_s": delay,
        "plain_min_h_m": _least(loop(plain(gain), DELAY_PERIOD, delay)),
        "predicted_min_h_m": _least(loop(predicted, DELAY_PERIOD, delay)),
    }


def _least(result: Rollout) -> float:
    return float(result.margin.min())


def _period(period: float) -> dict[str, float]:
    guarded, reserved = loop(one_step(period), period), loop(additive(period), period)
    return {
        "period_s": period,
        "plain_min_h_m": _least(loop(plain(), period)),
        "one_step_min_h_m": _least(guarded),
        "one_step_rest_m": float(-guarded.final[:, 0].mean()),
        "additive_min_h_m": _least(reserved),
        "additive_rest_m": float(-reserved.final[:, 0].mean()),
        "additive_infeasible": float(reserved.infeasible.max()),
    }


def wall(x: Any) -> Any:
    """Return the distance to the wall, h = -x: relative degree two."""
    return -x[0]


def _gain(gain: float, search: ReachableSearch) -> dict[str, Any]:
    row = hocbf(DOUBLE_INTEGRATOR, wall, (gain, gain))
    result = rollout(
        DOUBLE_INTEGRATOR,
        STARTS[:1],
        BatchFilter(DOUBLE_INTEGRATOR, row),
        period=0.001,
        steps=15000,
        watch=wall,
    )
    report = search((gain, gain))
    return {
        "gain": gain,
        "min_h_m": _least(result),
        "infeasible": float(result.infeasible[0]),
        "accepted": report.honoured,
        "counterexample": list(report.state) if not report.honoured else None,
    }


def suite_case(name: str, starts: int, steps: int | None, timed: int) -> dict[str, Any]:
    """Run one standard system with and without its filter from starts in the filter's safe set."""
    system, standard = SYSTEMS[name], standard_filter(name)
    rng = np.random.default_rng(SEED)
    x = rng.uniform(system.low, system.high, (8000, system.n))
    x = x[batched(standard.safe)(x) >= 0.0][:starts]
    filtered = rollout(system, x, standard.filter, steps=steps, longest=0.002)
    free = rollout(system, x, steps=steps, longest=0.002)
    seconds = _times(name, standard, x, timed)
    return {
        "system": name,
        "guaranteed": standard.guaranteed,
        "episodes": len(x),
        "min_margin": _least(filtered),
        "violating": float(filtered.violated.mean()),
        "violating_unfiltered": float(free.violated.mean()),
        "intervention": float(filtered.intervened.mean()),
        "infeasible": float(filtered.infeasible.mean()),
        "return": float(filtered.reward.mean()),
        "return_unfiltered": float(free.reward.mean()),
        "step_p50_us": float(np.percentile(seconds, 50) * 1e6),
        "step_p99_us": float(np.percentile(seconds, 99) * 1e6),
        "step_max_us": float(np.max(seconds) * 1e6),
    }


def _times(name: str, standard: Any, x: np.ndarray, count: int) -> list[float]:
    wanted = batched(SYSTEMS[name].nominal)(x)
    seconds = []
    for k in range(count + 5):
        begin = time.perf_counter()
        standard.filter.step(x[k % len(x)], wanted[k % len(x)])
        seconds.append(time.perf_counter() - begin)
    return seconds[5:]


def run(full: bool, progress: Progress) -> dict[str, Any]:
    """Run the ladder and the suite; a plain run takes a few of each."""
    periods, delays = [], []
    for period in PERIODS if full else SHORT_PERIODS:
        progress(f"ladder, period {period * 1e3:g} ms")
        periods.append(_period(period))
    for gain in DELAY_GAINS if full else DELAY_GAINS[:1]:
        for delay in DELAYS if full else SHORT_DELAYS:
            progress(f"ladder, gain {gain:g}, delay {delay * 1e3:g} ms")
            delays.append(_delayed(gain, delay))
    search = ReachableSearch(DOUBLE_INTEGRATOR, wall, STARTS[:1], 10.0)
    gains = [_gain(gain, search) for gain in (HOCBF_GAINS if full else (2.0,))]
    largest = 2.0 * largest_scale(search, (2.0, 2.0))
    suite = []
    for name in NAMES if full else SHORT_SYSTEMS:
        progress(f"suite, {name}")
        suite.append(suite_case(name, SUITE_STARTS, None, 500) if full else suite_case(name, 8, 100, 50))
    return {
        "periods": periods,
        "delays": delays,
        "gains": gains,
        "largest_accepted_gain": largest,
        "suite": suite,
    }


def headline(part: dict[str, Any]) -> dict[str, float]:
    """Return the worst figures of the ladder and of the guaranteed systems of the suite."""
    guaranteed = [case for case in part["suite"] if case["guaranteed"]]
    return {
        "ladder_min_h_m": min(
            min(row["one_step_min_h_m"], row["additive_min_h_m"]) for row in part["periods"]
        ),
        "ladder_plain_20ms_min_h_m": next(
            row["plain_min_h_m"] for row in part["periods"] if row["period_s"] == 0.02
        ),
        "delay_min_h_m": min(row["predicted_min_h_m"] for row in part["delays"]),
        "largest_accepted_gain": part["largest_accepted_gain"],
        "suite_violating": max(case["violating"] for case in guaranteed),
    }
