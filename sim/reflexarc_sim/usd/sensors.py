# SPDX-License-Identifier: Apache-2.0
"""Sensors: MuJoCo's sites and cameras, and what the plant simulates beside MuJoCo, where they are mounted.

A camera becomes a `UsdGeom.Camera`; both look along -z with y up. Its vertical field of view a gives, for a vertical
aperture h, the focal length f = h / (2 tan(a / 2)). Everything else is an Xform with attributes of the namespace
`reflexarc:`; USD has no schema for a lidar or a force sensor that every engine reads.
"""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

import math

import mujoco
from pxr import Gf, Sdf, Usd, UsdGeom, Vt

from reflexarc_sim.usd.attributes import set_own
from reflexarc_sim.usd.bodies import Layout
from reflexarc_sim.usd.frames import Pose
from reflexarc_sim.usd.names import free_path, name_of
from reflexarc_sim.usd.notes import Notes
from reflexarc_sim.usd.source import Source
from reflexarc_sim.usd.stage import place

_OBJ = mujoco.mjtObj
APERTURE = 20.955
"""Width of a camera's sensor, that of 35 mm film and USD's default. [mm]"""
_WIDE = 16.0 / 9.0
"""Width per height of a camera without a resolution of its own; MuJoCo says the height alone."""


def add_sensors(
    stage: Usd.Stage, source: Source, layout: Layout, joints: dict[int, Sdf.Path], notes: Notes
) -> list[Sdf.Path]:
    """Define cameras, sites and mounts; return the prims that measure something."""
    model, sites, found = source.model, {}, []
    for site in range(model.nsite):
        name = name_of(model, _OBJ.mjOBJ_SITE, site)
        prim = UsdGeom.Xform.Define(
            stage, _below(stage, layout, int(model.site_bodyid[site]), name)
        ).GetPrim()
        place(prim, Pose(model.site_pos[site].copy(), model.site_quat[site].copy()))
        set_own(prim, "name", name)
        sites[site] = prim.GetPath()
    for camera in range(model.ncam):
        found.append(_camera(stage, model, layout, camera, notes))
    for mount in source.mounts:
        path = _below(stage, layout, mount.body, f"sensor_{mount.sensor}")
        prim = UsdGeom.Xform.Define(stage, path).GetPrim()
        place(prim, mount.pose)
        set_own(prim, "sensor", mount.sensor)
        for key, value in mount.values.items():
            set_own(prim, key, value)
        found.append(path)
    return found + _measured(stage, model, layout, sites, joints, notes)


def _below(stage: Usd.Stage, layout: Layout, body: int, name: str) -> Sdf.Path:
    return free_path(stage, layout.paths[body], name)


def _camera(stage: Usd.Stage, model: mujoco.MjModel, layout: Layout, number: int, notes: Notes) -> Sdf.Path:
    name = name_of(model, _OBJ.mjOBJ_CAMERA, number)
    camera = UsdGeom.Camera.Define(stage, _below(stage, layout, int(model.cam_bodyid[number]), name))
    prim = camera.GetPrim()
    place(prim, Pose(model.cam_pos[number].copy(), model.cam_quat[number].copy()))
    set_own(prim, "name", name)
    width, height = model.cam_resolution[number].tolist()
    wide = width / height if width > 1 and height > 1 else _WIDE
    tall = APERTURE / wide
    fovy = math.radians(float(model.cam_fovy[number]))
    camera.CreateHorizontalApertureAttr(APERTURE)
    camera.CreateVerticalApertureAttr(tall)
    camera.CreateFocalLengthAttr(tall / (2.0 * math.tan(fovy / 2.0)))
    extent = float(model.stat.extent)
    camera.CreateClippingRangeAttr(Gf.Vec2f(model.vis.map.znear * extent, model.vis.map.zfar * extent))
    if model.cam_mode[number] != mujoco.mjtCamLight.mjCAMLIGHT_FIXED.value:
        notes.add("a camera that follows or aims; it is fixed to its body", name)
    return camera.GetPath()


def _measured(
    stage: Usd.Stage,
    model: mujoco.MjModel,
    layout: Layout,
    sites: dict[int, Sdf.Path],
    joints: dict[int, Sdf.Path],
    notes: Notes,
) -> list[Sdf.Path]:
    """Write MuJoCo's sensors to the prim of what they measure; return these prims."""
    at: dict[Sdf.Path, list[str]] = {}
    for sensor in range(model.nsensor):
        name = name_of(model, _OBJ.mjOBJ_SENSOR, sensor)
        kind = mujoco.mjtSensor(int(model.sensor_type[sensor])).name.removeprefix("mjSENS_").lower()
        what, number = int(model.sensor_objtype[sensor]), int(model.sensor_objid[sensor])
        if what == _OBJ.mjOBJ_SITE.value:
            path = sites[number]
        elif what in (_OBJ.mjOBJ_BODY.value, _OBJ.mjOBJ_XBODY.value):
            path = layout.paths[number]
        elif what == _OBJ.mjOBJ_JOINT.value and number in joints:
            path = joints[number]
        else:
            notes.add("a sensor of neither site, body nor joint", name)
            continue
        at.setdefault(path, []).append(f"{kind} {name}")
    for path, entries in at.items():
        set_own(stage.GetPrimAtPath(path), "sensors", Vt.StringArray(entries))
    return list(at)
