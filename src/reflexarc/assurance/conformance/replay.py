# SPDX-License-Identifier: Apache-2.0
"""Replay of cell traces through the model: every turn must be one that the model allows.

Of the signals those hazards count that they make perceived, with all that these cause: that is what the supervisor acts
on. A person on the path who is not said to be near is the same to it as one who is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reflexarc.assurance.conformance.relation import Relation
from reflexarc.assurance.conformance.trace import CellTrace, Step, check_trace
from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.supervisor.table import SupervisorTable


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Something that happened and that the model does not allow."""

    source: str
    """Of the trace."""
    time: float
    """Of the turn. [s]"""
    turn: str
    """`supervisor`, `process`, `person`, or `perception`: what the sensors said at the supervisor's turn."""
    before: str
    """The variables before it, in words."""
    after: str
    """What it led to."""
    allowed: tuple[str, ...]
    """What the model allows."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of the traces."""

    traces: int
    turns: int
    unmatched: tuple[Unmatched, ...]

    def kinds(self) -> dict[tuple[str, str, str], int]:
        """Return how often each (turn, before, after) is unmatched, most often first."""
        counts: dict[tuple[str, str, str], int] = {}
        for item in self.unmatched:
            key = (item.turn, item.before, item.after)
            counts[key] = counts.get(key, 0) + 1
        return dict(sorted(counts.items(), key=lambda entry: -entry[1]))


def replay(cell: Cell, table: SupervisorTable, traces: Iterable[CellTrace]) -> Replay:
    """Replay every turn of every trace.

    Raises:
        ConfigError: a trace is damaged or of another cell.
        ModelError: the table does not fit the cell.
    """
    relation = Relation(cell, table)
    count, turns, unmatched = 0, 0, []
    for trace in traces:
        check_trace(trace, cell, table)
        count += 1
        for before, after in trace.turns():
            turns += 1
            for turn, left, right, allowed in _judge(relation, before, after):
                unmatched.append(Unmatched(trace.source, before.time, turn, left, right, tuple(allowed)))
    return Replay(count, turns, tuple(unmatched))


_Found = list[tuple[str, str, str, list[str]]]


def _judge(relation: Relation, before: Step, after: Step) -> _Found:
    cell = relation.cell
    own, other = before.variables(cell), after.variables(cell)
    extra = {"state": before.state}, {"state": after.state}
    found: _Found = []

    def compare(names: Iterable[str], allowed: list[dict[str, str]], given: Iterable[str]) -> None:
        left, right = {**own, **extra[0]}, {**other, **extra[1]}
        got = {name: right[name] for name in names}
        if got not in allowed:
            found.append(
                (
                    before.turn,
                    _words({n: left[n] for n in given}),
                    _words(got),
                    [_words(one) for one in allowed],
                )
            )

    person = (cell.person.name, *cell.things)
    if before.turn == "supervisor":
        found += _perception(relation, before)
        reached = relation.decided(before.state, before.signals)
        allowed = [
            {"state": s, "activity": relation.activity(before.state, s, before.activity)} for s in reached
        ]
        got = {"state": after.state, "activity": after.activity}
        if got not in allowed:
            seen = [name for name, value in before.signals.items() if value]
            left = f"state {before.state}, activity {before.activity}, signals {', '.join(seen) or 'none'}"
            found.append((before.turn, left, _words(got), [_words(one) for one in allowed]))
        compare((*person, *cell.sensors), [{n: own[n] for n in (*person, *cell.sensors)}], person)
    elif before.turn == "process":
        names = ("activity", *cell.things)
        compare(names, relation.worked(before), ("activity", *cell.things, "mode"))
        fixed = (cell.person.name, "state", *cell.sensors)
        compare(fixed, [{n: {**own, **extra[0]}[n] for n in fixed}], fixed)
        found += _mishap(relation, before, after)
    else:
        compare(person, relation.moved(before), person)
        compare(("activity", "state"), [{"activity": before.activity, "state": before.state}], ("state",))
        for name, sensor in cell.sensors.items():
            compare((name,), [{name: s} for s in relation.sensed(sensor, own[name])], (name,))
    if after.mishap and before.turn != "process":
        found.append((before.turn, "mishap", after.mishap, ["none in this turn"]))
    return found


def _perception(relation: Relation, step: Step) -> _Found:
    values = step.variables(relation.cell)
    model = {name: relation.said(name, values) for name in relation.cell.signals}
    if relation.perceived(step.signals) == relation.perceived(model):
        return []
    place = {
        n: values[n] for n in (relation.cell.person.name, *relation.cell.sensors) if values[n] != "works"
    }
    seen, meant = (_true(part) for part in (step.signals, model))
    return [("perception", _words(place), f"signals {seen}", [f"signals {meant}"])]


def _mishap(relation: Relation, before: Step, after: Step) -> _Found:
    if not after.mishap:
        return []
    risks = relation.risks(before)
    possible = [h for h, factor in risks.items() if factor * relation.cell.hazards[h].mishap.nominal > 0.0]
    if after.mishap in possible:
        return []
    left = f"{relation.cell.person.name} {before.person}, activity {before.activity}, mode {before.mode}"
    return [
        (before.turn, left, f"mishap of {after.mishap}", [f"mishap of {h}" for h in possible] or ["none"])
    ]


def _words(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _true(signals: Mapping[str, bool | None]) -> str:
    return ", ".join(name for name, value in signals.items() if value) or "none"
