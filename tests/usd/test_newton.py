# SPDX-License-Identifier: Apache-2.0
"""Newton loads what is exported: its importer's bodies, joints and forward kinematics against the model.

Runs where Newton is installed, which `make setup` does (pip install 'reflexarc[newton]').
"""

import itertools
import warnings

import mujoco
import numpy as np
import pytest

pytest.importorskip("newton", reason="needs Newton (pip install 'reflexarc[newton]')")
pytest.importorskip("newton_usd_schemas", reason="needs pip install 'reflexarc[newton]'")

import newton
from newton.usd import SchemaResolverNewton, SchemaResolverPhysx

from reflexarc_sim.scenario import scenario_names
from reflexarc_sim.usd.contact_pairs import model_pairs
from reflexarc_sim.usd.drives import drive_of
from reflexarc_sim.usd.export import export_stage, write_stage
from reflexarc_sim.usd.notes import Notes
from reflexarc_sim.usd.read_back import read_bodies, read_joints, read_shapes

NAMES = [pytest.param(n, marks=pytest.mark.data) if n == "recorded_eth" else n for n in scenario_names()]
CLOSE = {"rel": 1e-5, "abs": 1e-6}
"""Newton computes in single precision."""


@pytest.fixture(params=NAMES)
def loaded(request, shipped, tmp_path):
    """(source, stage, builder) of a scenario that Newton has read without a warning."""
    source = shipped(request.param)
    stage = export_stage(source).stage
    write_stage(stage, tmp_path / "stage.usda")
    builder = newton.ModelBuilder()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        builder.add_usd(
            str(tmp_path / "stage.usda"), schema_resolvers=[SchemaResolverNewton(), SchemaResolverPhysx()]
        )
    return source, stage, builder


def test_newton_has_every_body_joint_and_direction(loaded):
    source, stage, builder = loaded
    model = source.model
    assert builder.joint_dof_count == model.nv
    assert builder.shape_count == model.ngeom
    at = {label: k for k, label in enumerate(builder.body_label)}
    for body in read_bodies(stage):
        k, number = at[body.path], model.body(body.name).id
        assert builder.body_mass[k] == pytest.approx(float(model.body_mass[number]), **CLOSE)
        assert np.allclose(builder.body_com[k], model.body_ipos[number], atol=1e-6)
        axes = np.zeros(9)
        mujoco.mju_quat2Mat(axes, model.body_iquat[number])
        axes = axes.reshape(3, 3)
        tensor = axes @ np.diag(model.body_inertia[number]) @ axes.T
        found = np.array(builder.body_inertia[k], dtype=float).reshape(3, 3)
        assert np.allclose(found, tensor, atol=1e-5 * model.body_inertia[number].max())


def test_newtons_joints_have_the_models_numbers(loaded):
    source, stage, builder = loaded
    model = source.model
    at = {label: k for k, label in enumerate(builder.joint_label)}
    count = 0
    for joint in read_joints(stage):
        start = builder.joint_qd_start[at[joint.path]]
        for k, dof in enumerate(joint.limits):
            names = [n for n in joint.names if len(joint.names) == 1 or _direction(model, n) == dof]
            number = model.joint(names[0]).id
            there, here = start + k, int(model.jnt_dofadr[number])
            if model.jnt_limited[number]:
                assert builder.joint_limit_lower[there] == pytest.approx(
                    float(model.jnt_range[number, 0]), **CLOSE
                )
                assert builder.joint_limit_upper[there] == pytest.approx(
                    float(model.jnt_range[number, 1]), **CLOSE
                )
            assert builder.joint_armature[there] == pytest.approx(float(model.dof_armature[here]), **CLOSE)
            assert builder.joint_friction[there] == pytest.approx(
                float(model.dof_frictionloss[here]), **CLOSE
            )
            drive = drive_of(model, number, source.ctrl, Notes())
            assert builder.joint_target_ke[there] == pytest.approx(drive.stiffness, **CLOSE)
            assert builder.joint_target_kd[there] == pytest.approx(drive.damping, **CLOSE)
            assert builder.joint_damping[there] == pytest.approx(drive.passive_damping, **CLOSE)
            if np.isfinite(drive.max_force):
                assert builder.joint_effort_limit[there] == pytest.approx(drive.max_force, **CLOSE)
            count += 1
    assert count == int((model.jnt_type != mujoco.mjtJoint.mjJNT_FREE.value).sum())


def test_newtons_kinematics_put_the_bodies_where_mujocos_do(loaded):
    source, stage, builder = loaded
    model = builder.finalize(device="cpu")
    state = model.state()
    newton.eval_fk(model, model.joint_q, model.joint_qd, state)
    places = state.body_q.numpy()
    data = mujoco.MjData(source.model)
    data.qpos[:] = source.qpos
    mujoco.mj_kinematics(source.model, data)
    at = {label: k for k, label in enumerate(builder.body_label)}
    for body in read_bodies(stage):
        number = source.model.body(body.name).id
        place = places[at[body.path]]
        assert np.allclose(place[:3], data.xpos[number], atol=2e-5)
        turn = float(np.abs(np.dot(place[[6, 3, 4, 5]], data.xquat[number])))
        assert turn == pytest.approx(1.0, abs=1e-6)


def test_newton_lets_those_shapes_meet_that_meet_in_mujoco(loaded):
    source, _, builder = loaded
    collides = [k for k, flags in enumerate(builder.shape_flags) if flags & newton.ShapeFlags.COLLIDE_SHAPES]
    apart = {tuple(sorted(pair)) for pair in builder.shape_collision_filter_pairs}
    found = set()
    for one, two in itertools.combinations(collides, 2):
        bodies = builder.shape_body[one], builder.shape_body[two]
        if bodies[0] != bodies[1] and (one, two) not in apart:
            found.add((builder.shape_label[one], builder.shape_label[two]))
    names = {s.path: s.name for s in read_shapes(loaded[1])}
    assert {tuple(sorted((names[a], names[b]))) for a, b in found} == model_pairs(source.model)


@pytest.mark.parametrize("loaded", ["peg_arm"], indirect=True)
def test_an_arm_without_torque_falls_as_in_mujoco(loaded):
    source, stage, builder = loaded
    model = builder.finalize(device="cpu")
    solver, now, following, control = (
        newton.solvers.SolverFeatherstone(model),
        model.state(),
        model.state(),
        model.control(),
    )
    newton.eval_fk(model, model.joint_q, model.joint_qd, now)
    data, dt = mujoco.MjData(source.model), source.model.opt.timestep
    data.qpos[:] = source.qpos
    before = data.qpos.copy()
    for _ in range(60):
        now.clear_forces()
        solver.step(now, following, control, None, dt)
        now, following = following, now
        mujoco.mj_step(source.model, data)
    newton.eval_ik(model, now, model.joint_q, model.joint_qd)
    assert np.abs(data.qpos - before).max() > 0.03
    assert np.allclose(model.joint_q.numpy(), data.qpos, atol=1e-3)


def _direction(model, name):
    axis = int(np.argmax(np.abs(model.joint(name).axis)))
    return ("rot" if model.joint(name).type[0] == mujoco.mjtJoint.mjJNT_HINGE.value else "trans") + "XYZ"[
        axis
    ]
