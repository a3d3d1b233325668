# SPDX-License-Identifier: Apache-2.0
r"""Plans for a team on a learned roadmap: cheapest in risk and time, robots as discs that stay in tubes.

Time goes in the roadmap's steps. A drive along u -> v takes `steps` of it and occupies the tube around the segment, a
wait occupies the ball around its vertex. Two occupations of different robots may not overlap in time if their tubes
come nearer than 2 radius + 2 tube: wherever in their tubes the robots are, and however long each really takes, robots
that keep the order of the plan never meet. A robot that waits at its start is exactly there, without a tube.

One robot's plan under reservations is exact: dynamic programming over (time, vertex) minimises

    sum of edge risk + dwell of waits + weight * steps + penalty * conflicts.

The team is planned in the manner of MAPF-LNS2 (Li et al., AAAI 2022): first one after the other, with conflicts where
there is no other way; then groups are taken out and planned again, and kept if there are fewer conflicts, or as many
and the sum of the costs' fourth powers falls, which the dearest robots rule. Not optimal and not complete; plans are
checked by an independent rule (`overlaps`).
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from reflexarc.core.config import quantity
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.roadmap_space_time import forbidden, occupy, space_time

_POWER = 4
"""The larger, the more the dearest robot counts."""
_STANDS = (1, 1, 2, 4, 8)
"""Steps for which a robot without a path is taken to stand at its start, drawn per repair; 1 is certain."""


@dataclass(frozen=True)
class TeamOptions:
    """How a team is planned."""

    radius: float = quantity(0.75, unit="m", low=0.0, high=100.0, doc="of every robot")
    tube: float = quantity(0.2, unit="m", low=0.0, high=10.0, doc="how far a robot may be from its segment")
    weight: float = quantity(0.05, low=0.0, high=100.0, doc="cost of a step beside its risk")
    horizon: int = quantity(120, low=2, high=10_000, doc="latest arrival [steps]")
    penalty: float = quantity(20.0, low=1e-3, high=1e6, doc="cost of a conflict while a plan is sought")
    repairs: int = quantity(
        1000, low=0, high=1_000_000, doc="repairs that are tried until there is no conflict"
    )
    improvements: int = quantity(40, low=0, high=1_000_000, doc="repairs of a plan without conflicts")
    group: int = quantity(5, low=1, high=64, doc="robots that are planned again together")
    seed: int = quantity(0, low=0, high=2**31, doc="seed of orders and repairs")


class TeamGraph(NamedTuple):
    """What is planned on: edges in the graph's order."""

    positions: Array
    """Shape (n, 2). [m]"""
    first: np.ndarray
    head: np.ndarray
    steps: np.ndarray
    """Whole steps of each edge, >= 1, shape (edges,)."""
    risk: Array
    """Cost of each edge, shape (edges,)."""
    dwell: Array
    """Cost per step of standing, shape (n,)."""


class Motion(NamedTuple):
    """One occupation: a drive if u != v, a wait if u == v; `end` is infinite for the last one."""

    u: int
    v: int
    begin: float
    end: float


class TeamPlan(NamedTuple):
    """A plan for every robot."""

    motions: tuple[tuple[Motion, ...], ...]
    """Per robot, one after the other without gaps, the last one for good."""
    costs: tuple[float, ...]
    """Risk and dwell of each robot's plan, without the weight of its steps."""
    tried: int
    """Repairs until there was no conflict."""
    seconds: float


def plan_team(
    graph: TeamGraph, starts: Sequence[int], goals: Sequence[int], o: TeamOptions
) -> TeamPlan | None:
    """Return a plan, or None if none was found.

    Raises:
        ConfigError: costs or steps that are not finite or negative, or arrays that do not fit.
    """
    _check(graph, starts, goals)
    began = time.perf_counter()
    team = _Team(graph, list(starts), list(goals), o)
    alone = [team.cheapest(k) for k in range(len(starts))]
    if not all(path.motions for path in alone):
        return None
    for k in np.argsort([-path.total for path in alone]).tolist():
        team.put(k, team.cheapest(k))
    tried = 0
    while team.conflicts():
        if tried == o.repairs:
            return None
        team.repair()
        tried += 1
    for _ in range(o.improvements if len(starts) > 1 else 0):
        team.repair()
    paths = [team.paths[k] for k in range(len(starts))]
    seconds = time.perf_counter() - began
    return TeamPlan(tuple(p.motions for p in paths), tuple(p.risk for p in paths), tried, seconds)


def overlaps(
    plan: TeamPlan, graph: TeamGraph, starts: Sequence[int], o: TeamOptions
) -> list[tuple[int, int, float]]:
    """Return pairs of robots whose tubes are too near at the same time, and when; empty for a sound plan.

    Independent of the planner's tables: every pair of occupations is compared by itself, distances by sampling both
    segments finely and refining.
    """
    found = []
    for a in range(len(plan.motions)):
        for b in range(a + 1, len(plan.motions)):
            for one in plan.motions[a]:
                for other in plan.motions[b]:
                    if one.begin >= other.end or other.begin >= one.end:
                        continue
                    apart = _slow_distance(graph.positions, one, other)
                    slack = sum(o.tube for m, k in ((one, a), (other, b)) if not _at_start(m, starts[k]))
                    if apart < 2.0 * o.radius + slack - 1e-6:
                        found.append((a, b, max(one.begin, other.begin)))
    return found


