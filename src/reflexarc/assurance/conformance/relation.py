# SPDX-License-Identifier: Apache-2.0
"""What the hazard model allows in each turn, given the table that the supervisor runs. Written from the model's text
(`synthesis/prism.py`), turn by turn; a possibility is allowed where its nominal probability is above 0.
"""

from collections.abc import Mapping
from typing import NamedTuple

from reflexarc.assurance.conformance.trace import Step
from reflexarc.assurance.hazards.cell import Cell, Move, Sensor, Task
from reflexarc.assurance.hazards.condition import holds
from reflexarc.assurance.hazards.policies import policy_from
from reflexarc.assurance.supervisor.table import SupervisorTable
from reflexarc.core.errors import ModelError

Values = Mapping[str, str]
"""Variable to its state."""


class Rows(NamedTuple):
    """Where a state of the table goes for what is perceived."""

    hold: str
    release: str


class Relation:
    """The model of a cell under one table.

    Raises:
        ModelError: the table is of another cell.
    """

    def __init__(self, cell: Cell, table: SupervisorTable) -> None:
        same = table.cell == cell.name and list(table.hazards) == list(cell.hazards)
        if not same or set(table.signals) != set(cell.signals):
            raise ModelError(f"the table of the cell {table.cell!r} does not fit the cell {cell.name!r}")
        self.cell, self.table = cell, table
        self.policy = policy_from(cell, table.policy)
        self.severe = sorted(cell.hazards, key=lambda name: -cell.hazards[name].severity)
        self._index = {state.name: i for i, state in enumerate(table.states)}
        self._stop = table.states[table.default_stop].name

    def held(self, state: str) -> frozenset[str]:
        """Return the hazards that a state of the table holds mitigated."""
        return frozenset(self.table.names(self.table.states[self._index[state]].hazards))

    def latched(self, state: str) -> bool:
        """Return whether a state of the table is left by an acknowledgement alone."""
        return self.table.states[self._index[state]].latched

    def sounding(self, state: str) -> frozenset[str]:
        """Return the alarms that sound in a state of the table with an intensity above 0."""
        levels = zip(self.table.alarms, self.table.states[self._index[state]].alarms, strict=True)
        return frozenset(name for name, level in levels if level > 0.0)

    def said(self, name: str, values: Values, sensor_state: str | None = None) -> bool:
        """Return what a signal says with the sensors as they are, or with its sensor in another state."""
        signal = self.cell.signals[name]
        truth = holds(signal.when, values)
        if not signal.sensor:
            return truth
        state = sensor_state or values[signal.sensor]
        if state == "lost":
            return False
        if state == "wrong":
            return not truth if self.cell.sensors[signal.sensor].reports == "opposite" else False
        return truth

    def shows(self, sensor: str, values: Values) -> bool:
        """Return whether anybody could tell a wrong sensor from a working one by its signals."""
        own = [name for name, signal in self.cell.signals.items() if signal.sensor == sensor]
        return any(self.said(n, values, "works") != self.said(n, values, "wrong") for n in own)

    def perceived(self, signals: Mapping[str, bool | None]) -> frozenset[str]:
        """Return the hazards that signals make perceived, with all that these cause."""
        hazards = self.cell.hazards
        found = {name for name, hazard in hazards.items() if any(signals[n] for n in hazard.detected_by)}
        while not (more := {c for name in found for c in hazards[name].causes}) <= found:
            found |= more
        return frozenset(found)

    def rows(self, state: str, signals: Mapping[str, bool | None]) -> Rows:
        """Return where the table goes; for an unknown signal that nothing excuses both are the default stop."""
        for name, value in signals.items():
            excuse = self.table.excused_by.get(name)
            if value is None and (excuse is None or signals[excuse] is not True):
                return Rows(self._stop, self._stop)
        mask = sum(
            1 << i for i, names in enumerate(self.table.hazards.values()) if any(signals[n] for n in names)
        )
        index = self._index[state]
        states = self.table.states
        return Rows(states[self.table.hold[index][mask]].name, states[self.table.release[index][mask]].name)

    def decided(self, state: str, signals: Mapping[str, bool | None]) -> list[str]:
        """Return the states of the table that the supervisor's turn allows."""
        rows, resuming = self.rows(state, signals), self.cell.resuming
        entry = self.table.states[self._index[state]]
        if entry.latched:
            chance = resuming.acknowledge.nominal
        else:
            waits = bool(entry.hazards) or entry.mode != self.cell.base_mode
            chance = resuming.dwell.nominal if waits else 1.0
        allowed = ([rows.release] if chance > 0.0 else []) + ([rows.hold] if chance < 1.0 else [])
        return list(dict.fromkeys(allowed))

    def activity(self, before: str, after: str, activity: str) -> str:
        """Return the activity after a supervisor's turn from one state of the table to another."""
        held, following, actions = self.held(before), self.held(after), []
        if after == self._stop:
            actions = [self.cell.default_stop] if before != self._stop else []
        else:
            free = [h for h in self.severe if not any(h in self.cell.hazards[g].blocks for g in following)]
            actions = [self.policy.mitigate(self.cell, h) for h in free if h in following - held]
            actions += [self.policy.resume(self.cell, h) for h in self.severe if h in held - following]
        return next((action.activity for action in actions if action.activity), activity)

    def task(self, step: Step) -> Task | None:
        """Return the task that is due in the process's turn; None while the mode halts it."""
        if self.cell.modes[step.mode].productivity <= 0.0:
            return None
        values = step.variables(self.cell)
        return next((task for task in self.cell.process.tasks if holds(task.when, values)), None)

    def worked(self, step: Step) -> list[dict[str, str]]:
        """Return the values of activity and things that the process's turn allows."""
        same, task = {"activity": step.activity, **step.things}, self.task(step)
        if task is None:
            return [same]
        chance = 1.0 if task.probability is None else task.probability.nominal
        done = [{**same, **task.set}] if chance > 0.0 else []
        return done + ([same] if chance < 1.0 else [])

    def risks(self, step: Step) -> dict[str, float]:
        """Return the hazards present in the process's turn, most severe first, with their factor in the mode."""
        values, factors = step.variables(self.cell), self.cell.modes[step.mode].mishap
        return {h: factors[h] for h in self.severe if holds(self.cell.hazards[h].when, values)}

    def moves(self, step: Step) -> dict[str, dict[str, str]]:
        """Return the moves that are possible in the person's turn, each with the values of person and things after."""
        values = step.variables(self.cell)
        here = self.here(step)
        return {
            move.name: {**here, **move.set} for move in self.cell.person.moves if holds(move.when, values)
        }

    def here(self, step: Step) -> dict[str, str]:
        """Return the values of person and things before the person's turn."""
        return {self.cell.person.name: step.person, **step.things}

    def moved(self, step: Step) -> list[dict[str, str]]:
        """Return the values of person and things that the person's turn allows."""
        loud, rest, found = self.sounding(step.state), 1.0, []
        by_name = {move.name: move for move in self.cell.person.moves}
        for name, after in self.moves(step).items():
            chance = self._chance(by_name[name], loud)
            rest -= chance
            if chance > 0.0:
                found.append(after)
        return found + ([self.here(step)] if rest > 1e-12 else [])

    def sensed(self, sensor: Sensor, state: str) -> list[str]:
        """Return the states that a sensor may have after the person's turn."""
        if state == "lost":
            back = sensor.repair.nominal if sensor.repair else 0.0
            return (["works"] if back > 0.0 else []) + (["lost"] if back < 1.0 else [])
        lost, wrong = (sensor.loss.nominal if sensor.loss else 0.0), sensor.failure.nominal
        allowed = {"works": (1.0 - lost) * (1.0 - wrong), "wrong": (1.0 - lost) * wrong, "lost": lost}
        return [name for name, chance in allowed.items() if chance > 0.0]

    def _chance(self, move: Move, loud: frozenset[str]) -> float:
        chance = move.probability.nominal
        if move.deterred_by in loud:
            return chance * (1.0 - self.table.alarms[move.deterred_by])
        if move.hurried_by in loud:
            return chance + (1.0 - chance) * self.table.alarms[move.hurried_by]
        return chance
