# SPDX-License-Identifier: Apache-2.0
"""The validator's rules on risk, one broken plan each, and on plans as the planner writes them."""

import math

import numpy as np
import pytest

from reflexarc.fleet.cbs.risk import solve_risk_bounded
from reflexarc.fleet.graph import grid
from reflexarc.fleet.instances import make_instance
from reflexarc.fleet.validator import validate

PAIRS = [(u, v) for u in range(4) for v in range(4) if u != v]
RISK = {"budget": 3.0, "edges": [1.0 + 0.1 * u for u, _ in PAIRS], "wait": [0.5] * 4, "crossing": True}
SQUARE = {
    "time": "steps",
    "radius": 0.0,
    "positions": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
    "edges": [[u, v, 1.0] for u, v in PAIRS],
    "starts": [0, 1],
    "goals": [2, 3],
    "paths": [[[0, 0], [2, 1]], [[1, 0], [1, 1], [3, 2]]],
    "risk": RISK,
}  # risks 1.0 + 0.5 + 1.1


def rules(**changes):
    return [finding.rule for finding in validate(SQUARE | changes)]


def test_a_plan_within_its_budget_has_no_findings():
    assert not rules() and not rules(risk=RISK | {"budget": 2.6}) and not rules(risk=RISK | {"budget": None})
    assert not rules(
        paths=[[[0, 0], [2, 1], [2, 2], [2, 3]], SQUARE["paths"][1]]
    )  # standing at the end is free


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("risk", {"risk": RISK | {"budget": 2.59}}),
        ("risk", {"risk": RISK | {"budget": math.nan}}),
        ("risk", {"risk": RISK | {"edges": [math.nan, *RISK["edges"][1:]]}}),
        ("risk", {"risk": RISK | {"wait": [-0.5] * 4}}),
        ("risk", {"risk": RISK | {"wait": [0.5] * 3}}),
        ("risk", {"paths": [SQUARE["paths"][0], [[1, 0], [1, 1], [1, 2], [3, 3]]]}),
        ("cross", {"paths": [SQUARE["paths"][0], [[1, 0], [3, 1]]]}),
        ("vertex", {"goals": [2, 2], "paths": [SQUARE["paths"][0], [[1, 0], [1, 1], [2, 2]]]}),
    ],
)
def test_every_rule_is_found_broken(rule, changes):
    assert rules(**changes) == [rule]


def test_a_plan_that_is_waited_longer_than_its_budget_allows_is_found():
    graph = grid(["...", "..."], diagonal=True)
    instance = make_instance(graph, [0, 2], [2, 0])
    plan = solve_risk_bounded(instance, np.ones(graph.edges), 6.0, 5.0)
    content = plan.to_json()
    assert not validate(content) and plan.risk == content["risk"]["total"] <= 6.0
    content["risk"]["budget"] = plan.risk - 0.5
    assert [finding.rule for finding in validate(content)] == ["risk"]
