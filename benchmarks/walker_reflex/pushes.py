# SPDX-License-Identifier: Apache-2.0
"""`quadruped_push` with pushes of one magnitude each: without a reflex, going along with the push, standing.

Without a reflex the critic looks all the same (its threshold is 1), so that its risks can be compared with the falls.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from reflexarc.core.intervals import clopper_pearson
from reflexarc.reflex.calibration import reliability
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.walker_lockstep import run_walker

SCENARIO = "quadruped_push"
MAGNITUDES = (40.0, 50.0, 60.0)
"""[N]"""
COLUMNS = {
    "without": {"arc.walker.threshold": 1.0},
    "along": {"arc.walker.rule": "along"},
    "stand": {"arc.walker.rule": "stand"},
}
SEEDS, SHORT_SEEDS, SHORT_S = 32, 2, 6.0
DELTA = 0.05
SHOWN = ("velocity_error_m_s", "reflexes", "reflex_share", "reflex_latency_s", "risk_mean")
EVERY = 5
"""Of the ticks one in so many is a sample of the reliability."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run every magnitude in every way."""
    scenario = load_scenario(SCENARIO)
    magnitudes = MAGNITUDES if full else MAGNITUDES[1:2]
    seeds = range(SEEDS if full else SHORT_SEEDS)
    rows, predicted, happened = [], [], []
    for size in magnitudes:
        pushed = scenario.with_overrides({"walk.pushes.magnitude": [size, size]})
        for column, changed in COLUMNS.items():
            one = pushed.with_overrides(changed)
            results = [run_walker(one, seed, None if full else SHORT_S) for seed in seeds]
            rows.append({"newton": size, "column": column, **_row([r.summary for r in results])})
            progress(f"{size:g} N, {column}: {rows[-1]['survived']} of {rows[-1]['runs']} stay up")
            if column == "without":
                for result in results:
                    risk, label = _outcomes(result, one)
                    predicted.append(risk)
                    happened.append(label)
    found = reliability(np.concatenate(predicted), np.concatenate(happened))
    return {
        "rows": rows,
        "calibration_error": found.error,
        "reliability": [list(map(float, row)) for row in zip(*found[:3], strict=True)],
    }


def _row(summaries: list[Any]) -> dict[str, Any]:
    n, up = len(summaries), sum(s.success for s in summaries)
    low, high = clopper_pearson(up, n, DELTA)
    means = {k: _mean([getattr(s, k) for s in summaries]) for k in SHOWN}
    faults = sorted({fault for s in summaries for fault in s.faults})
    outcomes = [int(s.success) for s in summaries]
    return {
        "runs": n, "survived": up, "low": low, "high": high, **means, "faults": faults, "outcomes": outcomes,
    }  # fmt: skip


def _outcomes(result: Any, scenario: Any) -> tuple[Any, Any]:
    """Return risks of a run without reflex, and what came of them, where that is known."""
    config = _learned(scenario)
    risk, n = result.log["risk"], len(result.log["risk"])
    left = (n - np.arange(n)) * scenario.plant.step_period
    tau, horizon, fell = config["tau_s"], config["horizon_s"], not result.summary.success
    known = np.isfinite(risk) & (fell | (left >= horizon)) & (np.arange(n) % EVERY == 0)
    label = np.where(left <= horizon, np.exp(-left / tau), 0.0) * fell
    return risk[known], label[known]


def _learned(scenario: Any) -> dict[str, float]:
    from reflexarc.core.paths import model_file  # noqa: PLC0415
    from reflexarc.robots.quadruped import load_quadruped  # noqa: PLC0415
    from reflexarc.walking.fall import load_fall  # noqa: PLC0415

    file = model_file(scenario.arc_config.walker.fall)
    return load_fall(file, load_quadruped(scenario.robot)).recipe["risk"]


def _mean(values: list[float]) -> float | None:
    known = [v for v in values if np.isfinite(v)]
    return float(np.mean(known)) if known else None


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return survival with and without the reflex, and the calibration error at run time."""
    said = {}
    for row in part["rows"]:
        key = f"walker_upright_{row['newton']:g}_n_{row['column']}"
        said[key] = f"{row['survived']} of {row['runs']} ({row['low']:.2f} to {row['high']:.2f})"
    return said | {"walker_risk_calibration_error": round(part["calibration_error"], 4)}
