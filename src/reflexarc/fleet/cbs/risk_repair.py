# SPDX-License-Identifier: Apache-2.0
"""Plans within a risk budget, quickly and then better: agents planned one after the other, then in small groups again.

Each agent sees the others as moving obstacles and takes the point of its front that minimises steps + price * risk. The
price is drawn around the multiplier of the root's knapsack, so the budget is shared by a market rather than by quotas.
A group's new paths stay if the plan then exceeds its budget by less, or as little and costs less, or costs as much and
risks no more (large-neighbourhood search, Li et al., IJCAI 2021, with a budget). Nothing is promised; the plan's cost
is judged against a lower bound elsewhere.
"""

import time
from collections.abc import Callable, Sequence

import numba
import numpy as np

from reflexarc.fleet.cbs.risk_front import (
    EPS,
    Labels,
    Risks,
    Use,
    make_labels,
    make_use,
    points,
    put,
    sweep,
    trace,
)
from reflexarc.fleet.cbs.tables import NO_CONSTRAINTS, Net, Scratch, make_scratch
from reflexarc.fleet.graph import Graph

GROUP = 8
"""Most agents planned again together."""
SPREAD = 1.5
"""Standard deviation of the price's logarithm."""
SIDEWAYS = 0.1
"""Share of plans of equal cost that are taken although they risk more."""
CARELESS = 0.15
"""Share of groups that ignore the price, and of groups that heed nothing but risk."""


@numba.njit(cache=True)
def _choose(last, price, labels):
    """Return the step of the front that minimises step + price * risk; the last point at an infinite price."""
    steps, risk = points(last, labels)
    if price == np.inf:
        return steps[steps.shape[0] - 1]
    best, at = np.inf, steps[0]
    for k in range(steps.shape[0]):
        value = steps[k] + price * risk[k]
        if value < best - EPS:
            best, at = value, steps[k]
    return at


@numba.njit(cache=True)
def replan(
    group, old, starts, goals, steps, to_go, price, budget, sideways, vertices, edges, costs, spent, net, risks, use,
    scratch, labels, no_rows, spare_v, spare_e,
):  # fmt: skip
    """Plan a group again in its order; keep it if the plan is better. Returns whether it was kept.

    Args:
        group: agents, shape (k,).
        old: whether the agents have paths; if not, whatever is found stays.
        starts: vertex per agent.
        goals: vertex per agent.
        steps: steps to each goal, shape (agents, n).
        to_go: risk to each goal, shape (agents, n).
        price: steps per unit of risk.
        budget: on the sum of risks.
        sideways: take an equally cheap plan that risks more.
        vertices: of each path, shape (agents, H + 1); changed in place.
        edges: of each path, shape (agents, H); changed in place.
        costs: steps of each path, negative without one; changed in place.
        spent: risk of each path; changed in place.
        net: the graph.
        risks: its risks.
        use: tables that hold every path; changed in place.
        scratch: tables of constraints.
        labels: memory of the sweep.
        no_rows: no constraints, shape (0, 4).
        spare_v: memory, shape (k, H + 1).
        spare_e: memory, shape (k, H).
    """
    size = group.shape[0]
    horizon = vertices.shape[1] - 1
    soc, total = 0, 0.0
    for a in range(costs.shape[0]):
        soc += max(costs[a], 0)
        total += spent[a]
    over = max(0.0, total - budget)
    before_c, before_r = costs[group].copy(), spent[group].copy()
    rest_c, rest_r = 0, 0.0
    for k in range(size):
        a = group[k]
        rest_c += steps[a, starts[a]]
        rest_r += to_go[a, starts[a]]
        if old:
            put(vertices[a], edges[a], costs[a], -1, risks, use)
            spare_v[k, : costs[a] + 1] = vertices[a, : costs[a] + 1]
            spare_e[k, : costs[a]] = edges[a, : costs[a]]
        costs[a], spent[a] = -1, 0.0
    others_r = spent.sum()
    planned_c, planned_r, done = 0, 0.0, 0
    for k in range(size):
        a = group[k]
        rest_c -= steps[a, starts[a]]
        rest_r -= to_go[a, starts[a]]
        limit, ceiling = horizon - 1, np.inf
        if old and over <= 0.0:
            limit = min(limit, before_c.sum() - planned_c - rest_c)
            ceiling = budget - others_r - planned_r - rest_r
        busy = max(costs.max(), 0)
        last = sweep(
            starts[a],
            goals[a],
            steps[a],
            to_go[a],
            limit,
            ceiling,
            no_rows,
            busy,
            net,
            risks,
            use,
            scratch,
            labels,
        )
        if last < 0:
            break
        at = _choose(last, 0.0 if k == size - 1 and old and over <= 0.0 else price, labels)
        trace(at, goals[a], risks, labels, vertices[a], edges[a])
        costs[a], spent[a] = at, labels.arrive[at]
        put(vertices[a], edges[a], at, 1, risks, use)
        planned_c += at
        planned_r += spent[a]
        done += 1
    if done == size:
        new_soc, new_total = soc - before_c.sum() + planned_c, others_r + planned_r
        new_over = max(0.0, new_total - budget)
        if not old or new_over < over - EPS:
            return True
        if new_over <= over and (
            new_soc < soc or (new_soc == soc and (new_total <= total + EPS or (sideways and new_over <= 0.0)))
        ):
            return True
    for k in range(done):
        put(vertices[group[k]], edges[group[k]], costs[group[k]], -1, risks, use)
        costs[group[k]] = -1
    for k in range(size):
        a = group[k]
        if old:
            costs[a], spent[a] = before_c[k], before_r[k]
            vertices[a, : costs[a] + 1] = spare_v[k, : costs[a] + 1]
            edges[a, : costs[a]] = spare_e[k, : costs[a]]
            put(vertices[a], edges[a], costs[a], 1, risks, use)
        else:
            costs[a], spent[a] = -1, 0.0
    return False


