# SPDX-License-Identifier: Apache-2.0
"""Joints: USD's units and frames, reference values, several joints of one body, fixed bases, and what is refused."""

import math

import numpy as np
import pytest
from pxr import Sdf, UsdPhysics

from reflexarc.core.errors import ModelError
from reflexarc_sim.usd.compare import TOLERANCE, compare
from reflexarc_sim.usd.read_back import read_joints

INERTIAL = "<inertial pos='0.01 0.02 0.03' mass='1.5' diaginertia='0.02 0.03 0.04'/>"
OBJECTS = "/World/Objects"


def parsed(stage, kind):
    """Return what OpenUSD's own parser makes of the joints of a kind, by name."""
    load = getattr(UsdPhysics, "UsdPhysicsLoadStageFromPrimRange", None) or UsdPhysics.LoadUsdPhysicsFromRange
    found = load(stage, [Sdf.Path.absoluteRootPath]).get(kind, ([], []))
    return {path.name: description for path, description in zip(*found, strict=True)}


def test_a_hinge_has_degrees_and_a_slide_has_metres(stage_of):
    _, made = stage_of(
        f"""<body name="a">{INERTIAL}<joint name="turn" axis="0 0 1" limited="true" range="-0.5 1.25"/>
              <body name="b">{INERTIAL}<joint name="push" type="slide" axis="0 1 0" limited="true" range="-0.2 0.3"/>
              </body></body>"""
    )
    turn = parsed(made.stage, UsdPhysics.ObjectType.RevoluteJoint)["turn"]
    assert turn.axis == UsdPhysics.Axis.Z
    assert (turn.limit.lower, turn.limit.upper) == pytest.approx((math.degrees(-0.5), math.degrees(1.25)))
    push = parsed(made.stage, UsdPhysics.ObjectType.PrismaticJoint)["push"]
    assert push.axis == UsdPhysics.Axis.Y
    assert (push.limit.lower, push.limit.upper) == pytest.approx((-0.2, 0.3))


def test_a_joint_without_limits_turns_freely(stage_of):
    _, made = stage_of(f"<body name='a'>{INERTIAL}<joint name='turn'/></body>")
    (turn,) = read_joints(made.stage)
    assert turn.limits == {"rotZ": (-math.inf, math.inf)}


@pytest.mark.parametrize("kind", ["hinge", "slide"])
def test_a_coordinate_is_that_of_the_model_whatever_its_reference(stage_of, kind):
    text = f"""<body name="a" pos="1 2 3" euler="0.3 0.2 0.1">{INERTIAL}
        <joint name="q" type="{kind}" axis="1 2 -1" pos="0.1 0.2 0.3" ref="0.4" limited="true" range="-0.6 0.9"/>
        </body>"""
    for value in (0.4, -0.3):
        source, made = stage_of(text, qpos=[value])
        assert compare(source, made.stage).worst <= TOLERANCE
        (joint,) = read_joints(made.stage)
        (state,) = joint.state.values()
        assert state == pytest.approx(value, abs=1e-6)


def test_several_slides_and_a_hinge_of_one_body_become_one_joint(stage_of):
    text = f"""<body name="cart" pos="0.1 0.2 0" euler="0 0 0.5">{INERTIAL}
        <joint name="x" type="slide" axis="0 1 0" limited="true" range="-3 4"/>
        <joint name="y" type="slide" axis="1 0 0"/>
        <joint name="yaw" axis="0 0 1" pos="0.2 0 0" ref="0.1"/></body>"""
    source, made = stage_of(text, qpos=[0.5, -0.7, 1.1])
    assert compare(source, made.stage).worst <= TOLERANCE
    (joint,) = read_joints(made.stage)
    assert joint.type == "PhysicsJoint"
    assert joint.names == ("x", "y", "yaw")
    assert joint.limits == {
        "transX": (-math.inf, math.inf),
        "transY": (-3.0, 4.0),
        "rotZ": (-math.inf, math.inf),
    }


def test_slides_along_no_coordinate_axis_become_one_joint_too(stage_of):
    text = f"""<body name="cart">{INERTIAL}
        <joint name="x" type="slide" axis="1 1 0"/><joint name="y" type="slide" axis="1 -1 0"/>
        <joint name="yaw" axis="0 0 -1"/></body>"""
    source, made = stage_of(text, qpos=[0.5, -0.7, 1.1])
    assert compare(source, made.stage).worst <= TOLERANCE


