# SPDX-License-Identifier: Apache-2.0
"""Other ways to keep a risk budget, on the same fronts and the same tree as `reflexarc.fleet.cbs.risk`.

Re-implemented from what is published about them (Parimi and Williams, arXiv 2509.08157), not their code, and without
what costs that code plans: every child is kept, edges and vertices are split as ours.

- `constrained`: every agent may risk budget / agents.
- `lagrangian`: every agent minimises steps + price * risk; the price is bisected, one search of the tree per price.
- `equiris`: quotas begin equal; an agent that its quota leaves no path gets what it needs at least, taken from those
  with the largest surplus over their own least; if there is not enough, the node is dropped.
- `walris`: quotas in a market; at each of at most 20 bisected prices, at most six rounds in which each agent moves its
  quota by a step to where steps + price * quota is smallest.

What a tree with quotas returns keeps the budget, but its bound holds for its quotas only.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reflexarc.fleet.cbs.risk_knapsack import Front
from reflexarc.fleet.cbs.risk_team import RiskTeam
from reflexarc.fleet.cbs.risk_tree import RiskNode, RiskTree, Shares
from reflexarc.fleet.cbs.team import OutOfTime

PEERS = ("constrained", "lagrangian", "equiris", "walris")
SLACK = 1e-9
MOST_PRICE, PRICES, ROUNDS = 1e6, 20, 6
STEPS_OF_QUOTA = (0.05, 0.02, 0.01)
"""Shares of budget / agents by which a quota moves, tried in turn."""


def run_peer(
    name: str, instance: Any, model: Any, budget: float, time_limit: float
) -> tuple[list[Any], float]:
    """Return the paths, none if the budget or time did not suffice, and the seconds of processor time taken."""
    began = time.process_time()
    budget += SLACK * (1.0 + budget)
    team = RiskTeam(instance, model, budget, time_limit, time.process_time)
    try:
        if name == "lagrangian":
            node = _lagrangian(team)
        else:
            rule = {"constrained": _constrained, "equiris": _equiris, "walris": _walris}[name]
            node = _search(team, lambda fronts, parent: rule(team, fronts, parent))
    except OutOfTime:
        node = None
    return [] if node is None else list(node.paths), time.process_time() - began


def _search(
    team: RiskTeam, allocate: Callable[[Sequence[Front], Shares | None], Shares | None]
) -> RiskNode | None:
    tree = RiskTree(team, allocate=allocate)
    return tree.search(team.deadline) if tree.begin() else None


def _quotas(fronts: Sequence[Front], quotas: np.ndarray) -> Shares | None:
    """Return the fewest steps within quotas; None if somebody has no path."""
    steps = np.empty(len(fronts))
    for k, (s, r) in enumerate(fronts):
        fitting = np.flatnonzero(r <= quotas[k] + SLACK)
        if not len(fitting):
            return None
        steps[k] = s[fitting[0]]
    return Shares(float(steps.sum()), steps, quotas, 0.0)


def _constrained(team: RiskTeam, fronts: Sequence[Front], _: Shares | None) -> Shares | None:
    return _quotas(fronts, np.full(len(fronts), team.budget / len(fronts)))


def _equiris(team: RiskTeam, fronts: Sequence[Front], parent: Shares | None) -> Shares | None:
    least = np.array([r[-1] for _, r in fronts])
    quotas = np.full(len(fronts), team.budget / len(fronts)) if parent is None else parent.risk.copy()
    missing = np.maximum(least - quotas, 0.0)
    deficit = float(missing.sum())
    quotas += missing
    for k in np.argsort(-(quotas - least)):
        taken = min(deficit, float(quotas[k] - least[k]))
        quotas[k] -= taken
        deficit -= taken
    return None if deficit > SLACK else _quotas(fronts, quotas)


def _walris(team: RiskTeam, fronts: Sequence[Front], _: Shares | None) -> Shares | None:
    low = np.array([r[-1] for _, r in fronts])
    high = np.array([r[0] for _, r in fronts])
    if low.sum() > team.budget:
        return None
    if high.sum() <= team.budget:
        return _quotas(fronts, high)
    each = team.budget / len(fronts)
    below, above = 0.0, MOST_PRICE
    best: np.ndarray = low
    for _round in range(PRICES):
        rate = 0.5 * (below + above)
        quotas = _best_responses(
            fronts, np.clip(np.full(len(fronts), each), low, high), low, high, rate, each
        )
        if quotas.sum() <= team.budget:
            above, best = rate, quotas
        else:
            below = rate
        if above - below < 1e-3:
            break
    return _quotas(fronts, best)


def _best_responses(fronts, quotas, low, high, rate, each) -> np.ndarray:
    size = 0
    for _ in range(ROUNDS):
        moved = False
        for k, (s, r) in enumerate(fronts):
            step = STEPS_OF_QUOTA[size] * each
            options = np.clip(np.array([quotas[k], quotas[k] - step, quotas[k] + step]), low[k], high[k])
            value = [s[np.flatnonzero(r <= q + SLACK)[0]] + rate * q for q in options]
            chosen = int(np.argmin(value))
            moved |= bool(options[chosen] != quotas[k])
            quotas[k] = options[chosen]
        if not moved:
            size += 1
            if size == len(STEPS_OF_QUOTA):
                break
    return quotas


def _lagrangian(team: RiskTeam) -> RiskNode | None:
    """Bisect the price; a tree's node at each price, until time is up or the price is known closely."""
    free_budget, budget = np.inf, team.budget
    team.budget = free_budget  # the search itself knows no budget, only a price
    low, high = 0.0, 0.0
    best: RiskNode | None = None
    for number in range(PRICES):
        if team.clock() > team.deadline:
            break
        rate = 0.0 if number == 0 else (4.0 ** (number - 1) if best is None else 0.5 * (low + high))
        node = _search(team, lambda fronts, _, rate=rate: _at_price(fronts, rate))
        if node is None:
            break
        if sum(path.risk for path in node.paths if path is not None) <= budget:
            best, high = node, rate
            if rate == 0.0:
                break
        else:
            low = rate
        if best is not None and high - low < 1e-3 * high:
            break
    return best


def _at_price(fronts: Sequence[Front], rate: float) -> Shares:
    points = [int(np.argmin(s + rate * r)) for s, r in fronts]
    steps = np.array([s[p] for (s, _), p in zip(fronts, points, strict=True)], dtype=np.float64)
    risk = np.array([r[p] for (_, r), p in zip(fronts, points, strict=True)])
    return Shares(float(steps.sum() + rate * risk.sum()), steps, risk, 0.0)
