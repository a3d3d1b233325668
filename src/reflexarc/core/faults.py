# SPDX-License-Identifier: Apache-2.0
"""The one table of every fault: how it is detected, within how long, what the stack does, which test proves
it.

The names appear in `Verdict.faults` and in diagnostics. The safety manual's page of faults is generated
from here.
"""

import math

from reflexarc.core.arm_faults import ARM_FAULTS
from reflexarc.core.errors import UnknownNameError
from reflexarc.core.fault_type import NEXT, SANITY, TICK_S, Fault, until_stale
from reflexarc.core.gate_faults import GATE_FAULTS
from reflexarc.core.interfaces import interface
from reflexarc.core.walker_faults import WALKER_FAULTS

_REACH = "reachability_node"
_FLEET = "fleet_planner_node"
_ZERO = "status STOPPED, zero velocity; a quadruped: the stance"
_HOLD = "status NO_PROPOSAL, zero velocity; a quadruped comes to rest and stands"


_ARC = "tests/arc/test_sanity.py"
_GRAPH = "tests/ros/test_faults_live.py"

FAULTS: tuple[Fault, ...] = (
    Fault(
        "state_missing",
        SANITY,
        "no odometry, obstacles or scan has arrived since activation",
        TICK_S,
        _ZERO,
        "the first complete state",
        f"{_ARC}::test_fault_stops_the_robot_and_is_named",
    ),
    Fault(
        "state_stale",
        SANITY,
        "stamp of odom older or further in the future than its maximum age",
        until_stale("odom"),
        _ZERO,
        NEXT,
        f"{_GRAPH}::test_killed_plant_makes_the_arc_command_zero",
    ),
    Fault(
        "state_not_finite",
        SANITY,
        "pose, twist or stamp is NaN or infinite",
        TICK_S,
        _ZERO,
        NEXT,
        f"{_ARC}::test_fault_stops_the_robot_and_is_named",
    ),
    Fault(
        "state_misfit",
        SANITY,
        "the state is of another kind of robot, or its joints have other names or another order",
        TICK_S,
        _ZERO,
        NEXT,
        "tests/arc/test_arm.py::test_input_of_another_robot_stops_the_arm",
    ),
    Fault(
        "state_out_of_order",
        SANITY,
        "stamp of odom before that of the last one",
        TICK_S,
        _ZERO,
        NEXT,
        f"{_ARC}::test_state_older_than_the_last_one_is_refused",
    ),
    Fault(
        "frame_mismatch",
        SANITY,
        "frame_id of odom, obstacles or walls is not the arc's fixed frame",
        TICK_S,
        _ZERO,
        NEXT,
        f"{_GRAPH}::test_obstacles_in_a_wrong_frame_stop_the_robot",
    ),
    Fault(
        "obstacles_stale",
        SANITY,
        "stamp of obstacles older or further in the future than its maximum age",
        until_stale("obstacles"),
        _ZERO,
        NEXT,
        f"{_ARC}::test_fault_stops_the_robot_and_is_named",
    ),
    Fault(
        "obstacles_not_finite",
        SANITY,
        "a number is NaN or infinite, a radius or deviation negative",
        TICK_S,
        _ZERO,
        NEXT,
        f"{_ARC}::test_fault_stops_the_robot_and_is_named",
    ),
    Fault(
        "obstacles_implausible",
        SANITY,
        "an obstacle seems faster than max_obstacle_speed_m_s",
        TICK_S,
        _ZERO,
        NEXT,
        f"{_ARC}::test_track_that_is_too_fast_to_be_true_stops_the_robot",
    ),
    Fault(
        "obstacles_too_many",
        SANITY,
        "more obstacles around an arm than arm.obstacles",
        TICK_S,
        "status STOPPED, the arm brakes",
        NEXT,
        "tests/arc/test_arm.py::test_more_obstacles_than_the_arc_has_room_for_stop_the_arm",
    ),
    Fault(
        "walls_stale",
        SANITY,
        "stamp of the scan older or further in the future than its maximum age",
        until_stale("scan"),
        _ZERO,
        NEXT,
        f"{_ARC}::test_fault_stops_the_robot_and_is_named",
    ),
    Fault(
        "walls_not_finite",
        SANITY,
        "a wall's coordinate or stamp is NaN",
        TICK_S,
        _ZERO,
        NEXT,
        f"{_ARC}::test_fault_stops_the_robot_and_is_named",
    ),
    Fault(
        "proposal_missing",
        SANITY,
        "no proposal has arrived since activation",
        TICK_S,
        _HOLD,
        "the first proposal",
        f"{_ARC}::test_fault_stops_the_robot_and_is_named",
    ),
    Fault(
        "proposal_stale",
        SANITY,
        "stamp of the proposal older or further in the future than its maximum age",
        until_stale("proposal"),
        _HOLD,
        NEXT,
        f"{_GRAPH}::test_killed_policy_stops_the_robot",
    ),
    Fault(
        "proposal_not_finite",
        SANITY,
        "a velocity or the stamp is NaN or infinite",
        TICK_S,
        _HOLD,
        NEXT,
        f"{_GRAPH}::test_nan_proposal_gives_zero_and_a_fault",
    ),
    Fault(
        "proposal_misfit",
        SANITY,
        "the proposal is for another kind of robot, or its joints have other names or another order",
        TICK_S,
        _HOLD,
        NEXT,
        "tests/arc/test_arm.py::test_input_of_another_robot_stops_the_arm",
    ),
    Fault(
        "clock_backwards",
        SANITY,
        "the time of a tick is before that of the tick before, or not finite",
        TICK_S,
        "status LATCHED, mode PROTECTIVE_STOP, zero velocity; a quadruped: the stance",
        "deactivate and activate the arc_node, which resets the arc",
        f"{_GRAPH}::test_clock_backwards_latches",
    ),
    Fault(
        "solver_failed",
        "arc: barrier",
        "the programme is not solved or its residuals are above the tolerance",
        0.0,
        "the proposal is scaled until every row of the barrier holds",
        "the next solved tick",
        "tests/arc/test_arc.py::test_failed_solver_sends_the_admissible_share_and_says_so",
    ),
    Fault(
        "arm_backup",
        "arc: barrier",
        "no joint command keeps the rows within the bounds of the slack, or no solution passes its check",
        0.0,
        "status BACKUP, the arm brakes",
        "the next solved tick",
        "tests/arc/test_arm.py::test_arm_brakes_where_no_command_keeps_the_rows",
    ),
    Fault(
        "learned_failed",
        "arc: barrier",
        "value, gradient or row of the learned barrier is not finite",
        0.0,
        "status BACKUP, zero velocity",
        "the next tick whose numbers are finite",
        "tests/arc/test_learned.py::test_learned_barrier_that_is_not_finite_stops_the_robot",
    ),
    Fault(
        "postcheck_failed",
        "arc: post_check",
        "the command is not finite, beyond the drive's limits or not admissible",
        0.0,
        "status BACKUP, zero velocity; a quadruped stands",
        "the next tick",
        "tests/arc/test_arc.py::test_post_check_refuses_what_a_broken_stage_lets_through",
    ),
    Fault(
        "tick_late",
        "arc_node",
        "a tick began later than half a period after its time",
        TICK_S / 2,
        "counted and reported; the tick runs at once on the newest inputs, missed ticks are not made up",
        "the next tick in time",
        "tests/ros/test_loop.py::test_late_ticks_are_counted_and_not_made_up",
    ),
    Fault(
        "cmd_vel_stale",
        "plant_node",
        "no cmd_vel has arrived for its maximum age, on the steady clock",
        interface("cmd_vel").max_age_s,
        "the plant receives zero velocity",
        NEXT,
        f"{_GRAPH}::test_killed_arc_gives_the_plant_zero",
    ),
    Fault(
        "cmd_vel_not_finite",
        "plant_node",
        "a velocity of cmd_vel is NaN or infinite",
        0.0,
        "the message is refused and counted; the plant receives zero velocity",
        NEXT,
        "tests/ros/test_watchdog.py::test_non_finite_command_becomes_zero",
    ),
    Fault(
        "clock_stale",
        "every node",
        "no clock message for its maximum age; the local clock runs on, see the page on time",
        interface("clock").max_age_s,
        "all inputs grow old, so the arc commands zero",
        "the next clock message",
        f"{_GRAPH}::test_killed_plant_makes_the_arc_command_zero",
    ),
    Fault(
        "policy_state_stale",
        "task_policy_node",
        "odom older than its maximum age",
        until_stale("odom"),
        "no proposal is published, so the arc holds the robot",
        NEXT,
        "tests/ros/test_watchdog.py::test_stale_odometry_silences_the_policy",
    ),
    Fault(
        "risk_unknown",
        _REACH,
        "plan, state or obstacles missing, stale, in another frame or not finite; a track faster than "
        "reach.max_obstacle_speed_m_s; time of the plan going backwards; a singular covariance",
        2.0 / interface("plan_risk").rate_hz,
        "plan_risk says unknown; the task policy proposes to stand",
        "the next plan that can be judged",
        "tests/ros/test_reachability_live.py::test_a_plan_that_cannot_be_judged_is_unknown_and_the_policy_stands",
    ),
    Fault(
        "risk_stale",
        "task_policy_node",
        "no plan_risk within its maximum age",
        interface("plan_risk").max_age_s + 1.0 / interface("proposal").rate_hz,
        "the task policy proposes to stand",
        "the next judgement",
        "tests/ros/test_reachability_live.py::test_without_judgements_the_policy_stands",
    ),
    Fault(
        "node_killed",
        "launch, mission_node",
        "a process ends, or a topic it publishes stays silent",
        until_stale("proposal"),
        "the robot stops through the stale faults above; the run ends with a reason",
        "start the run again",
        f"{_GRAPH}::test_mission_node_ends_with_a_reason_when_a_node_dies",
    ),
    Fault(
        "message_unsent",
        "every node",
        "the middleware refuses to send a message",
        math.nan,
        "the node goes on and says so in its diagnostics; a message of a stream counts as lost, see the stale faults; "
        "one that is kept for late subscribers is sent again within a second",
        "the next message that is sent",
        "tests/ros/test_sender.py::test_a_refused_message_does_not_end_its_node",
    ),
    Fault(
        "planner_silent",
        "every robot of a fleet, by its route",
        "fleet_planner_node ends or hangs: no robot's route grows any more",
        0.0,
        "every robot stops where its route ends, at the latest one vertex beyond fleet.ahead_m; routes of robots never "
        "meet",
        "start the run again",
        "tests/ros/test_fleet_live.py::test_robots_stop_where_they_may_when_the_planner_is_killed",
    ),
    Fault(
        "progress_stale",
        _FLEET,
        "odometry of a robot older than stale_s",
        0.5 + 0.1,
        "the robot makes no progress, so whoever waits for it is permitted nothing more; fleet_progress says STALE",
        NEXT,
        "tests/ros/test_fleet_live.py::test_a_silent_robot_is_stale_then_lost_and_the_others_go_on",
    ),
    Fault(
        "progress_refused",
        _FLEET,
        "odometry of a robot not finite, out of order, in another frame, from the future, or farther from the place "
        "before than the robot's max_speed allows",
        0.5 + 0.1,
        "it is not taken, so the robot makes no progress; then as progress_stale and robot_lost; diagnostics name the "
        "reason",
        "the next good message; a place far off is good once the robot can have driven there",
        "tests/ros/test_fleet_live.py::test_a_robot_whose_odometry_cannot_be_right_makes_no_progress",
    ),
    Fault(
        "goal_refused",
        _FLEET,
        "a goal drawn for a robot is another's, too near to a robot that stands, or no vertex",
        0.1,
        "the robot stands and another goal is drawn in the next turn; diagnostics name the reason",
        "the next goal that is taken",
        "tests/sim/test_fleet_plant.py::test_a_goal_that_is_refused_costs_a_robot_its_turn_and_nothing_else",
    ),
    Fault(
        "robot_lost",
        _FLEET,
        "no odometry of a robot for lost_s, in which the planner itself ran",
        10.0 + 0.1,
        "its last place is an obstacle, the others are planned round it; who has no way stands and is reported",
        "start the run again",
        "tests/ros/test_fleet_live.py::test_a_silent_robot_is_stale_then_lost_and_the_others_go_on",
    ),
    Fault(
        "recorder_lost",
        "recorder_node",
        "the file cannot be written, or the process is killed",
        math.nan,
        "the robot is not affected; the file is readable up to the last second",
        "start the run again",
        "tests/ros/test_recorder.py::test_recording_is_readable_after_sigkill",
    ),
    Fault(
        "bad_parameter",
        "every node",
        "a parameter is unknown, of a wrong type or out of bounds",
        math.nan,
        "the node ends with exit code 2 and says what is allowed; it never activates",
        "mend the parameter",
        "tests/ros/test_parameters.py::test_wrong_parameter_ends_the_node_with_a_clear_error",
    ),
    *ARM_FAULTS,
    *GATE_FAULTS,
    *WALKER_FAULTS,
)


def fault(name: str) -> Fault:
    """Return the entry of the given name.

    Raises:
        UnknownNameError: no such fault; the message lists those that exist.
    """
    for item in FAULTS:
        if item.name == name:
            return item
    raise UnknownNameError("fault", name, (f.name for f in FAULTS), "the fault table")
