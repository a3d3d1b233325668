# SPDX-License-Identifier: Apache-2.0
"""The topics of a quadruped at the level of its joints, part of the table in `reflexarc.core.interfaces`.

The command is the topic of ros2_control's position forward controller, whose hardware draws the joints to the targets
with the gains of quadruped.yaml. Launch files remap these names to those of a real robot's drivers and estimator.
"""

import math

from reflexarc.core.interface_type import LATCHED, Interface, Reliability

BODY = "base_link"
POSITIONS = "forward_position_controller/commands"
"""Command topic of ros2_control's position forward controller, with the name that its examples give it."""
_PLANT, _ARC, _POLICY, _TASK = (
    "quadruped_plant_node",
    "quadruped_arc_node",
    "walker_policy_node",
    "walker_task_node",
)

WALKER_INTERFACES: tuple[Interface, ...] = (
    Interface(
        "quadruped/joint_states",
        "sensor_msgs/msg/JointState",
        _PLANT,
        "",
        250.0,
        0.02,
        "Position, velocity and torque of the twelve joints, with exactly the robot's names in its order.",
        depth=1,
        reliability=Reliability.BEST_EFFORT,
    ),
    Interface(
        "quadruped/odometry",
        "nav_msgs/msg/Odometry",
        _PLANT,
        "odom",
        250.0,
        0.02,
        "Orientation of base_link in the fixed frame, velocities in base_link: what a state estimator says.",
        depth=1,
        reliability=Reliability.BEST_EFFORT,
    ),
    Interface(
        "quadruped/cmd_vel",
        "geometry_msgs/msg/TwistStamped",
        _TASK,
        BODY,
        20.0,
        0.5,
        "How fast the robot is to walk; older than its maximum age it means to stand.",
        depth=10,
    ),
    Interface(
        "quadruped/proposal",
        "sensor_msgs/msg/JointState",
        _POLICY,
        "",
        50.0,
        0.06,
        "Positions to which the task policy wants the joints drawn; velocity and effort are empty.",
        depth=10,
    ),
    Interface(
        POSITIONS,
        "std_msgs/msg/Float64MultiArray",
        _ARC,
        "",
        250.0,
        0.02,
        "Target of every joint's position; without a new one for its maximum age the robot crouches.",
        depth=1,
    ),
    Interface(
        "quadruped/verdict",
        "reflexarc_msgs/msg/ArmVerdict",
        _ARC,
        BODY,
        50.0,
        0.1,
        "Result of a tick; also at every tick in which status, faults or reflex change. Without what is of an arm.",
        depth=200,
    ),
    Interface(
        "quadruped/push",
        "geometry_msgs/msg/WrenchStamped",
        _PLANT,
        BODY,
        50.0,
        1.0,
        "What pushes the trunk's origin in truth; for reports, never for control.",
        depth=100,
    ),
    Interface(
        "quadruped/fallen",
        "std_msgs/msg/Bool",
        _PLANT,
        "",
        0.0,
        math.inf,
        "Whether the robot has fallen, in truth; for reports, never for control.",
        **LATCHED,
    ),
)
"""Ages are those of the arc's freshness in scenarios of quadrupeds; of the targets, the plant's."""
