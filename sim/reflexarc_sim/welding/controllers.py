# SPDX-License-Identifier: Apache-2.0
"""What may stand over the cell: the verified table, or a baseline that knows one answer to every hazard, or nobody.

A baseline runs the automaton of the verified table with every mitigation in the same mode, so that perceiving, holding
and dwelling are the same. It is not verified and is for comparison alone.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import NamedTuple, Protocol

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.read import read_cell
from reflexarc.assurance.supervisor.supervisor import Supervisor
from reflexarc.assurance.supervisor.table import SupervisorTable, read_table
from reflexarc.core.errors import UnknownNameError
from reflexarc.core.paths import models_dir
from reflexarc.core.types import Mode
from reflexarc_sim.supervised import Operator as Acknowledger
from reflexarc_sim.welding.parameters import WeldingPlant

BASELINES = {
    "stop_only": "stopped",
    "ssm_only": "speed_separation",
    "pfl_only": "power_force_limited",
    "never_mitigate": "normal",
}
"""Name to the one mode that answers every hazard."""
CONTROLLERS = ("none", *BASELINES, "verified")
"""Everything that `make_controller` makes."""


class Directive(NamedTuple):
    """What the cell is told."""

    mode: str
    """The cell's word."""
    state: str
    """Of the table; empty without one."""
    resume: str = ""
    """Activity with which the process goes on, where this very turn resumes it."""


class Controller(Protocol):
    """Decides the mode."""

    def turn(self, seen: Mapping[str, bool | None], now: float) -> Directive:
        """Decide from the signals at time `now`. [s]"""
        ...


class NoController:
    """Mode normal, whatever is seen."""

    def turn(self, seen: Mapping[str, bool | None], now: float) -> Directive:
        """Return mode normal."""
        return Directive("normal", "")


class TableController:
    """A table, executed by the real supervisor, and the operator who acknowledges its stops."""

    def __init__(self, table: SupervisorTable, cell: Cell, plant: WeldingPlant):
        """Take the table, the cell for what resumptions say of the activity, and the times."""
        self._supervisor = Supervisor(table, plant.supervisor.dwell_s)
        self._operator = Acknowledger(plant.supervisor.acknowledge_s)
        self._states = {state.name: state for state in table.states}
        self._before = table.states[table.initial]
        self._resumes = {
            bit: cell.actions[table.policy[f"{name}.resumption"]].activity
            for bit, name in enumerate(table.hazards)
        }
        self._stop = table.states[table.default_stop]

    def turn(self, seen: Mapping[str, bool | None], now: float) -> Directive:
        """Take the supervisor's turn."""
        decision = self._supervisor.step(seen, now, self._operator.acknowledges(now))
        self._operator.see(decision.mode, now)
        state = self._states[decision.state]
        resume = ""
        if state is not self._before and state is not self._stop:
            ended = self._before.hazards & ~state.hazards
            named = [activity for bit, activity in self._resumes.items() if ended >> bit & 1 and activity]
            resume = named[-1] if named else ""
        self._before = state
        return Directive(state.mode, state.name, resume)


@cache
def welding_table() -> SupervisorTable:
    """Return the verified table that is shipped."""
    return read_table(models_dir() / "cells" / "welding.table.json")


@cache
def welding_cell() -> Cell:
    """Return the hazard model that is shipped."""
    return read_cell(models_dir() / "cells" / "welding.yaml")


def one_answer(table: SupervisorTable, mode: str, arc_mode: Mode) -> SupervisorTable:
    """Return the table with every state that mitigates something in one mode; its digest is no longer of it."""
    states = tuple(
        replace(state, mode=mode, arc_mode=arc_mode) if state.hazards else state for state in table.states
    )
    return replace(table, states=states, digest="")


def make_controller(name: str, plant: WeldingPlant) -> Controller:
    """Return a fresh controller.

    Raises:
        UnknownNameError: the name is none of `CONTROLLERS`.
    """
    if name == "none":
        return NoController()
    cell, table = welding_cell(), welding_table()
    if name in BASELINES:
        mode = BASELINES[name]
        return TableController(one_answer(table, mode, cell.modes[mode].arc), cell, plant)
    if name != "verified":
        raise UnknownNameError("controller", name, CONTROLLERS, "the welding cell")
    return TableController(table, cell, plant)


def mode_ranks(cell: Cell) -> Mapping[str, int]:
    """Return each mode's place from the most permissive, 0, to the strictest."""
    return {name: rank for rank, name in enumerate(cell.modes)}


def required_ranks(cell: Cell, table: SupervisorTable) -> Mapping[str, int]:
    """Return, per hazard, the rank of the mode that the verified policy answers it with."""
    ranks = mode_ranks(cell)
    return {name: ranks[cell.actions[table.policy[f"{name}.mitigation"]].mode] for name in table.hazards}