class Repair:
    """A plan within a budget that gets better."""

    def __init__(
        self,
        graph: Graph,
        starts: Sequence[int],
        goals: Sequence[int],
        net: Net,
        risks: Risks,
        steps: np.ndarray,
        to_go: np.ndarray,
        budget: float,
        price: float,
        seed: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        count = len(starts)
        self.starts, self.goals = np.array(starts, dtype=np.int32), np.array(goals, dtype=np.int32)
        self.net, self.risks, self.steps, self.to_go = net, risks, steps, to_go
        self.budget, self.price, self.clock = budget, price, clock
        self.rng = np.random.default_rng(seed)
        shortest = steps[np.arange(count), self.starts]
        horizon = int(2 * shortest.max() + graph.vertices**0.5 + 2 * count + 32)
        self.vertices = np.zeros((count, horizon + 1), dtype=np.int32)
        self.edges = np.zeros((count, horizon), dtype=np.int32)
        self.costs, self.spent = np.full(count, -1, dtype=np.int32), np.zeros(count)
        self.use: Use = make_use(graph.vertices, graph.edges, horizon)
        self.scratch: Scratch = make_scratch(graph, horizon)
        self.labels: Labels = make_labels(graph.vertices, horizon)
        self._spare = (
            np.empty((count, horizon + 1), dtype=np.int32),
            np.empty((count, horizon), dtype=np.int32),
        )
        self.tried = 0

    @property
    def planned(self) -> bool:
        """Whether every agent has a path."""
        return bool((self.costs >= 0).all())

    @property
    def within(self) -> bool:
        """Whether there is a plan within the budget."""
        return self.planned and float(self.spent.sum()) <= self.budget

    @property
    def soc(self) -> int:
        """Sum of steps."""
        return int(self.costs.sum())

    def paths(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return vertices and edges of every path."""
        return [
            (v[: c + 1].copy(), e[:c].copy())
            for v, e, c in zip(self.vertices, self.edges, self.costs.tolist(), strict=True)
        ]

    def first_plan(self, deadline: float) -> bool:
        """Look for any plan, agents one after the other in random orders; false if time was up. [s]"""
        count = len(self.starts)
        order = np.argsort(-self.steps[np.arange(count), self.starts], kind="stable").astype(np.int32)
        while self.clock() < deadline:
            self.tried += 1
            if self._replan(order, False, self._draw_price()):
                return True
            order = self.rng.permutation(count).astype(np.int32)
        return False

    def improve(self, deadline: float, target: float) -> None:
        """Plan groups again until the plan is within its budget and costs at most `target`, or time is up. [s]"""
        count = len(self.starts)
        while not (self.within and self.soc <= target) and self.clock() < deadline:
            size = int(self.rng.integers(1, min(GROUP, count) + 1))
            group = (
                self._near(size) if self.rng.random() < 0.6 else self.rng.choice(count, size, replace=False)
            )
            self.tried += 1
            self._replan(group.astype(np.int32), True, self._draw_price())

    def _replan(self, group: np.ndarray, old: bool, price: float) -> bool:
        return replan(
            group, old, self.starts, self.goals, self.steps, self.to_go, price, self.budget,
            bool(self.rng.random() < SIDEWAYS), self.vertices, self.edges, self.costs, self.spent, self.net,
            self.risks, self.use, self.scratch, self.labels, NO_CONSTRAINTS, *self._spare,
        )  # fmt: skip

    def _draw_price(self) -> float:
        chance = self.rng.random()
        if chance < CARELESS and (not self.planned or self.within):
            return 0.0
        if (
            chance > 1.0 - CARELESS
            or self.price == np.inf
            or (self.planned and not self.within and chance > 0.25)
        ):
            return float("inf")
        return self.price * float(np.exp(SPREAD * self.rng.normal()))

    def _near(self, size: int) -> np.ndarray:
        """Return an agent that pays much for the others, and those whose paths share most vertices with its own."""
        count = len(self.costs)
        own = np.arange(count)
        worth = self.price if np.isfinite(self.price) else 1.0
        pays = self.costs - self.steps[own, self.starts] + worth * (self.spent - self.to_go[own, self.starts])
        pays = np.maximum(pays, 0.0) + 0.1
        agent = int(self.rng.choice(count, p=pays / pays.sum()))
        visited = np.zeros(self.steps.shape[1], dtype=bool)
        visited[self.vertices[agent, : self.costs[agent] + 1]] = True
        shared = np.array([visited[v[: c + 1]].sum() for v, c in zip(self.vertices, self.costs, strict=True)])
        shared = shared + self.rng.random(count) * (1.0 + shared.max())
        shared[agent] = np.inf
        group = np.argsort(-shared)[:size]
        self.rng.shuffle(group)
        return group
