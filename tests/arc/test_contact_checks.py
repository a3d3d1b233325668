# SPDX-License-Identifier: Apache-2.0
"""The checks and the speed limit at the head of an arm's arc, each at the edge of what it allows; no arc is built."""

import dataclasses
import math

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

import pinocchio

from reflexarc.arc import ArcConfig
from reflexarc.arc.arm_modes import ArmModeStage, _fastest
from reflexarc.arc.arm_sanity import ArmSanityStage
from reflexarc.arc.contact_sanity import ContactSanityStage, _jumped
from reflexarc.arc.stage import Tick
from reflexarc.core.types import JointProposal, JointState, Mode, Spheres, Status, Wrench
from tests.arc import contact_scene as scene

ARM, FRAME, START = scene.ARM, scene.FRAME, 10.0
REST = np.zeros(7)
TIP = scene.Bench().tip()[0]
LIMITS = {"normal_m_s": 1.0, "speed_separation_m_s": 0.5, "power_force_limited_m_s": 0.2}


@pytest.mark.parametrize("compiled", [True, False])
def test_no_point_is_faster_than_the_sum_of_what_every_joint_adds(compiled):
    fastest = _fastest if compiled else _fastest.py_func
    jacobian = np.zeros((3, 3, 2))
    jacobian[0, 0] = 1.0, -2.0
    jacobian[1, 1] = 3.0, 0.0
    jacobian[1, 2] = 0.0, 4.0
    jacobian[2] = 100.0
    top = np.array([0.5, 1.0])
    assert fastest(jacobian, np.array([0]), top) == pytest.approx(2.5)
    assert fastest(jacobian, np.array([0, 1]), top) == pytest.approx(math.hypot(1.5, 4.0))
    assert fastest(jacobian, np.array([1, 0]), top) == pytest.approx(math.hypot(1.5, 4.0))
    assert fastest(jacobian, np.zeros(0, dtype=np.int64), top) == 0.0


@pytest.mark.parametrize("compiled", [True, False])
def test_a_jump_is_seen_at_every_joint_and_nothing_less_is_one(compiled):
    jumped = _jumped if compiled else _jumped.py_func
    good = np.array([1.0, -2.0, 3.0])
    top, rest = np.array([1.0, 2.0, 2.0]), np.zeros(3)
    allowed = 1.1 * top * 0.01 + 0.001
    assert jumped(good + allowed - 1e-9, good, 1.1 * top - 1e-9, top, 0.01, 1.1, 0.001) == -1
    assert jumped(good - allowed + 1e-9, good, -1.1 * top + 1e-9, top, 0.01, 1.1, 0.001) == -1
    for joint in range(3):
        one = np.zeros(3)
        one[joint] = 1.0
        for sign in (-1.0, 1.0):
            moved = good + sign * (allowed + 1e-9) * one
            assert jumped(moved, good, rest, top, 0.01, 1.1, 0.001) == joint
            fast = sign * (1.1 * top + 1e-9) * one
            assert jumped(good, good, fast, top, 0.01, 1.1, 0.001) == joint
    assert jumped(good + 1.0, good, rest, top, 0.01, 1.1, 0.001) == 0, "the first of them is named"


# The speed of a mode.


def points():
    """Jacobians of the centres of the spheres that move and of the tip, from pinocchio, shape (p, 3, 7)."""
    data = ARM.model.createData()
    pinocchio.computeJointJacobians(ARM.model, data, scene.DOWN)
    pinocchio.framesForwardKinematics(ARM.model, data, scene.DOWN)
    frames = [*ARM.spheres.links[: ARM.spheres.moving], ARM.end_effector]
    found = []
    for name, local in zip(frames, [*ARM.spheres.centre[: ARM.spheres.moving], np.zeros(3)], strict=True):
        frame = ARM.model.getFrameId(name)
        full = pinocchio.getFrameJacobian(ARM.model, data, frame, pinocchio.LOCAL_WORLD_ALIGNED)
        arm = data.oMf[frame].rotation @ local
        found.append(full[:3] - np.cross(np.eye(3), arm) @ full[3:])
    return np.array(found)


def modes(arm=ARM, command="velocity", **limits):
    data = scene.CONFIG | {"arm": {"command": command}, "mode_limits": LIMITS | limits}
    return ArmModeStage(ArcConfig.from_dict(data), arm)


def moving(target, mode=Mode.NORMAL):
    state = JointState(START, FRAME, ARM.joints, scene.DOWN, REST, Spheres.none(START, FRAME))
    return Tick(START, state, None, mode, np.array(target, dtype=float), lambda _: [0.0] * 7)


WISH = np.array([1.0, -0.8, 0.5, 0.9, 0.2, -0.4, 0.6])


