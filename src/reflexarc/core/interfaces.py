# SPDX-License-Identifier: Apache-2.0
"""The one table of every topic: name, type, quality of service, expected rate, maximum age, publisher, frame.

Nodes, watchdogs, diagnostics, the recorder and the documentation read it; nobody writes a topic name or a
quality of service anywhere else. It imports no ROS. Names are relative, so that a namespace holds one
robot; `clock` in the root namespace is the usual `/clock`, and each robot of a simulated fleet has a clock
of its own.

A publisher offers `reliability`, `durability`, `depth` and `deadline_s`. A subscription never requests a
deadline: a driver that offers none would be refused, so ages are judged by the subscriber's watchdog instead.
"""

import math

from reflexarc.core.arm_interfaces import ARM_INTERFACES
from reflexarc.core.errors import UnknownNameError
from reflexarc.core.gate_interfaces import GATE_INTERFACES
from reflexarc.core.interface_type import LATCHED, Durability, Interface, Reliability
from reflexarc.core.types import FIXED_FRAME
from reflexarc.core.walker_interfaces import WALKER_INTERFACES

__all__ = ["BODY_FRAME", "INTERFACES", "LIDAR_FRAME", "Durability", "Interface", "Reliability", "interface"]

BODY_FRAME = "base_link"
LIDAR_FRAME = "lidar"


_PLANT, _ARC, _POLICY, _MISSION = "plant_node", "arc_node", "task_policy_node", "mission_node"
_REACH = "reachability_node"
_FLEET = "fleet_planner_node"

