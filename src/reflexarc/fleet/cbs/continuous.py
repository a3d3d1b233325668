# SPDX-License-Identifier: Apache-2.0
r"""Continuous-time conflict-based search (CCBS class, Andreychuk et al. 2022): real durations, discs, swept volumes.

A conflict is two motions that collide. Motions A (of a, started at t_a) and B (of b, at t_b): a may not start A in
[t_a, t_a') or b may not start B in [t_b, t_b'), with t' the first start that is free of the other's motion as it is.
The starts at which both collide depend on their difference only and form an interval (`reflexarc.fleet.cbs.swept`), so
any two starts out of the two ranges collide: no plan is lost.

A wait of a at vertex p and a motion of b that started at s and overlaps p during [s + x, s + y): a is at p during
[l, h) within it. With c between l and h: a may not be at p in [c, s + y), or b may not start in [s, c - x). Any time of
the first range and any start of the second collide, so nothing is lost here either; forbidding both whole ranges, as is
often done, would lose plans (arXiv 2508.16410). Halving goes on down to `RESOLUTION`, below which the whole range is
forbidden: costs are optimal up to that resolution per conflict.

Conflicts are chosen by how much both children cost more, and disjoint ones of these add up to the heuristic.
"""

import heapq
import itertools
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs.sipp import safe_interval_path, times_to
from reflexarc.fleet.cbs.swept import first_free_start, first_overlap, overlap_with_point
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.plan import FleetPlan, Path_

RESOLUTION = 1e-3
"""Shortest wait that is halved. [s]"""
TRIED = 12
"""Conflicts of a node whose children are looked at before one is chosen."""
_IMPROVED = 1e-9
"""Costs nearer than this are equal. [s]"""


class _Motion(NamedTuple):
    """Where a motion starts, its velocity, start and duration; `edge` is -1 for a wait at `vertex`."""

    x: float
    y: float
    vx: float
    vy: float
    start: float
    duration: float
    vertex: int
    edge: int


class _Rule(NamedTuple):
    """Not at vertex `place` (edge -1), or not onto edge `place` (edge 1), in [low, high)."""

    edge: int
    place: int
    low: float
    high: float


class _Timed(NamedTuple):
    """A path with its waits as states of their own."""

    vertices: np.ndarray
    times: np.ndarray
    cost: float


class _Node(NamedTuple):
    paths: tuple[_Timed, ...]
    rules: tuple[tuple[_Rule, ...], ...]
    conflicts: dict[tuple[int, int], tuple[int, int, float]]
    cost: float


