# SPDX-License-Identifier: Apache-2.0
"""Plans within a risk budget: against a search over all joint states, and what is refused."""

import math
import time

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs import risk
from reflexarc.fleet.cbs.risk_model import risk_model
from reflexarc.fleet.graph import grid
from reflexarc.fleet.instances import make_instance
from reflexarc.fleet.validator import validate

from .oracle import cheapest, joint_front


def bounded_plan(*arguments, **options):
    # processor time, so that a busy machine does not end searches
    return risk.solve_risk_bounded(*arguments, **options, clock=time.process_time)


def small_problem(rng, agents):
    """Return an instance on a grid with diagonals, and its risks: some edges free, some dear."""
    while True:
        width, height = (3, 2) if agents == 3 else (3, 3)
        rows = ["".join("." if rng.random() > 0.12 else "@" for _ in range(width)) for _ in range(height)]
        try:
            graph = grid(rows, diagonal=bool(rng.random() < 0.6))
            ends = [rng.choice(graph.vertices, agents, replace=False).tolist() for _ in range(2)]
            instance = make_instance(graph, *ends)
        except (ConfigError, ValueError):
            continue
        risks = np.round(rng.random(graph.edges) * 2.0, 2) * (rng.random(graph.edges) < 0.7)
        wait = None if rng.random() < 0.5 else np.round(rng.random(graph.vertices), 2)
        return instance, risk_model(graph, risks, wait)


def judged(plan, budget):
    assert plan.solved, plan.status
    assert not validate(plan.to_json())
    assert plan.risk <= budget + 1e-8 and plan.lower_bound <= plan.soc + 1e-9
    return plan.soc


def test_costs_are_the_optimum_of_a_search_over_all_joint_states():
    rng = np.random.default_rng(5)
    compared = refused = bounded = 0
    for number in range(10):
        instance, model = small_problem(rng, 2 + number % 2)
        front = joint_front(instance, model.edge, model.wait, model.crossing, 7)
        if not front or front[0][0] > 12:
            continue
        for share in (0.0, 0.3, 0.7, 1.0):
            budget = front[-1][1] + share * (front[0][1] - front[-1][1])
            best = cheapest(front, budget)
            plan = bounded_plan(instance, model, budget, 20.0)
            assert best is not None and judged(plan, budget) <= best
            if plan.makespan <= 7:  # else the oracle's plans were cut short
                assert plan.soc == best == plan.lower_bound
                compared += 1
            loose = bounded_plan(instance, model, budget, 20.0, weight=1.5)
            assert judged(loose, budget) <= 1.5 * plan.soc
            bounded += loose.soc > plan.soc
        least = sum(float(model.to_go(g)[s]) for s, g in zip(instance.starts, instance.goals, strict=True))
        if least > 1e-6:
            none = bounded_plan(instance, model, least * 0.99, 20.0)
            assert not none.solved and "no plan" in none.status and none.lower_bound == math.inf
            refused += 1
    assert compared >= 24 and refused >= 3


def test_a_larger_budget_never_costs_more():
    rng = np.random.default_rng(1)
    graph = grid(["......", ".@@...", "......", "...@@.", "......"], diagonal=True)
    model = risk_model(graph, rng.random(graph.edges))
    places = rng.permutation(graph.vertices)
    instance = make_instance(graph, places[:6].tolist(), places[6:12].tolist())
    fastest = bounded_plan(instance, model, math.inf, 20.0)
    costs = [judged(fastest, math.inf)]
    budgets = np.linspace(fastest.risk, fastest.least_risk, 6)
    for budget in budgets[:-1]:
        plan = bounded_plan(instance, model, float(budget), 20.0)
        costs.append(judged(plan, float(budget)))
        assert plan.lower_bound == plan.soc
    assert costs == sorted(costs) and costs[0] == costs[1] < costs[-1]


def test_a_budget_between_what_each_risks_alone_and_what_all_risk_together_gets_no_plan():
    corridor = grid(["....."])
    instance = make_instance(corridor, [0, 4], [4, 0])
    plan = bounded_plan(instance, np.ones(corridor.edges), 100.0, 0.5)
    assert not plan.solved and plan.status and plan.paths == ()
    cross = grid(["@.@", "...", "@.@"])
    cells = cross.cells
    instance = make_instance(cross, [cells[0, 1], cells[1, 0]], [cells[2, 1], cells[1, 2]])
    plan = bounded_plan(instance, np.ones(cross.edges), 4.0, 1.0)  # one must wait, which risks 1
    assert not plan.solved and plan.status
    assert judged(bounded_plan(instance, np.ones(cross.edges), 5.0, 5.0), 5.0) == 5
    free = risk_model(cross, np.ones(cross.edges), wait=0.0)
    assert judged(bounded_plan(instance, free, 4.0, 5.0), 4.0) == 5


def test_diagonals_that_cross_are_not_driven_in_one_step():
    square = grid(["..", ".."], diagonal=True)
    cells = square.cells
    instance = make_instance(square, [cells[0, 0], cells[1, 0]], [cells[1, 1], cells[0, 1]])
    zero = np.zeros(square.edges)
    assert judged(bounded_plan(instance, zero, 0.0, 5.0), 0.0) == 3
    apart = risk_model(square, zero, crossing=False)
    assert judged(bounded_plan(instance, apart, 0.0, 5.0), 0.0) == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1])
def test_risks_that_are_no_risks_are_refused_by_name(value):
    graph = grid(["..."])
    risks = np.ones(graph.edges)
    risks[2] = value
    with pytest.raises(ConfigError, match="edge 1 -> 2: its risk"):
        risk_model(graph, risks)
    with pytest.raises(ConfigError, match="vertex 0: its wait risk"):
        risk_model(graph, np.ones(graph.edges), wait=value)
    with pytest.raises(ConfigError, match="4 directed edges"):
        risk_model(graph, np.ones(3))
    instance = make_instance(graph, [0], [2])
    for budget in (math.nan, -1.0):
        with pytest.raises(ConfigError, match="risk budget"):
            bounded_plan(instance, np.ones(4), budget)
    with pytest.raises(ConfigError, match="another graph"):
        bounded_plan(instance, risk_model(grid(["..."]), np.ones(4)), 1.0)


def test_a_plan_says_when_the_first_one_was_known():
    rng = np.random.default_rng(3)
    graph = grid(["......"] * 5, diagonal=True)
    model = risk_model(graph, rng.random(graph.edges), wait=0.3)
    places = rng.permutation(graph.vertices)
    instance = make_instance(graph, places[:8].tolist(), places[8:16].tolist())
    least = bounded_plan(instance, model, math.inf, 5.0).least_risk
    for budget in (1.02 * least, 1.1 * least, 2.0 * least):
        plan = bounded_plan(instance, model, budget, 3.0)
        assert plan.first_seconds <= plan.seconds if plan.solved else plan.first_seconds == math.inf
