# SPDX-License-Identifier: Apache-2.0
"""Learned barriers and safe policies on the boat, judged from starts that the ground truth calls safe.

Protocol: one data set of 1,000,000 transitions; per seed 1,000 starts with V* > 0.02, 2 s, the nominal input points to
the goal; the state is kept within the region as the published environment does. The starts lie upstream of the goal, in
x in [-2.95, -0.1] m: there the unfiltered controller and the grid filter have about the figures that are known for
this protocol (38 % violations at a return of -585, and none at -632).

Rows that take long (training) are kept in a journal, `learning/rows.jsonl`, so that a stopped run goes on; the weights
of barriers are kept beside it. The short run judges kept weights again from fewer starts and refuses to
answer if they do not agree with the kept rows.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom, t

from reflexarc.barrier.learn.closed_loop import (
    Controller,
    Outcome,
    bounded_filter,
    published_filter,
    safe_starts,
    simulate,
    unfiltered,
)
from reflexarc.barrier.learn.dataset import data_hash
from reflexarc.barrier.learn.dynamics import fit_dynamics
from reflexarc.barrier.learn.generate import generate
from reflexarc.barrier.learn.ground_truth import GridValue, solve_grid
from reflexarc.barrier.learn.learner import Learned, learner
from reflexarc.barrier.learned import LearnedBarrier, load_barrier
from reflexarc.core.errors import ReflexArcError
from reflexarc.robots.systems import SYSTEMS

HERE = Path(__file__).resolve().parent / "learning"
BOAT = SYSTEMS["boat"]
SEEDS = (0, 1, 2, 3, 4)
STARTS = 1000
LOW, HIGH = np.array([-2.95, -2.0]), np.array([-0.1, 2.0])
"""Box of the starts. [m]"""
ABOVE = 0.02
"""True value that a start must exceed. [m]"""
TRANSITIONS = 1_000_000
ALPHA = 10.0
"""Gain of the filters with bounded inputs, as in the figures that are known for the grid's. [1/s]"""
LEARNERS = ("vocbf", "published", "bc", "ccbf", "fisor", "bcq_lag", "cpq")
"""In the order in which they are trained."""
KEPT = ("vocbf", "published")
"""Learners whose weights are kept."""
SHORT_STARTS = {"vocbf": 120, "published": 60}
NAMES = {
    "nominal": "no filter",
    "grid": "grid Hamilton-Jacobi, bounded inputs in the QP",
    "grid_published": "grid Hamilton-Jacobi, published filter (gain 1)",
    "vocbf": "ReflexArc, bounded inputs in the QP",
    "vocbf_model": "ReflexArc, with a learned model and its error bound",
    "published": "V-OCBF as published (gain 1)",
    "published_bounded": "V-OCBF as published, bounded inputs in the QP (gain 1)",
    "bc": "behaviour cloning",
    "ccbf": "CCBF, bounded inputs in the QP, its own gain 1",
    "ccbf_fast": "CCBF, bounded inputs in the QP, gain 10",
    "fisor": "FISOR",
    "fisor_value": "FISOR's value, bounded inputs in the QP, gain 1",
    "bcq_lag": "BCQ-Lagrangian",
    "cpq": "CPQ",
}


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Judge every controller.

    Args:
        full: train what the journal does not hold, 1,000 starts per seed; otherwise the kept weights again.
        progress: told after each row.

    Raises:
        ReflexArcError: kept weights do not reproduce their kept rows.
    """
    if not full:
        return _short(progress)
    truth = solve_grid(BOAT, (251, 201), 0.02)
    rows = _journal()
    data, digest = None, ""
    for seed in SEEDS:
        for name in ("references", *LEARNERS):
            if any(r["seed"] == seed and r["from"] == name for r in rows):
                continue
            if data is None and name != "references":
                data = generate(BOAT, TRANSITIONS, 0)
                digest = data_hash(data)
            learned = None if name == "references" else _trained(name, data, seed, progress)
            starts = safe_starts(LOW, HIGH, truth.value, STARTS, seed, ABOVE)
            for row in _rows(name, learned, truth, starts, data, seed):
                row |= {"seed": seed, "from": name, "data_sha256": digest}
                rows.append(row)
                with (HERE / "rows.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                progress(
                    f"seed {seed} {row['controller']}: {100 * row['violations']:.1f} % violations, "
                    f"return {row['return']:.1f}"
                )
    _plot(truth, HERE / "boat.svg")
    return {"whole": True, "truth": _truth_figures(truth), "table": _table(rows)}


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return violations, return and false-safe share of the learned barrier beside its references."""
    figures: dict[str, Any] = {}
    for row in part["table"]:
        if row["controller"] in ("vocbf", "published", "grid"):
            key = f"boat_{row['controller']}"
            figures[f"{key}_violations_percent"] = round(100.0 * row["violations"]["mean"], 2)
            figures[f"{key}_return"] = round(row["return"]["mean"], 1)
            if "false_safe_ring" in row:
                figures[f"{key}_false_safe_ring_percent"] = round(100.0 * row["false_safe_ring"]["mean"], 1)
    return figures