@pytest.mark.parametrize(
    ("mode", "limit"), [(Mode.NORMAL, 1.0), (Mode.SPEED_SEPARATION, 0.5), (Mode.POWER_FORCE_LIMITED, 0.2)]
)
def test_the_fastest_point_of_an_arm_has_the_speed_of_the_mode_and_a_slower_one_is_left_alone(mode, limit):
    speed = np.linalg.norm(points() @ WISH, axis=1).max()
    for size, share in ((0.999, 1.0), (1.5, 1.0 / 1.5)):
        wanted = size * limit / speed * WISH
        assert (np.abs(wanted) <= ARM.max_velocity).all()
        stage, tick = modes(), moving(wanted, mode)
        stage.apply(tick)
        assert tick.command == pytest.approx(share * wanted, rel=1e-6)
        assert len(tick.interventions) == (share < 1.0)
        assert stage.speed_limit == limit


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_what_a_joint_cannot_do_is_cut_before_the_speed_is_judged(sign):
    wanted = np.zeros(7)
    wanted[0] = sign * 50.0
    tick = moving(wanted, Mode.SPEED_SEPARATION)
    modes().apply(tick)
    turning = np.linalg.norm(points()[:, :, 0], axis=1).max()
    assert ARM.max_velocity[0] * turning > 0.5
    assert tick.command[0] == pytest.approx(sign * 0.5 / turning)


def test_for_torques_the_share_of_the_joint_speeds_is_that_within_which_no_point_can_be_faster():
    worst = np.linalg.norm(np.abs(points()) @ ARM.max_velocity, axis=1).max()
    stage = modes(command="torque")
    assert (stage.speed_share, stage.speed_limit) == (1.0, math.inf)
    tick = moving(np.full(7, 5.0), Mode.POWER_FORCE_LIMITED)
    stage.apply(tick)
    assert stage.speed_share == pytest.approx(0.2 / worst)
    assert (tick.interventions, tick.command.tolist()) == ([], [5.0] * 7)
    stage.reset()
    assert stage.speed_share == 1.0
    slow = dataclasses.replace(ARM, max_velocity=0.1 * ARM.max_velocity)
    stage = modes(slow, command="torque", normal_m_s=5.0)
    stage.apply(moving(REST))
    assert stage.speed_share == 1.0, "never more than all of it"


@pytest.mark.parametrize(("mode", "name"), [(Mode.PROTECTIVE_STOP, "PROTECTIVE_STOP"), (17, "17")])
@pytest.mark.parametrize("command", ["velocity", "torque"])
def test_a_stop_mode_or_none_at_all_stops_the_arm(mode, name, command):
    tick = moving(WISH, mode)
    modes(command=command).apply(tick)
    assert (tick.done, tick.status, tick.command.tolist()) == (True, Status.STOPPED, [0.0] * 7)
    assert f"mode {name} forbids motion" in tick.interventions[0].reason


# Inputs of an arm.


def balls(count, stamp=START, speed=0.0):
    moves = np.full((count, 3), speed)
    return Spheres(stamp, FRAME, np.ones((count, 3)), moves, np.ones(count), np.zeros(count), np.zeros(count))


def checked(stage, state, proposal, now=START):
    """Return the tick after the stage."""
    tick = Tick(now, state, proposal, Mode.NORMAL, np.zeros(7), lambda _: [0.5] * 7)
    stage.apply(tick)
    return tick


def arm_faults(state=None, joints=None, around=None):
    config = ArcConfig.from_dict(scene.CONFIG | {"arm": {"command": "velocity", "obstacles": 3}})
    if state is None:
        around = balls(3) if around is None else around
        state = JointState(START, FRAME, tuple(list(ARM.joints)), scene.DOWN, REST, around)
    proposal = JointProposal(START, ARM.joints if joints is None else joints, WISH)
    tick = checked(ArmSanityStage(config, ARM), state, proposal)
    assert tick.command.tolist() == (WISH.tolist() if not tick.faults else [0.5] * 7)
    return tick.faults


def test_joints_are_those_of_the_arm_by_their_names_and_not_by_their_object():
    assert ARM.joints == tuple(list(ARM.joints)) and ARM.joints is not tuple(list(ARM.joints))
    assert arm_faults() == []
    assert arm_faults(joints=tuple(list(ARM.joints))) == []
    assert arm_faults(joints=ARM.joints[::-1]) == ["proposal_misfit"]
    assert arm_faults(state=object()) == ["state_misfit"]


