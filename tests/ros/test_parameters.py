# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""Parameters: declared, documented, and refused when they are wrong."""

import dataclasses
import math
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.ros

PAGE = Path(__file__).parents[2] / "docs/ros2.md"


def parameter_classes():
    from reflexarc_nodes.arc_parameters import ArcParameters, ArmArcParameters, QuadrupedArcParameters
    from reflexarc_nodes.arm_plant_node import ArmPlantParameters
    from reflexarc_nodes.contact_policy_node import ContactPolicyParameters
    from reflexarc_nodes.contact_task_node import ContactTaskParameters
    from reflexarc_nodes.evaluator_node import EvaluatorParameters
    from reflexarc_nodes.fleet_planner_node import FleetPlannerParameters
    from reflexarc_nodes.fleet_plant_node import FleetPlantParameters
    from reflexarc_nodes.gate_node import GateParameters
    from reflexarc_nodes.mission_node import MissionParameters
    from reflexarc_nodes.parameters import CommonParameters
    from reflexarc_nodes.plant_node import PlantParameters
    from reflexarc_nodes.quadruped_plant_node import QuadrupedPlantParameters
    from reflexarc_nodes.reachability_node import ReachabilityParameters
    from reflexarc_nodes.recorder_node import RecorderParameters
    from reflexarc_nodes.supervisor_node import SupervisorParameters
    from reflexarc_nodes.task_policy_node import PolicyParameters
    from reflexarc_nodes.walker_policy_node import WalkerPolicyParameters
    from reflexarc_nodes.walker_task_node import WalkerTaskParameters

    common = {f.name for f in dataclasses.fields(CommonParameters)}
    yield "all", CommonParameters, set()
    for cls, node in (
        (PlantParameters, "plant_node"),
        (PolicyParameters, "task_policy_node"),
        (ArcParameters, "arc_node"),
        (MissionParameters, "mission_node"),
        (RecorderParameters, "recorder_node"),
        (EvaluatorParameters, "evaluator_node"),
        (ReachabilityParameters, "reachability_node"),
        (FleetPlannerParameters, "fleet_planner_node"),
        (FleetPlantParameters, "fleet_plant_node"),
        (ArmPlantParameters, "arm_plant_node"),
        (ArmArcParameters, "arm_arc_node"),
        (ContactPolicyParameters, "contact_policy_node"),
        (ContactTaskParameters, "contact_task_node"),
        (SupervisorParameters, "supervisor_node"),
        (GateParameters, "gate_node"),
        (QuadrupedPlantParameters, "quadruped_plant_node"),
        (QuadrupedArcParameters, "quadruped_arc_node"),
        (WalkerPolicyParameters, "walker_policy_node"),
        (WalkerTaskParameters, "walker_task_node"),
    ):
        yield node, cls, common


def parameter_lines():
    """The lines that docs/ros2.md must show."""
    for node, cls, known in parameter_classes():
        for field in dataclasses.fields(cls):
            if field.name in known:
                continue
            meta = field.metadata
            unit = f" [{meta['unit']}]" if meta["unit"] else ""
            bounds = f"; {meta['low']:g} to {meta['high']:g}" if math.isfinite(meta["high"]) else ""
            words = {"True": "true", "False": "false", "''": "empty", "()": "empty"}
            default = words.get(repr(field.default), field.default)
            yield f"| {node} | `{field.name}` | {default} | {meta['doc']}{unit}{bounds} |"


def test_the_page_shows_every_parameter():
    text = PAGE.read_text(encoding="utf-8")
    shown = (
        re.search(r"<!-- parameters: begin -->\n(.*)<!-- parameters: end -->", text, re.S)
        .group(1)
        .splitlines()
    )
    assert shown == list(parameter_lines())


@pytest.mark.parametrize(
    ("node", "parameters", "message"),
    [
        ("arc_node", {"needs_map": "maybe"}, "parameter 'needs_map'.*allowed: true or false"),
        (
            "arc_node",
            {"realtime_priority": 100},
            "parameter 'realtime_priority'.*allowed: a whole number from 0 to 99",
        ),
        ("arc_node", {"need_map": "true"}, "unknown parameter 'need_map' in arc_node; allowed: .*needs_map"),
        (
            "plant_node",
            {"start_timeout_s": 5},
            "parameter 'start_timeout_s'.*a number with a decimal point from 1 to 3600 s",
        ),
        ("plant_node", {"seed": "three"}, "parameter 'seed'"),
        ("mission_node", {"silence_s": 0.0}, "parameter 'silence_s'.*from 0.5 to 600 s"),
        ("task_policy_node", {}, "the parameter 'scenario' is required"),
        ("task_policy_node", {"scenario": "nowhere"}, "unknown scenario 'nowhere'; allowed: .*sidewalk_calm"),
        (
            "plant_node",
            {"scenario": "sidewalk_calm", "overrides": "['crowd.cuont=3']"},
            "unknown key 'cuont'",
        ),
        ("arc_node", {"scenario": "sidewalk_calm", "overrides": "['robot=moped']"}, "unknown robot 'moped'"),
        ("recorder_node", {}, "the parameter 'out_dir' is required"),
        ("arm_plant_node", {"pace": 2.0}, "parameter 'pace'.*a number with a decimal point from 0.05 to 1"),
        ("arm_plant_node", {"scenario": "sidewalk_calm"}, "segway_e1 is no arm"),
        ("arm_arc_node", {"scenario": "sidewalk_calm"}, "arm_arc_node needs arm.command 'impedance'"),
        (
            "contact_policy_node",
            {"scenario": "maze_arm", "policy": "route_follower"},
            "none for an arm in contact",
        ),
        ("contact_task_node", {}, "the parameter 'scenario' is required"),
    ],
)
def test_wrong_parameter_ends_the_node_with_a_clear_error(probe_and_graph, node, parameters, message):
    probe, graph = probe_and_graph
    process = graph.start(node, **parameters)
    probe.until(lambda: process.poll() is not None, 60.0, f"{node} ends")
    log = graph.log(node)
    assert process.returncode == 2, log
    assert re.search(message, log.replace("\n", " ")), log
    assert "Traceback" not in log


def test_empty_overrides_are_ignored():
    from reflexarc_nodes.parameters import CommonParameters

    scenario = CommonParameters("sidewalk_calm", 7, ("", " crowd.count=2 ", "")).load_scenario()
    assert (scenario.seed, scenario.crowd.count) == (7, 2)


def test_a_negative_seed_is_the_scenarios_own():
    from reflexarc_nodes.parameters import CommonParameters

    assert CommonParameters("sidewalk_calm", -1, ("seed=5",)).load_scenario().seed == 5
