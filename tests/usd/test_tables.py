# SPDX-License-Identifier: Apache-2.0
"""The tables of attributes: documented, named in the stage's schemas, of their type; and OpenUSD stays in its room."""

import ast
from pathlib import Path

import pytest
from pxr import Usd, UsdGeom

from reflexarc_sim.scenario import load_scenario
from reflexarc_sim.usd.attributes import OWN, PREFIX, VENDOR, set_own, set_vendor
from reflexarc_sim.usd.export import export_stage
from reflexarc_sim.usd.source import scenario_source

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/usd.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OWN)
def test_the_page_names_every_attribute_of_our_own_with_its_type_unit_and_meaning(name):
    entry = OWN[name]
    assert f"| `{PREFIX}{name}` | {entry.type} | {entry.unit or '–'} | {entry.meaning} |" in PAGE


@pytest.mark.parametrize("name", VENDOR)
def test_the_page_names_every_attribute_of_an_engine(name):
    assert f"`{name.replace('{}', 'AXIS')}`" in PAGE


def test_every_attribute_has_a_source_and_a_schema():
    for name, entry in VENDOR.items():
        assert entry.source
        assert entry.schema.endswith("API:{}" if "{}" in name else "API")


@pytest.mark.parametrize("scenario", ["sidewalk_calm", "maze_arm", "quadruped_push"])
def test_stages_use_the_tables_and_nothing_else(scenario):
    stage = export_stage(scenario_source(load_scenario(scenario), seed=0)).stage
    seen = set()
    for prim in stage.Traverse():
        schemas = prim.GetPrimTypeInfo().GetAppliedAPISchemas()
        for attribute in prim.GetAuthoredAttributes():
            name, space = attribute.GetName(), attribute.GetNamespace().split(":")[0]
            if space == PREFIX.rstrip(":"):
                assert attribute.GetTypeName() == OWN[name.removeprefix(PREFIX)].type
            elif space in ("newton", "mjc", "state") or space.startswith("physx"):
                axis = name.split(":")[1]
                key = next(k for k in (name, name.replace(f":{axis}:", ":{}:", 1)) if k in VENDOR)
                assert attribute.GetTypeName() == VENDOR[key].type
                assert VENDOR[key].schema.format(axis) in schemas
                seen.add(space)
    assert {"newton", "mjc", "physxScene"} <= seen


def test_a_name_that_is_in_no_table_is_an_error():
    stage = Usd.Stage.CreateInMemory()
    prim = UsdGeom.Xform.Define(stage, "/x").GetPrim()
    with pytest.raises(KeyError):
        set_own(prim, "colour", "red")
    with pytest.raises(KeyError):
        set_vendor(prim, "physxJoint:jointFriction", 1.0)


def test_openusd_is_imported_in_its_room_alone():
    room = ROOT / "sim/reflexarc_sim/usd"
    offenders = []
    for folder in ("src", "sim", "ros2_ws/src", "launch", "benchmarks", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)) if "pxr" in text else ():
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                if any(name.split(".")[0] == "pxr" for name in names) and room not in path.parents:
                    offenders.append(str(path.relative_to(ROOT)))
    assert offenders == []
