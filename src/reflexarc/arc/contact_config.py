# SPDX-License-Identifier: Apache-2.0
"""Parameters of an arm in contact; used where `arm.command` is `impedance`."""

from dataclasses import dataclass

from reflexarc.core.config import quantity
from reflexarc.reflex.contact.reflexes import RULES
from reflexarc.reflex.contact.view import DECISION_S


@dataclass(frozen=True, slots=True)
class ContactConfig:
    """Tool, limits, critic and reflex, force barrier, impedance and its tank, checks of the sensors."""

    # Tool.
    tool_length_m: float = quantity(
        0.10, unit="m", low=0.0, high=1.0, doc="from the end effector to the tool's tip, along its z"
    )
    tool_mass_kg: float = quantity(0.05, unit="kg", low=0.0, high=5.0, doc="mass of the tool")

    # Critic and reflex.
    weights: str = quantity(
        "", doc="file of critic and recovery, under models/ or a path; empty: risk and reflex by rule"
    )
    critic: bool = quantity(True, doc="whether critic and reflex act; only a study switches them off")
    rule: str = quantity(
        "soften", choices=RULES, doc="reflex without weights, and where the network's answer is unusable"
    )
    rule_threshold: float = quantity(0.8, low=0.0, high=1.0, doc="risk by rule above which the reflex acts")
    every_s: float | None = quantity(
        None,
        unit="s",
        low=1e-4,
        high=1.0,
        doc="time between two looks of the critic; null: as it was learned",
    )
    decision_s: float = quantity(
        DECISION_S, unit="s", low=0.01, high=2.0, doc="in which the reference gets to the goal of an action"
    )

    # Limits of the force on the tip.
    peak_n: float = quantity(40.0, unit="N", low=1.0, high=500.0, doc="never more than this")
    sustained_n: float = quantity(25.0, unit="N", low=1.0, high=500.0, doc="not more than this for longer")
    sustained_s: float = quantity(0.05, unit="s", low=0.001, high=1.0, doc="than this")

    # Force barrier.
    barrier: bool = quantity(True, doc="whether the force barrier acts; only a study switches it off")
    surface_n_m: float = quantity(
        20e3, unit="N/m", low=100.0, high=1e7, doc="stiffness of the stiffest surface that the tip may meet"
    )
    region: str = quantity(
        "",
        doc="region of a person's body of ISO/TS 15066 that may be met; its limits count where they are lower",
    )
    reserve: float = quantity(
        0.1, low=0.0, high=0.9, doc="share of both limits that is kept back for noise and model errors"
    )
    touching_n: float = quantity(2.0, unit="N", low=0.1, high=50.0, doc="from this force on it is contact")
    braking_n_s_m: float = quantity(
        150.0, unit="N s/m", low=0.0, high=300.0, doc="largest extra damping near the limits"
    )

    # Impedance.
    max_stiffness_n_m: float = quantity(
        2000.0, unit="N/m", low=10.0, high=5000.0, doc="a stiffer proposal is refused"
    )
    least_stiffness_n_m: float = quantity(
        100.0, unit="N/m", low=1.0, high=2000.0, doc="stiffness to begin with after every stop"
    )
    tilt_n_m_rad: float = quantity(
        30.0, unit="N m/rad", low=1.0, high=300.0, doc="stiffness that keeps the tool upright"
    )
    damping_ratio: float = quantity(1.0, low=0.1, high=3.0, doc="of every mode; 1 is critical")
    posture_rad_s: float = quantity(
        3.0, unit="rad/s", low=0.0, high=20.0, doc="natural frequency of the posture in the null space"
    )
    target_range_m: float = quantity(
        1.2, unit="m", low=0.1, high=10.0, doc="a target farther from the base is refused"
    )

    # Energy tank.
    tank_j: float = quantity(2.0, unit="J", low=0.01, high=100.0, doc="energy at the start")
    tank_least_j: float = quantity(0.1, unit="J", low=0.001, high=10.0, doc="below this nothing is granted")
    tank_most_j: float = quantity(4.0, unit="J", low=0.01, high=100.0, doc="most that it holds")
    tank_share: float = quantity(0.95, low=0.0, high=1.0, doc="share of dissipated energy that is kept")
    tank_refill_w: float = quantity(
        1.0,
        unit="W",
        low=0.0,
        high=50.0,
        doc="net power that the arm may bring into its surroundings for good",
    )

    # Sensors.
    wrench_s: float = quantity(0.01, unit="s", low=0.001, high=0.5, doc="oldest wrench")
    frozen_s: float | None = quantity(
        0.05,
        unit="s",
        low=0.002,
        high=10.0,
        doc="a wrench with the same bits for longer is a dead sensor; null for a sensor without noise",
    )
    wrench_range_n: float = quantity(300.0, unit="N", low=10.0, high=1e5, doc="range of the force sensor")
    wrench_range_n_m: float = quantity(50.0, unit="N m", low=1.0, high=1e5, doc="range of its torques")
    tare_s: float | None = quantity(
        None,
        unit="s",
        low=0.01,
        high=5.0,
        doc="after every activation the arm stands still for so long, its tip free, and the mean force is the sensor's "
        "offset; null: the sensor has none",
    )
    tare_most_n: float = quantity(
        5.0,
        unit="N",
        low=0.1,
        high=50.0,
        doc="a larger offset is no offset but contact, or a sensor to be repaired",
    )
    encoder_margin: float = quantity(
        1.5, low=1.0, high=10.0, doc="a joint faster than its limit times this is a jump of its encoder"
    )
    encoder_rad: float = quantity(
        0.001, unit="rad", low=0.0, high=0.1, doc="change between two samples that is never a jump"
    )

    def __post_init__(self) -> None:
        if self.sustained_n > self.peak_n:
            raise ValueError(f"sustained_n = {self.sustained_n} N is above peak_n = {self.peak_n} N")
        if not self.tank_least_j <= self.tank_j <= self.tank_most_j:
            raise ValueError(
                f"tank_least_j <= tank_j <= tank_most_j is needed, got {self.tank_least_j}, {self.tank_j}, "
                f"{self.tank_most_j} J"
            )
        if self.least_stiffness_n_m > self.max_stiffness_n_m:
            raise ValueError("least_stiffness_n_m is above max_stiffness_n_m")
        if self.touching_n >= self.peak_n * (1.0 - self.reserve):
            raise ValueError(f"touching_n = {self.touching_n} N must be below what is left of peak_n")
