# SPDX-License-Identifier: Apache-2.0
"""An empty stage in SI units with z up and a physics scene; placing and naming prims in it."""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

from typing import TypeAlias

import mujoco
import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from reflexarc.core.types import Array
from reflexarc_sim.usd.attributes import set_vendor
from reflexarc_sim.usd.frames import Pose
from reflexarc_sim.usd.notes import Notes

Stage: TypeAlias = Usd.Stage
"""OpenUSD's own, for rooms that do not import OpenUSD themselves."""
WORLD = Sdf.Path("/World")
PHYSICS = WORLD.AppendChild("Physics")


def new_stage(model: mujoco.MjModel, notes: Notes) -> Usd.Stage:
    """Return a stage in memory: metres, kilograms, z up, gravity and time step of the model.

    Gravity g becomes a direction g / |g| and a magnitude |g| [m/s^2]. The time step h [s] becomes a whole number of
    steps per second, round(1 / h).
    """
    stage = Usd.Stage.CreateInMemory("scenario.usda")
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdPhysics.SetStageKilogramsPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, WORLD).GetPrim())
    UsdGeom.Scope.Define(stage, PHYSICS)
    scene = UsdPhysics.Scene.Define(stage, PHYSICS.AppendChild("Scene"))
    on = not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_GRAVITY.value
    gravity = np.array(model.opt.gravity) if on else np.zeros(3)
    size = float(np.linalg.norm(gravity))
    direction = gravity / size if size > 0.0 else np.array([0.0, 0.0, -1.0])
    scene.CreateGravityDirectionAttr(Gf.Vec3f(*direction.tolist()))
    scene.CreateGravityMagnitudeAttr(size)
    steps = round(1.0 / model.opt.timestep)
    if abs(steps * model.opt.timestep - 1.0) > 1e-9:
        notes.add(
            f"a time step of {model.opt.timestep:g} s is no whole number of steps per second", f"{steps} Hz"
        )
    set_vendor(scene.GetPrim(), "physxScene:timeStepsPerSecond", steps)
    set_vendor(scene.GetPrim(), "newton:timeStepsPerSecond", steps)
    return stage


def place(prim: Usd.Prim, pose: Pose, scale: Array | None = None) -> None:
    """Place a prim in its parent's frame, in double precision.

    Args:
        prim: an Xformable without operations.
        pose: where.
        scale: factors along its own axes, shape (3,).
    """
    xform, double = UsdGeom.Xformable(prim), UsdGeom.XformOp.PrecisionDouble
    xform.AddTranslateOp(double).Set(Gf.Vec3d(*pose.position.tolist()))
    w, x, y, z = pose.quaternion.tolist()
    xform.AddOrientOp(double).Set(Gf.Quatd(w, x, y, z))
    if scale is not None:
        xform.AddScaleOp(double).Set(Gf.Vec3d(*scale.tolist()))


def quatf(quaternion: Array) -> Gf.Quatf:
    """Return a quaternion in single precision, which the physics schemas force."""
    w, x, y, z = quaternion.tolist()
    return Gf.Quatf(w, x, y, z)


def vec3f(vector: Array) -> Gf.Vec3f:
    """Return a vector in single precision, which the physics schemas force."""
    return Gf.Vec3f(*np.asarray(vector, dtype=np.float64).tolist())
