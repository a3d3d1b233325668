# SPDX-License-Identifier: Apache-2.0
"""What a plan must not touch, and the robot's footprint.

Positions are in one fixed frame, lengths in metres, times in seconds. Tracked obstacles are discs that keep their
velocity; where each is and how fast it goes is normal around the track's estimate. Every particle meets its own draw
of every disc, so the share of particles that touch anything is the probability of the union, without a sum of
per-obstacle or per-step probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array, Obstacles

BLOCK = 512
"""Particles that the contact kernel handles together; the draws carry bounds per block."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """The robot's outline: a disc, or a rectangle around its position with rounded corners of the disc's radius."""

    radius: float = 0.0
    """[m]"""
    position: tuple[int, int] = (0, 1)
    """Indices of the state's coordinates that are x and y."""
    heading: int | None = None
    """Index of the yaw [rad]; needed for a rectangle."""
    half_length: float = 0.0
    """Along the heading, without the rounding. [m]"""
    half_width: float = 0.0
    """Across the heading, without the rounding. [m]"""

    def __post_init__(self) -> None:
        sizes = (self.radius, self.half_length, self.half_width)
        if not all(0.0 <= size < np.inf for size in sizes):
            raise ConfigError(
                f"footprint: radius, half length and half width must be >= 0 m and finite, got {sizes}"
            )
        if self.heading is None and (self.half_length or self.half_width):
            raise ConfigError("footprint: a rectangle needs the index of the heading in the state")


@dataclass(frozen=True, slots=True)
class Discs:
    """Moving discs, as they are at time 0 of the trajectories."""

    centre: Array
    """Shape (m, 2). [m]"""
    radius: Array
    """Shape (m,). [m]"""
    velocity: Array | None = None
    """Shape (m, 2); None stands still. [m/s]"""
    position_std: Array | None = None
    """Standard deviation of each coordinate of the centre, shape (m,); None is exact. [m]"""
    velocity_std: Array | None = None
    """Standard deviation of each coordinate of the velocity, shape (m,); None is exact. [m/s]"""

    def __post_init__(self) -> None:
        m = len(np.atleast_1d(self.radius))
        for name, shape in (
            ("centre", (m, 2)),
            ("radius", (m,)),
            ("velocity", (m, 2)),
            ("position_std", (m,)),
            ("velocity_std", (m,)),
        ):
            value = getattr(self, name)
            value = np.zeros(shape) if value is None else value
            object.__setattr__(self, name, _checked(value, shape, f"discs: {name}", name not in _SIGNED))

    @classmethod
    def tracked(cls, tracks: Obstacles) -> "Discs":
        """Return the tracked obstacles; time 0 is the tracks' stamp."""
        return cls(tracks.position, tracks.radius, tracks.velocity, tracks.position_std, tracks.velocity_std)

    def spread(self, normals: npt.NDArray) -> npt.NDArray:
        """Return draws x, y, v_x, v_y of every disc from standard normals, both of shape (m, ..., 4, count)."""
        mean, std = (part[0].astype(normals.dtype) for part in _moments([self]))
        shape = (len(mean), *(1,) * (normals.ndim - 3), 4, 1)
        return normals * std.reshape(shape) + mean.reshape(shape)


_SIGNED = ("centre", "velocity")


@dataclass(frozen=True, slots=True)
class Segments:
    """Walls."""

    ends: Array
    """x1, y1, x2, y2; shape (m, 4). [m]"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", _checked(self.ends, (len(self.ends), 4), "segments: ends"))


@dataclass(frozen=True, slots=True)
class HalfSpaces:
    """Forbidden half-planes: touched where normal . position >= offset."""

    normal: Array
    """Pointing into the forbidden side, of any length, shape (m, 2)."""
    offset: Array
    """In the normal's scale, shape (m,)."""

    def __post_init__(self) -> None:
        normal = _checked(self.normal, (len(self.normal), 2), "half-spaces: normal")
        offset = _checked(self.offset, (len(normal),), "half-spaces: offset")
        length = np.linalg.norm(normal, axis=1)
        if not (length > 0.0).all():
            raise ConfigError("half-spaces: a normal of length 0 has no side")
        object.__setattr__(self, "normal", normal / length[:, None])
        object.__setattr__(self, "offset", offset / length)


@dataclass(frozen=True, slots=True)
class Boxes:
    """Forbidden boxes in any coordinates of the state; the footprint plays no part, an end may be infinite."""

    low: Array
    """Lower corners, shape (m, d)."""
    high: Array
    """Upper corners, shape (m, d)."""
    coordinates: tuple[int, ...] = (0, 1)
    """Indices of the d coordinates."""

    def __post_init__(self) -> None:
        low, high = np.atleast_2d(np.asarray(self.low, float)), np.atleast_2d(np.asarray(self.high, float))
        if low.shape != high.shape or low.shape[1] != len(self.coordinates):
            raise ConfigError(
                f"boxes: corners of shapes {low.shape} and {high.shape} for {len(self.coordinates)} coordinates; "
                "both must be (boxes, coordinates)"
            )
        if not (low <= high).all():  # also catches NaN
            box, axis = np.argwhere(~(low <= high))[0]
            raise ConfigError(
                f"boxes: lower bound {low[box, axis]:g} of coordinate {self.coordinates[axis]} is not below its "
                f"upper bound {high[box, axis]:g}"
            )
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)


