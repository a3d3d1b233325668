# SPDX-License-Identifier: Apache-2.0
"""Part of the study: the smallest push that makes a stack fail, guided by margins and by chance, with equal runs."""

import time
from collections.abc import Callable
from typing import Any

from reflexarc.core.errors import ConfigError
from reflexarc.robust.attack import Search, Stack, attack
from reflexarc_sim.attacks import ArmStack, BaseStack
from reflexarc_sim.scenario import load_scenario

SEEDS = tuple(range(2))
"""Of the search; the run is the same."""
RUN_SEED = 0
LENGTH_S = {"sidewalk_delivery": 12.0, "maze_arm": 6.0}
MOST, RUNS, SHORT_RUNS = 200.0, 60, 12


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Attack every stack; a short run attacks the arm alone, once.

    Args:
        full: the whole study instead of a short run.
        progress: told every search.
    """
    stacks = _stacks() if full else {"maze_arm": _stacks()["maze_arm"]}
    runs, seeds = (RUNS, SEEDS) if full else (SHORT_RUNS, SEEDS[:1])
    rows = []
    for name, make in stacks.items():
        for seed in seeds:
            for guided in (True, False):
                rows.append(
                    {"stack": name, "seed": seed, "guided": guided, **_attacked(make(), seed, runs, guided)}
                )
                progress(f"{rows[-1]}")
    return {"runs": runs, "most": MOST, "rows": rows}


def _stacks() -> dict[str, Callable[[], Stack]]:
    delivery, arm = load_scenario("sidewalk_delivery"), load_scenario("maze_arm")
    length = LENGTH_S["sidewalk_delivery"]
    return {
        "sidewalk_delivery": lambda: BaseStack(delivery, RUN_SEED, length),
        "maze_arm": lambda: ArmStack(arm, RUN_SEED, LENGTH_S["maze_arm"]),
    }


def _attacked(stack: Stack, seed: int, runs: int, guided: bool) -> dict[str, Any]:
    started = time.process_time()
    try:
        found = attack(stack, Search(runs=runs, most=MOST, seed=seed, guided=guided))
    except ConfigError as error:
        return {"size": None, "unit": stack.size_unit, "of_weight": None, "what": str(error), "cpu_s": 0.0}
    return {
        "size": found.size,
        "unit": stack.size_unit,
        "of_weight": None if found.size is None else found.size / stack.weight,
        "what": found.what,
        "cpu_s": round(time.process_time() - started, 1),
    }


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the smallest push found of every stack, and how often guidance found a smaller one than chance."""
    rows = part["rows"]
    figures: dict[str, Any] = {}
    for stack in dict.fromkeys(row["stack"] for row in rows):
        sizes = [row["size"] for row in rows if row["stack"] == stack and row["size"] is not None]
        unit = next(row["unit"] for row in rows if row["stack"] == stack).replace(" ", "_")
        figures[f"attack_{stack}_{unit}".replace(" ", "_")] = round(min(sizes), 2) if sizes else None
    pairs = [
        (row["size"], other["size"])
        for row in rows
        for other in rows
        if row["guided"]
        and not other["guided"]
        and (row["stack"], row["seed"]) == (other["stack"], other["seed"])
    ]
    better = sum(a is not None and (b is None or a < b) for a, b in pairs)
    return figures | {"attack_guided_smaller": f"{better} of {len(pairs)}"}
