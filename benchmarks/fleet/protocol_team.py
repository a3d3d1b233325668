# SPDX-License-Identifier: Apache-2.0
"""Problems of the protocol, a team that drives on the point map, and what is counted of it."""

import math
import time
from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.types import Array
from reflexarc.fleet.gcrl.agent import Agent
from reflexarc.fleet.gcrl.follow import step_team
from reflexarc.fleet.gcrl.mapping import free_places

LIMIT = 300
"""Steps after which a problem has failed."""
TUBE = 0.1
"""How far a robot of ours may be from its edge. [m]"""
ROOM = 0.3
"""By how much two starts, and two goals, are further apart than the distance at which robots collide; two tubes and a
little. [m]"""


class Problem(NamedTuple):
    """Starts and goals, shape (robots, 2) each. [m]"""

    starts: Array
    goals: Array
    apart: float
    """Centres nearer than this collide. [m]"""


class Outcome(NamedTuple):
    """How one problem went."""

    reached: bool
    """Every robot was at its goal within the limit."""
    collisions: int
    """Pairs of robots that collided."""
    cost: float
    """Largest of the robots' cumulative costs."""
    mean_cost: float
    steps: float
    """Until the last robot was at its goal; the limit if one never was."""
    note: str = ""
    """Why there was nothing to execute."""
    changed: float = 0.0
    """Share of driving steps at which the tube changed the policy's move."""
    crept: float = 0.0
    waits: float = 0.0
    """Steps in which a robot waited, per robot."""
    planned: float = math.nan
    """Largest cost that the plan expected."""
    planning: float = 0.0
    """Processor time of planning. [s]"""

    @property
    def success(self) -> bool:
        """Reached without a collision."""
        return self.reached and not self.collisions


def make_problem(
    agent: Agent, robots: int, distance: float, apart: float, rng: np.random.Generator
) -> Problem:
    """Return a problem: pairs by predicted distance, starts and goals apart.

    As published, 1,000 places each are scored and of the five pairs nearest to the target one is taken, of those that
    keep `apart` and `ROOM`.
    """
    starts: list[Array] = []
    goals: list[Array] = []
    for _ in range(1000 * robots):
        places = free_places(agent, 300, int(rng.integers(2**31)))
        s, g = places[:150], places[150:]
        s, g = (x[_apart(x, taken, apart + ROOM)] for x, taken in ((s, starts), (g, goals)))
        if not len(s) or not len(g):
            continue
        i, j = (k.ravel() for k in np.meshgrid(np.arange(len(s)), np.arange(len(g)), indexing="ij"))
        near = np.abs(np.abs(s[i] - g[j]).max(axis=1) - distance) < max(0.35 * distance, 1.5)
        i, j = i[near], j[near]
        if not len(i):
            continue
        steps = agent.expected(s[i], g[j])[0].mean(axis=0)
        best = np.argsort(np.abs(steps - distance))[:5]
        k = int(rng.choice(best))
        if abs(steps[k] - distance) > 0.5:
            continue
        starts.append(s[i[k]])
        goals.append(g[j[k]])
        if len(starts) == robots:
            return Problem(np.array(starts), np.array(goals), apart)
    raise RuntimeError(f"no problem of {robots} robots and distance {distance} found")


def _apart(places: Array, taken: list[Array], least: float) -> np.ndarray:
    if not taken:
        return np.ones(len(places), dtype=bool)
    gap = np.hypot(*(places[:, None] - np.array(taken)[None]).transpose(2, 0, 1))
    return (gap >= least).all(axis=1)


class Problems:
    """Problems by number, made when they are first asked for, one after the other from one stream of numbers."""

    def __init__(
        self, agent: Agent, robots: int, distance: float, apart: float, rng: np.random.Generator
    ) -> None:
        self._make = lambda: make_problem(agent, robots, distance, apart, rng)
        self._made: list[Problem] = []

    def __getitem__(self, k: int) -> Problem:
        while len(self._made) <= k:
            self._made.append(self._make())
        return self._made[k]


class Tally:
    """Positions, costs and collisions of a team while it drives."""

    def __init__(self, agent: Agent, problem: Problem) -> None:
        self.x = problem.starts.copy()
        self.goals = problem.goals
        self.apart = problem.apart
        self.n = len(self.x)
        still = step_team(agent, self.x, self.x, self.x, np.zeros(self.n, dtype=int), TUBE)
        self.cost = still.costs.copy()
        self.done = np.zeros(self.n, dtype=bool)
        self.at = np.full(self.n, float(LIMIT))
        self.hit = np.zeros((self.n, self.n), dtype=bool)
        self.steps = 0
        self._seen: dict[bytes, tuple[int, Array]] = {}

    def leap(self, memory: np.ndarray) -> None:
        """Skip whole repetitions of what the team does, up to the limit.

        What moves by positions and `memory` alone and is where it was before does the same again: robots that are
        stuck stand, or go to and fro between two points, until time is up. Costs are added, nothing else changes.
        """
        key = self.x.tobytes() + memory.tobytes()
        then, cost = self._seen.setdefault(key, (self.steps, self.cost.copy()))
        if then < self.steps:
            period = self.steps - then
            times = (LIMIT - self.steps) // period
            self.cost += times * (self.cost - cost)
            self.steps += times * period
            self._seen.clear()

    def move(
        self, agent: Agent, u: Array, v: Array, mode: np.ndarray, stops: np.ndarray | None = None
    ) -> Any:
        """Take one step; robots that are done (or, with `stops`, those that it names) cost nothing any more."""
        before = self.x
        moves = step_team(agent, before, u, v, mode, TUBE)
        ways = np.concatenate([before[:, None], moves.ways], axis=1)
        self.hit |= _collided(ways, self.apart)
        self.cost += np.where(self.done if stops is None else stops, 0.0, moves.costs)
        self.x = moves.states
        self.steps += 1
        near = np.hypot(*(self.x - self.goals).T) < agent.domain.goal_radius
        self.at[near & ~self.done] = self.steps
        self.done |= near
        return moves

    def outcome(self, **more: Any) -> Outcome:
        """Return how it went."""
        pairs = int(np.triu(self.hit, 1).sum())
        return Outcome(
            bool(self.done.all()),
            pairs,
            float(self.cost.max()),
            float(self.cost.mean()),
            float(self.at.max()),
            **more,
        )


def _collided(ways: Array, apart: float) -> np.ndarray:
    """Return which pairs came nearer than `apart` along their ways, shape (n, n); straight between the points."""
    relative = ways[:, None] - ways[None]
    p, d = relative[:, :, :-1], np.diff(relative, axis=2)
    square = (d**2).sum(axis=-1)
    share = np.clip(-(p * d).sum(axis=-1) / np.maximum(square, 1e-12), 0.0, 1.0)
    gap = np.sqrt(((p + share[..., None] * d) ** 2).sum(axis=-1)).min(axis=2)
    np.fill_diagonal(gap, np.inf)
    return gap < apart - 1e-6


def straight(agent: Agent, problem: Problem) -> Outcome:
    """Follow the policy to the goal, no search; robots stop at their goals."""
    tally = Tally(agent, problem)
    while tally.steps < LIMIT and not tally.done.all():
        tally.move(agent, tally.x, tally.goals, np.where(tally.done, 0, 2))
        tally.leap(tally.done)
    return tally.outcome()


def no_plan(why: str, began: float) -> Outcome:
    """Return the outcome of a problem that was not executed."""
    return Outcome(False, 0, math.nan, math.nan, float(LIMIT), why, planning=time.process_time() - began)