class ContinuousSearch:
    """Best-first search over the constraint tree."""

    def __init__(self, instance: Instance, deadline: float) -> None:
        if instance.radius <= 0.0:
            raise ConfigError(
                "continuous time needs discs: the instance's radius is 0; give a radius > 0 [m]"
            )
        self.instance, self.graph, self.deadline = instance, instance.graph, deadline
        self.to_go = times_to(instance.graph, instance.goals)
        self.edge_of = {
            pair: k
            for k, pair in enumerate(zip(self.graph.tail.tolist(), self.graph.head.tolist(), strict=True))
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
        root = _Node(whole, ((),) * len(whole), conflicts, math.fsum(p.cost for p in whole))
        order = itertools.count()
        heap = [(root.cost, len(conflicts), next(order), root)]
        while heap:
            bound, _, _, node = heapq.heappop(heap)
            self.lower_bound = max(self.lower_bound, bound)
            if not node.conflicts:
                return node
            if time.perf_counter() > self.deadline:
                return None
            self.expanded += 1
            if progress is not None and self.expanded % 16 == 0:
                progress(self.expanded, self.lower_bound)
            children, h = self._branch(node)
            for child in children:
                f = max(child.cost, node.cost + h, bound)
                heapq.heappush(heap, (f, len(child.conflicts), next(order), child))
        return None

    def _branch(self, node: _Node) -> tuple[list[_Node], float]:
        """Return the children on the most telling conflict, and a lower bound on what the node costs more."""
        rated = []
        earliest = sorted(node.conflicts.items(), key=lambda item: item[1][2])
        for (a, b), (i, j, _) in earliest[:TRIED]:
            plans = []
            for agent, rule in self._rules(node, a, b, i, j):
                rules = (*node.rules[agent], rule)
                plans.append((agent, rules, self._plan(agent, rules)))
            more = [math.inf if p is None else p.cost - node.paths[k].cost for k, _, p in plans]
            rated.append((min(more), max(more), (a, b), plans))
            if min(more) == math.inf:
                return [], math.inf
        h, used = 0.0, set()
        for least, _, pair, _ in sorted(rated, key=lambda item: -item[0]):
            if least > _IMPROVED and not used & set(pair):
                h += least
                used |= set(pair)
        _, _, _, plans = max(rated, key=lambda item: (item[0], min(item[1], 1e9)))
        children = [self._child(node, *plan) for plan in plans]
        return [child for child in children if child is not None], h

    def _child(self, node: _Node, agent: int, rules: tuple[_Rule, ...], plan: _Timed | None) -> _Node | None:
        if plan is None:
            return None
        paths = (*node.paths[:agent], plan, *node.paths[agent + 1 :])
        conflicts = {pair: found for pair, found in node.conflicts.items() if agent not in pair}
        for other in range(len(paths)):
            if other != agent:
                self._find(paths, min(agent, other), max(agent, other), conflicts)
        return _Node(
            paths,
            (*node.rules[:agent], rules, *node.rules[agent + 1 :]),
            conflicts,
            math.fsum(path.cost for path in paths),
        )

    def _find(self, paths: tuple[_Timed, ...], a: int, b: int, conflicts: dict) -> None:
        first, second = paths[a], paths[b]
        i, j, when = first_overlap(
            first.vertices, first.times, second.vertices, second.times, self.graph.positions, self.reach
        )
        if i >= 0:
            conflicts[a, b] = (i, j, when)

    def _rules(self, node: _Node, a: int, b: int, i: int, j: int) -> list[tuple[int, _Rule]]:
        """Return whom the conflict of motion i of a and motion j of b forbids what."""
        one, other = self._motion(node.paths[a], i), self._motion(node.paths[b], j)
        if one.edge < 0 and other.edge < 0:
            raise ConfigError(
                f"{self.graph.label(one.vertex)} and {self.graph.label(other.vertex)} are nearer than two "
                f"radii of {self.instance.radius} m: two agents cannot stand there at once; use a smaller radius"
            )
        if one.edge >= 0 and other.edge >= 0:
            return [
                (a, _Rule(1, one.edge, one.start, first_free_start(*one[:6], *other[:6], self.reach))),
                (b, _Rule(1, other.edge, other.start, first_free_start(*other[:6], *one[:6], self.reach))),
            ]
        if one.edge >= 0:
            a, b, one, other = b, a, other, one
        enter, leave = overlap_with_point(
            other.x, other.y, other.vx, other.vy, other.duration, one.x, one.y, self.reach
        )
        low = max(one.start, other.start + enter)
        high = min(one.start + one.duration, other.start + leave)
        cut = 0.5 * (low + high) if high - low > RESOLUTION else low
        return [
            (a, _Rule(-1, one.vertex, cut, other.start + leave)),
            (b, _Rule(1, other.edge, other.start, max(cut - enter, other.start + RESOLUTION))),
        ]

    def _motion(self, path: _Timed, k: int) -> _Motion:
        u, t = int(path.vertices[k]), float(path.times[k])
        x, y = self.graph.positions[u].tolist()
        if k + 1 == len(path.times):
            return _Motion(x, y, 0.0, 0.0, t, math.inf, u, -1)
        v, d = int(path.vertices[k + 1]), float(path.times[k + 1]) - t
        if u == v:
            return _Motion(x, y, 0.0, 0.0, t, d, u, -1)
        to_x, to_y = self.graph.positions[v].tolist()
        return _Motion(x, y, (to_x - x) / d, (to_y - y) / d, t, d, u, self.edge_of[u, v])

    def _plan(self, agent: int, rules: tuple[_Rule, ...]) -> _Timed | None:
        places = [rule for rule in rules if rule.edge < 0]
        ways = [rule for rule in rules if rule.edge > 0]
        vertices, times, leaves = safe_interval_path(
            self.instance.starts[agent],
            self.instance.goals[agent],
            self.to_go[agent],
            self.graph.first,
            self.graph.head,
            self.graph.duration,
            np.array([rule.place for rule in places], dtype=np.int64),
            np.array([rule[2:] for rule in places], dtype=np.float64).reshape(-1, 2),
            np.array([rule.place for rule in ways], dtype=np.int64),
            np.array([rule[2:] for rule in ways], dtype=np.float64).reshape(-1, 2),
        )
        if not len(vertices):
            return None
        states = [(int(vertices[0]), 0.0)]
        for k in range(1, len(vertices)):
            if leaves[k - 1] > states[-1][1]:
                states.append((int(vertices[k - 1]), float(leaves[k - 1])))
            states.append((int(vertices[k]), float(times[k])))
        return _Timed(np.array([v for v, _ in states]), np.array([t for _, t in states]), float(times[-1]))


def solve_continuous(
    instance: Instance, time_limit: float = 60.0, progress: Callable[[int, float], None] | None = None
) -> FleetPlan:
    """Return the plan with the smallest sum of arrival times in continuous time, or none and a lower bound.

    Args:
        instance: edges with durations, discs with a radius > 0.
        time_limit: [s]
        progress: told the nodes expanded and the lower bound.

    Raises:
        ConfigError: the radius is 0, or two vertices where agents have to stand are nearer than two radii.
    """
    began = time.perf_counter()
    search = ContinuousSearch(instance, began + time_limit)
    node = search.search(progress)
    paths: tuple[Path_, ...] = ()
    status = (
        f"no plan within {time_limit:g} s" if time.perf_counter() > search.deadline else "there is no plan"
    )
    if node is not None:
        status = ""
        paths = tuple(
            tuple(zip(path.vertices.tolist(), path.times.tolist(), strict=True)) for path in node.paths
        )
    seconds = time.perf_counter() - began
    return FleetPlan(
        instance, "ccbs", paths, search.lower_bound, search.expanded, seconds, continuous=True, status=status
    )
