# SPDX-License-Identifier: Apache-2.0
"""Faults of a quadruped and of its nodes, part of the one table in `faults`.

What stops a quadruped is never zero. With a usable state its recovery policy brings it to rest and stands; without one
it is brought to a crouch.
"""

from reflexarc.core.fault_type import NEXT, SANITY, Fault
from reflexarc.core.interfaces import interface
from reflexarc.core.walker_interfaces import POSITIONS

TICK = 1.0 / interface(POSITIONS).rate_hz
"""One period of a quadruped's arc. [s]"""
_ARC = "tests/arc/test_walker.py"
_NODES = "tests/ros/test_walker_nodes.py"

WALKER_FAULTS: tuple[Fault, ...] = (
    Fault(
        "state_implausible",
        SANITY,
        "a quaternion whose norm is not 1, a trunk or joint faster, or a joint farther out of its range than "
        "arc.walker allows",
        TICK,
        "status STOPPED, a crouch",
        NEXT,
        f"{_ARC}::test_fault_halts_the_robot_and_is_named",
    ),
    Fault(
        "critic_failed",
        "arc: critic",
        "the risk of a fall is NaN",
        TICK,
        "counts as above the threshold: the reflex takes over",
        "the next risk that is a number, after the dwell",
        f"{_ARC}::test_a_critic_that_gives_no_number_is_a_reflex_and_a_fault",
    ),
    Fault(
        "recovery_failed",
        "arc: reflex, and whatever stops",
        "an observation or an action of the recovery policy is not finite",
        TICK,
        "a crouch in its place",
        "its next decision that is finite",
        f"{_ARC}::test_a_recovery_that_gives_no_number_is_replaced_by_the_crouch",
    ),
    Fault(
        "positions_stale",
        "quadruped_plant_node",
        "no targets have arrived for their maximum age, in plant time",
        interface(POSITIONS).max_age_s + TICK,
        "the robot crouches",
        NEXT,
        f"{_NODES}::test_targets_that_are_old_become_the_crouch",
    ),
    Fault(
        "positions_not_finite",
        "quadruped_plant_node",
        "a target is NaN or infinite, or there is another number of them than of joints",
        0.0,
        "the message is refused and counted; a crouch until the next good one",
        NEXT,
        f"{_NODES}::test_targets_that_are_not_finite_withdraw_those_before",
    ),
    Fault(
        "walker_state_stale",
        "walker_policy_node",
        "joint states or odometry older than their maximum age, or of other joints",
        interface("quadruped/odometry").max_age_s + 1.0 / interface("quadruped/proposal").rate_hz,
        "no proposal is published, so the arc brings the robot to rest",
        NEXT,
        f"{_NODES}::test_a_policy_without_a_fresh_state_is_silent",
    ),
    Fault(
        "walker_output_not_finite",
        "walker_policy_node",
        "an observation or an action of the task policy is not finite",
        interface("quadruped/proposal").max_age_s + TICK,
        "no proposal is published, and it is counted; the arc brings the robot to rest",
        "its next decision that is finite",
        "tests/walking/test_policy.py::test_what_is_not_finite_is_refused_and_counted",
    ),
    Fault(
        "walker_command_stale",
        "walker_policy_node",
        "quadruped/cmd_vel older than its maximum age, from the future, or not finite",
        interface("quadruped/cmd_vel").max_age_s + 1.0 / interface("quadruped/proposal").rate_hz,
        "the policy is told to stand",
        NEXT,
        f"{_NODES}::test_a_command_that_is_old_means_to_stand",
    ),
    Fault(
        "walker_command_beyond",
        "walker_policy_node",
        "a velocity larger than those that the policy learned with",
        1.0 / interface("quadruped/proposal").rate_hz,
        "each entry is cut to the largest that it learned with",
        NEXT,
        "tests/walking/test_policy.py::test_a_command_that_it_never_learned_is_cut_to_those_that_it_did",
    ),
)
