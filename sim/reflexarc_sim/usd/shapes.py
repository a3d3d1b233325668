# SPDX-License-Identifier: Apache-2.0
"""Shapes: every geom becomes a prim of UsdGeom below its body, a collider if anything can collide with it.

MuJoCo's capsules and cylinders lie along z with half lengths, boxes have half edges; USD's `height` is the whole
length without a capsule's caps, and a box is a cube of size 2 scaled by its half edges. Sizes and poses are doubles.
"""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

import mujoco
import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, Vt

from reflexarc_sim.usd import meshes
from reflexarc_sim.usd.attributes import set_own, set_vendor
from reflexarc_sim.usd.bodies import Layout
from reflexarc_sim.usd.frames import Pose
from reflexarc_sim.usd.names import free_path, name_of
from reflexarc_sim.usd.notes import Notes
from reflexarc_sim.usd.semantics import set_label
from reflexarc_sim.usd.source import Source
from reflexarc_sim.usd.stage import place

_GEOM = mujoco.mjtGeom
ENDLESS = 200.0
"""Edge of the picture of a plane without end; the collider has none. [m]"""
SIMPLE = {
    _GEOM.mjGEOM_PLANE.value, _GEOM.mjGEOM_SPHERE.value, _GEOM.mjGEOM_CAPSULE.value, _GEOM.mjGEOM_CYLINDER.value,
    _GEOM.mjGEOM_BOX.value,
}  # fmt: skip
"""Types that are colliders in USD as they are."""
_MESHED = {
    _GEOM.mjGEOM_ELLIPSOID.value: "ellipsoid",
    _GEOM.mjGEOM_MESH.value: "mesh",
    _GEOM.mjGEOM_HFIELD.value: "hfield",
}


def add_shapes(
    stage: Usd.Stage, source: Source, layout: Layout, colliding: np.ndarray, notes: Notes
) -> dict[int, Sdf.Path]:
    """Define every shape and return where it is; those that USD cannot hold are noted and left out.

    Args:
        stage: with bodies.
        source: what it is made from.
        layout: where the bodies are.
        colliding: which geoms anything can collide with, shape (ngeom,), bool.
        notes: takes what is lost.
    """
    model, paths = source.model, {}
    for geom in range(model.ngeom):
        name, kind = name_of(model, mujoco.mjtObj.mjOBJ_GEOM, geom), int(model.geom_type[geom])
        body = int(model.geom_bodyid[geom])
        if kind not in SIMPLE and kind not in _MESHED:
            notes.add(f"shapes of type {_GEOM(kind).name} have no counterpart and were left out", name)
            continue
        path = free_path(stage, layout.paths[body], name)
        prim = _define(stage, path, model, geom)
        scale = model.geom_size[geom].copy() if kind == _GEOM.mjGEOM_BOX.value else None
        place(prim, Pose(model.geom_pos[geom].copy(), model.geom_quat[geom].copy()), scale)
        set_own(prim, "name", name)
        set_own(prim, "group", int(model.geom_group[geom]))
        _paint(prim, model, geom)
        if colliding[geom]:
            _make_collider(prim, model, geom, bool(layout.carrier[body]), notes)
        if geom in source.labels:
            set_label(prim, source.labels[geom])
        paths[geom] = path
    return paths


def _define(stage: Usd.Stage, path: Sdf.Path, model: mujoco.MjModel, geom: int) -> Usd.Prim:
    kind, (a, b, _) = int(model.geom_type[geom]), model.geom_size[geom].tolist()
    if kind in _MESHED:
        return _define_mesh(stage, path, model, geom)
    if kind == _GEOM.mjGEOM_PLANE.value:
        shape = UsdGeom.Plane.Define(stage, path)
        shape.CreateWidthAttr(2.0 * a or ENDLESS)
        shape.CreateLengthAttr(2.0 * b or ENDLESS)
        shape.CreateAxisAttr(UsdGeom.Tokens.z)
    elif kind == _GEOM.mjGEOM_SPHERE.value:
        shape = UsdGeom.Sphere.Define(stage, path)
        shape.CreateRadiusAttr(a)
    elif kind == _GEOM.mjGEOM_BOX.value:
        shape = UsdGeom.Cube.Define(stage, path)
        shape.CreateSizeAttr(2.0)
    else:
        shape = (UsdGeom.Capsule if kind == _GEOM.mjGEOM_CAPSULE.value else UsdGeom.Cylinder).Define(
            stage, path
        )
        shape.CreateRadiusAttr(a)
        shape.CreateHeightAttr(2.0 * b)
        shape.CreateAxisAttr(UsdGeom.Tokens.z)
    shape.CreateExtentAttr(UsdGeom.Boundable.ComputeExtentFromPlugins(shape, Usd.TimeCode.Default()))
    return shape.GetPrim()


