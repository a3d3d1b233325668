# SPDX-License-Identifier: Apache-2.0
"""What policies, critic and recovery do together, from many episodes at once, and thresholds calibrated with them."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.core.types import Array
from reflexarc.reflex.calibration import Reliability, controlled_threshold, reliability, tested_threshold
from reflexarc.reflex.loop import Outcome, Shield, run_episodes
from reflexarc.reflex.networks import Networks, greedy, risk_of
from reflexarc.reflex.problem import Problem

GRID = np.concatenate([np.geomspace(1e-3, 0.1, 13), np.linspace(0.15, 0.95, 17)])
"""Thresholds that conformal calibration chooses from."""
TESTED = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
"""Thresholds that are tested: each one more costs power."""
AHEAD = 10
"""Decisions within which a refused action must lead to failure for the reflex to be called right."""


def episodes(problem: Problem, networks: Networks, shield: Shield, count: int, seed: int) -> Outcome:
    """Run `count` episodes with the policies' means; same seed, same starts and noise."""
    rng = np.random.default_rng(seed)
    starts = problem.start(jnp.asarray(rng.standard_normal((count, problem.chance)), dtype=jnp.float32))
    return _from(problem, networks, shield, starts, seed)


def _from(problem: Problem, networks: Networks, shield: Shield, starts: Any, seed: int) -> Outcome:
    guard = Shield(*(jnp.float32(x) for x in shield))
    found = _run(problem, networks, guard, starts, jax.random.key(seed))
    reached, failed, steps, reflexes = (np.asarray(x) for x in found[:-1])
    return Outcome(reached, failed, steps, reflexes, found.at_reflex)


_run = eqx.filter_jit(run_episodes)


class Figures(NamedTuple):
    """Shares of episodes, and means over them."""

    success: float
    failure: float
    steps: float
    """Of the successful ones. [control steps]"""
    reflexes: float
    """Per episode."""
    false_reflexes: float
    """Share of first reflexes after which nothing would have happened for `AHEAD` decisions; NaN without any."""


def judged(problem: Problem, networks: Networks, shield: Shield, count: int, seed: int) -> Figures:
    """Return the figures of `count` episodes."""
    o = episodes(problem, networks, shield, count, seed)
    acted = o.reflexes > 0
    false = np.nan
    if acted.any():
        alone = _from(problem, networks, Shield(), o.at_reflex, seed + 1)
        harm = alone.failed & (alone.steps <= AHEAD * problem.length)
        false = float(1.0 - harm[acted].mean())
    steps = float(o.steps[o.reached].mean()) if o.reached.any() else np.nan
    return Figures(float(o.reached.mean()), float(o.failed.mean()), steps, float(o.reflexes.mean()), false)


def calibrated(
    problem: Problem,
    networks: Networks,
    shield: Shield,
    alpha: float,
    count: int,
    seed: int,
    grid: Array = GRID,
) -> float:
    """Return the threshold of `grid` that conformal risk control promises `alpha` of, from `count` episodes each.

    Where there is none, it is the shield's own.
    """
    kept, failed = None, []
    for k, x in enumerate(grid, 1):
        failed.append(episodes(problem, networks, shield._replace(threshold=x), count, seed).failed)
        found = controlled_threshold(grid[:k], np.array(failed), alpha)
        if found != x:  # this one is too large, and then so is every larger one
            break
        kept = found
    return float(shield.threshold) if kept is None else kept


def tested(
    problem: Problem,
    networks: Networks,
    shield: Shield,
    alpha: float,
    count: int,
    seed: int,
    grid: Array = TESTED,
) -> float | None:
    """Return the threshold of `grid` that learn then test passes for `alpha`, from `count` episodes each; None without.

    Of those that pass, the one that reaches the goal most often.
    """
    found = [episodes(problem, networks, shield._replace(threshold=x), count, seed) for x in grid]
    failed, reached = (np.array([getattr(o, name) for o in found]) for name in ("failed", "reached"))
    return tested_threshold(grid, failed, reached, alpha)


def critic_reliability(problem: Problem, networks: Networks, count: int, seed: int) -> Reliability:
    """Return how the critic's risk of probes compares with gamma^t of the failures that follow under the task's policy.

    The risk is that of the task policy's own action, so that prediction and outcome are of the same behaviour.
    """
    places, _ = problem.probes(count, np.random.default_rng(seed))
    places = jax.tree.map(jnp.asarray, places)
    sound = ~np.asarray(problem.failed(places))
    places = jax.tree.map(lambda x: x[sound].astype(x.dtype), places)
    seen = problem.observe(places)
    action = problem.proposed(seen, greedy(networks.task, problem.task_seen(seen)))
    risk = np.asarray(risk_of(networks.risk, problem.judged(seen, action)))
    o = _from(problem, networks, Shield(), places, seed)
    decisions = np.maximum(np.ceil(o.steps / problem.length) - 1.0, 0.0)
    happened = np.where(o.failed, (problem.gamma**problem.hold) ** decisions, 0.0)
    return reliability(risk, happened)
