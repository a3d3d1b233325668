# SPDX-License-Identifier: Apache-2.0
"""The key `cell` of a scenario: what stands in front of an arm, what its force sensor is like, and who pushes it."""

from dataclasses import dataclass, field

from reflexarc.core.config import quantity


@dataclass(frozen=True, slots=True)
class ForceSensorConfig:
    """The force and torque sensor behind the tool."""

    rate_hz: float = quantity(1000.0, unit="Hz", low=10.0, high=10000.0, doc="measurements per second")
    force_std: float = quantity(0.1, unit="N", low=0.0, high=10.0, doc="standard deviation along each axis")
    torque_std: float = quantity(
        0.005, unit="N m", low=0.0, high=1.0, doc="standard deviation about each axis"
    )
    force_bias: float = quantity(
        0.2,
        unit="N",
        low=0.0,
        high=10.0,
        doc="standard deviation of the bias along each axis, drawn once a run",
    )
    delay_s: float = quantity(
        0.001, unit="s", low=0.0, high=0.1, doc="from measurement to delivery, in whole steps of the plant"
    )


@dataclass(frozen=True, slots=True)
class PlannedPush:
    """One push that every run has, a constant force."""

    time_s: float = quantity(0.0, unit="s", low=0.0, high=1e6, doc="when it starts")
    duration_s: float = quantity(0.1, unit="s", low=0.001, high=10.0, doc="how long it lasts")
    force: tuple[float, float, float] = quantity(
        (0.0, 0.0, 0.0), unit="N", low=-1e4, high=1e4, doc="in the axes of the arm's base"
    )
    body: str = quantity("tool", doc="what is pushed: tool (at its tip), or link_N, at its centre of mass")


@dataclass(frozen=True, slots=True)
class PushesConfig:
    """Pushes of a person against forearm, wrist or hand, at random times; the sensor at the tool feels none of them."""

    count: int = quantity(0, low=0, high=100, doc="number in a run, drawn by the seed")
    force: tuple[float, float] = quantity((5.0, 30.0), unit="N", low=0.0, high=500.0, doc="least and largest")
    duration_s: tuple[float, float] = quantity(
        (0.05, 0.3), unit="s", low=0.001, high=10.0, doc="shortest and longest"
    )

    def __post_init__(self) -> None:
        for name, (low, high) in (("force", self.force), ("duration_s", self.duration_s)):
            if high < low:
                raise ValueError(f"{name} must be given as least, largest; found {low}, {high}")


@dataclass(frozen=True, slots=True)
class CellConfig:
    """The work cell of an arm with a tool; used where `robot` is an arm."""

    task: str = quantity(
        "none", choices=("none", "maze", "peg_in_hole", "surface", "free"), doc="what is done"
    )
    family: str = quantity(
        "train", choices=("train", "held_out"), doc="shapes that the seed draws from, see the scenes"
    )
    registration_m: float = quantity(
        0.004,
        unit="m",
        low=0.0,
        high=0.02,
        doc="standard deviation of what the plan is off by, along each axis",
    )
    horizon_s: float = quantity(10.0, unit="s", low=0.1, high=600.0, doc="time allowed for the task")
    friction: float = quantity(
        0.3, low=0.0, high=2.0, doc="coefficient of friction of everything but the arm"
    )
    wall_stiffness: float = quantity(
        20000.0, unit="N/m", low=500.0, high=100000.0, doc="of everything fixed, at one point of contact"
    )
    balls: int = quantity(3, low=0, high=3, doc="loose glass balls (maze only)")
    hole_clearance_m: float = quantity(
        0.001,
        unit="m",
        low=0.0002,
        high=0.005,
        doc="radius of the hole less that of the peg; held_out has half",
    )
    roughness_m: float = quantity(
        0.003, unit="m", low=0.0, high=0.01, doc="amplitude of the surface's waves; held_out has twice"
    )
    tool_length_m: float = quantity(
        0.10, unit="m", low=0.02, high=0.3, doc="from the end effector to the tip"
    )
    tool_mass_kg: float = quantity(0.05, unit="kg", low=0.0, high=5.0, doc="mass of the tool")
    sensor: ForceSensorConfig = field(default_factory=ForceSensorConfig)
    pushes: PushesConfig = field(default_factory=PushesConfig)
    planned: tuple[PlannedPush, ...] = ()
