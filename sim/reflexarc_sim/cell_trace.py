# SPDX-License-Identifier: Apache-2.0
"""Cell traces of supervised lock-step runs: a second supervisor sees what the first one saw, and is asked.

The observer feeds a `Supervised` of its own, in the order of the lock-step loop. It must come to the mode that the arc
was told at every tick; a difference is an error, not a gap.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from reflexarc.assurance.conformance.rounds import MOVING_M_S, Look, traces_of
from reflexarc.assurance.conformance.trace import CellTrace
from reflexarc.assurance.conformance.truth import TruePersons, person_truth
from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.supervision import Due, load_table
from reflexarc.core.errors import ConfigError, PlantError
from reflexarc.core.plant import ContactEvent, PlantEvent
from reflexarc.core.types import Array, BaseState, Mode, Proposal, Verdict
from reflexarc.mission import Outcome
from reflexarc.robots import load_base
from reflexarc_sim import lockstep
from reflexarc_sim.scenario import Scenario
from reflexarc_sim.supervised import Supervised

DELIVERED = (Outcome.SUCCESS, Outcome.CARGO_LOST)
"""Missions that end at their goal; after any other end the robot drives on."""


class CellObserver:
    """Notes every turn of the supervisor of a lock-step run."""

    def __init__(self, scenario: Scenario):
        """Make the second supervisor.

        Raises:
            ConfigError: the scenario has no supervisor.
            ModelError: as of `load_table`.
        """
        if not scenario.supervisor.enabled or not scenario.arc_enabled:
            raise ConfigError(f"{scenario.where}: a cell trace needs a supervisor around an arc")
        self.table = load_table(scenario.supervisor.table)
        self.looks: list[Look] = []
        """The supervisor's turns, from the first that the table decided."""
        self.contacts: list[float] = []
        """When a moving robot was first touched. [s]"""
        self._supervised = Supervised(scenario)
        self._due = Due(scenario.supervisor.rate_hz)
        self._guards, self._robot = scenario.supervisor.guards, load_base(scenario.robot)
        self._arc_modes = {state.name: state.arc_mode for state in self.table.states}
        self._persons = TruePersons()
        self._waiting: list[tuple[BaseState, float, dict[str, bool | None], str, Mode, bool, bool]] = []
        self._under_way = self._ended = False

    def tick(
        self,
        state: BaseState,
        proposal: Proposal | None,
        command: Array,
        verdict: Verdict | None,
        min_distance: float,
    ) -> None:
        """See one control period.

        Raises:
            PlantError: the second supervisor is of another mind than the first.
        """
        assert verdict is not None
        now = verdict.now
        due = self._due(now)
        seen = dict(self._supervised.supervision.guards.look(state, now, now)) if due else {}
        mode = self._supervised.mode(state, now)
        if mode != verdict.mode:
            raise PlantError(
                f"at {now:.3f} s the supervisor said {verdict.mode.name}, again {mode.name}; the run does not repeat"
            )
        directive = self._supervised.directives[-1][1]
        if due and directive.state:
            said = {name: seen[name] for name in self.table.signals}
            self._waiting.append((state, now, said, directive.state, mode, self._under_way, self._ended))
            self._ended = False
        self._supervised.command(verdict, state, now)

    def pedestrians(self, time: float, names: tuple[str, ...], positions: Array) -> None:
        """See where people are, and judge the turns whose tracks are older."""
        self._persons.add(time, names, positions)
        while self._waiting and self._waiting[0][0].obstacles.stamp <= time:
            self._judge(*self._waiting.pop(0))

    def plant_event(self, event: PlantEvent) -> None:
        """See a contact."""
        if isinstance(event, ContactEvent) and event.robot_speed > MOVING_M_S:
            self.contacts.append(event.start)

    def event(self, time: float, kind: str, text: str, **details: Any) -> None:
        """See the start or end of a mission."""
        if kind == "mission":
            self._under_way = not details["ended"]
            self._ended = self._ended or details.get("outcome") in DELIVERED

    def finish(self) -> None:
        """Note a delivery that ended the run."""
        if self._ended and self.looks:
            self.looks[-1] = replace(self.looks[-1], ended=True)
            self._ended = False

    def _judge(
        self,
        state: BaseState,
        now: float,
        said: dict[str, bool | None],
        name: str,
        mode: Mode,
        under_way: bool,
        ended: bool,
    ) -> None:
        persons = self._persons.at(state.obstacles.stamp)
        truth = None if persons is None else person_truth(state, persons, self._robot, self._guards)
        self.looks.append(Look(now, said, name, mode > self._arc_modes[name], truth, under_way, ended))


def record_run(
    scenario: Scenario,
    seed: int,
    cell: Cell,
    duration: float | None = None,
    progress: Callable[[lockstep.Progress], None] | None = None,
) -> list[CellTrace]:
    """Run a supervised scenario in lock-step and return its cell traces.

    Raises:
        ConfigError: the scenario has no supervisor, or the cell is not of a base.
        PlantError: the simulation diverged, or did not repeat.
    """
    observer = CellObserver(scenario)
    lockstep.run(scenario, seed, duration=duration, progress=progress, observers=[observer])
    observer.finish()
    source = f"{scenario.name} seed {seed}"
    return traces_of(cell, observer.table, observer.looks, observer.contacts, source)
