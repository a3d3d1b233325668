# SPDX-License-Identifier: Apache-2.0
"""Faults of an arm in contact and of its nodes, part of the one table in `faults`."""

from reflexarc.core.arm_interfaces import EFFORT
from reflexarc.core.fault_type import NEXT, SANITY, TICK_S, Fault, until_stale
from reflexarc.core.interfaces import interface

_BRAKE = "status STOPPED, the arm brakes with its weight held: it gives way and comes to rest"
_CONTACT = "tests/arc/test_contact_arm.py"
_ARM = "tests/ros/test_arm_live.py"

ARM_FAULTS: tuple[Fault, ...] = (
    Fault(
        "wrench_missing",
        SANITY,
        "the state of an arm in contact has no wrench",
        TICK_S,
        _BRAKE,
        NEXT,
        f"{_CONTACT}::test_fault_brakes_the_arm_and_is_named",
    ),
    Fault(
        "wrench_stale",
        SANITY,
        "stamp of the wrench older or further in the future than contact.wrench_s",
        0.01 + TICK_S,
        _BRAKE,
        NEXT,
        f"{_CONTACT}::test_a_silent_force_sensor_stops_the_arm_in_time_and_it_comes_to_rest",
    ),
    Fault(
        "wrench_not_finite",
        SANITY,
        "a number or the stamp of the wrench is NaN or infinite",
        TICK_S,
        _BRAKE,
        NEXT,
        f"{_CONTACT}::test_fault_brakes_the_arm_and_is_named",
    ),
    Fault(
        "wrench_frozen",
        SANITY,
        "the wrench has had the same bits for longer than contact.frozen_s, which a sensor with noise never has",
        0.05 + TICK_S,
        _BRAKE,
        "the next wrench that differs",
        f"{_CONTACT}::test_a_frozen_force_sensor_stops_the_arm_in_time_and_it_comes_to_rest",
    ),
    Fault(
        "wrench_implausible",
        SANITY,
        "force or torque beyond the sensor's range, contact.wrench_range_n and contact.wrench_range_n_m",
        TICK_S,
        _BRAKE,
        NEXT,
        f"{_CONTACT}::test_fault_brakes_the_arm_and_is_named",
    ),
    Fault(
        "wrench_offset",
        "arc: tip",
        "while the sensor is zeroed (contact.tare_s) the mean force is above contact.tare_most_n",
        5.0 + TICK_S,
        "status LATCHED, mode PROTECTIVE_STOP; the arm has not moved yet",
        "free the tip or repair the sensor, then reset the arc",
        f"{_CONTACT}::test_an_offset_that_is_too_large_to_be_one_latches",
    ),
    Fault(
        "encoder_jump",
        SANITY,
        "a joint of an arm in contact moved, or is said to move, faster than contact.encoder_margin times its limit",
        TICK_S,
        "status LATCHED, mode PROTECTIVE_STOP; the arm brakes with its weight held as at the last good place",
        "find the cause, then reset the arc",
        f"{_CONTACT}::test_a_jump_of_an_encoder_latches_and_the_arm_comes_to_rest",
    ),
    Fault(
        "proposal_implausible",
        SANITY,
        "a stiffness that is not symmetric and positive definite up to contact.max_stiffness_n_m, or a target beyond "
        "contact.target_range_m; of a quadruped a target beyond 100 rad",
        TICK_S,
        "status NO_PROPOSAL, the arm brakes; a quadruped comes to rest and stands",
        NEXT,
        f"{_CONTACT}::test_fault_brakes_the_arm_and_is_named",
    ),
    Fault(
        "effort_stale",
        "arm_plant_node",
        "no torques have arrived for their maximum age, in plant time",
        interface(EFFORT).max_age_s + 1.0 / interface(EFFORT).rate_hz,
        "the arm rests: its weight is carried, its motion damped",
        NEXT,
        f"{_ARM}::test_an_arm_whose_arc_is_killed_rests_and_does_not_fall",
    ),
    Fault(
        "effort_not_finite",
        "arm_plant_node",
        "a torque is NaN or infinite, or there is another number of them than of joints",
        0.0,
        "the message is refused and counted; the arm rests until the next good one",
        NEXT,
        "tests/ros/test_watchdog.py::test_torques_that_are_not_finite_withdraw_those_before",
    ),
    Fault(
        "policy_joints_stale",
        "contact_policy_node",
        "joint states older than their maximum age",
        until_stale("arm/joint_states"),
        "no proposal is published, so the arc holds the arm",
        NEXT,
        f"{_ARM}::test_a_policy_without_joint_states_of_its_arm_is_silent",
    ),
    Fault(
        "policy_joints_misfit",
        "contact_policy_node",
        "joint states of other names or in another order",
        1.0 / interface("arm/proposal").rate_hz,
        "no proposal is published, so the arc holds the arm",
        NEXT,
        f"{_ARM}::test_a_policy_without_joint_states_of_its_arm_is_silent",
    ),
)
