# SPDX-License-Identifier: Apache-2.0
"""Team plans on a roadmap, the tube that a policy is kept in, and the truth that critics are judged by."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.gcrl.follow import in_tube
from reflexarc.fleet.gcrl.point import point_domain
from reflexarc.fleet.gcrl.truth import lattice, least_steps
from reflexarc.fleet.roadmap_space_time import segment_distance
from reflexarc.fleet.roadmap_team import (
    Motion,
    TeamGraph,
    TeamOptions,
    TeamPlan,
    overlaps,
    plan_team,
)

OPTIONS = TeamOptions(radius=0.3, tube=0.1, horizon=40, improvements=5)


def line_with_siding(risk_of_siding=0.0):
    """Seven vertices in a row, 0 to 6, and one beside the middle, 7."""
    positions = np.array([*([float(x), 0.0] for x in range(7)), [3.0, 1.0]])
    ways = [*((k, k + 1) for k in range(6)), (3, 7)]
    edges = sorted([*ways, *((v, u) for u, v in ways)])
    tail, head = np.array(edges).T
    first = np.concatenate(([0], np.cumsum(np.bincount(tail, minlength=8))))
    risk = np.where((tail == 7) | (head == 7), risk_of_siding, 0.1)
    return TeamGraph(positions, first, head, np.ones(len(head), dtype=np.int64), risk, np.full(8, 0.02))


def test_two_robots_pass_by_the_siding():
    graph = line_with_siding()
    plan = plan_team(graph, [0, 4], [6, 0], OPTIONS)
    assert plan is not None
    assert not overlaps(plan, graph, [0, 4], OPTIONS)
    assert any(m.v == 7 for motions in plan.motions for m in motions)
    assert [motions[-1].v for motions in plan.motions] == [6, 0]
    assert all(motions[-1].end == math.inf for motions in plan.motions)


def test_without_a_siding_there_is_no_plan():
    graph = line_with_siding()
    keep = graph.head != 7
    first = np.concatenate(
        ([0], np.cumsum([keep[a:b].sum() for a, b in zip(graph.first, graph.first[1:], strict=False)]))
    )
    alone = graph._replace(head=graph.head[keep], steps=graph.steps[keep], risk=graph.risk[keep], first=first)
    assert plan_team(alone, [0, 4], [6, 0], TeamOptions(radius=0.3, tube=0.1, horizon=30, repairs=10)) is None
    assert plan_team(alone, [0], [7], OPTIONS) is None


def square():
    """Sixteen places, four by four, with ways to their neighbours."""
    positions = np.array([[float(x), float(y)] for y in range(4) for x in range(4)])
    near = np.abs(positions[:, None] - positions[None]).sum(axis=2)
    tail, head = np.nonzero((near > 0.0) & (near < 1.1))
    first = np.concatenate(([0], np.cumsum(np.bincount(tail, minlength=16))))
    steps, risk = np.ones(len(head), dtype=np.int64), np.full(len(head), 0.1)
    return TeamGraph(positions, first, head, steps, risk, np.full(16, 0.02))


@pytest.mark.parametrize("number", range(6))
def test_eight_robots_on_sixteen_places_get_a_plan(number):
    graph, rng = square(), np.random.default_rng([8, number])
    starts, goals = (rng.permutation(16)[:8].tolist() for _ in range(2))
    options = TeamOptions(radius=0.3, tube=0.1, horizon=60, improvements=0, repairs=400)
    plan = plan_team(graph, starts, goals, options)
    assert plan is not None and not overlaps(plan, graph, starts, options)


def test_nobody_counts_on_a_robot_having_left_its_start():
    """Each stands in the other's way: who is planned first must go round, or wait until the other has made room."""
    graph, options = square(), TeamOptions(radius=0.3, tube=0.1, horizon=30, improvements=0, repairs=50)
    for starts, goals in (([0, 1], [1, 0]), ([5, 4, 1], [4, 1, 5]), ([3, 2, 1], [0, 3, 2])):
        plan = plan_team(graph, starts, goals, options)
        assert plan is not None and plan.tried <= 20
        assert not overlaps(plan, graph, starts, options)


