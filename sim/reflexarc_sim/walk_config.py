# SPDX-License-Identifier: Apache-2.0
"""The key `walk` of a scenario: what a quadruped is told and by which policy it walks, its ground, who pushes it."""

from dataclasses import dataclass, field

from reflexarc.core.config import quantity


@dataclass(frozen=True, slots=True)
class Told:
    """A velocity that is asked for from a time on."""

    time_s: float = quantity(0.0, unit="s", low=0.0, high=1e6, doc="from when on")
    forward: float = quantity(0.0, unit="m/s", low=-5.0, high=5.0, doc="ahead")
    left: float = quantity(0.0, unit="m/s", low=-5.0, high=5.0, doc="to the left")
    turn: float = quantity(0.0, unit="rad/s", low=-5.0, high=5.0, doc="yaw rate")


@dataclass(frozen=True, slots=True)
class SuddenPushes:
    """Level forces on the trunk's origin, constant in its axes, drawn by the seed."""

    magnitude: tuple[float, float] = quantity(
        (0.0, 0.0), unit="N", low=0.0, high=1e4, doc="least and largest; zero: nobody pushes"
    )
    duration_s: tuple[float, float] = quantity(
        (0.2, 1.0), unit="s", low=0.004, high=10.0, doc="shortest and longest"
    )
    first_s: float = quantity(4.0, unit="s", low=0.0, high=1e6, doc="when the first begins")
    every_s: float = quantity(4.0, unit="s", low=0.1, high=1e6, doc="time from one beginning to the next")

    def __post_init__(self) -> None:
        for name, (low, high) in (("magnitude", self.magnitude), ("duration_s", self.duration_s)):
            if high < low:
                raise ValueError(f"{name} must be given as least, largest; found {low}, {high}")


@dataclass(frozen=True, slots=True)
class PlannedForce:
    """One force that every run has."""

    time_s: float = quantity(0.0, unit="s", low=0.0, high=1e6, doc="when it starts")
    duration_s: float = quantity(0.1, unit="s", low=0.004, high=10.0, doc="how long it lasts")
    force: tuple[float, float, float] = quantity(
        (0.0, 0.0, 0.0), unit="N", low=-1e4, high=1e4, doc="on the trunk's origin, in its axes"
    )


@dataclass(frozen=True, slots=True)
class WalkConfig:
    """A quadruped's walk; used where `robot` is a quadruped."""

    policy: str = quantity("", doc="file of the task policy, under models/ or a path; of a quadruped only")
    commands: tuple[Told, ...] = ()
    pushes: SuddenPushes = field(default_factory=SuddenPushes)
    planned: tuple[PlannedForce, ...] = ()
    ground: str = quantity("plane", choices=("plane", "tiles"), doc="what it walks on")
    ground_seed: int = quantity(0, low=0, high=2**31, doc="of what is rough")
    level: int = quantity(0, low=0, high=9, doc="difficulty of the tile on which it begins")
    payload_kg: float = quantity(0.0, unit="kg", low=-3.0, high=30.0, doc="added to the trunk")
    friction: float = quantity(0.8, low=0.05, high=3.0, doc="of the feet")

    def __post_init__(self) -> None:
        times = [told.time_s for told in self.commands]
        if times != sorted(times):
            raise ValueError("commands must stand in the order of their times")
