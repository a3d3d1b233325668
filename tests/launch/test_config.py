# SPDX-License-Identifier: Apache-2.0
"""Parameter files: one per node, every value explained, every name declared by the node."""

import dataclasses
import importlib
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from reflexarc.launcher import resolve

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
FILES = sorted((LAUNCH / "config").glob("*.yaml"))
NODES = (
    "arc_node",
    "arm_arc_node",
    "arm_plant_node",
    "contact_policy_node",
    "contact_task_node",
    "evaluator_node",
    "fleet_planner_node",
    "fleet_plant_node",
    "gate_node",
    "mission_node",
    "plant_node",
    "quadruped_arc_node",
    "quadruped_plant_node",
    "reachability_node",
    "recorder_node",
    "supervisor_node",
    "task_policy_node",
    "walker_policy_node",
    "walker_task_node",
)

needs_nodes = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("rclpy", "reflexarc_msgs", "reflexarc_nodes")),
    reason="rclpy, reflexarc_msgs or reflexarc_nodes is not importable: source the environment of the workspace",
)


def values(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["/**"]["ros__parameters"]


def declared(node: str) -> dict[str, dataclasses.Field]:
    module = importlib.import_module(f"reflexarc_nodes.{node}")
    kinds = [
        item for name, item in vars(module).items() if name.endswith("Node") and hasattr(item, "Parameters")
    ]
    (kind,) = {item.Parameters for item in kinds if item.__module__ == module.__name__}
    return {field.name: field for field in dataclasses.fields(kind)}


def test_there_is_one_file_per_node():
    assert [path.name for path in FILES] == [f"{node}.param.yaml" for node in NODES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_value_says_why_and_in_which_unit(path):
    text = path.read_text(encoding="utf-8")
    assert values(path)
    for name, value in values(path).items():
        comment = re.search(rf"^    {name}: [^#]+ # (.+)$", text, re.MULTILINE)
        assert comment is not None, name
        if isinstance(value, float):
            assert re.match(r"\[[^]]+\] \S+ \S+", comment[1]), f"{name}: a number needs its unit in brackets"


@needs_nodes
@pytest.mark.ros
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_name_is_declared_by_its_node_with_this_type(path):
    fields = declared(path.name.removesuffix(".param.yaml"))
    for name, value in values(path).items():
        assert name in fields
        assert type(value) is type(fields[name].default), name


@needs_nodes
@pytest.mark.ros
@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("sim", {}),
        ("sim", {"arc": "false", "overrides": "crowd.count=3"}),
        ("sim", {"evaluate": "true"}),
        ("sim", {"supervised": "true"}),
        ("robot", {"scenario": "x"}),
        ("robot", {"scenario": "x", "supervised": "true"}),
        ("fleet", {}),
        ("arm", {}),
        ("arm", {"plant": "false", "judge": "false", "record": "true", "duration": "3.0", "pace": "0.5"}),
        ("fleet_delivery", {}),
        ("fleet_delivery", {"robots": "2", "tasks": "false", "record": "true", "duration": "30.0"}),
    ],
)
def test_the_launch_files_set_only_parameters_that_the_nodes_declare(prefix, file, arguments):
    for spec in resolve(LAUNCH / "launch" / f"{file}.launch.xml", arguments).processes:
        assert spec.node_name is not None
        fields = declared(spec.node_name)
        for item in spec.parameters:
            for name, value in getattr(item, "values", ()):
                assert name in fields, f"{spec.node_name} declares no parameter {name}"
                kind = list if fields[name].default == () else type(fields[name].default)
                assert type(value) is kind, name
