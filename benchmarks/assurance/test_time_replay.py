# SPDX-License-Identifier: Apache-2.0
"""Choices in logged moments, judged by where people really went: the update and its ablations.

Ablations: no gate; a random direction of the same norm; moments of a second before instead of the present ones; moments
that an adversary chooses among those of other seeds, so that a step makes touching plans likelier. Moments are 0.2 s
apart here, and one proposal apart in the driving.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from gated_update import FRAMES, Gate, GatedUpdate
from plan_logs import Frames
from plan_scorer import Scorer

from reflexarc.assurance.twin.judgement import interval
from reflexarc.core.types import Array

ETAS = (0.001, 0.01, 0.1, 1.0)
STALE = 5
"""Judged moments, 0.2 s each, back to where stale ones end."""
POOL = 128
"""Moments that the adversary chooses among."""


def paired(values: list[float]) -> dict[str, Any]:
    """Return the mean of differences seed by seed with its 95 % bootstrap interval."""
    mean, low, high = interval(values)
    return {"mean": mean, "ci95": [low, high]}


def tuning(scorer: Scorer, frames: Frames) -> dict[str, Any]:
    """Return, per length of the step without a gate, what it changes on the validation's moments; entropies there."""
    plain = GatedUpdate(scorer, Gate(), 0.0)
    entropy = np.array([plain.entropy(x, c) for x, c in zip(frames.features, frames.cluster, strict=True)])
    found = {}
    for eta in ETAS:
        _, summary = _choices(GatedUpdate(scorer, Gate(), eta), frames, _recent(frames, 0))
        found[str(eta)] = summary
    shares = np.percentile(entropy, (50, 80, 95))
    return {"moments": len(entropy), "entropy_p50_p80_p95": shares.tolist(), "steps": found}


