# SPDX-License-Identifier: Apache-2.0
"""How the newest measurements of a quadruped become the state of a tick. Needs no ROS."""

import numpy as np
import pytest

from reflexarc.arc import ArcConfig
from reflexarc.arc.walker_inputs import WalkerInputs
from reflexarc.core.joint_wire import JointReading
from reflexarc.core.types import JointProposal, Mode
from reflexarc.core.walker_wire import TrunkReading
from reflexarc.core.wire import NO_STAMP
from reflexarc.robots.quadruped import JOINT_NAMES

UPRIGHT, THREE, TWELVE = np.array([1.0, 0.0, 0.0, 0.0]), np.ones(3), np.arange(12.0)


@pytest.fixture
def inputs():
    return WalkerInputs(ArcConfig(robot="go1"))


def joints(stamp):
    return JointReading(stamp, JOINT_NAMES, TWELVE, -TWELVE)


def trunk(stamp, child="base_link"):
    return TrunkReading(stamp, "odom", child, THREE, UPRIGHT, 2.0 * THREE, 3.0 * THREE)


def test_a_state_needs_both_and_is_as_old_as_the_older(inputs):
    assert inputs.frame_id == "odom" and inputs.mode is Mode.NORMAL
    inputs.add_joints(joints(1.0))
    assert inputs.state() is None and inputs.count == 1
    inputs.add_trunk(trunk(0.9))
    known = inputs.state()
    assert known is inputs.state() and known.stamp == 0.9 and known.joints == JOINT_NAMES
    assert known.velocity.tolist() == [2.0] * 3 and known.rate.tolist() == [3.0] * 3
    assert known.position.tolist() == TWELVE.tolist() and known.joint_rate.tolist() == (-TWELVE).tolist()
    inputs.add_trunk(trunk(1.1))
    assert inputs.state().stamp == 1.0


def test_velocities_of_another_frame_are_not_taken_for_the_trunks(inputs):
    inputs.add_joints(joints(1.0))
    inputs.add_trunk(trunk(1.0, "imu"))
    assert inputs.state().frame_id == "odom, velocities in 'imu'", "which the arc refuses"


def test_a_record_says_what_a_tick_used_and_nothing_is_left_after_forgetting(inputs):
    assert inputs.record(0, 0.0, 0, None)[3:] == (NO_STAMP, NO_STAMP, NO_STAMP)
    inputs.add_joints(joints(1.0))
    inputs.add_trunk(trunk(1.0))
    inputs.add_proposal(JointProposal(0.98, JOINT_NAMES, TWELVE))
    assert inputs.record(7, 0.001, 2, inputs.state()) == (7, 0.001, 2, 1.0, NO_STAMP, 0.98)
    inputs.mode = Mode.PROTECTIVE_STOP
    inputs.forget()
    assert inputs.state() is None and inputs.proposal is None and inputs.mode is Mode.PROTECTIVE_STOP