def _define_mesh(stage: Usd.Stage, path: Sdf.Path, model: mujoco.MjModel, geom: int) -> Usd.Prim:
    kind, number = int(model.geom_type[geom]), int(model.geom_dataid[geom])
    if kind == _GEOM.mjGEOM_ELLIPSOID.value:
        mesh = meshes.ellipsoid(model.geom_size[geom])
    elif kind == _GEOM.mjGEOM_HFIELD.value:
        mesh = meshes.height_field(model, number)
    else:
        mesh = meshes.asset(model, number)
    shape = UsdGeom.Mesh.Define(stage, path)
    points = Vt.Vec3fArray.FromNumpy(mesh.points.astype(np.float32))
    shape.CreatePointsAttr(points)
    shape.CreateFaceVertexCountsAttr(Vt.IntArray(len(mesh.triangles), 3))
    shape.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(mesh.triangles.astype(np.int32).ravel()))
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    shape.CreateExtentAttr(UsdGeom.PointBased.ComputeExtent(points))
    prim = shape.GetPrim()
    set_own(prim, "shape", _MESHED[kind])
    if kind == _GEOM.mjGEOM_ELLIPSOID.value:
        set_own(prim, "semiAxes", Gf.Vec3d(*model.geom_size[geom].tolist()))
    return prim


def _paint(prim: Usd.Prim, model: mujoco.MjModel, geom: int) -> None:
    """Write colour and opacity; what MuJoCo does not draw is a guide."""
    material = int(model.geom_matid[geom])
    red, green, blue, alpha = (
        model.geom_rgba[geom] if material < 0 else model.mat_rgba[material]
    ).tolist()  # as MuJoCo's renderer: a material takes the place of the geom's own colour
    shape = UsdGeom.Gprim(prim)
    shape.CreateDisplayColorAttr([Gf.Vec3f(red, green, blue)])
    shape.CreateDisplayOpacityAttr([alpha])
    if alpha == 0.0:
        shape.CreatePurposeAttr(UsdGeom.Tokens.guide)


def _make_collider(prim: Usd.Prim, model: mujoco.MjModel, geom: int, moves: bool, notes: Notes) -> None:
    """Make the prim a collider; meshes collide as their convex hull, as in MuJoCo, and height fields as triangles."""
    UsdPhysics.CollisionAPI.Apply(prim)
    kind, name = int(model.geom_type[geom]), name_of(model, mujoco.mjtObj.mjOBJ_GEOM, geom)
    if kind in _MESHED:
        field = kind == _GEOM.mjGEOM_HFIELD.value
        hull = UsdPhysics.Tokens.none if field else UsdPhysics.Tokens.convexHull
        UsdPhysics.MeshCollisionAPI.Apply(prim).CreateApproximationAttr(hull)
        if field and moves:
            notes.add(
                "a moving height field is a triangle mesh, which PhysX takes for static bodies only", name
            )
        if field:
            notes.add("the solid base below a height field is not exported", name)
        if kind == _GEOM.mjGEOM_ELLIPSOID.value:
            notes.add(f"an ellipsoid collides as the hull of {meshes.RINGS} x {meshes.SECTORS} facets", name)
    for key in ("condim", "priority"):
        set_vendor(prim, f"mjc:{key}", int(getattr(model, f"geom_{key}")[geom]))
    for key in ("solref", "solimp"):
        set_vendor(prim, f"mjc:{key}", Vt.DoubleArray(getattr(model, f"geom_{key}")[geom].tolist()))
    for key in ("margin", "gap"):
        if value := float(getattr(model, f"geom_{key}")[geom]):
            set_vendor(prim, f"mjc:{key}", value)
