# SPDX-License-Identifier: Apache-2.0
"""Kinematics against pinocchio and against finite differences."""

import dataclasses

import numpy as np
import pinocchio as pin
import pytest

from reflexarc.barrier.arm.kinematics import (
    build_tree,
    curvature_bound,
    jacobians,
    move,
    new_motion,
    new_pose,
    place,
    reach,
)
from reflexarc.barrier.arm.manipulability import manipulability
from reflexarc.core.errors import ModelError, UnknownNameError
from reflexarc.robots.arm import SphereSet


def _mixed_arm(panda):
    """Return an arm whose joints turn and slide about straight and slanted axes, on branches."""
    rng = np.random.default_rng(11)
    model = pin.Model()
    slanted = np.array([0.6, 0.0, 0.8])
    kinds = [
        pin.JointModelRX(),
        pin.JointModelPY(),
        pin.JointModelRevoluteUnaligned(slanted),
        pin.JointModelPrismaticUnaligned(slanted),
        pin.JointModelRZ(),
        pin.JointModelRY(),
        pin.JointModelPZ(),
    ]
    parents = [0, 1, 2, 3, 4, 5, 2]
    for i, (kind, parent) in enumerate(zip(kinds, parents, strict=True)):
        joint = model.addJoint(parent, kind, pin.SE3.Random(), f"j{i}")
        model.addJointFrame(joint)
        model.addBodyFrame(f"link{i}", joint, pin.SE3.Random(), 0)
    spheres = SphereSet(
        tuple(f"link{i}" for i in range(7)),
        rng.normal(size=(7, 3)),
        np.full(7, 0.1),
        7,
        np.zeros((0, 2), np.int64),
    )
    return dataclasses.replace(panda, model=model, spheres=spheres, end_effector="link5")


@pytest.fixture(params=["panda", "mixed"])
def arm(request, panda):
    return panda if request.param == "panda" else _mixed_arm(panda)


def _points(arm):
    names = [*arm.spheres.links, arm.end_effector]
    return names, np.vstack([arm.spheres.centre, np.zeros(3)])


def test_points_are_where_pinocchio_has_them(arm):
    tree, _ = build_tree(arm)
    pose, data, rng = new_pose(tree), arm.model.createData(), np.random.default_rng(0)
    names, local = _points(arm)
    for _ in range(20):
        q = rng.uniform(-3, 3, arm.n)
        place(tree, q, pose)
        pin.framesForwardKinematics(arm.model, data, q)
        expected = [data.oMf[arm.model.getFrameId(name)].act(c) for name, c in zip(names, local, strict=True)]
        assert np.allclose(pose.point, expected, atol=1e-12)


def test_jacobians_are_those_of_pinocchio(arm):
    tree, _ = build_tree(arm)
    pose, data, rng = new_pose(tree), arm.model.createData(), np.random.default_rng(1)
    names, local = _points(arm)
    out = np.zeros((len(local), 3, arm.n))
    for _ in range(10):
        q = rng.uniform(-3, 3, arm.n)
        place(tree, q, pose)
        jacobians(tree, pose, out)
        pin.computeJointJacobians(arm.model, data, q)
        for i, (name, c) in enumerate(zip(names, local, strict=True)):
            frame = arm.model.frames[arm.model.getFrameId(name)]
            expected = pin.getFrameJacobian(
                arm.model,
                data,
                frame.parentJoint,
                frame.placement * pin.SE3(np.eye(3), c),
                pin.LOCAL_WORLD_ALIGNED,
            )
            assert np.allclose(out[i], expected[:3], atol=1e-12)


def test_jacobians_agree_with_finite_differences(arm):
    tree, _ = build_tree(arm)
    pose, rng, step = new_pose(tree), np.random.default_rng(2), 1e-6
    out = np.zeros((len(tree.point), 3, arm.n))
    q = rng.uniform(-2, 2, arm.n)
    place(tree, q, pose)
    jacobians(tree, pose, out)
    for j in range(arm.n):
        ends = []
        for sign in (1, -1):
            place(tree, q + sign * step * np.eye(arm.n)[j], pose)
            ends.append(pose.point.copy())
        assert np.allclose(out[:, :, j], (ends[0] - ends[1]) / (2 * step), atol=1e-8)


