# SPDX-License-Identifier: Apache-2.0
"""Bodies: which become rigid bodies, where their prims are, and their mass, centre of mass and inertia.

A body of the model becomes

    static   it is welded to the world: an Xform without a rigid body; its shapes are static colliders
    rigid    it has joints, or is welded to a moving body and has mass (then a fixed joint holds it)
    merged   it is welded to a moving body and has no mass: an Xform inside the rigid body that carries it

because USD reads a mass of zero as "compute it". Rigid bodies lie side by side below the Xform of their tree, as
UsdPhysics wants it, and not inside each other; world poses are therefore plain.
"""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass, field

import mujoco
import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdPhysics

from reflexarc.core.errors import ModelError
from reflexarc_sim.usd.attributes import set_own
from reflexarc_sim.usd.frames import IDENTITY, Pose, compose
from reflexarc_sim.usd.names import free_path, name_of
from reflexarc_sim.usd.semantics import set_label
from reflexarc_sim.usd.source import Source, Tree
from reflexarc_sim.usd.stage import WORLD, place, quatf, vec3f

_FOLDERS = {"robot": "Robots", "pedestrian": "Pedestrians", "object": "Objects"}
SCENERY = WORLD.AppendChild("Scenery")


@dataclass
class Layout:
    """Where the bodies of a model are on the stage."""

    model: mujoco.MjModel
    anchor: np.ndarray
    """Body -> the body that it is welded to, itself if it moves by itself, 0 if it is static; shape (nbody,)."""
    carrier: np.ndarray
    """Body -> the rigid body whose motion it has, itself if it is one, 0 if it is static; shape (nbody,)."""
    tree: np.ndarray
    """Moving body -> topmost moving body above it; 0 for static ones; shape (nbody,)."""
    world: list[Pose]
    """World pose of each body in the configuration that the stage shows."""
    paths: dict[int, Sdf.Path] = field(default_factory=dict)
    """Body -> its prim."""
    trees: dict[int, Sdf.Path] = field(default_factory=dict)
    """Topmost moving body -> the Xform above its tree."""

    @property
    def rigid(self) -> list[int]:
        """The rigid bodies, parents first."""
        return [b for b in range(1, self.model.nbody) if self.carrier[b] == b]

    def offset(self, body: int) -> Pose:
        """Return the pose of a body in the frame of its carrier."""
        if self.carrier[body] == body or body == 0:
            return IDENTITY
        model = self.model
        step = Pose(model.body_pos[body].copy(), model.body_quat[body].copy())
        return compose(self.offset(int(model.body_parentid[body])), step)


def lay_out(source: Source) -> Layout:
    """Sort the bodies and take their world poses from MuJoCo's forward kinematics.

    Raises:
        ModelError: a body moves and has no mass of its own.
    """
    model = source.model
    n = model.nbody
    anchor, carrier, tree = np.zeros(n, int), np.zeros(n, int), np.zeros(n, int)
    for body in range(1, n):
        parent = int(model.body_parentid[body])
        moves = model.body_jntnum[body] > 0 or model.body_mocapid[body] >= 0
        anchor[body] = body if moves else anchor[parent]
        if not anchor[body]:
            continue
        mass = float(model.body_mass[body])
        if moves and mass <= 0.0 and model.body_mocapid[body] < 0:
            raise ModelError(
                f"body {name_of(model, mujoco.mjtObj.mjOBJ_BODY, body)!r} has joints and no mass of its own; USD reads "
                "a mass of 0 as 'compute it'; give the body a mass, nothing was made"
            )
        carrier[body] = body if moves or mass > 0.0 else carrier[parent]
        tree[body] = tree[parent] or body
    data = mujoco.MjData(model)
    data.qpos[:] = source.qpos
    mujoco.mj_kinematics(model, data)
    world = [Pose(data.xpos[b].copy(), data.xquat[b].copy()) for b in range(n)]
    return Layout(model, anchor, carrier, tree, world)


def add_bodies(stage: Usd.Stage, source: Source, layout: Layout) -> None:
    """Define a prim for every body, with mass properties on the rigid ones."""
    model = source.model
    layout.paths[0] = UsdGeom.Scope.Define(stage, SCENERY).GetPath()
    for body in range(1, model.nbody):
        name = name_of(model, mujoco.mjtObj.mjOBJ_BODY, body)
        carrier = int(layout.carrier[body])
        if not carrier:
            path, pose = free_path(stage, SCENERY, name), layout.world[body]
        elif carrier == body:
            path, pose = free_path(stage, _tree(stage, source, layout, body), name), layout.world[body]
        else:
            path, pose = free_path(stage, layout.paths[carrier], name), layout.offset(body)
        prim = UsdGeom.Xform.Define(stage, path).GetPrim()
        place(prim, pose)
        set_own(prim, "name", name)
        layout.paths[body] = path
        if carrier == body:
            _make_rigid(prim, model, body)


def _tree(stage: Usd.Stage, source: Source, layout: Layout, body: int) -> Sdf.Path:
    """Return the Xform above a tree of bodies, defined at first use."""
    top = int(layout.tree[body])
    if top not in layout.trees:
        name = name_of(source.model, mujoco.mjtObj.mjOBJ_BODY, top)
        what = source.trees.get(top, Tree("object", name, ""))
        folder = WORLD.AppendChild(_FOLDERS[what.kind])
        if not stage.GetPrimAtPath(folder):
            UsdGeom.Scope.Define(stage, folder)
        prim = UsdGeom.Xform.Define(stage, free_path(stage, folder, what.name)).GetPrim()
        set_own(prim, "kind", what.kind)
        if what.label:
            set_label(prim, what.label)
        layout.trees[top] = prim.GetPath()
    return layout.trees[top]


def _make_rigid(prim: Usd.Prim, model: mujoco.MjModel, body: int) -> None:
    """Write mass [kg], centre of mass [m] and principal inertia [kg m^2], all in the body's frame.

    The inertia tensor about the centre of mass is R diag(I) R^T, with R of `principalAxes` and I `diagonalInertia`.
    """
    rigid = UsdPhysics.RigidBodyAPI.Apply(prim)
    if model.body_mocapid[body] >= 0:
        rigid.CreateKinematicEnabledAttr(True)
    if model.body_mass[body] <= 0.0:
        return
    mass = UsdPhysics.MassAPI.Apply(prim)
    mass.CreateMassAttr(float(model.body_mass[body]))
    mass.CreateCenterOfMassAttr(vec3f(model.body_ipos[body]))
    mass.CreateDiagonalInertiaAttr(vec3f(model.body_inertia[body]))
    mass.CreatePrincipalAxesAttr(quatf(model.body_iquat[body]))
