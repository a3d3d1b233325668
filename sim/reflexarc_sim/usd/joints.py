# SPDX-License-Identifier: Apache-2.0
r"""Joints: type, frames, limits and articulation roots; what acts on them is in `efforts`.

A joint of USD holds a frame of body 0 (the parent, or the world) to a frame of body 1 but for its free directions. Both
frames are at MuJoCo's anchor with a coordinate axis along MuJoCo's axis, and one of them is turned or shifted by the
reference value q0, so that USD's coordinate is MuJoCo's q:

    hinge   F0 = T P R              F1 = P R Rot(q0)    T pose of the body in its parent at q0, P anchor in the body,
    slide   F0 = T P R Trans(-q0)   F1 = P R            R turns the coordinate axis to MuJoCo's axis

A body with several joints becomes one `PhysicsJoint` with free, limited and locked directions: slides at right angles
and at most one hinge after them, about one of the three directions. USD knows no other.
"""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import mujoco
import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from reflexarc.core.errors import ModelError
from reflexarc_sim.usd.attributes import set_own, set_vendor
from reflexarc_sim.usd.axes import Axes, axes_of
from reflexarc_sim.usd.bodies import Layout
from reflexarc_sim.usd.drives import other_actuators
from reflexarc_sim.usd.efforts import name_actuators, passive_of, write_axis, write_passive
from reflexarc_sim.usd.frames import IDENTITY, Pose, about, compose
from reflexarc_sim.usd.names import free_path, name_of
from reflexarc_sim.usd.notes import Notes
from reflexarc_sim.usd.source import Source
from reflexarc_sim.usd.stage import place, quatf, vec3f

_TYPE = mujoco.mjtJoint
_FREE, _BALL = _TYPE.mjJNT_FREE.value, _TYPE.mjJNT_BALL.value
_HINGE, _SLIDE = _TYPE.mjJNT_HINGE.value, _TYPE.mjJNT_SLIDE.value
_DOFS = ("transX", "transY", "transZ", "rotX", "rotY", "rotZ")
BASE_MASS = 1.0
"""Of the base that is added below a robot that the world holds; nothing depends on it, for it does not move. [kg]"""


class _Builder(NamedTuple):
    stage: Usd.Stage
    source: Source
    layout: Layout
    notes: Notes
    bases: dict[int, Sdf.Path]
    """Tree that the world holds by a joint -> the base that was added to it."""
    folders: dict[int, Sdf.Path]
    """Tree -> the scope of its joints."""


def add_joints(stage: Usd.Stage, source: Source, layout: Layout, notes: Notes) -> dict[int, Sdf.Path]:
    """Define the joints and the articulation roots; return where MuJoCo's joints are.

    Raises:
        ModelError: a body has joints that one joint of USD cannot express.
    """
    model, found = source.model, {}
    make = _Builder(stage, source, layout, notes, {}, {})
    _add_roots(make)
    for body in layout.rigid:
        first, count = int(model.body_jntadr[body]), int(model.body_jntnum[body])
        joints = list(range(first, first + count)) if count else []
        kinds = [int(model.jnt_type[j]) for j in joints]
        if model.body_mocapid[body] >= 0 or kinds == [_FREE]:
            continue
        if not joints:
            _fixed(make, body)
        elif kinds == [_BALL]:
            found[joints[0]] = _ball(make, body, joints[0])
        elif len(joints) == 1:
            found[joints[0]] = _single(make, body, joints[0])
        else:
            path = _several(make, body, joints)
            found |= dict.fromkeys(joints, path)
    other_actuators(model, notes)
    return found


