# SPDX-License-Identifier: Apache-2.0
"""The statement of a run that goes on: fed event by event, asked at any time.

A mission that has ended becomes a row of the episode table; the one under way is kept apart, with what it
has cost so far.
"""

import math
from dataclasses import dataclass

from reflexarc.core.plant import ContactEvent
from reflexarc.core.types import Array
from reflexarc.economics.episodes import Episodes
from reflexarc.economics.models import Capex, CostModel
from reflexarc.economics.readers.rows import TableBuilder
from reflexarc.economics.readers.stack import J_PER_KWH, MissionRecord, add_missions
from reflexarc.economics.statement import Statement, state_episodes


@dataclass(slots=True)
class _UnderWay:
    number: int
    start: float
    way: float
    energy: float


class LiveStatement:
    """Collects missions, contacts, odometry and energy of one robot."""

    def __init__(
        self,
        model: CostModel,
        capex: Capex,
        convention: str | None = None,
        robot: str = "robot",
        resamples: int = 1000,
    ):
        """Begin with nothing.

        Args:
            model: how runs are charged.
            capex: what the robot cost.
            convention: revenue convention; the model's own if None.
            robot: model of the robot.
            resamples: bootstrap resamples of each statement.
        """
        self.model, self.capex, self.convention = model, capex, convention
        self._robot, self._resamples = robot, resamples
        self._records: list[MissionRecord] = []
        self._contacts: list[ContactEvent] = []
        self._current: _UnderWay | None = None
        self._way = 0.0
        self._position: Array | None = None
        self._energy_j = 0.0
        self._energy_known = False
        self._power: tuple[float, float] | None = None

    @property
    def missions(self) -> int:
        """Missions that have ended."""
        return len(self._records)

    def add_position(self, position: Array) -> None:
        """Take the robot's position, shape (2,). [m]"""
        if self._position is not None:
            self._way += math.dist(position, self._position)
        self._position = position

    def add_power(self, stamp: float, power: float) -> None:
        """Take the electrical or mechanical power [W] at `stamp` [s]; it is integrated by the trapezium rule."""
        if self._power is not None and stamp > self._power[0]:
            self._energy_j += 0.5 * (power + self._power[1]) * (stamp - self._power[0])
            self._energy_known = True
        self._power = (stamp, power)

    def add_contact(self, contact: ContactEvent) -> None:
        """Take a contact episode."""
        self._contacts.append(contact)

    def start(self, number: int, stamp: float) -> None:
        """Note that a mission begins at `stamp` [s]."""
        self._current = _UnderWay(number, stamp, self._way, self._energy_j)

    def end(self, number: int, outcome: str, stamp: float, duration: float) -> None:
        """Note that a mission ended at `stamp` [s] after `duration` [s] with `outcome`, in the words of the
        missions.
        """
        begun = self._current if self._current is not None and self._current.number == number else None
        way = self._way - begun.way if begun is not None else 0.0
        energy = (
            (self._energy_j - begun.energy) / J_PER_KWH
            if begun is not None and self._energy_known
            else math.nan
        )
        self._records.append(MissionRecord(str(number), stamp - duration, stamp, outcome, way, energy))
        self._current = None

    def episodes(self) -> Episodes | None:
        """Return the table of the missions that ended; None while there is none that can be evaluated."""
        builder = TableBuilder("live", robot=self._robot)
        add_missions(builder, self._records, self._contacts)
        if all(record.outcome == "unfinished" for record in self._records):
            return None
        return builder.finish()

    def statement(self) -> Statement | None:
        """Return the statement so far; None while no mission that can be evaluated has ended."""
        episodes = self.episodes()
        if episodes is None:
            return None
        return state_episodes(
            episodes, self.model, self.capex, self.convention, self._resamples, name=self._robot
        )
