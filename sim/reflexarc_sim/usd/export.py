# SPDX-License-Identifier: Apache-2.0
"""A scenario as an OpenUSD stage, and the file of it: `export_stage`, then `write_stage`."""

# OpenUSD is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pxr import Sdf, Tf, Usd, UsdGeom, UsdPhysics, UsdSemantics

from reflexarc.core.errors import ConfigError
from reflexarc_sim.usd.bodies import add_bodies, lay_out
from reflexarc_sim.usd.collisions import add_filters, add_groups, colliding_geoms
from reflexarc_sim.usd.joints import add_joints
from reflexarc_sim.usd.loops import add_loops
from reflexarc_sim.usd.materials import add_materials
from reflexarc_sim.usd.notes import Notes
from reflexarc_sim.usd.semantics import TAXONOMY
from reflexarc_sim.usd.sensors import add_sensors
from reflexarc_sim.usd.shapes import add_shapes
from reflexarc_sim.usd.source import Source
from reflexarc_sim.usd.stage import WORLD, new_stage

SUFFIXES = (".usda", ".usdc", ".usd")
"""Files that can be written: text, binary, and binary by default."""


@dataclass(frozen=True)
class Export:
    """A stage and what it holds."""

    stage: Usd.Stage
    counts: dict[str, int]
    """What there is and how much of it, in the order of the table."""
    labels: dict[str, int]
    """Semantic label -> prims that carry it."""
    lost: tuple[str, ...]
    """What could not be expressed, one sentence each; also in the stage's custom data."""


def export_stage(source: Source) -> Export:
    """Make a stage in memory; equal sources give equal stages.

    Raises:
        ModelError: a body moves without mass, or has joints that USD cannot express.
    """
    model, notes = source.model, Notes()
    stage = new_stage(model, notes)
    layout = lay_out(source)
    add_bodies(stage, source, layout)
    shapes = add_shapes(stage, source, layout, colliding_geoms(model), notes)
    materials = add_materials(stage, model, shapes, notes)
    add_groups(stage, model, shapes, notes)
    joints = add_joints(stage, source, layout, notes)
    loops = add_loops(stage, model, layout, notes)
    filters = add_filters(stage, model, layout, shapes)
    sensors = add_sensors(stage, source, layout, joints, notes)
    lost = notes.lines()
    stage.GetPrimAtPath(WORLD).SetCustomData(
        {"reflexarc": {"scenario": source.name, "seed": source.seed, "notExpressed": "\n".join(lost)}}
    )
    return Export(
        stage, _counts(stage, len(materials), len(loops), filters, len(sensors)), _labels(stage), lost
    )


def target_file(out: Path | None, scenario: str) -> Path:
    """Return the file to write: `out`, or in it if it is a folder, or in the current folder.

    Raises:
        ConfigError: the folder does not exist, or the file's ending is none of `SUFFIXES`.
    """
    path = Path(f"{scenario}.usda") if out is None else out / f"{scenario}.usda" if out.is_dir() else out
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--out {path}: a stage ends in {', '.join(SUFFIXES)}, or name an existing folder")
    if not path.parent.is_dir():
        raise ConfigError(f"--out {path}: there is no folder {path.parent}; nothing was written")
    return path


def write_stage(stage: Usd.Stage, path: Path) -> None:
    """Write beside the file and rename, so that an existing file is whole or replaced whole.

    Raises:
        ConfigError: it cannot be written; an existing file is as before.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        try:
            if not stage.GetRootLayer().Export(str(beside)):
                raise OSError("OpenUSD could not write it")
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except (
        Exception
    ) as error:  # OpenUSD raises Tf.ErrorException, which is a RuntimeError, and the system OSError
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{path} cannot be written ({first}); what was there is as before") from error


def _counts(stage: Usd.Stage, materials: int, loops: int, filters: int, sensors: int) -> dict[str, int]:
    prims = list(stage.Traverse())
    joints = Counter(p.GetTypeName().removeprefix("Physics") for p in prims if p.IsA(UsdPhysics.Joint))
    shapes = [p for p in prims if p.IsA(UsdGeom.Gprim)]
    colliders = [p for p in shapes if p.HasAPI(UsdPhysics.CollisionAPI)]
    drives = sum(len(UsdPhysics.DriveAPI.GetAll(p)) for p in prims)
    return {
        "rigid bodies": sum(p.HasAPI(UsdPhysics.RigidBodyAPI) for p in prims),
        "articulations": sum(p.HasAPI(UsdPhysics.ArticulationRootAPI) for p in prims),
        **{f"joints: {kind}": joints[kind] for kind in sorted(joints)},
        "joints that close loops": loops,
        "drives": drives,
        "shapes that collide": len(colliders),
        "shapes for the eye": len(shapes) - len(colliders),
        "friction materials": materials,
        "collision groups": sum(p.IsA(UsdPhysics.CollisionGroup) for p in prims),
        "filtered pairs": filters,
        "sensors and cameras": sensors,
        "people": _folder(stage, "Pedestrians"),
        "robots": _folder(stage, "Robots"),
    }


def _folder(stage: Usd.Stage, name: str) -> int:
    prim = stage.GetPrimAtPath(WORLD.AppendChild(name))
    return len(prim.GetChildren()) if prim else 0


def _labels(stage: Usd.Stage) -> dict[str, int]:
    found: Counter[str] = Counter()
    for prim in stage.Traverse():
        if prim.HasAPI(UsdSemantics.LabelsAPI, TAXONOMY):
            found.update(UsdSemantics.LabelsAPI(prim, TAXONOMY).GetLabelsAttr().Get())
    return {label: found[label] for label in sorted(found)}


def open_stage(path: Path) -> Usd.Stage:
    """Open a file, as it is on disk now.

    Raises:
        ConfigError: it is no stage.
    """
    try:
        layer = Sdf.Layer.OpenAsAnonymous(str(path)) if path.is_file() else None
    except Tf.ErrorException as error:
        first = (str(error).strip() or "malformed").splitlines()[-1]
        raise ConfigError(f"{path} is no OpenUSD stage: {first}") from error
    if not layer:
        raise ConfigError(f"{path} is no OpenUSD stage")
    return Usd.Stage.Open(layer)
