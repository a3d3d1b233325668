# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest

from reflexarc.fleet.cbs import compile_kernels
from reflexarc.fleet.cbs.cover import Cover
from reflexarc.fleet.cbs.optimal import CbsOptions, solve_optimal
from reflexarc.fleet.cbs.tables import NO_CONSTRAINTS
from reflexarc.fleet.cbs.team import Route, Team
from reflexarc.fleet.graph import grid
from reflexarc.fleet.instances import make_instance
from reflexarc.fleet.validator import validate

from .problems import (
    CROSS,
    LINE,
    LINE_WITH_POCKET,
    benchmark,
    joint_optimum,
    random_grid_instance,
    random_roadmap_instance,
    reference_costs,
)

VARIANTS = [
    CbsOptions(),
    CbsOptions(heuristic="dg"),
    CbsOptions(disjoint=True),
    CbsOptions(symmetry=False, heuristic="none"),
    CbsOptions(symmetry=False, bypass=False, heuristic="none", disjoint=True),
]


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    compile_kernels("cbs")


def judged(plan):
    """Return the plan's cost after the validator has seen it."""
    assert plan.solved, plan.status
    assert not validate(plan.to_json())
    return plan.soc


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("draw", [random_grid_instance, random_roadmap_instance])
def test_the_cost_is_the_optimum_that_joint_search_finds(draw, options):
    rng = np.random.default_rng(11)
    conflicts = 0
    for _ in range(20):
        instance = draw(rng, 3) if draw is random_roadmap_instance else draw(rng, 3, 3, 4)
        best = joint_optimum(instance)
        if best is None:
            continue
        plan = solve_optimal(instance, 20.0, options)
        assert judged(plan) == best == plan.lower_bound
        alone = [judged(solve_optimal(make_instance(instance.graph, [s], [g])))
                 for s, g in zip(instance.starts, instance.goals, strict=True)]  # fmt: skip
        conflicts += plan.soc > sum(alone)
    assert conflicts >= 3


def test_four_agents_in_open_space_and_in_a_narrow_hall():
    rng = np.random.default_rng(5)
    for rows in (["....."] * 4, [".....", "@@.@@", "....."]):
        graph = grid(rows)
        for _ in range(4):
            starts, goals = (rng.choice(graph.vertices, 4, replace=False).tolist() for _ in range(2))
            instance = make_instance(graph, starts, goals)
            assert judged(solve_optimal(instance, 30.0)) == joint_optimum(instance)


def test_two_agents_do_not_share_the_middle_of_a_cross():
    """A planner that only looks at the first step lets both be there at step 1, for a cost of 4."""
    middle = CROSS.cells
    across = make_instance(CROSS, [middle[0, 1], middle[1, 0]], [middle[2, 1], middle[1, 2]])
    assert judged(solve_optimal(across)) == 5 == joint_optimum(across)
    opposite = make_instance(CROSS, [middle[0, 1], middle[2, 1]], [middle[2, 1], middle[0, 1]])
    assert judged(solve_optimal(opposite)) == joint_optimum(opposite)


def test_two_agents_do_not_pass_through_each_other_on_a_line():
    meet = make_instance(LINE, [0, 4], [4, 0])
    plan = solve_optimal(meet, time_limit=0.5)
    assert not plan.solved and plan.status.startswith("no plan within") and plan.lower_bound > 8
    cells = LINE_WITH_POCKET.cells
    ends = [cells[0, 0], cells[4, 0]]
    pocket = make_instance(LINE_WITH_POCKET, ends, ends[::-1])
    assert judged(solve_optimal(pocket)) == joint_optimum(pocket)


def test_a_goal_that_another_has_to_pass_is_left_free_for_it():
    graph = grid(["......", "@@@.@@"])
    cells = graph.cells
    instance = make_instance(graph, [cells[2, 0], cells[0, 0]], [cells[3, 0], cells[5, 0]])
    assert judged(solve_optimal(instance)) == joint_optimum(instance)


def test_an_agent_that_stands_at_its_goal_costs_nothing():
    assert solve_optimal(make_instance(LINE, [2], [2])).soc == 0
    pocket = make_instance(LINE_WITH_POCKET, [2, 0], [2, 4])
    assert judged(solve_optimal(pocket)) == joint_optimum(pocket)


