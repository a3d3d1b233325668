# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""Converters of an arm: through a message and back, also through the bytes on the wire, without losing a bit."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reflexarc.arc import ArcConfig
from reflexarc.arc.arm_inputs import ArmInputs
from reflexarc.core import arm_wire, joint_wire, wire
from reflexarc.core.types import (
    ContactVerdict,
    ImpedanceProposal,
    Intervention,
    JointState,
    Mode,
    Spheres,
    Status,
    Verdict,
    Wrench,
)

pytestmark = pytest.mark.ros

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
STAMPS = st.integers(0, 4_000_000 * wire.NS).map(lambda ns: ns // wire.NS + ns % wire.NS * 1e-9)
FRAMES = st.sampled_from(["panda_link0", "map", ""])
THREE = hnp.arrays(np.float64, 3, elements=NUMBERS)
NAMES = tuple(f"panda_joint{k}" for k in range(1, 8))


def through_the_wire(message):
    from rclpy.serialization import deserialize_message, serialize_message

    return deserialize_message(serialize_message(message), type(message))


def same(a, b):
    """Equal in every bit; NaN equals NaN."""
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)
        )
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and np.asarray(a, float).tobytes() == np.asarray(b, float).tobytes()
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes() or (math.isnan(a) and math.isnan(b))
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@given(STAMPS, st.data())
def test_joint_states(stamp, data):
    from reflexarc_nodes.joint_convert import joints_to

    q, dq, effort = (data.draw(hnp.arrays(np.float64, 7, elements=NUMBERS)) for _ in range(3))
    state = JointState(stamp, "panda_link0", NAMES, q, dq, Spheres.none(stamp, "panda_link0"))
    message = through_the_wire(joints_to(state, state.velocity, effort))
    back = joint_wire.joints_from(message)
    assert (back.stamp, back.joints) == (stamp, NAMES)
    assert same(back.position, state.position) and same(back.velocity, state.velocity)
    assert same(np.array(message.effort), effort)


@pytest.mark.parametrize("field", ["position", "velocity"])
@pytest.mark.parametrize("count", [0, 6, 8])
def test_another_number_of_values_than_names_becomes_nan_on_which_the_arc_stops(field, count):
    from sensor_msgs.msg import JointState as Message

    message = Message(name=list(NAMES), position=[0.1] * 7, velocity=[0.2] * 7)
    setattr(message, field, [0.3] * count)
    back = joint_wire.joints_from(message)
    assert np.isnan(getattr(back, field)).all() and getattr(back, field).shape == (7,)


def test_names_are_passed_on_in_the_order_in_which_they_came():
    from sensor_msgs.msg import JointState as Message

    turned = list(reversed(NAMES))
    inputs = ArmInputs(ArcConfig(frame_id="panda_link0"))
    inputs.add_joints(joint_wire.joints_from(Message(name=turned, position=[1.0] * 7, velocity=[0.0] * 7)))
    assert inputs.state().joints == tuple(turned)


@given(STAMPS, FRAMES, THREE, THREE)
def test_wrench(stamp, frame, force, torque):
    from reflexarc_nodes.arm_convert import wrench_to

    wrench = Wrench(stamp, frame, force, torque)
    assert same(arm_wire.wrench_from(through_the_wire(wrench_to(wrench))), wrench)


@given(STAMPS, FRAMES, THREE, hnp.arrays(np.float64, (3, 3), elements=NUMBERS))
def test_impedance_proposal(stamp, frame, target, stiffness):
    from reflexarc_nodes.arm_convert import impedance_to

    proposal = ImpedanceProposal(stamp, frame, target, stiffness)
    assert same(arm_wire.impedance_from(through_the_wire(impedance_to(proposal))), proposal)


@given(hnp.arrays(np.float64, 7, elements=NUMBERS))
def test_effort(torque):
    from reflexarc_nodes.joint_convert import joint_command_to

    assert same(joint_wire.joint_command_from(through_the_wire(joint_command_to(torque)), 7), torque)