Obstacle = Discs | Segments | HalfSpaces | Boxes


class Surroundings(NamedTuple):
    """Obstacles in the layout of the contact kernel, with one draw of the discs per particle."""

    draws: npt.NDArray
    """x, y, v_x, v_y of every disc for every particle, shape (m, blocks, 4, BLOCK); past N are spare."""
    bounds: npt.NDArray
    """Smallest and largest of each row of `draws`, shape (m, blocks, 8)."""
    radius: npt.NDArray
    """Of the discs, shape (m,). [m]"""
    walls: npt.NDArray
    """Shape (walls, 4). [m]"""
    planes: npt.NDArray
    """Unit normal and offset, shape (planes, 3)."""
    boxes: tuple[Boxes, ...]
    count: int
    """Number of particles N."""


def surround(
    obstacles: Obstacle | Sequence[Obstacle],
    count: int,
    rng: np.random.Generator,
    dtype: npt.DTypeLike = np.float32,
    normals: npt.NDArray | None = None,
) -> Surroundings:
    """Draw the discs once per particle; many candidates may share the result.

    Args:
        obstacles: any number of any kind.
        count: number of particles N.
        rng: source of the draws.
        dtype: of the trajectories that will be checked.
        normals: standard normals (discs, 4, count) to use in place of draws, discs in the order given.
    """
    parts = [obstacles] if isinstance(obstacles, Obstacle) else list(obstacles)
    discs = [part for part in parts if isinstance(part, Discs)]
    total, blocks = sum(len(part.radius) for part in discs), -(-count // BLOCK)
    if normals is None:
        kind = np.float32 if np.dtype(dtype) == np.float32 else np.float64
        normals = rng.standard_normal((total, blocks, 4, BLOCK), dtype=kind)
    else:
        normals = np.pad(normals, ((0, 0), (0, 0), (0, blocks * BLOCK - count)), mode="edge")
        normals = normals.reshape(total, 4, blocks, BLOCK).transpose(0, 2, 1, 3)
    drawn, bounds = np.empty(normals.shape, dtype), np.empty((total, blocks, 8), dtype)
    mean, std = (np.concatenate([np.zeros((0, 4)), *part]).astype(dtype) for part in _moments(discs))
    _spread(np.ascontiguousarray(normals, dtype), mean, std, drawn, bounds)
    return Surroundings(
        drawn,
        bounds,
        np.concatenate([np.zeros(0), *(part.radius for part in discs)]).astype(dtype),
        np.concatenate([np.zeros((0, 4)), *(p.ends for p in parts if isinstance(p, Segments))]).astype(dtype),
        np.concatenate(
            [np.zeros((0, 3)), *(np.c_[p.normal, p.offset] for p in parts if isinstance(p, HalfSpaces))]
        ).astype(dtype),
        tuple(part for part in parts if isinstance(part, Boxes)),
        count,
    )


def _moments(discs: Sequence[Discs]) -> tuple[list[Array], list[Array]]:
    """Return means and standard deviations of x, y, v_x, v_y, each of shape (m, 4), per group of discs."""
    means = [np.hstack([part.centre, np.asarray(part.velocity)]) for part in discs]
    stds = [
        np.array([part.position_std, part.position_std, part.velocity_std, part.velocity_std]).T
        for part in discs
    ]
    return means, stds


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract", "nnan"})
def _spread(normals, mean, std, drawn, bounds):
    """Scale and shift normals (m, blocks, 4, BLOCK) and write the smallest and largest of every row."""
    for m in range(normals.shape[0]):
        for block in range(normals.shape[1]):
            for row in range(4):
                source, target = normals[m, block, row], drawn[m, block, row]
                factor, offset = std[m, row], mean[m, row]
                low = high = source[0]
                for i in range(BLOCK):
                    target[i] = source[i] * factor + offset
                    low, high = min(low, source[i]), max(high, source[i])
                bounds[m, block, row] = low * factor + offset
                bounds[m, block, 4 + row] = high * factor + offset


def _checked(values: npt.ArrayLike, shape: tuple[int, ...], name: str, positive: bool = False) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ConfigError(f"{name} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all() or (positive and (array < 0.0).any()):
        raise ConfigError(f"{name} must be finite{' and >= 0' if positive else ''}, got {array.tolist()}")
    return array