def _add_roots(make: _Builder) -> None:
    """Mark every tree with joints of one direction as an articulation; one that the world holds gets a fixed base.

    PhysX takes a base as fixed only if a fixed joint holds its root link. MuJoCo's arms hang on the world by their
    first hinge. Armature and friction of joints are of articulations only.
    """
    stage, layout, model = make.stage, make.layout, make.source.model
    for top, path in layout.trees.items():
        members = [b for b in layout.rigid if layout.tree[b] == top]
        count = int(model.body_jntnum[top])
        if model.body_mocapid[top] >= 0 or (len(members) == 1 and count > 1):
            continue
        floats = count == 1 and int(model.jnt_type[model.body_jntadr[top]]) == _FREE
        if floats and len(members) == 1:
            continue
        if any(model.body_jntnum[b] > 1 for b in members):
            make.notes.add("PhysX has no joint of several directions inside an articulation", path.name)
        root = stage.GetPrimAtPath(layout.paths[top])
        if not floats:
            base = UsdGeom.Xform.Define(stage, free_path(stage, path, "base")).GetPrim()
            place(base, IDENTITY)
            set_own(base, "added", True)
            UsdPhysics.RigidBodyAPI.Apply(base)
            mass = UsdPhysics.MassAPI.Apply(base)
            mass.CreateMassAttr(BASE_MASS)
            mass.CreateDiagonalInertiaAttr(Gf.Vec3f(BASE_MASS))
            mass.CreatePrincipalAxesAttr(Gf.Quatf(1.0))
            held = UsdPhysics.FixedJoint.Define(stage, free_path(stage, _folder(make, top), "base"))
            held.CreateBody1Rel().SetTargets([base.GetPath()])
            _frames(held, IDENTITY, IDENTITY)
            root = held.GetPrim()
            set_own(root, "added", True)
            make.bases[top] = base.GetPath()
        UsdPhysics.ArticulationRootAPI.Apply(root)
        set_vendor(root, "physxArticulation:enabledSelfCollisions", True)


def _folder(make: _Builder, body: int) -> Sdf.Path:
    """Return the scope for the joints of a body's tree, defined at first use."""
    top = int(make.layout.tree[body])
    if top not in make.folders:
        make.folders[top] = free_path(make.stage, make.layout.trees[top], "Joints")
        UsdGeom.Scope.Define(make.stage, make.folders[top])
    return make.folders[top]


def _connect(make: _Builder, kind: type, body: int, name: str) -> tuple[UsdPhysics.Joint, Pose]:
    """Define a joint above a body; return it and the body's pose in what holds it, at the reference."""
    model, layout = make.source.model, make.layout
    parent = int(model.body_parentid[body])
    holder = int(layout.carrier[parent])
    joint = kind.Define(make.stage, free_path(make.stage, _folder(make, body), name))
    if holder:
        joint.CreateBody0Rel().SetTargets([layout.paths[holder]])
    elif (base := make.bases.get(body)) is not None:
        joint.CreateBody0Rel().SetTargets([base])
    joint.CreateBody1Rel().SetTargets([layout.paths[body]])
    if model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_FILTERPARENT.value and model.body_jntnum[body]:
        joint.CreateCollisionEnabledAttr(True)
    step = Pose(model.body_pos[body].copy(), model.body_quat[body].copy())
    return joint, compose(layout.offset(parent), step)


def _frames(joint: UsdPhysics.Joint, zero: Pose, one: Pose) -> None:
    joint.CreateLocalPos0Attr(vec3f(zero.position))
    joint.CreateLocalRot0Attr(quatf(zero.quaternion))
    joint.CreateLocalPos1Attr(vec3f(one.position))
    joint.CreateLocalRot1Attr(quatf(one.quaternion))


def _fixed(make: _Builder, body: int) -> None:
    name = name_of(make.source.model, mujoco.mjtObj.mjOBJ_BODY, body)
    joint, pose = _connect(make, UsdPhysics.FixedJoint, body, name)
    _frames(joint, pose, IDENTITY)
    set_own(joint.GetPrim(), "name", name)


def _ball(make: _Builder, body: int, number: int) -> Sdf.Path:
    """A ball's limit is on the whole angle of rotation; USD's cone limits the tilt of X and lets it spin."""
    model, name = make.source.model, _name(make, number)
    joint, pose = _connect(make, UsdPhysics.SphericalJoint, body, name)
    anchor = Pose(model.jnt_pos[number].copy(), IDENTITY.quaternion)
    _frames(joint, compose(pose, anchor), anchor)
    if model.jnt_limited[number]:
        cone = math.degrees(float(model.jnt_range[number, 1]))
        joint.CreateConeAngle0LimitAttr(cone)
        joint.CreateConeAngle1LimitAttr(cone)
        make.notes.add("the limit of a ball joint holds its tilt only, not its spin", name)
    if model.jnt_stiffness[number]:
        make.notes.add("the spring of a ball joint", name)
    prim = joint.GetPrim()
    set_own(prim, "name", name)
    dof = int(model.jnt_dofadr[number])
    write_passive(make.notes, prim, [passive_of(model, "", float(model.dof_damping[dof]), dof, angular=True)])
    return prim.GetPath()


