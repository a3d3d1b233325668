# SPDX-License-Identifier: Apache-2.0
"""Which shapes can touch which, in a model and in a stage, by the rules of each."""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

import itertools
from collections import defaultdict

import mujoco
from pxr import Sdf, Usd, UsdPhysics

from reflexarc_sim.usd.names import name_of
from reflexarc_sim.usd.read_back import ShapeRead, read_shapes

Pair = tuple[str, str]
"""Names of two shapes, the smaller first."""


def model_pairs(model: mujoco.MjModel) -> set[Pair]:
    """Return the pairs of geoms that MuJoCo would look at, whatever their poses."""
    if model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_CONTACT.value:
        return set()
    parents = not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_FILTERPARENT.value
    weld, parent = model.body_weldid.tolist(), model.body_parentid.tolist()
    above = [weld[parent[w]] for w in weld]
    excluded = set(model.exclude_signature.tolist())
    kind, affinity = model.geom_contype.tolist(), model.geom_conaffinity.tolist()
    bodies: dict[int, list[int]] = defaultdict(list)
    for geom, body in enumerate(model.geom_bodyid.tolist()):
        if kind[geom] or affinity[geom]:
            bodies[body].append(geom)
    found = set()
    for one, two in itertools.combinations(sorted(bodies), 2):
        a, b = weld[one], weld[two]
        related = parents and a and b and (a == above[two] or b == above[one])
        if a == b or related or (one << 16) + two in excluded:
            continue
        for g, h in itertools.product(bodies[one], bodies[two]):
            if kind[g] & affinity[h] or kind[h] & affinity[g]:
                found.add(_pair(*(name_of(model, mujoco.mjtObj.mjOBJ_GEOM, n) for n in (g, h))))
    return found


def stage_pairs(stage: Usd.Stage) -> set[Pair]:
    """Return the pairs of colliders that collision groups, filtered pairs and joints leave to collide."""
    groups = {
        str(p.GetPath()): set(map(str, _members(p)))
        for p in stage.Traverse()
        if p.IsA(UsdPhysics.CollisionGroup)
    }
    table = UsdPhysics.CollisionGroup.ComputeCollisionGroupTable(stage)
    apart = {
        (one, two)
        for one, two in itertools.product(groups, groups)
        if not table.IsCollisionEnabled(Sdf.Path(one), Sdf.Path(two))
    }
    kept = _kept_apart(stage)
    classes: dict[tuple[str, frozenset[str]], list[ShapeRead]] = defaultdict(list)
    for shape in read_shapes(stage):
        if shape.collides:
            mine = frozenset(name for name, members in groups.items() if shape.path in members)
            classes[shape.body, mine].append(shape)
    found = set()
    for (body_a, mine), (body_b, other) in itertools.combinations(classes, 2):
        same = body_a == body_b  # two shapes of the world cannot meet either
        if same or any((one, two) in apart for one in mine for two in other):
            continue
        for a, b in itertools.product(classes[body_a, mine], classes[body_b, other]):
            if not any(tuple(sorted((x, y))) in kept for x in (a.path, body_a) for y in (b.path, body_b)):
                found.add(_pair(a.name, b.name))
    return found


def _members(group: Usd.Prim) -> list[Sdf.Path]:
    return list(UsdPhysics.CollisionGroup(group).GetCollidersCollectionAPI().GetIncludesRel().GetTargets())


def _kept_apart(stage: Usd.Stage) -> set[tuple[str, ...]]:
    """Return pairs of paths that filters or joints keep apart."""
    found = set()
    for prim in stage.Traverse():
        if prim.HasAPI(UsdPhysics.FilteredPairsAPI):
            targets = UsdPhysics.FilteredPairsAPI(prim).GetFilteredPairsRel().GetTargets()
            found |= {tuple(sorted((str(prim.GetPath()), str(t)))) for t in targets}
        joint = UsdPhysics.Joint(prim)
        if joint and not joint.GetCollisionEnabledAttr().Get():
            sides = joint.GetBody0Rel().GetTargets() + joint.GetBody1Rel().GetTargets()
            if len(sides) == 2:
                found.add(tuple(sorted(map(str, sides))))
    return found


def _pair(one: str, two: str) -> Pair:
    return (one, two) if one < two else (two, one)
