# SPDX-License-Identifier: Apache-2.0
"""Parameters of a quadruped's arc; used where `robot` is a quadruped."""

from dataclasses import dataclass

from reflexarc.core.config import quantity
from reflexarc.walking.recovery import RULES


@dataclass(frozen=True, slots=True)
class WalkerConfig:
    """Critic and reflex, what stops the robot, limits of targets, and what a state may look like."""

    # Critic and reflex.
    critic: bool = quantity(True, doc="whether critic and reflex act; only a study switches them off")
    fall: str = quantity(
        "", doc="file of the critic, under models/ or a path; needed where the critic is switched on"
    )
    recovery: str = quantity(
        "",
        doc="file of the recovery policy, which walks as it is told; empty: the robot crouches instead",
    )
    rule: str = quantity(
        "along",
        choices=RULES,
        doc="what a reflex tells it: to go along with the trunk's own velocity, or to stand",
    )
    brake_s: float = quantity(
        1.0,
        unit="s",
        low=0.0,
        high=10.0,
        doc="in which a robot that is stopped comes to rest, then it stands",
    )
    threshold: float | None = quantity(
        None, low=0.0, high=1.0, doc="risk above which the reflex takes over; null: as it was calibrated"
    )
    release: float = quantity(
        0.5, low=0.0, high=1.0, doc="share of the threshold below which the task policy goes on"
    )
    dwell_s: float = quantity(0.3, unit="s", low=0.0, high=10.0, doc="a reflex lasts for so long at least")

    # Limits of the targets.
    target_step_rad: float = quantity(
        0.6, unit="rad", low=0.001, high=10.0, doc="largest change of a joint's target from tick to tick"
    )

    # What a state may look like.
    joint_rate_rad_s: float = quantity(
        50.0, unit="rad/s", low=1.0, high=1000.0, doc="a joint that seems faster is a fault of its encoder"
    )
    joint_beyond_rad: float = quantity(
        0.2, unit="rad", low=0.0, high=3.0, doc="a joint that seems farther out of its range likewise"
    )
    rate_rad_s: float = quantity(
        20.0, unit="rad/s", low=1.0, high=200.0, doc="a trunk that seems to turn faster is a fault"
    )
    speed_m_s: float = quantity(
        8.0, unit="m/s", low=0.5, high=100.0, doc="a trunk that seems to move faster is a fault"
    )
    norm_error: float = quantity(
        0.01, low=1e-6, high=0.5, doc="a quaternion whose norm is farther from 1 is a fault"
    )