def _single(make: _Builder, body: int, number: int) -> Sdf.Path:
    model, name = make.source.model, _name(make, number)
    angular = model.jnt_type[number] == _HINGE
    kind = UsdPhysics.RevoluteJoint if angular else UsdPhysics.PrismaticJoint
    joint, pose = _connect(make, kind, body, name)
    axes = axes_of([model.jnt_axis[number]])
    assert axes is not None  # one direction always has a frame
    _write_frames(make, joint, pose, [number], axes)
    joint.CreateAxisAttr("XYZ"[axes.index[0]])
    if model.jnt_limited[number]:
        low, high = _limits(model, number)
        joint.CreateLowerLimitAttr(low)
        joint.CreateUpperLimitAttr(high)
    axis = "angular" if angular else "linear"
    drive, passive = write_axis(make.source, make.notes, joint.GetPrim(), number, axis, angular)
    name_actuators(model, joint.GetPrim(), {axis: drive})
    write_passive(make.notes, joint.GetPrim(), [passive])
    set_own(joint.GetPrim(), "name", name)
    return joint.GetPath()


def _several(make: _Builder, body: int, joints: list[int]) -> Sdf.Path:
    model = make.source.model
    kinds = [int(model.jnt_type[j]) for j in joints]
    slides = kinds.count(_SLIDE)
    fits = kinds in ([_SLIDE] * slides, [_SLIDE] * slides + [_HINGE])
    axes = axes_of([model.jnt_axis[j] for j in joints], slides) if fits else None
    name = name_of(model, mujoco.mjtObj.mjOBJ_BODY, body)
    if axes is None:
        raise ModelError(
            f"body {name!r} has {len(joints)} joints that one joint of USD cannot express: slides at right angles and "
            "at most one hinge after them, about one of these directions or across, can be; give each joint a body of "
            "its own; nothing was made"
        )
    joint, pose = _connect(make, UsdPhysics.Joint, body, name)
    _write_frames(make, joint, pose, joints, axes)
    prim = joint.GetPrim()
    taken, drives, passive = {}, {}, []
    for number, index, kind in zip(joints, axes.index, kinds, strict=True):
        taken[_DOFS[index + 3 * (kind == _HINGE)]] = number
    for axis in _DOFS:
        low, high = 1.0, -1.0  # low above high: locked
        if axis in taken:
            limited = bool(model.jnt_limited[taken[axis]])
            low, high = (
                _limits(model, taken[axis]) if limited else (-math.inf, math.inf)
            )  # Newton wants it said
            drives[axis], one = write_axis(
                make.source, make.notes, prim, taken[axis], axis, axis.startswith("rot")
            )
            passive.append(one)
        limit = UsdPhysics.LimitAPI.Apply(prim, axis)
        limit.CreateLowAttr(low)
        limit.CreateHighAttr(high)
    name_actuators(model, prim, drives)
    write_passive(make.notes, prim, passive)
    set_own(prim, "names", [_name(make, j) for j in joints])
    return prim.GetPath()


def _name(make: _Builder, number: int) -> str:
    return name_of(make.source.model, mujoco.mjtObj.mjOBJ_JOINT, number)


def _write_frames(make: _Builder, joint: UsdPhysics.Joint, pose: Pose, joints: list[int], axes: Axes) -> None:
    model = make.source.model
    hinges = [j for j in joints if model.jnt_type[j] == _HINGE]
    anchor = model.jnt_pos[hinges[0]].copy() if hinges else np.zeros(3)
    one = Pose(anchor, axes.quaternion)
    zero = compose(pose, one)
    for number, index in zip(joints, axes.index, strict=True):
        reference, axis = float(model.qpos0[model.jnt_qposadr[number]]), np.eye(3)[index]
        if number in hinges:
            one = compose(one, Pose(np.zeros(3), about(axis, reference)))
        else:
            zero = compose(zero, Pose(-reference * axis, IDENTITY.quaternion))
    _frames(joint, zero, one)


def _limits(model: mujoco.MjModel, number: int) -> tuple[float, float]:
    low, high = model.jnt_range[number].tolist()
    turns = model.jnt_type[number] == _HINGE
    return (math.degrees(low), math.degrees(high)) if turns else (low, high)
