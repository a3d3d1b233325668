# SPDX-License-Identifier: Apache-2.0
r"""Part of the study: the published score on the ten systems (Meng et al., CoRL 2021, arXiv 2109.06728).

Trajectories from the uniform box are split in half, one half to estimate from, one to be judged at. An estimator gives
the density at the true test states of output k; with both vectors normalised to sum 1, the score is

    KL(estimate || reference),        averaged over k = 0, 5, .., 45 (every k where a system has fewer than 20 outputs).

The pendulum is judged against its corrected divergence; the published reference used another state's exponential.
Controllers that are networks (dint, robot, quad, acc, toon) have the published shapes but our weights, so published
ratios are not comparable there.

`exact` finds every test state's initial state backward, with steps of its own for each; `flow_fixed_steps` is what the
flow carries forward with the system's usual steps, which a kink of the field makes inexact. Both are judged on some of
the test states against `reference.py`, which shares nothing with them; how good that is shows by a tolerance thirty
times tighter on a tenth of these states. Estimators are judged on all test states against the flow with fixed steps,
which is good enough for them: see its score.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from reference import reference
from scipy.spatial import KDTree
from scipy.stats import entropy

from reflexarc.core.types import Array
from reflexarc.reach.blackbox import from_closed_loop
from reflexarc.reach.flow import Flow
from reflexarc.reach.initial import Uniform
from reflexarc.reach.learned import LearnedDensity, load_density
from reflexarc.reach.learned_training import Training, train
from reflexarc.reach.query import log_density
from reflexarc.reach.system import ClosedLoop
from reflexarc.reach.systems import SYSTEMS

HERE = Path(__file__).resolve().parent
SHORT = {"vdp": (2000, 100), "dint": (2000, 50)}
"""System -> trajectories and judged states of the short run."""
SHORT_OUTPUTS = (5, 10)


@dataclass(frozen=True)
class Case:
    """How one system is scored."""

    points: int = 10_000
    """Trajectories, half of them test states."""
    bins: int | None = 25
    """Of the histogram, per axis; None skips it, as published."""
    bandwidth: float = 0.10
    """Of the kernel estimate."""
    judged: int = 500
    """Test states at which the exact method is judged against the independent reference."""
    tolerance: float = 1e-10
    """Of the independent reference."""
    outputs: tuple[int, ...] | None = None
    """Outputs at which the exact method is judged; None takes the published ones."""
    training: dict[str, Any] = field(default_factory=dict)
    """What differs from the default training of the learned density."""
    published: dict[str, float] = field(default_factory=dict)
    """Published scores in parts of the published network's: read off the chart of the paper's poster, +-2 %."""


_FEW = {"trajectories": 1000, "shaping": 200, "calibration": 400}
CASES = {
    "vdp": Case(published={"kde": 12.2, "histogram": 11.5, "sigmoidal_gp": 11.0}),
    "dint": Case(published={"kde": 1.42, "histogram": 1.94, "sigmoidal_gp": 1.98}),
    "kop": Case(published={"kde": 329.0, "histogram": 362.0, "sigmoidal_gp": 270.0}),
    "pend": Case(published={"kde": 16.9, "histogram": 14.2, "sigmoidal_gp": 13.7}),
    "robot": Case(published={"kde": 7.2, "histogram": 9.6, "sigmoidal_gp": 9.1}),
    "car": Case(published={"kde": 28.1, "histogram": 69.0, "sigmoidal_gp": 52.5}),
    "quad": Case(bins=16, tolerance=1e-11, published={"kde": 2.50, "histogram": 98.0, "sigmoidal_gp": 31.0}),
    "acc": Case(bins=5, judged=100, tolerance=1e-13, published={"kde": 194.0, "sigmoidal_gp": 60.0}),
    "gcas": Case(
        points=2000, bins=2, bandwidth=0.25, judged=50, outputs=(0, 5, 10, 15),
        training=_FEW, published={"kde": 776.0, "sigmoidal_gp": 145.0},
    ),
    "toon": Case(
        points=1000, bins=None, judged=4, tolerance=1e-11, outputs=(0, 5, 10),
        training=_FEW | {"trajectories": 300, "calibration": 200}, published={"kde": 2.02, "sigmoidal_gp": 1.48},
    ),
}  # fmt: skip


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Score every estimator.

    Args:
        full: all ten systems instead of a short look at two; trains the learned densities that are not kept.
        progress: told after each system.
    """
    rows = []
    for name in CASES if full else SHORT:
        row = _system(name, full, progress)
        rows.append(row)
        progress(", ".join(f"{k} {v:.2g}" for k, v in row["scores"].items() if v is not None) + f": {name}")
    return {"whole": full, "systems": rows}


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the exact method's worst score, and the learned density's beside the network that was published."""
    rows = {row["system"]: row for row in part["systems"]}
    figures: dict[str, Any] = {"kl_exact_worst": max(row["scores"]["exact"] for row in rows.values())}
    vdp = rows["vdp"]
    for name in ("exact", "learned", "kde"):
        if vdp["scores"][name] is not None:
            figures[f"kl_vdp_{name}"] = vdp["scores"][name]
    figures["kl_vdp_published_network_implied"] = vdp["implied_network"]
    return figures


def _system(name: str, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    case, system = CASES[name], SYSTEMS[name]
    count, judged = (case.points, case.judged) if full else SHORT[name]
    published = tuple(range(0, 50, 5)) if system.steps >= 20 else tuple(range(system.steps + 1))
    initial = Uniform(system.low, system.high)
    x0 = initial.sample(np.random.default_rng(0), count)
    started = time.perf_counter()
    estimates = _estimates(name, x0, published if full else SHORT_OUTPUTS, _learned(name, full, progress))
    progress(
        f"{name}: estimates after {time.perf_counter() - started:.0f} s, reference of {judged} trajectories"
    )
    exact = _exact(
        case, system, x0[count // 2 :][:judged], (case.outputs or published) if full else SHORT_OUTPUTS
    )
    means = {key: _mean(values) for key, values in estimates.items()} | exact.pop("scores")
    kde, ratio = means["kde"], case.published.get("kde")
    return {
        "system": name,
        "n": system.n,
        "trajectories": count,
        "judged": judged,
        "scores": means,
        "published_ratios": case.published,
        "implied_network": None if kde is None or ratio is None else kde / ratio,
        "seconds": round(time.perf_counter() - started, 1),
    } | exact


def _estimates(
    name: str, x0: Array, outputs: Sequence[int], learned: LearnedDensity | None
) -> dict[str, list[float | None]]:
    """Score what estimates from the first half of the trajectories at the second, per output."""
    case, system = CASES[name], SYSTEMS[name]
    truth = Flow(system, "tsit5", "float64").run(x0)
    initial, half = Uniform(system.low, system.high), len(x0) // 2
    scores: dict[str, list[float | None]] = {}
    for k in outputs:
        seen, asked, gain = truth.x[k, :half], truth.x[k, half:], truth.gain[k]
        nearest = KDTree(seen).query(asked)[1]
        found: dict[str, Array | None] = {
            "kde": _kernel(seen, asked, case.bandwidth),
            "histogram": None if case.bins is None else _histogram(seen, asked, case.bins),
            "nearest": gain[:half][nearest],
            "learned_nearest": None,
            "learned": None,
        }
        if learned is not None:
            moved = learned.predict(x0[:half], k).gain[nearest]
            answer = learned.log_density(initial, asked, k)
            found["learned_nearest"] = moved
            found["learned"] = np.where(answer.found, answer.gain, moved)
        for key, value in found.items():
            scores.setdefault(key, []).append(None if value is None else score(value, gain[half:]))
    return scores


def _exact(case: Case, system: ClosedLoop, x0: Array, outputs: Sequence[int]) -> dict[str, Any]:
    """Score backward characteristics with steps of their own, and the flow with the system's, against the reference."""
    x, gain = reference(system, x0, case.tolerance)
    part = slice(max(2, len(x0) // 10))
    tight = reference(system, x0[part], case.tolerance / 30.0)[1]
    initial, carried = Uniform(system.low, system.high), Flow(system, "tsit5", "float64").run(x0).gain
    scores: dict[str, list[float]] = {"exact": [], "flow_fixed_steps": []}
    backward = []
    for k in outputs:
        scores["flow_fixed_steps"].append(score(carried[k], gain[k]) or 0.0)
        if k == 0:
            estimate = initial.log_density(x[0])
        else:
            query = log_density(system, initial, x[k], k, method="adaptive")
            estimate = query.log_density
            backward.append(float(query.backward.mean()))
        scores["exact"].append(score(estimate, gain[k]) or 0.0)
    return {
        "scores": {key: float(np.mean(values)) for key, values in scores.items()},
        "exact_outputs": list(outputs),
        "exact_worst_output": max(scores["exact"]),
        "backward_share": float(np.mean(backward)),
        "reference_tolerance": case.tolerance,
        "reference_own_score": score(gain[outputs[-1], part], tight[outputs[-1]]),
    }


def score(estimate: Array, truth: Array) -> float | None:
    """Return KL(estimate || truth) of log-densities at the same states; None if the estimate is zero at all of them."""
    if not np.isfinite(estimate).any():
        return None
    p, q = np.exp(estimate - estimate.max()), np.exp(truth - truth.max())
    return float(entropy(p, q))


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _kernel(seen: Array, asked: Array, bandwidth: float) -> Array:
    """Return the log of an Epanechnikov estimate up to a constant."""
    pairs = KDTree(asked).sparse_distance_matrix(KDTree(seen), bandwidth, output_type="coo_matrix")
    weight = 1.0 - (np.asarray(pairs.data) / bandwidth) ** 2
    with np.errstate(divide="ignore"):
        return np.log(np.bincount(pairs.row, weight, len(asked)))


def _histogram(seen: Array, asked: Array, bins: int) -> Array:
    """Return the log of a histogram estimate up to a constant; outside the range of `seen` it is -inf."""
    low, high = seen.min(axis=0), seen.max(axis=0)
    width = np.where(high > low, high - low, 1.0) / bins
    cells = [np.floor((x - low) / width).astype(int) for x in (seen, asked)]
    cells[0] = np.minimum(cells[0], bins - 1)
    cells[1] = np.where(asked == high, bins - 1, cells[1])
    inside = ((cells[1] >= 0) & (cells[1] < bins)).all(axis=1)
    shape = (bins,) * seen.shape[1]
    filled, counts = np.unique(np.ravel_multi_index(cells[0].T, shape), return_counts=True)
    wanted = np.ravel_multi_index(np.clip(cells[1], 0, bins - 1).T, shape)
    place = np.minimum(np.searchsorted(filled, wanted), len(filled) - 1)
    with np.errstate(divide="ignore"):
        return np.log(np.where(inside & (filled[place] == wanted), counts[place], 0.0))


def _learned(name: str, full: bool, progress: Callable[[str], None]) -> LearnedDensity | None:
    """Return the kept learned density; a full run trains one that is not kept, a short one goes without."""
    path = HERE / "learned" / f"{name}.safetensors"
    if path.exists():
        return load_density(path, SYSTEMS[name])
    if not full:
        return None
    progress(f"{name}: training the learned density")
    learned, _ = train(from_closed_loop(SYSTEMS[name]), Training(**CASES[name].training))
    path.parent.mkdir(exist_ok=True)
    learned.save(path)
    return learned