@pytest.mark.parametrize(
    "joints",
    [
        "<joint name='p' axis='1 0 0'/><joint name='q' axis='0 1 0'/>",
        "<joint name='p' type='slide' axis='1 0 0'/><joint name='q' type='slide' axis='1 1 0'/>",
        "<joint name='p' axis='1 0 0'/><joint name='q' type='slide' axis='0 1 0'/>",
        "<joint name='p' type='slide' axis='1 0 0'/><joint name='q' type='ball'/>",
    ],
)
def test_joints_that_usd_cannot_express_are_refused_and_named(stage_of, joints):
    with pytest.raises(ModelError, match=r"body 'cart' has 2 joints that one joint of USD cannot express"):
        stage_of(f"<body name='cart'>{INERTIAL}{joints}</body>")


def test_a_ball_joint_keeps_its_turn_and_its_limit_becomes_a_cone(stage_of):
    quaternion = np.array([0.8, 0.1, -0.3, 0.5])
    quaternion /= np.linalg.norm(quaternion)
    source, made = stage_of(
        f"""<body name="a" pos="0 1 0" euler="0.1 0.4 0">{INERTIAL}
              <joint name="ball" type="ball" pos="0.1 0 0.2" limited="true" range="0 0.8" damping="0.1"/></body>""",
        qpos=quaternion,
    )
    assert compare(source, made.stage).worst <= TOLERANCE
    ball = parsed(made.stage, UsdPhysics.ObjectType.SphericalJoint)["ball"]
    assert (ball.limit.lower, ball.limit.upper) == pytest.approx((math.degrees(0.8),) * 2)
    assert any("not its spin: ball" in text for text in made.lost)


def test_a_body_that_hangs_on_the_world_by_a_hinge_gets_a_base_that_is_fixed(stage_of):
    source, made = stage_of(f"<body name='a' pos='0 0 1'>{INERTIAL}<joint name='turn'/></body>")
    assert compare(source, made.stage).worst <= TOLERANCE
    roots = [p for p in made.stage.Traverse() if p.HasAPI(UsdPhysics.ArticulationRootAPI)]
    assert [p.GetTypeName() for p in roots] == ["PhysicsFixedJoint"]
    assert roots[0].GetAttribute("reflexarc:added").Get() is True
    base = made.stage.GetPrimAtPath(f"{OBJECTS}/a/base")
    assert UsdPhysics.Joint(roots[0]).GetBody0Rel().GetTargets() == []
    assert UsdPhysics.Joint(roots[0]).GetBody1Rel().GetTargets() == [base.GetPath()]
    hinge = UsdPhysics.Joint(made.stage.GetPrimAtPath(f"{OBJECTS}/a/Joints/turn"))
    assert hinge.GetBody0Rel().GetTargets() == [base.GetPath()]


def test_a_floating_tree_is_an_articulation_from_its_root_and_a_loose_body_is_none(stage_of):
    _, made = stage_of(
        f"""<body name="root"><freejoint/>{INERTIAL}<body name="limb">{INERTIAL}<joint/></body></body>
            <body name="loose" pos="0 0 3"><freejoint/>{INERTIAL}</body>"""
    )
    roots = [str(p.GetPath()) for p in made.stage.Traverse() if p.HasAPI(UsdPhysics.ArticulationRootAPI)]
    assert roots == [f"{OBJECTS}/root/root"]


def test_welded_bodies_are_held_with_their_mass_or_carried_without(stage_of):
    source, made = stage_of(
        f"""<body name="root" pos="0 0 1"><freejoint/>{INERTIAL}
              <body name="heavy" pos="0.1 0 0" euler="0 0.2 0">{INERTIAL}<geom name="h" size="0.1"/>
                <body name="frame" pos="0 0.2 0" euler="0.3 0 0"><geom name="f" size="0.1" mass="0"/>
                  <body name="tip" pos="0.1 0.2 0" euler="0 0.4 0"><geom name="t" size="0.1" mass="0"/>
                    <body name="end" pos="0 0 0.1">{INERTIAL}<joint name="turn" axis="0 1 1"/></body>
            </body></body></body></body>
            <body name="post" pos="3 0 0"><geom name="p" size="0.1"/>
              <body name="swing" pos="0 0 1">{INERTIAL}<joint name="swing" axis="1 0 0"/></body></body>""",
        qpos=[0, 0, 2, 0.5, 0.5, 0.5, 0.5, 0.3, 0.2],
    )
    assert compare(source, made.stage).worst <= TOLERANCE
    stage = made.stage
    fixed = [j for j in read_joints(stage) if j.type == "PhysicsFixedJoint"]
    assert [j.names for j in fixed] == [("heavy",)]
    carried = stage.GetPrimAtPath(f"{OBJECTS}/root/heavy/frame")
    assert carried
    assert not carried.HasAPI(UsdPhysics.RigidBodyAPI)
    assert not stage.GetPrimAtPath("/World/Scenery/post").HasAPI(UsdPhysics.RigidBodyAPI)
    swing = UsdPhysics.Joint(stage.GetPrimAtPath(f"{OBJECTS}/swing/Joints/swing"))
    assert swing.GetLocalPos0Attr().Get() == (3, 0, 1)


