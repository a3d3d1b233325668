# SPDX-License-Identifier: Apache-2.0
"""A stage read back into numbers in SI units; shares no code with what writes it, so that the two can be compared."""

# OpenUSD is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from pxr import Gf, Usd, UsdGeom, UsdPhysics, UsdShade

from reflexarc.core.types import Array

AXES = {"X": 0, "Y": 1, "Z": 2}
_UNLIMITED = (-math.inf, math.inf)


@dataclass(frozen=True, eq=False)
class BodyRead:
    """A rigid body."""

    name: str
    path: str
    frame: Array
    """In the world, shape (4, 4), columns are axes and origin."""
    mass: float
    """[kg]"""
    centre: Array
    """Centre of mass in the body, shape (3,). [m]"""
    inertia: Array
    """Tensor about the centre of mass in the body's axes, shape (3, 3). [kg m^2]"""
    kinematic: bool


@dataclass(frozen=True, eq=False)
class JointRead:
    """A joint."""

    names: tuple[str, ...]
    """Of the model's joints that it stands for; that of the body that a fixed one holds."""
    path: str
    type: str
    """Of the prim: PhysicsRevoluteJoint and so on."""
    zero: Array
    """Frame of body 0 in the world, shape (4, 4)."""
    one: Array
    """Frame of body 1 in the world, shape (4, 4)."""
    limits: dict[str, tuple[float, float]]
    """Free direction (transX to rotZ) -> limits, infinite where there are none. [m] or [rad]"""
    state: dict[str, float]
    """Free direction -> coordinate that the stage shows. [m] or [rad]"""
    armature: float
    friction: float
    drives: dict[str, dict[str, float]]
    """Direction -> stiffness, damping, maxForce, targetPosition, targetVelocity. N, m, rad, s"""


@dataclass(frozen=True, eq=False)
class ShapeRead:
    """A shape."""

    name: str
    path: str
    type: str
    """Of the prim: Cube, Mesh and so on."""
    frame: Array
    """In the world, without scale, shape (4, 4)."""
    size: Array
    """Half edges; radius; radius and half length: zeros where there is nothing more, shape (3,). [m]"""
    points: Array
    """Of a mesh in its own frame, shape (n, 3). [m]"""
    collides: bool
    friction: tuple[float, str]
    """Of its material, and how it is combined; 0 and nothing without a material."""
    body: str
    """Path of the rigid body that carries it; empty if none does."""


def read_bodies(stage: Usd.Stage) -> list[BodyRead]:
    """Return the rigid bodies, those that were added to hold a robot left out."""
    cache = UsdGeom.XformCache()
    found = []
    for prim in stage.Traverse():
        if not prim.HasAPI(UsdPhysics.RigidBodyAPI) or _own(prim, "added"):
            continue
        mass, rigid = UsdPhysics.MassAPI(prim), UsdPhysics.RigidBodyAPI(prim)
        axes = _rotation(mass.GetPrincipalAxesAttr().Get() or Gf.Quatf(1.0))
        diagonal = np.array(mass.GetDiagonalInertiaAttr().Get() or (0.0, 0.0, 0.0), dtype=np.float64)
        centre = np.array(mass.GetCenterOfMassAttr().Get() or (0.0, 0.0, 0.0), dtype=np.float64)
        found.append(
            BodyRead(
                _own(prim, "name"), str(prim.GetPath()), _frame(cache.GetLocalToWorldTransform(prim)),
                float(mass.GetMassAttr().Get() or 0.0), centre, axes @ np.diag(diagonal) @ axes.T,
                bool(rigid.GetKinematicEnabledAttr().Get()),
            )
        )  # fmt: skip
    return found


def read_joints(stage: Usd.Stage, closing: bool = False) -> list[JointRead]:
    """Return the joints of trees, or those that close loops; what was added is left out."""
    cache = UsdGeom.XformCache()
    found = []
    for prim in stage.Traverse():
        joint = UsdPhysics.Joint(prim)
        if not joint or _own(prim, "added") or joint.GetExcludeFromArticulationAttr().Get() != closing:
            continue
        sides = []
        for relation, position, rotation in (
            (joint.GetBody0Rel(), joint.GetLocalPos0Attr(), joint.GetLocalRot0Attr()),
            (joint.GetBody1Rel(), joint.GetLocalPos1Attr(), joint.GetLocalRot1Attr()),
        ):
            local = np.eye(4)
            local[:3, :3], local[:3, 3] = _rotation(rotation.Get()), position.Get()
            targets = relation.GetTargets()
            outer = (
                _frame(cache.GetLocalToWorldTransform(stage.GetPrimAtPath(targets[0])))
                if targets
                else np.eye(4)
            )
            sides.append(outer @ local)
        limits = _limits(prim)
        found.append(
            JointRead(
                tuple(_own(prim, "names") or [_own(prim, "name")]), str(prim.GetPath()), str(prim.GetTypeName()),
                sides[0], sides[1], limits, {dof: _state(prim, dof) for dof in limits},
                _number(prim, "physxJoint:armature"), _number(prim, "newton:friction"), _drives(prim),
            )
        )  # fmt: skip
    return found


def read_shapes(stage: Usd.Stage) -> list[ShapeRead]:
    """Return every shape."""
    cache = UsdGeom.XformCache()
    found = []
    for prim in stage.Traverse():
        if not prim.IsA(UsdGeom.Gprim):
            continue
        matrix = cache.GetLocalToWorldTransform(prim)
        frame = _frame(matrix)
        scale = np.linalg.norm(frame[:3, :3], axis=0)
        frame[:3, :3] /= scale
        found.append(
            ShapeRead(
                _own(prim, "name"), str(prim.GetPath()), str(prim.GetTypeName()), frame, _size(prim, scale),
                _points(prim), prim.HasAPI(UsdPhysics.CollisionAPI), _friction(prim), _carrier(prim),
            )
        )  # fmt: skip
    return found