def replay(
    scorer: Scorer, frames: Frames, eta: float, entropy: float, norm: float, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return what each ablation chooses and what that costs.

    Args:
        scorer: with the committed weights.
        frames: judged moments of the unmodified planner.
        eta: of the update.
        entropy: gate. [nat]
        norm: gate.
        progress: told what is done.
    """
    gate = Gate(entropy, norm)
    gated = GatedUpdate(scorer, gate, eta)
    recent, stale = _recent(frames, 0), _recent(frames, STALE)
    hostile = _hostile(gated, frames)
    methods = {
        "unmodified": (GatedUpdate(scorer, Gate(), 0.0), recent),
        "gated update": (gated, recent),
        "update always": (GatedUpdate(scorer, Gate(), eta), recent),
        "random direction": (GatedUpdate(scorer, gate, eta, "random"), recent),
        "stale moments": (gated, stale),
        "adversarial moments": (gated, hostile),
        "adversarial moments, no gate": (GatedUpdate(scorer, Gate(norm=norm), 1.0), hostile),
        "own moments, step as long": (GatedUpdate(scorer, Gate(norm=norm), 1.0), recent),
    }
    found = {}
    for name, (update, source) in methods.items():
        _, found[name] = _choices(update, frames, source)
        progress(
            f"replay, {name}: {found[name]['touching']} of {found[name]['moments']} choices touch something"
        )
    return {**found, "entropy_as_monitor": _monitor(gated, frames, entropy)}


def timing(scorer: Scorer, frames: Frames, eta: float, count: int) -> dict[str, Any]:
    """Time choices without and with a step, in turn at each moment, so that load hits both. [us]"""
    plain, update = GatedUpdate(scorer, Gate(), 0.0), GatedUpdate(scorer, Gate(), eta)
    recent = _recent(frames, 0)
    spent: dict[str, list[float]] = {"unmodified": [], "update": []}
    for k in range(-20, count):
        i = k % len(frames.run)
        seen = frames.features[i], frames.cluster[i], frames.features[recent[i]], frames.cluster[recent[i]]
        for name, one in (("unmodified", plain), ("update", update)):
            started = time.perf_counter()
            one.choose(*seen)
            if k >= 0:
                spent[name].append(1e6 * (time.perf_counter() - started))
    return {
        name: {f"p{q}_us": round(float(np.percentile(values, q)), 1) for q in (50, 99)}
        for name, values in spent.items()
    }


def _choices(update: GatedUpdate, frames: Frames, source: Array) -> tuple[Array, dict[str, Any]]:
    """Index chosen at each moment, and figures beside the choice of the committed weights."""
    chosen, plain, steps = [], [], []
    for k, rows in enumerate(source):
        features, cluster = frames.features[k], frames.cluster[k]
        step = update.choose(features, cluster, frames.features[rows], frames.cluster[rows])
        steps.append(step)
        chosen.append(int(step.scores.argmax()))
        plain.append(int(update.scorer.scores(features).argmax()))
    index, mine, base = np.arange(len(chosen)), np.array(chosen), np.array(plain)
    wrong, was = frames.touch[index, mine], frames.touch[index, base]
    cost = frames.cost[index, mine] - frames.cost[index, base]
    stepped = np.array([s.outcome == "stepped" for s in steps])
    lower = np.array([s.after < s.entropy for s in steps])
    seeds = np.unique(frames.run)
    return mine, {
        "moments": len(mine),
        "stepped": int(stepped.sum()),
        "changed": int((mine != base).sum()),
        "touching": int(wrong.sum()),
        "repaired": int((was & ~wrong).sum()),
        "broken": int((~was & wrong).sum()),
        "surer_and_still_or_newly_wrong": int((stepped & lower & wrong).sum()),
        "entropy_change": float(np.mean([s.after - s.entropy for s in steps])),
        "norm_p50": float(np.median([s.norm for s in steps if s.outcome == "stepped"] or [0.0])),
        "cost_difference": paired([float(cost[frames.run == s].mean()) for s in seeds]),
        "touching_difference": paired(
            [float((wrong.astype(float) - was)[frames.run == s].mean()) for s in seeds]
        ),
    }


def _recent(frames: Frames, back: int) -> Array:
    """Indices of the FRAMES moments up to `back` before each, not beyond the start of its run, shape (f, FRAMES)."""
    index = np.arange(len(frames.run))
    first = np.array([index[frames.run == seed][0] for seed in frames.run])
    return np.maximum(index[:, None] - back - np.arange(FRAMES)[::-1], first[:, None])


def _hostile(update: GatedUpdate, frames: Frames) -> Array:
    """For each moment those of other seeds whose step most raises the score of its touching plans, (f, FRAMES)."""
    rng = np.random.default_rng(0)
    pool = rng.permutation(len(frames.run))[:POOL]
    slopes = update.slopes(frames.features[pool], frames.cluster[pool])  # (POOL, p)
    aims = update.scorer.slopes(frames.features, frames.touch)  # (f, p)
    gain = -aims @ slopes.T
    gain[frames.run[:, None] == frames.run[pool][None]] = -np.inf
    return pool[np.argsort(-gain, axis=1)[:, :FRAMES]]


def _monitor(update: GatedUpdate, frames: Frames, on: float) -> dict[str, Any]:
    """How well a high entropy foretells a choice that touches, beside flagging nothing."""
    entropy = np.array([update.entropy(x, c) for x, c in zip(frames.features, frames.cluster, strict=True)])
    choice = [int(update.scorer.scores(x).argmax()) for x in frames.features]
    wrong = frames.touch[np.arange(len(choice)), choice]
    flagged = entropy >= on
    hits = int((flagged & wrong).sum())
    return {
        "flagged": float(flagged.mean()),
        "wrong": int(wrong.sum()),
        "true_positive_rate": hits / max(int(wrong.sum()), 1),
        "precision": hits / max(int(flagged.sum()), 1),
        "accuracy": float((flagged == wrong).mean()),
        "flag_none_accuracy": float(1.0 - wrong.mean()),
        "mean_entropy_wrong": float(entropy[wrong].mean()) if wrong.any() else None,
        "mean_entropy_sound": float(entropy[~wrong].mean()) if not wrong.all() else None,
    }
