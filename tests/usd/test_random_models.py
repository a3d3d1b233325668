# SPDX-License-Identifier: Apache-2.0
"""Any tree of bodies, joints and shapes comes back from its stage: models drawn by hypothesis."""

import mujoco
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reflexarc_sim.usd.compare import TOLERANCE, compare
from reflexarc_sim.usd.export import export_stage, open_stage, write_stage
from reflexarc_sim.usd.source import Source
from reflexarc_sim.usd.validators import problems

GEOM, JOINT = mujoco.mjtGeom, mujoco.mjtJoint
SHAPES = (
    GEOM.mjGEOM_SPHERE,
    GEOM.mjGEOM_CAPSULE,
    GEOM.mjGEOM_CYLINDER,
    GEOM.mjGEOM_BOX,
    GEOM.mjGEOM_ELLIPSOID,
)
JOINTS = ("none", "hinge", "slide", "ball", "planar", "free", "static")
TETRAHEDRON = [0, 0, 0, 0.3, 0, 0, 0, 0.2, 0, 0, 0, 0.4]


def _unit(rng, n):
    vector = rng.normal(size=n)
    return (vector / np.linalg.norm(vector)).tolist()


def _fill(body, spec, rng, shapes):
    """Give a body an inertia of any orientation and some shapes without mass."""
    half = rng.uniform(0.05, 1.0, 3)
    body.mass = float(10.0 ** rng.uniform(-3, 2))
    body.inertia = (
        body.mass / 3.0 * (np.sum(half**2) - half**2)
    ).tolist()  # a box's: triangle inequality holds
    body.ipos, body.iquat, body.explicitinertial = rng.normal(0, 0.3, 3).tolist(), _unit(rng, 4), True
    for kind in shapes:
        common = {"pos": rng.normal(0, 0.5, 3).tolist(), "quat": _unit(rng, 4), "mass": 0.0}
        common |= {"contype": int(rng.integers(3)), "conaffinity": int(rng.integers(3))}
        if kind == "mesh":
            body.add_geom(type=GEOM.mjGEOM_MESH, meshname="tetrahedron", **common)
        else:
            body.add_geom(type=kind, size=rng.uniform(0.02, 0.6, 3).tolist(), **common)


def _join(body, kind, rng):
    limits = (
        {"limited": 1, "range": sorted(rng.uniform(-3, 3, 2).tolist())}
        if rng.random() < 0.5
        else {"limited": 0}
    )
    more = {
        "armature": float(rng.uniform(0, 2)),
        "frictionloss": float(rng.uniform(0, 2)),
        "ref": float(rng.normal()),
    }
    if kind == "free":
        body.add_freejoint()
    elif kind == "ball":
        body.add_joint(type=JOINT.mjJNT_BALL, pos=rng.normal(0, 0.3, 3).tolist())
    elif kind in ("hinge", "slide"):
        which = JOINT.mjJNT_HINGE if kind == "hinge" else JOINT.mjJNT_SLIDE
        body.add_joint(type=which, axis=_unit(rng, 3), pos=rng.normal(0, 0.3, 3).tolist(), **limits, **more)
    elif kind == "planar":
        frame = np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.choice([-1.0, 1.0], 3)  # of either hand
        for k in range(int(rng.integers(2, 4))):
            body.add_joint(type=JOINT.mjJNT_SLIDE, axis=frame[:, k].tolist(), ref=float(rng.normal()))
        if rng.random() < 0.5:
            k = int(rng.integers(3))
            body.add_joint(
                type=JOINT.mjJNT_HINGE, axis=frame[:, k].tolist(), ref=float(rng.normal()), **limits
            )


@st.composite
def sources(draw):
    """Draw a model of up to seven bodies and a configuration of it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.add_mesh(name="tetrahedron", uservert=TETRAHEDRON)
    bodies = [(spec.worldbody, True)]
    for k in range(draw(st.integers(1, 7))):
        parent, at_world = bodies[draw(st.integers(0, len(bodies) - 1))]
        kind = draw(st.sampled_from(JOINTS if at_world else JOINTS[:5]))
        body = parent.add_body(name=f"body {k}", pos=rng.normal(0, 2, 3).tolist(), quat=_unit(rng, 4))
        _fill(body, spec, rng, draw(st.lists(st.sampled_from((*SHAPES, "mesh")), max_size=3)))
        if kind == "none" and draw(st.booleans()):
            body.mass, body.inertia = 0.0, [0.0, 0.0, 0.0]
        _join(body, kind, rng)
        bodies.append((body, at_world and kind in ("none", "static") and parent == spec.worldbody))
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_integratePos(model, data.qpos, rng.normal(0, 1, model.nv), 1.0)
    return Source("drawn", model, data.qpos.copy(), np.zeros(model.nu))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(source=sources())
def test_a_drawn_model_comes_back_from_its_file(tmp_path_factory, source):
    path = tmp_path_factory.mktemp("drawn") / "stage.usdc"
    write_stage(export_stage(source).stage, path)
    gaps = compare(source, open_stage(path))
    assert {quantity: gap for quantity, gap in gaps.items() if gap.size > TOLERANCE} == {}
    assert problems(path) == []
