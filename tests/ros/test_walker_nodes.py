# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""The nodes of a quadruped without a graph: the plant's guard, what the policy goes by, messages there and back."""

import math

import numpy as np
import pytest

from reflexarc.arc import ArcConfig
from reflexarc.arc.walker_inputs import WalkerInputs
from reflexarc.core import joint_wire, walker_wire
from reflexarc.core.interfaces import interface
from reflexarc.core.types import Intervention, JointProposal, Mode, Status, Verdict, WalkerVerdict
from reflexarc.core.walker_interfaces import POSITIONS
from reflexarc.core.wire import NO_STAMP
from reflexarc.robots.quadruped import JOINT_NAMES
from tests.walking.walker_scene import CROUCH, STANCE, state

pytestmark = pytest.mark.ros

TARGETS = STANCE + 0.1
WEIGHTS = "go1/hinf/walk/hinf.safetensors"
TURN = np.array([math.cos(0.3), 0.0, math.sin(0.3), 0.0])


@pytest.fixture
def positions():
    from reflexarc_nodes.watchdog import PositionsWatchdog

    return PositionsWatchdog(interface(POSITIONS).max_age_s, CROUCH)


def test_targets_that_are_old_become_the_crouch(positions):
    assert (positions.targets(0.0) == CROUCH).all() and positions.stale and not positions.received
    positions.take(TARGETS, 1.0)
    assert positions.received and positions.fresh
    assert (positions.targets(1.0) == TARGETS).all() and not positions.stale and not positions.fresh
    assert (positions.targets(1.02) == TARGETS).all(), "at the maximum age"
    assert (positions.targets(1.0201) == CROUCH).all() and positions.stale
    positions.take(TARGETS, 1.0201)
    assert (positions.targets(1.0201) == TARGETS).all(), "the way back"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_targets_that_are_not_finite_withdraw_those_before(positions, bad):
    positions.take(TARGETS, 1.0)
    positions.take(np.array([*TARGETS[:11], bad]), 1.004)
    assert (positions.targets(1.004) == CROUCH).all()
    assert (positions.refused, positions.stale) == (1, True)


def test_another_number_of_targets_than_of_joints_is_refused(positions):
    from reflexarc_nodes.joint_convert import joint_command_to

    positions.take(joint_wire.joint_command_from(joint_command_to(TARGETS[:11]), 12), 1.0)
    assert (positions.targets(1.0) == CROUCH).all() and positions.refused == 1
    positions.take(joint_wire.joint_command_from(joint_command_to(TARGETS), 12), 1.0)
    assert (positions.targets(1.0) == TARGETS).all()


def messages(now, **changed):
    from reflexarc_nodes.joint_convert import joints_to
    from reflexarc_nodes.quadruped_convert import trunk_to

    known = state(now, turn=TURN, velocity=[0.1, 0.2, 0.3], rate=[0.4, 0.5, 0.6], **changed)
    return joints_to(known, known.joint_rate, np.zeros(12)), trunk_to(known, np.array([1.0, 2.0, 3.0]))


