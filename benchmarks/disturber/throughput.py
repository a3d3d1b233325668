# SPDX-License-Identifier: Apache-2.0
"""Part of the study: control steps per second of a walker's training, physics and learner together.

Wall time means something on a machine with nothing else to do only; processor time more or less everywhere.
"""

import dataclasses
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from walker_methods import FIRST, OURS, RECIPES

from reflexarc.robust.learner import Learner
from reflexarc.robust.recipe import read_recipe
from reflexarc_sim.quadruped.settings import make_walk

KINDS = (FIRST, OURS)
ITERATIONS, FIRST = 40, 3
"""Measured ones, and those before them, which compile."""
ASKED = 10_000
"""Control steps per second on two idle cores."""


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Train for a while, pushed by chance and beside a disturber.

    Args:
        full: 40 iterations of each; else 2.
        progress: told every kind.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # see reflexarc.cli._hinf
    figures: dict[str, Any] = {"cores": os.cpu_count()}
    for kind in KINDS:
        recipe = read_recipe(RECIPES / kind / "recipe.yaml")
        if not full:
            recipe = dataclasses.replace(recipe, episodes=64)
        learner = Learner(recipe.where(make_walk, kind), recipe.training, 0)
        for _ in range(FIRST):
            learner.step()
        wall, cpu = [], time.process_time()
        for _ in range(ITERATIONS if full else 2):
            started = time.perf_counter()
            learner.step()
            wall.append(time.perf_counter() - started)
        cpu = time.process_time() - cpu
        steps = recipe.episodes * recipe.training.steps
        figures[kind] = {
            "steps_per_s": steps / float(np.median(wall)),
            "steps_per_s_p99": steps / float(np.quantile(wall, 0.99)),
            "steps_per_core_s": steps * len(wall) / cpu,
        }
        progress(f"{kind}: {figures[kind]}")
    return figures


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the steps per second and per core-second of both kinds."""
    return {f"{key} {kind}": round(part[kind][key]) for kind in KINDS for key in part[kind]}
