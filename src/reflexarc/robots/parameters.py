# SPDX-License-Identifier: Apache-2.0
"""Parameters of a robot from its YAML file: every number is {value, unit, source}."""

import dataclasses
from pathlib import Path
from typing import Any

from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError

ROUNDING = 1e-9
"""Share by which a command may exceed a limit because of rounding."""


def parameter(unit: str, low: float, high: float) -> Any:
    """Declare a field of a robot's dataclass that is read from its file: unit and inclusive bounds."""
    return dataclasses.field(metadata={"unit": unit, "low": low, "high": high})


def read_parameters(path: Path, robot: type) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the whole file and the values of the fields that `robot` declares with `parameter`.

    Raises:
        ModelError: a parameter is missing, unknown, without source, in another unit or out of bounds.
    """
    try:
        data = read_yaml(path)
    except ConfigError as error:
        raise ModelError(str(error)) from error
    declared = {f.name: f for f in dataclasses.fields(robot) if f.metadata}
    given = data.get("parameters")
    if not isinstance(given, dict):
        raise ModelError(f"{path}: the mapping 'parameters' is missing")
    for key in given:
        if key not in declared:
            raise ModelError(str(UnknownNameError("parameter", str(key), declared, str(path))))
    return data, {key: _value(path, key, given, field.metadata) for key, field in declared.items()}


def _value(path: Path, key: str, given: dict[str, Any], metadata: Any) -> float:
    entry = given.get(key)
    if not isinstance(entry, dict) or set(entry) != {"value", "unit", "source"}:
        raise ModelError(
            f"{path}: parameter {key!r} must be given as {{value, unit, source}}, found {entry!r}"
        )
    if entry["unit"] != metadata["unit"]:
        raise ModelError(f"{path}: parameter {key!r} is in {entry['unit']!r}, expected {metadata['unit']!r}")
    if not str(entry["source"]).strip():
        raise ModelError(f"{path}: parameter {key!r} has no source")
    value, low, high = entry["value"], metadata["low"], metadata["high"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ModelError(
            f"{path}: parameter {key!r} is {value!r}, allowed: {low:g} to {high:g} {metadata['unit']}"
        )
    return float(value)
