# SPDX-License-Identifier: Apache-2.0
"""A stage in Newton: model, solver, and which of its elements are those of MuJoCo's model.

The solver is `SolverMuJoCo` on MuJoCo Warp: MuJoCo's formulation of contact, written a second time as Warp kernels, in
single precision and with a collision detection of its own. Of Newton's solvers it alone reads priority, dimension and
softness of contacts, without which casters would not slide as they do in the plant. `use_mujoco_cpu`, which would hand
the model back to MuJoCo's C engine, stays off: that engine is the other plant.
"""

# MuJoCo, OpenUSD and Newton are without stubs:
# pyright: reportAttributeAccessIssue=false

import re
import sys
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import newton
import numpy as np
import warp as wp
from newton.solvers import SolverMuJoCo
from newton.usd import SchemaResolverMjc, SchemaResolverNewton, SchemaResolverPhysx

from reflexarc.core.errors import ModelError
from reflexarc.core.plant import ContactClass
from reflexarc_sim.mujoco_plant.engine import Partner
from reflexarc_sim.usd.read_back import read_bodies, read_joints, read_shapes
from reflexarc_sim.usd.semantics import labels_of
from reflexarc_sim.usd.source import Source
from reflexarc_sim.usd.stage import Stage

HINGE = mujoco.mjtJoint.mjJNT_HINGE.value


@dataclass(frozen=True, eq=False)
class Loaded:
    """A stage that Newton has read, and its solver."""

    model: Any
    """`newton.Model` on the processor."""
    solver: Any
    """`newton.solvers.SolverMuJoCo` on MuJoCo Warp."""


@dataclass(frozen=True, eq=False)
class Matched:
    """Where MuJoCo's coordinates stand in Newton; index arrays of equal length belong together."""

    qpos: np.ndarray
    """Addresses of hinges and slides in MuJoCo's qpos."""
    dof: np.ndarray
    """In MuJoCo's qvel."""
    joint_q: np.ndarray
    """In Newton's joint_q."""
    offset: np.ndarray
    """What Newton's coordinate is less than MuJoCo's: its importer counts the joints of bodies outside articulations
    from where the stage shows them. [m] or [rad]"""
    joint_qd: np.ndarray
    """In Newton's joint_qd."""
    free_qpos: np.ndarray
    """Addresses of free joints in qpos."""
    free_dof: np.ndarray
    free_q: np.ndarray
    free_qd: np.ndarray
    free_body: np.ndarray
    """Newton's bodies on them."""


def load(stage: Stage, **settings: Any) -> Loaded:
    """Read a stage into Newton and make its solver.

    Args:
        stage: as `usd.export.export_stage` makes it.
        settings: of `SolverMuJoCo`: iterations, integrator, cone.
    """
    wp.config.log_level = max(wp.config.log_level, wp.LOG_WARNING)
    wp.init()
    builder = newton.ModelBuilder()
    SolverMuJoCo.register_custom_attributes(builder)
    resolvers = [SchemaResolverNewton(), SchemaResolverPhysx(), SchemaResolverMjc()]
    with _known_warnings():
        builder.add_usd(stage, schema_resolvers=resolvers)
        model = builder.finalize(device="cpu")
        solver = SolverMuJoCo(model, use_mujoco_cpu=False, **settings)
    return Loaded(model, solver)


@contextmanager
def compiling(text: str = "Newton") -> Any:
    """Say on standard error that kernels are compiled, and how long it took, where Warp's cache does not hold them."""
    wp.init()
    fresh = not any(Path(str(wp.config.kernel_cache_dir)).glob("wp_mujoco_warp._src.solver*"))
    started = time.perf_counter()
    if fresh:
        print(
            f"{text}: compiling its kernels for this processor; minutes the first time, then they are kept in "
            f"{wp.config.kernel_cache_dir}",
            file=sys.stderr,
            flush=True,
        )
    yield
    if fresh:
        print(
            f"{text}: kernels compiled in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True
        )


