# SPDX-License-Identifier: Apache-2.0
"""The comparison finds what differs: one thing of the stage is changed, and that quantity alone is out."""

import numpy as np
import pytest
from pxr import Gf, Sdf, UsdGeom, UsdPhysics

from reflexarc_sim.usd.compare import TOLERANCE, compare

BODY = """
<geom name="floor" type="plane" size="0 0 1"/>
<body name="base" pos="0 0 1"><freejoint/>
  <inertial pos="0.1 0 0" mass="3" fullinertia="0.3 0.2 0.25 0.01 0.02 0.03"/>
  <geom name="shell" type="box" size="0.3 0.2 0.1"/>
  <geom name="apart" size="0.1" contype="2" conaffinity="2"/>
  <body name="arm" pos="0.3 0 0" euler="0.1 0.2 0.3">
    <joint name="elbow" axis="1 2 3" pos="0.05 0 0" range="-1 2" limited="true" armature="0.01" frictionloss="0.2"/>
    <inertial pos="0 0 0.1" mass="0.5" diaginertia="0.01 0.02 0.015"/>
    <geom name="rod" type="capsule" size="0.05 0.2" contype="0"/>
  </body>
</body>
"""
BASE, ARM = "/World/Objects/base/base", "/World/Objects/base/arm"
ELBOW = "/World/Objects/base/Joints/elbow"


def _mass(stage):
    UsdPhysics.MassAPI(stage.GetPrimAtPath(ARM)).GetMassAttr().Set(0.5 * (1 + 3e-6))


def _centre(stage):
    UsdPhysics.MassAPI(stage.GetPrimAtPath(BASE)).GetCenterOfMassAttr().Set(Gf.Vec3f(0.1, 3e-6, 0))


def _inertia(stage):
    axes = UsdPhysics.MassAPI(stage.GetPrimAtPath(BASE)).GetPrincipalAxesAttr()
    axes.Set(axes.Get() * Gf.Quatf(1.0, 1e-5, 0.0, 0.0))


def _upper(stage):
    stage.GetPrimAtPath(ELBOW).GetAttribute("physics:upperLimit").Set(float(np.degrees(2.00001)))


def _radians(stage):
    stage.GetPrimAtPath(ELBOW).GetAttribute("physics:lowerLimit").Set(-1.0)


def _anchor(stage):
    joint = UsdPhysics.Joint(stage.GetPrimAtPath(ELBOW))
    for attribute in (joint.GetLocalPos0Attr(), joint.GetLocalPos1Attr()):
        attribute.Set(attribute.Get() + Gf.Vec3f(0, 0, 1e-5))


def _parent_frame(stage):
    attribute = UsdPhysics.Joint(stage.GetPrimAtPath(ELBOW)).GetLocalPos0Attr()
    attribute.Set(attribute.Get() + Gf.Vec3f(1e-5, 0, 0))


def _axis(stage):
    UsdPhysics.RevoluteJoint(stage.GetPrimAtPath(ELBOW)).GetAxisAttr().Set("Y")


def _pose(stage):
    stage.GetPrimAtPath(ARM).GetAttribute("xformOp:translate").Set(Gf.Vec3d(0.3, 0, 1.00001))


def _armature(stage):
    stage.GetPrimAtPath(ELBOW).GetAttribute("physxJoint:armature").Set(0.011)


def _friction(stage):
    stage.GetPrimAtPath(ELBOW).GetAttribute("newton:friction").Set(0.21)


def _state(stage):
    stage.GetPrimAtPath(ELBOW).GetAttribute("state:angular:physics:position").Set(0.5)


def _radius(stage):
    UsdGeom.Capsule(stage.GetPrimAtPath(f"{ARM}/rod")).GetRadiusAttr().Set(0.05001)


def _scale(stage):
    stage.GetPrimAtPath(f"{BASE}/shell").GetAttribute("xformOp:scale").Set(Gf.Vec3d(0.3, 0.2, 0.10001))


def _kind(stage):
    stage.GetPrimAtPath(f"{ARM}/rod").SetTypeName("Cylinder")


def _no_shape(stage):
    stage.RemovePrim(f"{BASE}/shell")


def _no_body(stage):
    stage.GetPrimAtPath(ARM).RemoveAPI(UsdPhysics.RigidBodyAPI)


def _no_joint(stage):
    stage.RemovePrim(ELBOW)


def _no_filter(stage):
    for prim in stage.Traverse():
        if prim.IsA(UsdPhysics.CollisionGroup):
            prim.RemoveProperty("physics:filteredGroups")


def _one_more_body(stage):
    UsdPhysics.RigidBodyAPI.Apply(UsdGeom.Xform.Define(stage, "/World/more").GetPrim())
    stage.GetPrimAtPath("/World/more").CreateAttribute("reflexarc:name", Sdf.ValueTypeNames.String).Set(
        "more"
    )


@pytest.mark.parametrize(
    ("change", "quantities"),
    [
        (_mass, {"mass [of itself]"}),
        (_centre, {"centre of mass [m]"}),
        (_inertia, {"inertia [of its largest moment]"}),
        (_upper, {"limits of a joint [m, rad]"}),
        (_radians, {"limits of a joint [m, rad]"}),
        (_anchor, {"anchor of a joint [m]", "pose across a joint"}),
        (_parent_frame, {"pose across a joint"}),
        (_axis, {"missing or added free direction of joint"}),
        (
            _pose,
            {
                "position of a body [m]",
                "position of a shape [m]",
                "anchor of a joint [m]",
                "pose across a joint",
            },
        ),
        (_armature, {"armature [kg, kg m^2]"}),
        (_friction, {"dry friction [N, N m]"}),
        (_state, {"coordinate of a joint [m, rad]"}),
        (_radius, {"size of a shape [m]", "volume of a shape [of itself]"}),
        (_scale, {"size of a shape [m]", "volume of a shape [of itself]"}),
        (_kind, {"volume of a shape [of itself]"}),
        (_no_shape, {"missing or added shape", "missing or added pair of shapes that collide"}),
        (_no_body, {"missing or added body"}),
        (_no_joint, {"missing or added joint", "missing or added pair of shapes that collide"}),
        (_no_filter, {"missing or added pair of shapes that collide"}),
        (_one_more_body, {"missing or added body"}),
    ],
)
def test_a_change_of_the_stage_is_found(stage_of, change, quantities):
    source, made = stage_of(BODY)
    assert compare(source, made.stage).worst <= TOLERANCE
    change(made.stage)
    out = {quantity for quantity, gap in compare(source, made.stage).items() if gap.size > TOLERANCE}
    assert out >= quantities
    if change not in (_axis, _no_body, _kind, _no_joint):
        assert out == quantities