def test_one_robot_takes_the_cheapest_way():
    positions = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, -1.0], [2.0, 0.0]])
    graph = TeamGraph(
        positions, np.array([0, 2, 3, 4, 4]), np.array([1, 2, 3, 3]), np.array([1, 2, 1, 2]),
        np.array([1.0, 0.1, 1.0, 0.1]), np.zeros(4),
    )  # fmt: skip
    plan = plan_team(graph, [0], [3], OPTIONS)
    assert plan is not None and plan.costs[0] == pytest.approx(0.2)
    hasty = plan_team(graph, [0], [3], TeamOptions(weight=10.0))
    assert hasty is not None and hasty.costs[0] == pytest.approx(2.0)


def test_the_check_finds_tubes_that_are_too_near():
    graph = line_with_siding()
    plan = TeamPlan(
        ((Motion(0, 1, 0, 1), Motion(1, 1, 1, math.inf)), (Motion(2, 1, 0, 1), Motion(1, 2, 1, math.inf))),
        (0.0, 0.0), 0, 0.0,
    )  # fmt: skip
    assert overlaps(plan, graph, [0, 2], OPTIONS)
    apart = TeamPlan(((Motion(0, 0, 0, math.inf),), (Motion(4, 4, 0, math.inf),)), (0.0, 0.0), 0, 0.0)
    assert not overlaps(apart, graph, [0, 4], OPTIONS)


def test_bad_teams_are_refused():
    graph = line_with_siding()
    with pytest.raises(ConfigError, match="same goal"):
        plan_team(graph, [0, 1], [4, 4], OPTIONS)
    with pytest.raises(ConfigError, match="one of each"):
        plan_team(graph, [], [], OPTIONS)
    with pytest.raises(ConfigError, match="risk nan"):
        plan_team(graph._replace(risk=np.full(len(graph.head), np.nan)), [0], [4], OPTIONS)
    with pytest.raises(ConfigError, match="steps 0"):
        plan_team(graph._replace(steps=np.zeros(len(graph.head))), [0], [4], OPTIONS)


def test_segment_distance_equals_a_dense_sample():
    rng = np.random.default_rng(0)
    share = np.linspace(0.0, 1.0, 400)[:, None]
    for _ in range(50):
        a, b, c, d = rng.uniform(-1.0, 1.0, (4, 2))
        p, q = a + share * (b - a), c + share * (d - c)
        dense = np.hypot(*(p[:, None] - q[None]).transpose(2, 0, 1)).min()
        assert segment_distance(*a, *b, *c, *d) == pytest.approx(dense, abs=0.01)


def test_whatever_the_policy_proposes_the_robot_stays_in_its_tube_and_arrives():
    rng, driven = np.random.default_rng(1), jax.jit(in_tube)
    for _ in range(10):
        u, v = rng.uniform(0.0, 5.0, (2, 2)).astype(np.float32)
        x, tube = u, np.float32(0.2)
        for _ in range(400):
            towards = (v - x) * 0.3 + rng.normal(0.0, 1.0, 2)
            move = np.asarray(driven(x, towards.astype(np.float32), u, v, tube)[0])
            assert np.abs(move).max() <= 1.0 + 1e-6
            for part in np.linspace(0.0, 1.0, 6):
                y = x + part * move
                assert segment_distance(*y, *y, *u, *v) <= tube + 1e-5
            x = x + move
            if np.hypot(*(x - v)) <= tube:
                break
        assert np.hypot(*(x - v)) <= tube


def test_a_policy_that_stands_still_is_replaced():
    u, v = jnp.array([0.0, 0.0]), jnp.array([3.0, 0.0])
    move, _, crept = jax.jit(in_tube)(u, jnp.zeros(2), u, v, 0.2)
    assert bool(crept)
    np.testing.assert_allclose(move, [1.0, 0.0], atol=1e-6)


def test_least_steps_on_the_lattice_are_the_known_ones():
    domain = point_domain("CenterDot")
    table = lattice(domain)
    goals = np.array([[10.0, 7.5], [2.0, 2.0]])
    steps = least_steps(domain, table, goals)

    def at(k, x, y):
        return steps[k, int(np.flatnonzero((table.points == [x, y]).all(axis=1))[0])]

    assert at(1, 2.0, 2.0) == 0.0
    assert at(1, 2.0, 2.75) == 1.0
    assert at(1, 5.0, 4.0) == 3.0  # diagonal steps: the longer axis counts
    assert at(0, 10.0, 7.5) == 0.0
    assert 5.0 < at(0, 5.0, 7.5) <= 9.0  # five steps as the crow flies, through the obstacle