def test_velocities_and_bias_accelerations_are_those_of_pinocchio(arm):
    tree, _ = build_tree(arm)
    pose, motion, data, rng = (
        new_pose(tree),
        new_motion(tree),
        arm.model.createData(),
        np.random.default_rng(3),
    )
    names, local = _points(arm)
    for _ in range(10):
        q, dq = rng.uniform(-3, 3, arm.n), rng.normal(size=arm.n)
        place(tree, q, pose)
        move(tree, pose, dq, motion)
        pin.forwardKinematics(arm.model, data, q, dq, np.zeros(arm.n))
        for i, (name, c) in enumerate(zip(names, local, strict=True)):
            frame = arm.model.frames[arm.model.getFrameId(name)]
            at = frame.placement * pin.SE3(np.eye(3), c)
            velocity = pin.getFrameVelocity(arm.model, data, frame.parentJoint, at, pin.LOCAL_WORLD_ALIGNED)
            bias = pin.getFrameClassicalAcceleration(
                arm.model, data, frame.parentJoint, at, pin.LOCAL_WORLD_ALIGNED
            )
            assert np.allclose(motion.point_velocity[i], velocity.linear, atol=1e-11)
            assert np.allclose(motion.point_bias[i], bias.linear, atol=1e-10)


def test_no_configuration_exceeds_the_bounds_of_speed_and_curvature(panda):
    tree, _ = build_tree(panda)
    pose, motion, rng = new_pose(tree), new_motion(tree), np.random.default_rng(4)
    columns = reach(tree, panda.lower, panda.upper)
    bend = curvature_bound(tree, panda.lower, panda.upper, np.array(panda.max_velocity))
    out = np.zeros((len(tree.point), 3, panda.n))
    closest = 0.0
    for _ in range(500):
        place(tree, rng.uniform(panda.lower, panda.upper), pose)
        jacobians(tree, pose, out)
        move(tree, pose, rng.choice([-1.0, 1.0], panda.n) * panda.max_velocity, motion)
        norms = np.linalg.norm(motion.point_bias, axis=1)
        assert (np.linalg.norm(out, axis=1) <= columns + 1e-9).all()
        assert (norms <= bend + 1e-9).all()
        closest = max(closest, (norms[bend > 0] / bend[bend > 0]).max())
    assert closest > 0.1, "a bound that nothing comes near proves little"


def test_manipulability_is_the_product_of_the_singular_values_and_its_gradient_agrees_with_differences(arm):
    tree, _ = build_tree(arm)
    pose, data, rng, step = new_pose(tree), arm.model.createData(), np.random.default_rng(5), 1e-6
    last = len(tree.point) - 1
    gradient, unused = np.zeros(arm.n), np.zeros(arm.n)
    checked = 0
    for _ in range(20):
        q = rng.uniform(-2.5, 2.5, arm.n)
        place(tree, q, pose)
        w = manipulability(tree, pose, last, gradient)
        jacobian = pin.computeFrameJacobian(
            arm.model, data, q, arm.model.getFrameId(arm.end_effector), pin.LOCAL_WORLD_ALIGNED
        )
        expected = np.prod(np.linalg.svd(jacobian, compute_uv=False)[:6])
        assert w == pytest.approx(expected, rel=1e-6, abs=1e-7)
        if w < 1e-3:
            continue
        checked += 1
        for j in range(arm.n):
            ends = []
            for sign in (1, -1):
                place(tree, q + sign * step * np.eye(arm.n)[j], pose)
                ends.append(manipulability(tree, pose, last, unused))
            assert gradient[j] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6)
    assert checked > 5


def test_a_joint_of_another_kind_is_refused(panda):
    model = pin.Model()
    joint = model.addJoint(0, pin.JointModelSpherical(), pin.SE3.Identity(), "ball")
    model.addBodyFrame("ball_link", joint, pin.SE3.Identity(), 0)
    spheres = SphereSet(("ball_link",), np.zeros((1, 3)), np.ones(1), 1, np.zeros((0, 2), np.int64))
    odd = dataclasses.replace(panda, model=model, joints=("ball",), spheres=spheres, end_effector="ball_link")
    with pytest.raises(ModelError, match="JointModelSpherical is neither revolute nor prismatic"):
        build_tree(odd)


def test_a_sphere_on_an_unknown_frame_is_refused(panda):
    with pytest.raises(UnknownNameError, match="unknown frame 'panda_tool'"):
        build_tree(dataclasses.replace(panda, end_effector="panda_tool"))
