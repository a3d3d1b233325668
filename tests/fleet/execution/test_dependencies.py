# SPDX-License-Identifier: Apache-2.0
"""The action graph: no cycle, and no meeting under any delays, also in rotations; by the clock there are meetings."""

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs import solve
from reflexarc.fleet.execution.dependencies import ActionGraph, segment_distance
from reflexarc.fleet.execution.executor import Executor
from reflexarc.fleet.execution.judge import meetings, smallest_gaps
from reflexarc.fleet.execution.playback import Stop, play
from reflexarc.fleet.execution.tracks import Track, simplified, tracks_of
from reflexarc.fleet.graph import grid
from reflexarc.fleet.instances import make_instance

RADIUS = 0.25
ROTATION = make_instance(grid([".."] * 2), [0, 1, 3, 2], [1, 3, 2, 0])
"""Four robots on four cells: all must move at once."""


def crowded(seed, agents=8):
    """A small grid with walls, and robots that must pass each other."""
    rng = np.random.default_rng(seed)
    while True:
        free = rng.random((6, 6)) > 0.15
        graph = grid(["".join("." if cell else "@" for cell in row) for row in free])
        starts, goals = (rng.choice(graph.vertices, agents, replace=False).tolist() for _ in range(2))
        try:
            plan = solve(make_instance(graph, starts, goals), "lacam", 1.0, first_only=True)
        except ConfigError:
            continue
        if plan.solved:
            return tracks_of(plan)


def stops_of(graph, seed, share=0.7):
    rng = np.random.default_rng(seed)
    return [
        Stop(k, float(rng.uniform(0.0, max(graph.marks(k)[-1], 0.1))), float(rng.uniform(1.0, 5.0)))
        for k in range(len(graph.count))
        if rng.random() < share
    ]


def topological(graph):
    """Kahn's algorithm, which shares nothing with the graph's own order; return how many pieces it put in order."""
    arrows, waits = {}, {}
    for i, count in enumerate(graph.count):
        for k in range(count):
            before = {(i, k - 1)} if k else set()
            before |= {(j, need - 1) for j, need in graph.waits_for(i, k)}
            waits[i, k] = len(before)
            for piece in before:
                arrows.setdefault(piece, []).append((i, k))
    ready = [piece for piece, number in waits.items() if number == 0]
    ordered = 0
    while ready:
        ordered += 1
        for after in arrows.get(ready.pop(), ()):
            waits[after] -= 1
            if waits[after] == 0:
                ready.append(after)
    return ordered


@pytest.mark.parametrize("seed", range(4))
def test_no_meeting_under_any_delays_and_everybody_arrives(seed):
    graph = ActionGraph(crowded(seed), RADIUS)
    assert topological(graph) == sum(graph.count), "a cycle would be a deadlock"
    slowness = np.random.default_rng(seed + 50).uniform(1.0, 2.0, len(graph.count))
    played = play(graph, ordered=True, stops=stops_of(graph, seed), slowness=slowness, step=0.1)
    assert np.isfinite(played.arrivals).all()
    assert not meetings(played.times, played.positions, 2.0 * RADIUS - 1e-6)


def test_by_the_clock_the_same_delays_end_in_meetings():
    met = 0
    for seed in range(4):
        graph = ActionGraph(crowded(seed), RADIUS)
        played = play(graph, ordered=False, stops=stops_of(graph, seed), step=0.1)
        met += len(meetings(played.times, played.positions, 2.0 * RADIUS - 1e-6))
    assert met > 0


def test_without_delays_order_costs_next_to_nothing():
    graph = ActionGraph(crowded(1), RADIUS)
    by_clock, by_order = (play(graph, ordered, step=0.05).makespan for ordered in (False, True))
    assert by_order <= by_clock + 1.0


def test_a_rotation_without_any_free_cell_is_executed():
    plan = solve(ROTATION, "cbs", 5.0)
    graph = ActionGraph(tracks_of(plan), RADIUS)
    assert graph.parts > 1, "whole steps would wait for each other in a circle"
    played = play(graph, ordered=True, stops=[Stop(2, 0.3, 4.0)], step=0.05)
    assert np.isfinite(played.arrivals).all()
    assert not meetings(played.times, played.positions, 2.0 * RADIUS - 1e-6)


def test_robots_that_drive_into_each_other_are_refused():
    head_on = [
        Track(np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([0.0, 2.0]), (0, 1)),
        Track(np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([0.0, 2.0]), (1, 0)),
    ]
    with pytest.raises(ConfigError, match="robots 0 and 1 come nearer than 0.5 m"):
        ActionGraph(tuple(head_on), RADIUS)


def test_a_robot_that_stands_in_anothers_way_is_refused():
    through = [
        Track(np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([0.0, 2.0]), (0, 2)),
        Track(np.array([[1.0, 0.2]]), np.array([0.0]), (1,)),
    ]
    with pytest.raises(ConfigError, match="come nearer"):
        ActionGraph(tuple(through), RADIUS)


def test_permissions_never_shrink_and_progress_never_falls():
    executor = Executor(ActionGraph(crowded(2), RADIUS))
    rng = np.random.default_rng(0)
    permitted = [executor.permitted(k) for k in range(8)]
    while not executor.complete:
        for k in range(8):
            here = executor.progress[k]
            executor.report(k, here + rng.uniform(-0.2, 0.3) * (executor.permitted(k) > here))
            executor.report(k, min(executor.progress[k], executor.permitted(k)))
            assert executor.permitted(k) >= permitted[k] - 1e-9
            assert executor.progress[k] >= here
            permitted[k] = executor.permitted(k)
    assert not any(executor.waits_for(k) for k in range(8))


def test_a_late_robot_is_named_and_what_comes_of_it_is_foretold():
    tracks = (
        Track(np.array([[0.0, 0.0], [4.0, 0.0]]), np.array([0.0, 4.0]), (0, 1)),
        Track(np.array([[2.0, -2.0], [2.0, 2.0]]), np.array([4.0, 8.0]), (2, 3)),
    )
    executor = Executor(ActionGraph(tracks, RADIUS))
    assert executor.waits_for(1) == (0,)
    executor.report(0, 1.0)
    assert executor.delay(0, 6.0) == pytest.approx(5.0)
    first, second = executor.retimed(6.0)
    assert first.arrival == pytest.approx(9.0)
    assert second.arrival > 10.5, "it waits until the first one is out of the way"
    again = ActionGraph((first, second), RADIUS)
    assert topological(again) == sum(again.count)
    assert len(simplified(first).times) == 2


def test_the_judge_sees_what_happens_between_two_samples():
    times = np.array([0.0, 1.0])
    cross = np.array([[[0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
    (met,) = meetings(times, cross, 0.5)
    assert met.gap == pytest.approx(0.0)
    assert smallest_gaps(cross[:, 0], cross[:, 1] + (0.0, 0.6)) == pytest.approx([0.6])
    with pytest.raises(ConfigError, match="increasing times"):
        meetings(np.array([1.0, 1.0]), cross, 0.5)


def test_segment_distance_agrees_with_sampling():
    rng = np.random.default_rng(3)
    share = np.linspace(0.0, 1.0, 201)[:, None]
    for _ in range(200):
        a, b = rng.uniform(-1.0, 1.0, (2, 4))
        p, q = a[:2] + share * (a[2:] - a[:2]), b[:2] + share * (b[2:] - b[:2])
        sampled = np.hypot(*np.moveaxis(p[:, None] - q[None], 2, 0)).min()
        assert sampled - 0.02 <= segment_distance(a, b) <= sampled + 1e-12
