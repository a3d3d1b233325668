# SPDX-License-Identifier: Apache-2.0
"""The published planners on the protocol's problems: random nodes, unit steps, CBS, waypoints by learned distance.

What differs from the released code: the CBS finds every conflict of vertices and swaps, a problem without a plan fails,
and a waypoint that is nearer than a goal's radius counts as reached whatever its learned distance.
"""

import math
import time
from typing import NamedTuple

import numpy as np
from protocol_team import LIMIT, Outcome, Problem, Tally, no_plan

from reflexarc.core.types import Array
from reflexarc.fleet.cbs import solve
from reflexarc.fleet.gcrl.agent import Agent
from reflexarc.fleet.gcrl.mapping import free_places
from reflexarc.fleet.graph import UNREACHABLE, steps_to
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.roadmap import directed_graph

SORB_NODES, SORB_LONGEST = 1000, 7.0
"""Nodes of the published graph and its longest edge. [steps]"""
WAYPOINT = 2.0
"""Learned distance at which the published execution turns to the next waypoint. [steps]"""


class Nodes(NamedTuple):
    """The published graph over random nodes."""

    positions: Array
    tail: np.ndarray
    head: np.ndarray


def random_nodes(agent: Agent, costs: Agent, dearest: float, seed: int) -> Nodes:
    """Return 1,000 random nodes and the edges whose largest predicted distance and cost stay below the limits."""
    places = free_places(agent, SORB_NODES, seed)
    i, j = (k.ravel() for k in np.meshgrid(np.arange(SORB_NODES), np.arange(SORB_NODES), indexing="ij"))
    keep = _short(agent, costs, places[i], places[j], dearest) & (i != j)
    return Nodes(places, i[keep], j[keep])


def _short(agent: Agent, costs: Agent, starts: Array, goals: Array, dearest: float) -> np.ndarray:
    """Return which pairs are near enough, and cheap enough for the agent that judges the costs."""
    out = np.zeros(len(starts), dtype=bool)
    index = np.flatnonzero(np.hypot(*(starts - goals).T) < 1.5 * SORB_LONGEST)
    near = agent.expected(starts[index], goals[index])[0].max(axis=0) < SORB_LONGEST
    if math.isfinite(dearest):
        near &= costs.expected(starts[index], goals[index])[1].max(axis=0) < dearest
    out[index[near]] = True
    return out


def published(agent: Agent, costs: Agent, nodes: Nodes, problem: Problem, dearest: float) -> Outcome:
    """Plan by CBS with unit steps over the nodes and follow the waypoints by the learned distance."""
    began = time.process_time()
    n, k = len(nodes.positions), len(problem.starts)
    places = np.concatenate([nodes.positions, problem.starts, problem.goals])
    first, last, old = np.arange(n, n + k), np.arange(n + k, n + 2 * k), np.arange(n)
    tail = np.concatenate([np.repeat(first, n), np.tile(old, k), first])
    head = np.concatenate([np.tile(old, k), np.repeat(last, n), last])
    keep = _short(agent, costs, places[tail], places[head], dearest)
    tail, head = np.concatenate([nodes.tail, tail[keep]]), np.concatenate([nodes.head, head[keep]])
    order = np.lexsort((head, tail))
    graph = directed_graph(places, tail[order], head[order], np.ones(len(tail)))
    starts, goals = first.tolist(), last.tolist()
    if (steps_to(graph, goals)[np.arange(k), starts] == UNREACHABLE).any():
        return no_plan("no way", began)
    plan = solve(Instance(graph, tuple(starts), tuple(goals)), "cbs", 20.0)
    if not plan.solved:
        return no_plan("no plan", began)
    planning = time.process_time() - began
    routes = [[places[v] for v, _ in path][1:] for path in plan.paths]
    tally, at = Tally(agent, problem), np.zeros(k, dtype=int)
    while tally.steps < LIMIT and not tally.done.all():
        target = np.array([route[min(at[r], len(route) - 1)] for r, route in enumerate(routes)])
        tally.move(agent, tally.x, target, np.where(tally.done, 0, 2))
        near = agent.expected(tally.x, target)[0].mean(axis=0) < WAYPOINT
        near |= np.hypot(*(tally.x - target).T) < agent.domain.goal_radius
        at += near & (at < [len(route) - 1 for route in routes])
        tally.leap(np.append(at, tally.done))
    return tally.outcome(planning=planning)
