# SPDX-License-Identifier: Apache-2.0
"""The agents of an instance as the tree searches see them: single-agent plans, tables, time, and what pairs cost.

`Team` plans one agent under constraints and remembers what it learnt about pairs of plans: their relation, and how much
more the two cost together than apart (the weights of the WDG heuristic, Li et al., IJCAI 2019).
"""

import itertools
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reflexarc.fleet.cbs.bounded_path import bounded_path
from reflexarc.fleet.cbs.corridor import Corridors
from reflexarc.fleet.cbs.lowlevel import cheapest_path, cheapest_paths
from reflexarc.fleet.cbs.mutex import relation
from reflexarc.fleet.cbs.tables import FOREVER, NO_CONSTRAINTS, TOO_SHORT, VERTEX, make_scratch, net_of
from reflexarc.fleet.graph import steps_to
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.plan import Clock


class Route:
    """One agent's plan under some constraints; never changed."""

    __slots__ = ("cost", "lower", "mdd", "number", "path")
    _numbers = itertools.count()

    def __init__(self, path: np.ndarray, lower: int, mdd: tuple[np.ndarray, ...] | None = None) -> None:
        self.path = path
        """Vertex per step, shape (cost + 1,)."""
        self.cost = len(path) - 1
        self.lower = lower
        """Smallest cost under the constraints."""
        self.mdd = mdd
        self.number = next(Route._numbers)


class Parked(NamedTuple):
    """From `time` on nobody but `agent` may be at `vertex`, where it has reached its goal."""

    agent: int
    vertex: int
    time: int


class OutOfTime(Exception):
    """The time limit was reached."""


class Team:
    """What all nodes of a search share."""

    def __init__(
        self,
        instance: Instance,
        time_limit: float,
        clock: Clock = time.perf_counter,
        others: bool = False,
    ) -> None:
        """Make the tables of the searches.

        Args:
            instance: every edge takes one step.
            time_limit: [s]
            clock: of the limit.
            others: plans with a bound will be asked for, which count the other agents.
        """
        self.instance = instance
        self.starts, self.goals = instance.starts, instance.goals
        self.steps = steps_to(instance.graph, instance.goals)
        self.net = net_of(instance.graph)
        longest = max(int(self.steps[a, s]) for a, s in enumerate(self.starts))
        self.others = others
        self.scratch = make_scratch(instance.graph, longest + longest // 4 + 16, others)
        self.corridors = Corridors(instance.graph)
        self.clock, self.deadline = clock, clock() + time_limit
        self.relations: dict[tuple[int, int], tuple[int, np.ndarray, np.ndarray]] = {}
        self.weights: dict[tuple[int, int], int] = {}
        self._away: dict[int, np.ndarray] = {}
        self.planned = 0

    def check_time(self) -> None:
        """Raise `OutOfTime` if the limit is reached."""
        if self.clock() > self.deadline:
            raise OutOfTime

    def plan(
        self,
        agent: int,
        rows: np.ndarray,
        parked: Sequence[Parked],
        paths: np.ndarray,
        costs: np.ndarray,
        slot: int,
        weight: float = 0.0,
    ) -> Route | None:
        """Return the agent's plan, None if its constraints leave none.

        Args:
            agent: whose.
            rows: its constraints, shape (k, 4).
            parked: goals that are closed to everybody else.
            paths: what the others do; vertex per row and step.
            costs: their costs, negative where there is none yet.
            slot: the agent's own row in `paths`.
            weight: 0 for a cheapest plan with its MDD, else the bound on its cost.
        """
        self.planned += 1
        others = [(VERTEX, p.vertex, p.time, FOREVER) for p in parked if p.agent != agent]
        if others:
            rows = np.concatenate((rows, np.array(others, dtype=np.int32)))
        start, goal, steps = self.starts[agent], self.goals[agent], self.steps[agent]
        while True:
            if weight:
                lower, path, _ = bounded_path(
                    start, goal, steps, rows, weight, slot, paths, costs, self.net, self.scratch
                )
            else:
                lower, *mdd, path = cheapest_path(
                    start, goal, steps, rows, slot, paths, costs, self.net, self.scratch
                )
            if lower == TOO_SHORT or (lower >= 0 and weight * lower + 2 > self.horizon):
                self.lengthen(2 * self.horizon)
                continue
            if lower < 0:
                return None
            return Route(path, int(lower), None if weight else tuple(mdd))

    def plan_all(self) -> tuple[list[Route], tuple[np.ndarray, np.ndarray]] | None:
        """Return a cheapest plan of every agent without constraints, and their matrix; None if one has none."""
        count = len(self.starts)
        self.planned += count
        longest = max(int(self.steps[a, s]) for a, s in enumerate(self.starts))
        paths, costs = np.zeros((count, longest + 1), np.int32), np.full(count, -1, dtype=np.int32)
        starts, goals = np.array(self.starts, dtype=np.int32), np.array(self.goals, dtype=np.int32)
        found = cheapest_paths(
            starts, goals, self.steps, NO_CONSTRAINTS, paths, costs, self.net, self.scratch
        )
        if len(found) < count:
            return None
        return [Route(path, len(path) - 1, tuple(mdd)) for *mdd, path in found], (paths, costs)

    @property
    def horizon(self) -> int:
        """Longest search that the tables hold, in steps."""
        return len(self.scratch.seen) - 1

    def lengthen(self, horizon: int) -> None:
        """Make the tables longer."""
        self.check_time()
        self.scratch = make_scratch(self.instance.graph, horizon, self.others)

    def away(self, vertex: int) -> np.ndarray:
        """Return the steps to `vertex` from every vertex, shape (n,)."""
        if vertex not in self._away:
            self._away[vertex] = steps_to(self.instance.graph, [vertex])[0]
        return self._away[vertex]

    def relation(self, a: Route, b: Route) -> tuple[int, np.ndarray, np.ndarray]:
        """Return how two plans get along, see `reflexarc.fleet.cbs.mutex.relation`."""
        key = (a.number, b.number)
        known = self.relations.get(key)
        if known is None:
            assert a.mdd is not None and b.mdd is not None
            known = self.relations[key] = relation(*a.mdd, *b.mdd)
        return known


def matrix_of(routes: Sequence[Route]) -> tuple[np.ndarray, np.ndarray]:
    """Return the routes as vertex per agent and step, and their costs; agents stand at their goals to the end."""
    costs = np.array([route.cost for route in routes], dtype=np.int32)
    paths = np.empty((len(routes), int(costs.max()) + 1), dtype=np.int32)
    for k, route in enumerate(routes):
        paths[k, : route.cost + 1] = route.path
        paths[k, route.cost + 1 :] = route.path[-1]
    return paths, costs


def replace_row(
    paths: np.ndarray, costs: np.ndarray, row: int, route: Route
) -> tuple[np.ndarray, np.ndarray]:
    """Return paths and costs with one agent's plan replaced; wider where it is longer than all others."""
    if route.cost >= paths.shape[1]:
        wider = np.empty((len(paths), route.cost + 1), dtype=np.int32)
        wider[:, : paths.shape[1]] = paths
        wider[:, paths.shape[1] :] = paths[:, -1:]
        paths = wider
    else:
        paths = paths.copy()
    costs = costs.copy()
    paths[row, : route.cost + 1] = route.path
    paths[row, route.cost + 1 :] = route.path[-1]
    costs[row] = route.cost
    return paths, costs
