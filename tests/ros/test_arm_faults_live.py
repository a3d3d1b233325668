# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLC0415 - where ROS is absent these files must still be read, to be skipped with a reason
"""Faults of an arm in contact in running nodes: each has a name and ends in torques that hold the arm, never in zero.

A made-up arm publishes clock, joint states, wrench and proposals; time is what its clock says, however busy the
machine.
"""

import math

import numpy as np
import pytest

from reflexarc.core.arm_interfaces import ARM_FRAME, EFFORT
from reflexarc.core.faults import fault
from reflexarc.core.interfaces import interface
from reflexarc.core.types import ImpedanceProposal, JointState, Spheres, Wrench
from reflexarc.robots.arm import load_arm, require_pinocchio
from reflexarc.robots.tool import DOWN, ToolKinematics

pytestmark = [pytest.mark.ros, pytest.mark.slow]

READY_S = 120.0
"""Longest time for a node to compile its arc and answer on a busy machine. [s]"""
STEP_S = 0.004
"""By which the made-up arm's clock goes on. [s]"""


class FakeArm:
    """An arm that stands where the scene begins; a test changes what it publishes."""

    def __init__(self, probe):
        self.probe = probe
        self.arm = load_arm("panda")
        self.tool = ToolKinematics(self.arm, 0.10, 0.05)
        self.place = np.array([0.5, 0.0, 0.10])
        self.position = self.tool.inverse(self.place, DOWN)
        self.names = self.arm.joints
        self.rng = np.random.default_rng(0)
        self.now = 1.0
        self.joints_age, self.wrench_age = 0.0, 0.0
        self.force = None
        self.silent: set[str] = set()

    def weight(self):
        """Torques of gravity with the tool, shape (n,). [N m]"""
        pin, model = require_pinocchio(), self.tool.model
        return pin.computeGeneralizedGravity(model, model.createData(), self.position)

    def publish(self):
        """Go on by one step and publish everything that is not silenced."""
        from reflexarc_nodes import arm_convert, convert, joint_convert

        self.now += STEP_S
        now = self.now
        force = self.rng.normal(0.0, 0.05, 3) if self.force is None else self.force
        still = np.zeros(len(self.names))
        state = JointState(
            now - self.joints_age, ARM_FRAME, self.names, self.position, still, Spheres.none(now, ARM_FRAME)
        )
        wrench = Wrench(now - self.wrench_age, ARM_FRAME, force, np.zeros(3))
        proposal = ImpedanceProposal(now, ARM_FRAME, self.place, np.diag([500.0, 500.0, 1000.0]))
        for name, message in (
            ("clock", convert.clock_to(now)),
            ("arm/joint_states", joint_convert.joints_to(state, state.velocity, still)),
            ("arm/wrench", arm_convert.wrench_to(wrench)),
            ("arm/proposal", arm_convert.impedance_to(proposal)),
        ):
            if name not in self.silent:
                self.probe.publish(name, message)

    def until(self, condition, what, timeout=READY_S):
        return self.probe.until(lambda: self.publish() or condition(), timeout, what)


@pytest.fixture(scope="module")
def nodes(new_domain, tmp_path_factory, graph_class, probe_class):
    """An arc of its own process; each test begins with a sound arm."""
    domain = new_domain()
    graph = graph_class(domain, tmp_path_factory.mktemp("arm"))
    probe = probe_class(domain).listen("arm/verdict", EFFORT, "/diagnostics")
    graph.start("arm_arc_node", scenario="maze_arm", use_sim_time=True)
    yield probe, graph
    graph.stop()
    probe.close()
    print(graph.log("arm_arc_node")[-3000:])


@pytest.fixture
def arm(nodes):
    probe, _ = nodes
    arm = FakeArm(probe)
    stamps = [v.now for v in probe.messages["arm/verdict"]]
    arm.now = max(stamps, default=1.0) + 0.1
    arm.until(
        lambda: any(v.now >= arm.now - 0.01 and not v.faults for v in probe.messages["arm/verdict"][-3:]),
        "a verdict without a fault",
    )
    return arm


def seen(arm, name):
    """Publish until a verdict carries the fault; return it with the torques that came from then on."""
    messages = arm.probe.messages
    messages["arm/verdict"].clear()
    verdict = arm.until(
        lambda: next((v for v in messages["arm/verdict"] if name in v.faults), None), f"a verdict with {name}"
    )
    messages[EFFORT].clear()
    arm.until(lambda: len(messages[EFFORT]) > 30, "torques after it")
    return verdict, np.array([m.data for m in messages[EFFORT]])