def test_as_many_obstacles_as_there_is_room_for_are_taken_and_none_that_is_old():
    assert arm_faults(around=balls(0)) == []
    assert arm_faults(around=balls(4)) == ["obstacles_too_many"]
    assert arm_faults(around=balls(1, START - 0.299)) == []
    assert arm_faults(around=balls(1, START - 0.301)) == ["obstacles_stale"]


# Inputs of an arm in contact.


def wrench(stamp=START, force=(1.0, 2.0, 3.0), torque=(0.1, 0.2, 0.3), frame=FRAME):
    return Wrench(stamp, frame, np.array(force, dtype=float), np.array(torque, dtype=float))


class Contact:
    """The sanity stage of an arm in contact, one tick after the other."""

    def __init__(self, **contact):
        self.stage = ContactSanityStage(ArcConfig.from_dict(scene.CONFIG | {"contact": contact}), ARM)
        self.seen = 0

    def tick(self, now=START, q=scene.DOWN, dq=REST, state=None, proposal=None, **changed):
        """Pass a state through; its wrench is a new one unless given."""
        self.seen += 1
        if state is None:
            felt = wrench(now, (1.0, 2.0, 3.0 + 0.001 * self.seen))
            around = changed.get("obstacles", Spheres.none(now, FRAME))
            state = JointState(now, FRAME, ARM.joints, q, dq, around, changed.get("wrench", felt))
        wish = scene.proposal(TIP, now) if proposal is None else proposal
        return checked(self.stage, state, wish, now)

    def faults(self, *args, **kwargs):
        return self.tick(*args, **kwargs).faults


@pytest.mark.parametrize("joint", range(7))
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_place_that_a_joint_cannot_have_come_to_latches_with_its_name(joint, sign):
    contact, one = Contact(encoder_margin=1.5, encoder_rad=0.001), np.zeros(7)
    one[joint] = sign
    assert contact.faults() == []
    most = 1.5 * ARM.max_velocity[joint] * 0.002 + 0.001
    assert contact.faults(START + 0.002, scene.DOWN + (most - 1e-6) * one) == []
    assert contact.faults(START + 0.004, scene.DOWN) == []
    jump = contact.tick(START + 0.006, scene.DOWN + (most + 1e-6) * one)
    assert (jump.faults, jump.status, jump.done) == (["encoder_jump"], Status.LATCHED, True)
    moved = sign * (most + 1e-6)
    assert f"{ARM.joints[joint]} went by {moved:.4f} rad in 0.0020 s" in jump.interventions[0].reason
    again = contact.tick(START + 0.008, scene.DOWN + 2.0 * one[::-1])
    assert again.interventions[0].reason == jump.interventions[0].reason, "the first one is told"
    contact.stage.reset()
    assert contact.faults(START + 0.010, scene.DOWN + one) == []


def test_a_first_state_that_is_said_to_be_impossibly_fast_is_not_believed_either():
    for size, faults in ((1.499, []), (1.501, ["encoder_jump"])):
        contact, fast = Contact(encoder_margin=1.5), np.zeros(7)
        fast[3] = size * ARM.max_velocity[3]
        tick = contact.tick(dq=fast)
        assert tick.faults == faults
        assert tick.state.position.tolist() == scene.DOWN.tolist()
        if faults:
            assert not tick.state.velocity.any()
            assert contact.faults(START + 0.001) == faults, "it stays latched"


def test_the_same_state_again_is_no_jump_however_late():
    contact = Contact()
    first = contact.tick(START).state
    assert contact.faults(START + 0.005, state=first) == []


def test_an_arm_whose_encoders_are_lost_is_where_its_speed_has_brought_it():
    contact, speed = Contact(), np.linspace(-0.3, 0.4, 7)
    assert contact.faults(START, dq=speed) == []
    jump = scene.DOWN + 0.5
    for k in (1, 2):
        tick = contact.tick(START + 0.01 * k, jump, dq=speed)
        assert tick.faults == ["encoder_jump"]
        assert tick.state.position == pytest.approx(scene.DOWN + 0.01 * k * speed)
        assert tick.state.velocity.tolist() == speed.tolist()
    fast = speed.copy()
    fast[6] = -1.6 * ARM.max_velocity[6]
    tick = contact.tick(START + 0.03, jump, dq=fast)
    assert not tick.state.velocity.any(), "nonsense is not braked against"
    assert tick.state.position == pytest.approx(scene.DOWN + 0.02 * speed)


