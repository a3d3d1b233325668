# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from reflexarc.fleet.validator import validate

SQUARE = {
    "time": "steps",
    "radius": 0.0,
    "positions": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
    "edges": [[u, (u + d) % 4, 1.0] for u in range(4) for d in (1, 3)],
    "starts": [0, 2],
    "goals": [1, 3],
    "paths": [[[0, 0], [1, 1]], [[2, 0], [3, 1]]],
}
DISCS = SQUARE | {"time": "continuous", "radius": 0.3}


def rules(plan, **changes):
    return [finding.rule for finding in validate(plan | changes)]


def test_a_good_plan_has_no_findings():
    assert not validate(SQUARE) and not validate(DISCS)


@pytest.mark.parametrize("plan", [SQUARE, DISCS])
@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("agents", {"paths": SQUARE["paths"][:1]}),
        ("agents", {"paths": [], "starts": [], "goals": []}),
        ("start", {"starts": [3, 2]}),
        ("start", {"paths": [[], SQUARE["paths"][1]]}),
        ("goal", {"goals": [2, 3]}),
        ("time", {"paths": [[[0, 1], [1, 2]], SQUARE["paths"][1]]}),
        ("time", {"paths": [[[0, 0], [1, 0]], SQUARE["paths"][1]]}),
        ("time", {"paths": [[[0, 0], [1, math.nan]], SQUARE["paths"][1]]}),
        ("edge", {"goals": [2, 3], "paths": [[[0, 0], [2, 1]], SQUARE["paths"][1]]}),
        ("edge", {"paths": [[[0, 0], [9, 1], [1, 2]], SQUARE["paths"][1]]}),
    ],
)
def test_each_rule_of_a_single_path_is_noticed(plan, rule, changes):
    assert rules(plan, **changes)[0] == rule


def test_a_step_that_takes_two_is_noticed():
    assert rules(SQUARE, paths=[[[0, 0], [1, 2]], SQUARE["paths"][1]]) == ["time"]


def test_an_edge_driven_too_fast_is_noticed_in_continuous_time():
    assert rules(DISCS, paths=[[[0, 0], [1, 0.5]], DISCS["paths"][1]]) == ["duration"]


def test_two_agents_at_one_vertex_are_noticed():
    assert rules(SQUARE, goals=[1, 0], paths=[[[0, 0], [1, 1]], [[2, 0], [1, 1], [0, 2]]]) == ["vertex"]


def test_an_agent_that_has_ended_is_still_there():
    plan = {"goals": [1, 0], "paths": [[[0, 0], [1, 1]], [[2, 0], [2, 1], [2, 2], [1, 3], [0, 4]]]}
    assert rules(SQUARE, **plan) == ["vertex"]


def test_an_agent_that_never_moves_is_there_too():
    plan = {"starts": [1, 0], "goals": [1, 2], "paths": [[[1, 0]], [[0, 0], [1, 1], [2, 2]]]}
    assert rules(SQUARE, **plan) == ["vertex"]


def test_changing_places_is_noticed():
    plan = {"starts": [0, 1], "goals": [1, 0], "paths": [[[0, 0], [1, 1]], [[1, 0], [0, 1]]]}
    assert rules(SQUARE, **plan) == ["swap"]


def test_following_and_turning_in_a_circle_are_allowed():
    ring = [[[k, 0], [(k + 1) % 4, 1]] for k in range(4)]
    assert not validate(SQUARE | {"starts": [0, 1, 2, 3], "goals": [1, 2, 3, 0], "paths": ring})


@pytest.mark.parametrize(("wait", "rule"), [(0.0, ["disc"]), (2.0, [])])
def test_discs_that_cross_are_judged_exactly(wait, rule):
    r"""Two discs of radius r cross at right angles: with a delay D they come as near as D / sqrt(2)."""
    radius, delay = 0.4, wait + 0.9
    plan = {
        "time": "continuous",
        "radius": radius,
        "positions": [[-2.0, 0.0], [2.0, 0.0], [0.0, -2.0], [0.0, 2.0]],
        "edges": [[0, 1, 4.0], [2, 3, 4.0]],
        "starts": [0, 2],
        "goals": [1, 3],
        "paths": [[[0, 0.0], [1, 4.0]], [[2, 0.0], [2, delay], [3, delay + 4.0]]],
    }
    assert rules(plan) == rule
    limit = 2.0 * radius * math.sqrt(2.0)
    for shift, expected in ((-1e-3, ["disc"]), (1e-3, [])):
        paths = [plan["paths"][0], [[2, 0.0], [2, limit + shift], [3, limit + shift + 4.0]]]
        assert rules(plan, paths=paths) == expected


def test_a_disc_that_stands_at_its_goal_is_in_the_way():
    plan = {
        "positions": [[0.0, 0.0], [1.0, 0.0], [3.0, 0.2], [-1.0, 0.2]],
        "edges": [[0, 1, 1.0], [2, 3, 4.0]],
        "starts": [0, 2],
        "goals": [1, 3],
        "paths": [[[0, 0.0], [1, 1.0]], [[2, 0.0], [2, 9.0], [3, 13.0]]],
    }
    (finding,) = validate(DISCS | plan)
    assert finding.rule == "disc" and finding.time == pytest.approx(11.0)
