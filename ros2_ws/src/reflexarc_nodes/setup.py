# SPDX-License-Identifier: Apache-2.0
"""Package the nodes for colcon; versions agree with package.xml."""

from setuptools import find_packages, setup

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

setup(
    name="reflexarc_nodes",
    version="0.1.0",
    packages=find_packages(),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/reflexarc_nodes"]),
        ("share/reflexarc_nodes", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=True,
    author="ReflexArc maintainers",
    maintainer="ReflexArc maintainers",
    maintainer_email="maintainers@reflexarc.dev",
    description="Thin ROS 2 nodes around the reflexarc library",
    license="Apache-2.0",
    entry_points={"console_scripts": [f"{node} = reflexarc_nodes.{node}:main" for node in NODES]},
)
