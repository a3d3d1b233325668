# SPDX-License-Identifier: Apache-2.0
"""The topics of an arm in contact, part of the table in `reflexarc.core.interfaces`.

They lie below `arm`, so that a mobile base and the arm on it share a namespace without meeting: the base's
`joint_states` are its wheels. The command is the topic of ros2_control's effort forward controller. Launch files remap
these names to those of a real arm's drivers.
"""

import math

from reflexarc.core.interface_type import LATCHED, Interface, Reliability

ARM_FRAME = "panda_link0"
"""Base of the arm that the scenarios have."""
EFFORT = "effort_controller/commands"
"""Command topic of ros2_control's effort forward controller, with the name that its examples give it."""
_PLANT, _ARC, _POLICY, _TASK = "arm_plant_node", "arm_arc_node", "contact_policy_node", "contact_task_node"

ARM_INTERFACES: tuple[Interface, ...] = (
    Interface(
        "arm/joint_states",
        "sensor_msgs/msg/JointState",
        _PLANT,
        "",
        1000.0,
        0.02,
        "Position, velocity and torque of the arm's joints, with exactly the arm's names in the arm's order.",
        depth=1,
        reliability=Reliability.BEST_EFFORT,
    ),
    Interface(
        "arm/wrench",
        "geometry_msgs/msg/WrenchStamped",
        _PLANT,
        ARM_FRAME,
        1000.0,
        0.01,
        "Force and torque of the surroundings on the tool's tip, the tool's weight taken out.",
        depth=1,
        reliability=Reliability.BEST_EFFORT,
    ),
    Interface(
        "arm/proposal",
        "reflexarc_msgs/msg/ImpedanceProposal",
        _POLICY,
        ARM_FRAME,
        10.0,
        0.3,
        "Goal of the tip and stiffness that the task policy wants.",
        depth=10,
    ),
    Interface(
        EFFORT,
        "std_msgs/msg/Float64MultiArray",
        _ARC,
        "",
        1000.0,
        0.02,
        "Torque of every joint; without a new one for its maximum age the plant compensates gravity and damps.",
        depth=1,
    ),
    Interface(
        "arm/verdict",
        "reflexarc_msgs/msg/ArmVerdict",
        _ARC,
        ARM_FRAME,
        100.0,
        0.1,
        "Result of a tick; also at every tick in which status, faults or reflex change.",
        depth=200,
    ),
    Interface(
        "arm/path",
        "nav_msgs/msg/Path",
        _TASK,
        ARM_FRAME,
        0.0,
        math.inf,
        "Way of the tip as the task is given it; it may lie beside the real one.",
        **LATCHED,
    ),
    Interface(
        "arm/truth",
        "reflexarc_msgs/msg/ToolTruth",
        _PLANT,
        ARM_FRAME,
        100.0,
        1.0,
        "What tip and tool truly did since the last message, step by step; for reports, never for control.",
        depth=200,
    ),
    Interface(
        "arm/contact_events",
        "reflexarc_msgs/msg/ToolContact",
        _PLANT,
        ARM_FRAME,
        0.0,
        math.inf,
        "One message per encounter of the tool and something else, when it is over.",
        depth=100,
    ),
)
"""Ages are those of the arc's freshness in arm scenarios; of the effort, the plant's."""
