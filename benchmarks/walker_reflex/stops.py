# SPDX-License-Identifier: Apache-2.0
"""A Go1 that walks as the scenario tells it, nobody pushing, is stopped at another time in every run.

`policy`: the task policy falls silent, the state stays known. `state`: the newest state is never followed by another,
so that after its age only the stance is left. `nothing`: it walks on, to see how many fall anyway.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from reflexarc.core.intervals import clopper_pearson
from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.walker_lockstep import WalkerRun

SCENARIO = "quadruped_push"
SEEDS, SHORT_SEEDS = 32, 2
FIRST_S, LAST_S, WATCHED_S = 2.0, 14.0, 5.0
WAYS = ("nothing", "policy", "state")
DELTA = 0.05


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Stop the robot in every way."""
    scenario = load_scenario(SCENARIO, {"walk.pushes.magnitude": [0.0, 0.0], "arc.walker.critic": False})
    rows = []
    for way in WAYS:
        found = [_stopped(scenario, seed, way) for seed in range(SEEDS if full else SHORT_SEEDS)]
        begun = [row for row in found if row is not None]
        up = sum(row["up"] for row in begun)
        low, high = clopper_pearson(up, len(begun), DELTA)
        speed = float(np.mean([row["speed"] for row in begun]))
        left = [row["left"] for row in begun if row["up"]]
        after = float(np.mean(left)) if left else None
        rows.append(
            {"lost": way, "runs": len(begun), "survived": up, "low": low, "high": high, "speed_before": speed,
             "speed_after": after}
        )  # fmt: skip
        progress(f"{way} lost: {up} of {len(begun)} stay up")
    return {"rows": rows}


def _stopped(scenario: Any, seed: int, way: str) -> dict[str, Any] | None:
    """Return what came of one run; None where it fell before."""
    start = float(np.random.default_rng(seed).uniform(FIRST_S, LAST_S))
    run = WalkerRun(scenario, seed, start + WATCHED_S)
    try:
        while run.plant.time < start and not run.over:
            run.step()
        if run.plant.fallen:
            return None
        before = float(np.linalg.norm(run.state.velocity[:2]))
        kept = run.state
        if way == "policy":
            run.policy.propose = lambda *_: None
        while not run.over:
            if way == "state":
                run.state = kept
            run.step()
        return {
            "up": not run.plant.fallen,
            "speed": before,
            "left": float(np.linalg.norm(run.state.velocity[:2])),
        }
    finally:
        run.plant.close()


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return how many stay up."""
    return {
        f"walker_upright_without_{row['lost']}": f"{row['survived']} of {row['runs']} "
        f"({row['low']:.2f} to {row['high']:.2f})"
        for row in part["rows"]
    }
