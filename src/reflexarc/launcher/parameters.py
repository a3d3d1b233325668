# SPDX-License-Identifier: Apache-2.0
"""ROS parameters of a node: values typed by the rules of `launch_ros`, and the YAML files that carry them."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from reflexarc.launcher.errors import LaunchFileError, Place


@dataclass(frozen=True)
class ParameterSet:
    """Parameters given by name in the launch file."""

    node_key: str
    """Full node name that the YAML file is written for, or `/**` for a node without namespace or name."""
    values: tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class ParameterFile:
    """Parameters read by the node from a YAML file."""

    path: Path


def typed_value(text: str, type_name: str | None, place: Place, name: str) -> object:
    """Return the value of `<param>` for the text left after substitution.

    Args:
        text: What the attribute `value` says.
        type_name: One of `grammar.PARAMETER_TYPES`, or None for the rules of YAML.
        place: Where it stands.
        name: Parameter name, for the message.

    Raises:
        LaunchFileError: The text is not of this type, or is something that a ROS parameter cannot hold.
    """
    kind = "yaml" if type_name is None else type_name
    try:
        value = _convert(text, kind)
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise LaunchFileError(
            place, f"parameter {name!r}: {text!r} is not of type {kind} ({reason})"
        ) from error
    return value


def write_parameters(sets: list[ParameterSet], path: Path) -> None:
    """Write parameter sets as a YAML parameter file; a later value replaces an earlier one."""
    content = {item.node_key: {"ros__parameters": {}} for item in sets}
    for item in sets:
        content[item.node_key]["ros__parameters"].update(dict(item.values))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, default_flow_style=False), encoding="utf-8")


def _convert(text: str, kind: str) -> object:
    if kind == "str":
        return text
    if kind in ("int", "float"):
        return int(text) if kind == "int" else float(text)
    if kind == "bool":
        value = yaml.safe_load({"1": "true", "0": "false"}.get(text, text))
        if not isinstance(value, bool):
            raise ValueError("neither true nor false")
        return value
    value = yaml.safe_load(text) if text else text
    if isinstance(value, bool | int | float | str) or (isinstance(value, list) and _is_uniform(value)):
        return value
    raise ValueError("a ROS parameter is a boolean, number, string, or a list of one of these")


def _is_uniform(items: list) -> bool:
    return len({type(item) for item in items}) <= 1 and all(
        isinstance(item, bool | int | float | str) for item in items
    )
