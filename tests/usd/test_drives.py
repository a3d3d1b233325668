# SPDX-License-Identifier: Apache-2.0
"""Drives act as the actuators and springs do: their law against the forces that MuJoCo computes."""

import math

import mujoco
import numpy as np
import pytest

from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.usd.export import export_stage
from reflexarc_sim.usd.read_back import read_joints
from reflexarc_sim.usd.source import scenario_source

MODEL = """<mujoco><compiler angle="radian"/><worldbody>
  <body name="a"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/><joint name="servo" damping="0.3" ref="0.2"/>
    <body name="b"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
      <joint name="wheel" type="slide" axis="1 0 0"/>
      <body name="c"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
        <joint name="spring" stiffness="7" springref="0.3" damping="0.5"/>
        <body name="d"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/><joint name="motor"/></body>
  </body></body></body>
  </worldbody><actuator>
    <position name="p" joint="servo" kp="40" kv="3" gear="2"/>
    <velocity name="v" joint="wheel" kv="5" forcerange="-4 4"/>
    <motor name="m" joint="motor" gear="3" ctrlrange="-2 2"/></actuator></mujoco>"""


def _law(drive, q, v):
    effort = drive["stiffness"] * (drive["targetPosition"] - q) + drive["damping"] * (
        drive["targetVelocity"] - v
    )
    return float(np.clip(effort, -drive["maxForce"], drive["maxForce"]))


def _drives(made):
    return {j.names[0]: next(iter(j.drives.values())) for j in read_joints(made.stage) if j.drives}


@pytest.mark.parametrize("seed", range(5))
def test_a_drive_acts_as_its_actuator(stage_of, seed):
    rng = np.random.default_rng(seed)
    q, v, ctrl = rng.normal(0, 0.5, 4), rng.normal(0, 0.5, 4), rng.normal(0, 0.5, 3)
    source, made = stage_of(MODEL, qpos=q, ctrl=ctrl)
    data = mujoco.MjData(source.model)
    data.qpos[:], data.qvel[:], data.ctrl[:] = q, v, ctrl
    mujoco.mj_forward(source.model, data)
    drives = _drives(made)
    assert _law(drives["servo"], q[0], v[0]) == pytest.approx(data.qfrc_actuator[0], rel=1e-5)
    assert _law(drives["wheel"], q[1], v[1]) == pytest.approx(data.qfrc_actuator[1], rel=1e-5)
    assert _law(drives["spring"], q[2], v[2]) == pytest.approx(data.qfrc_passive[2], rel=1e-5)
    assert drives["motor"]["stiffness"] == drives["motor"]["damping"] == 0.0
    assert drives["motor"]["maxForce"] == 6.0  # gear 3 x control 2


def test_a_joints_own_damping_stays_beside_its_actuator_in_units_of_degrees(stage_of):
    _, made = stage_of(MODEL)
    prim = made.stage.GetPrimAtPath("/World/Objects/a/Joints/servo")
    for name in ("newton:damping", "physxJointAxis:angular:viscousFrictionCoefficient"):
        assert prim.GetAttribute(name).Get() == pytest.approx(0.3 * math.pi / 180)
    spring = made.stage.GetPrimAtPath("/World/Objects/a/Joints/spring")
    assert not spring.HasAttribute("newton:damping")  # the drive has it


def test_the_drives_of_a_joint_name_their_actuators():
    source = scenario_source(load_scenario("sidewalk_calm"), seed=0)
    stage = export_stage(source).stage
    walker = stage.GetPrimAtPath("/World/Pedestrians/pedestrian_0/Joints/pedestrian_0")
    told = {
        n: list(walker.GetAttribute(f"reflexarc:{n}").Get())
        for n in ("actuators", "actuatorAxes", "actuatorTypes")
    }
    assert told == {
        "actuators": ["pedestrian_0_x", "pedestrian_0_y"],
        "actuatorAxes": ["transX", "transY"],
        "actuatorTypes": ["velocity", "velocity"],
    }
    wheel = stage.GetPrimAtPath("/World/Robots/segway_e1/Joints/wheel_left")
    assert list(wheel.GetAttribute("reflexarc:controlRanges").Get()) == [(-40.0, 40.0)]
    assert list(wheel.GetAttribute("reflexarc:actuatorGears").Get()) == [1.0]


def test_armature_and_friction_that_differ_within_one_joint_are_said(stage_of):
    _, made = stage_of(
        """<body name="a"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
             <joint name="x" type="slide" axis="1 0 0"/><joint name="y" type="slide" axis="0 1 0" armature="0.5"/>
             <joint name="yaw" axis="0 0 1" armature="0.5" frictionloss="0.3"/></body>"""
    )
    assert any(t.startswith("armature that differs") for t in made.lost)
    assert any(t.startswith("friction that differs") for t in made.lost)
    prim = made.stage.GetPrimAtPath("/World/Objects/a/Joints/a")
    assert prim.GetAttribute("newton:armature").Get() == 0.5
    assert prim.GetAttribute("physxJointAxis:rotZ:staticFrictionEffort").Get() == pytest.approx(0.3)


def test_what_no_drive_can_do_is_said(stage_of):
    _, made = stage_of(
        """<mujoco><worldbody><body name="a"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
          <joint name="q" stiffness="3" limited="true" range="-10 10"/></body></worldbody><actuator>
          <motor name="first" joint="q" forcerange="-1 5"/><motor name="second" joint="q"/>
          <muscle name="muscle" joint="q" lengthrange="-1 1"/></actuator></mujoco>"""
    )
    lost = "\n".join(made.lost)
    assert "or one more on the same joint: second, muscle" in lost
    assert "not the same both ways; the larger one is exported: first" in lost
    assert "the spring of a joint that is also actuated: q" in lost
    assert next(iter(_drives(made).values()))["maxForce"] == 5.0


def test_the_quadruped_stands_by_its_gains():
    source = scenario_source(load_scenario("quadruped_push"), seed=0)
    model, drives = source.model, _drives(export_stage(source))
    assert len(drives) == 12
    data = mujoco.MjData(model)
    data.qpos[:], data.ctrl[:] = source.qpos, source.ctrl
    data.qpos[7:] += np.linspace(-0.2, 0.2, 12)
    data.qvel[6:] = np.linspace(1.0, -1.0, 12)
    mujoco.mj_forward(model, data)
    for k in range(12):
        name = model.joint(k + 1).name
        assert _law(drives[name], data.qpos[7 + k], data.qvel[6 + k]) == pytest.approx(
            data.qfrc_actuator[6 + k], rel=1e-5
        )


def test_a_pedestrian_walks_by_two_velocity_servos():
    source = scenario_source(load_scenario("sidewalk_calm"), seed=0)
    walker = next(j for j in read_joints(export_stage(source).stage) if j.names[0] == "pedestrian_0_x")
    assert set(walker.limits) == set(walker.drives) == {"transX", "transY"}
    for drive in walker.drives.values():
        assert (drive["stiffness"], drive["damping"], drive["maxForce"]) == (0.0, 750.0, 150.0)
