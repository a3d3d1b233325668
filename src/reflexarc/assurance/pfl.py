# SPDX-License-Identifier: Apache-2.0
r"""Power and force limiting: permissible forces and speeds of contact with a person, ISO/TS 15066:2016, Annex A.

Transient contact of two masses with a spring between (A.3.6):

    E = (2 F)^2 / (2 k) = mu v^2 / 2     so     v = 2 F / sqrt(mu k),    mu = (1 / m_H + 1 / m_R)^-1,

with the quasi-static limit F, twice which is allowed for a moment, the region's stiffness k and effective mass m_H, and
the robot's m_R = M / 2 + payload. Blunt contact of a body that can give way; edges and clamping need far less.
The numbers are in `iso_ts_15066.yaml`, one cell each with its source.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reflexarc.core.config import read_yaml
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError

TABLE = Path(__file__).with_name("iso_ts_15066.yaml")
TRANSIENT = 2.0
"""Transient over quasi-static force, ISO/TS 15066:2016, A.3.5."""
_UNITS = {"force": "N", "mass": "kg", "stiffness": "N/mm", "permitted": "-"}


@dataclass(frozen=True, slots=True)
class BodyRegion:
    """One region of a person's body."""

    key: str
    name: str
    quasi_static: float
    """Largest force at standstill. [N]"""
    mass: float
    """Effective. [kg]"""
    stiffness: float
    """[N/m]"""
    permitted: bool
    """Whether contact may be planned for at all."""
    sources: Mapping[str, tuple[str, ...]]
    """Of each cell, in full."""

    @property
    def transient(self) -> float:
        """Largest force for a moment. [N]

        Raises:
            ConfigError: contact is not permitted.
        """
        self._allowed()
        return TRANSIENT * self.quasi_static

    @property
    def energy(self) -> float:
        """Largest energy that the region takes up in transient contact. [J]

        Raises:
            ConfigError: contact is not permitted.
        """
        return self.transient**2 / (2.0 * self.stiffness)

    def reduced_mass(self, robot: float) -> float:
        """Return mu with the robot's effective mass, which may be infinite. [kg]

        Raises:
            ConfigError: a mass that is not positive.
        """
        if not robot > 0.0:
            raise ConfigError(f"the robot's effective mass must be positive, got {robot} kg")
        return 1.0 / (1.0 / self.mass + 1.0 / robot)

    def speed(self, robot: float, clamped: bool = False) -> float:
        """Return the largest relative speed at contact. [m/s]

        Args:
            robot: effective mass of the robot. [kg]
            clamped: whether the region cannot give way: then the quasi-static force counts, and no mass moves along.

        Raises:
            ConfigError: contact is not permitted, or a mass that is not positive.
        """
        self._allowed()
        if clamped:
            if not robot > 0.0:
                raise ConfigError(f"the robot's effective mass must be positive, got {robot} kg")
            return self.quasi_static / math.sqrt(robot * self.stiffness)
        return self.transient / math.sqrt(self.reduced_mass(robot) * self.stiffness)

    def _allowed(self) -> None:
        if not self.permitted:
            raise ConfigError(f"contact with {self.name} is not permitted (ISO/TS 15066, 5.5.5.3)")


def effective_mass(moving: float, payload: float) -> float:
    """Return m_R = M / 2 + payload of a robot with moving parts of mass M. [kg]

    Raises:
        ConfigError: a mass that is not positive, or a negative payload.
    """
    if not (0.0 < moving < math.inf and 0.0 <= payload < math.inf):
        raise ConfigError(f"moving parts of {moving} kg and a payload of {payload} kg; allowed: > 0 and >= 0")
    return moving / 2.0 + payload


def body_regions(path: Path = TABLE) -> dict[str, BodyRegion]:
    """Read and check the table.

    Raises:
        ModelError: the file is missing or malformed, a cell lacks its value, its unit or its source, names a source
            that the file does not describe, or has a number that is not positive and finite.
    """
    try:
        data = read_yaml(path)
    except ConfigError as error:
        raise ModelError(str(error)) from error
    if set(data) != {"sources", "regions"}:
        raise ModelError(f"{path}: expected the keys sources and regions, found {sorted(map(str, data))}")
    sources, regions = data["sources"], data["regions"]
    if not isinstance(sources, dict) or not isinstance(regions, dict) or not regions:
        raise ModelError(f"{path}: sources and regions must be mappings, regions not empty")
    for key, text in sources.items():
        if not isinstance(text, str) or not text.strip():
            raise ModelError(f"{path}: source {key!r} says nothing")
    return {str(key): _region(path, str(key), entry, sources) for key, entry in regions.items()}


def body_region(key: str, path: Path = TABLE) -> BodyRegion:
    """Return one region.

    Raises:
        UnknownNameError: there is no such region.
        ModelError: see `body_regions`.
    """
    found = body_regions(path)
    if key not in found:
        raise UnknownNameError("body region", key, found, str(path.name))
    return found[key]


def _region(path: Path, key: str, entry: Any, sources: Mapping[str, str]) -> BodyRegion:
    if not isinstance(entry, dict) or set(entry) != {"name", *_UNITS}:
        raise ModelError(f"{path}: region {key!r} needs exactly name, {', '.join(_UNITS)}; found {entry!r}")
    if not isinstance(entry["name"], str) or not entry["name"].strip():
        raise ModelError(f"{path}: region {key!r} has no name")
    cells = {cell: _cell(path, f"{key}.{cell}", cell, entry[cell], sources) for cell in _UNITS}
    return BodyRegion(
        key,
        entry["name"],
        cells["force"][0],
        cells["mass"][0],
        1000.0 * cells["stiffness"][0],
        bool(cells["permitted"][0]),
        {cell: found for cell, (_, found) in cells.items()},
    )


def _cell(
    path: Path, where: str, cell: str, entry: Any, sources: Mapping[str, str]
) -> tuple[Any, tuple[str, ...]]:
    if not isinstance(entry, dict) or set(entry) != {"value", "unit", "source"}:
        raise ModelError(f"{path}: {where} must be given as {{value, unit, source}}, found {entry!r}")
    value, unit, names = entry["value"], entry["unit"], entry["source"]
    if unit != _UNITS[cell]:
        raise ModelError(f"{path}: {where} is in {unit!r}, expected {_UNITS[cell]!r}")
    if not isinstance(names, list) or not names:
        raise ModelError(f"{path}: {where} has no source")
    for name in names:
        if name not in sources:
            raise ModelError(f"{path}: {where} names the source {name!r}, which the file does not describe")
    if cell == "permitted":
        if not isinstance(value, bool):
            raise ModelError(f"{path}: {where} must be true or false, found {value!r}")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
        raise ModelError(f"{path}: {where} must be a positive finite number, found {value!r}")
    return value, tuple(sources[name] for name in names)
