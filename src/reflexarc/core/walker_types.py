# SPDX-License-Identifier: Apache-2.0
"""What flows through the stack of a quadruped at the level of its joints; its proposals are `JointProposal`.

Units, frames and stamps are those of `types`, which also gives these names.
"""

from dataclasses import dataclass

from reflexarc.core.arrays import Array, frozen


@dataclass(frozen=True, slots=True)
class WalkerState:
    """Estimated state of a quadruped's trunk, and of its joints as measured."""

    stamp: float
    """Time of the older of both. [s]"""
    frame_id: str
    """Fixed frame of `orientation`."""
    orientation: Array
    """Of base_link in the fixed frame, a quaternion, w first, shape (4,)."""
    velocity: Array
    """Of base_link, in base_link, shape (3,). [m/s]"""
    rate: Array
    """Angular velocity in base_link, shape (3,). [rad/s]"""
    joints: tuple[str, ...]
    """Names, in the order of the arrays; the arc refuses any other than its robot's."""
    position: Array
    """Shape (n,). [rad]"""
    joint_rate: Array
    """Shape (n,). [rad/s]"""

    def __post_init__(self) -> None:
        n = len(self.joints)
        for name, shape in (
            ("orientation", (4,)), ("velocity", (3,)), ("rate", (3,)), ("position", (n,)), ("joint_rate", (n,)),
        ):  # fmt: skip
            object.__setattr__(self, name, frozen(getattr(self, name), shape, f"WalkerState.{name}"))


@dataclass(frozen=True, slots=True)
class WalkerVerdict:
    """What critic and reflex of a quadruped did in one tick."""

    reflex: str
    """Who gave the targets: empty for the task policy, `recovery`, or `crouch`."""
    reflexes: int
    """How often a reflex has taken over since the arc's reset."""
    threshold: float
    """Risk above which it does; NaN without a critic."""
