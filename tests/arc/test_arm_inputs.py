# SPDX-License-Identifier: Apache-2.0
"""From an arm's newest measurements to the state of a tick; needs no arm and no ROS."""

import numpy as np
import pytest

from reflexarc.arc.arm_inputs import ArmInputs
from reflexarc.arc.config import ArcConfig
from reflexarc.core.joint_wire import JointReading
from reflexarc.core.types import ImpedanceProposal, Mode, Wrench
from reflexarc.core.wire import NO_STAMP

FRAME = "panda_link0"


def reading(stamp, names=("a", "b")):
    return JointReading(stamp, names, np.array([0.1, 0.2]) + stamp, np.array([0.3, 0.4]))


def wrench(stamp):
    return Wrench(stamp, FRAME, np.array([1.0, 2.0, 3.0]), np.zeros(3))


@pytest.fixture
def inputs():
    return ArmInputs(ArcConfig(frame_id=FRAME))


def test_there_is_no_state_before_the_first_joints_and_a_wrench_alone_makes_none(inputs):
    assert inputs.state() is None
    inputs.add_wrench(wrench(1.0))
    assert inputs.state() is None
    record = inputs.record(3, 0.001, 2, None)
    assert tuple(record)[:3] == (3, 0.001, 2)
    assert tuple(record)[3:] == (NO_STAMP, NO_STAMP, NO_STAMP)


def test_the_newest_of_each_makes_the_state_and_names_pass_as_they_came(inputs):
    inputs.add_joints(reading(1.0))
    first = inputs.state()
    assert first is inputs.state(), "nothing new: the same state"
    assert first.wrench is None and inputs.record(0, 0.0, 0, first)[4] == NO_STAMP
    inputs.add_wrench(wrench(1.1))
    assert inputs.state().wrench.stamp == 1.1 and inputs.state().stamp == 1.0
    inputs.add_joints(reading(2.0, ("b", "a")))
    state = inputs.state()
    assert (state.stamp, state.frame_id, state.joints) == (2.0, FRAME, ("b", "a"))
    assert state.position.tolist() == pytest.approx([2.1, 2.2]) and state.velocity.tolist() == [0.3, 0.4]
    assert len(state.obstacles) == 0 and state.obstacles.stamp == 2.0
    assert inputs.count == 2
    inputs.add_proposal(ImpedanceProposal(1.9, FRAME, np.zeros(3), np.eye(3)))
    assert tuple(inputs.record(5, 0.0, 1, state))[3:] == (2.0, 1.1, 1.9)


def test_what_is_forgotten_is_everything_but_the_mode(inputs):
    inputs.mode = Mode.PROTECTIVE_STOP
    inputs.add_joints(reading(1.0))
    inputs.add_wrench(wrench(1.0))
    inputs.add_proposal(ImpedanceProposal(1.0, FRAME, np.zeros(3), np.eye(3)))
    inputs.forget()
    assert inputs.state() is None and inputs.wrench is None and inputs.proposal is None
    assert inputs.mode is Mode.PROTECTIVE_STOP
    inputs.add_joints(reading(2.0))
    assert inputs.state().wrench is None
