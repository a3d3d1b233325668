# SPDX-License-Identifier: Apache-2.0
r"""Bounded-suboptimal search with explicit estimation (EECBS, Li et al. 2021): at most w times the optimum.

Every agent's path is one that meets the fewest others among those of cost at most w times its own smallest cost, so a
node has a cost, a lower bound (the sum of smallest costs) and a number d of conflicting pairs. Three orders of the open
nodes say which is next: with

    f^ = cost + d * e_cost / (1 - e_pairs),

where e_cost and e_pairs are the errors seen so far in one step, the node with the fewest pairs of those with
f^ <= w min f^ goes first if its cost is within w times the smallest lower bound of all open nodes; else the one with
the smallest f^ under the same condition; else the one with the smallest lower bound, which raises the bound.
"""

import heapq
import itertools
import time
from collections.abc import Callable

import numpy as np

from reflexarc.fleet.cbs import splits
from reflexarc.fleet.cbs.conflicts import AT_TARGET, count_pairs, find_conflicts, with_replaced
from reflexarc.fleet.cbs.tables import NO_CONSTRAINTS
from reflexarc.fleet.cbs.team import OutOfTime, Parked, Route, Team, matrix_of, replace_row
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.plan import Clock, FleetPlan, step_path

ROOT_SWEEPS = 8
"""Rounds in which agents in conflict are planned once more before the search begins."""


class _Node:
    __slots__ = (
        "closed",
        "conflicts",
        "cost",
        "estimate",
        "lower",
        "number",
        "pairs",
        "parked",
        "routes",
        "rows",
    )
    _numbers = itertools.count()

    def __init__(
        self, routes: list[Route], rows: list[np.ndarray], parked: tuple[Parked, ...], conflicts: np.ndarray
    ) -> None:
        self.routes, self.rows, self.parked = routes, rows, parked
        self.closed = False
        self.number = next(_Node._numbers)
        self.lower = sum(route.lower for route in routes)
        self.estimate = 0.0
        self.take(routes, conflicts)

    def take(self, routes: list[Route], conflicts: np.ndarray) -> None:
        """Use these plans."""
        self.routes, self.conflicts = routes, conflicts
        self.pairs = int(count_pairs(conflicts))
        self.cost = sum(route.cost for route in routes)


class _Open:
    """The open nodes in the three orders."""

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self._cleanup: list[tuple[int, int, int, _Node]] = []
        self._by_estimate: list[tuple[float, int, _Node]] = []
        self._waiting: list[tuple[float, int, _Node]] = []
        self._focal: list[tuple[int, float, int, _Node]] = []

    def push(self, node: _Node) -> None:
        heapq.heappush(self._cleanup, (node.lower, node.pairs, node.number, node))
        heapq.heappush(self._by_estimate, (node.estimate, node.number, node))
        heapq.heappush(self._waiting, (node.estimate, node.number, node))

    def lower_bound(self) -> int | None:
        """Return the smallest lower bound of the open nodes, None if there are none."""
        while self._cleanup and self._cleanup[0][-1].closed:
            heapq.heappop(self._cleanup)
        return self._cleanup[0][0] if self._cleanup else None

    def pop(self, lower_bound: int) -> _Node:
        """Close and return the next node."""
        while self._by_estimate[0][-1].closed:
            heapq.heappop(self._by_estimate)
        smallest = self._by_estimate[0][0]
        while self._waiting and self._waiting[0][0] <= self.weight * smallest:
            estimate, number, node = heapq.heappop(self._waiting)
            heapq.heappush(self._focal, (node.pairs, estimate, number, node))
        while self._focal:
            node = self._focal[0][-1]
            if not node.closed and node.estimate <= self.weight * smallest:
                break
            heapq.heappop(self._focal)
            if not node.closed:
                heapq.heappush(self._waiting, (node.estimate, node.number, node))
        candidates = [self._focal[0][-1]] if self._focal else []
        candidates.append(self._by_estimate[0][-1])
        chosen = next((n for n in candidates if n.cost <= self.weight * lower_bound + 1e-9), None)
        chosen = self._cleanup[0][-1] if chosen is None else chosen
        chosen.closed = True
        return chosen


