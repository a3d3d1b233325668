# SPDX-License-Identifier: Apache-2.0
"""Triangles of the shapes that USD has no collider for: ellipsoids, height fields, and MuJoCo's own meshes."""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import mujoco
import numpy as np

from reflexarc.core.types import Array

RINGS, SECTORS = 32, 64
"""Of an ellipsoid; a sphere of so many facets has 0.5 % less volume than a round one."""


class Mesh(NamedTuple):
    """Triangles, counter-clockwise from outside."""

    points: Array
    """Shape (n, 3). [m]"""
    triangles: np.ndarray
    """Indices into points, shape (t, 3), int."""


def volume(mesh: Mesh) -> float:
    """Return the signed volume inside a closed mesh, sum of a . (b x c) / 6 over its triangles. [m^3]"""
    a, b, c = (mesh.points[mesh.triangles[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6.0


def ellipsoid(semi_axes: Array, rings: int = RINGS, sectors: int = SECTORS) -> Mesh:
    """Return an ellipsoid with vertices on its surface, poles at +-z.

    Args:
        semi_axes: along x, y, z, shape (3,). [m]
        rings: faces from pole to pole.
        sectors: faces around.
    """
    polar = np.pi * np.arange(1, rings) / rings
    around = 2.0 * np.pi * np.arange(sectors) / sectors
    ring = np.stack(
        [
            np.outer(np.sin(polar), np.cos(around)),
            np.outer(np.sin(polar), np.sin(around)),
            np.outer(np.cos(polar), np.ones(sectors)),
        ],
        axis=2,
    ).reshape(-1, 3)
    points = np.vstack([[0.0, 0.0, 1.0], ring, [0.0, 0.0, -1.0]]) * semi_axes
    last = len(points) - 1
    faces = []
    for k in range(sectors):
        following = (k + 1) % sectors
        faces.append((0, 1 + k, 1 + following))
        for i in range(rings - 2):
            a, b = 1 + i * sectors + k, 1 + i * sectors + following
            faces += [(a, a + sectors, b + sectors), (a, b + sectors, b)]
        faces.append((last, last - sectors + following, last - sectors + k))
    return Mesh(points, np.array(faces))


def height_field(model: mujoco.MjModel, number: int) -> Mesh:
    """Return the surface of a height field, open below, x along columns and y along rows, as MuJoCo has it.

    A vertex of column c and row r is at x = 2 c rx / (columns - 1) - rx, y = 2 r ry / (rows - 1) - ry and z = height
    h in [0, 1] times the field's z size.
    """
    rows, columns = int(model.hfield_nrow[number]), int(model.hfield_ncol[number])
    rx, ry, top, _ = model.hfield_size[number]
    start = int(model.hfield_adr[number])
    heights = np.array(model.hfield_data[start : start + rows * columns], dtype=np.float64).reshape(
        rows, columns
    )
    x, y = np.meshgrid(np.linspace(-rx, rx, columns), np.linspace(-ry, ry, rows))
    points = np.stack([x, y, top * heights], axis=2).reshape(-1, 3)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    a, b, c, d = corner, corner + 1, corner + columns + 1, corner + columns
    return Mesh(points, np.vstack([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)]))


def asset(model: mujoco.MjModel, number: int) -> Mesh:
    """Return a mesh asset in the frame of its geoms."""
    first, count = int(model.mesh_vertadr[number]), int(model.mesh_vertnum[number])
    points = np.array(model.mesh_vert[first : first + count], dtype=np.float64)
    first, count = int(model.mesh_faceadr[number]), int(model.mesh_facenum[number])
    return Mesh(points, np.array(model.mesh_face[first : first + count], dtype=np.int64))


def ellipsoid_volume(semi_axes: Array) -> float:
    """Return 4/3 pi a b c. [m^3]"""
    return 4.0 / 3.0 * math.pi * float(np.prod(semi_axes))
