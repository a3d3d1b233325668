# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs import compile_kernels
from reflexarc.fleet.cbs.continuous import solve_continuous
from reflexarc.fleet.cbs.optimal import solve_optimal
from reflexarc.fleet.cbs.sipp import safe_interval_path, times_to
from reflexarc.fleet.cbs.swept import first_free_start, gap_between, overlap_with_point
from reflexarc.fleet.graph import grid, roadmap
from reflexarc.fleet.instances import make_instance
from reflexarc.fleet.validator import validate

from .problems import random_grid_instance, random_roadmap_instance


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    compile_kernels("ccbs")
    compile_kernels("cbs")


def judged(plan):
    assert plan.solved, plan.status
    assert not validate(plan.to_json())
    assert plan.lower_bound <= plan.soc + 1e-6
    return plan.soc


@pytest.mark.parametrize("radius", [0.1, 0.3, 0.5])
def test_crossing_discs_wait_exactly_as_long_as_they_must(radius):
    r"""At right angles two discs at 1 m/s keep D / sqrt(2) apart with a delay D, so D = 2 sqrt(2) r."""
    graph = roadmap([[-3.0, 0.0], [3.0, 0.0], [0.0, -3.0], [0.0, 3.0]], [(0, 1), (2, 3)])
    plan = solve_continuous(make_instance(graph, [0, 2], [1, 3], radius=radius), 10.0)
    assert judged(plan) == pytest.approx(12.0 + 2.0 * math.sqrt(2.0) * radius, abs=1e-5)


def test_durations_count_not_edges():
    """The way of two edges is the faster one."""
    graph = roadmap([[0.0, 0.0], [4.0, 0.0], [2.0, 2.0]], [(0, 1, 9.0), (0, 2, 3.0), (2, 1, 3.5)])
    plan = solve_continuous(make_instance(graph, [0], [1], radius=0.2))
    assert judged(plan) == pytest.approx(6.5) and [v for v, _ in plan.paths[0]] == [0, 2, 1]


def test_a_head_on_pair_passes_in_a_lay_by_or_gets_no_plan():
    line = [[0.0, 0.0], [2.0, 0.0], [4.0, 0.0], [2.0, 2.0]]
    edges = [(0, 1), (1, 2), (1, 3)]
    both = roadmap(line, edges, directed=False)
    judged(solve_continuous(make_instance(both, [0, 2], [2, 0], radius=0.4), 20.0))
    alone = roadmap(line[:3], edges[:2], directed=False)
    plan = solve_continuous(make_instance(alone, [0, 2], [2, 0], radius=0.4), 0.5)
    assert not plan.solved and plan.status


def test_it_is_never_dearer_than_steps_and_never_below_lonely_agents():
    """On a grid, discs of radius up to sqrt(2)/4 may move as in steps, so continuous time can only be cheaper."""
    rng = np.random.default_rng(6)
    cheaper = 0
    for _ in range(25):
        instance = random_grid_instance(rng, 4, 3, 5)
        steps = solve_optimal(instance, 0.5)
        if not steps.solved:
            continue
        discs = make_instance(instance.graph, instance.starts, instance.goals, radius=0.25)
        plan = solve_continuous(discs, 0.5)
        if plan.solved:
            assert judged(plan) <= steps.soc + 1e-2
            cheaper += plan.soc < steps.soc - 1e-2
        else:
            assert plan.lower_bound <= steps.soc + 1e-2
    assert cheaper >= 1


def test_plans_on_random_roadmaps_never_let_discs_touch():
    rng = np.random.default_rng(9)
    solved = 0
    for _ in range(40):
        plan = solve_continuous(random_roadmap_instance(rng, 4, radius=0.25), 1.0)
        if plan.solved:
            judged(plan)
            solved += 1
    assert solved >= 30


