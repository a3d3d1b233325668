# SPDX-License-Identifier: Apache-2.0
"""What acts on a joint, written to its prim: drives, the actuators behind them, armature, friction and damping.

Angles are degrees, and so are gains: a stiffness of k N m/rad is k pi / 180 N m/deg.
"""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import mujoco
from pxr import Gf, Usd, UsdPhysics, Vt

from reflexarc_sim.usd.attributes import set_own, set_vendor
from reflexarc_sim.usd.drives import Drive, drive_of
from reflexarc_sim.usd.names import name_of
from reflexarc_sim.usd.notes import Notes
from reflexarc_sim.usd.source import Source


class Passive(NamedTuple):
    """What acts on a degree of freedom without a drive."""

    axis: str
    """By which schemas are applied for it; empty for a ball."""
    armature: float
    friction: float
    damping: float
    """Per second of a metre or a degree, that no drive stands for."""


def write_axis(
    source: Source, notes: Notes, prim: Usd.Prim, number: int, axis: str, angular: bool
) -> tuple[Drive, Passive]:
    """Write drive and state of a hinge or slide.

    Args:
        source: model, configuration and controls.
        notes: takes what no drive can do.
        prim: the joint.
        number: of MuJoCo's joint.
        axis: by which schemas are applied for it: angular, linear, or transX to rotZ.
        angular: whether it turns.

    Returns:
        The drive, and what else acts on the degree of freedom.
    """
    model = source.model
    drive = drive_of(model, number, source.ctrl, notes)
    _drive(prim, drive, axis, angular)
    value = float(source.qpos[model.jnt_qposadr[number]])
    set_vendor(prim, "state:{}:physics:position", math.degrees(value) if angular else value, axis)
    return drive, passive_of(model, axis, drive.passive_damping, int(model.jnt_dofadr[number]), angular)


def name_actuators(model: mujoco.MjModel, prim: Usd.Prim, drives: dict[str, Drive]) -> None:
    """Write which actuators the drives of a joint, by their axes, stand for."""
    found = {axis: drive for axis, drive in drives.items() if drive.actuator >= 0}
    if not found:
        return
    numbers = [drive.actuator for drive in found.values()]
    ranges = [
        model.actuator_ctrlrange[k].tolist() if model.actuator_ctrllimited[k] else (-math.inf, math.inf)
        for k in numbers
    ]
    set_own(prim, "actuators", [name_of(model, mujoco.mjtObj.mjOBJ_ACTUATOR, k) for k in numbers])
    set_own(prim, "actuatorAxes", list(found))
    set_own(prim, "actuatorTypes", [drive.kind for drive in found.values()])
    set_own(prim, "actuatorGears", Vt.DoubleArray([float(model.actuator_gear[k, 0]) for k in numbers]))
    set_own(prim, "controlRanges", Vt.Vec2dArray([Gf.Vec2d(*span) for span in ranges]))


def passive_of(model: mujoco.MjModel, axis: str, damping: float, dof: int, angular: bool) -> Passive:
    """Return armature, friction and the given damping [N s/m or N m s/rad] of a degree of freedom."""
    per = math.radians(1.0) if angular else 1.0
    return Passive(axis, float(model.dof_armature[dof]), float(model.dof_frictionloss[dof]), damping * per)


def write_passive(notes: Notes, prim: Usd.Prim, found: list[Passive]) -> None:
    """Write armature, dry friction and damping: for PhysX by axis where it can, for Newton of the whole joint."""
    whole = (
        ("armature", ("physxJoint:armature", "newton:armature")),
        ("friction", ("newton:friction",)),
        ("damping", ("newton:damping",)),
    )
    for quantity, names in whole:
        values = [getattr(one, quantity) for one in found]
        if max(values) > 0.0:
            for name in names:
                set_vendor(prim, name, max(values))
        if max(values) != min(values):
            notes.add(
                f"{quantity} that differs between the directions of one joint; all have the largest",
                prim.GetName(),
            )
    for axis, _, friction, damping in found:
        if axis not in ("angular", "linear", "rotX", "rotY", "rotZ"):
            if friction or damping:
                notes.add(
                    "friction and damping of a ball or of slides on one body; Newton alone has them",
                    prim.GetName(),
                )
            continue
        if friction:
            set_vendor(prim, "physxJointAxis:{}:staticFrictionEffort", friction, axis)
            set_vendor(prim, "physxJointAxis:{}:dynamicFrictionEffort", friction, axis)
        if damping:
            set_vendor(prim, "physxJointAxis:{}:viscousFrictionCoefficient", damping, axis)


def _drive(prim: Usd.Prim, drive: Drive, axis: str, angular: bool) -> None:
    if drive.actuator < 0 and not drive.stiffness and not drive.damping:
        return
    per = math.radians(1.0) if angular else 1.0
    api = UsdPhysics.DriveAPI.Apply(prim, axis)
    api.CreateTypeAttr(UsdPhysics.Tokens.force)
    api.CreateStiffnessAttr(drive.stiffness * per)
    api.CreateDampingAttr(drive.damping * per)
    if math.isfinite(drive.max_force):
        api.CreateMaxForceAttr(drive.max_force)
    if drive.stiffness:
        api.CreateTargetPositionAttr(drive.target / per)
    if drive.damping:
        api.CreateTargetVelocityAttr(drive.target_velocity / per)
