# SPDX-License-Identifier: Apache-2.0
"""Requirements files: what must hold, why, how bad it is when it does not, and the formula that says so.

One YAML file per robot in `models/requirements/`; every requirement and every constant names its source.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reflexarc.assurance.monitors.formula import Number
from reflexarc.assurance.monitors.monitor import Monitor, Signal
from reflexarc.assurance.monitors.units import parse_unit
from reflexarc.barrier.analytic.separation import SeparationParameters
from reflexarc.core.config import from_mapping, quantity, read_yaml
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.paths import models_dir

SEVERITIES = ("critical", "major", "minor")
"""Somebody may be hurt; the stack did not do what it promises; quality of the run."""


@dataclass(frozen=True, slots=True)
class Separation:
    """Numbers of the protective separation distance, where a signal needs it."""

    reaction_s: float = quantity(unit="s", low=0.0, high=5.0, doc="T_r, sensing and processing included")
    deceleration_m_s2: float = quantity(
        unit="m/s^2", low=0.01, high=50.0, doc="that the robot surely reaches"
    )
    intrusion_m: float = quantity(unit="m", low=0.0, high=2.0, doc="C")
    person_uncertainty_m: float = quantity(unit="m", low=0.0, high=2.0, doc="Z_d")
    robot_uncertainty_m: float = quantity(unit="m", low=0.0, high=2.0, doc="Z_r")
    source: str = quantity(doc="where these numbers are from")

    @property
    def parameters(self) -> SeparationParameters:
        """As the formula takes them."""
        return SeparationParameters(
            self.reaction_s,
            self.deceleration_m_s2,
            self.intrusion_m,
            self.person_uncertainty_m,
            self.robot_uncertainty_m,
        )


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that must hold."""

    id: str = quantity(doc="short name")
    text: str = quantity(doc="what must hold, in words")
    formula: str = quantity(doc="the same in past-time signal temporal logic")
    unit: str = quantity(doc="of the robustness; 1 with scales or flags alone")
    source: str = quantity(doc="standard or decision behind it")
    severity: str = quantity(choices=SEVERITIES, doc="how bad a violation is")
    scales: dict[str, Any] = quantity(
        {}, doc="what counts as 1, per unit, where a formula needs several units"
    )


@dataclass(frozen=True, slots=True)
class Requirements:
    """A requirements file, checked."""

    path: Path
    name: str
    period: float
    """Of the samples. [s]"""
    signals: Mapping[str, Signal]
    constants: Mapping[str, Number]
    requirements: tuple[Requirement, ...]
    separation: Separation | None

    def monitor(self, requirement: Requirement) -> Monitor:
        """Return a fresh monitor of one requirement.

        Raises:
            ConfigError: its formula is not acceptable.
        """
        where = f"{self.path}: {requirement.id}"
        scales = {}
        for unit, value in requirement.scales.items():
            size = _number(value, f"{where}: scales.{unit}")
            if size <= 0.0:
                raise ConfigError(f"{where}: the scale of {unit} is {size}; it must be positive")
            parsed = parse_unit(str(unit), where)
            if parsed.dimension in scales:
                raise ConfigError(f"{where}: two scales for units like {unit}")
            scales[parsed.dimension] = size * parsed.factor
        try:
            return Monitor(
                requirement.formula,
                self.signals,
                self.period,
                requirement.unit,
                self.constants,
                scales or None,
            )
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error


def requirements_file(name: str) -> Path:
    """Return the path of `models/requirements/<name>.yaml`, or `name` where it is a file already.

    Raises:
        UnknownNameError: it is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    folder = models_dir() / "requirements"
    if not (folder / f"{name}.yaml").is_file():
        raise UnknownNameError(
            "requirements file", name, (p.stem for p in folder.glob("*.yaml")), str(folder)
        )
    return folder / f"{name}.yaml"


def read_requirements(path: Path) -> Requirements:
    """Read and check a requirements file; every formula is compiled once.

    Raises:
        ConfigError: something is missing, unknown, without source, or a formula is not acceptable.
    """
    top = from_mapping(_File, read_yaml(path), str(path))
    if not top.requirements:
        raise ConfigError(f"{path}: there are no requirements")
    signals = {
        name: Signal(entry.unit, entry.max_age_s, entry.text)
        for name, entry in _entries(top.signals, _Signal, f"{path}: signals").items()
    }
    constants = {}
    for name, entry in _entries(top.constants, _Constant, f"{path}: constants").items():
        if name in signals:
            raise ConfigError(f"{path}: {name!r} is both a signal and a constant")
        constants[name] = Number(entry.value, parse_unit(entry.unit, f"{path}: constants.{name}"))
    listed = []
    for number, item in enumerate(top.requirements):
        requirement = from_mapping(Requirement, item, f"{path}: requirements[{number}]")
        if requirement.id in {r.id for r in listed}:
            raise ConfigError(f"{path}: the id {requirement.id!r} is given twice")
        for field in ("id", "text", "source"):
            if not getattr(requirement, field).strip():
                raise ConfigError(f"{path}: requirements[{number}].{field} says nothing")
        listed.append(requirement)
    if top.separation is not None and not top.separation.source.strip():
        raise ConfigError(f"{path}: separation.source says nothing")
    result = Requirements(path, top.name, top.period_s, signals, constants, tuple(listed), top.separation)
    used = {name for r in listed for name in result.monitor(r).signals}
    if idle := sorted(set(signals) - used):
        raise ConfigError(f"{path}: no formula uses the signals {', '.join(idle)}")
    return result


@dataclass(frozen=True, slots=True)
class _Signal:
    unit: str = quantity(doc="SI, or bool")
    max_age_s: float = quantity(unit="s", low=1e-4, high=1e6, doc="oldest value that counts")
    text: str = quantity(doc="what it is")


@dataclass(frozen=True, slots=True)
class _Constant:
    value: float = quantity(doc="number in `unit`")
    unit: str = quantity(doc="any unit")
    source: str = quantity(doc="where it is from")


@dataclass(frozen=True, slots=True)
class _File:
    name: str = quantity(doc="of the robot or cell")
    description: str = quantity(doc="what the file is about")
    period_s: float = quantity(unit="s", low=1e-4, high=10.0, doc="sample period")
    signals: dict[str, Any] = quantity(doc="name to unit, max_age_s, text")
    requirements: tuple[Any, ...] = quantity(doc="what must hold")
    constants: dict[str, Any] = quantity({}, doc="name to value, unit, source")
    separation: Separation | None = quantity(None, doc="numbers of the protective separation distance")


def _entries(data: Mapping[str, Any], kind: type[Any], where: str) -> dict[str, Any]:
    found = {}
    for name, entry in data.items():
        found[str(name)] = from_mapping(kind, entry, f"{where}.{name}")
        if not getattr(found[str(name)], "source", "text").strip():
            raise ConfigError(f"{where}.{name} has no source")
    return found


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{where}: expected a finite number, found {value!r}")
    return float(value)
