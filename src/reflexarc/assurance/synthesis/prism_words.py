# SPDX-License-Identifier: Apache-2.0
"""The parts of speech of a model in the PRISM language: names, numbers, conditions, updates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reflexarc.assurance.hazards.cell import SENSOR_STATES, Cell
from reflexarc.assurance.hazards.condition import clauses


def number(value: float) -> str:
    """Return a number that reads back as the same double."""
    return repr(float(value))


def any_of(parts: Iterable[str]) -> str:
    """Return a disjunction; false without parts."""
    listed = [f"({part})" for part in parts]
    return f"({' | '.join(listed)})" if listed else "false"


def first(cases: Sequence[tuple[str, int]], otherwise: str) -> str:
    """Return the value of the first case whose guard holds."""
    text = otherwise
    for guard, value in reversed(cases):
        text = f"({guard} ? {value} : {text})"
    return text


class Words:
    """Names and numbers of one cell."""

    def __init__(self, cell: Cell, values: Mapping[str, float]) -> None:
        self.cell = cell
        self._values, self._states = values, cell.variables

    def value(self, path: str) -> float:
        """Return the probability at a path such as `hazards.HC.mishap`."""
        return self._values[path]

    def variable(self, name: str) -> str:
        """Return the variable of a name in conditions; a prefix keeps it apart from keywords."""
        if name in ("activity", "mode"):
            return name
        if name == self.cell.person.name:
            return "person_at"
        return f"sensor_{name}" if name in self.cell.sensors else f"thing_{name}"

    def initial(self, name: str) -> str:
        """Return the first state of the person, the activity or a thing."""
        if name == "activity":
            return self.cell.process.initial
        return self.cell.person.initial if name == self.cell.person.name else self.cell.things[name].initial

    def condition(self, when: Mapping[str, Any]) -> str:
        """Return a condition as an expression."""
        return any_of(
            " & ".join(self._membership(name, states) for name, states in clause.items()) or "true"
            for clause in clauses(when)
        )

    def update(self, assignment: Mapping[str, str]) -> str:
        """Return an assignment as an update."""
        parts = [
            f"({self.variable(name)}' = {self._states[name].index(state)})"
            for name, state in assignment.items()
        ]
        return " & ".join(parts) or "true"

    def mode(self, name: str) -> int:
        """Return the number of a mode."""
        return list(self.cell.modes).index(name)

    def activity(self, name: str) -> int:
        """Return the number of an activity."""
        return self.cell.process.activities.index(name)

    def runs(self) -> str:
        """Return the condition under which the process goes on: a mode with any productivity."""
        return any_of(
            f"mode = {i}" for i, mode in enumerate(self.cell.modes.values()) if mode.productivity > 0.0
        )

    def risk(self, hazard: str) -> str:
        """Return the probability that the present hazard becomes a mishap in this turn, by mode."""
        p = self.value(f"hazards.{hazard}.mishap")
        return self.by_mode([p * mode.mishap[hazard] for mode in self.cell.modes.values()])

    def by_mode(self, values: Sequence[float]) -> str:
        """Return a number that depends on the mode."""
        text = number(values[-1])
        for i in range(len(values) - 2, -1, -1):
            text = f"(mode = {i} ? {number(values[i])} : {text})"
        return text

    def causes_of(self, hazard: str) -> list[str]:
        """Return the hazards whose presence implies this one's, itself included."""
        found = [hazard]
        for name in found:
            found += [g for g, h in self.cell.hazards.items() if name in h.causes and g not in found]
        return found

    def _membership(self, name: str, states: tuple[str, ...]) -> str:
        known = SENSOR_STATES if name in self.cell.sensors else self._states[name]
        if set(states) == set(known):
            return "true"
        return any_of(f"{self.variable(name)} = {known.index(state)}" for state in states)
