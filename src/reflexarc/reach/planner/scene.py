# SPDX-License-Identifier: Apache-2.0
r"""Scenes of the planning study: a workspace, a start, a goal, random obstacles, a belief about the tracking error.

Two cases, after Meng et al. (NFM 2022): a car on a road with discs, and a hovercraft in a hall with spheres. The
generator is fully described by `Case`: obstacles are drawn uniformly in the workspace, those too close to the start
or to the goal are drawn again, and a scene is kept if a route with the clearance `Case.passable` exists on a grid.
How well the robot is localised differs between missions: the standard deviations of the belief are drawn per scene.

    e_0 ~ N(0, diag(std^2)) cut at 3 std per coordinate,   a ~ U[0, drift],   independent

The obstacles do not depend on any planner; every method gets the same scenes.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import ndtr, ndtri

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Array

CUT = 3.0
"""Standard deviations at which the belief about the error is cut: worst cases need a bounded support."""


class Limits(NamedTuple):
    """What a reference may ask for."""

    slowest: float
    """[m/s]"""
    cruise: float
    """Preferred speed. [m/s]"""
    fastest: float
    """[m/s]"""
    turn_rate: float
    """[rad/s]"""
    curvature: float
    """Of the path; 1 / smallest turning radius. [1/m]"""
    climb: float
    """[m/s]; 0 on the ground."""
    change: float
    """Largest change of speed from one segment to the next. [m/s]"""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that the generator of one case draws from."""

    name: str
    dimension: int
    """2 on the ground, 3 in the air."""
    limits: Limits
    size: tuple[float, ...]
    """Workspace [0, size], per axis. [m]"""
    robot: float
    """Radius of the robot. [m]"""
    count: tuple[int, int]
    """Fewest and most obstacles."""
    radius: tuple[float, float]
    """Smallest and largest radius of an obstacle. [m]"""
    start_room: float
    """Clearance around start and goal. [m]"""
    passable: float
    """Clearance of the route that must exist. [m]"""
    error_std: tuple[tuple[float, float], ...]
    """Range of the standard deviation of each tracking error, in the order of the system's state. [m] or [rad]"""
    drift: tuple[float, float]
    """Range of the largest drift gain. [1/s]"""
    drifts: int
    """Number of drift gains, each uniform on [0, its largest]; they follow the errors in the state."""
    goal_radius: float = 0.5
    """A robot this close to the goal has arrived. [m]"""


DRIVING = Case(
    name="driving",
    dimension=2,
    limits=Limits(0.4, 1.0, 1.4, 1.5, 2.0, 0.0, 0.6),
    size=(12.0, 6.0),
    robot=0.25,
    count=(1, 18),
    radius=(0.3, 0.8),
    start_room=1.0,
    passable=0.05,
    error_std=((0.03, 0.15), (0.03, 0.15), (0.01, 0.06)),
    drift=(0.1, 0.5),
    drifts=1,
)
HOVERCRAFT = Case(
    name="hovercraft",
    dimension=3,
    limits=Limits(0.4, 1.0, 1.4, 1.5, 2.0, 0.5, 0.6),
    size=(12.0, 5.0, 3.0),
    robot=0.25,
    count=(10, 60),
    radius=(0.3, 0.9),
    start_room=1.0,
    passable=0.05,
    error_std=((0.03, 0.18), (0.03, 0.18), (0.01, 0.08), (0.03, 0.18)),
    drift=(0.2, 0.95),
    drifts=2,
)
CASES = {case.name: case for case in (DRIVING, HOVERCRAFT)}


class Belief(Protocol):
    """What is known of the tracking error at the start of a mission."""

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Independent draws of the system's state, shape (count, n)."""
        ...


