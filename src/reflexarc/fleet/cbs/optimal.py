# SPDX-License-Identifier: Apache-2.0
"""Optimal conflict-based search (CBS, Sharon et al. 2015) with what makes it fast.

A node of the constraint tree holds a cheapest plan per agent under that agent's constraints. The node with the smallest
f = cost + h is expanded: a conflict is chosen and split in two. On top of that

- conflicts that cost both agents go first (ICBS, Boyarski et al. 2015), found by walking two MDDs through together;
- a child of equal cost with fewer conflicting pairs replaces its parent's plan instead of a split (bypass);
- h is a minimum cover of the pairs that depend on each other, weighted by what each pair needs by itself (WDG,
  Li et al. 2019), computed only when a node is about to be expanded;
- corridors, targets and mutex barriers replace standard splits where they apply (Li et al. 2020, Zhang et al. 2020);
- optionally standard splits are disjoint (Li et al., ICAPS 2019).

The sum of costs returned is optimal; when time runs out, the smallest f left is a lower bound.
"""

import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reflexarc.fleet.cbs import splits
from reflexarc.fleet.cbs.conflicts import AT_TARGET, count_pairs, find_conflicts, forced, with_replaced
from reflexarc.fleet.cbs.cover import Cover
from reflexarc.fleet.cbs.mutex import EARLY, INDEPENDENT
from reflexarc.fleet.cbs.tables import FOREVER, NO_CONSTRAINTS
from reflexarc.fleet.cbs.team import OutOfTime, Parked, Route, Team, matrix_of, replace_row
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.plan import Clock, FleetPlan, step_path

PAIR_NODES = 24
"""Nodes of the search for what a pair needs; beyond, its lower bound counts."""


@dataclass(frozen=True, slots=True)
class CbsOptions:
    """Which parts of the search are switched on; all of them keep the result optimal."""

    bypass: bool = True
    heuristic: str = "wdg"
    """`none`, `dg` (each dependent pair counts 1) or `wdg`."""
    symmetry: bool = True
    """Corridor, target and mutex splits."""
    disjoint: bool = False
    """Disjoint instead of standard splits."""


class Node:
    """A node of the constraint tree."""

    __slots__ = ("conflicts", "cost", "costs", "f", "informed", "pairs", "parked", "paths", "routes", "rows")

    def __init__(
        self,
        routes: list[Route],
        matrix: tuple[np.ndarray, np.ndarray],
        rows: list[np.ndarray],
        parked: tuple[Parked, ...],
        conflicts: np.ndarray,
    ) -> None:
        self.routes, self.rows, self.parked = routes, rows, parked
        self.paths, self.costs = matrix
        self.conflicts = conflicts
        self.pairs = int(count_pairs(conflicts))
        self.cost = int(self.costs.sum())
        self.f = self.cost
        self.informed = False


