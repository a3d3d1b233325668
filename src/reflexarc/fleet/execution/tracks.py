# SPDX-License-Identifier: Apache-2.0
"""Where every robot is meant to be when: the timed tracks that execution starts from.

A track is a polyline with a time at each of its points. Between two points the robot moves uniformly; equal points one
after the other are a wait. Before its first time it stands at its first point, after its last at its last.
"""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.graph import Graph
from reflexarc.fleet.plan import FleetPlan, Path_


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A timed polyline of n >= 1 points."""

    points: Array
    """Shape (n, 2). [m]"""
    times: Array
    """Strictly increasing, shape (n,). [s]"""
    vertices: tuple[int, ...]
    """Vertex of the graph at each point, -1 for a point between two of them."""

    def __post_init__(self) -> None:
        n = len(self.times)
        if n < 1 or self.points.shape != (n, 2) or len(self.vertices) != n:
            raise ConfigError(
                f"a track needs as many points (n, 2) and vertices as times, n >= 1; got {self.points.shape}, "
                f"{len(self.vertices)} and {n}"
            )
        if not (np.isfinite(self.points).all() and np.isfinite(self.times).all()):
            raise ConfigError("points and times of a track must be finite")
        if (np.diff(self.times) <= 0.0).any():
            raise ConfigError("the times of a track must increase strictly")

    @property
    def lengths(self) -> Array:
        """Way driven up to each point, shape (n,). [m]"""
        return np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(self.points, axis=0).T))))

    @property
    def arrival(self) -> float:
        """Time at which it reaches its last point for good. [s]"""
        moved = np.flatnonzero(np.diff(self.points, axis=0).any(axis=1))
        return float(self.times[moved[-1] + 1] if len(moved) else self.times[0])

    def at(self, time: float) -> Array:
        """Return where the robot is meant to be, shape (2,). [m]"""
        return np.array([np.interp(time, self.times, self.points[:, k]) for k in (0, 1)])

    def due(self, length: float) -> float:
        """Return the last time at which the robot is meant to be so far along its way [m]; inf at the end. [s]"""
        lengths = self.lengths
        if length >= lengths[-1] - 1e-9:
            return np.inf
        k = int(np.searchsorted(lengths, length + 1e-9, side="right")) - 1
        share = (length - lengths[k]) / (lengths[k + 1] - lengths[k])
        return float(self.times[k] + max(share, 0.0) * (self.times[k + 1] - self.times[k]))


def track_of_path(graph: Graph, path: Path_, start: float = 0.0) -> Track:
    """Return the track of a timed path of vertices, shifted by `start` [s]."""
    vertices = tuple(int(v) for v, _ in path)
    times = np.array([t for _, t in path], dtype=np.float64) + start
    return Track(graph.positions[list(vertices)].astype(np.float64), times, vertices)


def tracks_of(plan: FleetPlan) -> tuple[Track, ...]:
    """Return one track per agent of a plan in steps (one step is one second) or in continuous time.

    Raises:
        ConfigError: there is no plan.
    """
    if not plan.solved:
        raise ConfigError(f"there is nothing to execute: {plan.status or 'the instance was not solved'}")
    return tuple(track_of_path(plan.instance.graph, path) for path in plan.paths)


def standing(point: Array, vertex: int, time: float) -> Track:
    """Return the track of a robot that stands at a point [m] from a time [s] on."""
    return Track(np.array(point, dtype=np.float64).reshape(1, 2), np.array([time]), (vertex,))


def joined(first: Track, second: Track) -> Track:
    """Return `first` followed by `second`, which begins where `first` ends and not before."""
    if not np.allclose(first.points[-1], second.points[0], atol=1e-6):
        raise ConfigError(f"a track that ends at {first.points[-1]} cannot go on at {second.points[0]}")
    skip = 1 if second.times[0] <= first.times[-1] + 1e-12 else 0
    return Track(
        np.vstack((first.points, second.points[skip:])),
        np.concatenate((first.times, second.times[skip:])),
        (*first.vertices, *second.vertices[skip:]),
    )


def simplified(track: Track) -> Track:
    """Return the track without points that lie within a uniform motion between two others; vertices stay."""
    kept = [0]
    for k in range(1, len(track.times) - 1):
        if track.vertices[k] >= 0 or not _uniform(track, kept[-1], k, k + 1):
            kept.append(k)
    if len(track.times) > 1:
        kept.append(len(track.times) - 1)
    return Track(track.points[kept], track.times[kept], tuple(track.vertices[k] for k in kept))


def _uniform(track: Track, a: int, b: int, c: int) -> bool:
    share = (track.times[b] - track.times[a]) / (track.times[c] - track.times[a])
    between = track.points[a] + share * (track.points[c] - track.points[a])
    return bool(np.abs(between - track.points[b]).max() < 1e-6)
