# SPDX-License-Identifier: Apache-2.0
"""Configuration: frozen dataclasses filled from YAML mappings, with every value checked against its declaration.

A field declares its unit and bounds once, with `quantity`; `from_mapping` refuses unknown keys, wrong types and values
out of bounds with a message that says where, what was found and what is allowed. There is no silent default
for a bad value.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import yaml

from reflexarc.core.errors import ConfigError, UnknownNameError

T = TypeVar("T")


def quantity(
    default: Any = dataclasses.MISSING,
    *,
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    doc: str,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a dataclass field with unit, inclusive bounds, allowed words and documentation."""
    metadata = {"unit": unit, "low": low, "high": high, "doc": doc, "choices": choices}
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: the file is missing, is not YAML, repeats a key or holds no mapping.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected a mapping of keys at the top, found {type(data).__name__}")
    return data


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, where plain YAML would silently keep the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def from_mapping(cls: type[T], data: Mapping[str, Any], where: str) -> T:
    """Build the dataclass `cls` from `data`, recursively.

    Args:
        cls: a dataclass whose fields are scalars, enums, tuples of scalars, mappings or dataclasses.
        data: the mapping; keys are field names.
        where: file and key path for messages, such as `demo.yaml: arc`.

    Raises:
        UnknownNameError: a key that is no field.
        ConfigError: a missing key, a wrong type, a value that is not finite or out of bounds.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected a mapping of keys, found {data!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    for key in data:
        if key not in fields:
            raise UnknownNameError("key", str(key), fields, where)
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _convert(data[name], hints[name], field.metadata, f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}: the key {name!r} is required ({field.metadata.get('doc', '')})")
    try:
        return cls(**values)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _convert(value: Any, hint: Any, metadata: Mapping[str, Any], where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        if value is None:
            if len(options) < len(typing.get_args(hint)):
                return None
            raise ConfigError(f"{where}: a value is required")
        return _convert(value, options[0], metadata, where)
    if origin is tuple:
        item, *rest = typing.get_args(hint)
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: expected a list, found {value!r}")
        if rest and rest[0] is not Ellipsis:
            if len(value) != 1 + len(rest):
                raise ConfigError(f"{where}: expected {1 + len(rest)} values, found {len(value)}")
            items = [item, *rest]
        else:
            items = [item] * len(value)
        return tuple(
            _convert(v, kind, metadata, f"{where}[{i}]")
            for i, (v, kind) in enumerate(zip(value, items, strict=True))
        )
    if origin is dict or hint is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected a mapping of keys, found {value!r}")
        return dict(value)
    if dataclasses.is_dataclass(hint):
        return from_mapping(hint, value, where)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError:
            raise UnknownNameError("value", str(value), [str(e.value) for e in hint], where) from None
    return _scalar(value, hint, metadata, where)


def _scalar(value: Any, hint: Any, metadata: Mapping[str, Any], where: str) -> Any:
    if hint is Any:
        return value
    if hint is bool:
        if not isinstance(value, bool):
            raise ConfigError(f"{where}: expected true or false, found {value!r}")
        return value
    if hint is str:
        if not isinstance(value, str):
            raise ConfigError(f"{where}: expected text, found {value!r}")
        choices = metadata.get("choices", ())
        if choices and value not in choices:
            raise UnknownNameError("value", value, choices, where)
        return value
    if hint in (int, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{where}: expected a number, found {value!r}")
        if hint is int and not float(value).is_integer():
            raise ConfigError(f"{where}: expected a whole number, found {value!r}")
        low, high = metadata.get("low", -math.inf), metadata.get("high", math.inf)
        unit = metadata.get("unit", "")
        if not math.isfinite(value) or not low <= value <= high:
            raise ConfigError(
                f"{where}: {value} is out of bounds; allowed: {low:g} to {high:g} {unit}".rstrip()
            )
        return hint(value)
    raise ConfigError(f"{where}: fields of type {hint} are not supported")


def parse_override(text: str) -> tuple[list[str], Any]:
    """Split `a.b=value` into its key path and the value, read as YAML.

    Raises:
        ConfigError: there is no `=`, no key, or the value is not YAML.
    """
    key, separator, raw = text.partition("=")
    path = key.strip().split(".")
    if not separator or not all(path):
        raise ConfigError(f"override {text!r}: expected key=value with a dotted key, such as crowd.count=30")
    try:
        return path, yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {text!r}: the value is not readable as YAML: {error}") from error


def apply_override(data: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """Return a copy of the nested mapping with the value at `path` replaced or added."""
    copy = dict(data)
    if len(path) == 1:
        copy[path[0]] = value
        return copy
    below = copy.get(path[0])
    if below is not None and not isinstance(below, Mapping):
        raise ConfigError(f"override {'.'.join(path)}: {path[0]} is a single value, it has no keys below it")
    copy[path[0]] = apply_override(below or {}, path[1:], value)
    return copy
