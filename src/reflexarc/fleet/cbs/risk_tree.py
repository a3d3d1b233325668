# SPDX-License-Identifier: Apache-2.0
r"""Conflict-based search under a shared risk budget: fronts per agent in every node, a knapsack as the node's cost.

A node holds constraints. Under them each agent has a Pareto front of steps against risk, and the smallest sum of steps
whose risks fit the budget (`risk_knapsack.share`) bounds every plan of the node from below. The agents take paths at
the chosen points, or within `weight` times their steps, that meet the fewest others; what the choice leaves of the
budget lets them risk more to meet fewer. Where two meet, the node is split as in CBS, every child is kept, and so

- the first node without meetings whose cost equals the smallest bound of all open nodes is optimal, and with a weight
  w > 1 costs at most w times the optimum;
- the smallest bound is a lower bound at any time.

Which meeting is split on is decided by looking at what both children's bounds would be (strong branching). A child as
cheap as its node with fewer meetings lends it its paths (bypass).
"""

import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from reflexarc.core.types import Array
from reflexarc.fleet.cbs.conflicts import AT_TARGET, ON_EDGE, count_pairs, with_replaced
from reflexarc.fleet.cbs.risk_front import EPS
from reflexarc.fleet.cbs.risk_knapsack import Front, share
from reflexarc.fleet.cbs.risk_team import RiskPath, RiskTeam, breaks
from reflexarc.fleet.cbs.tables import EDGE, LONGER, NO_CONSTRAINTS, VERTEX, WITHIN
from reflexarc.fleet.cbs.team import Parked

LOOKED_AT = 8
"""Meetings whose children are looked at before one is split on."""
Row = tuple[int, int, int, int]


class Shares(NamedTuple):
    """How a node's budget is shared."""

    bound: float
    """No plan of the node costs less; the order of the open nodes."""
    steps: Array
    """Steps that each agent may take."""
    risk: Array
    """Risk that each agent may take."""
    slack: float
    """What is left of the budget for whoever needs it."""


class Child(NamedTuple):
    """What one child forbids beyond its parent."""

    rows: dict[int, Row]
    parked: Parked | None = None


Allocate = Callable[[Sequence[Front], "Shares | None"], "Shares | None"]
"""From the fronts and the parent's shares to a node's shares; None if the budget cannot be shared."""


class RiskNode:
    """A node of the constraint tree."""

    __slots__ = (
        "bound",
        "closed",
        "cost",
        "fronts",
        "meetings",
        "pairs",
        "parked",
        "paths",
        "rows",
        "shares",
        "stale",
    )

    def __init__(
        self,
        rows: list[np.ndarray],
        parked: tuple[Parked, ...],
        fronts: list[Front],
        paths: list[RiskPath | None],
    ) -> None:
        self.rows, self.parked, self.fronts, self.paths = rows, parked, fronts, paths
        self.stale: set[int] = set()
        """Agents whose fronts do not know of a goal that was closed; such fronts still bound from below."""
        self.shares: Shares | None = None
        self.bound, self.cost, self.closed = 0.0, 0, False
        self.meetings = np.empty((0, 6), dtype=np.int32)
        self.pairs = 0


