# SPDX-License-Identifier: Apache-2.0
"""A stage against the model that it was made from: the largest difference of every quantity.

What MuJoCo says comes from its own forward kinematics and tables, what the stage says from `read_back`. USD keeps
poses and sizes of shapes in double precision; the physics schemas force single precision on masses, inertias, joint
frames, limits and the points of meshes, so these differ by up to 6e-8 of their size. A difference is therefore divided
by the size of the number where that is above 1.
"""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import mujoco
import numpy as np
from pxr import Usd

from reflexarc.core.types import Array
from reflexarc_sim.usd.contact_pairs import model_pairs, stage_pairs
from reflexarc_sim.usd.names import name_of
from reflexarc_sim.usd.read_back import (
    AXES,
    BodyRead,
    JointRead,
    ShapeRead,
    read_bodies,
    read_joints,
    read_shapes,
)
from reflexarc_sim.usd.source import Source

TOLERANCE = 1e-6
"""Largest difference that is accepted, of a number's size or of 1 in SI units, whichever is more."""
_OBJ, _GEOM, _JOINT = mujoco.mjtObj, mujoco.mjtGeom, mujoco.mjtJoint


class Gap(NamedTuple):
    """The largest difference of a quantity."""

    size: float
    where: str
    """Name of the body, joint or shape."""


class Gaps(dict[str, Gap]):
    """Quantity -> its largest difference."""

    def take(self, quantity: str, told: Array | float, found: Array | float, where: str) -> None:
        """Take a number or an array from the model and from the stage."""
        a, b = np.asarray(told, dtype=np.float64), np.asarray(found, dtype=np.float64)
        if a.shape != b.shape or np.isnan(b).any():
            size = math.inf
        else:
            same = a == b  # infinite limits among them
            with np.errstate(invalid="ignore"):
                gap = np.where(same, 0.0, np.abs(a - b) / np.maximum(1.0, np.abs(a)))
            size = float(gap.max(initial=0.0))
        if quantity not in self or size > self[quantity].size:
            self[quantity] = Gap(size, where)

    def missing(self, what: str, where: str) -> None:
        """Take down that something is in only one of the two."""
        self[f"missing or added {what}"] = Gap(math.inf, where)

    @property
    def worst(self) -> float:
        """The largest of all."""
        return max((gap.size for gap in self.values()), default=0.0)


def compare(source: Source, stage: Usd.Stage) -> Gaps:
    """Return the differences of bodies, joints, shapes, and of which shapes collide with which."""
    model, gaps = source.model, Gaps()
    data = mujoco.MjData(model)
    data.qpos[:] = source.qpos
    mujoco.mj_kinematics(model, data)
    _bodies(model, data, {b.name: b for b in read_bodies(stage)}, gaps)
    _joints(model, data, source, read_joints(stage), gaps)
    _shapes(model, data, {s.name: s for s in read_shapes(stage)}, gaps)
    told, found = model_pairs(model), stage_pairs(stage)
    for one, two in sorted(told ^ found):
        gaps.missing("pair of shapes that collide", f"{one} with {two}")
    return gaps


def _bodies(model: mujoco.MjModel, data: mujoco.MjData, read: dict[str, BodyRead], gaps: Gaps) -> None:
    for body in range(1, model.nbody):
        name = name_of(model, _OBJ.mjOBJ_BODY, body)
        held = _still(model, body)
        if held or (not model.body_jntnum[body] and not model.body_mass[body]):
            continue  # no rigid body: shapes of it are compared in the world
        found = read.pop(name, None)
        if found is None:
            gaps.missing("body", name)
            continue
        gaps.take("position of a body [m]", data.xpos[body], found.frame[:3, 3], name)
        gaps.take("orientation of a body", data.xmat[body].reshape(3, 3), found.frame[:3, :3], name)
        if model.body_mocapid[body] >= 0:
            gaps.take("kinematic", 1.0, float(found.kinematic), name)
        mass = float(model.body_mass[body])
        if mass <= 0.0:
            continue
        axes = _turn(model.body_iquat[body])
        inertia = axes @ np.diag(model.body_inertia[body]) @ axes.T
        largest = float(model.body_inertia[body].max())
        gaps.take("mass [of itself]", 1.0, found.mass / mass, name)
        gaps.take("centre of mass [m]", model.body_ipos[body], found.centre, name)
        gaps.take("inertia [of its largest moment]", inertia / largest, found.inertia / largest, name)
    for name in read:
        gaps.missing("body", name)