def test_no_plan_on_a_fine_time_grid_is_cheaper():
    """Two agents, all edges of 1 s, starts at multiples of 1/4 s: exhaustive search with sampled distances."""
    points = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 1.0], [1.0, -1.0], [2.0, 1.0]]
    edges = [(0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (3, 5)]
    graph = roadmap(points, edges, directed=False)
    rng = np.random.default_rng(1)
    for _ in range(4):
        starts, goals = (rng.choice(6, 2, replace=False).tolist() for _ in range(2))
        instance = make_instance(graph, starts, goals, radius=0.3)
        fine = _fine_optimum(instance)
        plan = solve_continuous(instance, 10.0)
        if plan.solved:
            assert judged(plan) <= fine + 1e-2
            assert fine <= plan.soc + 2.0  # the grid is not far off either


def _fine_optimum(instance, parts=4, end=9):
    """Return the smallest sum of arrival times with moves that start at multiples of 1 / parts seconds."""
    graph, points = instance.graph, instance.graph.positions
    near = [graph.head[graph.first[v] : graph.first[v + 1]].tolist() for v in range(graph.vertices)]

    def where(state):
        u, v, k = state
        return points[u] + (points[v] - points[u]) * k / parts

    def following(state):
        u, v, k = state
        if k and k < parts - 1:
            return [(u, v, k + 1)]
        if k == parts - 1:
            return [(v, v, 0)]
        return [(u, u, 0), *((u, w, 1) for w in near[u])]

    goals = [(g, g, 0) for g in instance.goals]
    layer = {tuple((s, s, 0) for s in instance.starts): (0.0, (0, 0))}
    for t in range(1, end * parts + 1):
        after = {}
        for states, (_, arrived) in layer.items():
            for a in following(states[0]):
                for b in following(states[1]):
                    samples = np.linspace(0.0, 1.0, 9)[:, None]
                    p, q = (
                        where(states[0]) - where(states[1]),
                        _end(a, points, parts) - _end(b, points, parts),
                    )
                    if np.hypot(*(p + (q - p) * samples).T).min() < 2.0 * instance.radius - 1e-3:
                        continue
                    stamps = tuple(
                        (old if s == g == n else t if n == g else 0)
                        for s, n, g, old in zip(states, (a, b), goals, arrived, strict=True)
                    )
                    cost = sum(x if n == g else t for x, n, g in zip(stamps, (a, b), goals, strict=True))
                    if cost < after.get((a, b), (math.inf,))[0]:
                        after[a, b] = (cost, stamps)
        layer = after
    return layer[tuple(goals)][0] / parts


def _end(state, points, parts):
    u, v, k = state
    return points[u] + (points[v] - points[u]) * k / parts


def test_the_first_free_start_touches_and_anything_before_it_overlaps():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        one, other = rng.normal(size=4), rng.normal(size=4)
        times = rng.uniform(0.5, 3.0, 2)
        a, b = (*one, 0.0, times[0]), (*other, rng.uniform(-1.0, 1.0), times[1])
        if gap_between(*a, *b)[0] >= 0.6:
            continue
        found += 1
        start = first_free_start(*a, *b, 0.6)
        for s in np.linspace(0.0, start - 1e-6, 20):
            assert gap_between(*one, s, times[0], *b)[0] < 0.6
        assert gap_between(*one, start + 1e-9, times[0], *b)[0] >= 0.6 - 1e-6
    assert found > 50


def test_the_overlap_with_a_standing_disc_is_where_a_fine_sampling_finds_it():
    rng = np.random.default_rng(3)
    for _ in range(100):
        x, y, vx, vy = rng.normal(size=4)
        enter, leave = overlap_with_point(x, y, vx, vy, 2.0, 0.1, -0.2, 0.8)
        s = np.linspace(0.0, 2.0, 4001)
        inside = s[np.hypot(x + vx * s - 0.1, y + vy * s + 0.2) < 0.8]
        if len(inside):
            assert enter == pytest.approx(inside[0], abs=1e-3) and leave == pytest.approx(
                inside[-1], abs=1e-3
            )
        else:
            assert leave - enter < 1e-3


def test_safe_intervals_make_an_agent_wait_or_go_round():
    graph = grid(["...", "@.@"])
    to_go = times_to(graph, (2,))[0]

    def plan(places=(), ways=()):
        tables = []
        for rows in (places, ways):
            tables.append(np.array([p for p, *_ in rows], dtype=np.int64))
            tables.append(np.array([span for _, *span in rows], dtype=float).reshape(-1, 2))
        return safe_interval_path(0, 2, to_go, graph.first, graph.head, graph.duration, *tables)

    for _ in range(50):  # memory of earlier calls must not show
        assert plan(places=[(1, 0.5, 1.7), (1, 1.2, 3.0)])[1].tolist() == [0.0, 3.0, 4.0]
    assert plan()[1].tolist() == [0.0, 1.0, 2.0]
    assert plan(places=[(1, 0.5, 1.7)])[1].tolist() == [0.0, 1.7, 2.7]
    assert plan(places=[(1, 0.5, 1.7), (1, 1.2, 3.0)])[1].tolist() == [0.0, 3.0, 4.0]
    assert plan(places=[(0, 0.5, 9.0), (1, 0.5, 1.7)])[1].size == 0
    assert plan(places=[(2, 4.0, 5.0)])[1].tolist() == [0.0, 1.0, 5.0]
    edge = int(np.flatnonzero((graph.tail == 1) & (graph.head == 2))[0])
    assert plan(ways=[(edge, 0.0, 2.5)])[1].tolist() == [0.0, 1.0, 3.5]
    assert plan(places=[(0, 0.0, 1.0)])[1].size == 0


def test_vertices_too_near_each_other_are_refused():
    graph = roadmap([[0.0, 0.0], [0.5, 0.0]], [(0, 1), (1, 0)])
    with pytest.raises(ConfigError, match="nearer than two radii"):
        solve_continuous(make_instance(graph, [0, 1], [0, 1], radius=0.4), 1.0)
