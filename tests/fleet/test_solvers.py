# SPDX-License-Identifier: Apache-2.0
"""What every solver promises, and what the bounded and the large-fleet ones add."""

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs import SOLVERS, compile_kernels, solve
from reflexarc.fleet.cbs.bounded import solve_bounded
from reflexarc.fleet.cbs.lacam import solve_large
from reflexarc.fleet.cbs.optimal import solve_optimal
from reflexarc.fleet.graph import grid
from reflexarc.fleet.instances import make_instance
from reflexarc.fleet.plan import load_plan
from reflexarc.fleet.validator import validate

from .problems import CROSS, LINE, LINE_WITH_POCKET, benchmark, joint_optimum, random_grid_instance

STEP_SOLVERS = ("cbs", "eecbs", "lacam")


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    for solver in STEP_SOLVERS:
        compile_kernels(solver)


def judged(plan):
    assert plan.solved, plan.status
    assert not validate(plan.to_json())
    assert plan.lower_bound <= plan.soc + 1e-9
    return plan.soc


def test_no_plan_of_200_random_instances_has_a_conflict():
    rng = np.random.default_rng(0)
    planned = 0
    for _ in range(200):
        instance = random_grid_instance(rng, 7)
        first = solve_large(instance, 2.0, first_only=True)
        if not first.solved:
            continue  # LaCAM is complete: nobody finds one
        planned += 1
        judged(first)
        bounded = solve_bounded(instance, 1.5, 0.4)
        if bounded.solved:
            assert judged(bounded) <= 1.5 * bounded.lower_bound + 1e-9
        optimal = solve_optimal(instance, 0.4)
        if optimal.solved:
            assert judged(optimal) <= first.soc
            assert bounded.lower_bound <= optimal.soc
    assert planned > 150


@pytest.mark.parametrize("solver", STEP_SOLVERS)
def test_the_cross_and_the_pocket_are_solved_without_meeting(solver):
    cells = CROSS.cells
    cross = make_instance(CROSS, [cells[0, 1], cells[1, 0]], [cells[2, 1], cells[1, 2]])
    assert judged(solve(cross, solver, 1.0, first_only=True)) >= 5
    ends = [LINE_WITH_POCKET.cells[0, 0], LINE_WITH_POCKET.cells[4, 0]]
    judged(solve(make_instance(LINE_WITH_POCKET, ends, ends[::-1]), solver, 5.0, first_only=True))


@pytest.mark.parametrize("solver", STEP_SOLVERS)
def test_a_head_on_pair_on_a_line_gets_no_plan(solver):
    plan = solve(make_instance(LINE, [0, 4], [4, 0]), solver, 0.5)
    assert not plan.solved and plan.status and not plan.paths


def test_lacam_knows_when_there_is_no_plan():
    assert solve(make_instance(LINE, [0, 4], [4, 0]), "lacam", 30.0).status == "there is no plan"


def test_the_bounded_cost_keeps_within_its_weight():
    rng = np.random.default_rng(8)
    for weight in (1.0, 1.05, 1.2, 2.0):
        for _ in range(5):
            instance = random_grid_instance(rng, 3)
            best = joint_optimum(instance)
            if best is None:
                continue
            plan = solve_bounded(instance, weight, 10.0)
            assert judged(plan) <= weight * plan.lower_bound + 1e-9
            assert plan.lower_bound <= best <= plan.soc


def test_more_time_makes_a_large_fleets_plan_cheaper_and_never_cheaper_than_the_optimum():
    graph = grid(["........"] * 8)
    rng = np.random.default_rng(4)
    starts, goals = (rng.choice(64, 14, replace=False).tolist() for _ in range(2))
    instance = make_instance(graph, starts, goals)
    first = judged(solve_large(instance, 1.0, first_only=True))
    later = judged(solve_large(instance, 1.0))
    best = judged(solve_optimal(instance, 30.0))
    assert best <= later < first
    assert later <= 1.03 * best


def test_a_full_ring_turns():
    """Nine cells, eight agents, no free cell on their way but the middle."""
    graph = grid(["...", "...", "..."])
    ring = [graph.cells[c] for c in ((0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1))]
    judged(solve_large(make_instance(graph, ring, ring[1:] + ring[:1]), 10.0))
    judged(solve_large(make_instance(graph, ring, ring[4:] + ring[:4]), 10.0, first_only=True))


def test_solvers_refuse_what_they_cannot_do():
    instance = make_instance(LINE, [0], [1])
    with pytest.raises(ConfigError, match="unknown solver 'pbs'; allowed: cbs, ccbs, eecbs, lacam"):
        solve(instance, "pbs")
    with pytest.raises(ConfigError, match="time limit 0"):
        solve(instance, time_limit=0)
    with pytest.raises(ConfigError, match=r"weight 0\.9 must be >= 1"):
        solve(instance, "eecbs", weight=0.9)
    with pytest.raises(ConfigError, match="radius is 0"):
        solve(instance, "ccbs")
    assert list(SOLVERS) == ["cbs", "eecbs", "lacam", "ccbs"]


def test_a_saved_plan_can_be_judged_from_its_file_alone(tmp_path):
    plan = solve(random_grid_instance(np.random.default_rng(1), 5), "eecbs")
    plan.save(tmp_path / "plan.json")
    content = load_plan(tmp_path / "plan.json")
    assert not validate(content) and content["digest"] == plan.digest
    content["paths"][0] = content["paths"][0][:-1] or [[-1, 0]]
    assert validate(content)
    (tmp_path / "plan.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="no plan; expected JSON"):
        load_plan(tmp_path / "plan.json")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "agents"), [("random-32-32-20", 100), ("room-32-32-4", 50), ("maze-32-32-2", 50)]
)
def test_the_bounded_solver_is_quick_on_public_instances(name, agents):
    plan = solve_bounded(benchmark(name, 1, agents), 1.2, 60.0)
    assert judged(plan) <= 1.2 * plan.lower_bound


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "agents"),
    [("random-32-32-20", 400), ("room-32-32-4", 300), ("warehouse-10-20-10-2-1", 1000)],
)
def test_large_fleets_get_a_plan(name, agents):
    judged(solve_large(benchmark(name, 1, agents), 60.0, first_only=True))
