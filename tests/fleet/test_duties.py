# SPDX-License-Identifier: Apache-2.0
"""Disjoint splits in continuous time: paths that must contain a drive, and costs that do not depend on the split."""

import time

import numpy as np
import pytest

from reflexarc.fleet.cbs import compile_kernels
from reflexarc.fleet.cbs.collisions import DUTY, WAY, Rule, with_duty
from reflexarc.fleet.cbs.continuous import ContinuousSearch
from reflexarc.fleet.graph import grid, roadmap
from reflexarc.fleet.instances import make_instance

from .problems import random_roadmap_instance


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    compile_kernels("ccbs")


def test_both_ways_to_split_find_the_same_cost():
    rng = np.random.default_rng(12)
    compared = conflicts = 0
    for _ in range(20):
        instance = random_roadmap_instance(rng, 4, radius=0.25)
        found = []
        for disjoint in (True, False):
            search = ContinuousSearch(instance, 0.5, time.process_time, disjoint)
            node = search.search()
            found.append(None if node is None else node.cost)
            conflicts += search.expanded > 2
        if None not in found:
            assert found[0] == pytest.approx(found[1], abs=5e-3)
            compared += 1
    assert compared >= 12 and conflicts >= 6


def _search(graph, start, goal):
    return ContinuousSearch(make_instance(graph, [start], [goal], radius=0.2), 10.0)


def _edge(graph, u, v):
    return int(np.flatnonzero((graph.tail == u) & (graph.head == v))[0])


def test_a_duty_is_part_of_the_path_at_its_time():
    graph = grid(["...", "..."])  # vertices 0 1 2 above 3 4 5
    search = _search(graph, 0, 2)
    down = _edge(graph, 1, 4)
    plan = search._plan(0, (Rule(DUTY, down, 1.0, 2.0),))
    assert plan is not None and plan.vertices.tolist()[:3] == [0, 1, 4] and plan.cost == pytest.approx(4.0)
    late = search._plan(0, (Rule(DUTY, down, 5.0, 6.0),))
    assert late is not None and late.cost == pytest.approx(8.0)
    assert any(
        u == 1 and v == 4 and 5.0 <= t < 6.0
        for u, v, t in zip(late.vertices, late.vertices[1:], late.times, strict=False)
    )
    assert search._plan(0, (Rule(DUTY, down, 0.0, 1.0),)) is None  # nobody gets there so soon
    hindered = (Rule(DUTY, down, 1.0, 2.0), Rule(WAY, down, 0.0, 1.5))
    plan = search._plan(0, hindered)
    assert plan is not None and plan.cost == pytest.approx(4.5)
    assert search._plan(0, (*hindered, Rule(WAY, down, 1.2, 2.0))) is None


def test_two_duties_are_done_one_after_the_other():
    graph = roadmap(
        [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]], [(0, 1), (1, 2), (2, 3)], directed=False
    )
    search = _search(graph, 0, 3)
    back = Rule(DUTY, _edge(graph, 2, 1), 4.0, 5.0)
    again = Rule(DUTY, _edge(graph, 1, 2), 8.0, 8.5)
    plan = search._plan(0, (again, back))
    assert plan is not None and plan.cost == pytest.approx(10.0)
    drives = [
        (u, v) for u, v in zip(plan.vertices.tolist(), plan.vertices.tolist()[1:], strict=False) if u != v
    ]
    assert drives == [(0, 1), (1, 2), (2, 1), (1, 2), (2, 3)]


def test_duties_of_one_drive_are_joined_and_others_that_overlap_are_refused():
    known = (Rule(WAY, 3, 0.0, 9.0), Rule(DUTY, 7, 2.0, 3.0))
    assert with_duty(known, Rule(WAY, 7, 2.5, 3.2), 2.0) == (known[0], Rule(DUTY, 7, 2.5, 3.0))
    assert with_duty(known, Rule(WAY, 7, 2.5, 4.5), 2.0) is None  # could be two drives
    assert with_duty(known, Rule(WAY, 8, 2.5, 2.6), 2.0) is None  # in which order?
    assert with_duty(known, Rule(WAY, 8, 3.0, 4.0), 2.0) == (*known, Rule(DUTY, 8, 3.0, 4.0))
