# SPDX-License-Identifier: Apache-2.0
"""Plans for a fleet whose summed risk stays within a budget: Delta-MAPF, in steps.

Minimise the sum of costs such that no two agents meet and the risks of all edges driven and all steps waited sum to at
most the budget (Parimi and Williams, arXiv 2509.08157). Agents share the budget freely. Three parts share the time:

1. the root's knapsack (`risk_knapsack`): a lower bound, or the proof that the budget is too small;
2. repair (`risk_repair`): a plan within the budget, soon, and better ones;
3. the tree (`risk_tree`): a complete search that raises the bound until the plan is proved to be within the weight,
   or finds a better one.

Whichever part ends the search, the plan returned obeys the budget, or there is none and `status` says why.
"""

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy.typing as npt

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs.risk_knapsack import price, share
from reflexarc.fleet.cbs.risk_model import RiskModel, risk_model
from reflexarc.fleet.cbs.risk_repair import Repair
from reflexarc.fleet.cbs.risk_team import RiskTeam
from reflexarc.fleet.cbs.risk_tree import RiskNode, RiskTree
from reflexarc.fleet.cbs.tables import NO_CONSTRAINTS
from reflexarc.fleet.cbs.team import OutOfTime
from reflexarc.fleet.graph import grid
from reflexarc.fleet.instances import Instance, make_instance
from reflexarc.fleet.plan import FleetPlan, Path_, step_path

ROUNDING = 1e-9
"""Sums of risks may exceed the budget by this much of 1 + budget."""
TURN = 0.25
"""Repair and tree take turns, the first ones of this time, later ones longer. [s]"""
REPAIR_SHARE = 0.3
"""Time of a repair's turn over the tree's."""
REPAIR_SHARE_FAR = 3.0
"""The same while the plan is far from the bound, where the tree will not end soon."""
FAR = 1.03
"""Cost over lower bound from which a plan is far."""
FIRST_SHARE = 0.5
"""Share of the time in which a first plan is looked for before the tree begins."""


@dataclass(frozen=True, slots=True, eq=False)
class RiskPlan(FleetPlan):
    """A plan within a risk budget."""

    model: RiskModel | None = None
    budget: float = math.inf
    least_risk: float = 0.0
    """No plan has a smaller sum of risks than this."""
    first_seconds: float = math.inf
    """When the first plan within the budget was known. [s]"""

    @property
    def risk(self) -> float:
        """Sum of risks."""
        assert self.model is not None
        return math.fsum(self.model.along([v for v, _ in path]) for path in self.paths)

    def to_json(self) -> dict[str, Any]:
        """Return the plan with its risks and budget, by which it can be judged."""
        assert self.model is not None
        content = FleetPlan.to_json(self)
        content["risk"] = {
            "budget": self.budget if math.isfinite(self.budget) else None,
            "edges": self.model.edge.tolist(),
            "wait": self.model.wait.tolist(),
            "crossing": self.model.crossing,
            "total": self.risk if self.solved else None,
        }
        return content


