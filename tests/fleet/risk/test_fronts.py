# SPDX-License-Identifier: Apache-2.0
"""One agent's fronts, in steps and in seconds, against sweeps over everything; and how a budget is shared."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs.risk_knapsack import price, share
from reflexarc.fleet.cbs.risk_model import risk_model
from reflexarc.fleet.cbs.risk_pareto import pareto_paths
from reflexarc.fleet.cbs.risk_team import RiskTeam
from reflexarc.fleet.cbs.tables import EDGE, LONGER, VERTEX, WITHIN
from reflexarc.fleet.cbs.team import Parked
from reflexarc.fleet.graph import roadmap
from reflexarc.fleet.instances import make_instance

TICK = 0.5


def small_roadmap(rng, vertices=9):
    """Return a roadmap on which the last vertex can be reached from the first; durations are whole ticks."""
    while True:
        points = rng.random((vertices, 2)) * 4.0
        pairs = [
            p
            for p in itertools.permutations(range(vertices), 2)
            if abs(p[0] - p[1]) <= 4 and rng.random() < 0.6
        ]
        graph = roadmap(points, [(u, v, TICK * int(rng.integers(1, 5))) for u, v in pairs])
        try:
            make_instance(graph, [0], [vertices - 1])
        except ConfigError:
            continue
        far = np.abs(graph.tail - graph.head) ** 1.5  # long edges risk more, so that fronts are long
        return graph, np.round(rng.random(graph.edges) * far, 2)


def swept_front(graph, risk, wait, lengths, vertex_open, edge_open, last, earliest=0):
    """Return (ticks, risk) of all undominated ways from vertex 0 to the last one, by a table over all ticks.

    `vertex_open(v, t)` says whether the agent may be at v at tick t, `edge_open(e, t)` whether it may begin e then.
    """
    goal = graph.vertices - 1
    tail = graph.tail
    best = np.full((last + 1, graph.vertices), np.inf)
    best[0, 0] = 0.0 if vertex_open(0, 0) else np.inf
    arrive = np.full(last + 1, np.inf)
    for t in range(last):
        for v in range(graph.vertices):
            if np.isfinite(best[t, v]) and vertex_open(v, t + 1):
                best[t + 1, v] = min(best[t + 1, v], best[t, v] + wait[v])
        for e in range(graph.edges):
            u, v, there = tail[e], graph.head[e], t + lengths[e]
            if there <= last and edge_open(e, t) and vertex_open(v, there):
                total = best[t, u] + risk[e]
                best[there, v] = min(best[there, v], total)
                if v == goal:
                    arrive[there] = min(arrive[there], total)
    front, least = [], math.inf
    for t in range(last + 1):
        stays = t >= earliest and all(vertex_open(goal, s) for s in range(t, last + 1))
        if stays and arrive[t] < least - 1e-9:
            least = arrive[t]
            front.append((t, least))
    return front


def test_the_front_in_steps_obeys_constraints_and_misses_nothing():
    rng = np.random.default_rng(0)
    lengths_of_fronts = []
    for _ in range(40):
        graph, risk = small_roadmap(rng)
        wait = np.round(rng.random(graph.vertices) * 0.3, 2) * (rng.random() < 0.7)
        model = risk_model(graph, risk, wait)
        goal = graph.vertices - 1
        team = RiskTeam(make_instance(graph, [0], [goal]), model, math.inf, 1e6)
        rows = [
            (VERTEX, int(rng.integers(graph.vertices)), int(t), int(t + rng.integers(3)))
            for t in rng.integers(1, 9, 6)
        ]
        rows += [(EDGE, int(rng.integers(graph.edges)), int(t), int(t)) for t in rng.integers(0, 8, 6)]
        rows += [(LONGER, 0, 3, 3)] * (rng.random() < 0.3) + [(WITHIN, 0, 9, 9)] * (rng.random() < 0.3)
        shut = Parked(5, int(rng.integers(1, goal)), int(rng.integers(3, 7)))
        parked = (shut,) if rng.random() < 0.5 else ()

        def vertex_open(v, t, rows=rows, parked=parked):
            return not any(k == VERTEX and a == v and b <= t <= c for k, a, b, c in rows) and not any(
                p.vertex == v and t >= p.time for p in parked
            )

        def edge_open(e, t, rows=rows):
            return (EDGE, e, t, t) not in rows

        earliest = 4 if (LONGER, 0, 3, 3) in rows else 0
        limit = 9 if (WITHIN, 0, 9, 9) in rows else 40
        steps = np.ones(graph.edges, int)
        swept = swept_front(graph, risk, wait, steps, vertex_open, edge_open, 40, earliest)
        found = team.front(0, np.array(rows, dtype=np.int32), parked)
        got = [] if found is None else list(zip(found[0].tolist(), found[1].tolist(), strict=True))
        assert got == [(t, pytest.approx(r)) for t, r in swept if t <= limit]
        lengths_of_fronts.append(len(got))
        for t, r in got:
            path = team.path(0, np.array(rows, dtype=np.int32), parked, t, r, [None])
            assert path is not None and path.cost <= t and path.risk <= r + 1e-9
            assert model.along(path.vertices.tolist()) == pytest.approx(path.risk)
            assert all(vertex_open(int(v), s) for s, v in enumerate(path.vertices))
            assert all(e < 0 or edge_open(int(e), s) for s, e in enumerate(path.edges))
    assert max(lengths_of_fronts) >= 4 and sum(n > 1 for n in lengths_of_fronts) > 10


def test_the_front_in_seconds_is_that_of_a_table_over_all_ticks():
    rng = np.random.default_rng(1)
    points = 0
    for number in range(24):
        graph, risk = small_roadmap(rng)
        goal = graph.vertices - 1
        rate = (0.0, 0.1, 0.5)[number % 3]
        vertices = [
            (int(rng.integers(graph.vertices)), TICK * t, TICK * (t + 1 + int(rng.integers(4))))
            for t in rng.integers(1, 14, 6).tolist()
        ]
        edges = [
            (int(rng.integers(graph.edges)), TICK * t, TICK * (t + 3))
            for t in rng.integers(0, 12, 4).tolist()
        ]

        def is_open(closures, what, t):
            return not any(k == what and begin <= TICK * t < end for k, begin, end in closures)

        lengths = np.rint(graph.duration / TICK).astype(int)
        expected = swept_front(
            graph,
            risk,
            np.full(graph.vertices, rate * TICK),
            lengths,
            lambda v, t, c=vertices: is_open(c, v, t),
            lambda e, t, c=edges: is_open(c, e, t),
            100,
        )
        model = risk_model(graph, risk)
        found = pareto_paths(model, 0, goal, rate, vertices, edges)
        assert [(p.time, p.risk) for p in found] == [(TICK * t, pytest.approx(r)) for t, r in expected]
        number_of = {
            (u, v): e for e, (u, v) in enumerate(zip(graph.tail.tolist(), graph.head.tolist(), strict=True))
        }
        for point in found:
            total = 0.0
            for (u, t), (v, s) in itertools.pairwise(point.path):
                total += rate * (s - t) if u == v else risk[number_of[u, v]]
                assert u == v or s - t == pytest.approx(graph.duration[number_of[u, v]])
            assert point.path[0] == (0, 0.0) and point.path[-1] == (goal, point.time)
            assert total == pytest.approx(point.risk)
        points += len(found)
        if len(found) > 1:
            assert (
                pareto_paths(model, 0, goal, rate, vertices, edges, ceiling=found[-1].risk)[-1] == found[-1]
            )
    assert points > 40


def test_one_label_per_vertex_and_time_would_lose_paths_where_durations_differ():
    graph = roadmap(np.zeros((4, 2)), [(0, 1, 1.0), (0, 2, 2.0), (1, 3, 5.0), (2, 1, 1.0), (0, 3, 9.0)])
    model = risk_model(graph, [4.0, 1.0, 0.5, 2.0, 1.0])  # edges in order: 0-1, 0-2, 0-3, 1-3, 2-1
    front = pareto_paths(model, 0, 3)
    assert [(p.time, p.risk) for p in front] == [(6.0, 6.0), (8.0, 4.0), (9.0, 0.5)]
    for wrong in ({"start": 4}, {"goal": -1}, {"wait_rate": math.nan}, {"closed_vertices": [(1, 2.0, 1.0)]}):
        arguments: dict[str, Any] = {"model": model, "start": 0, "goal": 3} | wrong
        with pytest.raises(ConfigError):
            pareto_paths(**arguments)
    assert pareto_paths(model, 0, 3, closed_vertices=[(3, 5.0, math.inf)]) == []


def test_budgets_are_shared_as_by_trying_every_choice():
    rng = np.random.default_rng(2)
    for _ in range(100):
        fronts = []
        for _ in range(int(rng.integers(1, 5))):
            size = int(rng.integers(1, 5))
            steps = np.cumsum(rng.integers(1, 4, size)).astype(np.int32)
            fronts.append((steps, -np.sort(-np.round(rng.random(size) * 5, 2))))
        budget = float(rng.random() * 12)
        choices = itertools.product(*[range(len(s)) for s, _ in fronts])
        fitting = [
            sum(int(s[k]) for (s, _), k in zip(fronts, choice, strict=True))
            for choice in choices
            if sum(r[k] for (_, r), k in zip(fronts, choice, strict=True)) <= budget
        ]
        total, chosen, spent = share(fronts, budget)
        assert total == min(fitting, default=-1)
        if total >= 0:
            assert spent == pytest.approx(sum(r[k] for (_, r), k in zip(fronts, chosen, strict=True)))
            assert total == sum(s[k] for (s, _), k in zip(fronts, chosen, strict=True)) and spent <= budget
            assert (
                share(fronts, budget, most=total)[0] == total
                and share(fronts, budget, most=total - 1)[0] == -1
            )
            rate = price(fronts, budget)
            assert sum(r[np.argmin(s + rate * r)] for s, r in fronts) <= budget
        else:
            assert price(fronts, budget) == math.inf


def test_edges_exclude_each_other_where_their_segments_touch():
    #   3       an X of two edges, a tail that goes on, one that doubles back, one far away
    # 0 5 1 4
    #   2
    points = np.array(
        [[0.0, 1.0], [2.0, 1.0], [1.0, 0.0], [1.0, 2.0], [3.0, 1.0], [1.0, 1.0], [9.0, 9.0], [9.0, 8.0]]
    )
    edges = [(0, 1), (1, 0), (2, 3), (1, 4), (1, 5), (6, 7)]
    model = risk_model(roadmap(points, edges), np.zeros(6))
    ends = list(zip(model.graph.tail.tolist(), model.graph.head.tolist(), strict=True))
    rows = [
        {ends[f] for f in model.exclude[model.exclude_first[e] : model.exclude_first[e + 1]]}
        for e in range(len(ends))
    ]
    excluded = dict(zip(ends, rows, strict=True))
    assert excluded[0, 1] == {
        (1, 0),
        (2, 3),
        (1, 5),
    }  # following to (1, 4) is allowed, (1, 5) comes the other way
    assert excluded[2, 3] == {(0, 1), (1, 0), (1, 5)}
    assert excluded[1, 5] == {(0, 1), (2, 3)} and excluded[6, 7] == set()
    swaps = risk_model(model.graph, np.zeros(6), crossing=False)
    assert len(swaps.exclude) == 2
