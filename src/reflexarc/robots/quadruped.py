# SPDX-License-Identifier: Apache-2.0
"""Parameters of a quadruped whose four legs are mirror images: models/<name>/quadruped.yaml."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reflexarc.core.config import from_mapping, quantity, read_yaml
from reflexarc.core.errors import UnknownNameError
from reflexarc.core.paths import KINDS, models_dir
from reflexarc.core.types import Array

FILE = KINDS["quadruped"]
LEGS = ("FL", "FR", "RL", "RR")
"""Front left, front right, rear left, rear right: the order of joints everywhere."""
SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1))
"""Of each leg: fore or aft, left or right."""
JOINTS = ("hip", "thigh", "calf")
JOINT_NAMES = tuple(f"{leg}_{joint}_joint" for leg in LEGS for joint in JOINTS)
"""As in the manufacturer's descriptions, in the order of every array of joints."""

Three = tuple[float, float, float]


@dataclass(frozen=True)
class Link:
    """A rigid link."""

    mass: float = quantity(unit="kg", low=1e-4, high=1e3, doc="mass")
    com: Three = quantity(unit="m", low=-10.0, high=10.0, doc="centre of mass in the link's frame")
    inertia: tuple[float, float, float, float, float, float] = quantity(
        unit="kg m^2", low=-1e3, high=1e3, doc="about the centre of mass: xx, yy, zz, xy, xz, yz"
    )

    def __post_init__(self) -> None:
        moments = np.linalg.eigvalsh(self.matrix)
        if not (moments > 0.0).all() or moments[2] > moments[0] + moments[1]:
            raise ValueError(f"an inertia with the principal moments {moments} is not that of any body")

    @property
    def matrix(self) -> Array:
        """Inertia about the centre of mass, shape (3, 3). [kg m^2]"""
        xx, yy, zz, xy, xz, yz = self.inertia
        return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


@dataclass(frozen=True)
class Quadruped:
    """Four legs of three joints each: hip (about x), thigh and calf (about y); at zero the legs are stretched down."""

    name: str = quantity(doc="of the robot")
    description: str = quantity(doc="one line")
    trunk: Link = quantity(doc="without rotors")
    trunk_size: Three = quantity(unit="m", low=0.01, high=10.0, doc="box: length, width, height")
    hip: Link = quantity(doc="front left, without rotors")
    thigh: Link = quantity(doc="front left, without rotors")
    calf: Link = quantity(doc="without the foot")
    foot_mass: float = quantity(unit="kg", low=0.0, high=10.0, doc="of one foot, a sphere")
    foot_radius: float = quantity(unit="m", low=0.001, high=0.5, doc="of one foot")
    hip_at: tuple[float, float] = quantity(
        unit="m", low=0.0, high=10.0, doc="x and y of the front left hip in the trunk"
    )
    thigh_offset: float = quantity(unit="m", low=0.0, high=1.0, doc="y of the thigh in the hip")
    thigh_length: float = quantity(unit="m", low=0.01, high=2.0, doc="from the thigh's joint to the calf's")
    calf_length: float = quantity(unit="m", low=0.01, high=2.0, doc="from the calf's joint to the foot")
    rotor_mass: float = quantity(
        unit="kg", low=0.0, high=10.0, doc="of one motor's rotor, counted as a point"
    )
    hip_rotor_at: tuple[float, float] = quantity(
        unit="m", low=0.0, high=10.0, doc="x and y of the hip's rotor in the trunk"
    )
    thigh_rotor_offset: float = quantity(
        unit="m", low=-1.0, high=1.0, doc="y of the thigh's rotor in the hip"
    )
    calf_rotor_offset: float = quantity(
        unit="m", low=-1.0, high=1.0, doc="y of the calf's rotor in the thigh"
    )
    lower: Three = quantity(unit="rad", low=-10.0, high=10.0, doc="least hip, thigh, calf")
    upper: Three = quantity(unit="rad", low=-10.0, high=10.0, doc="largest hip, thigh, calf")
    torque: Three = quantity(unit="N m", low=0.1, high=1e4, doc="largest torque of hip, thigh, calf")
    armature: Three = quantity(unit="kg m^2", low=0.0, high=10.0, doc="inertia of the rotors at the joints")
    joint_friction: float = quantity(unit="N m", low=0.0, high=100.0, doc="dry friction of a joint")
    kp: float = quantity(unit="N m/rad", low=0.1, high=1e4, doc="gain on the error of position")
    kd: float = quantity(unit="N m s/rad", low=0.0, high=1e3, doc="gain on velocity")
    action_scale: float = quantity(
        unit="rad", low=0.001, high=3.0, doc="shift of a joint's target per action"
    )
    stance: Three = quantity(unit="rad", low=-10.0, high=10.0, doc="hip, thigh, calf when it stands")
    crouch: Three = quantity(
        unit="rad",
        low=-10.0,
        high=10.0,
        doc="hip, thigh, calf that a robot is brought to that knows no state",
    )

    def __post_init__(self) -> None:
        for what, pose in (("stance", self.stance), ("crouch", self.crouch)):
            for name, low, at, high in zip(JOINTS, self.lower, pose, self.upper, strict=True):
                if not low <= at <= high:
                    raise ValueError(f"{what} of the {name}: {at} rad is not within {low} to {high} rad")

    @property
    def mass(self) -> float:
        """Of the whole robot. [kg]"""
        leg = self.hip.mass + self.thigh.mass + self.calf.mass + self.foot_mass + 3.0 * self.rotor_mass
        return self.trunk.mass + 4.0 * leg

    @property
    def height(self) -> float:
        """Of the trunk's origin above the ground, in the stance with the hips level. [m]"""
        _, thigh, calf = self.stance
        return (
            self.thigh_length * math.cos(thigh) + self.calf_length * math.cos(thigh + calf) + self.foot_radius
        )


def quadrupeds() -> dict[str, Path]:
    """Return the files of all quadrupeds by name."""
    return {path.parent.name: path for path in sorted(models_dir().glob(f"*/{FILE}"))}


def load_quadruped(name: str) -> Quadruped:
    """Return a quadruped of models/ by name.

    Raises:
        UnknownNameError: no such quadruped.
        ConfigError: its file is damaged.
    """
    found = quadrupeds()
    if name not in found:
        raise UnknownNameError("quadruped", name, found)
    return from_mapping(Quadruped, read_yaml(found[name]), str(found[name]))