class _Path(NamedTuple):
    motions: tuple[Motion, ...]
    risk: float
    total: float
    """Risk and weighted steps, without penalties."""


def _at_start(motion: Motion, start: int) -> bool:
    return motion.u == motion.v == start and motion.begin == 0.0


def _slow_distance(positions: Array, one: Motion, other: Motion) -> float:
    share = np.linspace(0.0, 1.0, 101)[:, None]
    p, q = (positions[m.u] + share * (positions[m.v] - positions[m.u]) for m in (one, other))
    best = math.inf
    for x, (a, b) in ((p, (other.u, other.v)), (q, (one.u, one.v))):
        start, line = positions[a], positions[b] - positions[a]
        along = np.clip(((x - start) @ line) / max(float(line @ line), 1e-12), 0.0, 1.0)
        best = min(best, float(np.hypot(*(x - start - along[:, None] * line).T).min()))
    return best


def _check(graph: TeamGraph, starts: Sequence[int], goals: Sequence[int]) -> None:
    edges, n = len(graph.head), len(graph.positions)
    if not starts or len(starts) != len(goals):
        raise ConfigError(f"{len(starts)} starts and {len(goals)} goals; a team needs one of each per robot")
    if len(graph.steps) != edges or len(graph.risk) != edges or len(graph.dwell) != n:
        raise ConfigError(f"steps and risk need one value per edge ({edges}), dwell one per vertex ({n})")
    for what, values, low in (
        ("steps", graph.steps, 1.0),
        ("risk", graph.risk, 0.0),
        ("dwell", graph.dwell, 0.0),
    ):
        wrong = ~np.isfinite(values) | (values < low)
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise ConfigError(
                f"{what} {values[k]} at {k}: must be finite and >= {low:g}; nothing was planned"
            )
    for what, vertices in (("start", starts), ("goal", goals)):
        if len(set(vertices)) < len(vertices):
            raise ConfigError(f"two robots have the same {what}; every robot needs its own")