def _still(model: mujoco.MjModel, body: int) -> bool:
    """Return whether nothing between a body and the world can move."""
    while body:
        if model.body_jntnum[body] or model.body_mocapid[body] >= 0:
            return False
        body = int(model.body_parentid[body])
    return True


def _joints(
    model: mujoco.MjModel, data: mujoco.MjData, source: Source, read: list[JointRead], gaps: Gaps
) -> None:
    types = {
        _JOINT.mjJNT_HINGE.value: "PhysicsRevoluteJoint", _JOINT.mjJNT_SLIDE.value: "PhysicsPrismaticJoint",
        _JOINT.mjJNT_BALL.value: "PhysicsSphericalJoint",
    }  # fmt: skip
    by_name = {name: j for j in read for name in j.names if j.type != "PhysicsFixedJoint"}
    values: dict[str, dict[str, float]] = {}
    for joint in range(model.njnt):
        kind, name = int(model.jnt_type[joint]), name_of(model, _OBJ.mjOBJ_JOINT, joint)
        if kind == _JOINT.mjJNT_FREE.value:
            continue
        found = by_name.get(name)
        wanted = types[kind] if model.body_jntnum[model.jnt_bodyid[joint]] == 1 else "PhysicsJoint"
        if found is None or found.type != wanted:
            gaps.missing("joint", name)
            continue
        dof, address = int(model.jnt_dofadr[joint]), int(model.jnt_qposadr[joint])
        gaps.take("armature [kg, kg m^2]", model.dof_armature[dof], found.armature, name)
        gaps.take("dry friction [N, N m]", model.dof_frictionloss[dof], found.friction, name)
        if kind != _JOINT.mjJNT_SLIDE.value:
            gaps.take("anchor of a joint [m]", data.xanchor[joint], found.one[:3, 3], name)
        if kind == _JOINT.mjJNT_BALL.value:
            told = np.eye(4)
            told[:3, :3] = _turn(source.qpos[address : address + 4])
            gaps.take("pose across a joint", told, np.linalg.inv(found.zero) @ found.one, name)
            continue
        direction = _direction(found, data.xaxis[joint], kind)
        if direction is None:
            gaps.missing("free direction of joint", name)
            continue
        gaps.take("axis of a joint", data.xaxis[joint], _axis(found, direction), name)
        low, high = model.jnt_range[joint].tolist() if model.jnt_limited[joint] else (-math.inf, math.inf)
        gaps.take(
            "limits of a joint [m, rad]", np.array([low, high]), np.array(found.limits[direction]), name
        )
        value = float(source.qpos[address])
        gaps.take("coordinate of a joint [m, rad]", value, found.state[direction], name)
        values.setdefault(found.path, {})[direction] = value
    for joint in read:
        if joint.type == "PhysicsSphericalJoint":
            continue
        found = values.get(joint.path, {})
        if set(found) != set(joint.limits):
            gaps.missing("free direction of joint", joint.names[0])
        gaps.take("pose across a joint", _moved(found), np.linalg.inv(joint.zero) @ joint.one, joint.names[0])


def _turn(quaternion: Array) -> Array:
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, quaternion / np.linalg.norm(quaternion))
    return rotation.reshape(3, 3)


def _direction(joint: JointRead, axis: Array, kind: int) -> str | None:
    """Return the free direction that is along an axis in the world."""
    prefix = "rot" if kind == _JOINT.mjJNT_HINGE.value else "trans"
    for dof in joint.limits:
        if dof.startswith(prefix) and float(_axis(joint, dof) @ axis) > 0.9:
            return dof
    return None


def _axis(joint: JointRead, dof: str) -> Array:
    """Return a free direction in the world: a body slides along the first frame's axes and turns about its own."""
    frame = joint.one if dof.startswith("rot") else joint.zero
    return frame[:3, AXES[dof[-1]]]


