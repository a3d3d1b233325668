# SPDX-License-Identifier: Apache-2.0
"""Equality constraints as joints that close loops; what has no counterpart (tendons among it) is noted.

    connect   PhysicsSphericalJoint between the two anchors
    weld      PhysicsFixedJoint with the relative pose

Both are excluded from articulations, as the engines want it of a joint that closes a loop. MuJoCo's are soft, these
are hard.
"""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

import mujoco
import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdPhysics

from reflexarc_sim.usd.attributes import set_own
from reflexarc_sim.usd.bodies import Layout
from reflexarc_sim.usd.frames import IDENTITY, Pose, compose
from reflexarc_sim.usd.names import free_path, name_of
from reflexarc_sim.usd.notes import Notes
from reflexarc_sim.usd.stage import PHYSICS, quatf, vec3f

_EQUALITY = mujoco.mjtEq


def add_loops(stage: Usd.Stage, model: mujoco.MjModel, layout: Layout, notes: Notes) -> list[Sdf.Path]:
    """Define a joint for every equality constraint that has one; return where they are."""
    found = []
    for number in range(model.neq):
        name = name_of(model, mujoco.mjtObj.mjOBJ_EQUALITY, number)
        kind = _EQUALITY(int(model.eq_type[number]))
        on_bodies = model.eq_objtype[number] == mujoco.mjtObj.mjOBJ_BODY.value
        if kind not in (_EQUALITY.mjEQ_CONNECT, _EQUALITY.mjEQ_WELD) or not on_bodies:
            notes.add(f"an equality constraint of type {kind.name.removeprefix('mjEQ_').lower()}", name)
            continue
        found.append(_close(stage, model, layout, number, name))
        notes.add("an equality constraint is soft in MuJoCo and hard here", name)
    for number in range(model.ntendon):
        notes.add(
            "a tendon, with its limits, spring and friction",
            name_of(model, mujoco.mjtObj.mjOBJ_TENDON, number),
        )
    for body in np.flatnonzero(model.body_gravcomp).tolist():
        notes.add("compensation of gravity", name_of(model, mujoco.mjtObj.mjOBJ_BODY, body))
    return found


def _close(stage: Usd.Stage, model: mujoco.MjModel, layout: Layout, number: int, name: str) -> Sdf.Path:
    one, two = int(model.eq_obj1id[number]), int(model.eq_obj2id[number])
    data = model.eq_data[number]
    if model.eq_type[number] == _EQUALITY.mjEQ_CONNECT.value:
        kind = UsdPhysics.SphericalJoint
        first, second = (Pose(data[3 * k : 3 * k + 3].copy(), IDENTITY.quaternion) for k in (0, 1))
    else:  # the anchor in the second body, the same point in the first one, the second body's turn in the first one
        kind = UsdPhysics.FixedJoint
        second = Pose(data[0:3].copy(), IDENTITY.quaternion)
        first = Pose(data[3:6].copy(), data[6:10].copy())
    folder = PHYSICS.AppendChild("Loops")
    UsdGeom.Scope.Define(stage, folder)
    joint = kind.Define(stage, free_path(stage, folder, name))
    for body, relation in ((one, joint.CreateBody0Rel()), (two, joint.CreateBody1Rel())):
        if layout.carrier[body]:
            relation.SetTargets([layout.paths[int(layout.carrier[body])]])
    first, second = (
        compose(layout.offset(body) if layout.carrier[body] else layout.world[body], frame)
        for body, frame in ((one, first), (two, second))
    )
    joint.CreateLocalPos0Attr(vec3f(first.position))
    joint.CreateLocalRot0Attr(quatf(first.quaternion))
    joint.CreateLocalPos1Attr(vec3f(second.position))
    joint.CreateLocalRot1Attr(quatf(second.quaternion))
    joint.CreateExcludeFromArticulationAttr(True)
    joint.CreateCollisionEnabledAttr(True)
    if not model.eq_active0[number]:
        joint.CreateJointEnabledAttr(False)
    set_own(joint.GetPrim(), "name", name)
    return joint.GetPath()
