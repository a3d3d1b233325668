# SPDX-License-Identifier: Apache-2.0
"""What policies, critic and recovery do together, from many episodes at once, and thresholds calibrated with them."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from reflexarc.reflex.calibration import Reliability, controlled_threshold, reliability
from reflexarc.reflex.loop import Outcome, Shield, run_episodes
from reflexarc.reflex.navigation import Navigation
from reflexarc.reflex.networks import Networks, greedy, risk_of

GRID = np.concatenate([np.geomspace(1e-3, 0.1, 13), np.linspace(0.15, 0.95, 17)])
"""Thresholds that calibration chooses from."""
AHEAD = 10
"""Decisions within which a refused action must lead to failure for the reflex to be called right."""


def episodes(problem: Navigation, networks: Networks, shield: Shield, count: int, seed: int) -> Outcome:
    """Run `count` episodes with the policies' means; same seed, same starts and noise."""
    rng = np.random.default_rng(seed)
    starts = np.asarray(problem.start(rng.standard_normal((count, 2))), dtype=np.float32)
    return _from(problem, networks, shield, starts, seed)


def _from(problem: Navigation, networks: Networks, shield: Shield, starts: Any, seed: int) -> Outcome:
    guard = Shield(*(jnp.float32(x) for x in shield))
    found = _run(problem, networks, guard, jnp.asarray(starts), jax.random.key(seed))
    return Outcome(*(np.asarray(x) for x in found))


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


def judged(problem: Navigation, networks: Networks, shield: Shield, count: int, seed: int) -> Figures:
    """Return the figures of `count` episodes."""
    o = episodes(problem, networks, shield, count, seed)
    acted = o.reflexes > 0
    false = np.nan
    if acted.any():
        where = np.where(acted[:, None], o.at_reflex, 0.0).astype(np.float32)
        alone = _from(problem, networks, Shield(), where, seed + 1)
        harm = alone.failed & (alone.steps <= AHEAD * problem.length)
        false = float(1.0 - harm[acted].mean())
    steps = float(o.steps[o.reached].mean()) if o.reached.any() else np.nan
    return Figures(float(o.reached.mean()), float(o.failed.mean()), steps, float(o.reflexes.mean()), false)


def calibrated(
    problem: Navigation, networks: Networks, shield: Shield, alpha: float, count: int, seed: int
) -> float:
    """Return the threshold that keeps the rate of failed episodes at `alpha`, from `count` episodes per threshold."""
    failed = [episodes(problem, networks, shield._replace(threshold=x), count, seed).failed for x in GRID]
    return controlled_threshold(GRID, np.array(failed), alpha)


def critic_reliability(problem: Navigation, networks: Networks, count: int, seed: int) -> Reliability:
    """Return how the critic's risk of probes compares with gamma^t of the failures that follow under the task's policy.

    The risk is that of the task policy's own action, so that prediction and outcome are of the same behaviour.
    """
    places, _ = problem.probes(count, np.random.default_rng(seed))
    places = places[~np.asarray(problem.failed(places))].astype(np.float32)
    seen = problem.features(jnp.asarray(places))
    risk = np.asarray(risk_of(networks.risk, seen, greedy(networks.task, seen)))
    o = _from(problem, networks, Shield(), places, seed)
    decisions = np.maximum(np.ceil(o.steps / problem.length) - 1.0, 0.0)
    happened = np.where(o.failed, (problem.gamma**problem.hold) ** decisions, 0.0)
    return reliability(risk, happened)