INTERFACES: tuple[Interface, ...] = (
    Interface(
        "clock",
        "rosgraph_msgs/msg/Clock",
        _PLANT,
        "",
        100.0,
        0.2,
        "Simulated time. Nothing publishes it on a robot.",
        depth=1,
        reliability=Reliability.BEST_EFFORT,
    ),
    Interface(
        "odom",
        "nav_msgs/msg/Odometry",
        _PLANT,
        FIXED_FRAME,
        100.0,
        0.1,
        "Pose of base_link in the fixed frame, twist in base_link.",
        depth=50,
        deadline_s=0.1,
    ),
    Interface(
        "scan",
        "sensor_msgs/msg/LaserScan",
        _PLANT,
        LIDAR_FRAME,
        10.0,
        0.5,
        "Planar lidar scan.",
        depth=10,
    ),
    Interface(
        "obstacles",
        "reflexarc_msgs/msg/TrackedObstacles",
        _PLANT,
        FIXED_FRAME,
        20.0,
        0.3,
        "Tracked moving obstacles with uncertainty; an empty list is a measurement, silence is a fault.",
        depth=20,
        deadline_s=0.3,
    ),
    Interface(
        "proposal",
        "geometry_msgs/msg/TwistStamped",
        _POLICY,
        BODY_FRAME,
        20.0,
        0.3,
        "Velocity that the task policy wants.",
        depth=20,
        deadline_s=0.3,
    ),
    Interface(
        "cmd_vel",
        "geometry_msgs/msg/TwistStamped",
        _ARC,
        BODY_FRAME,
        200.0,
        0.1,
        "Command that the robot executes; older than the maximum age it means zero.",
        depth=50,
        deadline_s=0.1,
    ),
    Interface(
        "verdict",
        "reflexarc_msgs/msg/Verdict",
        _ARC,
        BODY_FRAME,
        200.0,
        0.1,
        "Result of each tick: command, status, margin, interventions, faults, and the stamps of the inputs used.",
        depth=200,
    ),
    Interface(
        "mode",
        "reflexarc_msgs/msg/Mode",
        "supervisor_node",
        "",
        0.0,
        math.inf,
        "Operating mode; NORMAL holds until the first message.",
        **LATCHED,
    ),
    Interface(
        "mission",
        "reflexarc_msgs/msg/MissionStatus",
        _MISSION,
        FIXED_FRAME,
        0.0,
        math.inf,
        "Current mission and its outcome, published at every change.",
        **LATCHED,
    ),
    Interface(
        "route",
        "nav_msgs/msg/Path",
        _MISSION,
        FIXED_FRAME,
        0.0,
        math.inf,
        "Route of the current mission.",
        **LATCHED,
    ),
    Interface(
        "keepouts",
        "reflexarc_msgs/msg/Walls",
        _MISSION,
        FIXED_FRAME,
        0.0,
        math.inf,
        "Lines of the map that must not be crossed though no sensor sees them (kerb edges).",
        **LATCHED,
    ),
    Interface(
        "plan",
        "nav_msgs/msg/Path",
        _POLICY,
        FIXED_FRAME,
        10.0,
        0.3,
        "What the task policy means to do next: poses, each stamped with its time; only where plans are judged.",
        depth=1,
    ),
    Interface(
        "plan_risk",
        "reflexarc_msgs/msg/PlanRisk",
        _REACH,
        FIXED_FRAME,
        10.0,
        0.3,
        "Risk of the newest plan with its interval, and what of it is accepted; only where plans are judged.",
        depth=10,
    ),
    Interface(
        "safer_plan",
        "nav_msgs/msg/Path",
        _REACH,
        FIXED_FRAME,
        0.0,
        0.3,
        "The accepted variant of a plan that was not accepted as it is; its stamp tells how old it is.",
        **LATCHED,
    ),
    Interface(
        "contact_events",
        "reflexarc_msgs/msg/ContactEvent",
        _PLANT,
        FIXED_FRAME,
        0.0,
        math.inf,
        "One message per contact episode, when it ends.",
        depth=100,
    ),
    Interface(
        "cargo_events",
        "reflexarc_msgs/msg/CargoEvent",
        _PLANT,
        BODY_FRAME,
        0.0,
        math.inf,
        "Cargo left the bay.",
        depth=100,
    ),
    Interface(
        "rollover_events",
        "reflexarc_msgs/msg/RolloverEvent",
        _PLANT,
        FIXED_FRAME,
        0.0,
        math.inf,
        "The robot rolled over.",
        depth=100,
    ),
    Interface(
        "pedestrians",
        "reflexarc_msgs/msg/TrackedObstacles",
        _PLANT,
        FIXED_FRAME,
        10.0,
        1.0,
        "Where the simulated pedestrians really are; for reports, never for control. Standard deviations are 0.",
        depth=20,
    ),
    Interface(
        "clearance",
        "sensor_msgs/msg/Range",
        _PLANT,
        BODY_FRAME,
        20.0,
        1.0,
        "Smallest true clearance between footprint and nearest pedestrian since the last message; for reports.",
        depth=50,
    ),
    Interface(
        "joint_states",
        "sensor_msgs/msg/JointState",
        _PLANT,
        "",
        50.0,
        1.0,
        "Velocity and torque of the driven wheels; their product is the power that is billed. For reports.",
        depth=50,
    ),
    Interface(
        "statement",
        "reflexarc_msgs/msg/EconomicStatement",
        "evaluator_node",
        "",
        0.0,
        math.inf,
        "Cost statement of the missions so far, after each of them; only where evaluator_node runs.",
        **LATCHED,
    ),
    Interface(
        "/fleet_plan",
        "reflexarc_msgs/msg/FleetPlan",
        _FLEET,
        FIXED_FRAME,
        0.0,
        math.inf,
        "Where every robot of a fleet is meant to be when, after each change; only where a fleet is planned.",
        **LATCHED,
    ),
    Interface(
        "/fleet_progress",
        "reflexarc_msgs/msg/FleetProgress",
        _FLEET,
        "",
        5.0,
        1.0,
        "How far every robot of a fleet is, and how far it may go.",
        depth=10,
    ),
    Interface(
        "/fleet_delays",
        "reflexarc_msgs/msg/FleetDelays",
        _FLEET,
        "",
        5.0,
        1.0,
        "How much later than planned every robot of a fleet is.",
        depth=10,
    ),
    Interface(
        "/diagnostics",
        "diagnostic_msgs/msg/DiagnosticArray",
        "every node",
        "",
        1.0,
        3.0,
        "Health of every node, once a second.",
        depth=20,
    ),
    Interface(
        "markers",
        "visualization_msgs/msg/MarkerArray",
        _PLANT,
        FIXED_FRAME,
        5.0,
        1.0,
        "Pictures for a 3-D viewer.",
        depth=1,
    ),
    Interface(
        "/tf",
        "tf2_msgs/msg/TFMessage",
        _PLANT,
        FIXED_FRAME,
        50.0,
        0.2,
        "fixed frame to base_link, where tf2_msgs is installed.",
        depth=100,
        optional=True,
    ),
    *ARM_INTERFACES,
    *GATE_INTERFACES,
    *WALKER_INTERFACES,
)


def interface(name: str) -> Interface:
    """Return the topic of the given table name.

    Raises:
        UnknownNameError: no such topic; the message lists those that exist.
    """
    for item in INTERFACES:
        if item.name == name:
            return item
    raise UnknownNameError("topic", name, (i.name for i in INTERFACES), "the interface table")
