# SPDX-License-Identifier: Apache-2.0
"""Node parameters: frozen dataclasses whose fields carry unit, bounds and documentation, declared to ROS
once.

All parameters are read-only: a change needs a new start, so nothing that judges motion can be altered while
it does. A parameter that is unknown, of a wrong type or out of bounds ends the node before it does anything.
"""

import dataclasses
import math
import typing
from dataclasses import dataclass
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from reflexarc.core.config import parse_override, quantity
from reflexarc.core.errors import ConfigError, UnknownNameError

T = TypeVar("T")
_KINDS = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
    tuple: Parameter.Type.STRING_ARRAY,
}


@dataclass(frozen=True, slots=True)
class CommonParameters:
    """Parameters of every node; a node may have no use for some of them."""

    scenario: str = quantity("", doc="scenario: name, or path of a YAML file")
    seed: int = quantity(-1, low=-1, high=2**62, doc="seed of the run; -1: the scenario's own")
    overrides: tuple[str, ...] = quantity(
        (), doc="scenario values to replace, key=value; empty entries are ignored"
    )
    autostart: bool = quantity(True, doc="configure and activate without being told (lifecycle nodes)")
    out_dir: str = quantity("", doc="folder for files; empty: the node writes none")

    def load_scenario(self) -> Any:
        """Return the scenario with overrides and seed applied.

        Raises:
            ConfigError: it is missing or not acceptable.
        """
        from reflexarc_sim.scenario import load_scenario  # noqa: PLC0415 - a robot may run without a scenario

        if not self.scenario:
            raise ConfigError(
                "the parameter 'scenario' is required: name of a scenario, or path of a YAML file"
            )
        overrides: dict[str, Any] = {}
        for text in filter(str.strip, self.overrides):
            path, value = parse_override(text.strip())
            overrides[".".join(path)] = value
        if self.seed >= 0:
            overrides["seed"] = self.seed
        return load_scenario(self.scenario, overrides)


def declare(node: Node, kind: type[T]) -> T:
    """Declare every field of the dataclass `kind` as a read-only parameter and return the values.

    Raises:
        UnknownNameError: a parameter was given that no field has.
        ConfigError: a value has a wrong type or is out of bounds.
    """
    hints = typing.get_type_hints(kind)
    values = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        hint = typing.get_origin(hints[field.name]) or hints[field.name]
        try:
            values[field.name] = _declare(node, field, hint)
        except ParameterException as error:
            raise ConfigError(
                f"{node.get_name()}: parameter {field.name!r}: {error}; {_allowed(field, hint)}"
            ) from error
    known = {name for name in node._parameters}
    for name in node._parameter_overrides:
        if name not in known and not name.startswith("qos_overrides."):
            raise UnknownNameError("parameter", name, (n for n in known if "." not in n), node.get_name())
    return kind(**values)


def _declare(node: Node, field: Any, hint: type) -> Any:
    meta = field.metadata
    unit = f" [{meta['unit']}]" if meta["unit"] else ""
    descriptor = ParameterDescriptor(description=meta["doc"] + unit, read_only=True, type=_KINDS[hint].value)
    if hint is float and math.isfinite(meta["high"]):
        descriptor.floating_point_range = [FloatingPointRange(from_value=meta["low"], to_value=meta["high"])]
    elif hint is int and math.isfinite(meta["high"]):
        descriptor.integer_range = [IntegerRange(from_value=meta["low"], to_value=meta["high"])]
    if hint is tuple:  # ROS cannot tell the type of an empty list, so there is no default to declare
        value = node.declare_parameter(field.name, Parameter.Type.STRING_ARRAY, descriptor).value
        return tuple(value or ())
    default = field.default
    value = node.declare_parameter(field.name, default, descriptor).value
    if hint is str and meta["choices"] and value not in meta["choices"]:
        raise UnknownNameError(
            "value", str(value), meta["choices"], f"{node.get_name()}: parameter {field.name!r}"
        )
    return value


def _allowed(field: Any, hint: type) -> str:
    name = {bool: "true or false", int: "a whole number", float: "a number with a decimal point", str: "text"}
    meta = field.metadata
    bounds = (
        f" from {meta['low']:g} to {meta['high']:g} {meta['unit']}".rstrip()
        if math.isfinite(meta["high"])
        else ""
    )
    return f"allowed: {name.get(hint, 'a list of texts')}{bounds} ({meta['doc']})"
