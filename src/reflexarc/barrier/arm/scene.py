# SPDX-License-Identifier: Apache-2.0
"""What an arm must keep away from, and where its end effector may be. All in the frame of the arm's base, SI units."""

from dataclasses import dataclass, field

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm


@dataclass(frozen=True, slots=True)
class SphereObstacles:
    """Spheres that may move: things, or people as spheres with the separation that they need."""

    position: Array
    """Centres, shape (m, 3). [m]"""
    radius: Array
    """Shape (m,). [m]"""
    velocity: Array
    """Shape (m, 3). [m/s]"""
    clearance: Array
    """Distance to leave, shape (m,): e.g. the separation distance of ISO/TS 15066. [m]"""
    acceleration: float = 0.0
    """Largest acceleration of any of them; enters the sampled-data margin. [m/s^2]"""

    def __len__(self) -> int:
        return len(self.radius)

    @classmethod
    def create(
        cls,
        position: Array,
        radius: Array,
        velocity: Array | None = None,
        clearance: Array | float = 0.0,
        acceleration: float = 0.0,
    ) -> "SphereObstacles":
        """Return checked obstacles.

        Values that are not finite pass here: they come from a sensor, and the filter answers them with its backup.

        Raises:
            ConfigError: shapes that do not fit together.
        """
        position = np.array(position, dtype=float, order="C")
        if position.ndim != 2 or position.shape[1] != 3:
            raise ConfigError(f"obstacle positions must have shape (m, 3), got {position.shape}")
        count = len(position)
        radius = np.array(radius, dtype=float)
        if radius.shape != (count,):
            raise ConfigError(f"obstacle radii must have shape ({count},), got {radius.shape}")
        velocity = np.zeros((count, 3)) if velocity is None else np.array(velocity, dtype=float, order="C")
        if velocity.shape != (count, 3):
            raise ConfigError(f"obstacle velocities must have shape ({count}, 3), got {velocity.shape}")
        wide = np.broadcast_to(np.asarray(clearance, dtype=float), (count,)).copy()
        return cls(position, radius, velocity, wide, float(acceleration))


def no_obstacles() -> SphereObstacles:
    """Return the empty set."""
    return SphereObstacles.create(np.zeros((0, 3)), np.zeros(0))


def _empty_planes() -> Array:
    return np.zeros((0, 4))


@dataclass(frozen=True, slots=True)
class Workspace:
    """What does not change from tick to tick."""

    planes: Array = field(default_factory=_empty_planes)
    """Half-spaces normal . x >= offset that every moving sphere stays in: (n_x, n_y, n_z, offset), shape (k, 4)."""
    box_low: Array | None = None
    """Lower corner for the end effector, shape (3,). [m]"""
    box_high: Array | None = None
    """Upper corner, shape (3,). [m]"""
    self_collision: bool = True
    """Whether the arm's own pairs of spheres are kept apart."""
    manipulability: float | None = None
    """Smallest product of the singular values of the end effector's Jacobian, None for no such row."""

    def __post_init__(self) -> None:
        planes = np.array(self.planes, dtype=float, order="C")
        if planes.ndim != 2 or planes.shape[1] != 4 or not np.isfinite(planes).all():
            raise ConfigError(f"planes must be finite rows (n_x, n_y, n_z, offset), got shape {planes.shape}")
        norms = np.linalg.norm(planes[:, :3], axis=1)
        if (np.abs(norms - 1.0) > 1e-6).any():
            raise ConfigError(f"plane normals must have unit length, got lengths {norms.tolist()}")
        object.__setattr__(self, "planes", planes)
        if (self.box_low is None) != (self.box_high is None):
            raise ConfigError("box_low and box_high must be given together")
        if self.box_low is not None and self.box_high is not None:
            low = np.ascontiguousarray(self.box_low, dtype=float)
            high = np.ascontiguousarray(self.box_high, dtype=float)
            if low.shape != (3,) or high.shape != (3,) or not np.isfinite([low, high]).all():
                raise ConfigError("box_low and box_high must be three finite numbers each")
            if not (low < high).all():
                raise ConfigError(f"box_low {low.tolist()} must lie below box_high {high.tolist()}")
            object.__setattr__(self, "box_low", low)
            object.__setattr__(self, "box_high", high)
        if self.manipulability is not None and not 0.0 < self.manipulability < np.inf:
            raise ConfigError(f"manipulability must be positive, got {self.manipulability}")


def table(height: float) -> Array:
    """Return the half-space z >= height as one row of `Workspace.planes`, shape (1, 4)."""
    return np.array([[0.0, 0.0, 1.0, float(height)]])


def check_call(arm: Arm, most: int, q: Array, dq: Array, target: Array, obstacles: SphereObstacles) -> None:
    """Refuse a call of a filter whose arrays do not belong to `arm`, each of shape (n,).

    Raises:
        ConfigError: a wrong shape, or more than `most` obstacles; the message says what was expected.
    """
    shape = (arm.n,)
    if q.shape != shape or dq.shape != shape or target.shape != shape:
        raise ConfigError(
            f"{arm.name} has {arm.n} joints; q, dq and target have shapes {q.shape}, {dq.shape}, {target.shape}"
        )
    if len(obstacles) > most:
        raise ConfigError(f"{len(obstacles)} obstacles, the filter was built for {most}")
