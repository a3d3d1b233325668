# SPDX-License-Identifier: Apache-2.0
"""Small instances, the public data, and an oracle that searches all agents' states at once."""

import csv
import heapq
import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.graph import grid, roadmap
from reflexarc.fleet.instances import Instance, load_movingai, make_instance

CROSS = grid(["@.@", "...", "@.@"])
LINE = grid(["....."])
LINE_WITH_POCKET = grid([".....", "@@.@@"])


def data_folder() -> Path:
    """Return the folder of MAPF data, or skip the test."""
    configured = os.environ.get("REFLEXARC_DATA")
    folder = (
        Path(configured) if configured else Path(__file__).resolve().parents[2].parent / "shared" / "data"
    )
    if not (folder / "mapf" / "reference_costs.csv").is_file():
        pytest.skip(
            f"no mapf/reference_costs.csv under {folder}; set REFLEXARC_DATA to the folder of data sets"
        )
    return folder / "mapf"


def benchmark(name: str, number: int, agents: int) -> Instance:
    """Return a MovingAI instance."""
    folder = data_folder() / "movingai"
    scenario = folder / "scen" / f"{name}-random-{number}.scen"
    return load_movingai(folder / "maps" / f"{name}.map", scenario, agents)


def reference_costs() -> dict[tuple[str, int], int]:
    """Return the proved optimal costs by (scenario without ending, agents)."""
    with (data_folder() / "reference_costs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        (r["scenario"].removesuffix(".scen"), int(r["agents"])): int(r["optimal_sum_of_costs"]) for r in rows
    }


def random_grid_instance(
    rng: np.random.Generator, most_agents: int, least_agents: int = 1, largest: int = 7
) -> Instance:
    """Return agents on a small grid with obstacles, all of whose goals can be reached."""
    while True:
        width, height = rng.integers(3, largest + 1, 2)
        free = rng.random((height, width)) > 0.2
        rows = ["".join("." if cell else "@" for cell in row) for row in free]
        count = int(rng.integers(least_agents, most_agents + 1))
        if free.sum() < count + 2:
            continue
        graph = grid(rows)
        try:
            return make_instance(
                graph,
                rng.choice(graph.vertices, count, replace=False).tolist(),
                rng.choice(graph.vertices, count, replace=False).tolist(),
            )
        except ConfigError:
            continue


def random_roadmap_instance(
    rng: np.random.Generator, agents: int, vertices: int = 12, radius: float = 0.0
) -> Instance:
    """Return agents on a roadmap whose vertices keep apart; some edges lead one way only where radius is 0."""
    while True:
        points = np.empty((0, 2))
        while len(points) < vertices:
            point = rng.random(2) * 5.0
            if not len(points) or np.hypot(*(points - point).T).min() > 2.0 * radius + 0.3:
                points = np.vstack((points, point))
        near = [
            (i, j)
            for i, j in itertools.combinations(range(vertices), 2)
            if np.hypot(*(points[i] - points[j])) < 2.3
        ]
        edges = [pair for i, j in near for pair in ((i, j), (j, i)) if radius or rng.random() > 0.1]
        starts, goals = (rng.choice(vertices, agents, replace=False).tolist() for _ in range(2))
        try:
            return make_instance(roadmap(points, edges), starts, goals, radius=radius)
        except ConfigError:
            continue


def joint_optimum(instance: Instance, most_states: int = 400_000) -> int | None:
    """Return the smallest sum of costs by A* over all agents' vertices and who has ended; None if there is no plan.

    An agent that has ended stays for good and costs nothing more.
    """
    graph, goals, count = instance.graph, instance.goals, instance.agents
    near = [[*graph.head[graph.first[v] : graph.first[v + 1]].tolist(), v] for v in range(graph.vertices)]
    to_go = [_steps(graph, goal) for goal in goals]

    def h(places, ended):
        return sum(to_go[k][v] for k, v in enumerate(places) if not ended >> k & 1)

    start = (instance.starts, 0)
    cost = {start: 0}
    heap = [(h(*start), 0, start)]
    while heap:
        _, so_far, (places, ended) = heapq.heappop(heap)
        if so_far > cost[places, ended]:
            continue
        if ended == (1 << count) - 1:
            return so_far
        assert len(cost) < most_states, "the oracle is for small instances"
        following = []
        for k in range(count):
            if not ended >> k & 1 and places[k] == goals[k]:
                following.append((so_far, (places, ended | 1 << k)))
        running = count - ended.bit_count()
        for then in itertools.product(*([v] if ended >> k & 1 else near[v] for k, v in enumerate(places))):
            if len(set(then)) < count:
                continue
            if any(
                then[i] == places[j] and then[j] == places[i] and then[i] != places[i]
                for i, j in itertools.combinations(range(count), 2)
            ):
                continue
            following.append((so_far + running, (then, ended)))
        for new_cost, state in following:
            if new_cost < cost.get(state, 1 << 30):
                estimate = h(*state)
                if estimate < 1 << 20:
                    cost[state] = new_cost
                    heapq.heappush(heap, (new_cost + estimate, new_cost, state))
    return None


def _steps(graph, goal) -> list[int]:
    distance = [1 << 20] * graph.vertices
    distance[goal] = 0
    queue = [goal]
    for v in queue:
        for u, w in zip(graph.tail.tolist(), graph.head.tolist(), strict=True):
            if w == v and distance[u] > distance[v] + 1:
                distance[u] = distance[v] + 1
                queue.append(u)
    return distance