def test_a_mocap_body_is_kinematic(stage_of):
    source, made = stage_of("<body name='hand' mocap='true' pos='1 0 0'><geom size='0.1'/></body>")
    assert compare(source, made.stage).worst <= TOLERANCE
    prim = made.stage.GetPrimAtPath(f"{OBJECTS}/hand/hand")
    assert UsdPhysics.RigidBodyAPI(prim).GetKinematicEnabledAttr().Get() is True


@pytest.mark.parametrize("kind", ["connect", "weld"])
def test_a_joint_that_closes_a_loop_fits_in_the_reference_configuration(stage_of, kind):
    more = 'anchor="0.2 -0.1 0.3"'
    source, made = stage_of(
        f"""<mujoco><compiler angle="radian"/><worldbody>
          <body name="a" pos="0 0 1" euler="0.1 0.2 0.3"><freejoint/>{INERTIAL}
            <body name="frame" pos="0.1 0 0" euler="0 0 0.4"><geom size="0.1" mass="0"/></body></body>
          <body name="b" pos="0.5 0.6 1" euler="0.5 0 0.1"><freejoint/>{INERTIAL}</body>
          <body name="post" pos="0 3 0" euler="0 0.7 0"><geom size="0.1"/></body></worldbody>
        <equality><{kind} body1="frame" body2="b" {more}/><{kind} body1="b" body2="post" {more}/>
          <{kind} body1="b" {more}/></equality></mujoco>"""
    )
    assert compare(source, made.stage).worst <= TOLERANCE
    closing = read_joints(made.stage, closing=True)
    assert len(closing) == 3
    for joint in closing:
        assert np.allclose(joint.zero[:3, 3], joint.one[:3, 3], atol=1e-6)
        if kind == "weld":
            assert np.allclose(joint.zero, joint.one, atol=1e-6)


def test_constraints_become_joints_that_close_loops_and_the_rest_is_said(stage_of):
    _, made = stage_of(
        f"""<mujoco><worldbody>
          <body name="a" pos="0 0 1"><freejoint/>{INERTIAL}<site name="s"/></body>
          <body name="b" pos="0.5 0 1"><freejoint/>{INERTIAL}<site name="t"/></body>
          <body name="c" pos="0 2 1">{INERTIAL}<joint name="c"/></body></worldbody>
        <equality><connect name="pin" body1="a" body2="b" anchor="0.25 0 0"/>
          <weld name="glue" body1="a" active="false"/><joint name="gear" joint1="c"/></equality>
        <tendon><spatial name="rope"><site site="s"/><site site="t"/></spatial></tendon></mujoco>"""
    )
    pin = UsdPhysics.SphericalJoint(made.stage.GetPrimAtPath("/World/Physics/Loops/pin"))
    assert pin.GetExcludeFromArticulationAttr().Get() is True
    assert np.allclose(pin.GetLocalPos0Attr().Get(), (0.25, 0, 0), atol=1e-7)
    assert np.allclose(pin.GetLocalPos1Attr().Get(), (-0.25, 0, 0), atol=1e-7)
    glue = UsdPhysics.FixedJoint(made.stage.GetPrimAtPath("/World/Physics/Loops/glue"))
    assert glue.GetJointEnabledAttr().Get() is False
    assert len(glue.GetBody0Rel().GetTargets() + glue.GetBody1Rel().GetTargets()) == 1
    assert made.counts["joints that close loops"] == 2
    assert any("type joint: gear" in text for text in made.lost)
    assert any(text.startswith("a tendon") and text.endswith("rope") for text in made.lost)
    custom = made.stage.GetPrimAtPath("/World").GetCustomData()["reflexarc"]["notExpressed"]
    assert custom.splitlines() == list(made.lost)
