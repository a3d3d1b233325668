# SPDX-License-Identifier: Apache-2.0
"""Parameters of the simulated welding cell, from `models/plants/welding.yaml`; every number is checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reflexarc.assurance.monitors.requirements import Separation
from reflexarc.assurance.pfl import BodyRegion, body_region, effective_mass
from reflexarc.core.config import from_mapping, quantity, read_yaml
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.paths import models_dir

STEP_S = 0.01
"""Of the simulation. [s]"""
_FAR = 20.0
"""Largest coordinate. [m]"""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are; boxes are x and y of two opposite corners, the smaller first."""

    bench: tuple[float, float, float, float] = quantity(unit="m", low=-_FAR, high=_FAR, doc="shared table")
    raw_spot: tuple[float, float] = quantity(
        unit="m", low=-_FAR, high=_FAR, doc="where raw workpieces are picked"
    )
    finished_spot: tuple[float, float] = quantity(
        unit="m", low=-_FAR, high=_FAR, doc="where finished workpieces are put"
    )
    weld_spot: tuple[float, float] = quantity(unit="m", low=-_FAR, high=_FAR, doc="where the arm welds")
    area: tuple[float, float, float, float] = quantity(unit="m", low=-_FAR, high=_FAR, doc="safeguarded area")
    weld_zone_m: float = quantity(
        unit="m", low=0.05, high=2.0, doc="a torso nearer to the weld spot is close to the welder"
    )
    home: tuple[float, float] = quantity(unit="m", low=-_FAR, high=_FAR, doc="the tool's first place")

    def __post_init__(self) -> None:
        for name in ("bench", "area"):
            x0, y0, x1, y1 = getattr(self, name)
            if not (x0 < x1 and y0 < y1):
                raise ValueError(
                    f"{name} has no extent: [{x0}, {y0}, {x1}, {y1}]; the smaller corner comes first"
                )
        for name in ("raw_spot", "finished_spot"):
            if not inside(getattr(self, name), self.bench):
                raise ValueError(f"{name} {getattr(self, name)} is not on the bench {self.bench}")
        if not inside(self.weld_spot, self.area):
            raise ValueError(f"weld_spot {self.weld_spot} is not within the area {self.area}")


@dataclass(frozen=True, slots=True)
class PersonSize:
    """The operator."""

    torso_radius_m: float = quantity(unit="m", low=0.1, high=0.5, doc="of the body's disc")
    limb_radius_m: float = quantity(unit="m", low=0.01, high=0.2, doc="of what reaches over the bench")
    reach_m: float = quantity(unit="m", low=0.3, high=1.2, doc="longest reach from the body's centre")
    reach_speed_m_s: float = quantity(
        unit="m/s", low=0.1, high=3.0, doc="of a reaching or withdrawing hand, where a case says nothing else"
    )


@dataclass(frozen=True, slots=True)
class Tool:
    """What the arm carries; contacts are blunt."""

    radius_m: float = quantity(unit="m", low=0.01, high=0.5, doc="of tool and workpiece")
    workpiece_kg: float = quantity(unit="kg", low=0.0, high=50.0, doc="mass of a workpiece, while gripped")


@dataclass(frozen=True, slots=True)
class ArmSpeeds:
    """How the tool moves."""

    moving_kg: float = quantity(unit="kg", low=0.1, high=500.0, doc="mass of the arm's moving parts, M")
    tool_kg: float = quantity(unit="kg", low=0.0, high=50.0, doc="mass of the tool itself")
    normal_m_s: float = quantity(unit="m/s", low=0.05, high=5.0, doc="speed in mode normal")
    bench_m_s: float = quantity(unit="m/s", low=0.01, high=5.0, doc="speed near the bench, in every mode")
    bench_slow_m: float = quantity(
        unit="m", low=0.0, high=5.0, doc="so near to its spot on the bench that holds"
    )
    hand_guided_m_s: float = quantity(unit="m/s", low=0.01, high=0.25, doc="speed in mode hand_guided")
    pfl_share: float = quantity(
        low=0.1, high=1.0, doc="share of the permitted contact speed that power_force_limited uses"
    )
    acceleration_m_s2: float = quantity(unit="m/s^2", low=0.1, high=20.0, doc="of the tool")
    deceleration_m_s2: float = quantity(unit="m/s^2", low=0.1, high=20.0, doc="of the tool, in every stop")
    pfl_regions: tuple[str, ...] = quantity(
        doc="body regions that the speed of power_force_limited is permitted for"
    )


@dataclass(frozen=True, slots=True)
class ProcessTimes:
    """How long the steps of the work take."""

    exchange_s: float = quantity(unit="s", low=0.05, high=60.0, doc="picking or putting back")
    weld_s: float = quantity(unit="s", low=0.05, high=600.0, doc="a seam")
    serve_s: float = quantity(unit="s", low=0.05, high=60.0, doc="the operator's hand rests on the bench")
    pause_s: float = quantity(unit="s", low=0.0, high=600.0, doc="before the operator reaches again")