class ConstraintTree:
    """Best-first search over the constraint tree of some of a team's agents."""

    def __init__(
        self, team: Team, agents: Sequence[int], options: CbsOptions, cover: Cover | None = None
    ) -> None:
        self.team, self.agents, self.options = team, list(agents), options
        self.cover = cover
        """For the heuristic; without one, each dependent pair of disjoint pairs counts 1."""
        self.expanded = 0
        self.lower_bound = 0
        self._heap: list[tuple[int, int, int, Node]] = []
        self._order = itertools.count()

    def root(self) -> Node | None:
        """Return the node of all agents without constraints."""
        planned = self.team.plan_all()
        if planned is None:
            return None
        routes, matrix = planned
        count = len(routes)
        conflicts = find_conflicts(np.arange(count, dtype=np.int32), *matrix, True)
        return Node(routes, matrix, [NO_CONSTRAINTS] * count, (), conflicts)

    def search(
        self, root: Node, node_limit: int | None = None, progress: Callable[[int, int], None] | None = None
    ) -> Node | None:
        """Return the first node without conflicts; None if there is none, or none within the limit.

        Args:
            root: where to begin.
            node_limit: most nodes expanded.
            progress: told the nodes expanded and the lower bound.

        Raises:
            OutOfTime: the team's time is up; `lower_bound` holds.
        """
        self._push(root)
        while self._heap:
            f, _, _, node = heapq.heappop(self._heap)
            self.lower_bound = max(self.lower_bound, f)
            if not len(node.conflicts):
                return node
            self.team.check_time()
            if not node.informed:
                self._inform(node)
                if node.f > f:
                    self._push(node)
                    continue
            if node_limit is not None and self.expanded >= node_limit:
                return None
            self.expanded += 1
            if progress is not None and self.expanded % 64 == 0:
                progress(self.expanded, self.lower_bound)
            self._expand(node)
        self.lower_bound = FOREVER
        return None

    def _push(self, node: Node) -> None:
        if node.f < FOREVER:
            heapq.heappush(self._heap, (node.f, node.pairs, -next(self._order), node))

    def _inform(self, node: Node) -> None:
        """Add the heuristic to the node's f."""
        node.informed = True
        if self.options.heuristic == "none":
            return
        weights: dict[tuple[int, int], int] = {}
        for i, j in _pairs(node.conflicts):
            weight = self._weight(node, i, j)
            if weight >= FOREVER:
                node.f = FOREVER
                return
            if weight:
                weights[i, j] = weight
        if weights:
            h = max(weights.values()) if self.cover is None else self.cover.bound(weights)
            node.f = max(node.f, node.cost + h)

    def _weight(self, node: Node, i: int, j: int) -> int:
        """Return how much more than their costs two agents need at least."""
        first, second = node.routes[i], node.routes[j]
        if self.team.relation(first, second)[0] == INDEPENDENT:
            return 0
        if self.options.heuristic != "wdg" or len(self.agents) == 2:
            return 1
        key = (first.number, second.number)
        weight = self.team.weights.get(key)
        if weight is None:
            tree = ConstraintTree(self.team, [self.agents[i], self.agents[j]], self.options)
            routes = [first, second]
            matrix = matrix_of(routes)
            conflicts = find_conflicts(np.arange(2, dtype=np.int32), *matrix, True)
            root = Node(routes, matrix, [node.rows[i], node.rows[j]], node.parked, conflicts)
            tree.search(root, PAIR_NODES)
            weight = FOREVER if tree.lower_bound >= FOREVER else max(1, tree.lower_bound - root.cost)
            self.team.weights[key] = weight
        return weight

    def _expand(self, node: Node) -> None:
        """Replace the node by its children; by bypasses the node itself may change first."""
        while True:
            children = self._split(node)
            nodes = []
            for child in children:
                made = self._child(node, child)
                if made is None:
                    continue
                if self.options.bypass and made.cost == node.cost and made.pairs < node.pairs:
                    break
                nodes.append(made)
            else:
                for made in nodes:
                    made.f = max(made.f, node.f)
                    self._push(made)
                return
            node.routes, node.paths, node.costs = made.routes, made.paths, made.costs
            node.conflicts, node.pairs = made.conflicts, made.pairs
            if not len(node.conflicts):
                node.f = max(node.f, node.cost)
                self._push(node)
                return

    def _child(self, node: Node, child: splits.Child) -> Node | None:
        """Return the node with the child's constraints; None if they leave somebody no path."""
        rows = list(node.rows)
        for k, added in child.rows.items():
            rows[k] = np.concatenate((rows[k], np.array(added, dtype=np.int32)))
        parked = (
            node.parked
            if child.parked is None
            else (*node.parked, child.parked._replace(agent=self.agents[child.parked.agent]))
        )
        changed = [k for k, added in child.rows.items() if _breaks(node.routes[k].path, added, self.team)]
        if child.parked is not None:
            at = child.parked
            changed += [
                k
                for k, route in enumerate(node.routes)
                if k != at.agent and k not in changed and (route.path[at.time :] == at.vertex).any()
            ]
        paths, costs = node.paths, node.costs
        routes = list(node.routes)
        for k in changed:
            route = self.team.plan(self.agents[k], rows[k], parked, paths, costs, k)
            if route is None:
                return None
            routes[k] = route
            paths, costs = replace_row(paths, costs, k, route)
        moved = np.array(changed, dtype=np.int32)
        fresh = find_conflicts(moved, paths, costs, True)
        return Node(routes, (paths, costs), rows, parked, with_replaced(node.conflicts, moved, fresh))

    def _split(self, node: Node) -> tuple[splits.Child, splits.Child]:
        """Choose a conflict and how to split on it."""
        i, j = self._choose_pair(node)
        routes = (node.routes[i], node.routes[j])
        conflicts = [row for row in node.conflicts.tolist() if {row[0], row[1]} == {i, j}]
        kind, *barriers = self.team.relation(*routes)
        if self.options.symmetry:
            for conflict in conflicts:
                if conflict[3] != AT_TARGET and (children := self._corridor(node, conflict)) is not None:
                    return children
            at_target = min((c for c in conflicts if c[3] == AT_TARGET), key=lambda c: c[2], default=None)
            if kind != EARLY and at_target is not None:
                return splits.target(at_target, at_target[0])
            if kind == EARLY:
                return splits.mutex(i, j, (barriers[0], barriers[1]), routes)
        conflict = max(conflicts, key=lambda c: (_cardinality(node, c), -c[2]))
        if self.options.disjoint:
            a, b = conflict[0], conflict[1]
            if conflict[3] == AT_TARGET:
                return splits.standard(self.team, conflict, a, b)
            return splits.disjoint(self.team, conflict, a, b, range(len(self.agents)))
        return splits.standard(self.team, conflict, conflict[0], conflict[1])

    def _corridor(self, node: Node, conflict: list[int]) -> tuple[splits.Child, splits.Child] | None:
        i, j = conflict[0], conflict[1]
        agents = (self.agents[i], self.agents[j])
        rows = tuple(splits.closed_goals(node.parked, self.agents[k], node.rows[k]) for k in (i, j))
        children = splits.corridor(
            self.team, conflict, agents, (node.routes[i], node.routes[j]), (rows[0], rows[1])
        )
        if children is None:
            return None
        return tuple(  # type: ignore[return-value]
            splits.Child({k: next(iter(child.rows.values()))})
            for k, child in zip((i, j), children, strict=True)
        )

    def _choose_pair(self, node: Node) -> tuple[int, int]:
        """Return the pair to split on: one that costs both, most first, else the most forced conflict."""
        best, chosen = None, (0, 0)
        for i, j in _pairs(node.conflicts):
            first, second = node.routes[i], node.routes[j]
            kind = self.team.relation(first, second)[0]
            if kind != INDEPENDENT:
                weight = self.team.weights.get((first.number, second.number), 1)
                rank = (2, min(weight, FOREVER), 1 if kind == EARLY else 0)
            else:
                rows = [row for row in node.conflicts.tolist() if row[0] in (i, j) and row[1] in (i, j)]
                most = max(rows, key=lambda c: (_cardinality(node, c), -c[2]))
                rank = (0, _cardinality(node, most), -most[2])
            if best is None or rank > best:
                best, chosen = rank, (i, j)
        return chosen