def test_a_state_survives_its_messages_and_is_as_old_as_the_older_of_both():
    inputs = WalkerInputs(ArcConfig(robot="go1"))
    joints, trunk = messages(5.0, position=TARGETS, joint_rate=np.arange(12.0))
    assert inputs.state() is None
    inputs.add_joints(joint_wire.joints_from(joints))
    assert inputs.state() is None
    inputs.add_trunk(walker_wire.trunk_from(trunk))
    known = inputs.state()
    assert known is inputs.state() and known.stamp == 5.0 and known.frame_id == "odom"
    np.testing.assert_array_equal(known.orientation, TURN)
    np.testing.assert_array_equal(known.velocity, [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(known.rate, [0.4, 0.5, 0.6])
    np.testing.assert_array_equal(known.position, TARGETS)
    np.testing.assert_array_equal(known.joint_rate, np.arange(12.0))
    inputs.add_joints(joint_wire.joints_from(messages(5.1)[0]))
    assert inputs.state().stamp == 5.0
    trunk.child_frame_id = "imu"
    inputs.add_trunk(walker_wire.trunk_from(trunk))
    assert inputs.state().frame_id == "odom, velocities in 'imu'", "the arc refuses it"
    inputs.forget()
    assert inputs.state() is None and inputs.record(3, 0.1, 2, None) == (
        3,
        0.1,
        2,
        NO_STAMP,
        NO_STAMP,
        NO_STAMP,
    )


def test_proposals_commands_and_verdicts_survive_their_messages():
    from reflexarc_nodes.quadruped_convert import command_to, push_to, targets_to, walker_verdict_to

    wish = walker_wire.targets_from(targets_to(JointProposal(2.5, JOINT_NAMES, TARGETS)))
    assert wish.stamp == 2.5 and wish.joints == JOINT_NAMES
    np.testing.assert_array_equal(wish.target, TARGETS)
    short = targets_to(JointProposal(2.5, JOINT_NAMES, TARGETS))
    short.position = short.position[:5]
    assert np.isnan(walker_wire.targets_from(short).target).all()
    told = walker_wire.command_from(command_to(2.5, np.array([0.5, -0.2, 0.3])))
    assert told.stamp == 2.5 and told.velocity.tolist() == [0.5, -0.2, 0.3]
    assert walker_wire.push_from(push_to(2.5, np.array([1.0, 2.0, 0.0]))).tolist() == [1.0, 2.0, 0.0]
    verdict = Verdict(
        1.5, TARGETS, Status.FILTERED, Mode.NORMAL, math.nan, 0.0, 0.7, (Intervention("reflex", "why", 0.2),),
        ("critic_failed",), walker=WalkerVerdict("recovery", 4, 0.5),
    )  # fmt: skip
    record = joint_wire.JointRecord(7, 0.001, 2, 1.496, NO_STAMP, 1.48)
    again, kept = walker_wire.walker_verdict_from(walker_verdict_to(verdict, record))
    assert kept == record and again.walker.reflex == "recovery" and again.walker.reflexes == 4
    assert (again.status, again.mode, again.risk, again.faults) == (
        Status.FILTERED,
        Mode.NORMAL,
        0.7,
        ("critic_failed",),
    )
    np.testing.assert_array_equal(again.command, TARGETS)
    assert again.contact is None and again.interventions == verdict.interventions


@pytest.fixture
def policy(new_domain):
    """The node itself, called directly; what it sends is kept."""
    import rclpy

    from reflexarc_nodes.walker_policy_node import WalkerPolicyNode

    arguments = ["--ros-args", "-p", "scenario:=quadruped_push"]
    with rclpy.init(args=arguments, domain_id=new_domain()):
        node = WalkerPolicyNode()
        node.out = []
        node.proposal.publish = lambda message: node.out.append(walker_wire.targets_from(message))
        try:
            yield node
        finally:
            node.executor_.shutdown()
            node.destroy_node()


def feed(node, now, **changed):
    joints, trunk = messages(now, **changed)
    node.inputs.add_joints(joint_wire.joints_from(joints))
    node.inputs.add_trunk(walker_wire.trunk_from(trunk))


def test_a_policy_without_a_fresh_state_is_silent(policy):
    assert not policy.turn(5.0), "none at all"
    feed(policy, 5.0)
    assert policy.turn(5.0 + policy.max_age), "at the maximum age"
    silent = policy.silent
    assert not policy.turn(5.0 + policy.max_age + 0.02) and policy.silent == silent + 1
    feed(policy, 6.0, joints=JOINT_NAMES[::-1])
    assert not policy.turn(6.0) and "other names" in policy._stale(6.0)
    feed(policy, 7.0)
    assert not policy.turn(6.9), "a state from the future"
    assert policy.turn(7.0)
    assert len(policy.out) == 2 and policy.out[-1].stamp == 7.0


def test_a_policy_decides_on_its_grid_and_only_once_for_a_time(policy):
    made = []
    for k in range(100):
        now = 5.0 + 0.004 * k
        feed(policy, now)
        made += [now] if policy.turn(now) else []
        assert not policy.turn(now)
    np.testing.assert_allclose(np.diff(made), 0.02, atol=1e-9)
    feed(policy, 9.0)
    assert policy.turn(9.0) and not policy.turn(9.004), "after a gap it does not make up"


@pytest.mark.parametrize(
    ("stamp", "velocity", "told"),
    [
        (5.0, [0.5, 0.0, 0.0], [0.5, 0.0, 0.0]),
        (4.49, [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]),
        (5.51, [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]),
        (5.0, [math.nan, 0.0, 0.0], [0.0, 0.0, 0.0]),
        (5.0, [0.0, math.inf, 0.0], [0.0, 0.0, 0.0]),
    ],
)
def test_a_command_that_is_old_means_to_stand(policy, stamp, velocity, told):
    from reflexarc_nodes.quadruped_convert import command_to

    assert policy.told(5.0).tolist() == [0.0, 0.0, 0.0], "none has come"
    policy._take_command(command_to(stamp, np.array(velocity)))
    assert policy.told(5.0).tolist() == told


def test_a_command_beyond_what_was_learned_is_a_warning_as_long_as_it_lasts(policy):
    from reflexarc_nodes.quadruped_convert import command_to

    def warned(velocity):
        now = policy.time.now()
        feed(policy, now)
        policy._take_command(command_to(now, np.array(velocity)))
        return "walker_command_beyond" in policy.health().text

    assert warned([0.0, 0.6, 0.0]) and warned([1e9, 0.0, 0.0])
    assert not warned([1.0, 0.5, -1.0]) and not warned([math.nan, 0.0, 0.0])


def test_a_policy_whose_decision_is_not_finite_is_silent_and_goes_on(policy):
    feed(policy, 5.0)
    actor, policy.policy.actor = policy.policy.actor, lambda seen: np.full((1, 12), math.nan)
    assert not policy.turn(5.0) and not policy.out and policy.policy.refused == 1
    policy.policy.actor = actor
    feed(policy, 5.02)
    assert policy.turn(5.02) and len(policy.out) == 1
    assert policy.health().values["refused"] == 1


def test_what_the_arc_sent_instead_is_what_the_policy_goes_on_from(policy):
    from reflexarc_nodes.joint_convert import joint_command_to

    feed(policy, 5.0)
    assert policy.turn(5.0)
    own = policy.newest.target
    followed = []
    policy.policy.follow = followed.append
    policy._take_sent(joint_command_to(own))
    feed(policy, 5.02)
    assert policy.turn(5.02) and not followed
    policy._take_sent(joint_command_to(TARGETS))
    feed(policy, 5.04)
    assert policy.turn(5.04) and (followed[0] == TARGETS).all()
    policy._take_sent(joint_command_to(np.full(12, math.nan)))
    assert policy.sent is None


def test_a_policy_without_weights_ends_with_a_clear_error(new_domain):
    import rclpy

    from reflexarc.core.errors import ConfigError, ModelError
    from reflexarc_nodes.walker_policy_node import WalkerPolicyNode

    for arguments, error, words in (
        ([], ConfigError, "needs `weights`"),
        (["-p", "weights:=nowhere.safetensors"], ModelError, "not a readable file"),
        (["-p", f"weights:={WEIGHTS}", "-p", "robot:=aliengo"], ModelError, "wanted: one of 'aliengo'"),
    ):  # fmt: skip
        with rclpy.init(args=["--ros-args", *arguments] if arguments else [], domain_id=new_domain()):
            with pytest.raises(error, match=words):
                WalkerPolicyNode()


@pytest.fixture
def arc_node(new_domain):
    """A configured arc's node, called directly; what it sends is kept."""
    import rclpy

    from reflexarc_nodes.quadruped_arc_node import QuadrupedArcNode

    arguments = [
        "--ros-args",
        "-p",
        "scenario:=quadruped_push",
        "-p",
        "overrides:=['arc.walker.critic=false']",
    ]
    with rclpy.init(args=arguments, domain_id=new_domain()):
        node = QuadrupedArcNode()
        node.on_configure(None)
        assert node.problem is None
        node.out = []
        node.positions.publish = lambda message: node.out.append(joint_wire.joint_command_from(message, 12))
        try:
            yield node
        finally:
            node.executor_.shutdown()
            node.destroy_node()


def test_an_arc_sends_nothing_before_it_has_seen_its_robot_and_then_in_every_tick(arc_node):
    arc_node._tick(5.0, 0.0, 0.0)
    assert not arc_node.out and arc_node.last.faults == ("state_missing",)
    for k in range(3):
        feed(arc_node, 5.004 + 0.004 * k, position=STANCE)
        arc_node._tick(5.004 + 0.004 * k, 0.0, 0.0)
    assert len(arc_node.out) == 3 and arc_node.last.faults == ("proposal_missing",)
    assert all(np.isfinite(targets).all() for targets in arc_node.out)
    arc_node._tick(5.2, 0.0, 0.0)
    assert arc_node.last.faults == ("state_stale",)
    near = np.abs(arc_node.out[-1] - arc_node.out[-2])
    assert (near <= 0.6 + 1e-12).all() and np.abs(arc_node.out[-1] - CROUCH).max() < 0.6, "towards the crouch"


def test_an_arc_that_ends_brings_its_robot_to_rest_within_a_bounded_time(arc_node):
    import time

    began = time.monotonic()
    arc_node.publish_stop()
    arc_node.rest()
    assert not arc_node.out and time.monotonic() - began < 1.0, "it knows of no robot"
    feed(arc_node, arc_node.time.now(), position=STANCE)
    arc_node.publish_stop()
    assert len(arc_node.out) == 1
    began = time.monotonic()
    arc_node.rest()
    lasted = time.monotonic() - began
    assert 0.9 < lasted < 3.0 and len(arc_node.out) > 50, "as long as it takes to come to rest"
    sent = len(arc_node.out)
    arc_node.idle()
    assert len(arc_node.out) == sent, "then it is silent"


def test_an_arc_in_simulation_answers_every_joint_state_once(arc_node):
    arc_node.simulated = True
    feed(arc_node, 5.0, position=STANCE)
    assert arc_node.due(5.0)
    arc_node._tick(5.0, 0.0, 0.0)
    assert not arc_node.due(5.002)
    assert arc_node.due(5.0201), "after five periods without a new one"
    feed(arc_node, 5.004, position=STANCE)
    assert arc_node.due(5.004) and not arc_node.due(5.006)


def test_an_arc_node_refuses_the_arc_of_another_kind_of_robot(new_domain):
    import rclpy

    from reflexarc_nodes.quadruped_arc_node import QuadrupedArcNode

    with rclpy.init(args=["--ros-args", "-p", "scenario:=sidewalk_calm"], domain_id=new_domain()):
        node = QuadrupedArcNode()
        node.on_configure(None)
        assert "needs a quadruped, 'segway_e1' is none" in str(node.problem)
        node.executor_.shutdown()
        node.destroy_node()


def test_a_plant_waits_for_arc_and_policy_and_crouches_without_targets(new_domain):
    import rclpy

    from reflexarc_nodes.joint_convert import joint_command_to
    from reflexarc_nodes.quadruped_plant_node import QuadrupedPlantNode

    arguments = ["--ros-args", "-p", "scenario:=quadruped_push", "-p", "patience_s:=0.0"]
    with rclpy.init(args=arguments, domain_id=new_domain()):
        node = QuadrupedPlantNode()
        try:
            node.on_configure(None)
            assert node.problem is None and node.waiting_for() == "the first targets"
            node._heard_proposal(None)
            assert not node.proposed, "the arc has not seen the robot yet"
            node._take(joint_command_to(TARGETS))
            assert node.waiting_for() == "the first proposal"
            node._heard_proposal(None)
            node.show()
            assert node.waiting_for() == "" and node.plant.time == 0.0
            for k in range(10):
                node.step()
                assert node.watchdog.stale == (k > 5), "0.02 s after the last targets"
            np.testing.assert_array_equal(node.plant._data.ctrl, CROUCH)
            values, whom = node.figures()
            assert values["positions_stale"] == 1 and values["stale_steps"] == 4 and whom
        finally:
            node.executor_.shutdown()
            node.destroy_node()


def test_policy_and_arc_need_no_jax_and_no_simulator():
    """What runs on the robot, with its scenario read and its arc built."""
    import subprocess
    import sys

    code = """
import sys
import reflexarc_nodes.walker_policy_node, reflexarc_nodes.quadruped_arc_node
from reflexarc.arc import build_arc
from reflexarc_sim.scenario import load_scenario
build_arc(load_scenario("quadruped_push").arc_config)
print([name for name in ("jax", "equinox", "optax", "mujoco") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]", done.stdout
