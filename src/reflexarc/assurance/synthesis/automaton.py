# SPDX-License-Identifier: Apache-2.0
"""The supervisor's automaton of a policy, state by state, and the table that holds it.

A state is a mode with the set M of hazards held mitigated, or the default stop. With the perceived hazards P, and C the
hazards of P with all that they cause:

    unexpected       a hazard of P requires one that is neither in P nor in M, or prevents another one of P;
    M'               C if released, otherwise C and M; a latched mode is only released while P is empty;
    mode             the strictest of the mitigations of M' that no other of M' blocks, and of the old mode while that
                     is latched and not released; the strictest resumption of M when M' is empty; else the first mode.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.policies import Policy
from reflexarc.assurance.supervisor.table import FORMAT, VERSION


class State(NamedTuple):
    """One state of the automaton."""

    mode: str
    held: frozenset[str] = frozenset()
    stopped: bool = False
    """Whether this is the default stop."""


def initial(cell: Cell) -> State:
    """Return the state in which the supervisor starts."""
    return State(cell.base_mode)


def successor(cell: Cell, policy: Policy, state: State, perceived: frozenset[str], release: bool) -> State:
    """Return the next state of the supervisor."""
    if state.stopped:
        return initial(cell) if release and not perceived else state
    if _unexpected(cell, state, perceived):
        return State(cell.default_stop.mode, stopped=True)
    kept = cell.modes[state.mode].latched and not (release and not perceived)
    closed = _closure(cell, perceived)
    held = closed if release and not kept else closed | state.held
    order = list(cell.modes)
    if held:
        free = [h for h in held if not any(h in cell.hazards[g].blocks for g in held)]
        wanted = [policy.mitigate(cell, h).mode for h in free] + ([state.mode] if kept else [])
        return State(order[max(map(order.index, wanted))], held)
    if state.held:
        return State(order[max(order.index(policy.resume(cell, h).mode) for h in state.held)])
    return initial(cell) if release else state


def automaton(cell: Cell, policy: Policy) -> dict[State, dict[tuple[int, bool], State]]:
    """Return every reachable state with its successors by (bit mask of perceived hazards, release)."""
    names = list(cell.hazards)
    masks = [
        (mask, frozenset(n for i, n in enumerate(names) if mask >> i & 1)) for mask in range(1 << len(names))
    ]
    found: dict[State, dict[tuple[int, bool], State]] = {}
    open_ = [initial(cell), State(cell.default_stop.mode, stopped=True)]
    while open_:
        state = open_.pop()
        if state in found:
            continue
        found[state] = {
            (mask, release): successor(cell, policy, state, perceived, release)
            for mask, perceived in masks
            for release in (False, True)
        }
        open_.extend(found[state].values())
    return found


def table_content(
    cell: Cell, policy: Policy, alarms: Mapping[str, float], properties: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of a supervisor table, without its digest."""
    found = automaton(cell, policy)
    names = list(cell.hazards)
    states = sorted(found, key=lambda s: (s.stopped, len(s.held), [h not in s.held for h in names], s.mode))
    index = {state: i for i, state in enumerate(states)}
    masks = range(1 << len(names))
    return {
        "format": FORMAT,
        "version": VERSION,
        "cell": cell.name,
        "model_sha256": cell.sha256,
        "policy": policy.choices(),
        "alarms": {name: float(alarms[name]) for name in cell.alarms},
        "signals": list(cell.signals),
        "excused_by": cell.excused_by,
        "hazards": {name: list(hazard.detected_by) for name, hazard in cell.hazards.items()},
        "states": [_entry(cell, policy, alarms, state) for state in states],
        "initial": index[initial(cell)],
        "default_stop": index[State(cell.default_stop.mode, stopped=True)],
        "transitions": [
            {
                "hold": [index[found[state][mask, False]] for mask in masks],
                "release": [index[found[state][mask, True]] for mask in masks],
            }
            for state in states
        ],
        "properties": dict(properties),
    }


def _entry(cell: Cell, policy: Policy, alarms: Mapping[str, float], state: State) -> dict[str, Any]:
    held = [name for name in cell.hazards if name in state.held]
    sounding = {policy.mitigate(cell, name).alarm for name in held}
    if state.stopped:
        sounding = {cell.default_stop.alarm}
    return {
        "name": "default_stop" if state.stopped else ":".join([state.mode, *held]),
        "mode": state.mode,
        "arc_mode": cell.modes[state.mode].arc.name,
        "hazards": held,
        "alarms": [float(alarms[name]) if name in sounding else 0.0 for name in cell.alarms],
    }


def _unexpected(cell: Cell, state: State, perceived: frozenset[str]) -> bool:
    for name in perceived:
        hazard = cell.hazards[name]
        if not set(hazard.requires) <= perceived | state.held or set(hazard.prevents) & perceived:
            return True
    return False


def _closure(cell: Cell, perceived: frozenset[str]) -> frozenset[str]:
    closed = perceived
    while not (more := frozenset(c for name in closed for c in cell.hazards[name].causes)) <= closed:
        closed |= more
    return closed
