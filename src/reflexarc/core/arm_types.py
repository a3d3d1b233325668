# SPDX-License-Identifier: Apache-2.0
"""What flows through the stack of an arm: joint state with its surroundings, proposals, what its verdict adds.

Units, frames and stamps are those of `types`, which also gives these names.
"""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.arrays import Array, frozen


@dataclass(frozen=True, slots=True)
class Spheres:
    """Tracked things or body parts around an arm: spheres of constant velocity with growing uncertainty."""

    stamp: float
    """Time at which the positions hold. [s]"""
    frame_id: str
    """Frame of `position` and `velocity`; the arc refuses any other than the state's."""
    position: Array
    """Centres, shape (m, 3). [m]"""
    velocity: Array
    """Shape (m, 3). [m/s]"""
    radius: Array
    """Shape (m,). [m]"""
    position_std: Array
    """Standard deviation of each position coordinate, shape (m,). [m]"""
    velocity_std: Array
    """Standard deviation of each velocity coordinate, shape (m,). [m/s]"""

    def __post_init__(self) -> None:
        m = len(self.position)
        for name, shape in (
            ("position", (m, 3)),
            ("velocity", (m, 3)),
            ("radius", (m,)),
            ("position_std", (m,)),
            ("velocity_std", (m,)),
        ):
            object.__setattr__(self, name, frozen(getattr(self, name), shape, f"Spheres.{name}"))

    @classmethod
    def none(cls, stamp: float, frame_id: str) -> "Spheres":
        """Nothing around the arm, as a measurement made at `stamp` [s]."""
        empty = np.zeros((0, 3))
        return cls(stamp, frame_id, empty, empty, np.zeros(0), np.zeros(0), np.zeros(0))

    def __len__(self) -> int:
        return len(self.radius)


@dataclass(frozen=True, slots=True)
class Wrench:
    """What the surroundings exert on an arm's tool, its own weight taken out, about the tool's tip."""

    stamp: float
    """Time of the measurement. [s]"""
    frame_id: str
    """Frame whose axes `force` and `torque` are given in; the arc refuses any other than the state's."""
    force: Array
    """Shape (3,). [N]"""
    torque: Array
    """Shape (3,). [N m]"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "force", frozen(self.force, (3,), "Wrench.force"))
        object.__setattr__(self, "torque", frozen(self.torque, (3,), "Wrench.torque"))


@dataclass(frozen=True, slots=True)
class JointState:
    """Measured state of an arm and of what surrounds it."""

    stamp: float
    """Time at which positions and velocities were measured. [s]"""
    frame_id: str
    """Frame of the arm's base, in which obstacles must arrive."""
    joints: tuple[str, ...]
    """Names, in the order of the arrays; the arc refuses any other than its arm's."""
    position: Array
    """Shape (n,). [rad]"""
    velocity: Array
    """Shape (n,). [rad/s]"""
    obstacles: Spheres
    """With a stamp of their own."""
    wrench: Wrench | None = None
    """With a stamp of its own; None of an arm without a force sensor."""

    def __post_init__(self) -> None:
        n = len(self.joints)
        object.__setattr__(self, "position", frozen(self.position, (n,), "JointState.position"))
        object.__setattr__(self, "velocity", frozen(self.velocity, (n,), "JointState.velocity"))


@dataclass(frozen=True, slots=True)
class JointProposal:
    """What the task policy wants of an arm, or of a quadruped at the level of its joints."""

    stamp: float
    """Time at which the policy decided. [s]"""
    joints: tuple[str, ...]
    """Names, in the order of `target`."""
    target: Array
    """Joint velocities [rad/s] or torques [N m], by the arc's `arm.command`; of a quadruped joint positions [rad];
    shape (n,)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", frozen(self.target, (len(self.joints),), "JointProposal.target"))


@dataclass(frozen=True, slots=True)
class ImpedanceProposal:
    """What the task policy wants of an arm in contact: where its tool's tip shall be drawn to, and how stiffly."""

    stamp: float
    """Time at which the policy decided. [s]"""
    frame_id: str
    """Frame of `target` and of the axes of `stiffness`; the arc refuses any other than the state's."""
    target: Array
    """Goal of the tool's tip, shape (3,). [m]"""
    stiffness: Array
    """Symmetric and positive definite, shape (3, 3). [N/m]"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", frozen(self.target, (3,), "ImpedanceProposal.target"))
        object.__setattr__(self, "stiffness", frozen(self.stiffness, (3, 3), "ImpedanceProposal.stiffness"))


@dataclass(frozen=True, slots=True)
class ContactVerdict:
    """What an arm in contact does in one tick. Frames as in the state; arrays are read-only."""

    tip: Array
    """Place of the tool's tip, shape (3,). [m]"""
    velocity: Array
    """Of the tip, shape (3,). [m/s]"""
    force: Array
    """Measured on the tip, shape (3,). [N]"""
    reference: Array
    """Where the spring draws the tip to, shape (3,). [m]"""
    stiffness: Array
    """Of the spring, shape (3, 3). [N/m]"""
    push: float
    """Norm of the force that spring and moving reference put on the tip. [N]"""
    peak: float
    """Force that touching a surface now would lead to at most, by the force barrier; NaN without it. [N]"""
    braking: float
    """Extra damping by the force barrier. [N s/m]"""
    tank: float
    """Energy in the tank. [J]"""
    underflows: int
    """How often the tank ran empty; must be 0."""
    reflex: str
    """Who gave the action that is going on: empty for the task policy, `recovery` or the name of a rule."""
    reflexes: int
    """Actions of the task policy that were refused since the arc's reset."""
