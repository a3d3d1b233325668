# SPDX-License-Identifier: Apache-2.0
"""How long a tick of the arc takes while the robot walks, with and without the reflex acting, and a decision."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.walker_lockstep import WalkerRun

SCENARIO = "quadruped_push"
FULL_S, SHORT_S = 60.0, 5.0
DECISIONS = 5000


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Let it walk, then let it recover all the time, then decide again and again."""
    seconds = FULL_S if full else SHORT_S
    calm = {"walk.pushes.magnitude": [0.0, 0.0]}
    found = {}
    for name, changed in (("walking", {}), ("reflex", {"arc.walker.threshold": 0.0})):
        run = WalkerRun(load_scenario(SCENARIO, calm | changed), 0, seconds)
        while not run.over:
            run.step()
        used = run.finish().log["time_used"]
        found[name] = _quantiles(1e6 * used)
        progress(f"{name}: {found[name]}")
    state, told, taken = run.state, np.array([0.5, 0.0, 0.0]), []
    for k in range(DECISIONS if full else DECISIONS // 10):
        began = time.perf_counter()
        run.policy.propose(state, told, 100.0 + 0.02 * k)
        taken.append(time.perf_counter() - began)
    run.plant.close()
    return found | {"decision": _quantiles(1e6 * np.array(taken))}


def _quantiles(microseconds: Any) -> dict[str, float]:
    p50, p99, most = np.quantile(microseconds, [0.5, 0.99, 1.0]).tolist()
    return {
        "ticks": len(microseconds),
        "p50_us": round(p50, 1),
        "p99_us": round(p99, 1),
        "max_us": round(most, 1),
    }


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return medians and 99 % quantiles in microseconds."""
    return {
        f"walker_{name}_us": f"{row['p50_us']:.0f} (99 %: {row['p99_us']:.0f}, most {row['max_us']:.0f})"
        for name, row in part.items()
    }
