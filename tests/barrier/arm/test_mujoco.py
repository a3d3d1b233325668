# SPDX-License-Identifier: Apache-2.0
"""The filtered arm in MuJoCo: another engine's dynamics and contacts, on a model written from the URDF's numbers."""

import numpy as np
import pinocchio as pin
import pytest

from reflexarc.barrier.arm.scene import SphereObstacles, Workspace, table
from reflexarc.barrier.arm.torque_filter import TorqueFilter
from reflexarc.barrier.arm.velocity_filter import VelocityFilter
from reflexarc.barrier.arm.verdict import Status

mujoco = pytest.importorskip("mujoco")

BALL, RADIUS, PERIOD = np.array([0.4, 0.0, 0.45]), 0.08, 0.001


def _pose(place):
    quaternion = pin.Quaternion(place.rotation)
    numbers = (quaternion.w, quaternion.x, quaternion.y, quaternion.z)
    return f'pos="{_text(place.translation)}" quat="{_text(numbers)}"'


def _text(values):
    return " ".join(f"{v:.12g}" for v in values)


def _mjcf(arm):
    """Return the arm, a ball and a table; the arm touches these two only."""
    model, body, close = arm.model, "", ""
    for i in range(1, model.njoints):
        inertia = model.inertias[i]
        m = inertia.inertia
        full = (m[0, 0], m[1, 1], m[2, 2], m[0, 1], m[0, 2], m[1, 2])
        body += f'<body {_pose(model.jointPlacements[i])}><joint name="j{i}" type="hinge" axis="0 0 1"/>'
        body += f'<inertial mass="{inertia.mass}" pos="{_text(inertia.lever)}" fullinertia="{_text(full)}"/>'
        for shape in arm.geometry.geometryObjects:
            kind = type(shape.geometry).__name__
            # The first link turns about its own axis and stands in the table; no command moves its volume.
            if i == 1 or shape.parentJoint != i or kind not in ("Cylinder", "Sphere"):
                continue
            size = [shape.geometry.radius]
            if kind == "Cylinder":
                size.append(shape.geometry.halfLength)
            body += f'<geom type="{kind.lower()}" size="{_text(size)}" {_pose(shape.placement)} mass="0"/>'
        close += "</body>"
    return f"""
    <mujoco><option timestep="{PERIOD}" integrator="implicitfast"/>
      <compiler angle="radian" balanceinertia="false"/>
      <default><geom contype="1" conaffinity="2"/></default>
      <worldbody>
        <geom name="ball" type="sphere" size="{RADIUS}" pos="{_text(BALL)}" contype="2" conaffinity="1"/>
        <geom name="table" type="plane" size="2 2 .1" contype="2" conaffinity="1"/>
        {body}{close}
      </worldbody></mujoco>"""


@pytest.fixture(scope="module")
def plant(panda):
    return mujoco.MjModel.from_xml_string(_mjcf(panda))


def test_the_written_model_has_the_dynamics_of_the_urdf(panda, plant):
    """Otherwise the test below would judge another robot."""
    data, rng = mujoco.MjData(plant), np.random.default_rng(0)
    reference = panda.model.createData()
    for _ in range(5):
        data.qpos[:], data.qvel[:] = rng.uniform(panda.lower, panda.upper), rng.normal(size=7)
        mujoco.mj_forward(plant, data)
        expected = pin.nonLinearEffects(panda.model, reference, data.qpos.copy(), data.qvel.copy())
        assert np.allclose(data.qfrc_bias, expected, atol=1e-6)


def _reach(panda, plant, command):
    """Swing from one side of the ball to the other; return whether something was touched and the last state."""
    data = mujoco.MjData(plant)
    start = panda.home + np.array([-0.7, 0.3, 0.0, 0.2, 0.0, 0.0, 0.0])
    goal = panda.home + np.array([0.7, 0.3, 0.0, 0.2, 0.0, 0.0, 0.0])
    data.qpos[:] = start
    mujoco.mj_forward(plant, data)
    touched = False
    for _ in range(2500):
        q, dq = data.qpos.copy(), data.qvel.copy()
        data.qfrc_applied[:] = command(q, dq, goal)
        mujoco.mj_step(plant, data)
        touched = touched or data.ncon > 0
    return touched, data.qpos.copy(), data.qvel.copy(), goal


def _torque(panda, data, q, dq, goal):
    mass = np.triu(pin.crba(panda.model, data, q))
    mass = mass + np.triu(mass, 1).T
    return mass @ (25.0 * (goal - q) - 10.0 * dq) + pin.nonLinearEffects(panda.model, data, q, dq)


def test_an_unfiltered_reach_hits_the_ball_and_the_torque_filtered_one_does_not(panda, plant):
    data, verdicts = panda.model.createData(), []
    filtering = TorqueFilter(panda, Workspace(planes=table(0.0)), margin=0.005)
    ball = SphereObstacles.create(BALL[None], np.array([RADIUS]))

    def filtered(q, dq, goal):
        verdicts.append(filtering.step(q, dq, _torque(panda, data, q, dq, goal), ball))
        return verdicts[-1].command

    touched, *_ = _reach(panda, plant, lambda q, dq, goal: _torque(panda, data, q, dq, goal))
    assert touched
    touched, q, dq, goal = _reach(panda, plant, filtered)
    assert not touched
    assert min(v.h for v in verdicts) >= 0.0
    assert all(v.status <= Status.FILTERED for v in verdicts)
    assert all((np.abs(v.command) <= panda.max_torque).all() for v in verdicts)
    assert np.abs(dq).max() < 0.05, "it waits beside the ball"


def test_velocities_that_the_filter_passed_can_be_followed_by_a_servo(panda, plant):
    """The arm follows velocities with a lag; the margin is the filter's, the clearance covers the lag."""
    data, verdicts = panda.model.createData(), []
    filtering = VelocityFilter(panda, Workspace(planes=table(0.0)), PERIOD)
    ball = SphereObstacles.create(BALL[None], np.array([RADIUS]), clearance=0.01)

    def servo(q, dq, goal):
        verdicts.append(filtering.step(q, dq, np.clip(2.5 * (goal - q), -1.0, 1.0), ball))
        mass = np.triu(pin.crba(panda.model, data, q))
        mass = mass + np.triu(mass, 1).T
        wanted = mass @ (100.0 * (verdicts[-1].command - dq)) + pin.nonLinearEffects(panda.model, data, q, dq)
        return np.clip(wanted, -panda.max_torque, panda.max_torque)

    touched, q, dq, goal = _reach(panda, plant, servo)
    assert not touched
    assert any(v.status == Status.FILTERED for v in verdicts)
    assert all(v.status <= Status.FILTERED for v in verdicts)
