# SPDX-License-Identifier: Apache-2.0
"""What may collide with what: MuJoCo's bits become collision groups, its exclusions become filtered pairs.

Two geoms collide in MuJoCo if (contype1 & conaffinity2) | (contype2 & conaffinity1), unless

    both move with the same body, or one moves with the other's parent (and that is not the world), or
    their bodies are excluded by name.

USD has the first of these from rigid bodies and joints (`collisionEnabled` of a joint is false unless told
otherwise); what is left over is written as filtered pairs.
"""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

import mujoco
import numpy as np
from pxr import Sdf, Usd, UsdGeom, UsdPhysics

from reflexarc_sim.usd.bodies import Layout
from reflexarc_sim.usd.names import name_of
from reflexarc_sim.usd.notes import Notes
from reflexarc_sim.usd.stage import PHYSICS

Bits = tuple[int, int]
"""contype and conaffinity."""


def bits_collide(a: Bits, b: Bits) -> bool:
    """Return MuJoCo's rule for two geoms."""
    return bool((a[0] & b[1]) | (b[0] & a[1]))


def colliding_geoms(model: mujoco.MjModel) -> np.ndarray:
    """Return which geoms can collide with any other by their bits or in a pair, shape (ngeom,), bool."""
    if model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_CONTACT.value:
        return np.zeros(model.ngeom, bool)
    bits = list(zip(model.geom_contype.tolist(), model.geom_conaffinity.tolist(), strict=True))
    kinds = set(bits)
    alive = {a for a in kinds if any(bits_collide(a, b) for b in kinds)}
    found = np.array([b in alive for b in bits], bool)
    found[model.pair_geom1] = found[model.pair_geom2] = True
    return found


def add_groups(stage: Usd.Stage, model: mujoco.MjModel, shapes: dict[int, Sdf.Path], notes: Notes) -> None:
    """Define a collision group for every combination of bits and filter those that do not collide.

    Args:
        stage: with shapes.
        model: compiled model.
        shapes: geom -> its prim; those that cannot collide are passed over.
        notes: takes pairs that the bits contradict.
    """
    members: dict[Bits, list[Sdf.Path]] = {}
    colliding = colliding_geoms(model)
    for geom, path in shapes.items():
        if colliding[geom]:
            members.setdefault(_bits(model, geom), []).append(path)
    folder = PHYSICS.AppendChild("CollisionGroups")
    if members:
        UsdGeom.Scope.Define(stage, folder)
    names = {
        kind: folder.AppendChild("type_{}_affinity_{}".format(*(b & 0xFFFFFFFF for b in kind)))
        for kind in members
    }
    for kind, paths in members.items():
        group = UsdPhysics.CollisionGroup.Define(stage, names[kind])
        includes = group.GetCollidersCollectionAPI().CreateIncludesRel()
        includes.SetTargets(paths)
        apart = [names[other] for other in members if not bits_collide(kind, other)]
        if apart:
            group.CreateFilteredGroupsRel().SetTargets(apart)
    for pair in range(model.npair):
        one, two = int(model.pair_geom1[pair]), int(model.pair_geom2[pair])
        label = f"{name_of(model, mujoco.mjtObj.mjOBJ_GEOM, one)} with {name_of(model, mujoco.mjtObj.mjOBJ_GEOM, two)}"
        if bits_collide(_bits(model, one), _bits(model, two)):
            notes.add("a pair's own friction and softness are not exported, the geoms' are", label)
        else:
            notes.add(
                "a pair collides although its bits say no, which groups cannot say; it does not collide",
                label,
            )


def add_filters(stage: Usd.Stage, model: mujoco.MjModel, layout: Layout, shapes: dict[int, Sdf.Path]) -> int:
    """Write filtered pairs between bodies that MuJoCo keeps apart and USD would not; return how many."""
    pairs: set[tuple[Sdf.Path, Sdf.Path]] = set()
    for signature in model.exclude_signature.tolist():
        for one in _sides(model, layout, shapes, signature >> 16):
            pairs |= {(one, two) for two in _sides(model, layout, shapes, signature & 0xFFFF)}
    parents = not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_FILTERPARENT.value
    rigid, anchor = layout.rigid, layout.anchor
    for k, one in enumerate(rigid):
        for two in rigid[k + 1 :]:
            above, below = int(anchor[one]), int(anchor[two])
            related = above == below
            if parents:
                related |= (
                    above == anchor[model.body_parentid[below]] or below == anchor[model.body_parentid[above]]
                )
            if related and not _jointed(layout, one, two):
                pairs.add((layout.paths[one], layout.paths[two]))
    found = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    for one, two in found:
        api = UsdPhysics.FilteredPairsAPI.Apply(stage.GetPrimAtPath(one))
        api.CreateFilteredPairsRel().AddTarget(two)
    return len(found)


def _bits(model: mujoco.MjModel, geom: int) -> Bits:
    return int(model.geom_contype[geom]), int(model.geom_conaffinity[geom])


def _sides(model: mujoco.MjModel, layout: Layout, shapes: dict[int, Sdf.Path], body: int) -> list[Sdf.Path]:
    """Return what a body is for a filter: the rigid body that carries it, or the shapes of a static one."""
    if layout.carrier[body]:
        return [layout.paths[int(layout.carrier[body])]]
    colliding = colliding_geoms(model)
    return [
        shapes[g] for g in np.flatnonzero(model.geom_bodyid == body).tolist() if g in shapes and colliding[g]
    ]


def _jointed(layout: Layout, one: int, two: int) -> bool:
    """Return whether a joint between the two is defined, which keeps them from colliding."""
    parent = layout.model.body_parentid
    return layout.carrier[parent[two]] == one or layout.carrier[parent[one]] == two
