# SPDX-License-Identifier: Apache-2.0
"""The plant protocol: whatever executes a command and returns a state (MuJoCo, Isaac Sim, a real robot)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reflexarc.core.types import Array, BaseState


class ContactClass(StrEnum):
    """What the robot touched."""

    PEDESTRIAN = "pedestrian"
    BUILDING = "building"
    BOLLARD = "bollard"
    TRASH_BIN = "trash_bin"
    MAILBOX = "mailbox"
    KERB = "kerb"
    ROBOT = "robot"


@dataclass(frozen=True, slots=True)
class ContactEvent:
    """One contact episode between the robot and something else, reported when it ends.

    Touches of the same partner that are less than 0.25 s apart belong to one episode.
    """

    start: float
    """First touch. [s]"""
    end: float
    """Last touch. [s]"""
    contact_class: ContactClass
    partner: str
    """Name of the body that was touched."""
    impulse: float
    """Norm of the contact impulse vector summed over the episode. [N s]"""
    peak_force: float
    """Largest normal force. [N]"""
    delta_v: float
    """Largest change of the partner's velocity during the episode, measured on its body; 0 for fixed partners. [m/s]"""
    robot_speed: float
    """Speed of base_link at the first touch; decides whether the robot was moving (> 0.1 m/s). [m/s]"""
    position: tuple[float, float]
    """Where, in the fixed frame. [m]"""


@dataclass(frozen=True, slots=True)
class CargoEvent:
    """Pieces of cargo left the bay."""

    stamp: float
    """[s]"""
    lost: int
    """Pieces lost so far in this run."""
    total: int
    """Pieces at the start."""


@dataclass(frozen=True, slots=True)
class RolloverEvent:
    """The robot's tilt exceeded the limit."""

    stamp: float
    """[s]"""
    tilt: float
    """Angle between the body's z axis and the vertical. [rad]"""


PlantEvent = ContactEvent | CargoEvent | RolloverEvent


@dataclass(frozen=True, slots=True)
class Scan:
    """Planar lidar scan, in the sense of sensor_msgs/LaserScan."""

    stamp: float
    """[s]"""
    angle_min: float
    """Bearing of the first ray in the sensor's frame, counter-clockwise from x. [rad]"""
    angle_increment: float
    """[rad]"""
    range_min: float
    """[m]"""
    range_max: float
    """[m]"""
    ranges: Array
    """Distance per ray; inf where nothing was hit. [m]"""


class Plant(Protocol):
    """A plant for a mobile base, stepped in lock-step by its caller."""

    step_period: float
    """Time that one `step` advances. [s]"""

    @property
    def time(self) -> float:
        """Plant time since reset. [s]"""
        ...

    def reset(self, seed: int) -> BaseState:
        """Start a new run; everything random derives from `seed`, so equal seeds give equal bytes."""
        ...

    def step(self, command: Array) -> tuple[BaseState, tuple[PlantEvent, ...]]:
        """Apply `command` (forward and yaw velocity [m/s, rad/s]) for one `step_period`.

        Raises:
            PlantError: the simulation diverged or the robot stopped answering.
            ValueError: the command is not finite (a plant never receives one from the arc).
        """
        ...

    def close(self) -> None:
        """Release windows, files and processes."""
        ...
