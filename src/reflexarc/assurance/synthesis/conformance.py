# SPDX-License-Identifier: Apache-2.0
"""Conformance of an executed table with the model's explicit state space, without gaps.

For every state in the supervisor's turn a `Supervisor` is put into the state of the same mode and mitigated hazards, is
given the signals of that state, and must end where the model's only successor is. What the model says comes from
Storm; what the table says from the executor that runs on the robot.
"""

from dataclasses import dataclass
from typing import Any

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.supervisor.supervisor import Supervisor
from reflexarc.assurance.supervisor.table import SupervisorTable

_DWELL_S = 1.0
_FIRST_S = 1000.0


@dataclass(frozen=True, slots=True)
class Conformance:
    """What was compared."""

    states: int
    """States of the model in the supervisor's turn."""
    table_states: int
    """States of the table among them."""
    transitions: int
    """Different (state, perceived hazards, release) among them."""
    differences: tuple[str, ...]
    """Where the table and the model part."""

    @property
    def complete(self) -> bool:
        """Whether every state and transition of the model was executed alike."""
        return self.states > 0 and not self.differences


def conformance(cell: Cell, table: SupervisorTable, turns: list[dict[str, Any]]) -> Conformance:
    """Compare the table with the states of the supervisor's turn, as `Checker.check(..., explore=True)` gives them."""
    index = {(s.mode, s.hazards, i == table.default_stop): i for i, s in enumerate(table.states)}
    supervisor = Supervisor(table, _DWELL_S)
    seen_states, seen_transitions, differences = set(), set(), []
    for turn in turns:
        key = _key(cell, turn["state"])
        if len(turn["successors"]) != 1:
            differences.append(f"{key}: {len(turn['successors'])} successors in the model, expected one")
            continue
        if key not in index:
            differences.append(f"{key}: no such state in the table")
            continue
        signals = {name: f"says_{name}" in turn["labels"] for name in table.signals}
        reached = _execute(supervisor, index[key], signals, bool(turn["state"]["ready"]))
        expected = index.get(_key(cell, turn["successors"][0]))
        perceived = tuple(name for name in cell.hazards if f"noticed_{name}" in turn["labels"])
        seen_states.add(key)
        seen_transitions.add((key, perceived, turn["state"]["ready"]))
        if reached != expected:
            differences.append(f"{key} with {signals}: the table goes to {reached}, the model to {expected}")
    return Conformance(len(turns), len(seen_states), len(seen_transitions), tuple(differences))


def _execute(supervisor: Supervisor, start: int, signals: dict[str, bool], ready: bool) -> int:
    """Run one step from a given state; with `ready` the dwell is over and somebody acknowledges."""
    supervisor.place(start, _FIRST_S)
    decision = supervisor.step(signals, _FIRST_S + (2.0 if ready else 0.5) * _DWELL_S, acknowledged=ready)
    return [state.name for state in supervisor.table.states].index(decision.state)


def _key(cell: Cell, state: dict[str, Any]) -> tuple[str, int, bool]:
    held = sum(1 << i for i, name in enumerate(cell.hazards) if state[f"held_{name}"])
    return list(cell.modes)[state["mode"]], held, bool(state["stopped"])