def match(loaded: Loaded, stage: Stage, source: Source) -> Matched:
    """Find MuJoCo's joints in Newton by the names that the stage carries.

    Args:
        loaded: the stage in Newton.
        stage: the stage.
        source: what it was made from; it shows `source.qpos`.

    Raises:
        ModelError: a joint is not there, or a free body's joint has a frame of its own.
    """
    there, model = loaded.model, source.model
    labels = {label: k for k, label in enumerate(there.joint_label)}
    q_start, qd_start = there.joint_q_start.numpy(), there.joint_qd_start.numpy()
    scalar = []
    for joint in read_joints(stage):
        number = labels[joint.path]
        for k, direction in enumerate(joint.limits):
            name = next(n for n in joint.names if len(joint.names) == 1 or _direction(model, n) == direction)
            here = model.joint(name)
            scalar.append((here.qposadr[0], here.dofadr[0], q_start[number] + k, qd_start[number] + k))
    children, kinds = there.joint_child.numpy(), there.joint_type.numpy()
    bodies = {label: k for k, label in enumerate(there.body_label)}
    before, after = there.joint_X_p.numpy(), there.joint_X_c.numpy()
    free = []
    for body in read_bodies(stage):
        here = model.body(body.name)
        if not here.jntnum[0] or model.jnt_type[here.jntadr[0]] != mujoco.mjtJoint.mjJNT_FREE.value:
            continue
        number = int(np.flatnonzero(children == bodies[body.path])[0])
        identity = np.array([0, 0, 0, 0, 0, 0, 1.0])
        if kinds[number] != newton.JointType.FREE or not (
            np.allclose(before[number], identity) and np.allclose(after[number], identity)
        ):
            raise ModelError(f"{body.path}: Newton does not hold it by a free joint in the world's frame")
        at, jnt = int(here.jntadr[0]), model.jnt_dofadr
        free.append((model.jnt_qposadr[at], jnt[at], q_start[number], qd_start[number], bodies[body.path]))
    qpos, dof, joint_q, joint_qd = np.array(scalar, int).reshape(-1, 4).T
    offset = source.qpos[qpos] - there.joint_q.numpy()[joint_q]
    rows = np.array(free, int).reshape(-1, 5).T
    if len(dof) + 6 * rows.shape[1] != model.nv:
        raise ModelError(
            f"Newton holds {len(dof)} + 6 x {rows.shape[1]} directions of the stage, the model {model.nv}"
        )
    return Matched(qpos, dof, joint_q, offset, joint_qd, *rows)


def partners(loaded: Loaded, stage: Stage) -> dict[int, Partner]:
    """Return what each of Newton's shapes is to the hull, from the stage's labels; the robot's own are left out."""
    at = {label: k for k, label in enumerate(loaded.model.shape_label)}
    kinds = {str(kind): kind for kind in ContactClass}
    found: dict[int, Partner] = {}
    for shape in read_shapes(stage):
        labels = [kinds[x] for x in labels_of(stage.GetPrimAtPath(shape.path)) if x in kinds]
        if shape.path not in at or not shape.collides or not labels or labels[0] is ContactClass.ROBOT:
            continue
        person = (
            re.fullmatch(r"pedestrian_(\d+)", shape.name) if labels[0] is ContactClass.PEDESTRIAN else None
        )
        found[at[shape.path]] = labels[0], shape.name, int(person[1]) if person else -1
    return found


def shape_named(loaded: Loaded, stage: Stage, name: str) -> int:
    """Return Newton's number of the shape that MuJoCo's model calls `name`."""
    path = next(s.path for s in read_shapes(stage) if s.name == name)
    return list(loaded.model.shape_label).index(path)


def body_named(loaded: Loaded, stage: Stage, name: str) -> int:
    """Return Newton's number of the body that MuJoCo's model calls `name`."""
    path = next(b.path for b in read_bodies(stage) if b.name == name)
    return list(loaded.model.body_label).index(path)


def _direction(model: mujoco.MjModel, name: str) -> str:
    joint = model.joint(name)
    kind = "rot" if joint.type[0] == HINGE else "trans"
    return kind + "XYZ"[int(np.argmax(np.abs(joint.axis)))]


@contextmanager
def _known_warnings() -> Any:
    """Keep back what is known: see docs/newton.md."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="MuJoCo dependency version mismatch")
        warnings.filterwarnings("ignore", message="SolverMuJoCo is converting .* outside articulations")
        yield
