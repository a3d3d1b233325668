# SPDX-License-Identifier: Apache-2.0
"""The tables of topics and faults, and that everything agrees with them. Needs no ROS."""

import ast
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from reflexarc.arc import ArcConfig
from reflexarc.core.errors import UnknownNameError
from reflexarc.core.faults import FAULTS, fault
from reflexarc.core.interfaces import INTERFACES, Durability, Interface, interface
from reflexarc.core.tables import PAGES, faults_table, pages, topics_table

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ros2_ws/src/reflexarc_nodes"
MODULES = sorted((PACKAGE / "reflexarc_nodes").glob("*.py"))
NODES = (
    "plant_node",
    "task_policy_node",
    "arc_node",
    "mission_node",
    "recorder_node",
    "evaluator_node",
    "reachability_node",
    "fleet_planner_node",
    "fleet_plant_node",
    "arm_plant_node",
    "arm_arc_node",
    "contact_policy_node",
    "contact_task_node",
    "supervisor_node",
    "gate_node",
    "quadruped_plant_node",
    "quadruped_arc_node",
    "walker_policy_node",
    "walker_task_node",
)


def test_names_are_unique():
    for table in (INTERFACES, FAULTS):
        names = [item.name for item in table]
        assert len(set(names)) == len(names)


def test_unknown_names_list_what_there_is():
    with pytest.raises(UnknownNameError, match="odometry.*allowed: .*odom"):
        interface("odometry")
    with pytest.raises(UnknownNameError, match="allowed: .*state_stale"):
        fault("stale")


@pytest.mark.parametrize("field", ["type", "rate_hz", "max_age_s", "depth", "deadline_s"])
def test_nonsense_in_the_table_is_refused(field):
    good = {
        "name": "x",
        "type": "a/msg/B",
        "publisher": "p",
        "frame": "",
        "rate_hz": 10.0,
        "max_age_s": 1.0,
        "doc": "d",
    }
    Interface(**good)
    bad = {"type": "a/B", "rate_hz": -1.0, "max_age_s": 0.19, "depth": 0, "deadline_s": 0.0}[field]
    with pytest.raises(ValueError, match="x:"):
        Interface(**(good | {field: bad}))


def test_promised_deadlines_are_kept_by_the_rate_and_by_the_age():
    for item in INTERFACES:
        if math.isfinite(item.deadline_s):
            assert 2.0 / item.rate_hz <= item.deadline_s <= item.max_age_s, item.name


def test_what_does_not_repeat_is_kept_for_late_subscribers_or_is_an_event():
    for item in INTERFACES:
        if item.rate_hz == 0.0:
            assert item.durability is Durability.TRANSIENT_LOCAL or item.name.endswith("_events"), item.name


def test_ages_are_those_of_the_arc():
    fresh = ArcConfig().freshness
    ages = {
        "odom": fresh.state_s,
        "obstacles": fresh.obstacles_s,
        "scan": fresh.walls_s,
        "proposal": fresh.proposal_s,
    }
    assert {name: interface(name).max_age_s for name in ages} == ages
    assert interface("cmd_vel").rate_hz == ArcConfig().rate_hz


def test_every_message_of_ours_exists():
    for item in INTERFACES:
        if item.package == "reflexarc_msgs":
            assert (ROOT / "ros2_ws/src/reflexarc_msgs/msg" / f"{item.type.rsplit('/', 1)[1]}.msg").is_file()


@pytest.mark.parametrize("item", FAULTS, ids=lambda item: item.name)
def test_the_test_that_proves_a_fault_exists(item):
    file, _, name = item.test.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_fault_that_the_arc_names_is_in_the_table():
    stale = {f"{name}_stale" for name in ("state", "obstacles", "walls", "wrench", "proposal")}
    named = set(stale)
    for path in [*(ROOT / "src/reflexarc/arc").glob("*.py"), *(ROOT / "src/reflexarc/barrier").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        named |= set(
            re.findall(
                r'"([a-z]+(?:_[a-z]+)*_(?:missing|not_finite|out_of_order|mismatch|misfit|backwards|failed'
                r'|implausible|too_many|backup|frozen|jump|offset))"',
                text,
            )
        )
    assert len(named) > 10
    for name in named:
        fault(name)
    from_arc = {f.name for f in FAULTS if f.detector.startswith("arc:")}
    assert from_arc == named, "a fault of the arc that no stage names, or the other way round"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.name)
def test_no_module_writes_a_topic_or_a_qos_itself(path):
    if path.name == "qos.py":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            assert "rclpy.qos" not in ast.unparse(node), (
                f"{path.name}:{node.lineno}: QoS belongs in the table"
            )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in ("create_publisher", "create_subscription"), (
                f"{path.name}:{node.lineno}"
            )
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("advertise", "listen")
        ):
            name = node.args[1]
            if isinstance(name, ast.Constant):
                interface(name.value)


@pytest.mark.parametrize("name", NODES)
def test_nodes_are_thin_and_free_of_algorithms(name):
    text = (PACKAGE / f"reflexarc_nodes/{name}.py").read_text(encoding="utf-8")
    code = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(code) < 200
    assert not re.search(r"np\.(linalg|dot|sin|cos)|math\.(sin|cos|sqrt|hypot)", text)


def test_versions_of_the_package_agree():
    version = ET.parse(PACKAGE / "package.xml").findtext("version")
    assert f'version="{version}"' in (PACKAGE / "setup.py").read_text(encoding="utf-8")


def test_the_pages_show_the_tables():
    for path, text in pages(ROOT):
        assert (ROOT / path).read_text(encoding="utf-8") == text, (
            f"{path}: run python -m reflexarc.core.tables"
        )
    assert len(PAGES) == 2


def test_tables_have_a_line_per_entry():
    assert len(topics_table().splitlines()) == 2 + len(INTERFACES)
    assert len(faults_table().splitlines()) == 2 + len(FAULTS)
