# SPDX-License-Identifier: Apache-2.0
"""Monitors that run beside the stack: requirements in signal temporal logic, drift towards danger, a planner's doubt.

They read and report; none of them commands the robot.
"""
