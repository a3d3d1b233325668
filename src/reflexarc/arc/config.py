# SPDX-License-Identifier: Apache-2.0
"""Parameters of the reflex arc. None of them can change while the arc is active."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reflexarc.arc.contact_config import ContactConfig
from reflexarc.arc.walker_config import WalkerConfig
from reflexarc.core.config import from_mapping, quantity
from reflexarc.core.types import FIXED_FRAME


@dataclass(frozen=True, slots=True)
class FreshnessConfig:
    """Oldest inputs on which the robot may move."""

    state_s: float = quantity(0.1, unit="s", low=0.001, high=1.0, doc="oldest pose and twist")
    obstacles_s: float = quantity(0.3, unit="s", low=0.001, high=2.0, doc="oldest tracked obstacles")
    walls_s: float = quantity(0.5, unit="s", low=0.001, high=5.0, doc="oldest lidar walls; a map has no age")
    proposal_s: float = quantity(0.3, unit="s", low=0.001, high=2.0, doc="oldest proposal of the task policy")


@dataclass(frozen=True, slots=True)
class ModeLimitsConfig:
    """Speed allowed in each mode; the two stop modes always mean zero."""

    normal_m_s: float = quantity(3.56, unit="m/s", low=0.0, high=5.0, doc="NORMAL: the robot's own top speed")
    speed_separation_m_s: float = quantity(
        1.5, unit="m/s", low=0.0, high=5.0, doc="SPEED_SEPARATION: a brisk walking pace"
    )
    power_force_limited_m_s: float = quantity(
        0.25,
        unit="m/s",
        low=0.0,
        high=0.25,
        doc="POWER_FORCE_LIMITED: reduced speed of ISO 10218-1:2011, 5.6.2",
    )


@dataclass(frozen=True, slots=True)
class BarrierConfig:
    """Numbers of the stopping barrier that are not properties of the robot."""

    enabled: bool = quantity(True, doc="whether the stage filters; only a study switches it off")
    clearance_m: float = quantity(0.10, unit="m", low=0.0, high=2.0, doc="distance left to people")
    wall_clearance_m: float = quantity(0.05, unit="m", low=0.0, high=2.0, doc="distance left to walls")
    sigmas: float = quantity(
        2.0, low=0.0, high=6.0, doc="standard deviations of tracking noise that are covered"
    )
    obstacle_acceleration_m_s2: float = quantity(
        2.0, unit="m/s^2", low=0.0, high=10.0, doc="acceleration a pedestrian may add while the robot brakes"
    )
    person_speed_m_s: float = quantity(
        0.0,
        unit="m/s",
        low=0.0,
        high=5.0,
        doc="v_h: people count as coming at least so fast; 1.6 with no added acceleration is ISO/TS 15066's S_p",
    )
    creep_speed_m_s: float = quantity(
        0.05, unit="m/s", low=0.0, high=0.1, doc="below this the robot counts as standing"
    )
    rows: int = quantity(
        12, low=2, high=64, doc="rows of the quadratic programme; all others are still enforced"
    )
    speed_scale_m_s: float = quantity(
        1.0, unit="m/s", low=0.01, high=10.0, doc="change of speed that costs as much as one yaw_rate_scale"
    )
    yaw_rate_scale_rad_s: float = quantity(
        0.5, unit="rad/s", low=0.01, high=10.0, doc="change of yaw rate that costs as much as one speed_scale"
    )
    solver: str = quantity(
        "daqp", choices=("daqp", "elastiqp", "osqp", "piqp"), doc="solver of the quadratic programme"
    )
    tolerance: float | None = quantity(
        None,
        low=1e-9,
        high=1e-2,
        doc="largest residual of an accepted solution; null: ten times what the solver promises",
    )
    deadline_s: float | None = quantity(
        None,
        unit="s",
        low=1e-6,
        high=1.0,
        doc="a solution that took longer is refused, the backup is sent; null: never, so equal inputs give equal bits",
    )


@dataclass(frozen=True, slots=True)
class ArmConfig:
    """Numbers of an arm's barriers that are not properties of the robot; used where `robot` is an arm."""

    command: str = quantity(
        "velocity",
        choices=("velocity", "torque", "impedance"),
        doc="what is proposed: joint velocities, torques, or the tip's goal and stiffness, which is sent as torques",
    )
    alpha: float = quantity(10.0, unit="1/s", low=0.1, high=100.0, doc="gain of the barriers")
    alpha_2: float = quantity(
        10.0, unit="1/s", low=0.1, high=100.0, doc="gain of the second order, of torque commands"
    )
    margin_m: float = quantity(
        0.0,
        unit="m",
        low=0.0,
        high=0.5,
        doc="kept beyond every distance by torque commands, for what is sampled",
    )
    clearance_m: float = quantity(0.02, unit="m", low=0.0, high=1.0, doc="distance left to obstacles")
    sigmas: float = quantity(
        2.0, low=0.0, high=6.0, doc="standard deviations of tracking noise that are covered"
    )
    obstacle_acceleration_m_s2: float = quantity(
        2.0, unit="m/s^2", low=0.0, high=50.0, doc="acceleration that an obstacle may add"
    )
    obstacles: int = quantity(32, low=0, high=512, doc="most obstacles of a tick; with more the arm stops")
    self_collision: bool = quantity(True, doc="whether the arm's own links are kept apart")
    table_height_m: float | None = quantity(
        None, unit="m", low=-5.0, high=5.0, doc="the arm stays above this height; null for no table"
    )
    manipulability: float | None = quantity(
        None,
        low=1e-9,
        high=10.0,
        doc="smallest product of the singular values of the Jacobian; null for none",
    )


