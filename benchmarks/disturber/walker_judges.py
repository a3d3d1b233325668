# SPDX-License-Identifier: Apache-2.0
"""What becomes of a frozen walker: the cases of the protocol, each with the same robots and pushes for every method."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.robust.intensity import Limits
from reflexarc.robust.recipe import Recipe
from reflexarc.robust.weights import load
from reflexarc_sim.quadruped.evaluate import judge
from reflexarc_sim.quadruped.protocol import Continuous, Learned, Nobody, Policy, Pusher, Sudden
from reflexarc_sim.quadruped.randomisation import NONE
from reflexarc_sim.quadruped.settings import judged_walk, settings_of
from reflexarc_sim.quadruped.terrain import LEVELS
from reflexarc_sim.quadruped.walk import Walk

CONTINUOUS = (25.0, 50.0, 75.0, 100.0)
"""Largest forces. [N]"""
SUDDEN = (50.0, 100.0, 150.0, 200.0)
"""Forces. [N]"""
ADVERSARIAL = (0.6, 1.0)
"""Limits of the disturber that learned against it, of the one that it learned with."""
PAYLOAD = (2.0, 4.0, 6.0)
"""On the trunk. [kg]"""
SLIPPERY = 0.2
"""Friction of the feet."""
TERRAIN = tuple(range(0, LEVELS, 3))
"""Levels of difficulty."""
FALL = 50.0
"""Cost of a fall in the gain, in the task's reward."""
Case = dict[str, float]


def walks(weights: Path, recipe: Recipe, robots: int) -> dict[str, float]:
    """Return how many robots that nobody pushes are upright after 20 s, and their errors."""
    walker: Policy = load(weights)[0]["actor"]
    walk = judged_walk(settings_of(recipe.quadruped, str(weights)), robots)
    found = judge(walk, walker, Nobody(), 0, FALL).figures()
    return {
        "upright": round(found["survival"] * robots),
        "robots": robots,
        **{key: found[key] for key in ("velocity_rmse", "yaw_rate_rmse")},
    }


def judged(
    weights: Path, attacker: Path, limits: Limits, recipe: Recipe, robots: int, seed: int, whole: bool = True
) -> dict[str, Case]:
    """Return the figures of every case.

    Args:
        weights: of the walker.
        attacker: weights of the disturber that learned against it.
        limits: of that disturber.
        recipe: of the walker, which says what robot it is.
        robots: of each case.
        seed: of commands and pushes.
        whole: also payload, slip and terrain.
    """
    walker: Policy = load(weights)[0]["actor"]
    settings = settings_of(recipe.quadruped, str(weights))

    def walk(**changes: Any) -> Walk:
        return judged_walk(settings, robots, dataclasses.replace(NONE, **changes))

    cases: dict[str, tuple[Callable[[], Walk], Callable[[], Pusher]]] = {"calm": (walk, Nobody)}
    for most in CONTINUOUS:
        cases[f"continuous {most:g} N"] = walk, lambda f=most: Continuous(f)
    for force in SUDDEN:
        cases[f"sudden {force:g} N"] = walk, lambda f=force: Sudden(f)
    disturber: Policy = load(attacker)[0]["disturber"]
    for part in ADVERSARIAL:
        held = dataclasses.replace(limits, most=part * limits.most)
        cases[f"adversarial {held.most:g} N"] = walk, lambda to=held: Learned(disturber, to, limits.most)
    if whole:
        for mass in PAYLOAD:
            cases[f"payload {mass:g} kg"] = lambda m=mass: walk(payload=(m, m)), Nobody
        cases[f"friction {SLIPPERY:g}"] = lambda: walk(friction=(SLIPPERY, SLIPPERY)), Nobody
        for level in TERRAIN:
            cases[f"terrain {level}"] = lambda k=level: judged_walk(settings, robots, level=k), Nobody
    found = {}
    for name, (where, pusher) in cases.items():
        figures = judge(where(), walker, pusher(), seed, FALL).figures()
        found[name] = {key: value for key, value in figures.items() if np.isfinite(value)}
    return found
