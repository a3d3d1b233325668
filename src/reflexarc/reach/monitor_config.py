# SPDX-License-Identifier: Apache-2.0
"""Parameters of the plan monitor. Imports no JAX: scenarios and nodes read them."""

from dataclasses import dataclass

from reflexarc.core.config import quantity


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """How plans are judged while the robot drives."""

    enabled: bool = quantity(False, doc="whether plans are judged and the task policy obeys")
    rate_hz: float = quantity(10.0, unit="Hz", low=1.0, high=50.0, doc="judgements per second")
    horizon_s: float = quantity(3.0, unit="s", low=0.5, high=10.0, doc="how far ahead a plan is judged")
    limit: float = quantity(
        0.1, low=1e-4, high=0.5, doc="largest acceptable probability of a contact within the horizon"
    )
    confidence: float = quantity(
        0.95,
        low=0.5,
        high=0.9999,
        doc="confidence of each judgement, over all candidates that it accepts from",
    )
    particles: int = quantity(
        10_000, low=100, high=1_000_000, doc="fresh particles behind every accepted bound"
    )
    screening: int = quantity(500, low=100, high=100_000, doc="particles that only rank candidates")
    finalists: int = quantity(3, low=1, high=45, doc="candidates that get fresh particles, cheapest first")
    threads: int = quantity(1, low=1, high=64, doc="threads that look for contacts")
    clearance_m: float = quantity(0.05, unit="m", low=0.0, high=2.0, doc="distance that counts as a contact")
    position_std_m: float = quantity(
        0.03, unit="m", low=1e-4, high=2.0, doc="of the pose, where odometry says nothing"
    )
    heading_std_rad: float = quantity(
        0.02, unit="rad", low=1e-4, high=1.0, doc="of the heading, where odometry says nothing"
    )
    drift_per_s: float = quantity(
        0.1, unit="1/s", low=0.0, high=0.5, doc="largest unknown drift away from the reference"
    )
    deceleration_m_s2: float = quantity(
        1.0, unit="m/s^2", low=0.1, high=10.0, doc="with which a change of speed is begun"
    )
    max_age_s: float = quantity(
        0.3,
        unit="s",
        low=0.05,
        high=5.0,
        doc="oldest plan, state and obstacles; beyond it the risk is unknown",
    )
    max_obstacle_speed_m_s: float = quantity(
        20.0,
        unit="m/s",
        low=0.1,
        high=100.0,
        doc="a tracked thing that seems faster is a fault of the tracker: the risk is unknown",
    )

    @property
    def plan_s(self) -> float:
        """How far plans reach: beyond the horizon for their age, and where the robot is faster than planned. [s]"""
        return self.horizon_s + 1.25

    @property
    def risk_max_age_s(self) -> float:
        """Age beyond which the task policy counts a judgement as unknown: three periods. [s]"""
        return 3.0 / self.rate_hz
