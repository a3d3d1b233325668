# SPDX-License-Identifier: Apache-2.0
"""From an agent to a roadmap, and starts and goals attached to one."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.gcrl.agent import Agent
from reflexarc.fleet.gcrl.categorical import quantile, tail_mean
from reflexarc.fleet.roadmap import (
    Edges,
    Judge,
    Roadmap,
    RoadmapOptions,
    cover,
    draw_roadmap,
    merged,
)
from reflexarc.fleet.roadmap_file import cached_roadmap, roadmap_digest

HEADINGS = 4
"""States that are tried at a place whose domain knows more than the place; the worst of them counts."""


def judge_of(agent: Agent, options: RoadmapOptions) -> Judge:
    """Return what the agent's ensembles say about pairs of places.

    Where a state holds more than its place (a heading), several evenly spread ones are tried at the start, and the
    longest and the dearest of them count.
    """
    domain = agent.domain
    draws = 1 if domain.state_size == domain.goal_size else HEADINGS

    def judge(starts: Array, goals: Array) -> Edges:
        tried: list[Edges] = []
        for k in range(draws):
            u = np.full(len(starts), k / draws, dtype=np.float32)
            states = (
                starts if draws == 1 else np.array(_states(domain, np.asarray(starts, np.float32), u), float)
            )
            j = agent.judge(states, goals)
            late = np.asarray(quantile(j.distance, j.distance_atoms, max(options.quantile, 0.5)))
            tail = np.asarray(tail_mean(j.cost, j.cost_atoms, options.tail))
            tried.append(Edges(j.steps, j.costs, late.max(axis=0), tail.max(axis=0)))
        names = ("steps", "costs", "quantile", "tail")
        return Edges(*(np.max([getattr(one, name) for one in tried], axis=0) for name in names))

    return judge


def _dwell(agent: Agent, places: Array) -> Array:
    domain = agent.domain
    states = _states(domain, np.asarray(places, np.float32), np.zeros(len(places), np.float32))
    return np.asarray(_costs(domain, states), dtype=np.float64)


def free_places(agent: Agent, count: int, seed: int) -> Array:
    """Return random free places, shape (count, 2)."""
    u = np.random.default_rng(seed).uniform(size=(count, agent.domain.draws)).astype(np.float32)
    return np.asarray(_places(agent.domain, u), dtype=np.float64)


@partial(jax.jit, static_argnums=0)
def _places(domain: Any, u: Any) -> Any:
    return jax.vmap(lambda one: domain.place(domain.sample(one)))(u)


@partial(jax.jit, static_argnums=0)
def _states(domain: Any, places: Any, u: Any) -> Any:
    return jax.vmap(domain.state_at)(places, u)


@partial(jax.jit, static_argnums=0)
def _costs(domain: Any, states: Any) -> Any:
    return jax.vmap(domain.cost)(states)


def learned_roadmap(
    agent: Agent,
    options: RoadmapOptions,
    corrections: Mapping[str, float] | None = None,
    cache: Path | None = None,
) -> Roadmap:
    """Return the agent's roadmap, from the cache if it is there.

    Args:
        agent: whose policy will drive the edges.
        options: see there.
        corrections: `steps_above`, `steps_below` and `cost_above` of a calibration.
        cache: folder of roadmaps named by digest; None for no cache.

    Raises:
        ConfigError: learned values that are not finite.
    """
    extra = {k: float(v) for k, v in (corrections or {}).items()}
    digest = roadmap_digest(agent.digest, options, extra)

    def make() -> Roadmap:
        judge = judge_of(agent, options)
        candidates = free_places(agent, options.candidates, options.seed)

        def distance(place: Array, others: Array) -> Array:
            if options.metric == "euclidean":
                return np.hypot(*(others - place).T)
            here = np.broadcast_to(place, others.shape)
            there = judge(here, others).steps.mean(axis=0), judge(others, here).steps.mean(axis=0)
            same = (others == place).all(axis=1)
            return np.where(same, 0.0, np.minimum(*there))

        chosen = cover(candidates, options.vertices, options.spacing, distance)
        places = candidates[chosen]
        return draw_roadmap(places, judge, _dwell(agent, places), options, agent.domain.period, digest, extra)

    return make() if cache is None else cached_roadmap(cache, digest, make)


def attached(
    roadmap: Roadmap,
    agent: Agent,
    starts: Array,
    goals: Array,
    options: RoadmapOptions,
    corrections: Mapping[str, float] | None = None,
) -> tuple[Roadmap, Sequence[int], Sequence[int]]:
    """Return the roadmap with starts (k, 2) and goals (k, 2) as vertices, and their numbers.

    Edges lead from starts and to goals only, by the same thresholds; each agent may also drive straight to its goal.

    Raises:
        ConfigError: a start from which, or a goal to which, no edge leads; it says which.
    """
    n, k = roadmap.graph.vertices, len(starts)
    places = np.concatenate([roadmap.graph.positions, starts, goals])
    old = np.arange(n)
    first, last = np.arange(n, n + k), np.arange(n + k, n + 2 * k)
    tail = np.concatenate([np.repeat(first, n), np.tile(old, k), first])
    head = np.concatenate([np.tile(old, k), np.repeat(last, n), last])
    more = draw_roadmap(
        places,
        judge_of(agent, options),
        np.concatenate([roadmap.dwell, _dwell(agent, places[n:])]),
        options,
        roadmap.period,
        roadmap.digest,
        corrections,
        (tail, head),
    )
    whole = merged(roadmap, more)
    out, into = np.diff(whole.graph.first), np.diff(whole.graph.back_first)
    for what, vertices, degree in (("start", first, out), ("goal", last, into)):
        lonely = vertices[degree[vertices] == 0]
        if len(lonely):
            number = int(lonely[0] - vertices[0])
            raise ConfigError(
                f"agent {number}: its {what} {places[lonely[0]].round(3).tolist()} has no edge within "
                f"{options.longest:g} steps and cost {options.dearest:g}; {len(lonely)} of {k} are like that"
            )
    return whole, first.tolist(), last.tolist()