def _own(prim: Usd.Prim, name: str) -> Any:
    return prim.GetAttribute(f"reflexarc:{name}").Get() if prim.HasAttribute(f"reflexarc:{name}") else None


def _number(prim: Usd.Prim, name: str) -> float:
    return float(prim.GetAttribute(name).Get()) if prim.HasAttribute(name) else 0.0


def _frame(matrix: Gf.Matrix4d) -> Array:
    """Return USD's matrix, which acts on rows from the right, as one that acts on columns."""
    return np.array(matrix, dtype=np.float64).T


def _rotation(quaternion: Any) -> Array:
    unit = Gf.Quatd(quaternion).GetNormalized()
    return np.array(Gf.Matrix3d(Gf.Rotation(unit)), dtype=np.float64).T


def _directions(prim: Usd.Prim) -> list[str]:
    """Return the free directions of a joint."""
    if prim.IsA(UsdPhysics.RevoluteJoint):
        return ["rot" + UsdPhysics.RevoluteJoint(prim).GetAxisAttr().Get()]
    if prim.IsA(UsdPhysics.PrismaticJoint):
        return ["trans" + UsdPhysics.PrismaticJoint(prim).GetAxisAttr().Get()]
    if prim.IsA(UsdPhysics.SphericalJoint) or prim.IsA(UsdPhysics.FixedJoint):
        return []
    found = []
    for dof in ("transX", "transY", "transZ", "rotX", "rotY", "rotZ"):
        limit = UsdPhysics.LimitAPI(prim, dof)
        locked = (
            prim.HasAPI(UsdPhysics.LimitAPI, dof) and limit.GetLowAttr().Get() > limit.GetHighAttr().Get()
        )
        if not locked:
            found.append(dof)
    return found


def _limits(prim: Usd.Prim) -> dict[str, tuple[float, float]]:
    found = {}
    for dof in _directions(prim):
        if prim.IsA(UsdPhysics.RevoluteJoint) or prim.IsA(UsdPhysics.PrismaticJoint):
            low, high = (
                prim.GetAttribute("physics:lowerLimit").Get(),
                prim.GetAttribute("physics:upperLimit").Get(),
            )
        elif prim.HasAPI(UsdPhysics.LimitAPI, dof):
            limit = UsdPhysics.LimitAPI(prim, dof)
            low, high = limit.GetLowAttr().Get(), limit.GetHighAttr().Get()
        else:
            low, high = _UNLIMITED
        per = _unit(dof)
        found[dof] = (low * per, high * per)
    return found


def _unit(dof: str) -> float:
    """Return the SI value of one unit of a direction: [rad] of a degree, or a metre."""
    return math.pi / 180.0 if dof.startswith("rot") else 1.0


def _instance(prim: Usd.Prim, dof: str) -> str:
    """Return by which name a schema is applied for a direction."""
    if prim.IsA(UsdPhysics.RevoluteJoint):
        return "angular"
    return "linear" if prim.IsA(UsdPhysics.PrismaticJoint) else dof


def _state(prim: Usd.Prim, dof: str) -> float:
    return _number(prim, f"state:{_instance(prim, dof)}:physics:position") * _unit(dof)


def _drives(prim: Usd.Prim) -> dict[str, dict[str, float]]:
    found = {}
    for dof in _directions(prim):
        if not prim.HasAPI(UsdPhysics.DriveAPI, _instance(prim, dof)):
            continue
        drive, per = UsdPhysics.DriveAPI(prim, _instance(prim, dof)), _unit(dof)
        found[dof] = {
            "stiffness": drive.GetStiffnessAttr().Get() / per,
            "damping": drive.GetDampingAttr().Get() / per,
            "maxForce": drive.GetMaxForceAttr().Get(),
            "targetPosition": drive.GetTargetPositionAttr().Get() * per,
            "targetVelocity": drive.GetTargetVelocityAttr().Get() * per,
        }
    return found


def _size(prim: Usd.Prim, scale: Array) -> Array:
    if prim.IsA(UsdGeom.Sphere):
        return np.array([UsdGeom.Sphere(prim).GetRadiusAttr().Get(), 0.0, 0.0]) * scale
    if prim.IsA(UsdGeom.Cube):
        return UsdGeom.Cube(prim).GetSizeAttr().Get() / 2.0 * scale
    if prim.IsA(UsdGeom.Capsule) or prim.IsA(UsdGeom.Cylinder):
        kind = UsdGeom.Capsule if prim.IsA(UsdGeom.Capsule) else UsdGeom.Cylinder
        return np.array([kind(prim).GetRadiusAttr().Get(), kind(prim).GetHeightAttr().Get() / 2.0, 0.0])
    return np.zeros(3)


def _points(prim: Usd.Prim) -> Array:
    if not prim.IsA(UsdGeom.Mesh):
        return np.zeros((0, 3))
    return np.array(UsdGeom.Mesh(prim).GetPointsAttr().Get(), dtype=np.float64)


def _friction(prim: Usd.Prim) -> tuple[float, str]:
    material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial("physics")
    if not material:
        return 0.0, ""
    physics = UsdPhysics.MaterialAPI(material.GetPrim())
    mode = material.GetPrim().GetAttribute("physxMaterial:frictionCombineMode").Get()
    return float(physics.GetDynamicFrictionAttr().Get()), str(mode)


def _carrier(prim: Usd.Prim) -> str:
    while prim and not prim.IsPseudoRoot():
        if prim.HasAPI(UsdPhysics.RigidBodyAPI):
            return str(prim.GetPath())
        prim = prim.GetParent()
    return ""
