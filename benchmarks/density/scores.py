# SPDX-License-Identifier: Apache-2.0
r"""Part of the study: the published score on the ten systems (Meng et al., CoRL 2021, arXiv 2109.06728).

Trajectories from the uniform box are split in half, one half to estimate from, one to be judged at. An estimator gives
the density at the true test states of output k; with both vectors normalised to sum 1, the score is

    KL(estimate || reference),        averaged over k = 0, 5, .., 45 (every k where a system has fewer than 20 outputs).

The pendulum is judged against its corrected divergence; the published reference used another state's exponential.
Controllers that are networks (dint, robot, quad, acc, toon) have the published shapes but our weights, so published
ratios are not comparable there. The reference is `reference.py`; how good it is shows by a tolerance thirty times
tighter on a tenth of the test states.
"""

from collections.abc import Callable
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
SHORT = {"vdp": 600, "pend": 400}
"""System -> trajectories of the short run, which looks at three outputs only."""
SHORT_OUTPUTS = (5, 25, 45)


@dataclass(frozen=True)
class Case:
    """How one system is scored."""

    points: int = 10_000
    """Trajectories, half of them judged at."""
    bins: int | None = 25
    """Of the histogram, per axis; None skips it, as published."""
    bandwidth: float = 0.10
    """Of the kernel estimate."""
    tolerance: float = 1e-10
    """Of the reference."""
    substeps: int | None = None
    """Of the exact method; None takes the system's."""
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
    "robot": Case(points=4000, published={"kde": 7.2, "histogram": 9.6, "sigmoidal_gp": 9.1}),
    "car": Case(published={"kde": 28.1, "histogram": 69.0, "sigmoidal_gp": 52.5}),
    "quad": Case(points=4000, bins=16, published={"kde": 2.50, "histogram": 98.0, "sigmoidal_gp": 31.0}),
    "acc": Case(points=2000, bins=5, published={"kde": 194.0, "sigmoidal_gp": 60.0}),
    "gcas": Case(
        points=400, bins=2, bandwidth=0.25, tolerance=1e-8, training=_FEW,
        published={"kde": 776.0, "sigmoidal_gp": 145.0},
    ),
    "toon": Case(
        points=200, bins=None, tolerance=1e-8, training=_FEW | {"trajectories": 300, "calibration": 200},
        published={"kde": 2.02, "sigmoidal_gp": 1.48},
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
    figures["kl_exact_worst_same_steps"] = max(row["round_trip"] for row in rows.values())
    vdp = rows["vdp"]
    for name in ("exact", "learned", "kde"):
        if vdp["scores"][name] is not None:
            figures[f"kl_vdp_{name}"] = vdp["scores"][name]
    figures["kl_vdp_published_network_implied"] = vdp["implied_network"]
    return figures


def _system(name: str, full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    case, system = CASES[name], SYSTEMS[name]
    count = case.points if full else SHORT[name]
    initial = Uniform(system.low, system.high)
    x0 = initial.sample(np.random.default_rng(0), count)
    progress(f"{name}: reference of {count} trajectories")
    x, gain = reference(system, x0, case.tolerance)
    own = _own_error(system, x0, gain, case.tolerance)
    learned = _learned(name, full, progress)
    outputs = _outputs(system, full)
    scores: dict[str, list[float | None]] = {}
    round_trip, fallback = [], []
    half = count // 2
    same_steps = Flow(system, "tsit5", "float64", case.substeps).run(x0[half:], max(outputs))
    for k in outputs:
        progress(f"{name}: output {k}")
        seen, asked = x[k, :half], x[k, half:]
        nearest = KDTree(seen).query(asked)[1]
        estimates: dict[str, Array | None] = {
            "kde": _kernel(seen, asked, case.bandwidth),
            "histogram": None if case.bins is None else _histogram(seen, asked, case.bins),
            "nearest": gain[k, :half][nearest],
            "learned_nearest": None,
            "learned": None,
        }
        if learned is not None:
            moved = learned.predict(x0[:half], k).gain[nearest]
            answer = learned.log_density(initial, asked, k)
            estimates["learned_nearest"] = moved
            estimates["learned"] = np.where(answer.found, answer.gain, moved)
        if k == 0:
            estimates["exact"] = initial.log_density(asked)
        else:
            query = log_density(system, initial, asked, k, substeps=case.substeps)
            estimates["exact"] = query.log_density
            fallback.append(float(np.mean(~query.backward)))
            there = same_steps.x[k]
            again = log_density(system, initial, there, k, substeps=case.substeps).log_density
            round_trip.append(score(again, same_steps.gain[k]))
        for key, value in estimates.items():
            scores.setdefault(key, []).append(None if value is None else score(value, gain[k, half:]))
    means = {key: _mean(values) for key, values in scores.items()}
    kde, ratio = means["kde"], case.published.get("kde")
    return {
        "system": name,
        "n": system.n,
        "trajectories": count,
        "outputs": list(outputs),
        "scores": means,
        "round_trip": float(np.mean(round_trip)),
        "fallback_share": float(np.mean(fallback)),
        "reference_tolerance": case.tolerance,
        "reference_own_score": own,
        "published_ratios": case.published,
        "implied_network": None if kde is None or ratio is None else kde / ratio,
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


def _outputs(system: ClosedLoop, full: bool) -> tuple[int, ...]:
    if not full:
        return SHORT_OUTPUTS
    return tuple(range(0, 50, 5)) if system.steps >= 20 else tuple(range(system.steps + 1))


def _own_error(system: ClosedLoop, x0: Array, gain: Array, tolerance: float) -> float:
    """Return the score of the reference at its last output against a tighter one, on a tenth of the test states."""
    part = slice(len(x0) // 2, len(x0) // 2 + max(10, len(x0) // 20))
    tight = reference(system, x0[part], tolerance / 30.0)[1]
    return score(gain[-1, part], tight[-1]) or 0.0


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
