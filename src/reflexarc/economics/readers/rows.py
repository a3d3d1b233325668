# SPDX-License-Identifier: Apache-2.0
"""Rows of any source become the episode table; every complaint names file, row and field."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.economics.catalogue import PROPERTY
from reflexarc.economics.episodes import Contacts, Episodes
from reflexarc.economics.outcomes import OUTCOMES, Outcome

UNKNOWN_ROBOT = "unnamed"


def number(row: Mapping[str, Any], name: str, where: str, default: float | None = None) -> float:
    """Return a finite number >= 0 of a row; text that is a number counts as one.

    Raises:
        ConfigError: the field is missing without default, no number, negative or not finite.
    """
    value = row.get(name)
    if value is None or value == "":
        if default is not None:
            return default
        raise ConfigError(f"{where}: the field {name!r} is missing; nothing was computed")
    try:
        parsed = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        parsed = float("nan")
    if not math.isfinite(parsed) or parsed < 0.0:
        raise ConfigError(
            f"{where}, field {name!r}: {value!r} must be a finite number >= 0; nothing was computed"
        )
    return parsed


def only_known(row: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    """Refuse a key that is not in `allowed`.

    Raises:
        UnknownNameError: there is one; the message lists what is allowed.
    """
    for key in row:
        if key not in allowed:
            raise UnknownNameError("field", str(key), allowed, where)


@dataclass(slots=True)
class TableBuilder:
    """Collects runs of one policy."""

    source: str
    robot: str | None = None
    notes: list[str] = field(default_factory=list)
    _keys: list[str] = field(default_factory=list)
    _rows: list[tuple[float, ...]] = field(default_factory=list)
    _property: list[list[float]] = field(default_factory=list)
    _contacts: list[tuple[float | None, ...]] = field(default_factory=list)
    _skipped: Counter[str] = field(default_factory=Counter)

    def skip(self, reason: str) -> None:
        """Count a run that was not evaluated."""
        self._skipped[reason] += 1

    def note(self, text: str) -> None:
        """Say once what had to be assumed."""
        if text not in self.notes:
            self.notes.append(text)

    def same_robot(self, robot: str | None, where: str) -> None:
        """Remember the robot; all runs must have the same.

        Raises:
            ConfigError: this one is another.
        """
        if robot is None or robot == "":
            return
        if self.robot is not None and robot != self.robot:
            raise ConfigError(
                f"{where}, field 'robot': {robot!r}, but the runs before are of {self.robot!r}; "
                "mixed robots have no common "
                "statement; give each its own table"
            )
        self.robot = str(robot)

    def add(
        self,
        key: str,
        outcome: Outcome,
        duration_s: float,
        distance_m: float,
        energy_kwh: float = math.nan,
        power_kw: float = math.nan,
        injury_usd: float = math.nan,
        property_counts: Mapping[str, float] | None = None,
        contacts: Sequence[tuple[float | None, ...]] = (),
    ) -> None:
        """Add a run; `contacts` are rows of `Contacts.from_rows` without the run's number."""
        index = len(self._keys)
        self._keys.append(key)
        self._rows.append((OUTCOMES.index(outcome), duration_s, distance_m, energy_kwh, power_kw, injury_usd))
        counts = [math.nan] * len(PROPERTY)
        if property_counts is not None:
            counts = [float(property_counts.get(name, 0.0)) for name in PROPERTY]
        self._property.append(counts)
        self._contacts.extend((index, *row) for row in contacts)

    def finish(self) -> Episodes:
        """Return the table.

        Raises:
            ConfigError: there is no run, or one has an unacceptable value.
        """
        table = np.array(self._rows, dtype=np.float64).reshape(-1, 6)
        return Episodes(
            self.source,
            self.robot or UNKNOWN_ROBOT,
            tuple(self._keys),
            table[:, 0].astype(np.int64),
            table[:, 1],
            table[:, 2],
            table[:, 3],
            table[:, 4],
            table[:, 5],
            np.array(self._property, dtype=np.float64).reshape(-1, len(PROPERTY)),
            Contacts.from_rows(self._contacts),
            sum(self._skipped.values()),
            dict(self._skipped),
            tuple(self.notes),
        )
