# SPDX-License-Identifier: Apache-2.0
"""Large fleets, anytime: LaCAM (Okumura, AAAI and IJCAI 2023), then large-neighbourhood search on its plan.

The search goes depth first over configurations of all agents. A configuration yields successors lazily: each visit
takes the next partial constraint (this agent to that vertex, ...) from a breadth-first tree and lets PIBT move the
others. As every constraint comes up in the end, the search is complete; the first plan usually comes after little more
than as many steps as the plan is long. Configurations met again are re-wired, so their costs only fall; agents of the
plan are then planned again in small groups (`reflexarc.fleet.cbs.repair`) until time is up.
"""

import heapq
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from reflexarc.fleet.cbs.pibt import NOBODY, next_configuration
from reflexarc.fleet.cbs.repair import improve
from reflexarc.fleet.graph import steps_to
from reflexarc.fleet.instances import Instance
from reflexarc.fleet.plan import Clock, FleetPlan, step_path

NOISE = 1024
"""Random numbers that break the ties of one step."""


class _Config:
    """A configuration in the search."""

    __slots__ = ("cost", "h", "near", "order", "parent", "priority", "todo", "vertices")

    def __init__(
        self, vertices: np.ndarray, parent: "_Config | None", cost: int, distance: np.ndarray
    ) -> None:
        self.vertices, self.parent, self.cost = vertices, parent, cost
        to_go = distance[np.arange(len(vertices)), vertices]
        self.h = int(to_go.sum())
        if parent is None:
            self.priority = to_go / (to_go.max() + 1.0)
        else:
            # who has arrived starts again below one; who waits rises
            self.priority = np.where(to_go == 0, parent.priority % 1.0, parent.priority + 1.0)
        self.order = np.argsort(-self.priority, kind="stable").astype(np.int32)
        self.near: list[_Config] = []
        empty = np.empty(0, dtype=np.int32)
        self.todo: deque[tuple[np.ndarray, np.ndarray]] = deque([(empty, empty)])


class Lacam:
    """The search over configurations."""

    def __init__(self, instance: Instance, distance: np.ndarray, seed: int, clock: Clock) -> None:
        graph, self.clock = instance.graph, clock
        self.first, self.head = graph.first, graph.head
        self.goals = np.array(instance.goals, dtype=np.int32)
        self.starts = np.array(instance.starts, dtype=np.int32)
        self.distance = distance
        self.rng = np.random.default_rng(seed)
        self.expanded = 0
        self._at, self._next_at = (np.full(graph.vertices, NOBODY, dtype=np.int32) for _ in range(2))
        self._then = np.empty(len(self.goals), dtype=np.int32)
        root = _Config(self.starts, None, 0, distance)
        self._known = {root.vertices.tobytes(): root}
        self._open = [root]
        self.goal: _Config | None = None

    def search(self, deadline: float, progress: Callable[[int, int], None] | None = None) -> bool:
        """Search until the first plan, which `goal` then ends; false if time was up before.

        Args:
            deadline: by the clock. [s]
            progress: told the configurations expanded and the smallest steps left.
        """
        goal_key = self.goals.tobytes()
        while self._open:
            if self.clock() > deadline:
                return False
            node = self._open[-1]
            if node.vertices.tobytes() == goal_key:
                self.goal = node
                return True
            if not node.todo:
                self._open.pop()
                continue
            self.expanded += 1
            if progress is not None and self.expanded % 256 == 0:
                progress(self.expanded, node.h)
            self._expand(node)
        return True

    def _expand(self, node: _Config) -> None:
        who, where = node.todo.popleft()
        if len(who) < len(self.goals):
            agent = node.order[len(who)]
            here = node.vertices[agent]
            options = np.append(self.head[self.first[here] : self.first[here + 1]], here)
            self.rng.shuffle(options)
            longer = np.append(who, agent).astype(np.int32)
            node.todo.extend((longer, np.append(where, u).astype(np.int32)) for u in options)
        fine = next_configuration(
            node.vertices,
            node.order,
            who,
            where,
            self.first,
            self.head,
            self._at,
            self._next_at,
            self.goals,
            self.distance,
            self.rng.random(NOISE),
            self._then,
        )
        if not fine:
            return
        key = self._then.tobytes()
        other = self._known.get(key)
        if other is None:
            other = _Config(
                self._then.copy(), node, node.cost + self._step_cost(node.vertices, self._then), self.distance
            )
            self._known[key] = other
            node.near.append(other)
            self._open.append(other)
            return
        node.near.append(other)
        self._rewire(node)
        self._open.append(other)

    def _rewire(self, node: _Config) -> None:
        """Carry smaller costs on to everything known behind `node`."""
        queue = [(node.cost, id(node), node)]
        while queue:
            _, _, here = heapq.heappop(queue)
            for other in here.near:
                cost = here.cost + self._step_cost(here.vertices, other.vertices)
                if cost < other.cost:
                    other.cost, other.parent = cost, here
                    heapq.heappush(queue, (cost, id(other), other))

    def _step_cost(self, now: np.ndarray, then: np.ndarray) -> int:
        """Return how many agents are not at their goals both before and after the step."""
        return int(((now != self.goals) | (then != self.goals)).sum())

    def plan(self) -> np.ndarray:
        """Return the plan found, vertex per agent and step, shape (agents, steps + 1)."""
        rows, node = [], self.goal
        while node is not None:
            rows.append(node.vertices)
            node = node.parent
        return np.array(rows[::-1], dtype=np.int32).T.copy()


def solve_large(
    instance: Instance,
    time_limit: float = 60.0,
    seed: int = 0,
    first_only: bool = False,
    progress: Callable[[int, int], None] | None = None,
    clock: Clock = time.perf_counter,
) -> FleetPlan:
    """Return a plan for many agents, and make it cheaper until time is up.

    Args:
        instance: every edge takes one step.
        time_limit: [s]
        seed: of ties and neighbourhoods.
        first_only: return the first plan.
        progress: told the configurations expanded and the steps left; later the repairs and the sum of costs.
        clock: of the limit and of the plan's seconds.
    """
    began = clock()
    deadline = began + time_limit
    distance = steps_to(instance.graph, instance.goals)
    bound = float(sum(int(distance[a, s]) for a, s in enumerate(instance.starts)))
    search = Lacam(instance, distance, seed, clock)
    exhausted = search.search(deadline, progress)
    if search.goal is None:
        status = "there is no plan" if exhausted else f"no plan within {time_limit:g} s"
        return FleetPlan(instance, "lacam", (), bound, search.expanded, clock() - began, status=status)
    paths = search.plan()
    repairs = 0
    if not first_only:
        paths, repairs = improve(instance, paths, distance, deadline, seed, bound, progress, clock)
    timed = tuple(step_path(row) for row in paths.tolist())
    seconds = clock() - began
    return FleetPlan(instance, "lacam", timed, bound, search.expanded + repairs, seconds)