@dataclass(frozen=True, slots=True)
class LearnedConfig:
    """The learned barrier beside the stopping barrier."""

    enabled: bool = quantity(False, doc="whether the learned barrier's rows join the programme")
    file: str = quantity(
        "segway_e1_crowd",
        doc="folder of models/barriers/, or path of a safetensors file with its certificate",
    )
    allow_uncertified: bool = quantity(
        False, doc="accept a barrier without a matching certificate; every verdict then says so"
    )
    alpha: float = quantity(4.0, unit="1/s", low=0.01, high=100.0, doc="decay of the barrier that is allowed")
    horizon_s: float = quantity(
        0.1, unit="s", low=0.005, high=2.0, doc="time in which the drive turns a command into motion"
    )
    reach_m: float = quantity(6.0, unit="m", low=0.1, high=50.0, doc="people farther away get no row")
    people: int = quantity(3, low=1, high=16, doc="nearest people that get a row")
    sigmas: float = quantity(
        1.0, low=0.0, high=6.0, doc="standard deviations of tracking noise that are covered"
    )
    residual_share: float = quantity(
        0.0, low=0.0, high=1.0, doc="share of the measured bound on the model's error that the rows cover"
    )


@dataclass(frozen=True, slots=True)
class ArcConfig:
    """Everything that decides what the arc does, besides its inputs."""

    robot: str = quantity("segway_e1", doc="robot whose limits apply, a folder of models/")
    rate_hz: float = quantity(200.0, unit="Hz", low=10.0, high=1000.0, doc="tick rate")
    frame_id: str = quantity(FIXED_FRAME, doc="fixed frame in which all inputs must arrive")
    latency_s: float | None = quantity(
        None, unit="s", low=0.0, high=0.5, doc="actuation latency; null takes the robot's measured one"
    )
    walls_sectors: int = quantity(
        60, low=8, high=720, doc="sectors of the lidar scan, nearest return of each"
    )
    max_obstacle_speed_m_s: float = quantity(
        20.0,
        unit="m/s",
        low=0.1,
        high=100.0,
        doc="a tracked thing that seems faster is a fault of the tracker",
    )
    freshness: FreshnessConfig = quantity(FreshnessConfig(), doc="oldest acceptable inputs")
    mode_limits: ModeLimitsConfig = quantity(ModeLimitsConfig(), doc="speed per mode")
    barrier: BarrierConfig = quantity(BarrierConfig(), doc="the stopping barrier")
    learned: LearnedConfig = quantity(LearnedConfig(), doc="the learned barrier beside it")
    arm: ArmConfig = quantity(ArmConfig(), doc="barriers of an arm")
    contact: ContactConfig = quantity(ContactConfig(), doc="an arm in contact")
    walker: WalkerConfig = quantity(WalkerConfig(), doc="a quadruped")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "arc") -> "ArcConfig":
        """Build from a YAML mapping.

        Raises:
            ConfigError: unknown key, wrong type or value out of bounds; the message names it and what is allowed.
        """
        return from_mapping(cls, data, where)

    @property
    def period(self) -> float:
        """Time between two ticks. [s]"""
        return 1.0 / self.rate_hz

    @property
    def longest_solve(self) -> float:
        """Time after which a solution is late; inf for never. [s]"""
        return math.inf if self.barrier.deadline_s is None else self.barrier.deadline_s

    def __post_init__(self) -> None:
        if not math.isfinite(self.rate_hz):
            raise ValueError("rate_hz must be finite")
        if self.freshness.state_s < self.period:
            raise ValueError(
                f"freshness.state_s = {self.freshness.state_s} s is shorter than one period, {self.period} s"
            )