@pytest.mark.parametrize(
    ("felt", "faults"),
    [
        (None, ["wrench_missing"]),
        (wrench(frame="tool"), ["frame_mismatch"]),
        (wrench(math.nan), ["wrench_not_finite"]),
        (wrench(force=(0.0, math.nan, 0.0)), ["wrench_not_finite"]),
        (wrench(torque=(0.0, 0.0, -math.inf)), ["wrench_not_finite"]),
        (wrench(force=(math.inf, -math.inf, 0.0)), ["wrench_not_finite"]),
        (wrench(START - 0.0099), []),
        (wrench(START - 0.0101), ["wrench_stale"]),
        (wrench(START + 0.0101), ["wrench_stale"]),
        (wrench(force=(180.0, 0.0, -240.0)), []),
        (wrench(force=(180.0, 1.0, -240.0)), ["wrench_implausible"]),
        (wrench(force=(299.0, 0.0, 0.0), torque=(0.0, 49.0, 0.0)), []),
        (wrench(torque=(30.0, -40.0, 0.0)), []),
        (wrench(torque=(30.0, -40.0, 0.5)), ["wrench_implausible"]),
    ],
)
def test_a_wrench_must_be_there_new_finite_and_within_the_range_of_the_sensor(felt, faults):
    tick = Contact().tick(wrench=felt)
    assert tick.faults == faults
    assert tick.status is (Status.STOPPED if faults else Status.PASSED)


@pytest.mark.parametrize("frozen", [0.0625, None])
def test_a_wrench_with_the_same_bits_is_believed_for_so_long(frozen):
    contact = Contact(frozen_s=frozen)
    for late, dead in ((0.0, False), (0.03125, False), (0.0625, False), (0.0635, True), (9.0, True)):
        felt = wrench(START + late)
        assert contact.faults(START + late, wrench=felt) == (["wrench_frozen"] if dead and frozen else [])
    assert contact.faults(START + 9.001) == [], "a new one is new"
    late = START + 9.05
    assert contact.faults(late, wrench=wrench(late)) == []


@pytest.mark.parametrize(
    ("around", "faults"),
    [
        (balls(0), []),
        (balls(0, math.nan), ["obstacles_not_finite"]),
        (balls(1, speed=0.5), []),
        (balls(1, speed=1e3), ["obstacles_implausible"]),
        (balls(33), ["obstacles_too_many"]),
        (balls(1, START - 0.31), ["obstacles_stale"]),
    ],
)
def test_what_is_tracked_around_an_arm_in_contact_is_judged_before_its_wrench(around, faults):
    assert Contact().faults(obstacles=around) == faults
    assert Contact().faults(obstacles=around, wrench=None) == (faults or ["wrench_missing"])


def test_clock_and_state_come_before_the_encoders():
    contact = Contact()
    assert contact.faults(math.nan) == ["clock_backwards"]
    contact = Contact()
    assert contact.faults(state=object()) == ["state_misfit"]
    assert contact.faults(START, np.full(7, math.nan)) == ["state_not_finite"]
    assert contact.faults(START, scene.DOWN) == []


FAR = np.array([1.2, 0.0, 0.0])


@pytest.mark.parametrize(
    ("wish", "faults"),
    [
        (scene.proposal(TIP, START - 0.299), []),
        (scene.proposal(TIP, START - 0.301), ["proposal_stale"]),
        (scene.proposal(TIP, START + 0.301), ["proposal_stale"]),
        (JointProposal(START, ARM.joints, REST), ["proposal_misfit"]),
        (scene.proposal(TIP, START, frame="odom"), ["frame_mismatch"]),
        (scene.proposal(TIP, math.nan), ["proposal_not_finite"]),
        (scene.proposal([0.0, math.inf, 0.0], START), ["proposal_not_finite"]),
        (scene.proposal(TIP, START, np.diag([math.nan, 1.0, 1.0])), ["proposal_not_finite"]),
        (scene.proposal(TIP, START, np.diag([1999.0, 10.0, 10.0])), []),
        (scene.proposal(TIP, START, np.diag([2001.0, 10.0, 10.0])), ["proposal_implausible"]),
        (scene.proposal(TIP, START, np.diag([10.0, -1.0, 10.0])), ["proposal_implausible"]),
        (scene.proposal(FAR, START), []),
        (scene.proposal(FAR[[1, 2, 0]] + [0.0, 0.1, 0.0], START), ["proposal_implausible"]),
    ],
)
def test_a_goal_must_be_new_finite_soft_enough_and_within_reach(wish, faults):
    contact = Contact()
    for _ in range(2):  # judged once, but told at every tick
        tick = contact.tick(proposal=wish)
        assert tick.faults == faults
        assert tick.status is (Status.NO_PROPOSAL if faults else Status.PASSED)
    assert contact.faults(proposal=scene.proposal(TIP, START)) == []


def test_without_a_goal_the_arm_is_stopped():
    contact = Contact()
    state = contact.tick().state
    tick = checked(contact.stage, state, None)
    assert (tick.faults, tick.status) == (["proposal_missing"], Status.NO_PROPOSAL)