def _trained(name: str, data: Any, seed: int, progress: Callable[[str], None]) -> Learned:
    """Return the learned thing: kept weights where they are, a training otherwise."""
    path = weights_file(name, seed)
    if name in KEPT and path.exists():
        return _as_learned(load_barrier(path), name)
    progress(f"seed {seed} {name}: training")
    learned = learner(name)(data, seed, {})
    if name in KEPT and learned.barrier is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        learned.barrier.save(path)
    return learned


def weights_file(name: str, seed: int) -> Path:
    """Return where the weights of a learner are kept."""
    return HERE / "weights" / f"{name}_{seed}.safetensors"


def _as_learned(barrier: LearnedBarrier, name: str) -> Learned:
    return Learned(
        name,
        dict(barrier.recipe),
        value=barrier.values,
        value_and_gradient=barrier.values_and_gradients,
        barrier=barrier,
    )


def _rows(
    name: str, learned: Learned | None, truth: GridValue, starts: Any, data: Any, seed: int
) -> list[dict[str, Any]]:
    """Return the rows that a learner (or the references) gives."""
    controllers: dict[str, tuple[Controller, Any]] = {}
    if learned is None:
        controllers["nominal"] = (unfiltered, None)
        controllers["grid"] = (bounded_filter(BOAT, truth.value_and_gradient, ALPHA), truth.value)
        controllers["grid_published"] = (published_filter(BOAT, truth.value_and_gradient, 1.0), truth.value)
    elif name == "vocbf" and learned.value_and_gradient is not None:
        controllers[name] = (bounded_filter(BOAT, learned.value_and_gradient, ALPHA), learned.value)
        model = fit_dynamics(data, seed)
        robust = bounded_filter(BOAT, learned.value_and_gradient, ALPHA, model.affine, model.error)
        controllers["vocbf_model"] = (robust, learned.value)
    elif name == "published" and learned.value_and_gradient is not None:
        controllers[name] = (published_filter(BOAT, learned.value_and_gradient, 1.0), learned.value)
        bounded = bounded_filter(BOAT, learned.value_and_gradient, 1.0)
        controllers["published_bounded"] = (bounded, learned.value)
    elif name == "ccbf" and learned.value_and_gradient is not None:
        gain = float(learned.config["alpha"])
        controllers[name] = (bounded_filter(BOAT, learned.value_and_gradient, gain), learned.value)
        controllers["ccbf_fast"] = (bounded_filter(BOAT, learned.value_and_gradient, ALPHA), learned.value)
    elif learned.policy is not None:
        controllers[name] = (_policy(learned.policy), learned.value if name == "fisor" else None)
    if name == "fisor" and learned is not None and learned.value_and_gradient is not None:
        controllers["fisor_value"] = (bounded_filter(BOAT, learned.value_and_gradient, 1.0), learned.value)
    rows = []
    for key, (controller, value) in controllers.items():
        outcome = simulate(BOAT, starts, controller, clip=True)
        row = _figures(key, outcome)
        if value is not None:
            row |= false_shares(value, truth)
        rows.append(row)
    return rows


def _policy(policy: Callable[[Any], Any]) -> Controller:
    def control(x: Any, _: Any) -> tuple[Any, Any]:
        u = policy(x)
        length = np.linalg.norm(u, axis=1, keepdims=True)
        return u / np.maximum(length, 1.0), np.ones(len(x), dtype=bool)

    return control


def _figures(key: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "controller": key,
        "starts": len(outcome.returns),
        "violations": float(outcome.violated.mean()),
        "return": float(outcome.returns.mean()),
        "interventions": float(outcome.filtered.mean()),
        "infeasible": float(outcome.infeasible.mean()),
        "least_margin_m": float(outcome.least_margin.min()),
    }


def false_shares(value: Callable[[Any], Any], truth: GridValue) -> dict[str, float]:
    """Return the share of the doomed ring and of all unavoidable states that V calls safe, and of safe ones refused."""
    axes = [np.linspace(a, b, k) for a, b, k in zip(truth.low, truth.high, truth.values.shape, strict=True)]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    safe = value(x) >= 0.0
    exact, margin = truth.values.reshape(-1), truth.margin.reshape(-1)
    return {
        "false_safe_ring": float(safe[(exact < 0.0) & (margin >= 0.0)].mean()),
        "false_safe_unavoidable": float(safe[exact < 0.0].mean()),
        "false_unsafe": float((~safe)[exact >= 0.0].mean()),
    }


def _truth_figures(truth: GridValue) -> dict[str, float]:
    below, failed = truth.values < 0.0, truth.margin < 0.0
    return {
        "unavoidable_share_of_box": float(below.mean()),
        "failed_share_of_box": float(failed.mean()),
        "doomed_ring_share_of_box": float((below & ~failed).mean()),
    }