class _Team:
    """Paths of the robots, and by time how many robots forbid each start of an edge and each stay at a vertex."""

    def __init__(self, graph: TeamGraph, starts: list[int], goals: list[int], o: TeamOptions) -> None:
        self.graph, self.starts, self.goals, self.o = graph, starts, goals, o
        self.rng = np.random.default_rng(o.seed)
        self.edge = np.zeros((o.horizon + 1, len(graph.head)), dtype=np.int16)
        self.vertex = np.zeros((o.horizon + 1, len(graph.positions)), dtype=np.int16)
        self.tail = np.repeat(np.arange(len(graph.positions)), np.diff(graph.first))
        ends = zip(self.tail.tolist(), np.asarray(graph.head).tolist(), strict=True)
        self.index = {end: e for e, end in enumerate(ends)}
        self.stay = np.full(len(graph.positions), o.tube)
        self.stay[starts] = 0.0
        self.paths: dict[int, _Path] = {}
        self.own: dict[int, int] = {}
        """What each path counts against itself."""
        self.forbidden: dict[tuple[int, int, float], Any] = {}
        """Vertices and edges that an occupation forbids, by its ends and slack."""
        self.begins = [(Motion(start, start, 0.0, 1.0),) for start in starts]
        """Where each robot is at first, whatever its path: nobody may count on it being elsewhere."""
        for k, motions in enumerate(self.begins):
            self._change(k, motions, 1)
        self.to_go = {goal: _to_go(graph, goal, o.weight) for goal in goals}

    def put(self, k: int, path: _Path) -> None:
        """Let robot k take a path."""
        before = self._beside(k, path)
        self.paths[k] = path
        self._change(k, path.motions, 1)
        self.own[k] = self._count(path) - before

    def take(self, k: int) -> _Path:
        """Take robot k out and return its path."""
        path = self.paths.pop(k)
        self._change(k, path.motions, -1)
        return path

    def _beside(self, k: int, path: _Path) -> int:
        """Return the conflicts of a path of robot k, which is not counted itself, with the others."""
        self._change(k, self.begins[k], -1)
        found = self._count(path)
        self._change(k, self.begins[k], 1)
        return found

    def conflicts(self) -> int:
        """Return the conflicts of all paths, each counted by both."""
        return sum(self._count(path) - self.own[k] for k, path in self.paths.items())

    def repair(self) -> None:
        """Plan a group again and keep what is better.

        Who has no path yet is taken to stand at its start for some steps: else the first in order counts on the others
        having left.
        """
        group = self._group()
        kept, old = self._value(group), {k: self.take(k) for k in group}
        stands = float(self.rng.choice(_STANDS))
        waits = {
            k: (Motion(self.starts[k], self.starts[k], 1.0, stands),) if stands > 1.0 else () for k in group
        }
        for k in group:
            self._change(k, waits[k], 1)
        for i in self.rng.permutation(len(group)):
            k = group[i]
            self._change(k, waits[k], -1)
            self.put(k, self.cheapest(k, old[k].total + self.o.penalty * self._count(old[k])))
        if self._value(group) > kept:
            for k in group:
                self.take(k)
            for k in group:
                self.put(k, old[k])

    def _value(self, group: list[int]) -> tuple[int, float]:
        """Return what a repair of the group is to lower: its conflicts, then the team's costs."""
        conflicts = sum(self._count(self.paths[k]) - self.own[k] for k in group)
        return conflicts, math.fsum(path.total**_POWER for path in self.paths.values())

    def _group(self) -> list[int]:
        """Return the robots of the next repair: one in a conflict or the worst, and others near its path."""
        count = len(self.paths)
        bad = sorted(k for k, path in self.paths.items() if self._count(path) > self.own[k])
        if bad:
            first = int(self.rng.choice(bad))
        elif self.rng.random() < 0.7:
            first = max(self.paths, key=lambda k: self.paths[k].total)
        else:
            first = int(self.rng.integers(count))
        others = [k for k in range(count) if k != first]
        if not others:
            return [first]
        weight = np.array([_nearness(self.graph, self.paths[first], self.paths[k]) for k in others])
        size = min(int(self.rng.integers(1, self.o.group)) if self.o.group > 1 else 0, len(others))
        pick = self.rng.choice(others, size=size, replace=False, p=weight / weight.sum())
        return [first, *(int(k) for k in pick)]

    def _change(self, k: int, motions: tuple[Motion, ...], sign: int) -> None:
        g, o = self.graph, self.o
        for m in motions:
            slack = 0.0 if _at_start(m, self.starts[k]) else o.tube
            end = o.horizon + 1 if m.end == math.inf else int(m.end)
            key = m.u, m.v, slack
            if key not in self.forbidden:
                self.forbidden[key] = forbidden(
                    m.u, m.v, 2.0 * o.radius + slack, o.tube, self.stay, g.positions, self.tail, g.head
                )
            vertices, edges = self.forbidden[key]
            occupy(self.edge, self.vertex, sign, vertices, edges, int(m.begin), end, g.steps)

    def _count(self, path: _Path) -> int:
        """Return the conflicts of a path with those that are planned."""
        found = 0
        for m in path.motions:
            if m.u == m.v:
                end = self.o.horizon + 1 if m.end == math.inf else int(m.end)
                found += int(self.vertex[int(m.begin) : end, m.u].sum())
            else:
                found += int(self.edge[int(m.begin), self.index[m.u, m.v]])
        return found

    def cheapest(self, k: int, most: float = math.inf) -> _Path:
        """Return the cheapest path of robot k beside the others, without motions if there is no way at all.

        A path that costs `most` with its penalties is known to exist; less is searched then.
        """
        g, o, start, goal = self.graph, self.o, self.starts[k], self.goals[k]
        self._change(k, self.begins[k], -1)
        vertices, times, cost = space_time(
            start, goal, g.first, g.head, g.steps, g.risk, g.dwell, o.weight, o.penalty, self.edge, self.vertex,
            self.to_go[goal], most + 1e-9 * (1.0 + abs(most)) if most < math.inf else most,
        )  # fmt: skip
        self._change(k, self.begins[k], 1)
        if not len(vertices):
            return _Path((), math.inf, math.inf)
        motions: list[Motion] = []
        for i in range(len(vertices) - 1):
            u, v, begin, end = int(vertices[i]), int(vertices[i + 1]), float(times[i]), float(times[i + 1])
            if motions and u == v and motions[-1].u == motions[-1].v:
                motions[-1] = motions[-1]._replace(end=end)
            else:
                motions.append(Motion(u, v, begin, end))
        last, begin = int(vertices[-1]), float(times[-1])
        if motions and motions[-1].u == motions[-1].v == last:
            begin = motions.pop().begin
        motions.append(Motion(last, last, begin, math.inf))
        path = _Path(tuple(motions), 0.0, 0.0)
        total = cost - o.penalty * self._beside(k, path)
        return path._replace(risk=total - o.weight * float(times[-1]), total=total)


def _to_go(graph: TeamGraph, goal: int, weight: float) -> Array:
    """Return the least risk and weighted steps from every vertex to the goal, shape (n,)."""
    n = len(graph.positions)
    tail = np.repeat(np.arange(n), np.diff(graph.first))
    lengths = graph.risk + weight * graph.steps + 1e-12
    table = csr_matrix((lengths, (graph.head, tail)), shape=(n, n))
    return dijkstra(table, indices=goal)


def _nearness(graph: TeamGraph, one: _Path, other: _Path) -> float:
    """Return a weight that is large where two paths come near each other anywhere."""
    p = graph.positions[[m.u for m in one.motions]]
    q = graph.positions[[m.u for m in other.motions]]
    return 1.0 / (0.3 + float(np.hypot(*(p[:, None] - q[None]).transpose(2, 0, 1)).min()))
