# SPDX-License-Identifier: Apache-2.0
"""The keys of a configuration dataclass as tables, for the documentation and for the command line."""

import dataclasses
import math
import types
import typing
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One key that may stand in a YAML file or after `--set`."""

    path: str
    """Dotted path; `[]` follows the name of a list."""
    default: Any
    """Default, `dataclasses.MISSING` for a key that must be given."""
    allowed: str
    """Words or bounds with unit."""
    doc: str


def declared_keys(cls: type, prefix: str = "") -> Iterator[Key]:
    """Yield every key of a configuration dataclass and of those nested in it, in the order of declaration."""
    hints = typing.get_type_hints(cls)
    for item in dataclasses.fields(cls):
        if not item.compare:  # where a value came from, no key of the file
            continue
        path, hint = f"{prefix}{item.name}", hints[item.name]
        nested, is_list = _nested(hint)
        if nested is not None:
            yield from declared_keys(nested, f"{path}[]." if is_list else f"{path}.")
            continue
        default = item.default
        if default is dataclasses.MISSING and item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        yield Key(path, default, allowed_text(hint, item.metadata), item.metadata.get("doc", ""))


def current_keys(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted key, value with unit) of everything in the configuration `value`."""
    for item in dataclasses.fields(value):
        if not item.compare:  # where a value came from, no key of the file
            continue
        current, path = getattr(value, item.name), f"{prefix}{item.name}"
        if dataclasses.is_dataclass(current):
            yield from current_keys(current, f"{path}.")
        elif isinstance(current, tuple) and current and dataclasses.is_dataclass(current[0]):
            for number, element in enumerate(current):
                yield from current_keys(element, f"{path}[{number}].")
        else:
            yield path, f"{value_text(current)} {item.metadata.get('unit', '')}".strip()


def keys_table(cls: type, prefix: str = "") -> str:
    """Return the keys of `cls` as a Markdown table."""
    lines = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    for key in declared_keys(cls, prefix):
        default = "required" if key.default is dataclasses.MISSING else f"`{value_text(key.default)}`"
        lines.append(f"| `{key.path}` | {default} | {key.allowed} | {key.doc} |")
    return "\n".join(lines)


def value_text(value: Any) -> str:
    """Return a value as it would stand in YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(value_text(v) for v in value) + "]"
    return str(value)


def allowed_text(hint: Any, metadata: Any) -> str:
    """Return what a field accepts: words, or type and bounds with unit."""
    options = [option for option in typing.get_args(hint) if option is not type(None)]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return f"{allowed_text(options[0], metadata)} or null"
    if metadata.get("choices"):
        return ", ".join(f"`{choice}`" for choice in metadata["choices"])
    if typing.get_origin(hint) is tuple:
        return f"{len(options)} × {allowed_text(options[0], metadata)}"
    if hint in (int, float):
        return _bounds("whole number" if hint is int else "number", metadata)
    return {str: "text", bool: "`true`, `false`", dict: "mapping"}.get(
        hint, getattr(hint, "__name__", str(hint))
    )


def _bounds(kind: str, metadata: Any) -> str:
    low, high = metadata.get("low", -math.inf), metadata.get("high", math.inf)
    unit = f" {metadata['unit']}" if metadata.get("unit") else ""
    if math.isinf(low) and math.isinf(high):
        return f"{kind}{unit}"
    if kind == "whole number" and high >= 2**53:
        return f"whole number >= {low:g}{unit}"
    return f"{kind}, {low:g} to {high:g}{unit}" if kind == "whole number" else f"{low:g} to {high:g}{unit}"


def _nested(hint: Any) -> tuple[type | None, bool]:
    """Return the dataclass inside a field's type and whether the field is a list of them."""
    if dataclasses.is_dataclass(hint):
        return typing.cast(type, hint), False
    if typing.get_origin(hint) is tuple and dataclasses.is_dataclass(typing.get_args(hint)[0]):
        return typing.get_args(hint)[0], True
    return None, False
