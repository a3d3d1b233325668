# SPDX-License-Identifier: Apache-2.0
"""From the turns of a base's supervisor to cell traces of rounds.

The supervisor of a base has 50 turns a second, a round of the model takes 3 `step_s`. In a round a signal is true if it
was true in any of its turns; the state before is that of the round before, the one after that of the round's last turn.

    location   the one whose signals are those that were perceived, wherever the truth lets the perception stand; else
               the one whose signals are the true ones
    tracker    lost if it was said to be lost in the round; wrong if something certain was not perceived; else works
    activity   handing_over from the round in which a mission is delivered until one is under way in a mode that moves
    mishap     a contact at which the robot moved, named after the most severe hazard that was really there and has a
               probability in the round's mode

A stop is only left while nothing is perceived: what is perceived later in the same round counts to the next one, as
does a stop after a delivery. Rounds in which the gate held the robot for more than a third of the turns although the
table lets it move are not of the model: the trace is cut there. (After an acknowledgement the gate follows the table
one turn later.) A round that a run does not finish is left out, unless its last turn ends a mission: then that turn
stands for the rest of the round.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reflexarc.assurance.conformance.trace import TURNS, CellTrace, Step
from reflexarc.assurance.conformance.truth import PersonTruth
from reflexarc.assurance.guards import PERSON_SIGNALS
from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.condition import holds
from reflexarc.assurance.supervisor.table import SupervisorTable
from reflexarc.core.errors import ConfigError

LOST = {"tracker": "tracker_lost", "lidar": "lidar_lost", "arc": "arc_fault"}
"""Sensor of a base's cell to the signal that says that it is lost."""
DRIVING, HANDING_OVER = "driving", "handing_over"
MOVING_M_S = 0.1
"""A robot that is slower at the first touch is not moving, as in `ContactEvent`. [m/s]"""


@dataclass(frozen=True, slots=True)
class Look:
    """One turn of the supervisor of a base."""

    time: float
    """[s]"""
    signals: Mapping[str, bool | None]
    """What it was given."""
    state: str
    """State of the table after the turn."""
    held_by_gate: bool
    """Whether the robot is told to stop although the state lets it move."""
    truth: PersonTruth | None
    """None where nothing can be said."""
    under_way: bool
    """Whether a mission is under way."""
    ended: bool
    """Whether one has been delivered since the turn before."""


def check_cell(cell: Cell) -> None:
    """Check that a cell is one of a base, with the signals, sensors and activities that a base has.

    Raises:
        ConfigError: something is missing.
    """
    missing = [
        *(name for name in (*PERSON_SIGNALS, *LOST.values()) if name not in cell.signals),
        *(name for name in LOST if name not in cell.sensors),
        *(name for name in (DRIVING, HANDING_OVER) if name not in cell.process.activities),
    ]
    if missing or cell.things:
        raise ConfigError(
            f"{cell.name}: recordings of a base cannot be told in this cell: "
            f"{', '.join(missing) or 'it has things'}; give cell traces instead"
        )


def traces_of(
    cell: Cell, table: SupervisorTable, looks: Sequence[Look], contacts: Iterable[float], source: str
) -> list[CellTrace]:
    """Return the traces of a run.

    Args:
        cell: of a base.
        table: that the supervisor runs.
        looks: its turns in order, from the first that the table decided.
        contacts: times at which a moving robot was first touched. [s]
        source: names the run.

    Raises:
        ConfigError: the cell is not of a base, or times do not advance.
    """
    check_cell(cell)
    if any(not b.time > a.time for a, b in zip(looks, looks[1:], strict=False)):
        raise ConfigError(f"{source}: the supervisor's turns do not advance in time; no trace was made")
    made: list[CellTrace] = []
    build = _Builder(cell, table)
    touched = sorted(contacts)
    length, carried = 3.0 * cell.step_s, []
    for begin, found in _windows(looks, length):
        if found is None or _not_of_the_model(found):
            build.cut(made, source)
            carried = []
            continue
        window, carried = build.parted([*carried, *found])
        if build.round(window, any(begin <= t < begin + length for t in touched)):
            build.cut(made, source)
            carried = []
    build.cut(made, source)
    return made


def _windows(looks: Sequence[Look], length: float) -> Iterable[tuple[float, list[Look] | None]]:
    """Yield begin and looks of each round; None for a round in which turns are missing for a third of it or more."""
    if not looks:
        return
    begin = looks[0].time
    window: list[Look] = []
    count = 0
    for look in looks:
        while look.time >= begin + (count + 1) * length - 1e-9:
            start = begin + count * length
            yield start, window if _whole(window, start, length) else None
            window, count = [], count + 1
        window.append(look)
    if window[-1].ended:
        yield begin + count * length, window


def _whole(window: list[Look], begin: float, length: float) -> bool:
    times = [begin, *(look.time for look in window), begin + length]
    return bool(window) and max(b - a for a, b in zip(times, times[1:], strict=False)) < length / 3.0


def _not_of_the_model(window: Sequence[Look]) -> bool:
    held = sum(look.held_by_gate for look in window)
    return 3 * held > len(window) or any(look.truth is None for look in window)


