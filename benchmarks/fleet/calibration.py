# SPDX-License-Identifier: Apache-2.0
"""Are the learned critics right? Predicted steps and costs of every trained agent beside roll-outs on random pairs.

Half of the pairs calibrate the conformal bounds (`fleet.gcrl.calibration`), the other half tests them and fills the
table. On point maps pairs are binned by the least number of steps, known by dynamic programming; for the delivery robot
by the steps at full speed along the straight line, which no drive undercuts.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reflexarc.core.types import Array
from reflexarc.fleet.gcrl.agent import Agent, load_agent
from reflexarc.fleet.gcrl.calibration import conformal_bounds, coverage, report
from reflexarc.fleet.gcrl.delivery import SPEED
from reflexarc.fleet.gcrl.domain import Domain
from reflexarc.fleet.gcrl.point import PointDomain
from reflexarc.fleet.gcrl.recipe import STAGES
from reflexarc.fleet.gcrl.rollout import roll_out
from reflexarc.fleet.gcrl.truth import lattice, least_steps

MODELS = Path(__file__).resolve().parents[2] / "models" / "fleet"
PAIRS, SHORT_PAIRS = 4000, 400
LIMIT = 60
"""Steps after which a roll-out has failed; three times the longest way."""
ALPHA = 0.1
"""Share of misses that each bound allows."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return calibration and coverage of every agent in `models/fleet`.

    Args:
        full: all seeds and all pairs; else stage 1 of the first seed of each map and some pairs.
        progress: told what is going on.
    """
    rows = []
    for world in sorted(path.parent for path in MODELS.glob("*/recipe.yaml")):
        folders = sorted(world.glob("seed_*"))
        for folder in folders if full else folders[:1]:
            for stage in STAGES if full else STAGES[:1]:
                agent = load_agent(folder / f"{stage}.safetensors")
                found = judged(agent, PAIRS if full else SHORT_PAIRS)
                rows.append({"map": world.name, "seed": folder.name, "stage": stage} | found)
                progress(
                    f"{world.name} {folder.name} {stage}: {found['arrived']:.3f} arrive, bounds hold on "
                    f"{found['coverage']['steps_above']:.3f} of steps, {found['coverage']['cost_above']:.3f} of costs"
                )
    return {"alpha": ALPHA, "limit": LIMIT, "rows": rows}


def judged(agent: Agent, pairs: int) -> dict[str, Any]:
    """Return what roll-outs say about an agent."""
    states, goals, least = _pairs(agent.domain, pairs)
    steps, costs = agent.expected(states, goals)
    rolled = roll_out(agent, states, goals, LIMIT)
    known = np.isfinite(least) & (least > 0.0)
    parts = [
        (steps[:, k], costs[:, k], rolled.steps[k], rolled.cost[k])
        for k in (np.flatnonzero(known)[::2], np.flatnonzero(known)[1::2])
    ]
    bounds = conformal_bounds(*parts[0], alpha=ALPHA)
    return {
        "pairs": int(known.sum()),
        "arrived": float(rolled.success[known].mean()),
        "bins": report(*parts[1], least[np.flatnonzero(known)[1::2]]),
        "bounded": bool(np.isfinite(bounds.steps_above)),
        "coverage": coverage(bounds, *parts[1]),
    }


def _pairs(domain: Domain, count: int) -> tuple[Array, Array, Array]:
    """Return states, goals and the least steps between them, of which some are 0 or infinite."""
    rng = np.random.default_rng(1)
    u, w = (rng.uniform(size=(count, domain.draws)).astype(np.float32) for _ in range(2))
    goals = np.asarray(jax.jit(jax.vmap(lambda x: domain.place(domain.sample(x))))(w), dtype=np.float64)
    if isinstance(domain, PointDomain):
        table = lattice(domain)
        start = rng.integers(len(table.points), size=count)
        least = [least_steps(domain, table, goals[k : k + 1])[0, start[k]] for k in range(count)]
        return table.points[start], goals, np.array(least)
    states = np.asarray(jax.jit(jax.vmap(domain.sample))(u), dtype=np.float64)
    gap = np.hypot(*(states[:, :2] - goals).T) - domain.goal_radius
    return states, goals, np.ceil(np.maximum(gap, 0.0) / (SPEED[1] * domain.period))


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return per map and stage how many arrive, and how often the bounds hold, for the worst seed."""
    out: dict[str, Any] = {}
    for world, stage in dict.fromkeys((row["map"], row["stage"]) for row in part["rows"]):
        rows = [row for row in part["rows"] if (row["map"], row["stage"]) == (world, stage)]
        label = f"calibration_{world}_{stage}"
        out[f"{label}_arrived"] = min(row["arrived"] for row in rows)
        for what in ("steps", "cost"):
            out[f"{label}_{what}_bounded"] = min(row["coverage"][f"{what}_above"] for row in rows)
    return out
