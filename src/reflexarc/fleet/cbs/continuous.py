# SPDX-License-Identifier: Apache-2.0
r"""Continuous-time conflict-based search (CCBS class, Andreychuk et al. 2022): real durations, discs, swept volumes.

A conflict is two motions that collide; how it splits a node is in `reflexarc.fleet.cbs.collisions`. Conflicts are
chosen by how much both children cost more, which is remembered for pairs that a child does not touch. Those that share
no agent add up to the heuristic. An agent's search is `reflexarc.fleet.cbs.sipp`.
"""

import heapq
import itertools
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs.collisions import DUTY, PLACE, WAY, Rule, Timed, motion_of, rules_of, with_duty
from reflexarc.fleet.cbs.sipp import path_with_duties, times_to
from reflexarc.fleet.cbs.swept import first_overlap
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.plan import Clock, FleetPlan, Path_

_IMPROVED = 1e-9
"""Costs nearer than this are equal. [s]"""


class _Side(NamedTuple):
    """One agent's side of a conflict: what it must not do, and its plan then, None if it has none."""

    agent: int
    rule: Rule
    plan: Timed | None
    more: float
    """What that costs more. [s]"""


class _Node(NamedTuple):
    paths: tuple[Timed, ...]
    rules: tuple[tuple[Rule, ...], ...]
    conflicts: dict[tuple[int, int], tuple[int, int, float]]
    sides: dict[tuple[int, int], tuple[_Side, _Side]]
    """Of the conflicts already looked at."""
    cost: float


