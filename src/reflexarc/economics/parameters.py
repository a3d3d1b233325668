# SPDX-License-Identifier: Apache-2.0
"""Typed parameters of the cost models: value, unit, source, and how the value is known.

A model's parameters are one immutable table. A file of overrides must name known parameters in their own
unit; anything else is refused with what is allowed.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ConfigError, UnknownNameError


class Known(StrEnum):
    """How a value is known."""

    PRINTED = "printed"
    """Printed by the authors of the model."""
    CODE = "code"
    """Read in their code."""
    INFERRED = "inferred"
    """Follows by arithmetic from what they print, and reproduces it."""
    ESTIMATE = "estimate"
    """Our engineering choice, with a range; only in the model `reflexarc`."""
    FILE = "file"
    """Given by the user in a parameter file."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of a cost model."""

    name: str
    value: float
    unit: str
    source: str
    known: Known
    low: float | None = None
    """Lower end of the stated range; None where nobody states one."""
    high: float | None = None
    """Upper end of the stated range."""
    range_source: str = ""
    """Who states the range."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"parameter {self.name}: {self.value} is not finite")
        if not self.source or not self.unit:
            raise ValueError(f"parameter {self.name}: unit and source are required")
        if (self.low is None) != (self.high is None) or (
            self.low is not None and self.high is not None and not self.low <= self.value <= self.high
        ):
            raise ValueError(f"parameter {self.name}: {self.value} must lie in [{self.low}, {self.high}]")

    @property
    def has_range(self) -> bool:
        """Whether a range is stated."""
        return self.low is not None


class Parameters(Mapping[str, float]):
    """The parameters of one model; indexing gives the value."""

    def __init__(self, items: tuple[Parameter, ...]):
        """Take the parameters; names must differ."""
        self._items = {item.name: item for item in items}
        if len(self._items) != len(items):
            raise ValueError("a parameter name is used twice")

    def __getitem__(self, name: str) -> float:
        return self.parameter(name).value

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def parameter(self, name: str) -> Parameter:
        """Return the parameter `name`.

        Raises:
            UnknownNameError: there is none; the message lists those of the model.
        """
        if name not in self._items:
            raise UnknownNameError("parameter", name, self._items)
        return self._items[name]

    def all(self) -> tuple[Parameter, ...]:
        """Return every parameter in the order of the table."""
        return tuple(self._items.values())

    def with_values(self, values: Mapping[str, float]) -> "Parameters":
        """Return a table with some values replaced; ranges are widened to hold them."""
        items = dict(self._items)
        for name, value in values.items():
            items[name] = _moved(self.parameter(name), float(value))
        return Parameters(tuple(items.values()))

    def with_file(self, path: Path) -> "Parameters":
        """Return a table with the values of a YAML file `name: {value, unit[, source]}`.

        Raises:
            UnknownNameError: a name that is no parameter of this model.
            ConfigError: another unit, a value that is not a finite number >= 0, or another key.
        """
        items = dict(self._items)
        for name, entry in read_yaml(path).items():
            if name not in items:
                raise UnknownNameError("parameter", str(name), items, str(path))
            items[name] = _from_entry(items[name], entry, f"{path}: {name}")
        return Parameters(tuple(items.values()))


def _moved(item: Parameter, value: float, **changes: Any) -> Parameter:
    if item.low is not None and item.high is not None:
        changes |= {"low": min(item.low, value), "high": max(item.high, value)}
    return dataclasses.replace(item, value=value, **changes)


def _from_entry(item: Parameter, entry: Any, where: str) -> Parameter:
    allowed = ("value", "unit", "source")
    if not isinstance(entry, Mapping) or not {"value", "unit"} <= set(entry):
        raise ConfigError(
            f"{where}: expected {{value, unit[, source]}} with unit {item.unit!r}, found {entry!r}"
        )
    for key in entry:
        if key not in allowed:
            raise UnknownNameError("key", str(key), allowed, where)
    if entry["unit"] != item.unit:
        raise UnknownNameError("unit", str(entry["unit"]), [item.unit], where)
    value = entry["value"]
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value < 0.0
    ):
        raise ConfigError(f"{where}: the value must be a finite number >= 0 {item.unit}, found {value!r}")
    source = str(entry.get("source", where))
    return _moved(item, float(value), source=source, known=Known.FILE)