def solve_risk_bounded(
    instance: Instance,
    risk: RiskModel | npt.ArrayLike,
    budget: float,
    time_limit: float = 60.0,
    weight: float = 1.0,
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> RiskPlan:
    """Return a plan whose risks sum to at most `budget`, of cost at most `weight` times the optimum if time suffices.

    Args:
        instance: every edge takes one step.
        risk: a model, or the risk per directed edge, shape (m,), with the model's defaults.
        budget: on the sum of risks, >= 0; inf for none.
        time_limit: [s]
        weight: >= 1; 1 is optimal.
        seed: of the repair.
        progress: told the nodes expanded and the lower bound.
        clock: of the limit and of the plan's seconds; `time.process_time` where a busy machine shall not count.

    Raises:
        ConfigError: risks, budget, time limit or weight that are not acceptable.
    """
    model = risk if isinstance(risk, RiskModel) else risk_model(instance.graph, risk)
    if model.graph is not instance.graph:
        raise ConfigError("the risks belong to another graph than the instance; nothing was planned")
    if not budget >= 0.0:
        raise ConfigError(f"risk budget {budget} must be a number >= 0; nothing was planned")
    if not 0.0 < time_limit < 1e7:
        raise ConfigError(f"time limit {time_limit} must be a time in seconds > 0")
    if not 1.0 <= weight < 1e3:
        raise ConfigError(f"weight {weight} must be >= 1 and < 1000")
    compile_risk_kernels()
    began = clock()
    search = _Search(instance, model, budget, time_limit, weight, seed, progress, clock)
    paths, bound, status = search.run()
    return RiskPlan(
        instance, "risk", paths, bound, search.expanded, clock() - began, status=status, model=model,
        budget=float(budget), least_risk=float(search.team.safest.sum()), first_seconds=search.first_at - began,
    )  # fmt: skip


class RiskRange(NamedTuple):
    """Between what sums of risks a budget matters."""

    low: float
    """Smallest sum of risks of a plan that was found."""
    bound: float
    """No plan has a smaller one."""
    high: float
    """Sum of risks of the plan of fewest steps."""

    def budget(self, share: float) -> float:
        """Return the budget at a share of the range, 0 for the safest and 1 for the fastest plan."""
        return self.low + share * (self.high - self.low)


def risk_range(
    instance: Instance,
    model: RiskModel,
    time_limit: float = 60.0,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> RiskRange:
    """Return the range of budgets of an instance; the two ends take half of the time each.

    Args:
        instance: every edge takes one step.
        model: risks.
        time_limit: [s]
        seed: of the repair.
        clock: of the limit.

    Raises:
        ConfigError: no plan was found in time.
    """
    compile_risk_kernels()
    team = RiskTeam(instance, model, math.inf, 0.5 * time_limit, clock)
    bound = float(team.safest.sum())
    repair = _repair(team, bound + ROUNDING * (1.0 + bound), math.inf, seed)
    if not repair.first_plan(team.deadline):
        raise ConfigError(f"no plan was found within {0.5 * time_limit:g} s, so there is no range of budgets")
    repair.improve(team.deadline, math.inf)
    low = max(float(repair.spent.sum()), bound)
    fastest = solve_risk_bounded(instance, model, math.inf, 0.5 * time_limit, seed=seed, clock=clock)
    return RiskRange(low, bound, max(fastest.risk if fastest.solved else low, low))


def _repair(team: RiskTeam, budget: float, rate: float, seed: int) -> Repair:
    return Repair(
        team.instance.graph, team.starts, team.goals, team.net, team.risks, team.steps, team.to_go, budget, rate, seed,
        team.clock,
    )  # fmt: skip


def compile_risk_kernels() -> None:
    """Compile the kernels, or load them from the cache, once per process and before any clock starts."""
    if _ready:
        return
    _ready.append(True)
    cross = grid(["@.@", "...", "@.@"], diagonal=True)
    starts, goals = ([cross.cells[c] for c in row] for row in ([(0, 1), (1, 0)], [(2, 1), (1, 2)]))
    ticks = itertools.count()
    model = risk_model(cross, [1.0] * cross.edges, crossing=True)
    # one has to wait, so bound, repair and tree all run; the clock ticks with every look at it
    solve_risk_bounded(
        make_instance(cross, starts, goals), model, 9.0, 400.0, clock=lambda: float(next(ticks))
    )


_ready: list[bool] = []


class _Search:
    """Bound, repair and tree on one instance."""

    def __init__(
        self, instance: Instance, model: RiskModel, budget: float, time_limit: float, weight: float, seed: int,
        progress: Callable[[int, float], None] | None, clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self.instance, self.weight, self.seed, self.progress = instance, weight, seed, progress
        self.time_limit = time_limit
        self.budget = budget + ROUNDING * (1.0 + budget)
        self.team = RiskTeam(instance, model, self.budget, time_limit, clock)
        self.expanded = 0
        self.first_at = math.inf
        """When the first plan within the budget was known, by the clock."""

    def _note(self, found: bool) -> None:
        if found:
            self.first_at = min(self.first_at, self.team.clock())

    def run(self) -> tuple[tuple[Path_, ...], float, str]:
        """Return paths, lower bound and status."""
        team, deadline = self.team, self.team.deadline
        least = float(team.safest.sum())
        if least > self.budget:
            text = f"no plan: the safest paths risk {least:.6g} together even without the other agents"
            return (), math.inf, text
        fronts = [team.front(a, NO_CONSTRAINTS, ()) for a in range(team.count)]
        known = [front for front in fronts if front is not None]
        bound, _, _ = share(known, self.budget)
        repair = _repair(team, self.budget, price(known, self.budget), self.seed)
        if repair.first_plan(self.team.clock() + FIRST_SHARE * self.time_limit):
            repair.improve(min(deadline, self.team.clock() + TURN), math.inf)
            self._note(repair.within)
            repair.improve(min(deadline, self.team.clock() + TURN), self.weight * bound)
            self._note(repair.within)
        best = repair.paths() if repair.within else None
        cost = repair.soc if repair.within else None
        tree = RiskTree(team, self.weight)
        lower, proved = float(bound), False
        if (cost is None or cost > self.weight * bound) and not tree.begin():
            proved = True
        turn = TURN
        while not proved and (cost is None or cost > self.weight * lower + 1e-9):
            now = self.team.clock()
            if now >= deadline:
                break
            team.most = None if cost is None else cost - 1
            node = self._tree_turn(tree, min(deadline, now + turn), cost)
            lower = max(lower, tree.lower_bound)
            if node is not None:
                best = [(p.vertices, p.edges) for p in node.paths if p is not None]
                cost = node.cost
                self._note(True)
                break
            proved = tree.exhausted
            if not proved and repair.planned:
                far = not repair.within or repair.soc > FAR * lower
                part = turn * (REPAIR_SHARE_FAR if far else REPAIR_SHARE)
                repair.improve(min(deadline, self.team.clock() + part), self.weight * lower)
                if repair.within and (cost is None or repair.soc < cost):
                    best, cost = repair.paths(), repair.soc
                    self._note(True)
            turn *= 1.5
        self.expanded = tree.expanded
        if cost is None or best is None:
            if proved:
                return (), math.inf, "there is no plan within the budget"
            return (), lower, f"no plan within {self.time_limit:g} s"
        lower = float(cost) if proved else min(lower, float(cost))
        late = cost > self.weight * lower + 1e-9
        status = (
            f"not proved to be within {self.weight:g} of the optimum in {self.time_limit:g} s" if late else ""
        )
        return tuple(step_path(vertices.tolist()) for vertices, _ in best), lower, status

    def _tree_turn(self, tree: RiskTree, until: float, known: int | None) -> RiskNode | None:
        try:
            return tree.search(until, known, self.progress)
        except OutOfTime:
            return None