@dataclass(frozen=True, slots=True)
class TrackingBelief:
    """Independent cut Gaussians for the errors, uniform drift gains: what a planner knows of the robot."""

    std: Array
    """Of each error, shape (n_e,)."""
    drift: Array
    """Largest of each drift gain, shape (n_a,). [1/s]"""

    @property
    def n(self) -> int:
        """Size of the state."""
        return len(self.std) + len(self.drift)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Independent draws, shape (count, n)."""
        level = ndtr(-CUT)
        errors = ndtri(rng.uniform(level, 1.0 - level, (count, len(self.std)))) * self.std
        return np.hstack([errors, rng.uniform(0.0, 1.0, (count, len(self.drift))) * self.drift])

    def corners(self) -> Array:
        """Corners of the support, shape (2^n, n)."""
        low = np.concatenate([-CUT * self.std, np.zeros(len(self.drift))])
        high = np.concatenate([CUT * self.std, self.drift])
        bits = (np.arange(2**self.n)[:, None] >> np.arange(self.n)) & 1
        return np.where(bits == 1, high, low)


@dataclass(frozen=True, slots=True)
class Scene:
    """One mission."""

    case: Case
    seed: int
    start: Array
    """Pose (x, y, z, theta), shape (4,)."""
    goal: Array
    """Position, shape (3,). [m]"""
    centre: Array
    """Of the obstacles, shape (m, 3). [m]"""
    radius: Array
    """Of the obstacles, without the robot's, shape (m,). [m]"""
    belief: Belief
    velocity: Array | None = None
    """Of the obstacles, shape (m, 3); None stands still. [m/s]"""
    position_std: Array | None = None
    """Uncertainty of their centres, per coordinate, shape (m,); None is exact. On the ground only. [m]"""
    velocity_std: Array | None = None
    """Uncertainty of their velocities, shape (m,); None is exact. On the ground only. [m/s]"""

    def centre_at(self, t: float | Array) -> Array:
        """Centres of the obstacles at time(s) t of the mission, (...,) [s] -> (..., m, 3) [m]."""
        if self.velocity is None:
            return np.broadcast_to(self.centre, (*np.shape(t), *self.centre.shape))
        return self.centre + np.asarray(t)[..., None, None] * self.velocity

    def clearance(self, position: Array, t: float | Array = 0.0) -> Array:
        """Distance of the robot's hull to the nearest obstacle or to the edge of the workspace, [m].

        Args:
            position: of the robot's centre, shape (..., 3).
            t: of the mission, a number or shape (...,). [s]
        """
        axes = range(self.case.dimension)
        edge = np.min(
            [np.minimum(position[..., i], self.case.size[i] - position[..., i]) for i in axes], axis=0
        )
        if len(self.radius):
            offset = np.linalg.norm(position[..., None, :] - self.centre_at(t), axis=-1) - self.radius
            edge = np.minimum(edge, offset.min(axis=-1))
        return edge - self.case.robot


def generate(case: Case | str, seed: int) -> Scene:
    """Draw the scene of a seed; equal seeds give equal scenes.

    Raises:
        UnknownNameError: no such case.
        ConfigError: a thousand draws held no passable scene.
    """
    from reflexarc.reach.planner.route import find_route  # noqa: PLC0415 - routes are searched in scenes

    if isinstance(case, str):
        if case not in CASES:
            raise UnknownNameError("planning case", case, CASES)
        case = CASES[case]
    rng = np.random.default_rng([seed, case.dimension])
    for _ in range(1000):
        scene = _draw(case, seed, rng)
        if find_route(scene, case.passable, strict=True) is not None:
            return scene
    raise ConfigError(f"{case.name}: no scene of 1000 had a route with {case.passable:g} m clearance")


def _draw(case: Case, seed: int, rng: np.random.Generator) -> Scene:
    size = np.array([*case.size, 0.0][:3])
    room = case.robot + case.start_room
    start, goal = np.zeros(3), np.zeros(3)
    for point, x in ((start, room), (goal, case.size[0] - room)):
        point[0] = x
        point[1 : case.dimension] = rng.uniform(room, size[1 : case.dimension] - room)
    count = rng.integers(case.count[0], case.count[1] + 1)
    centre, radius = np.zeros((count, 3)), rng.uniform(*case.radius, count)
    for k in range(count):
        while True:
            centre[k, : case.dimension] = rng.uniform(0.0, size[: case.dimension])
            distance = min(np.linalg.norm(centre[k] - start), np.linalg.norm(centre[k] - goal))
            if distance >= radius[k] + room:
                break
    std = np.array([rng.uniform(low, high) for low, high in case.error_std])
    drift = rng.uniform(*case.drift, case.drifts)
    return Scene(case, seed, np.append(start, 0.0), goal, centre, radius, TrackingBelief(std, drift))