def holds(arm, torques, tolerance=2.0):
    """Whether torques carry the arm's weight; the arm stands, so that damping adds nothing. [N m]"""
    weight = arm.weight()
    assert np.abs(weight).max() > 10.0, "zero torque would not pass"
    return np.isfinite(torques).all() and (np.abs(torques - weight) < tolerance).all()


def freeze(arm):
    arm.force = np.array([0.1, 0.2, 0.3])


def spoil(arm):
    arm.force = np.array([0.0, math.nan, 0.0])


def overload(arm):
    arm.force = np.array([0.0, 1e4, 0.0])


def rename(arm):
    arm.names = tuple(f"ur_{name}" for name in arm.arm.joints)


def reorder(arm):
    arm.names = (arm.arm.joints[1], arm.arm.joints[0], *arm.arm.joints[2:])


def lose_one(arm):
    arm.names, arm.position = arm.arm.joints[:6], arm.position[:6]


def age_joints(arm):
    arm.joints_age = 1.0


def age_wrench(arm):
    arm.wrench_age = 0.5


def silence_policy(arm):
    arm.silent.add("arm/proposal")


def spoil_joints(arm):
    arm.position = np.where(np.arange(7) == 2, math.nan, arm.position)


@pytest.mark.parametrize(
    ("break_it", "name"),
    [
        (spoil, "wrench_not_finite"),
        (freeze, "wrench_frozen"),
        (overload, "wrench_implausible"),
        (age_wrench, "wrench_stale"),
        (rename, "state_misfit"),
        (reorder, "state_misfit"),
        (lose_one, "state_misfit"),
        (age_joints, "state_stale"),
        (spoil_joints, "state_not_finite"),
        (silence_policy, "proposal_stale"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_fault_has_a_name_and_torques_that_hold_the_arm(arm, break_it, name):
    from reflexarc_msgs.msg import Verdict

    good = FakeArm(arm.probe)
    break_it(arm)
    verdict, torques = seen(arm, name)
    assert verdict.status in (Verdict.STOPPED, Verdict.NO_PROPOSAL)
    assert holds(good, torques), (good.weight(), torques[-1])
    arm.probe.messages["/diagnostics"].clear()
    arm.until(
        lambda: (health := arm.probe.health("arm_arc_node")) and health[0] == 2 and name in health[1],
        "diagnostics with the fault",
    )
    assert fault(name).within_s < 1.0


def test_a_stream_that_ends_makes_its_input_old(arm):
    arm.silent.add("arm/wrench")
    verdict, torques = seen(arm, "wrench_stale")
    limit = interface("arm/wrench").max_age_s
    assert verdict.now - verdict.wrench_stamp > limit
    assert holds(arm, torques)


def test_when_everything_ends_time_runs_on_and_the_arm_is_held(arm):
    messages = arm.probe.messages
    messages["arm/verdict"].clear()
    last = arm.now
    arm.probe.until(
        lambda: any("state_stale" in v.faults and v.now > last for v in messages["arm/verdict"]),
        READY_S,
        "the state grows old without a clock",
    )
    messages[EFFORT].clear()
    arm.probe.until(lambda: len(messages[EFFORT]) > 30, READY_S, "torques go on")
    assert holds(arm, np.array([m.data for m in messages[EFFORT]]))


def test_leaving_the_arc_says_what_holds_the_arm(arm, nodes):
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    probe, _ = nodes
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert probe.call(ChangeState, "/arm_arc_node/change_state", request, READY_S).success
        if transition == Transition.TRANSITION_DEACTIVATE:
            assert holds(arm, np.array([probe.messages[EFFORT][-1].data]))
            probe.messages[EFFORT].clear()
            for _ in range(20):
                probe.spin(0.01)
            assert not probe.messages[EFFORT], "an inactive arc is silent"
    arm.until(lambda: not probe.last("arm/verdict").faults, "the way back")


def test_an_arc_that_has_not_seen_its_arm_sends_no_torques(probe_and_graph):
    probe, graph = probe_and_graph
    probe.listen("arm/verdict", EFFORT)
    graph.start("arm_arc_node", scenario="maze_arm", use_sim_time=True)
    stranger = FakeArm(probe)
    rename(stranger)
    stranger.until(
        lambda: len([v for v in probe.messages["arm/verdict"] if "state_misfit" in v.faults]) > 10,
        "verdicts on the joints of another arm",
    )
    assert not probe.messages[EFFORT], "whoever holds the arm so far goes on holding it"
    known = FakeArm(probe)
    known.now = stranger.now
    known.until(lambda: probe.messages[EFFORT], "torques once it has seen its own")
    assert holds(known, np.array([probe.messages[EFFORT][0].data]))
