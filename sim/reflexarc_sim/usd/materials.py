# SPDX-License-Identifier: Apache-2.0
r"""Friction: one physics material per kind of surface, with a combine mode that gives MuJoCo's friction where one can.

MuJoCo takes for a pair of geoms the coefficients of the one with the higher priority, or the larger of both; a contact
of dimension 1, which is the larger of both `condim` (or that of the higher priority), has no friction. PhysX has no
priority. It combines by the mode of the material that comes later in

    average < min < multiply < max

(PxCombineMode). Of these modes, and of friction f or 0 for surfaces of dimension 1, those are chosen for which the
differences from MuJoCo's number have the least sum over all pairs of surfaces that can touch; a pair that stays
different is noted.
"""

# MuJoCo and OpenUSD are compiled modules without stubs:
# pyright: reportAttributeAccessIssue=false

import itertools
from typing import NamedTuple

import mujoco
from pxr import Sdf, Usd, UsdGeom, UsdPhysics, UsdShade

from reflexarc_sim.usd.attributes import set_vendor
from reflexarc_sim.usd.collisions import bits_collide, colliding_geoms
from reflexarc_sim.usd.notes import Notes
from reflexarc_sim.usd.stage import PHYSICS

MODES = ("average", "min", "multiply", "max")
"""In the order in which PhysX prefers them, the last one first."""
MOST = 10
"""Kinds of surface up to which the modes are searched for; beyond, every one is `max`."""
_SAME = 1e-9


class Surface(NamedTuple):
    """What MuJoCo's friction of a geom depends on."""

    slide: float
    torsion: float
    rolling: float
    condim: int
    priority: int


class Choice(NamedTuple):
    """What a surface has in USD."""

    mode: str
    friction: float


def mujoco_friction(a: Surface, b: Surface) -> float:
    """Return the sliding friction of a contact in MuJoCo."""
    if a.priority != b.priority:
        first = a if a.priority > b.priority else b
        return first.slide if first.condim > 1 else 0.0
    return max(a.slide, b.slide) if max(a.condim, b.condim) > 1 else 0.0


def physx_friction(a: Choice, b: Choice) -> float:
    """Return the sliding friction of a contact in PhysX."""
    mode = max(a.mode, b.mode, key=MODES.index)
    x, y = a.friction, b.friction
    return {"average": (x + y) / 2.0, "min": min(x, y), "multiply": x * y, "max": max(x, y)}[mode]


def choose(
    surfaces: list[Surface], pairs: set[tuple[int, int]]
) -> tuple[list[Choice], list[tuple[int, int]]]:
    """Return a choice per surface, and the pairs for which it gives another friction than MuJoCo's.

    Args:
        surfaces: kinds of surface.
        pairs: indices i <= j of surfaces that can touch.
    """
    options = [
        [
            Choice(mode, f)
            for f in ((0.0, s.slide) if s.condim == 1 else (s.slide,))
            for mode in reversed(MODES)
        ]
        for s in surfaces
    ]
    best = [Choice("max", 0.0 if s.condim == 1 else s.slide) for s in surfaces]
    least = sum(_gap(surfaces, best, i, j) for i, j in sorted(pairs))
    earlier = [[i for i in range(j + 1) if (i, j) in pairs] for j in range(len(surfaces))]
    taken: list[Choice] = []

    def search(cost: float) -> None:
        nonlocal best, least
        j = len(taken)
        if j == len(surfaces):
            best, least = list(taken), cost
            return
        for option in options[j]:
            taken.append(option)
            more = sum(_gap(surfaces, taken, i, j) for i in earlier[j])
            if cost + more < least - _SAME:
                search(cost + more)
            taken.pop()

    if len(surfaces) <= MOST:
        search(0.0)
    return best, [(i, j) for i, j in sorted(pairs) if _gap(surfaces, best, i, j) > _SAME]


def add_materials(
    stage: Usd.Stage, model: mujoco.MjModel, shapes: dict[int, Sdf.Path], notes: Notes
) -> list[Sdf.Path]:
    """Define the materials, bind them to the colliders and return their paths."""
    colliding = colliding_geoms(model)
    kinds: dict[Surface, list[int]] = {}
    for geom in shapes:
        if colliding[geom]:
            kinds.setdefault(_surface(model, geom), []).append(geom)
    surfaces = list(kinds)
    bits = [
        {(int(model.geom_contype[g]), int(model.geom_conaffinity[g])) for g in kinds[s]} for s in surfaces
    ]
    pairs = {
        (i, j)
        for i, j in itertools.combinations_with_replacement(range(len(surfaces)), 2)
        if any(bits_collide(a, b) for a in bits[i] for b in bits[j])
    }
    chosen, wrong = choose(surfaces, pairs)
    for i, j in wrong:
        notes.add(
            "friction between two kinds of surface is another one than MuJoCo's",
            f"{surfaces[i].slide:g} and {surfaces[j].slide:g} give {physx_friction(chosen[i], chosen[j]):g}, "
            f"in MuJoCo {mujoco_friction(surfaces[i], surfaces[j]):g}",
        )
    folder, paths = PHYSICS.AppendChild("Materials"), []
    if surfaces:
        UsdGeom.Scope.Define(stage, folder)
    for k, (surface, choice) in enumerate(zip(surfaces, chosen, strict=True)):
        material = UsdShade.Material.Define(stage, folder.AppendChild(f"surface_{k}"))
        physics = UsdPhysics.MaterialAPI.Apply(material.GetPrim())
        physics.CreateStaticFrictionAttr(choice.friction)
        physics.CreateDynamicFrictionAttr(choice.friction)
        physics.CreateRestitutionAttr(0.0)
        set_vendor(material.GetPrim(), "physxMaterial:frictionCombineMode", choice.mode)
        set_vendor(material.GetPrim(), "newton:torsionalFriction", surface.torsion)
        set_vendor(material.GetPrim(), "newton:rollingFriction", surface.rolling)
        paths.append(material.GetPath())
        for geom in kinds[surface]:
            api = UsdShade.MaterialBindingAPI.Apply(stage.GetPrimAtPath(shapes[geom]))
            api.Bind(material, UsdShade.Tokens.weakerThanDescendants, "physics")
    return paths


def _surface(model: mujoco.MjModel, geom: int) -> Surface:
    slide, torsion, rolling = model.geom_friction[geom].tolist()
    return Surface(slide, torsion, rolling, int(model.geom_condim[geom]), int(model.geom_priority[geom]))


def _gap(surfaces: list[Surface], chosen: list[Choice], i: int, j: int) -> float:
    return abs(physx_friction(chosen[i], chosen[j]) - mujoco_friction(surfaces[i], surfaces[j]))
