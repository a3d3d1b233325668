# SPDX-License-Identifier: Apache-2.0
"""The key `fleet` of a scenario: several robots in one world, and who of them is stopped at random."""

from dataclasses import dataclass, field

from reflexarc.core.config import quantity


@dataclass(frozen=True, slots=True)
class StopsConfig:
    """Robots of a fleet that somebody stops at random times."""

    robots: int = quantity(0, low=0, high=64, doc="how many robots this happens to, drawn by the seed")
    mean_gap_s: float = quantity(
        12.0, unit="s", low=0.1, high=1e4, doc="mean time between two stops of a robot"
    )
    shortest_s: float = quantity(1.0, unit="s", low=0.05, high=1e3, doc="shortest stop")
    longest_s: float = quantity(5.0, unit="s", low=0.05, high=1e3, doc="longest stop")

    def __post_init__(self) -> None:
        if self.longest_s < self.shortest_s:
            raise ValueError(f"longest_s {self.longest_s} must not be below shortest_s {self.shortest_s}")


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """Several robots in one world, planned together; `missions` says how many deliveries each has and how far."""

    robots: int = quantity(0, low=0, high=64, doc="number of robots; 0 for a scenario of one robot")
    roadmap: str = quantity(
        "lanes", doc="`lanes` laid out in the world (plaza only), or a YAML roadmap with bays"
    )
    lane_spacing_m: float = quantity(
        1.8, unit="m", low=0.5, high=20.0, doc="between lanes, and from lane to bay"
    )
    plan_speed_m_s: float = quantity(
        0.8, unit="m/s", low=0.05, high=5.0, doc="speed at which drives are planned"
    )
    turn_s: float = quantity(2.5, unit="s", low=0.0, high=60.0, doc="planned time to turn at a bay")
    radius_m: float = quantity(
        0.64, unit="m", low=0.05, high=10.0, doc="disc in execution: footprint, tracking error, tolerance"
    )
    plan_radius_m: float = quantity(0.76, unit="m", low=0.05, high=10.0, doc="disc in planning, larger")
    tolerance_m: float = quantity(
        0.15, unit="m", low=0.01, high=2.0, doc="distance at which a place is reached"
    )
    ahead_m: float = quantity(
        4.0, unit="m", low=0.1, high=1e3, doc="a permission reaches one vertex farther than this"
    )
    rate_hz: float = quantity(10.0, unit="Hz", low=0.5, high=100.0, doc="rate of the fleet planner")
    pace: float = quantity(
        1.0, low=0.05, high=1.0, doc="simulated seconds per second of the machine in live runs"
    )
    stops: StopsConfig = field(default_factory=StopsConfig)

    def __post_init__(self) -> None:
        if self.plan_radius_m <= self.radius_m:
            raise ValueError(f"plan_radius_m {self.plan_radius_m} must be above radius_m {self.radius_m}")
