# SPDX-License-Identifier: Apache-2.0
r"""Hits and trials of every probability of a cell from its traces, and what they say of the model.

A trial is a turn in which the model draws the probability *and* the outcome can be seen; a hit is one in which it
happened. Which turns are seen does not depend on what is drawn, so leaving the others out does not bend the estimate.

    person.M           the move is possible and no alarm that changes it sounds; moves with the same outcome cannot be
                       told apart and have no trials
    process.T          the task is due and the mode lets the process run
    sensors.S.failure  not lost before and after, and a wrong sensor would show something else than a working one
    sensors.S.loss     not lost before; .repair: lost before
    hazards.H.mishap   the hazard is present and no more severe one became a mishap; as the model's probability is
                       p f(mode), a turn counts f trials, and the sum is rounded down: approximate unless f is 0 or 1,
                       and only as good as the factors are
    resuming.*         the table's rows differ, so that the new state says whether it was released

The interval is Clopper and Pearson's at the confidence of the cell. It takes the trials to be independent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from scipy.stats import fisher_exact

from reflexarc.assurance.conformance.relation import Relation
from reflexarc.assurance.conformance.trace import CellTrace, Step
from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.hazards.probability import Probability
from reflexarc.assurance.supervisor.table import SupervisorTable
from reflexarc.core.intervals import clopper_pearson

MOST_TRIALS = 10**9
"""Nobody is told to make more."""
_SAME = 1e-12


class _Add(Protocol):
    """Counts one trial of a probability."""

    def __call__(self, path: str, hit: bool, weight: float = 1.0) -> None: ...


class Finding(StrEnum):
    """What the counts say of a probability of the model."""

    COVERED = "covered"
    """The interval holds the model's value, and is narrow enough to say something. A value that was counted itself is
    held if Fisher's exact test does not tell the two rows of counts apart at the cell's confidence."""
    NOT_COVERED = "not covered"
    TOO_FEW = "too few trials"
    """No trials, or an interval that holds the value and is wider than the model's own."""


class Own(StrEnum):
    """How the model's own interval lies to the counts'."""

    POINT = "point"
    """The model gives no interval."""
    INSIDE = "inside"
    OVERLAPS = "overlaps"
    APART = "apart"


@dataclass(frozen=True, slots=True)
class Estimate:
    """One probability."""

    path: str
    hits: int
    trials: int
    low: float
    """Of the interval of the counts; 0 without trials."""
    high: float
    """1 without trials."""
    model: float
    """The model's value."""
    model_low: float
    model_high: float
    own: Own
    finding: Finding
    needed: int | None
    """Trials after which the interval is narrower than the model's own, or than the value where the model gives a
    point, if the value is right; None where no number would do."""

    @property
    def covers(self) -> bool:
        """Whether the interval of the counts holds the model's value."""
        return self.low - _SAME <= self.model <= self.high + _SAME


def count(cell: Cell, table: SupervisorTable, traces: Iterable[CellTrace]) -> dict[str, tuple[int, int]]:
    """Return hits and trials of every probability of the cell.

    Raises:
        ModelError: the table does not fit the cell.
    """
    relation = Relation(cell, table)
    hits = dict.fromkeys(cell.probabilities(), 0)
    trials = dict.fromkeys(hits, 0.0)

    def add(path: str, hit: bool, weight: float = 1.0) -> None:
        hits[path] += hit
        trials[path] += weight

    for trace in traces:
        for before, after in trace.turns():
            _TURNS[before.turn](relation, before, after, add)
    return {path: (hits[path], max(int(trials[path] + 1e-9), hits[path])) for path in hits}


def estimate(cell: Cell, counts: Mapping[str, tuple[int, int]]) -> list[Estimate]:
    """Return what the counts say of every probability of the cell."""
    return [_one(cell, path, p, *counts[path]) for path, p in cell.probabilities().items()]


def _one(cell: Cell, path: str, p: Probability, hits: int, trials: int) -> Estimate:
    confidence, value = cell.limits.confidence, p.nominal
    model_low, model_high = p.interval(confidence)
    low, high = clopper_pearson(hits, trials, 1.0 - confidence) if trials else (0.0, 1.0)
    if not p.uncertain:
        own = Own.POINT
    elif low <= model_low and model_high <= high:
        own = Own.INSIDE
    else:
        own = Own.OVERLAPS if low <= model_high and model_low <= high else Own.APART
    reference = model_high - model_low if p.uncertain else value
    covers = low - _SAME <= value <= high + _SAME
    if trials and p.counts is not None:
        table = ((hits, trials - hits), (p.counts[0], p.counts[1] - p.counts[0]))
        covers = bool(np.asarray(fisher_exact(table)[1]) >= 1.0 - confidence)
    if trials and not covers:
        finding = Finding.NOT_COVERED
    else:
        finding = Finding.COVERED if trials and high - low <= reference else Finding.TOO_FEW
    needed = needed_trials(value, reference, confidence)
    return Estimate(path, hits, trials, low, high, value, model_low, model_high, own, finding, needed)


def needed_trials(value: float, width: float, confidence: float) -> int | None:
    """Return about how many trials give an interval no wider than `width` if `value` is right; None if too many."""
    if width <= 0.0:
        return None

    def wide(n: int) -> bool:
        low, high = clopper_pearson(round(value * n), n, 1.0 - confidence)
        return high - low > width

    few, many = 0, 1
    while wide(many):
        few, many = many, 2 * many
        if many > MOST_TRIALS:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if wide(middle) else (few, middle)
    return many


def _supervisor(relation: Relation, before: Step, after: Step, add: _Add) -> None:
    hold, release = relation.rows(before.state, before.signals)
    if hold != release and after.state in (hold, release):
        kind = "acknowledge" if relation.latched(before.state) else "dwell"
        add(f"resuming.{kind}", after.state == release)


def _process(relation: Relation, before: Step, after: Step, add: _Add) -> None:
    task = relation.task(before)
    same = {"activity": before.activity, **before.things}
    if task is not None and task.probability is not None and (done := {**same, **task.set}) != same:
        add(f"process.{task.name}", {"activity": after.activity, **after.things} == done)
    for name, factor in relation.risks(before).items():
        hit = after.mishap == name
        if factor > 0.0:
            add(f"hazards.{name}.mishap", hit, factor)
        if hit:
            break


def _person(relation: Relation, before: Step, after: Step, add: _Add) -> None:
    cell, loud = relation.cell, relation.sounding(before.state)
    outcomes, here, reached = relation.moves(before), relation.here(before), relation.here(after)
    alarms = {move.name: move.deterred_by or move.hurried_by for move in cell.person.moves}
    for name, outcome in outcomes.items():
        alone = sum(other == outcome for other in outcomes.values()) == 1 and outcome != here
        if alone and alarms[name] not in loud:
            add(f"person.{name}", reached == outcome)
    now = after.variables(cell)
    for name, sensor in cell.sensors.items():
        lost = after.sensors[name] == "lost"
        if before.sensors[name] == "lost":
            add(f"sensors.{name}.repair", not lost)
            continue
        if sensor.loss is not None:
            add(f"sensors.{name}.loss", lost)
        if not lost and relation.shows(name, now):
            add(f"sensors.{name}.failure", after.sensors[name] == "wrong")


_TURNS = {"supervisor": _supervisor, "process": _process, "person": _person}
