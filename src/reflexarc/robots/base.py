# SPDX-License-Identifier: Apache-2.0
"""A differential-drive base: geometry and limits from `models/<name>/robot.yaml`, each with unit and source."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError
from reflexarc.core.paths import model_dir


def _parameter(unit: str, low: float, high: float) -> Any:
    return dataclasses.field(metadata={"unit": unit, "low": low, "high": high})


@dataclass(frozen=True, slots=True)
class BaseRobot:
    """Parameters of a mobile base; its footprint is a rectangle centred at base_link."""

    name: str
    mjcf: Path
    """Model file of the simulation."""
    mass: float = _parameter("kg", 1.0, 5000.0)
    length: float = _parameter("m", 0.05, 20.0)
    """Extent along x."""
    width: float = _parameter("m", 0.05, 20.0)
    """Extent along y."""
    height: float = _parameter("m", 0.05, 20.0)
    max_speed: float = _parameter("m/s", 0.01, 30.0)
    max_reverse_speed: float = _parameter("m/s", 0.0, 30.0)
    max_yaw_rate: float = _parameter("rad/s", 0.01, 20.0)
    max_acceleration: float = _parameter("m/s^2", 0.01, 50.0)
    max_deceleration: float = _parameter("m/s^2", 0.01, 50.0)
    """Guaranteed when braking, together with `actuation_latency`."""
    max_yaw_acceleration: float = _parameter("rad/s^2", 0.01, 100.0)
    max_yaw_deceleration: float = _parameter("rad/s^2", 0.01, 100.0)
    """Guaranteed when braking, together with `actuation_latency`."""
    actuation_latency: float = _parameter("s", 0.0, 1.0)
    """From a command to its effect: dead time and servo lag."""
    wheel_radius: float = _parameter("m", 0.01, 2.0)
    track: float = _parameter("m", 0.05, 10.0)
    """Distance between the driven wheels."""
    lidar_x: float = _parameter("m", -10.0, 10.0)
    lidar_y: float = _parameter("m", -10.0, 10.0)
    lidar_z: float = _parameter("m", 0.0, 10.0)
    """Above ground."""
    lidar_yaw: float = _parameter("rad", -math.pi, math.pi)
    tilt_limit: float = _parameter("rad", 0.05, math.pi / 2)
    """Tilt beyond which the robot has rolled over."""

    @property
    def lidar_mount(self) -> tuple[float, float, float]:
        """x, y, yaw of the lidar in base_link. [m, m, rad]"""
        return self.lidar_x, self.lidar_y, self.lidar_yaw


def load_robot(name: str) -> BaseRobot:
    """Read and check a robot's parameters.

    Raises:
        UnknownNameError: there is no such robot.
        ModelError: a parameter is missing, unknown, without source, in another unit or out of bounds.
    """
    folder = model_dir(name)
    path = folder / "robot.yaml"
    try:
        data = read_yaml(path)
    except ConfigError as error:
        raise ModelError(str(error)) from error
    declared = {f.name: f for f in dataclasses.fields(BaseRobot) if f.metadata}
    given = data.get("parameters")
    if not isinstance(given, dict):
        raise ModelError(f"{path}: the mapping 'parameters' is missing")
    for key in given:
        if key not in declared:
            raise ModelError(str(UnknownNameError("parameter", str(key), declared, str(path))))
    values = {key: _value(path, key, given, field.metadata) for key, field in declared.items()}
    mjcf = folder / str(data.get("mjcf", ""))
    if not mjcf.is_file():
        raise ModelError(f"{path}: the model file {mjcf.name!r} named by 'mjcf' is missing")
    return BaseRobot(name=name, mjcf=mjcf, **values)


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