def _table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mean and 95 % interval over the seeds, per controller."""
    table = []
    for key, words in NAMES.items():
        mine = [r for r in rows if r["controller"] == key]
        if not mine:
            continue
        entry: dict[str, Any] = {
            "controller": key,
            "name": words,
            "seeds": len(mine),
            "starts": mine[0]["starts"],
        }
        for figure in (
            "violations",
            "return",
            "interventions",
            "infeasible",
            "false_safe_ring",
            "false_safe_unavoidable",
            "false_unsafe",
        ):
            values = [r[figure] for r in mine if figure in r]
            if values:
                entry[figure] = _interval(values)
        table.append(entry)
    return table


def _interval(values: list[float]) -> dict[str, float]:
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"mean": mean}
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def _journal() -> list[dict[str, Any]]:
    path = HERE / "rows.jsonl"
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    )


def _short(progress: Callable[[str], None]) -> dict[str, Any]:
    """Judge the kept weights from other, fewer starts, against a coarser truth."""
    truth = solve_grid(BOAT, (126, 101), 0.04)
    kept = _journal()
    rows = []
    for name, count in SHORT_STARTS.items():
        for seed in SEEDS if name == "vocbf" else SEEDS[:1]:
            if not weights_file(name, seed).exists():
                continue
            learned = _as_learned(load_barrier(weights_file(name, seed)), name)
            starts = safe_starts(LOW, HIGH, truth.value, count, 1000 + seed, 0.05)
            gradient = learned.barrier.values_and_gradients  # pyright: ignore[reportOptionalMemberAccess]
            filters = {
                "vocbf": bounded_filter(BOAT, gradient, ALPHA),
                "published": published_filter(BOAT, gradient),
            }
            outcome = simulate(BOAT, starts, filters[name], clip=True)
            row = _figures(name, outcome) | false_shares(gradient_free(learned), truth) | {"seed": seed}
            reference = next(r for r in kept if r["controller"] == name and r["seed"] == seed)
            _agree(row, reference, outcome)
            rows.append(row)
            progress(
                f"seed {seed} {name}: {100 * row['violations']:.1f} % violations, return {row['return']:.1f}"
            )
    return {"whole": False, "truth": _truth_figures(truth), "table": _table(rows), "kept": _table(kept)}


def gradient_free(learned: Learned) -> Callable[[Any], Any]:
    """Return V of a learned barrier."""
    if learned.value is None:
        raise ReflexArcError(f"{learned.learner}: has no value function")
    return learned.value


def _agree(row: dict[str, Any], kept: dict[str, Any], outcome: Outcome) -> None:
    """Refuse figures that 120 starts do not explain: odds of 1 in 10,000, and five standard errors of the return."""
    count = row["starts"]
    seen = round(row["violations"] * count)
    share = max(kept["violations"], 1.0 / kept["starts"])
    odds = min(float(binom.cdf(seen, count, share)), float(binom.sf(seen - 1, count, share)))
    spread = 5.0 * float(outcome.returns.std()) / math.sqrt(count) + 1.0
    if odds < 1e-4 or abs(row["return"] - kept["return"]) > spread:
        raise ReflexArcError(
            f"{row['controller']} of seed {kept['seed']}: {100 * row['violations']:.1f} % violations at a return of "
            f"{row['return']:.1f}, but {100 * kept['violations']:.1f} % at {kept['return']:.1f} are kept; "
            "repeat the full run"
        )


def _plot(truth: GridValue, path: Path) -> None:
    """Draw the boat's plane: islands, true zero level, zero levels of the kept barriers of seed 0."""
    import matplotlib  # noqa: PLC0415 - only the full run draws

    matplotlib.use("svg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    plt.rcParams["svg.hashsalt"] = "reflexarc"
    axes = [np.linspace(a, b, k) for a, b, k in zip(truth.low, truth.high, truth.values.shape, strict=True)]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    figure, ax = plt.subplots(figsize=(6.0, 4.8), layout="constrained")
    ax.contourf(*axes, truth.margin.T, levels=[-9.0, 0.0], colors=["#d9d2c5"])
    ax.contour(*axes, truth.values.T, levels=[0.0], colors="black", linewidths=1.2)
    handles = [ax.plot([], [], color="black", linewidth=1.2, label="truth (grid)")[0]]
    for name, colour in (("vocbf", "#0b6fb8"), ("published", "#c8641e")):
        if weights_file(name, 0).exists():
            value = load_barrier(weights_file(name, 0)).values(x).reshape(truth.values.shape)
            ax.contour(*axes, value.T, levels=[0.0], colors=colour, linewidths=1.2, linestyles="--")
            handles += ax.plot(
                [], [], color=colour, linewidth=1.2, linestyle="--", label=NAMES[name].split(",")[0]
            )
    ax.set(xlim=(-2.4, 1.2), ylim=(-2.0, 1.3), xlabel="x [m]", ylabel="y [m]", aspect="equal")
    ax.set_title("Boat: where the value is zero. The current pushes to the right.", fontsize=10)
    ax.legend(handles=handles, frameon=False, fontsize=9, loc="center right")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
