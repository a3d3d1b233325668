# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0414 - an alias says that a name is given on from here
"""What flows through the stack: state, proposal, command, verdict.

Frames follow REP-105 and units REP-103 (SI; x forward, y left, z up; radians). Positions are in the fixed
frame named by `frame_id` (`odom` unless a scenario says otherwise), body quantities in `base_link`.
All stamps and `now` are seconds of one clock: simulated time in simulation, system time on a robot.
Arrays are stored read-only: a state that was judged is the state that is logged.
"""

import math
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

from reflexarc.core.arm_types import ContactVerdict as ContactVerdict
from reflexarc.core.arm_types import ImpedanceProposal as ImpedanceProposal
from reflexarc.core.arm_types import JointProposal as JointProposal
from reflexarc.core.arm_types import JointState as JointState
from reflexarc.core.arm_types import Spheres as Spheres
from reflexarc.core.arm_types import Wrench as Wrench
from reflexarc.core.arrays import Array as Array
from reflexarc.core.arrays import frozen
from reflexarc.core.walker_types import WalkerState as WalkerState
from reflexarc.core.walker_types import WalkerVerdict as WalkerVerdict

FIXED_FRAME = "odom"


def _body_twist(values: npt.ArrayLike, name: str) -> Array:
    """Return a read-only body velocity: (forward, yaw) of a wheeled base or (forward, left, yaw) of a legged one."""
    array = np.array(values, dtype=np.float64)
    if array.shape not in {(2,), (3,)}:
        raise ValueError(f"{name} must have shape (2,) or (3,), got {array.shape}")
    array.setflags(write=False)
    return array


class Mode(IntEnum):
    """Operating mode set by the supervisor, ordered from most to least permissive."""

    NORMAL = 0
    SPEED_SEPARATION = 1
    POWER_FORCE_LIMITED = 2
    PROTECTIVE_STOP = 3
    EMERGENCY_STOP = 4


class Status(StrEnum):
    """Outcome of one tick; the value is what the operator should know."""

    PASSED = "the proposal went through unchanged"
    FILTERED = "the proposal was changed by at least one stage to keep the margin"
    BACKUP = "no solution could be trusted; the certified backup action was sent"
    NO_PROPOSAL = "there is no fresh, finite proposal; the robot is held at standstill"
    STOPPED = "an input or mode forbids motion; what stops the robot was sent"
    LATCHED = "a fault that needs an acknowledgement stopped the robot; call reset after finding its cause"


@dataclass(frozen=True, slots=True)
class Obstacles:
    """Tracked moving obstacles, modelled as discs of constant velocity with growing uncertainty."""

    stamp: float
    """Time at which the positions hold. [s]"""
    frame_id: str
    """Frame of `position` and `velocity`; the arc refuses any other than the state's."""
    position: Array
    """Centres, shape (n, 2). [m]"""
    velocity: Array
    """Velocities in the fixed frame, shape (n, 2). [m/s]"""
    radius: Array
    """Radii, shape (n,). [m]"""
    position_std: Array
    """Standard deviation of each position coordinate, shape (n,). [m]"""
    velocity_std: Array
    """Standard deviation of each velocity coordinate, shape (n,). [m/s]"""
    ids: tuple[str, ...] = ()
    """Track identities, for logs; empty or one per obstacle."""

    def __post_init__(self) -> None:
        n = len(self.position)
        for name, shape in (
            ("position", (n, 2)),
            ("velocity", (n, 2)),
            ("radius", (n,)),
            ("position_std", (n,)),
            ("velocity_std", (n,)),
        ):
            object.__setattr__(self, name, frozen(getattr(self, name), shape, f"Obstacles.{name}"))
        if self.ids and len(self.ids) != n:
            raise ValueError(
                f"Obstacles.ids must be empty or have one entry per obstacle, got {len(self.ids)} for {n}"
            )

    @classmethod
    def none(cls, stamp: float, frame_id: str = FIXED_FRAME) -> "Obstacles":
        """No moving obstacles, as a measurement made at `stamp` [s]."""
        empty = np.zeros((0, 2))
        return cls(stamp, frame_id, empty, empty, np.zeros(0), np.zeros(0), np.zeros(0))

    def __len__(self) -> int:
        return len(self.radius)


@dataclass(frozen=True, slots=True)
class Walls:
    """Static surroundings as line segments; a lidar return is a segment of zero length."""

    stamp: float
    """Time at which they were seen; `inf` for a map that does not age. [s]"""
    frame_id: str
    """Frame of `segments`."""
    segments: Array
    """End points x1, y1, x2, y2; shape (m, 4). [m]"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", frozen(self.segments, (-1, 4), "Walls.segments"))

    @classmethod
    def none(cls, frame_id: str = FIXED_FRAME) -> "Walls":
        """No static surroundings; never stale."""
        return cls(np.inf, frame_id, np.zeros((0, 4)))

    def __len__(self) -> int:
        return len(self.segments)


@dataclass(frozen=True, slots=True)
class BaseState:
    """Measured state of a planar mobile base and of what surrounds it."""

    stamp: float
    """Time at which `pose` and `twist` were measured. [s]"""
    frame_id: str
    """Fixed frame of `pose`."""
    pose: Array
    """x, y, yaw of base_link in the fixed frame, shape (3,). [m, m, rad]"""
    twist: Array
    """Velocity in base_link: forward and yaw, shape (2,), or of a legged robot forward, left and yaw, shape (3,).
    [m/s, rad/s]"""
    obstacles: Obstacles
    """Moving obstacles, with a stamp of their own."""
    walls: Walls
    """Static surroundings, with a stamp of their own."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pose", frozen(self.pose, (3,), "BaseState.pose"))
        object.__setattr__(self, "twist", _body_twist(self.twist, "BaseState.twist"))


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the task policy wants: a body velocity for the mobile base."""

    stamp: float
    """Time at which the policy decided. [s]"""
    twist: Array
    """Velocity in base_link: forward and yaw, shape (2,), or of a legged robot forward, left and yaw, shape (3,).
    [m/s, rad/s]"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "twist", _body_twist(self.twist, "Proposal.twist"))