def solve_optimal(
    instance: Instance,
    time_limit: float = 60.0,
    options: CbsOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
    clock: Clock = time.perf_counter,
) -> FleetPlan:
    """Return a plan with the smallest sum of costs, or none and a lower bound when time runs out.

    Args:
        instance: every edge takes one step.
        time_limit: [s]
        options: which parts of the search are on.
        progress: told the nodes expanded and the lower bound.
        clock: of the limit and of the plan's seconds.
    """
    began = clock()
    team = Team(instance, time_limit, clock)
    tree = ConstraintTree(team, range(instance.agents), options or CbsOptions(), Cover())
    node, status = None, ""
    try:
        root = tree.root()
        if root is not None:
            tree.lower_bound = root.cost
            node = tree.search(root, progress=progress)
        if node is None:
            status = "there is no plan"
    except OutOfTime:
        status = f"no plan within {time_limit:g} s"
    paths = () if node is None else tuple(step_path(route.path.tolist()) for route in node.routes)
    bound = float(tree.lower_bound)
    return FleetPlan(instance, "cbs", paths, bound, tree.expanded, clock() - began, status=status)


def _pairs(conflicts: np.ndarray) -> list[tuple[int, int]]:
    """Return the conflicting pairs (i < j), each once."""
    return list({(min(a, b), max(a, b)): None for a, b in conflicts[:, :2].tolist()})


def _cardinality(node: Node, conflict: Sequence[int]) -> int:
    """Return how many of the two agents cannot avoid the conflict at their cost: 2 cardinal, 1 semi, 0 not."""
    a, b, t, kind, v, u = conflict
    count = 0
    for agent, here, after in ((a, v, u), (b, u, v)):
        mdd = node.routes[agent].mdd
        assert mdd is not None
        if agent == a and kind == AT_TARGET:
            count += 1
        elif forced(mdd[0], mdd[1], t, here) and (here == after or forced(mdd[0], mdd[1], t + 1, after)):
            count += 1
    return count


def _breaks(path: np.ndarray, rows: Sequence[splits.Row], team: Team) -> bool:
    """Return whether a path violates one of these constraints."""
    return any(splits.violates(path, row, team) for row in rows)
