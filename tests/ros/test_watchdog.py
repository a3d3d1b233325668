# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""The plant's guard against its commands, and the policy's against old odometry."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from reflexarc.core.interfaces import interface
from reflexarc.core.types import Proposal

pytestmark = pytest.mark.ros

LIMIT = interface("cmd_vel").max_age_s
GO = np.array([1.0, 0.2])


class Time:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def watchdog():
    from reflexarc_nodes.watchdog import CommandWatchdog

    time = Time()
    watchdog = CommandWatchdog(LIMIT, time)
    watchdog.time = time
    return watchdog


def test_without_a_command_the_plant_gets_zero(watchdog):
    assert not watchdog.received
    assert (watchdog.command(0.0) == 0.0).all()
    assert watchdog.stale


@pytest.mark.parametrize("age", [0.0, 0.5 * LIMIT, LIMIT])
def test_a_fresh_command_passes_unchanged(watchdog, age):
    watchdog.take(Proposal(3.0, GO))
    watchdog.time.now = age
    assert (watchdog.command(3.0 + min(age, LIMIT - 1e-9)) == GO).all()
    assert not watchdog.stale


def test_a_silent_arc_means_zero_although_plant_time_stands(watchdog):
    watchdog.take(Proposal(3.0, GO))
    watchdog.time.now = LIMIT + 1e-6
    assert (watchdog.command(3.0) == 0.0).all()
    watchdog.take(Proposal(3.0, GO))
    assert (watchdog.command(3.0) == GO).all(), "the way back"


@pytest.mark.parametrize("offset", [LIMIT + 1e-6, -LIMIT - 1e-6, 1e9, -1e9])
def test_a_command_delayed_or_from_the_future_means_zero(watchdog, offset):
    watchdog.take(Proposal(3.0, GO))
    assert (watchdog.command(3.0 + offset) == 0.0).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_non_finite_command_becomes_zero(watchdog, bad, where):
    watchdog.take(Proposal(3.0, GO))
    values = [1.0, 0.2, 3.0]
    values[where] = bad
    watchdog.take(Proposal(values[2], np.array(values[:2])))
    assert (watchdog.command(3.0) == 0.0).all(), "also not the good command before"
    assert watchdog.refused == 1
    watchdog.take(Proposal(3.0, GO))
    assert (watchdog.command(3.0) == GO).all()


def test_stale_odometry_silences_the_policy(new_domain):
    """The node itself, called directly: proposals on fresh odometry, none on old, again none without a route."""
    import rclpy

    from reflexarc.core.types import FIXED_FRAME, BaseState, Obstacles, Walls
    from reflexarc_nodes import convert
    from reflexarc_nodes.task_policy_node import TaskPolicyNode

    limit = interface("odom").max_age_s
    arguments = ["--ros-args", "-p", "scenario:=sidewalk_calm"]
    with rclpy.init(args=arguments, domain_id=new_domain()):
        node = TaskPolicyNode()
        try:
            none = Obstacles.none(5.0), Walls.none()
            node._take_odometry(
                convert.odometry_to(BaseState(5.0, FIXED_FRAME, np.zeros(3), np.zeros(2), *none))
            )
            assert not node.propose(5.0), "no route yet"
            node._take_route(convert.route_to(5.0, np.array([[0.0, 0.0], [10.0, 0.0]])))
            assert node.propose(5.0 + 0.5 * limit)
            assert not node.propose(5.0 + 0.5 * limit), "a stamp names one proposal"
            assert not node.propose(5.0 + limit + 1e-6)
            assert node.silent == 1
            node._take_route(convert.route_to(5.0, np.zeros((0, 2))))
            assert node.route is None
        finally:
            node.executor_.shutdown()
            node.destroy_node()


def test_plans_keep_their_rate_although_turns_come_early_and_late(new_domain):
    """Turns every 50 ms, some 5 ms early or late, must not let a plan that is due every 100 ms wait for one more."""
    import rclpy

    from reflexarc.core.types import FIXED_FRAME, BaseState, Obstacles, Walls
    from reflexarc_nodes import convert
    from reflexarc_nodes.task_policy_node import TaskPolicyNode

    sent = []
    with rclpy.init(args=["--ros-args", "-p", "scenario:=sidewalk_risk"], domain_id=new_domain()):
        node = TaskPolicyNode()
        try:
            node.plan = SimpleNamespace(publish=lambda message: sent.append(now))
            node._take_route(convert.route_to(0.0, np.array([[0.0, 0.0], [10.0, 0.0]])))
            turns = 1.0 + 0.05 * np.arange(100) + np.random.default_rng(0).choice([-0.005, 0.0, 0.005], 100)
            for now in [*turns, 9.0]:  # the last one long after it was due
                none = Obstacles.none(now), Walls.none()
                node._take_odometry(
                    convert.odometry_to(BaseState(now, FIXED_FRAME, np.zeros(3), np.zeros(2), *none))
                )
                assert node.propose(now)
            assert node.plan_due == pytest.approx(9.1), "what was missed is not made up"
        finally:
            node.executor_.shutdown()
            node.destroy_node()
    assert len(sent) == 51
    assert np.diff(sent[:-1]).max() < 0.12


class Rest:
    """Answers with its own name for what the arm does by itself."""

    def torque(self, position, velocity):
        return np.full(7, 0.5) + position


@pytest.fixture
def effort():
    from reflexarc_nodes.watchdog import EffortWatchdog

    return EffortWatchdog(0.02, Rest())


STILL = SimpleNamespace(position=np.zeros(7), velocity=np.zeros(7))
TORQUE = np.arange(7.0)


def test_an_arm_without_torques_rests_and_does_not_fall(effort):
    assert not effort.received
    assert (effort.torque(STILL, 0.0) == 0.5).all() and effort.stale


def test_torques_pass_unchanged_until_they_are_old_in_plant_time(effort):
    effort.take(TORQUE, 1.0)
    assert effort.received and effort.fresh
    assert (effort.torque(STILL, 1.0) == TORQUE).all() and not effort.stale and not effort.fresh
    assert (effort.torque(STILL, 1.02) == TORQUE).all(), "at the maximum age"
    assert (effort.torque(STILL, 1.021) == 0.5).all() and effort.stale
    effort.take(TORQUE, 1.021)
    assert (effort.torque(STILL, 1.021) == TORQUE).all(), "the way back"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_torques_that_are_not_finite_withdraw_those_before(effort, bad):
    effort.take(TORQUE, 1.0)
    effort.take(np.array([*TORQUE[:6], bad]), 1.001)
    assert (effort.torque(STILL, 1.001) == 0.5).all()
    assert (effort.refused, effort.stale) == (1, True)