class RiskTree:
    """Search over the constraint tree."""

    def __init__(
        self, team: RiskTeam, weight: float = 1.0, allocate: Allocate | None = None, look: int = LOOKED_AT
    ) -> None:
        self.team, self.weight, self.look = team, weight, look
        self.expanded, self.lower_bound = 0, 0.0
        self.exhausted = False
        """Whether no node is left: no plan costs as little as the team's `most`."""
        self._allocate = self._knapsack if allocate is None else allocate
        self._exact = allocate is None
        self._open: list[tuple[float, int, int, RiskNode]] = []
        self._waiting: list[tuple[int, int, RiskNode]] = []
        self._focal: list[tuple[int, int, int, RiskNode]] = []
        self._order = itertools.count()

    def _knapsack(self, fronts: Sequence[Front], _: Shares | None) -> Shares | None:
        total, chosen, spent = share(fronts, self.team.budget, self.team.most)
        if total < 0:
            return None
        steps = np.array([s[k] for (s, _), k in zip(fronts, chosen, strict=True)], dtype=np.float64)
        risk = np.array([r[k] for (_, r), k in zip(fronts, chosen, strict=True)])
        return Shares(float(total), steps, risk, self.team.budget - spent)

    def root(self) -> RiskNode | None:
        """Return the node without constraints; None if the budget is too small for any plan."""
        count = self.team.count
        fronts = [self.team.front(a, NO_CONSTRAINTS, ()) for a in range(count)]
        if any(front is None for front in fronts):
            return None
        node = RiskNode([NO_CONSTRAINTS] * count, (), [f for f in fronts if f is not None], [None] * count)
        return node if self._fit(node, list(range(count)), None) else None

    def begin(self) -> bool:
        """Open the node without constraints; false if the budget is too small for any plan."""
        node = self.root()
        if node is None:
            return False
        self._push(node)
        return True

    def search(
        self,
        until: float,
        known: int | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> RiskNode | None:
        """Return a node without meetings within the bound, None if time was up or there is none (see `exhausted`).

        It may be called again to go on.

        Args:
            until: when to stop, by the team's clock.
            known: sum of steps of a plan that is known; the search ends once it is proved to be within the bound.
            progress: told the nodes expanded and the lower bound.
        """
        while (lower := self._smallest()) is not None:
            self.lower_bound = max(self.lower_bound, lower)
            if known is not None and known <= self.weight * self.lower_bound + EPS:
                return None
            node = self._pop()
            if not len(node.meetings) and node.cost <= self.weight * self.lower_bound + EPS:
                return node
            if self.team.clock() > until:
                self._push(node)
                return None
            self.expanded += 1
            if progress is not None and self.expanded % 16 == 0:
                progress(self.expanded, self.lower_bound)
            self._expand(node)
        self.exhausted = True
        return None

    def _push(self, node: RiskNode) -> None:
        node.closed = False
        number = next(self._order)
        heapq.heappush(self._open, (node.bound, node.pairs, -number, node))
        heapq.heappush(self._waiting, (node.cost, number, node))

    def _smallest(self) -> float | None:
        while self._open and self._open[0][-1].closed:
            heapq.heappop(self._open)
        return self._open[0][0] if self._open else None

    def _pop(self) -> RiskNode:
        """Close and return the node with the fewest meetings of those within the bound, else the smallest bound."""
        while self._waiting and self._waiting[0][0] <= self.weight * self.lower_bound + EPS:
            _, number, node = heapq.heappop(self._waiting)
            if not node.closed:
                heapq.heappush(self._focal, (node.pairs, node.cost, -number, node))
        while self._focal and self._focal[0][-1].closed:
            heapq.heappop(self._focal)
        node = self._focal[0][-1] if self._focal and self.weight > 1.0 else self._open[0][-1]
        node.closed = True
        return node

    def _fit(self, node: RiskNode, changed: list[int], parent: Shares | None) -> bool:
        """Share the budget and give paths to `changed` and whoever else must; false if the node is impossible."""
        team = self.team
        while True:
            shares = self._allocate(node.fronts, parent)
            if shares is None:
                return False
            shares = self._keeping_others(node, changed, shares, parent)
            again = list(changed)
            for k, path in enumerate(node.paths):
                if k not in again and path is not None and not self._fits(path, shares, k):
                    again.append(k)
            slack = shares.slack
            paths = list(node.paths)
            if self._exact:
                kept = sum(p.risk for k, p in enumerate(paths) if k not in again and p is not None)
                slack = team.budget - kept - float(shares.risk[again].sum())
            for k in again:
                cap = int(self.weight * shares.steps[k] + EPS)
                ceiling = float(shares.risk[k]) + max(slack, 0.0)
                path = team.path(k, node.rows[k], node.parked, cap, ceiling, paths)
                if path is None:
                    break
                slack -= path.risk - float(shares.risk[k]) if self._exact else 0.0
                paths[k] = path
            else:
                break
            front = team.front(k, node.rows[k], node.parked)
            if front is None:
                return False
            assert k in node.stale, "a point of a front that knows all constraints has a path"
            node.stale.discard(k)
            node.fronts[k] = front
        node.shares, node.paths = shares, paths
        node.bound = max(node.bound, shares.bound)
        whole = [p for p in paths if p is not None]
        node.cost = sum(p.cost for p in whole)
        fresh = team.meetings(again, whole)
        node.meetings = with_replaced(node.meetings, np.array(again, dtype=np.int32), fresh)
        node.pairs = int(count_pairs(node.meetings))
        return True

    def _fits(self, path: RiskPath, shares: Shares, k: int) -> bool:
        return path.cost <= self.weight * shares.steps[k] + EPS and path.risk <= shares.risk[k] + EPS

    def _keeping_others(
        self, node: RiskNode, changed: list[int], shares: Shares, parent: Shares | None
    ) -> Shares:
        """Return equally good shares that leave everybody but one changed agent as it is, if there are such."""
        if parent is None or not self._exact or len(changed) != 1:
            return shares
        (agent,) = changed
        others = [k for k in range(self.team.count) if k != agent]
        left_steps = shares.bound - float(parent.steps[others].sum())
        left_risk = self.team.budget - sum(
            p.risk for k, p in enumerate(node.paths) if k != agent and p is not None
        )
        steps, risk = node.fronts[agent]
        fitting = np.flatnonzero((steps <= left_steps + EPS) & (risk <= left_risk))
        if not len(fitting):
            return shares
        new_steps, new_risk = parent.steps.copy(), parent.risk.copy()
        for k in others:
            path = node.paths[k]
            assert path is not None
            new_risk[k] = path.risk
        new_steps[agent], new_risk[agent] = steps[fitting[-1]], risk[fitting[-1]]
        return Shares(shares.bound, new_steps, new_risk, self.team.budget - float(new_risk.sum()))

    def _expand(self, node: RiskNode) -> None:
        """Push the node's children; by bypasses the node itself may change first."""
        while True:
            made = []
            for child in self._split(node):
                new = self._child(node, child)
                if new is None:
                    continue
                if (
                    new.bound <= node.bound
                    and new.cost <= self.weight * node.bound
                    and new.pairs < node.pairs
                ):
                    break
                made.append(new)
            else:
                for new in made:
                    self._push(new)
                return
            node.paths, node.shares, node.meetings = new.paths, new.shares, new.meetings
            node.pairs, node.cost = new.pairs, new.cost
            if not len(node.meetings):
                self._push(node)
                return

    def _child(self, node: RiskNode, child: Child) -> RiskNode | None:
        """Return the node with the child's constraints; None if it holds no plan."""
        prepared = self._fronts_of(node, child)
        if prepared is None:
            return None
        rows, parked, fronts = prepared
        made = RiskNode(rows, parked, fronts, node.paths)
        made.bound, made.meetings = node.bound, node.meetings
        made.stale = set(node.stale) - set(child.rows)
        changed = []
        for k, row in child.rows.items():
            path = node.paths[k]
            assert path is not None
            late = (
                path.cost <= row[2] if row[0] == LONGER else path.cost > row[2] if row[0] == WITHIN else None
            )
            if breaks(path, row) if late is None else late:
                changed.append(k)
        at = child.parked
        if at is not None:
            made.stale |= {k for k in range(self.team.count) if k != at.agent}
            for k, path in enumerate(node.paths):
                if k != at.agent and path is not None and breaks(path, (0, 0, 0, 0), at):
                    changed.append(k)
                    front = self.team.front(k, rows[k], parked)
                    if front is None:
                        return None
                    made.fronts[k] = front
                    made.stale.discard(k)
        return made if self._fit(made, changed, node.shares) else None

    def _fronts_of(
        self, node: RiskNode, child: Child
    ) -> tuple[list[np.ndarray], tuple[Parked, ...], list[Front]] | None:
        """Return the child's constraints and the fronts of the agents that it names; None if one has no path."""
        rows, fronts = list(node.rows), list(node.fronts)
        parked = node.parked if child.parked is None else (*node.parked, child.parked)
        for k, row in child.rows.items():
            rows[k] = np.concatenate((rows[k], np.array([row], dtype=np.int32)))
            front = self.team.front(k, rows[k], parked)
            if front is None:
                return None
            fronts[k] = front
        return rows, parked, fronts

    def _split(self, node: RiskNode) -> tuple[Child, Child]:
        """Return the children of the meeting that raises their bounds most, of the earliest ones."""
        by_time = node.meetings[np.argsort(node.meetings[:, 2], kind="stable")].tolist()
        best, chosen = None, children(by_time[0])
        for meeting in by_time[: self.look]:
            pair = children(meeting)
            bounds = sorted(self._look(node, child) for child in pair)
            if best is None or bounds > best:
                best, chosen = bounds, pair
            if bounds[0][0] > node.bound:
                break
        return chosen

    def _look(self, node: RiskNode, child: Child) -> tuple[float, float]:
        """Return the bound that a child will have at least, and the risk of its shares."""
        prepared = self._fronts_of(node, child)
        shares = None if prepared is None else self._allocate(prepared[2], node.shares)
        if shares is None:
            return np.inf, np.inf
        return max(shares.bound, node.bound), -shares.slack


def children(meeting: Sequence[int]) -> tuple[Child, Child]:
    """Return the two children of a meeting; every plan without meetings is allowed by one of them."""
    a, b, t, kind, x, y = meeting
    if kind == AT_TARGET:
        return Child({a: (LONGER, 0, t, t)}), Child({a: (WITHIN, 0, t, t)}, Parked(a, x, t))
    if kind == ON_EDGE:
        return Child({a: (EDGE, x, t, t)}), Child({b: (EDGE, y, t, t)})
    return Child({a: (VERTEX, x, t, t)}), Child({b: (VERTEX, x, t, t)})