def _moved(values: dict[str, float]) -> Array:
    """Return the pose of a joint's second frame in its first one, shape (4, 4), when its coordinates are these."""
    pose = np.eye(4)
    for dof, value in values.items():
        k = AXES[dof[-1]]
        if dof.startswith("trans"):
            pose[k, 3] = value
            continue
        i, j = (k + 1) % 3, (k + 2) % 3
        pose[i, i] = pose[j, j] = math.cos(value)
        pose[j, i] = math.sin(value)
        pose[i, j] = -pose[j, i]
    return pose


def _shapes(model: mujoco.MjModel, data: mujoco.MjData, read: dict[str, ShapeRead], gaps: Gaps) -> None:
    for geom in range(model.ngeom):
        name, kind = name_of(model, _OBJ.mjOBJ_GEOM, geom), _GEOM(int(model.geom_type[geom]))
        found = read.pop(name, None)
        if found is None:
            gaps.missing("shape", name)
            continue
        gaps.take("position of a shape [m]", data.geom_xpos[geom], found.frame[:3, 3], name)
        gaps.take("orientation of a shape", data.geom_xmat[geom].reshape(3, 3), found.frame[:3, :3], name)
        if kind == _GEOM.mjGEOM_MESH:
            first = int(model.mesh_vertadr[model.geom_dataid[geom]])
            points = model.mesh_vert[first : first + model.mesh_vertnum[model.geom_dataid[geom]]]
            gaps.take("points of a mesh [m]", points, found.points, name)
        elif kind == _GEOM.mjGEOM_ELLIPSOID:
            on = np.linalg.norm(found.points / model.geom_size[geom], axis=1)
            gaps.take("points of an ellipsoid [of its axes]", np.ones(len(on)), on, name)
        elif kind == _GEOM.mjGEOM_HFIELD:
            gaps.take("points of a height field [m]", *_heights(model, geom, found.points), name)
        elif kind != _GEOM.mjGEOM_PLANE:
            size = np.array(model.geom_size[geom])
            size[{_GEOM.mjGEOM_SPHERE: 1, _GEOM.mjGEOM_BOX: 3}.get(kind, 2) :] = 0.0
            gaps.take("size of a shape [m]", size, found.size, name)
            volume = _volume(kind.name.removeprefix("mjGEOM_"), model.geom_size[geom])
            gaps.take(
                "volume of a shape [of itself]", 1.0, _volume(found.type.upper(), found.size) / volume, name
            )
    for name in read:
        gaps.missing("shape", name)


def _volume(kind: str, size: Array) -> float:
    """Return the volume of a simple shape from MuJoCo's or USD's type and its sizes. [m^3]"""
    a, b, c = size.tolist()
    ball = 4.0 / 3.0 * math.pi * a**3
    return {
        "SPHERE": ball, "CAPSULE": ball + math.pi * a * a * 2.0 * b, "CYLINDER": math.pi * a * a * 2.0 * b,
        "BOX": 8.0 * a * b * c, "CUBE": 8.0 * a * b * c,
    }[kind]  # fmt: skip


def _heights(model: mujoco.MjModel, geom: int, points: Array) -> tuple[Array, Array]:
    """Return heights of a field as MuJoCo's data have them and at the points of a mesh, both by (x, y)."""
    number = int(model.geom_dataid[geom])
    rows, columns = int(model.hfield_nrow[number]), int(model.hfield_ncol[number])
    half_x, half_y, top, _ = model.hfield_size[number].tolist()
    if len(points) != rows * columns:
        return np.zeros(1), np.zeros(0)
    first = int(model.hfield_adr[number])
    column = np.rint((points[:, 0] / half_x + 1.0) / 2.0 * (columns - 1)).astype(int)
    row = np.rint((points[:, 1] / half_y + 1.0) / 2.0 * (rows - 1)).astype(int)
    told = np.stack(
        [
            column * (2.0 * half_x / (columns - 1)) - half_x, row * (2.0 * half_y / (rows - 1)) - half_y,
            top * model.hfield_data[first + row * columns + column].astype(np.float64),
        ],
        axis=1,
    )  # fmt: skip
    return told, points
