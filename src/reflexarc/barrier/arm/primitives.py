# SPDX-License-Identifier: Apache-2.0
r"""Collision rows of an arm's own primitive shapes (cylinders, spheres, boxes) through coal: tighter than spheres.

For a pair of convex shapes with nearest points p_1, p_2 and the unit normal n from the second to the first

    h = distance - clearance,    dh/dq = n^T (J_1(p_1) - J_2(p_2)),    rate = -n . v_obstacle

(negative distance is penetration depth). A broad phase bounds every pair's distance from below by its bounding spheres,
in one compiled pass over all pairs; coal then works through the pairs in the order of their bounds and stops when no
other pair can be among the nearest K: the K nearest pairs are exact, most pairs never reach coal. The rows of those
K are made in one compiled pass over contact points and normals.

The nearest points of shapes with flat faces can jump, where h has a kink: the row is exact at the state, and the
clearance must cover how far the shapes can come nearer in one period.
"""

import bisect
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from reflexarc.barrier.arm.kinematics import build_tree, new_pose, place, project
from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.core.types import Array
from reflexarc.robots.arm import Arm, require_pinocchio

SHAPES = {"sphere": 1, "box": 3, "cylinder": 2, "capsule": 2}
"""Kinds of obstacles and how many numbers give their size: radius; edges; radius and length along z (twice)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A convex obstacle."""

    kind: str
    """One of `SHAPES`."""
    size: tuple[float, ...]
    """Radius, or edge lengths, or radius and length (of a capsule without its caps). [m]"""
    position: Array
    """Centre in the frame of the arm's base, shape (3,). [m]"""
    rotation: Array | None = None
    """Shape (3, 3); None for axes along the base's."""

    def __post_init__(self) -> None:
        if self.kind not in SHAPES:
            raise UnknownNameError("shape", self.kind, SHAPES)
        if len(self.size) != SHAPES[self.kind] or not all(0.0 < s < np.inf for s in self.size):
            raise ConfigError(f"a {self.kind} needs {SHAPES[self.kind]} positive sizes, got {self.size}")
        if np.shape(self.position) != (3,) or not np.isfinite(self.position).all():
            raise ConfigError(f"a shape's position must be three finite numbers, got {self.position}")


class NearestRows(NamedTuple):
    """Rows of the nearest pairs, nearest first."""

    gradient: Array
    """dh/dq, shape (k, n)."""
    h: Array
    """Shape (k,). [m]"""
    rate: Array
    """What the obstacles' motion does to h, shape (k,). [m/s]"""
    pairs: list[int]
    """Indices into `PrimitiveRows.names`."""
    tested: int
    """Pairs that coal was asked about."""


@numba.njit(cache=True)
def _lower_bounds(tree, q, pose, static, first, second, size, bounds):
    """Fill `bounds` with |c_1 - c_2| - R_1 - R_2 of all pairs; centres of geometries on the base come from `static`."""
    place(tree, q, pose)
    for i in range(tree.point_joint.shape[0]):
        if tree.point_joint[i] < 0:
            for a in range(3):
                pose.point[i, a] = static[i, a]
    for p in range(first.shape[0]):
        i, j = first[p], second[p]
        square = 0.0
        for a in range(3):
            gap = pose.point[i, a] - pose.point[j, a]
            square += gap * gap
        bounds[p] = np.sqrt(square) - size[i] - size[j]


@numba.njit(cache=True)
def _contact_rows(tree, pose, contacts, joints, velocity, gradient, rate):
    """Fill the rows of all contacts: columns p_1, p_2, normal from 2 to 1; shape (k, 9)."""
    for k in range(contacts.shape[0]):
        c = contacts[k]
        nx, ny, nz = c[6], c[7], c[8]
        gradient[k] = 0.0
        project(tree, pose, joints[k, 0], c[0], c[1], c[2], nx, ny, nz, 1.0, gradient[k])
        project(tree, pose, joints[k, 1], c[3], c[4], c[5], nx, ny, nz, -1.0, gradient[k])
        rate[k] = -(nx * velocity[k, 0] + ny * velocity[k, 1] + nz * velocity[k, 2])