@dataclass(frozen=True, slots=True)
class Intervention:
    """One stage's change of the command, and why."""

    stage: str
    """Name of the stage."""
    reason: str
    """Sentence with quantity, value, limit and unit."""
    change: float
    """Norm of the change of the command in the command's own units; mixed units are summed as they are."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of one tick of the reflex arc."""

    now: float
    """Time of the tick. [s]"""
    command: Array
    """What the robot receives: a wheeled base forward and yaw velocity, shape (2,); a legged one forward, left and
    yaw velocity, shape (3,) [m/s, rad/s]; an arm joint velocities [rad/s] or torques [N m], shape (n,); a quadruped
    targets of its joints' positions, shape (12,). [rad]"""
    status: Status
    """Outcome; its value is a sentence."""
    mode: Mode
    """Mode under which the tick ran (a latched fault raises it to PROTECTIVE_STOP)."""
    margin: float
    """Smallest barrier value h over all obstacles and walls at the command; NaN when it was not computed. [m]"""
    slack: float
    """How far the barrier is violated even by the best admissible command, >= 0. [m]"""
    risk: float
    """Critic's estimate of the discounted failure probability; NaN without a critic stage."""
    interventions: tuple[Intervention, ...] = ()
    """Every stage that changed the command, in order."""
    faults: tuple[str, ...] = ()
    """Names from the fault table that were present in this tick."""
    learned_margin: float = math.nan
    """Smallest value V of the learned barrier among the people near, inf with nobody near; of an arm its V(q), -inf
    outside the region it was learned in. NaN without one. [m]"""
    uncertified: bool = False
    """Whether the arc holds a learned barrier without a matching certificate (`learned.allow_uncertified`)."""
    contact: ContactVerdict | None = field(default=None, compare=False)
    """Of an arm in contact whose tick was not stopped before its impedance; its command is compared instead."""
    walker: WalkerVerdict | None = field(default=None, compare=False)
    """Of a quadruped."""
    time_used: float = field(default=0.0, compare=False)
    """Wall time of the tick. [s] Excluded from comparison: a replay has the same verdict at another speed."""
    stage_times: tuple[float, ...] = field(default=(), compare=False)
    """Wall time per stage in the arc's order. [s]"""

    @property
    def intervened(self) -> bool:
        """Whether the command differs from the proposal."""
        return bool(self.interventions)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a task policy means to do next: poses of a reference over time."""

    stamp: float
    """Time of the first pose. [s]"""
    frame_id: str
    """Fixed frame of the poses."""
    time: Array
    """Times after the stamp, from 0 up, shape (k,). [s]"""
    pose: Array
    """x, y, yaw at these times, shape (k, 3). [m, m, rad]"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", frozen(self.time, (-1,), "Plan.time"))
        object.__setattr__(self, "pose", frozen(self.pose, (len(self.time), 3), "Plan.pose"))


@dataclass(frozen=True, slots=True)
class PlanRisk:
    """What is known of a plan's risk, and which change of it is accepted."""

    stamp: float
    """Time of the judgement. [s]"""
    p: float
    """Estimated probability that the plan as it is touches anything within its horizon; NaN where unknown."""
    ci_low: float
    """Lower end of its interval."""
    ci_high: float
    """Upper end."""
    limit: float
    """Largest acceptable upper bound."""
    n: int
    """Trajectories behind the estimate."""
    known: bool
    """False: nothing can be said, which is unsafe."""
    accepted: bool
    """Whether the plan with the two changes below has an upper bound within the limit."""
    upper: float
    """One-sided upper bound of what is accepted, or of the plan as it is."""
    speed_scale: float
    """Share of the planned speed that is accepted; 1 leaves it, 0 where nothing is accepted."""
    lateral_offset: float
    """How far the accepted path lies to the left of the planned one. [m]"""
    reason: str
    """Why unknown, or why not accepted; empty otherwise."""
    seconds: float = field(default=0.0, compare=False)
    """Wall time of the judgement. [s]"""

    @classmethod
    def unknown(cls, stamp: float, limit: float, reason: str, seconds: float = 0.0) -> "PlanRisk":
        """Nothing can be said about the plan, for the reason given."""
        return cls(stamp, math.nan, 0.0, 1.0, limit, 0, False, False, 1.0, 0.0, 0.0, reason, seconds)