class _Builder:
    """The trace under way."""

    def __init__(self, cell: Cell, table: SupervisorTable) -> None:
        self._cell = cell
        self._modes = {state.name: state.mode for state in table.states}
        self._latched = {state.name for state in table.states if state.latched}
        works = dict.fromkeys(cell.sensors, "works")
        self._locations = {}
        for place in cell.person.locations:
            values = {cell.person.name: place, "activity": DRIVING, "mode": cell.base_mode, **works}
            self._locations[place] = frozenset(
                n for n in PERSON_SIGNALS if holds(cell.signals[n].when, values)
            )
        self._severe = sorted(cell.hazards, key=lambda name: -cell.hazards[name].severity)
        self._steps: list[Step] = []
        self._before = ""
        self._activity = ""
        self._begin = 0.0

    def cut(self, made: list[CellTrace], source: str) -> None:
        """End the trace under way; the next round begins another."""
        if len(self._steps) > 1:
            made.append(CellTrace(self._cell.name, self._cell.step_s, source, tuple(self._steps)))
        self._steps, self._before = [], ""

    def parted(self, window: list[Look]) -> tuple[list[Look], list[Look]]:
        """Part a round after the turn in which a stop was left, or before a stop that follows a delivery."""
        for k in range(1, len(window)):
            halts, halted = (window[i].state in self._latched for i in (k, k - 1))
            if halted and not halts:
                return window[: k + 1], window[k + 1 :]
            if halts and not halted and any(look.ended for look in window[:k]):
                return window[:k], window[k:]
        return window, []

    def round(self, window: Sequence[Look], hit: bool) -> bool:
        """Take a round; return whether it ended with a mishap."""
        last = window[-1]
        handing = any(look.ended for look in window) or not last.under_way
        handing = handing or (self._activity == HANDING_OVER and last.state in self._latched)
        if not self._before:  # of this round only the end is known
            self._before, self._activity = last.state, HANDING_OVER if handing else DRIVING
            self._begin = window[0].time + 3.0 * self._cell.step_s
            return False
        signals = _any_time(window)
        place, tracker = self._place(window, signals)
        sensors = {name: "lost" if signals[said] else "works" for name, said in LOST.items()}
        if sensors["tracker"] == "works":
            sensors["tracker"] = tracker
        sensors = {name: sensors.get(name, "works") for name in self._cell.sensors}
        after = HANDING_OVER if handing else DRIVING
        turns = (
            (self._before, self._activity, signals, ""),
            (last.state, self._activity, {}, ""),
            (last.state, after, {}, self._mishap(place, sensors, last.state) if hit else ""),
        )
        for turn, (state, activity, said, mishap) in zip(TURNS, turns, strict=True):
            time = self._begin + len(self._steps) * self._cell.step_s
            mode = self._modes[state]
            self._steps.append(
                Step(round(time, 9), turn, place, activity, mode, state, {}, sensors, said, mishap)
            )
        self._before, self._activity = last.state, after
        return hit

    def _place(self, window: Sequence[Look], signals: Mapping[str, bool | None]) -> tuple[str, str]:
        """Return the location, and what the tracker did."""
        perceived = frozenset(name for name in PERSON_SIGNALS if signals[name])
        truths = [look.truth for look in window if look.truth is not None]
        certain = frozenset().union(*(truth.certain for truth in truths))
        possible = frozenset().union(*(truth.possible for truth in truths))
        missed = certain - perceived
        return self._nearest(self._closed((perceived & possible) | certain)), "wrong" if missed else "works"

    def _closed(self, signals: frozenset[str]) -> frozenset[str]:
        """Add the signals of the hazards that are there whenever these are."""
        hazards = self._cell.hazards
        while True:
            there = [h for h in hazards.values() if signals & set(h.detected_by)]
            more = {n for h in there for c in h.causes for n in hazards[c].detected_by} & set(PERSON_SIGNALS)
            if more <= signals:
                return signals
            signals |= more

    def _nearest(self, signals: frozenset[str]) -> str:
        """Return the location that says exactly this, else the one that says most of it and nothing else."""
        fitting = [place for place, said in self._locations.items() if said <= signals]
        return max(fitting, key=lambda place: (len(self._locations[place]), self._danger(place)))

    def _danger(self, place: str) -> float:
        said = self._locations[place]
        return max(
            (h.severity for h in self._cell.hazards.values() if said & set(h.detected_by)), default=-math.inf
        )

    def _mishap(self, place: str, sensors: Mapping[str, str], state: str) -> str:
        mode = self._modes[state]
        values = {self._cell.person.name: place, "activity": self._activity, "mode": mode, **sensors}
        present = [name for name in self._severe if holds(self._cell.hazards[name].when, values)]
        risky = [name for name in present if self._cell.modes[mode].mishap[name] > 0.0]
        return (risky or present or self._severe)[0]


def _any_time(window: Sequence[Look]) -> dict[str, bool | None]:
    """Return every signal over a round: true if it ever was, None if it never was and was once unknown."""
    found: dict[str, bool | None] = {}
    for name in window[0].signals:
        values = [look.signals[name] for look in window]
        found[name] = True if any(values) else (None if None in values else False)
    return found