class PrimitiveRows:
    """Distances of an arm's shapes from each other and from obstacles, as barrier rows."""

    def __init__(
        self,
        arm: Arm,
        obstacles: Sequence[Shape] = (),
        nearest: int = 16,
        clearance: float = 0.0,
        self_collision: bool = True,
    ):
        """Build the pairs: every shape that joints move with every obstacle, and the pairs of the SRDF.

        Args:
            arm: the robot.
            obstacles: may be moved later with `move_obstacle`.
            nearest: K, most rows.
            clearance: distance to leave. [m]
            self_collision: whether the SRDF's pairs are taken.

        Raises:
            ConfigError: `nearest` below 1 or a negative clearance.
        """
        if nearest < 1 or not 0.0 <= clearance < np.inf:
            raise ConfigError(f"nearest {nearest} must be at least 1 and clearance {clearance} not negative")
        self._pin = pin = require_pinocchio()
        self.arm, self.nearest, self.clearance = arm, nearest, clearance
        self._model, self._data = arm.model, arm.model.createData()
        self._shapes = pin.GeometryModel(arm.geometry)
        if not self_collision:
            self._shapes.removeAllCollisionPairs()
        own = self._shapes.ngeoms
        base, _ = build_tree(arm)
        # As with spheres: links that no joint moves, or turns about their own axis only, keep their distance anyway.
        still = set(arm.spheres.links[arm.spheres.moving :])
        moves = [self._model.frames[g.parentFrame].name not in still for g in self._shapes.geometryObjects]
        for index, shape in enumerate(obstacles):
            pose = pin.SE3(_rotation(shape.rotation), np.array(shape.position, dtype=float))
            added = self._shapes.addGeometryObject(
                pin.GeometryObject(f"obstacle_{index}", 0, pose, _coal_shape(shape))
            )
            for g in range(own):
                if moves[g]:
                    self._shapes.addCollisionPair(pin.CollisionPair(g, added))
        self._own = own
        self._results = self._shapes.createData()
        self._velocity = np.zeros((len(obstacles), 3))
        geometries = list(self._shapes.geometryObjects)
        pairs = np.array([[p.first, p.second] for p in self._shapes.collisionPairs], dtype=np.int64)
        pairs = pairs.reshape(-1, 2)
        self._first, self._second = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
        self._joint = np.array([int(g.parentJoint) - 1 for g in geometries], dtype=np.int64)
        self._static = np.array([g.placement.translation for g in geometries])
        self._size = np.array([_bounding_radius(g.geometry) for g in geometries])
        self._tree = base._replace(point_joint=self._joint, point=self._static.copy())
        self._pose = new_pose(self._tree)
        self._bounds = np.zeros(len(pairs))
        count = min(nearest, max(1, len(pairs)))
        self._contacts, self._joints = np.zeros((count, 9)), np.zeros((count, 2), dtype=np.int64)
        self._moving = np.zeros((count, 3))
        self._gradient, self._rate = np.zeros((count, arm.n)), np.zeros(count)
        self.names = [(geometries[i].name, geometries[j].name) for i, j in pairs]
        """The two shapes of each pair."""

    def move_obstacle(
        self, index: int, position: Array, rotation: Array | None = None, velocity: Array | None = None
    ) -> None:
        """Put obstacle `index` elsewhere; velocity is that of its centre. [m, m/s]

        Raises:
            ConfigError: there is no such obstacle, or a value is not finite.
        """
        if not 0 <= index < len(self._velocity):
            raise ConfigError(f"obstacle {index} does not exist; there are {len(self._velocity)}")
        speed = np.zeros(3) if velocity is None else np.asarray(velocity, dtype=float)
        if not (np.isfinite(position).all() and np.isfinite(speed).all()):
            raise ConfigError(f"obstacle {index}: position and velocity must be finite")
        place_at = self._pin.SE3(_rotation(rotation), np.array(position, dtype=float))
        self._shapes.geometryObjects[self._own + index].placement = place_at
        self._static[self._own + index] = place_at.translation
        self._velocity[index] = speed

    def evaluate(self, q: Array) -> NearestRows:
        """Return the rows of the K nearest pairs at the joint positions q of shape (n,)."""
        pin, shapes, results = self._pin, self._shapes, self._results
        state = np.array(q, dtype=float)
        if not len(self.names):
            return NearestRows(np.zeros((0, self.arm.n)), np.zeros(0), np.zeros(0), [], 0)
        pin.updateGeometryPlacements(self._model, self._data, shapes, results, state)
        _lower_bounds(
            self._tree,
            state,
            self._pose,
            self._static,
            self._first,
            self._second,
            self._size,
            self._bounds,
        )
        nearest, tested = self._nearest_pairs()
        count = len(nearest)
        chosen = [pair for _, pair, _ in nearest]
        contacts = self._contacts[:count]
        for row, (_, _, found) in zip(contacts, nearest, strict=True):
            row[0:3], row[3:6], row[6:9] = found.getNearestPoint1(), found.getNearestPoint2(), found.normal
        # coal's normal points from the first to the second; where it is no unit vector there is no direction.
        square = (contacts[:, 6:] ** 2).sum(axis=1)
        good = np.abs(square - 1.0) < 1e-3
        contacts[:, 6:] *= -1.0
        contacts[~good] = 0.0
        first, second = self._first[chosen], self._second[chosen]
        self._joints[:count, 0], self._joints[:count, 1] = self._joint[first], self._joint[second]
        moving = self._moving[:count]
        moving[:] = 0.0
        outside = second >= self._own
        moving[outside] = self._velocity[second[outside] - self._own]
        _contact_rows(
            self._tree, self._pose, contacts, self._joints[:count], moving, self._gradient, self._rate
        )
        h = np.array([distance for distance, _, _ in nearest]) - self.clearance
        return NearestRows(self._gradient[:count], h, self._rate[:count], chosen, tested)

    def _nearest_pairs(self) -> tuple[list[tuple[float, int, Any]], int]:
        """Return distance, index and coal's result of the K nearest pairs, nearest first; and how many were tested."""
        few = 4 * self.nearest
        if few < len(self._bounds):
            order = np.argpartition(self._bounds, few)
            limit = float(self._bounds[order[few]])
            order = order[:few]
            nearest, tested, complete = self._test(order[np.argsort(self._bounds[order])], limit)
            if complete:
                return nearest, tested
        nearest, tested, _ = self._test(np.argsort(self._bounds), np.inf)
        return nearest, tested

    def _test(self, order: npt.NDArray, limit: float) -> tuple[list[tuple[float, int, Any]], int, bool]:
        """Ask coal about the pairs in `order`; complete if no pair with a bound of `limit` or more can be nearer."""
        pin, shapes, results = self._pin, self._shapes, self._results
        nearest: list[tuple[float, int, Any]] = []
        tested = 0
        for bound, pair in zip(self._bounds[order].tolist(), order.tolist(), strict=True):
            if len(nearest) == self.nearest and bound >= nearest[-1][0]:
                return nearest, tested, True
            found = pin.computeDistance(shapes, results, pair)
            distance = found.min_distance
            tested += 1
            if len(nearest) < self.nearest or distance < nearest[-1][0]:
                bisect.insort(nearest, (distance, pair, found), key=_first)
                del nearest[self.nearest :]
        return nearest, tested, len(nearest) == self.nearest and limit >= nearest[-1][0]


def _first(entry: tuple[float, int, Any]) -> float:
    return entry[0]


def _rotation(rotation: Array | None) -> Array:
    return np.eye(3) if rotation is None else np.array(rotation, dtype=float)


def _coal_shape(shape: Shape) -> Any:
    coal: Any = importlib.import_module("coal")  # comes with pinocchio, which only arms need

    if shape.kind == "sphere":
        return coal.Sphere(shape.size[0])
    if shape.kind == "box":
        return coal.Box(*shape.size)
    return (coal.Cylinder if shape.kind == "cylinder" else coal.Capsule)(*shape.size)


def _bounding_radius(geometry: Any) -> float:
    kind = type(geometry).__name__
    if kind == "Sphere":
        return float(geometry.radius)
    if kind == "Cylinder":
        return float(np.hypot(geometry.radius, geometry.halfLength))
    if kind == "Capsule":
        return float(geometry.radius + geometry.halfLength)
    geometry.computeLocalAABB()
    return float(np.linalg.norm(geometry.aabb_center) + geometry.aabb_radius)
