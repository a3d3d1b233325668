# SPDX-License-Identifier: Apache-2.0
r"""The protocol of Feng et al. (ICRA 2025) on the central-obstacle map, with collisions between robots counted.

Problems: 50 per difficulty; pairs of start and goal whose predicted distance is nearest to 2, 4 and 8 steps (the
largest distance over 8, 4 and 2); 1, 5, 10 and 20 robots, limit 300 steps, a goal is reached within 0.5. Cost: that
of the first state and of every step until the goal; with several robots the largest of them.

What is stricter than there: two robots collide if their centres come nearer than `apart` at any time, during sub-steps
too, at their goals too; a problem counts as solved only without a collision; one threshold for edges, fixed on other
problems, no fall-back to a policy where planning fails; costs of failures are in the mean (the original convention,
successes only, stands beside it). Starts, and goals, are 0.3 further apart than that: at exactly this distance two
neighbours could neither leave nor stand with any tolerance.

`apart` is 1.5 cells: the released planner's own default, 0.1 of the map's side, as the distance at which two robots
conflict; robots are then discs of 0.75 cells, 20 of which cover a sixth of the free map. The paper's runs set it to
zero and count no collision. The hardest case is also run with robots as wide as a cell, `apart` 1.0.

Methods, all with the same trained networks: the unconstrained and the constrained policy straight to the goal; SoRB +
CBS (1,000 random nodes, longest edge 7, unit steps, unconstrained); the published combination with constrained policy
and cost-limited edges, the limit fixed; both by an optimal CBS that detects every conflict. Ours: a roadmap by
coverage with learned durations and risks, a team plan of swept discs, and execution in the plan's order.
"""

import math
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from figures import mean_interval
from protocol_ours import OURS, cleaned, ours
from protocol_published import Nodes, published, random_nodes
from protocol_team import TUBE, Outcome, Problem, Problems, straight

from reflexarc.cli.journal import Journal
from reflexarc.core.intervals import clopper_pearson
from reflexarc.fleet.gcrl.agent import load_agent
from reflexarc.fleet.gcrl.mapping import learned_roadmap
from reflexarc.fleet.roadmap import Roadmap

DIFFICULTIES = {"easy": 2.0, "medium": 4.0, "hard": 8.0}
"""Name to predicted distance. [steps]"""
AGENTS = (1, 5, 10, 20)
APART = 1.5
"""Centres nearer than this collide. [m]"""
NARROW = 1.0
"""The same for smaller robots, hardest case only. [m]"""
HARDEST = ("hard", 20)
PROBLEMS = 50
PUBLISHED_DEAREST = 0.5
"""c_max of the published combination as a share of the trained limit; the best of its five on 2D hard."""
MODELS = Path(__file__).resolve().parents[2] / "models" / "fleet" / "center_dot"
PUBLISHED = {
    "easy": {"1": 0.49, "5": 1.68, "10": 2.24, "20": 2.72},
    "medium": {"1": 1.59, "5": 3.09, "10": 4.11, "20": 4.78},
    "hard": {"1": 3.09, "5": 6.01, "10": 7.24, "20": 8.36},
}
"""Mean largest cost of the paper's best method, successes only, no collisions counted, best of five thresholds."""


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """Return the figures of one method on one set of problems."""
    n = len(outcomes)
    executed = [o for o in outcomes if math.isfinite(o.cost)]
    successes = sum(o.success for o in outcomes)
    reached = [o for o in outcomes if o.reached]

    return {
        "problems": n,
        "success": successes / n,
        "success_interval": list(clopper_pearson(successes, n, 0.05)),
        "reached": len(reached) / n,
        "not_planned": n - len(executed),
        "collision_problems": sum(o.collisions > 0 for o in outcomes),
        "colliding_pairs": sum(o.collisions for o in outcomes),
        "cost": mean_interval([o.cost for o in executed]),
        "cost_of_reached": mean_interval([o.cost for o in reached]),
        "cost_of_reached_std": float(np.std([o.cost for o in reached])) if reached else None,
        "mean_cost": mean_interval([o.mean_cost for o in executed]),
        "steps": mean_interval([o.steps for o in reached]),
        "changed": float(np.mean([o.changed for o in executed])) if executed else None,
        "crept": float(np.mean([o.crept for o in executed])) if executed else None,
        "waits": float(np.mean([o.waits for o in executed])) if executed else None,
        "planning_s": float(np.median([o.planning for o in outcomes])),
    }


