# SPDX-License-Identifier: Apache-2.0
"""Part of the study: linear systems, whose worst gain and least attainable gain are known."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from scipy.stats import bootstrap

from reflexarc.core.errors import ConfigError
from reflexarc.core.paths import models_dir
from reflexarc.robust.learner import Learner, Training
from reflexarc.robust.linear.gain import hinf_gain
from reflexarc.robust.linear.game import least_gain
from reflexarc.robust.linear.measure import found_share, gain_ratio
from reflexarc.robust.linear.problem import LinearProblem
from reflexarc.robust.linear.systems import SYSTEMS, system
from reflexarc.robust.ppo import PpoConfig
from reflexarc.robust.recipe import read_recipe
from reflexarc_sim.quadruped.settings import make_walk

SEEDS = tuple(range(5))
SHORT_SYSTEM = "mass_spring_damper"
HORIZON = {"mass_spring_damper": 60, "double_integrator": 60, "cart_pole": 80}
"""Steps of the frozen loop."""
ITERATIONS = 60
DISTURBER = Training(
    iterations=ITERATIONS, steps=60, actor=False, hidden=(), std=1e-3, std_floor=1e-3, price="gain", constrained=False,
    push_std=0.3, push_floor=0.02, ppo=PpoConfig(gamma=1.0, trace=0.97, entropy=0.0, critic_rate=0.01),
)  # fmt: skip
ASKED_SHARE, ASKED_RATIO = 0.9, 1.15


def run(full: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Train disturbers against frozen loops, and both players, for every system and seed.

    Args:
        full: all systems and seeds; else one of each, with a third of the iterations.
        progress: told every training.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # see reflexarc.cli._hinf
    names, seeds = (tuple(SYSTEMS), SEEDS) if full else ((SHORT_SYSTEM,), SEEDS[:1])
    part = 1.0 if full else 1.0 / 3.0
    figures = {}
    for name in names:
        disturber = _rows(
            lambda seed, n=name: _disturber(n, seed, part), seeds, f"{name} disturber", progress
        )
        actor = _rows(lambda seed, n=name: _actor(n, seed, part), seeds, f"{name} actor", progress)
        figures[name] = {
            "true": _truth(name),
            "disturber": disturber,
            "share": interval([row["share"] for row in disturber]),
            "actor": actor,
            "ratio": interval([row["ratio"] for row in actor if row["ratio"] is not None]),
        }
    return figures


def _rows(
    make: Callable[[int], dict[str, Any]], seeds: tuple[int, ...], what: str, progress: Callable[[str], None]
) -> list[dict[str, Any]]:
    rows = []
    for seed in seeds:
        started = time.process_time()
        rows.append({"seed": seed, **make(seed), "cpu_s": round(time.process_time() - started, 1)})
        progress(f"{what}, {rows[-1]}")
    return rows


def _disturber(name: str, seed: int, part: float) -> dict[str, Any]:
    """Against the loop with the regulator, the mass alone."""
    s = system(name)
    feedback = None if name == "mass_spring_damper" else s.lqr()
    steps = HORIZON[name]
    t = dataclasses.replace(DISTURBER, steps=steps, iterations=max(1, round(part * ITERATIONS)))
    one = Learner(LinearProblem(s, 128, steps, feedback), t, seed)
    one.run()
    return {"share": found_share(one)}


def _actor(name: str, seed: int, part: float) -> dict[str, Any]:
    """By the committed recipe; a loop that is not stable has no ratio."""
    recipe = read_recipe(models_dir() / "hinf" / name / "recipe.yaml")
    t = recipe.training
    t = dataclasses.replace(t, iterations=max(1, round(part * t.iterations)))
    one = Learner(recipe.where(make_walk, name), t, seed)
    one.run()
    try:
        return {"ratio": gain_ratio(one)}
    except ConfigError:
        return {"ratio": None}


def interval(values: list[float]) -> list[float] | None:
    """Return mean and 95 % bootstrap interval over seeds; None without any, the mean alone for one."""
    if len(values) < 2:
        return values or None
    found = bootstrap(
        (values,), np.mean, n_resamples=10_000, rng=np.random.default_rng(0), method="percentile"
    )
    return [float(np.mean(values)), *map(float, found.confidence_interval)]


def _truth(name: str) -> dict[str, float]:
    s = system(name)
    least = least_gain(s).gain
    lqr = hinf_gain(s, s.lqr())
    return {"least_gain": least, "regulator_gain": lqr, "regulator_ratio": float(np.sqrt(lqr / least))}


def headline(part: dict[str, Any]) -> dict[str, Any]:
    """Return the least share, the largest ratio, and how many of each are as asked."""
    shares = [row["share"] for found in part.values() for row in found["disturber"]]
    ratios = [row["ratio"] for found in part.values() for row in found["actor"]]
    stable = [ratio for ratio in ratios if ratio is not None]
    return {
        "disturber_least_share": round(min(shares), 3),
        "disturber_as_asked": f"{sum(s >= ASKED_SHARE for s in shares)} of {len(shares)}",
        "actor_largest_ratio": round(max(stable), 3) if stable else None,
        "actor_as_asked": f"{sum(r <= ASKED_RATIO for r in stable)} of {len(ratios)}",
    }
