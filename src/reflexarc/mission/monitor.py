# SPDX-License-Identifier: Apache-2.0
"""Missions and how they end.

Outcomes and their precedence follow CostNav (arXiv:2511.20216, evaluation rules): goal reached, then rollover, then
timeout; a mission that reached its goal with more than 5 % of the cargo gone is `cargo_lost`, not a success.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from reflexarc.core.plant import CargoEvent, PlantEvent, RolloverEvent
from reflexarc.core.types import Array, BaseState

CARGO_LOSS_LIMIT = 0.05
"""Share of the cargo whose loss spoils a delivery; strict, CostNav evaluation rules."""
START_TOLERANCE = 1.0
"""A planned route is used if the robot is within this distance of its start, else a new one is asked for. [m]"""

Router = Callable[[Array, Array], Array]
"""Route on the known map from a start to a goal, both (2,): way points (n, 2). [m]"""


class Outcome(StrEnum):
    """How a mission ended."""

    SUCCESS = "success"
    CARGO_LOST = "cargo_lost"
    PHYSICAL_ASSISTANCE = "physical_assistance"
    TIMEOUT = "timeout"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Mission:
    """One delivery."""

    number: int
    """Counts from 0."""
    start: tuple[float, float]
    """Where the planned route begins. [m]"""
    goal: tuple[float, float]
    """Where the cargo goes. [m]"""
    route: Array
    """Planned way points from start to goal, shape (n, 2). [m]"""
    timeout_s: float
    """Time after which the mission counts as failed. [s]"""


@dataclass(frozen=True, slots=True)
class MissionStarted:
    """A mission began."""

    stamp: float
    """[s]"""
    number: int
    goal: tuple[float, float]
    """[m]"""
    route: Array
    """Way points from the robot to the goal, shape (n, 2). [m]"""


@dataclass(frozen=True, slots=True)
class MissionEnded:
    """A mission ended."""

    stamp: float
    """[s]"""
    number: int
    outcome: Outcome
    duration: float
    """[s]"""
    distance_to_goal: float
    """[m]"""


MissionEvent = MissionStarted | MissionEnded


class MissionMonitor:
    """Runs a list of missions one after the other and says when each starts and how it ends."""

    def __init__(self, missions: Sequence[Mission], router: Router, goal_tolerance: float):
        """Take the missions and the router, which is asked when a mission does not begin where it was planned to."""
        self.missions = tuple(missions)
        self.outcomes: list[MissionEnded] = []
        self._router = router
        self._tolerance = goal_tolerance
        self._index = 0
        self._started: float | None = None
        self._goal_distance = float("nan")
        self._cargo_at_start = 0
        self._cargo_lost = 0
        self._cargo_total = 0
        self._rolled_over = False

    @property
    def done(self) -> bool:
        """Whether no mission is left."""
        return self._index >= len(self.missions)

    @property
    def current(self) -> Mission | None:
        """The mission under way or about to start."""
        return None if self.done else self.missions[self._index]

    def update(self, now: float, state: BaseState, events: Iterable[PlantEvent]) -> list[MissionEvent]:
        """Judge one moment; call it at every new state.

        Args:
            now: time of the state. [s]
            state: where the robot is.
            events: what the plant reported since the last call.
        """
        for event in events:
            if isinstance(event, CargoEvent):
                self._cargo_lost, self._cargo_total = event.lost, event.total
            elif isinstance(event, RolloverEvent):
                self._rolled_over = True
        mission = self.current
        if mission is None:
            return []
        if self._started is None:
            return [self._start(mission, now, state)]
        self._goal_distance = float(np.hypot(*(np.asarray(mission.goal) - state.pose[:2])))
        outcome = self._judge(mission, now)
        if outcome is None:
            return []
        ended = self._end(mission, now, outcome)
        if outcome is Outcome.PHYSICAL_ASSISTANCE:
            return [ended, *self.finish(now)]
        following = self.current
        return [ended] if following is None else [ended, self._start(following, now, state)]

    def finish(self, now: float) -> list[MissionEvent]:
        """End the run: the mission under way and those not begun are unfinished."""
        events: list[MissionEvent] = []
        while (mission := self.current) is not None:
            if self._started is None:
                self._started, self._goal_distance = now, float("nan")
            events.append(self._end(mission, now, Outcome.UNFINISHED))
        return events

    def _start(self, mission: Mission, now: float, state: BaseState) -> MissionStarted:
        self._started = now
        self._cargo_at_start = self._cargo_lost
        position = state.pose[:2]
        route = mission.route
        if np.hypot(*(np.asarray(mission.start) - position)) > START_TOLERANCE:
            route = self._router(position, np.asarray(mission.goal))
        return MissionStarted(now, mission.number, mission.goal, route)

    def _judge(self, mission: Mission, now: float) -> Outcome | None:
        assert self._started is not None
        if self._goal_distance <= self._tolerance:
            carried = self._cargo_total - self._cargo_at_start
            lost = self._cargo_lost - self._cargo_at_start
            return Outcome.CARGO_LOST if lost > CARGO_LOSS_LIMIT * carried else Outcome.SUCCESS
        if self._rolled_over:
            return Outcome.PHYSICAL_ASSISTANCE
        if now - self._started >= mission.timeout_s:
            return Outcome.TIMEOUT
        return None

    def _end(self, mission: Mission, now: float, outcome: Outcome) -> MissionEnded:
        assert self._started is not None
        ended = MissionEnded(now, mission.number, outcome, now - self._started, self._goal_distance)
        self.outcomes.append(ended)
        self._index += 1
        self._started = None
        return ended