class BoundedSearch:
    """Explicit-estimation search over the constraint tree."""

    def __init__(self, team: Team, weight: float) -> None:
        self.team, self.weight = team, weight
        self.expanded = 0
        self.lower_bound = 0
        self.open = _Open(weight)
        self._cost_error, self._pair_error, self._steps = 0.0, 0.0, 0

    def root(self) -> _Node | None:
        """Return the node without constraints, its conflicts already reduced by planning agents again in turn."""
        team = self.team
        count = len(team.starts)
        longest = max(int(team.steps[a, s]) for a, s in enumerate(team.starts))
        paths, costs = np.zeros((count, longest + 1), np.int32), np.full(count, -1, dtype=np.int32)
        routes: list[Route] = []
        for agent in range(count):
            route = team.plan(agent, NO_CONSTRAINTS, (), paths, costs, agent, self.weight)
            if route is None:
                return None
            routes.append(route)
            paths, costs = replace_row(paths, costs, agent, route)
        everybody = np.arange(count, dtype=np.int32)
        conflicts = find_conflicts(everybody, paths, costs, True)
        self.lower_bound = sum(route.lower for route in routes)
        for _ in range(ROOT_SWEEPS):
            before = len(conflicts)
            for agent in np.unique(conflicts[:, :2]).tolist():
                team.check_time()
                route = team.plan(agent, NO_CONSTRAINTS, (), paths, costs, agent, self.weight)
                assert route is not None
                routes[agent] = route
                paths, costs = replace_row(paths, costs, agent, route)
            conflicts = find_conflicts(everybody, paths, costs, True)
            if not len(conflicts) or len(conflicts) >= before:
                break
        return _Node(routes, [NO_CONSTRAINTS] * count, (), conflicts)

    def search(self, root: _Node, progress: Callable[[int, int], None] | None = None) -> _Node | None:
        """Return a node without conflicts within the bound, None if there is no plan.

        Raises:
            OutOfTime: the team's time is up.
        """
        self._estimate(root)
        self.open.push(root)
        while (lower := self.open.lower_bound()) is not None:
            self.lower_bound = max(self.lower_bound, lower)
            node = self.open.pop(lower)
            if not len(node.conflicts) and node.cost <= self.weight * self.lower_bound + 1e-9:
                return node
            self.team.check_time()
            self.expanded += 1
            if progress is not None and self.expanded % 16 == 0:
                progress(self.expanded, self.lower_bound)
            if not self._expand(node):
                node.closed = False
                self._estimate(node)
                node.number = next(_Node._numbers)
                self.open.push(node)
        return None

    def _estimate(self, node: _Node) -> None:
        cost, pairs = (error / max(self._steps, 1) for error in (self._cost_error, self._pair_error))
        node.estimate = node.cost + node.pairs * max(cost, 0.0) / max(1.0 - pairs, 0.05)

    def _learn(self, parent: _Node, children: list[_Node]) -> None:
        if children:
            best = min(children, key=lambda c: (c.pairs, c.cost))
            self._cost_error += max(best.cost - parent.cost, 0)
            self._pair_error += min(max(best.pairs - parent.pairs + 1, 0), 1)
            self._steps += 1

    def _expand(self, node: _Node) -> bool:
        """Push the node's children; false if a bypass made the node itself conflict-free instead."""
        while True:
            made = []
            for child in self._split(node):
                new, bypass = self._child(node, child)
                if new is None:
                    continue
                if bypass and new.pairs < node.pairs:
                    break
                made.append(new)
            else:
                self._learn(node, made)
                for new in made:
                    self._estimate(new)
                    self.open.push(new)
                return True
            routes = [
                Route(fresh.path, old.lower) if fresh is not old else old
                for fresh, old in zip(new.routes, node.routes, strict=True)
            ]
            node.take(routes, new.conflicts)
            if not len(node.conflicts):
                return False

    def _split(self, node: _Node) -> tuple[splits.Child, splits.Child]:
        """Split on the earliest conflict."""
        conflict = node.conflicts[int(np.argmin(node.conflicts[:, 2]))].tolist()
        a, b = conflict[0], conflict[1]
        if conflict[3] == AT_TARGET:
            return splits.target(conflict, a)
        rows = tuple(splits.closed_goals(node.parked, k, node.rows[k]) for k in (a, b))
        routes = (node.routes[a], node.routes[b])
        children = splits.corridor(self.team, conflict, (a, b), routes, (rows[0], rows[1]))
        return children or splits.standard(self.team, conflict, a, b)

    def _child(self, node: _Node, child: splits.Child) -> tuple[_Node | None, bool]:
        """Return the child, and whether its plans would do for its parent too."""
        rows = list(node.rows)
        for k, added in child.rows.items():
            rows[k] = np.concatenate((rows[k], np.array(added, dtype=np.int32)))
        parked = node.parked if child.parked is None else (*node.parked, child.parked)
        changed = [
            k
            for k, added in child.rows.items()
            if any(splits.violates(node.routes[k].path, row, self.team) for row in added)
        ]
        if child.parked is not None:
            at = child.parked
            changed += [
                k
                for k, route in enumerate(node.routes)
                if k != at.agent and (route.path[at.time :] == at.vertex).any()
            ]
        paths, costs = matrix_of(node.routes)
        routes, bypass = list(node.routes), True
        for k in changed:
            route = self.team.plan(k, rows[k], parked, paths, costs, k, self.weight)
            if route is None:
                return None, False
            routes[k] = route
            bypass &= route.cost <= self.weight * node.routes[k].lower + 1e-9
            paths, costs = replace_row(paths, costs, k, route)
        moved = np.array(changed, dtype=np.int32)
        fresh = find_conflicts(moved, paths, costs, True)
        return _Node(routes, rows, parked, with_replaced(node.conflicts, moved, fresh)), bypass


def solve_bounded(
    instance: Instance,
    weight: float = 1.2,
    time_limit: float = 60.0,
    progress: Callable[[int, int], None] | None = None,
    clock: Clock = time.perf_counter,
) -> FleetPlan:
    """Return a plan of cost at most `weight` times the lower bound returned with it.

    Args:
        instance: every edge takes one step.
        weight: >= 1.
        time_limit: [s]
        progress: told the nodes expanded and the lower bound.
        clock: of the limit and of the plan's seconds.
    """
    began = clock()
    team = Team(instance, time_limit, clock, others=True)
    search = BoundedSearch(team, weight)
    node, status = None, ""
    try:
        root = search.root()
        node = search.search(root, progress) if root is not None else None
        status = "" if node is not None else "there is no plan"
    except OutOfTime:
        status = f"no plan within {time_limit:g} s"
    paths = () if node is None else tuple(step_path(route.path.tolist()) for route in node.routes)
    seconds = clock() - began
    return FleetPlan(
        instance, "eecbs", paths, float(search.lower_bound), search.expanded, seconds, status=status
    )