@pytest.mark.parametrize("count", [0, 6, 8])
def test_a_command_for_another_number_of_joints_is_nan_which_the_watchdog_refuses(count):
    from reflexarc_nodes.joint_convert import joint_command_to

    assert np.isnan(joint_wire.joint_command_from(joint_command_to(np.zeros(count)), 7)).all()


@pytest.mark.parametrize("n", [0, 2, 5])
def test_path(n):
    from reflexarc_nodes.arm_convert import path_to

    points = np.random.default_rng(n).normal(size=(n, 3))
    assert same(arm_wire.path_from(through_the_wire(path_to(1.0, points, "panda_link0"))), points)


CONTACTS = st.builds(
    ContactVerdict,
    tip=THREE,
    velocity=THREE,
    force=THREE,
    reference=THREE,
    stiffness=hnp.arrays(np.float64, (3, 3), elements=NUMBERS),
    push=NUMBERS,
    peak=NUMBERS,
    braking=NUMBERS,
    tank=NUMBERS,
    underflows=st.integers(0, 2**40),
    reflex=st.sampled_from(["", "recovery", "soften"]),
    reflexes=st.integers(0, 2**40),
)
VERDICTS = st.builds(
    Verdict,
    now=STAMPS,
    command=hnp.arrays(np.float64, 7, elements=NUMBERS),
    status=st.sampled_from(Status),
    mode=st.sampled_from(Mode),
    margin=NUMBERS,
    slack=NUMBERS,
    risk=NUMBERS,
    interventions=st.just((Intervention("critic", "risk 0.9, allowed 0.5", 0.25),)) | st.just(()),
    faults=st.lists(st.sampled_from(["wrench_stale", "frame_mismatch"]), max_size=2).map(tuple),
    learned_margin=NUMBERS,
    uncertified=st.booleans(),
    contact=st.none() | CONTACTS,
    time_used=st.floats(0.0, 1.0),
    stage_times=st.lists(st.floats(0.0, 1.0), max_size=6).map(tuple),
)
RECORDS = st.builds(
    joint_wire.JointRecord, st.integers(0, 2**63), NUMBERS, st.integers(0, 2**63), *[NUMBERS] * 3
)


@settings(max_examples=60, deadline=None)
@given(VERDICTS, RECORDS)
def test_verdict(verdict, record):
    from reflexarc_nodes.arm_convert import arm_verdict_to

    message = through_the_wire(arm_verdict_to(verdict, record, "panda_link0"))
    back, tick = arm_wire.arm_verdict_from(message)
    assert same(back, verdict)
    assert same(tuple(tick), tuple(record))
    assert message.header.frame_id == "panda_link0"


def test_truth_comes_step_by_step():
    from reflexarc_msgs.msg import ToolTruth

    from reflexarc_nodes.convert import header_to

    rows = np.random.default_rng(0).normal(size=(4, 3))
    message = ToolTruth(header=header_to(2.0, "panda_link0"), period=0.001, work=1.5, pushes=2)
    message.tip, message.velocity, message.force = (list((k * rows).reshape(-1)) for k in (1, 2, 3))
    truth = arm_wire.truth_from(through_the_wire(message))
    assert truth.time == pytest.approx([1.997, 1.998, 1.999, 2.0], abs=1e-12)
    assert same(truth.tip, rows) and same(truth.velocity, 2 * rows) and same(truth.force, 3 * rows)
    assert (truth.work, truth.pushes, len(truth.balls)) == (1.5, 2, 0)


def test_an_encounter_of_the_tool():
    from reflexarc_nodes.arm_convert import tool_contact_to
    from reflexarc_sim.arm_plant import ToolContact

    contact = ToolContact(1.25, 1.5, "wall_2", 12.5, 0.75, (0.5, -0.25, 0.125))
    assert ToolContact(**arm_wire.tool_contact_from(through_the_wire(tool_contact_to(contact)))) == contact