class Setting:
    """Everything that one seed's networks give; graphs are made when they are first needed."""

    def __init__(self, folder: Path) -> None:
        """Load the agents of one training."""
        self.free, self.careful = (
            load_agent(folder / f"{stage}.safetensors") for stage in ("unconstrained", "constrained")
        )
        self.dearest = PUBLISHED_DEAREST * float(self.careful.recipe["constrained"]["limit"])
        """c_max of the published combination."""

    @cached_property
    def sorb(self) -> Nodes:
        """SoRB's nodes and edges."""
        return random_nodes(self.free, self.free, math.inf, 0)

    @cached_property
    def limited(self) -> Nodes:
        """The published combination's nodes and edges."""
        return random_nodes(self.careful, self.free, self.dearest, 0)

    @cached_property
    def roadmap(self) -> Roadmap:
        """Ours."""
        return cleaned(self.careful, learned_roadmap(self.careful, OURS))


METHODS: dict[str, Callable[[Setting, Problem], Outcome]] = {
    "unconstrained policy": lambda s, p: straight(s.free, p),
    "constrained policy": lambda s, p: straight(s.careful, p),
    "SoRB + CBS": lambda s, p: published(s.free, s.free, s.sorb, p, math.inf),
    "published, one limit": lambda s, p: published(s.careful, s.free, s.limited, p, s.dearest),
    "ours": lambda s, p: ours(s.careful, s.roadmap, p),
}

SHORT = ("unconstrained policy", "ours")
"""Methods of a short run; the others need graphs of 1,000 nodes."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return success, collisions, costs and steps of every method.

    Args:
        full: all problems, all numbers of robots, all trained seeds; else a few problems of one.
        progress: told what is going on.
    """
    folders = sorted(MODELS.glob("seed_*"))
    count = PROBLEMS if full else 2
    journal = Journal("protocol" if full else "protocol_short")
    rows: list[dict[str, Any]] = []
    for folder in folders if full else folders[:1]:
        s = Setting(folder)
        for difficulty, robots, apart in cases(full, folder == folders[0]):
            case = f"{folder.name} {difficulty} {robots} {apart}"
            rng = np.random.default_rng([list(DIFFICULTIES).index(difficulty), robots])
            problems = Problems(s.free, robots, DIFFICULTIES[difficulty], apart, rng)
            for name, method in METHODS.items():
                if not full and name not in SHORT:
                    continue
                outcomes = []
                for k in range(count):
                    make = partial(_outcome, method, s, problems, k)
                    outcomes.append(Outcome(*journal.once(f"{case} {name} {k}", make)))
                row = {"seed": folder.name, "difficulty": difficulty, "robots": robots, "apart": apart}
                rows.append(row | {"method": name} | summary(outcomes))
                progress(
                    f"{case}, {name}: success {rows[-1]['success']:.2f}, cost {_first(rows[-1]['cost'])}"
                )
    return {"tube": TUBE, "published": PUBLISHED, "rows": rows, "seeds": over_seeds(rows)}


def cases(full: bool, first: bool) -> list[tuple[str, int, float]]:
    """Return difficulty, robots and distance of a seed's cases; the first seed has them all, others the hardest."""
    if not full:
        return [("hard", 5, APART)]
    if not first:
        return [(*HARDEST, APART)]
    return [(*HARDEST, NARROW), *((d, n, APART) for d in DIFFICULTIES for n in AGENTS)]


def over_seeds(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return per method on the hardest case the mean over the seeds' rows with its 95 % interval (Student)."""
    found: dict[str, Any] = {}
    for name in METHODS:
        mine = [
            r
            for r in rows
            if (r["difficulty"], r["robots"], r["apart"], r["method"]) == (*HARDEST, APART, name)
        ]
        if mine:
            found[name] = {
                "seeds": len(mine),
                "success": mean_interval([r["success"] for r in mine]),
                "cost": mean_interval([r["cost"][0] for r in mine if r["cost"]]),
                "colliding_pairs": sum(r["colliding_pairs"] for r in mine),
            }
    return found


def _outcome(
    method: Callable[[Setting, Problem], Outcome], s: Setting, problems: Problems, k: int
) -> Outcome:
    return method(s, problems[k])


def _first(interval: list[float | None] | None) -> str:
    return f"{interval[0]:.2f}" if interval else "unknown"


def headline(figures: dict[str, Any]) -> dict[str, Any]:
    """Return success, collisions and largest cost of every method on the hardest case, over the seeds."""
    out: dict[str, Any] = {}
    for name, found in figures["seeds"].items():
        for key in ("success", "cost"):
            out[f"hardest_{_label(name)}_{key}"] = found[key][0] if found[key] else None
        out[f"hardest_{_label(name)}_colliding_pairs"] = found["colliding_pairs"]
    return out


def _label(method: str) -> str:
    return "_".join(method.replace("+", "and").replace(",", "").split()).lower()