class ContinuousSearch:
    """Best-first search over the constraint tree."""

    def __init__(
        self, instance: Instance, time_limit: float, clock: Clock = time.perf_counter, disjoint: bool = True
    ) -> None:
        if instance.radius <= 0.0:
            raise ConfigError(
                "continuous time needs discs: the instance's radius is 0; give a radius > 0 [m]"
            )
        self.instance, self.graph = instance, instance.graph
        self.clock, self.deadline = clock, clock() + time_limit
        self.disjoint = disjoint
        self.to_go = times_to(instance.graph, instance.goals)
        self.tail = instance.graph.tail
        self._times_to: dict[int, np.ndarray] = {}
        self.edge_of = {
            pair: k for k, pair in enumerate(zip(self.tail.tolist(), self.graph.head.tolist(), strict=True))
        }
        self.reach = 2.0 * instance.radius
        self.expanded = 0
        self.lower_bound = 0.0

    def search(self, progress: Callable[[int, float], None] | None = None) -> _Node | None:
        """Return the cheapest node without conflicts; None if there is none, or time is up."""
        paths = [self._plan(agent, ()) for agent in range(self.instance.agents)]
        if any(path is None for path in paths):
            return None
        whole = tuple(path for path in paths if path is not None)
        conflicts: dict[tuple[int, int], tuple[int, int, float]] = {}
        for a, b in itertools.combinations(range(len(whole)), 2):
            self._find(whole, a, b, conflicts)
        root = _Node(whole, ((),) * len(whole), conflicts, {}, math.fsum(p.cost for p in whole))
        order = itertools.count()
        heap = [(root.cost, len(conflicts), next(order), root)]
        while heap:
            bound, _, _, node = heapq.heappop(heap)
            self.lower_bound = max(self.lower_bound, bound)
            if not node.conflicts:
                return node
            if self.clock() > self.deadline:
                return None
            h = self._rate(node)
            if h == math.inf:
                continue
            if node.cost + h > bound + _IMPROVED:
                heapq.heappush(heap, (node.cost + h, len(node.conflicts), next(order), node))
                continue
            self.expanded += 1
            if progress is not None and self.expanded % 16 == 0:
                progress(self.expanded, self.lower_bound)
            for child in self._branch(node):
                f = max(child.cost, bound)
                heapq.heappush(heap, (f, len(child.conflicts), next(order), child))
        return None

    def _rate(self, node: _Node) -> float:
        """Look at all conflicts of a node; return a lower bound on what it costs more."""
        for pair, (i, j, _) in node.conflicts.items():
            if pair in node.sides:
                continue
            motions = [
                motion_of(node.paths[agent], k, self.graph, self.edge_of)
                for agent, k in zip(pair, (i, j), strict=True)
            ]
            sides = []
            for agent, rule in zip(pair, rules_of(motions[0], motions[1], self.instance), strict=True):
                plan = self._plan(agent, (*node.rules[agent], rule))
                more = math.inf if plan is None else plan.cost - node.paths[agent].cost
                sides.append(_Side(agent, rule, plan, more))
            node.sides[pair] = (sides[0], sides[1])
        least = sorted(((min(a.more, b.more), pair) for pair, (a, b) in node.sides.items()), reverse=True)
        h, used = 0.0, set()
        for more, pair in least:
            if more > _IMPROVED and not used & set(pair):
                h += more
                used |= set(pair)
        return h

    def _branch(self, node: _Node) -> list[_Node]:
        """Return the children on the most telling conflict."""

        def telling(pair: tuple[int, int]) -> tuple[float, float, float]:
            a, b = node.sides[pair]
            return min(a.more, b.more), min(max(a.more, b.more), 1e9), -node.conflicts[pair][2]

        sides = sorted(node.sides[max(node.conflicts, key=telling)], key=lambda side: -side.more)
        children = []
        demanded = None
        if self.disjoint:
            for forbidden, other in (sides, sides[::-1]):
                if forbidden.rule.kind == WAY:
                    duration = float(self.graph.duration[forbidden.rule.place])
                    demanded = with_duty(node.rules[forbidden.agent], forbidden.rule, duration)
                if demanded is not None:
                    children.append(self._child(node, forbidden))
                    children.append(self._child(node, other, (forbidden.agent, demanded)))
                    break
        if demanded is None:
            children = [self._child(node, side) for side in sides]
        return [child for child in children if child is not None]

    def _child(
        self, node: _Node, side: _Side, duty: tuple[int, tuple[Rule, ...]] | None = None
    ) -> _Node | None:
        """Return the node in which one agent keeps one more rule, and another's rules are replaced."""
        if side.plan is None:
            return None
        agent = side.agent
        paths = (*node.paths[:agent], side.plan, *node.paths[agent + 1 :])
        rules = list(node.rules)
        rules[agent] = (*rules[agent], side.rule)
        changed = {agent}
        if duty is not None:
            rules[duty[0]] = duty[1]
            changed.add(duty[0])
        conflicts = {pair: found for pair, found in node.conflicts.items() if agent not in pair}
        for other in range(len(paths)):
            if other != agent:
                self._find(paths, min(agent, other), max(agent, other), conflicts)
        sides = {pair: known for pair, known in node.sides.items() if not changed & set(pair)}
        return _Node(paths, tuple(rules), conflicts, sides, math.fsum(path.cost for path in paths))

    def _find(self, paths: tuple[Timed, ...], a: int, b: int, conflicts: dict) -> None:
        first, second = paths[a], paths[b]
        i, j, when = first_overlap(
            first.vertices, first.times, second.vertices, second.times, self.graph.positions, self.reach
        )
        if i >= 0:
            conflicts[a, b] = (i, j, when)

    def _plan(self, agent: int, rules: tuple[Rule, ...]) -> Timed | None:
        graph = self.graph
        duties = sorted((rule for rule in rules if rule.kind == DUTY), key=lambda rule: rule.low)
        to_go, floor = np.empty((len(duties) + 1, graph.vertices)), np.zeros(len(duties) + 1)
        to_go[-1] = self.to_go[agent]
        for k in range(len(duties) - 1, -1, -1):
            e, low = duties[k].place, duties[k].low
            rest = float(graph.duration[e]) + to_go[k + 1, graph.head[e]]
            to_go[k] = self._to(int(self.tail[e])) + rest
            floor[k] = max(floor[k + 1], low + rest)
        tables = []
        for listed in (
            [rule for rule in rules if rule.kind == PLACE],
            [rule for rule in rules if rule.kind == WAY],
            duties,
        ):
            tables.append(np.array([rule.place for rule in listed], dtype=np.int64))
            tables.append(np.array([rule[2:] for rule in listed], dtype=np.float64).reshape(-1, 2))
        start, goal = self.instance.starts[agent], self.instance.goals[agent]
        vertices, times, leaves = path_with_duties(
            start, goal, to_go, floor, graph.first, graph.head, graph.duration, *tables
        )
        if not len(vertices):
            return None
        states = [(int(vertices[0]), 0.0)]
        for k in range(1, len(vertices)):
            if leaves[k - 1] > states[-1][1]:
                states.append((int(vertices[k - 1]), float(leaves[k - 1])))
            states.append((int(vertices[k]), float(times[k])))
        return Timed(np.array([v for v, _ in states]), np.array([t for _, t in states]), float(times[-1]))

    def _to(self, vertex: int) -> np.ndarray:
        """Return the driving time to `vertex` from every vertex, shape (n,). [s]"""
        if vertex not in self._times_to:
            self._times_to[vertex] = times_to(self.graph, (vertex,))[0]
        return self._times_to[vertex]


def solve_continuous(
    instance: Instance,
    time_limit: float = 60.0,
    progress: Callable[[int, float], None] | None = None,
    clock: Clock = time.perf_counter,
) -> FleetPlan:
    """Return the plan with the smallest sum of arrival times in continuous time, or none and a lower bound.

    Args:
        instance: edges with durations, discs with a radius > 0.
        time_limit: [s]
        progress: told the nodes expanded and the lower bound.
        clock: of the limit and of the plan's seconds.

    Raises:
        ConfigError: the radius is 0, or two vertices where agents have to stand are nearer than two radii.
    """
    began = clock()
    search = ContinuousSearch(instance, time_limit, clock)
    node = search.search(progress)
    paths: tuple[Path_, ...] = ()
    status = f"no plan within {time_limit:g} s" if clock() > search.deadline else "there is no plan"
    if node is not None:
        status = ""
        paths = tuple(
            tuple(zip(path.vertices.tolist(), path.times.tolist(), strict=True)) for path in node.paths
        )
    seconds = clock() - began
    return FleetPlan(
        instance, "ccbs", paths, search.lower_bound, search.expanded, seconds, continuous=True, status=status
    )
