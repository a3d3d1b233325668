# SPDX-License-Identifier: Apache-2.0
"""Does the chain warn earlier, or with fewer false alarms, than a threshold on the gap? Judged on runs it never saw.

Lock-step runs without the arc, so that danger comes about: less than 0.2 m to a person while the robot moves. Half of
the seeds are learned from, the other half judged. Each sample outside danger asks: does danger begin within 2 s?
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from reflexarc.assurance.monitors.approach import approach
from reflexarc.assurance.monitors.drift import Bins, DriftModel, DriftMonitor, Feature, Run, count_transitions
from reflexarc.core.types import Array
from reflexarc.robots import load_base
from reflexarc_sim.lockstep import run as run_lockstep
from reflexarc_sim.scenario import load_scenario

SCENARIO = "sidewalk_delivery"
EVERY = 20
"""Plant steps of 5 ms between two rows."""
PERIOD, STEPS = 0.1, 20
DANGER_M, MOVING_M_S = 0.2, 0.3
BINS = Bins(
    (
        Feature("predicted gap", "m", (0.1, 0.3, 0.6, 1.0, 2.0)),
        Feature("time to it", "s", (0.3, 0.8, 1.3)),
        Feature("gap", "m", (0.4, 0.8, 1.5, 3.0)),
    )
)
RECALL = 0.8
"""Share of dangerous samples at which precisions are compared."""
OFF, DWELL, CLEAR_M = 0.7, 0.5, 0.2
"""A warning goes below this share of its probability, or so far above its gap [m], after so long [s]."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Learn and judge.

    Args:
        full: 24 runs of a minute instead of 4 of 8 s.
        progress: told after each run.
    """
    seeds, seconds = (range(24), 60.0) if full else (range(4), 8.0)
    runs = []
    for seed in seeds:
        runs.append(_one(seed, seconds))
        progress(f"drift, seed {seed}: {int(_begins(runs[-1].danger).sum())} dangers")
    learned, judged = runs[::2], runs[1::2]
    model = DriftModel(BINS, count_transitions(BINS, learned), PERIOD, STEPS)
    label, risk, high, gap, predicted = (
        np.concatenate(part) for part in zip(*map(_rows(model), judged), strict=True)
    )
    figures: dict[str, Any] = {
        "runs": len(runs),
        "seconds_each": seconds,
        "states": BINS.count,
        "states_seen": int(model.seen.sum()),
        "dangers_learned": int(sum(_begins(r.danger).sum() for r in learned)),
        "dangers_judged": int(sum(_begins(r.danger).sum() for r in judged)),
        "samples": len(label),
        "base_rate": float(label.mean()),
        "brier": float(((risk - label) ** 2).mean()),
        "brier_of_base_rate": float(label.mean() * (1.0 - label.mean())),
        "mean_risk": float(risk.mean()),
    }
    if not label.any() or label.all():
        return figures
    scores = {"chain": risk, "chain_upper": high, "gap": -gap, "predicted_gap": -predicted}
    figures["scores"] = {name: _score(label, score) for name, score in scores.items()}
    figures["warning"] = _warnings(model, learned, judged)
    return figures


def _one(seed: int, seconds: float) -> Run:
    watcher = _Watcher()
    run_lockstep(load_scenario(SCENARIO), seed, False, seconds, observers=(watcher,))
    return Run(np.array(watcher.rows), np.array(watcher.danger))


class _Watcher:
    """Takes a row every `EVERY` ticks."""

    def __init__(self) -> None:
        robot = load_base("segway_e1")
        self._half = 0.5 * robot.length, 0.5 * robot.width
        self._tick = 0
        self._danger = False
        self.rows: list[tuple[float, float, float]] = []
        self.danger: list[bool] = []

    def tick(self, state, proposal, command, verdict, min_distance) -> None:  # type: ignore[no-untyped-def]
        moving = abs(float(state.twist[0])) > MOVING_M_S
        self._danger = self._danger or (min_distance < DANGER_M and moving)
        if self._tick % EVERY == 0:
            a = approach(state, *self._half, PERIOD * STEPS)
            self.rows.append((a.predicted, a.time, a.gap))
            self.danger.append(self._danger)
            self._danger = False
        self._tick += 1

    def pedestrians(self, time, names, positions) -> None:  # type: ignore[no-untyped-def]
        pass

    def plant_event(self, event) -> None:  # type: ignore[no-untyped-def]
        pass

    def event(self, time, kind, text, **details) -> None:  # type: ignore[no-untyped-def]
        pass


def _begins(danger: np.ndarray) -> np.ndarray:
    return danger & ~np.concatenate([[False], danger[:-1]])


def _rows(model: DriftModel) -> Callable[[Run], tuple[Array, Array, Array, Array, Array]]:
    def rows(run: Run) -> tuple[Array, Array, Array, Array, Array]:
        n = len(run.danger) - STEPS
        ahead = np.array([run.danger[k + 1 : k + 1 + STEPS].any() for k in range(n)], dtype=bool)
        state = BINS.states(run.features)[:n]
        keep = ~run.danger[:n] & (state >= 0)
        x = run.features[:n][keep]
        return ahead[keep], model.risk[state[keep]], model.high[state[keep]], x[:, 2], x[:, 0]

    return rows


def _score(label: np.ndarray, score: Array) -> dict[str, float]:
    """Average precision, area under the ROC curve, and precision where the recall first reaches `RECALL`.

    Samples with equal scores are taken together, so that their order does not count.
    """
    levels, index = np.unique(-score, return_inverse=True)
    hits = np.bincount(index, weights=label, minlength=len(levels)).cumsum()
    taken = np.bincount(index, minlength=len(levels)).cumsum()
    recall, precision = hits / hits[-1], hits / taken
    false = (taken - hits) / (taken[-1] - hits[-1])
    area = np.trapezoid(np.append(0.0, recall), np.append(0.0, false))
    average = float((np.diff(recall, prepend=0.0) * precision).sum())
    return {
        "average_precision": average,
        "roc_area": float(area),
        "precision_at_recall": float(precision[np.argmax(recall >= RECALL)]),
    }


def _warnings(model: DriftModel, learned: list[Run], judged: list[Run]) -> dict[str, Any]:
    """Warn with the threshold that is on for 20 % of the safe time of the learned runs, the same for all."""
    result = {}
    methods: dict[str, Callable[[Run, float], np.ndarray]] = {
        "chain": lambda r, on: _chain(model, r, on),
        "gap": lambda r, on: _below(r.features[:, 2], on),
        "predicted_gap": lambda r, on: _below(r.features[:, 0], on),
    }
    for name, method in methods.items():
        grid = model.high[model.seen] if name == "chain" else np.linspace(-0.2, 4.0, 85)
        alarms = {float(on): _safe_share(method, learned, float(on)) for on in np.unique(grid)}
        on = min(alarms, key=lambda v: abs(alarms[v] - 0.2))
        leads, dangers = [], 0
        for r in judged:
            active = method(r, on)
            for begin in np.flatnonzero(_begins(r.danger)):
                if begin == 0:
                    continue
                dangers += 1
                since = begin
                while since > 0 and active[since - 1]:
                    since -= 1
                leads.append((begin - since) * PERIOD)
        warned = [lead for lead in leads if lead > 0.0]
        result[name] = {
            "threshold": on,
            "warned_safe_share": _safe_share(method, judged, on),
            "dangers": dangers,
            "warned_before": len(warned),
            "median_lead_s": float(np.median(warned)) if warned else 0.0,
        }
    return result


def _safe_share(method: Callable[[Run, float], np.ndarray], runs: list[Run], on: float) -> float:
    """Share of the time without danger now or within the horizon in which a warning is on."""
    warned, safe = 0, 0
    for r in runs:
        n = len(r.danger) - STEPS
        quiet = np.array([not r.danger[k : k + 1 + STEPS].any() for k in range(n)])
        warned += int((method(r, on)[:n] & quiet).sum())
        safe += int(quiet.sum())
    return warned / max(safe, 1)


def _chain(model: DriftModel, run: Run, on: float) -> np.ndarray:
    monitor = DriftMonitor(model, on, OFF * on, DWELL)
    return np.array([monitor.update(PERIOD * k, row).active for k, row in enumerate(run.features)])


def _below(values: Array, on: float) -> np.ndarray:
    """The trivial monitor: on at or below a threshold, off after the dwell `CLEAR_M` above it."""
    active, clear, result = True, 0.0, []
    for value in values:
        clear = clear + PERIOD if value > on + CLEAR_M else 0.0
        active = (active and clear <= DWELL) or value <= on
        result.append(active)
    return np.array(result)