@dataclass(frozen=True, slots=True)
class RangeFinderConfig:
    """A scanner of legs: where is the nearest person."""

    at: tuple[float, float] = quantity(unit="m", low=-_FAR, high=_FAR, doc="its place")
    reach_m: float = quantity(unit="m", low=0.1, high=50.0, doc="who is farther away is not seen")
    near_m: float = quantity(unit="m", low=0.1, high=50.0, doc="zone of the signal range_near")
    close_m: float = quantity(unit="m", low=0.05, high=50.0, doc="zone of the signal range_close")
    period_s: float = quantity(unit="s", low=STEP_S, high=1.0, doc="of a scan")
    latency_s: float = quantity(unit="s", low=0.0, high=1.0, doc="of a scan, until it is known")
    noise_m: float = quantity(unit="m", low=0.0, high=0.5, doc="standard deviation, per axis")
    lost: float = quantity(low=0.0, high=1.0, doc="share of scans that never arrive")
    max_age_s: float = quantity(unit="s", low=STEP_S, high=2.0, doc="older scans say nothing")

    def __post_init__(self) -> None:
        if not self.close_m < self.near_m <= self.reach_m:
            raise ValueError(
                f"close_m {self.close_m} < near_m {self.near_m} <= reach_m {self.reach_m} does not hold"
            )


@dataclass(frozen=True, slots=True)
class LightCurtainConfig:
    """A plane before the bench."""

    ends: tuple[Any, ...] = quantity(doc="its two ends in the plan view, [m]")
    period_s: float = quantity(unit="s", low=STEP_S, high=1.0, doc="of its samples")
    latency_s: float = quantity(unit="s", low=0.0, high=1.0, doc="of a sample, until it is known")
    lost: float = quantity(low=0.0, high=1.0, doc="share of samples that never arrive")
    max_age_s: float = quantity(unit="s", low=STEP_S, high=2.0, doc="older samples say nothing")

    def __post_init__(self) -> None:
        for value in self.ends:
            if not (isinstance(value, list | tuple) and len(value) == 2):
                raise ValueError(f"ends: {value!r} is no point [x, y]")
            for number in value:
                if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= _FAR:
                    raise ValueError(f"ends: {number!r} is no coordinate within {_FAR:g} m")
        if len(self.ends) != 2:
            raise ValueError(f"ends: {len(self.ends)} points, expected 2")


@dataclass(frozen=True, slots=True)
class SupervisorTimes:
    """When the supervisor looks, and how patient it and the operator are."""

    period_s: float = quantity(unit="s", low=STEP_S, high=0.5, doc="between two turns")
    dwell_s: float = quantity(unit="s", low=0.0, high=600.0, doc="a hazard must be clear so long")
    acknowledge_s: float = quantity(
        unit="s", low=0.1, high=600.0, doc="the operator acknowledges a stop after it"
    )


@dataclass(frozen=True, eq=False)
class WeldingPlant:
    """The whole file."""

    cell: str = quantity(doc="hazard model and table in models/cells")
    layout: Layout = quantity(doc="where things are")
    person: PersonSize = quantity(doc="the operator")
    tools: dict[str, Any] = quantity(doc="name to tool")
    arm: ArmSpeeds = quantity(doc="how the tool moves")
    process: ProcessTimes = quantity(doc="how long things take")
    range_finder: RangeFinderConfig = quantity(doc="scanner of legs")
    light_curtain: LightCurtainConfig = quantity(doc="plane before the bench")
    supervisor: SupervisorTimes = quantity(doc="its turns")
    separation: Separation = quantity(doc="numbers of the protective separation distance")

    def __post_init__(self) -> None:
        if not self.tools:
            raise ValueError("tools: at least one is needed")
        if self.separation.deceleration_m_s2 > self.arm.deceleration_m_s2:
            raise ValueError(
                f"separation.deceleration_m_s2 {self.separation.deceleration_m_s2} is more than the arm reaches, "
                f"{self.arm.deceleration_m_s2}"
            )
        if not self.arm.pfl_regions:
            raise ValueError("arm.pfl_regions: at least one region is needed")

    @cached_property
    def all_tools(self) -> Mapping[str, Tool]:
        """The tools, checked."""
        return {str(name): from_mapping(Tool, entry, f"tools.{name}") for name, entry in self.tools.items()}

    @cached_property
    def regions(self) -> tuple[BodyRegion, ...]:
        """Regions of `arm.pfl_regions`."""
        return tuple(body_region(key) for key in self.arm.pfl_regions)

    def tool(self, name: str) -> Tool:
        """Return a tool.

        Raises:
            UnknownNameError: there is none of that name.
        """
        if name not in self.all_tools:
            raise UnknownNameError("tool", name, self.all_tools, "the welding cell")
        return self.all_tools[name]

    def effective_mass(self, tool: Tool, loaded: bool) -> float:
        """Return m_R with or without a workpiece. [kg]"""
        return effective_mass(self.arm.moving_kg, self.arm.tool_kg + (tool.workpiece_kg if loaded else 0.0))

    def pfl_speed(self, mass: float) -> float:
        """Return the tool's speed in mode power_force_limited at effective mass m_R [kg]. [m/s]"""
        return self.arm.pfl_share * min(region.speed(mass) for region in self.regions)


def plant_file() -> Path:
    """Return the path of the shipped parameters."""
    return models_dir() / "plants" / "welding.yaml"


def read_plant(path: Path | None = None) -> WeldingPlant:
    """Read and check a file of parameters; the shipped one if None.

    Raises:
        ConfigError: a key or value is not acceptable.
    """
    path = path or plant_file()
    plant = from_mapping(WeldingPlant, read_yaml(path), str(path))
    if not plant.all_tools or not plant.separation.source.strip():
        raise ConfigError(f"{path}: separation.source says nothing")
    for region in plant.regions:
        if not region.permitted:
            raise ConfigError(f"{path}: arm.pfl_regions: contact with {region.name} is not permitted")
    return plant


def inside(point: tuple[float, float] | Any, box: tuple[float, float, float, float]) -> bool:
    """Whether a point is in a box, its edge included."""
    return bool(box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3])
