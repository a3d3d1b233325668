# SPDX-License-Identifier: Apache-2.0
r"""Actuators and passive springs as drives of a joint.

A drive of `UsdPhysics` acts with  stiffness (q* - q) + damping (v* - v),  limited to `maxForce`. An actuator of MuJoCo
with gear g, fixed gain k and affine bias (b0, b1, b2), told u, acts on the joint with

    g (k u + b0 + b1 g q + b2 g v),    so that    stiffness = -b1 g^2,   damping = -b2 g^2,

and target q* = k u / (-b1 g) for a position servo, v* = k u / (-b2 g) for a velocity servo. A motor has neither; its
drive only holds the limit of its effort. A joint without an actuator has its passive spring and damper as a drive.
"""

# MuJoCo is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import math
from dataclasses import dataclass

import mujoco
import numpy as np

from reflexarc.core.types import Array
from reflexarc_sim.usd.names import name_of
from reflexarc_sim.usd.notes import Notes


@dataclass(frozen=True)
class Drive:
    """Of one degree of freedom, in SI units: N and m, or N m and rad."""

    stiffness: float = 0.0
    damping: float = 0.0
    max_force: float = math.inf
    target: float = 0.0
    """Where the spring is at rest."""
    target_velocity: float = 0.0
    passive_damping: float = 0.0
    """The joint's own, where an actuator has the drive."""
    actuator: int = -1
    """Of which actuator; -1: the joint's own spring and damper, or nothing."""
    kind: str = ""
    """motor, position or velocity."""


def drive_of(model: mujoco.MjModel, joint: int, ctrl: Array, notes: Notes) -> Drive:
    """Return the drive of a hinge or slide."""
    dof, name = int(model.jnt_dofadr[joint]), name_of(model, mujoco.mjtObj.mjOBJ_JOINT, joint)
    stiffness, damping = float(model.jnt_stiffness[joint]), float(model.dof_damping[dof])
    if np.any(model.jnt_stiffnesspoly[joint]) or np.any(model.dof_dampingpoly[dof]):
        notes.add("stiffness or damping that is no constant; its constant part is exported", name)
    on = np.flatnonzero(
        (model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT.value) & (model.actuator_trnid[:, 0] == joint)
    ).tolist()
    affine = [a for a in on if _is_affine(model, a)]
    for actuator in [a for a in on if a not in affine[:1]]:
        notes.add(
            "an actuator that is no motor, position or velocity servo, or one more on the same joint",
            name_of(model, mujoco.mjtObj.mjOBJ_ACTUATOR, actuator),
        )
    if not affine:
        rest = float(model.qpos_spring[model.jnt_qposadr[joint]]) if stiffness else 0.0
        return Drive(stiffness, damping, target=rest)
    drive = _of_actuator(model, joint, affine[0], ctrl, damping, notes)
    if stiffness:
        notes.add("the spring of a joint that is also actuated", name)
    return drive


def other_actuators(model: mujoco.MjModel, notes: Notes) -> None:
    """Note the actuators that act on no hinge or slide."""
    simple = (mujoco.mjtJoint.mjJNT_HINGE.value, mujoco.mjtJoint.mjJNT_SLIDE.value)
    for actuator in range(model.nu):
        on_joint = model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_JOINT.value
        if not (on_joint and model.jnt_type[model.actuator_trnid[actuator, 0]] in simple):
            notes.add(
                "an actuator on a tendon, site, body, ball or free joint",
                name_of(model, mujoco.mjtObj.mjOBJ_ACTUATOR, actuator),
            )


def _is_affine(model: mujoco.MjModel, actuator: int) -> bool:
    return (
        model.actuator_dyntype[actuator] == mujoco.mjtDyn.mjDYN_NONE.value
        and model.actuator_gaintype[actuator] == mujoco.mjtGain.mjGAIN_FIXED.value
        and model.actuator_biastype[actuator]
        in (mujoco.mjtBias.mjBIAS_NONE.value, mujoco.mjtBias.mjBIAS_AFFINE.value)
    )


def _of_actuator(
    model: mujoco.MjModel, joint: int, actuator: int, ctrl: Array, damping: float, notes: Notes
) -> Drive:
    name = name_of(model, mujoco.mjtObj.mjOBJ_ACTUATOR, actuator)
    gear, gain = float(model.actuator_gear[actuator, 0]), float(model.actuator_gainprm[actuator, 0])
    b0, b1, b2 = (
        model.actuator_biasprm[actuator, :3].tolist()
        if model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_AFFINE.value
        else (0.0, 0.0, 0.0)
    )
    if b0 or b1 > 0.0 or b2 > 0.0:
        notes.add("an actuator with a constant or destabilising bias, of which the drive has none", name)
    spring, damper = max(-b1, 0.0), max(-b2, 0.0)
    if np.any(model.actuator_armature[actuator]) or np.any(model.actuator_damping[actuator]):
        notes.add("an actuator's own armature or damping", name)
    told = gain * float(ctrl[int(model.actuator_ctrladr[actuator])])
    kind = "position" if spring else "velocity" if damper else "motor"
    limit = _largest(model, actuator, kind, gear, gain, notes)
    if model.jnt_actfrclimited[joint]:
        limit = min(limit, _magnitude(model.jnt_actfrcrange[joint], name, notes))
    return Drive(
        stiffness=spring * gear * gear,
        damping=damper * gear * gear,
        max_force=limit,
        target=told / (spring * gear) if kind == "position" and gear else 0.0,
        target_velocity=told / (damper * gear) if kind == "velocity" and gear else 0.0,
        passive_damping=damping,
        actuator=actuator,
        kind=kind,
    )


def _largest(
    model: mujoco.MjModel, actuator: int, kind: str, gear: float, gain: float, notes: Notes
) -> float:
    """Return the largest effort on the joint that an actuator is allowed. [N or N m]"""
    name, limit = name_of(model, mujoco.mjtObj.mjOBJ_ACTUATOR, actuator), math.inf
    if model.actuator_forcelimited[actuator]:
        limit = abs(gear) * _magnitude(model.actuator_forcerange[actuator], name, notes)
    if kind == "motor" and model.actuator_ctrllimited[actuator]:
        told = abs(gear * gain) * _magnitude(model.actuator_ctrlrange[actuator], name, notes)
        limit = min(limit, told)
    return limit


def _magnitude(span: Array, name: str, notes: Notes) -> float:
    low, high = span.tolist()
    if abs(low + high) > 1e-9 * max(abs(low), abs(high)):
        notes.add("limits of an effort that are not the same both ways; the larger one is exported", name)
    return max(abs(low), abs(high))