def test_the_lower_bound_holds_when_time_runs_out():
    instance = make_instance(grid(["......."] * 7), list(range(24)), list(range(24, 48)))
    best = judged(solve_optimal(instance, 60.0))
    for limit in (1e-4, 1e-2):
        plan = solve_optimal(instance, limit)
        assert plan.lower_bound <= best


def test_equal_calls_give_equal_plans():
    instance = random_grid_instance(np.random.default_rng(3), 6)
    assert solve_optimal(instance).digest == solve_optimal(instance).digest


def test_a_decision_diagram_holds_exactly_the_shortest_paths():
    graph = grid(["....", ".@..", "...."])
    instance = make_instance(graph, [0], [graph.cells[3, 2]])
    team = Team(instance, 10.0)
    paths, costs = np.zeros((1, 1), dtype=np.int32), np.array([-1], dtype=np.int32)
    route = team.plan(0, NO_CONSTRAINTS, (), paths, costs, 0)
    assert route is not None and route.mdd is not None
    first, nodes, edge_first, edge_to = route.mdd
    ways = np.zeros(len(nodes), dtype=int)
    ways[0] = 1
    for k in range(len(nodes)):
        for e in range(edge_first[k], edge_first[k + 1]):
            ways[edge_to[e]] += ways[k]
    # C(5, 2) = 10 monotone paths, of which C(2, 1) * C(3, 2) = 6 pass the blocked cell
    assert route.cost == 5 and ways[-1] == 4
    assert [first[t + 1] - first[t] for t in range(6)] == [1, 2, 2, 3, 2, 1]


def test_barriers_of_two_agents_exclude_each_other():
    """Every pair of shortest paths through one barrier each must conflict."""
    graph = grid(["....."] * 5)
    cells = graph.cells
    instance = make_instance(graph, [cells[0, 1], cells[1, 0]], [cells[3, 3], cells[3, 4]])
    team = Team(instance, 10.0)
    paths, costs = np.zeros((2, 1), dtype=np.int32), np.array([-1, -1], dtype=np.int32)
    routes = [team.plan(k, NO_CONSTRAINTS, (), paths, costs, k) for k in range(2)]
    kind, *barriers = team.relation(*routes)
    assert kind == 1
    walks = [list(_walks(route)) for route in routes]
    through = [
        [w for w in all_ if any(t < len(w) and w[t] == v for v, t in barrier.tolist())]
        for all_, barrier in zip(walks, barriers, strict=True)
    ]
    assert [len(t) for t in through] == [len(w) for w in walks]  # both barriers cut their diagram
    for one, other in itertools.product(*through):
        meets = any(u == v for u, v in zip(one, other, strict=False))
        swaps = any(
            one[t] == other[t + 1] and one[t + 1] == other[t] for t in range(min(len(one), len(other)) - 1)
        )
        assert meets or swaps


def _walks(route: Route, node: int = 0, so_far: tuple[int, ...] = ()):
    _, nodes, edge_first, edge_to = route.mdd
    so_far = (*so_far, int(nodes[node]))
    if len(so_far) == route.cost + 1:
        yield so_far
    for e in range(edge_first[node], edge_first[node + 1]):
        yield from _walks(route, int(edge_to[e]), so_far)


def test_covers_are_minimal():
    rng = np.random.default_rng(2)
    for _ in range(60):
        count = int(rng.integers(2, 6))
        pairs = [p for p in itertools.combinations(range(count), 2) if rng.random() < 0.7]
        weights = {pair: int(rng.integers(1, 4)) for pair in pairs}
        brute = min(
            sum(x)
            for x in itertools.product(range(4), repeat=count)
            if all(x[i] + x[j] >= w for (i, j), w in weights.items())
        )
        assert Cover().bound(weights) == brute


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "numbers", "agents"),
    [
        ("random-32-32-20", range(1, 11), 20),
        ("random-32-32-20", (1, 3, 6), 40),
        ("room-32-32-4", (1, 3), 20),
        ("maze-32-32-2", (1, 2), 10),
    ],
)
def test_costs_of_the_public_instances_are_the_proved_optima(name, numbers, agents):
    known = reference_costs()
    for number in numbers:
        plan = solve_optimal(benchmark(name, number, agents), 60.0)
        assert judged(plan) == known[f"{name}-random-{number}", agents]
