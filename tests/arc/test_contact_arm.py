# SPDX-License-Identifier: Apache-2.0
"""The arc of an arm in contact: what holds for every tick, what a fault does and how soon, and who keeps the force."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.core.faults import fault
from reflexarc.core.types import JointProposal, Mode, Status, Wrench
from reflexarc.reflex.contact.view import DECISION_S, STEP
from reflexarc.robots.arm import load_arm
from tests.arc.contact_scene import ARM, CONFIG, DOWN, FRAME, PERIOD, Bench, proposal

TIP = Bench().tip()[0]
SHARED_ARC = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def made(**contact):
    return build_arc(ArcConfig.from_dict(CONFIG | {"contact": contact}))


@pytest.fixture(scope="module")
def default():
    return made()


@pytest.fixture
def arc(default):
    default.reset()
    return default


@pytest.fixture(scope="module")
def alone():
    """Without critic: the force barrier has to do it."""
    return made(critic=False)


def stages(arc):
    return {stage.name: stage for stage in arc.stages}


def reach(arc, bench, seconds, goal, mode=Mode.NORMAL, start=0.0, stiffness=None, decisions=True):
    """Let the task policy draw the tip towards a goal in steps of at most 0.04 m; return the verdicts."""
    verdicts, wish = [], None
    for k in range(round(seconds / PERIOD)):
        now = start + k * PERIOD
        if k % 100 == 0 and (decisions or wish is None):
            place = bench.tip()[0]
            target = place + np.clip(np.array(goal) - place, -0.04, 0.04)
            target[2] = goal[2]
            wish = proposal(target, now, np.diag([800.0, 800.0, 1000.0]) if stiffness is None else stiffness)
        verdict = arc.tick(bench.state(now), wish, mode, now)
        bench.step(verdict.command)
        verdicts.append(verdict)
    return verdicts


def test_stages_stand_in_their_order(arc):
    assert [s.name for s in arc.stages] == [
        "sanity", "mode_limits", "tip", "critic", "reflex", "energy", "force_barrier", "impedance", "barrier",
        "post_check",
    ]  # fmt: skip


@SHARED_ARC
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=12, max_size=12),
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=6, max_size=6),
    st.lists(st.floats(-1.0, 1.0), min_size=7, max_size=7),
    st.sampled_from(Mode),
)
def test_command_is_always_finite_and_within_the_limits(arc, wish, felt, speed, mode):
    arc.reset()
    bench = Bench()
    state = bench.state(0.0, dq=np.array(speed), wrench=Wrench(0.0, FRAME, felt[:3], felt[3:]))
    verdict = arc.tick(state, proposal(wish[:3], 0.0, np.array(wish[3:]).reshape(3, 3)), mode, 0.0)
    assert np.isfinite(verdict.command).all()
    assert (np.abs(verdict.command) <= ARM.max_torque * (1.0 + 1e-9)).all()
    assert all(i.stage and i.reason and math.isfinite(i.change) for i in verdict.interventions)


@SHARED_ARC
@given(
    st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3),
    st.lists(st.floats(10.0, 2000.0), min_size=3, max_size=3),
    st.lists(st.floats(-60.0, 60.0), min_size=3, max_size=3),
    st.lists(st.floats(-1.0, 1.0), min_size=7, max_size=7),
    st.sampled_from([Mode.NORMAL, Mode.SPEED_SEPARATION, Mode.POWER_FORCE_LIMITED]),
)
def test_good_inputs_of_every_size_lead_to_finite_torques_and_no_underflow(arc, away, k, felt, speed, mode):
    arc.reset()
    bench = Bench()
    for i in range(3):
        now = i * PERIOD
        state = bench.state(
            now, dq=np.array(speed), wrench=Wrench(now, FRAME, np.array(felt) + i, np.zeros(3))
        )
        verdict = arc.tick(state, proposal(TIP + away, 0.0, np.diag(k)), mode, now)
        assert np.isfinite(verdict.command).all()
        assert set(verdict.faults) <= {"arm_backup"}  # a state from which nothing but braking is left
        assert verdict.contact.underflows == 0
        assert verdict.contact.push <= 25.0 + 1e-9


def test_equal_ticks_since_reset_give_equal_verdicts(arc):
    def play():
        arc.reset()
        bench = Bench(wall=0.505)
        return [v.command.tobytes() for v in reach(arc, bench, 0.3, [0.56, 0.02, 0.015])]

    assert play() == play()


STATE, GOOD = Bench().state, proposal(TIP)
NUMBERS = np.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("state", "wish", "name"),
    [
        (None, GOOD, "state_missing"),
        (STATE(0.0, q=np.full(7, math.nan)), GOOD, "state_not_finite"),
        (STATE(0.0, stamp=-0.2), GOOD, "state_stale"),
        (STATE(0.0, frame="odom"), GOOD, "frame_mismatch"),
        (STATE(0.0, joints=ARM.joints[1:] + ARM.joints[:1]), GOOD, "state_misfit"),
        (STATE(0.0, joints=tuple(n.replace("panda", "fr3") for n in ARM.joints)), GOOD, "state_misfit"),
        (STATE(0.0, wrench=None), GOOD, "wrench_missing"),
        (STATE(0.0, wrench=Wrench(-0.02, FRAME, NUMBERS, NUMBERS)), GOOD, "wrench_stale"),
        (STATE(0.0, wrench=Wrench(0.02, FRAME, NUMBERS, NUMBERS)), GOOD, "wrench_stale"),
        (STATE(0.0, wrench=Wrench(0.0, "tool", NUMBERS, NUMBERS)), GOOD, "frame_mismatch"),
        (STATE(0.0, wrench=Wrench(0.0, FRAME, [math.nan, 0, 0], NUMBERS)), GOOD, "wrench_not_finite"),
        (STATE(0.0, wrench=Wrench(0.0, FRAME, NUMBERS, [0, math.inf, 0])), GOOD, "wrench_not_finite"),
        (STATE(0.0, wrench=Wrench(math.nan, FRAME, NUMBERS, NUMBERS)), GOOD, "wrench_not_finite"),
        (STATE(0.0, wrench=Wrench(0.0, FRAME, [301.0, 0, 0], NUMBERS)), GOOD, "wrench_implausible"),
        (STATE(0.0, wrench=Wrench(0.0, FRAME, NUMBERS, [0, 0, 51.0])), GOOD, "wrench_implausible"),
        (STATE(0.0), None, "proposal_missing"),
        (STATE(0.0), proposal(TIP, -0.5), "proposal_stale"),
        (STATE(0.0), JointProposal(0.0, ARM.joints, np.zeros(7)), "proposal_misfit"),
        (STATE(0.0), proposal(TIP, frame="odom"), "frame_mismatch"),
        (STATE(0.0), proposal([math.nan, 0, 0]), "proposal_not_finite"),
        (STATE(0.0), proposal(TIP, 0.0, np.full((3, 3), math.inf)), "proposal_not_finite"),
        (STATE(0.0), proposal([2.0, 0, 0]), "proposal_implausible"),
        (STATE(0.0), proposal(TIP, 0.0, np.diag([100.0, -1.0, 100.0])), "proposal_implausible"),
        (STATE(0.0), proposal(TIP, 0.0, np.diag([100.0, 2100.0, 100.0])), "proposal_implausible"),
        (STATE(0.0), proposal(TIP, 0.0, np.eye(3) + np.triu(np.ones((3, 3)), 1)), "proposal_implausible"),
    ],
)
def test_fault_brakes_the_arm_and_is_named(arc, state, wish, name):
    verdict = arc.tick(state, wish, Mode.NORMAL, 0.0)
    assert verdict.faults == (name,)
    of_the_proposal = wish is not GOOD
    assert verdict.status is (Status.NO_PROPOSAL if of_the_proposal else Status.STOPPED)
    assert verdict.contact is None
    assert np.isfinite(verdict.command).all()
    assert (np.abs(verdict.command) <= ARM.max_torque).all()
    assert fault(name).detector == "arc: sanity"


def comes_to_rest(arc, bench, spoil, start, slow=0.01, seconds=0.8):
    """Go on with spoiled states for a while; return the verdicts. The arm must stop near where it was."""
    before, verdicts = bench.tip()[0], []
    for k in range(round(seconds / PERIOD)):
        now = start + k * PERIOD
        verdict = arc.tick(spoil(now), proposal(TIP + [0.04, 0.0, 0.0], now), Mode.NORMAL, now)
        assert np.isfinite(verdict.command).all()
        assert (np.abs(verdict.command) <= ARM.max_torque * (1.0 + 1e-9)).all()
        bench.step(verdict.command)
        verdicts.append(verdict)
    assert np.abs(bench.dq).max() < slow
    assert np.linalg.norm(bench.tip()[0] - before) < 0.03
    return verdicts


UNSEEN = 0.05
"""Without measurements an arm without friction is not quite at rest after the while: nothing can be. [rad/s]"""


def moving(arc, wall=10.0):
    """Return a bench whose arm is under way, and the time."""
    bench = Bench(wall)
    reach(arc, bench, 0.25, TIP + [0.1, 0.03, 0.0])
    assert np.linalg.norm(bench.tip()[1]) > 0.03 or wall < 1.0
    return bench, 0.25


def reacted(verdicts, name):
    """Return when the fault was first named, after the first tick. [s]"""
    first = next(k for k, v in enumerate(verdicts) if name in v.faults)
    assert all(name in v.faults for v in verdicts[first:])
    assert all(v.status in (Status.STOPPED, Status.LATCHED) for v in verdicts[first:])
    return first * PERIOD


@pytest.mark.integration
@pytest.mark.parametrize("wall", [10.0, 0.51])
def test_a_wrench_that_is_no_number_stops_the_arm_at_once_and_it_comes_to_rest(arc, wall):
    bench, now = moving(arc, wall)

    def spoil(t):
        return bench.state(t, wrench=Wrench(t, FRAME, [math.nan, 0.0, 0.0], np.zeros(3)))

    assert reacted(comes_to_rest(arc, bench, spoil, now), "wrench_not_finite") == 0.0


@pytest.mark.integration
def test_a_silent_force_sensor_stops_the_arm_in_time_and_it_comes_to_rest(arc):
    bench, now = moving(arc)
    last = bench.state(now - PERIOD).wrench
    verdicts = comes_to_rest(arc, bench, lambda t: bench.state(t, wrench=last), now)
    assert reacted(verdicts, "wrench_stale") <= fault("wrench_stale").within_s


@pytest.mark.integration
@pytest.mark.parametrize("wall", [10.0, 0.51])
def test_a_frozen_force_sensor_stops_the_arm_in_time_and_it_comes_to_rest(arc, wall):
    bench, now = moving(arc, wall)
    felt = bench.state(now).wrench

    def spoil(t):
        return bench.state(t, wrench=Wrench(t, FRAME, felt.force, felt.torque))

    verdicts = comes_to_rest(arc, bench, spoil, now)
    assert 0.05 <= reacted(verdicts, "wrench_frozen") <= fault("wrench_frozen").within_s


def biased(bench, now, offset):
    felt = bench.state(now).wrench
    return bench.state(now, wrench=Wrench(now, FRAME, felt.force + offset, felt.torque))


@pytest.fixture(scope="module")
def zeroing():
    return made(tare_s=0.1)


def test_a_sensor_is_zeroed_before_the_arm_moves_and_again_after_every_activation(zeroing):
    for offset in ([3.0, -2.0, 1.0], [0.0, 4.0, 0.0]):
        zeroing.reset()
        bench, verdicts = Bench(), []
        for k in range(300):
            now = k * PERIOD
            verdicts.append(
                zeroing.tick(biased(bench, now, offset), proposal([0.53, 0.0, 0.015], now), Mode.NORMAL, now)
            )
            bench.step(verdicts[-1].command)
        assert all(v.status is Status.STOPPED and not v.faults for v in verdicts[:99])
        assert "zeroed, 50 of 100" in verdicts[49].interventions[-1].reason
        assert not any(v.status is Status.STOPPED for v in verdicts[100:])
        felt = np.array([v.contact.force for v in verdicts[100:200]])
        assert np.abs(felt.mean(axis=0)).max() < 0.2
        assert bench.tip()[0][0] > 0.51


def test_zeroing_begins_anew_while_the_tip_moves_and_counts_each_wrench_once(zeroing):
    zeroing.reset()
    bench = Bench()
    wish = proposal(TIP, 0.0)
    for k in range(60):
        now = k * PERIOD
        speed = np.full(7, 0.2 if k == 30 else 0.0)
        if k % 2 == 0:
            wrench = bench.state(now).wrench
        verdict = zeroing.tick(bench.state(now, dq=speed, wrench=wrench), wish, Mode.NORMAL, now)
        if k == 30:
            assert "the tip moves" in verdict.interventions[-1].reason
    assert "15 of 100" in verdict.interventions[-1].reason  # every other of the last 29


def test_an_offset_found_after_the_tip_had_moved_is_taken_out(zeroing):
    zeroing.reset()
    bench = Bench()
    wish = proposal(TIP, 0.0)
    for k in range(160):
        now = k * PERIOD
        felt = biased(bench, now, [3.0, 0.0, 0.0]).wrench
        speed = np.full(7, 0.2 if k == 30 else 0.0)
        verdict = zeroing.tick(bench.state(now, dq=speed, wrench=felt), wish, Mode.NORMAL, now)
    assert verdict.status is not Status.STOPPED
    assert abs(verdict.contact.force[0]) < 1.0


def test_an_offset_that_is_too_large_to_be_one_latches(zeroing):
    zeroing.reset()
    bench = Bench()
    verdicts = []
    for k in range(150):
        now = k * PERIOD
        felt = biased(bench, now, [20.0 if k < 120 else 0.0, 0.0, 0.0])
        verdicts.append(zeroing.tick(felt, proposal(TIP, now), Mode.NORMAL, now))
    first = next(k for k, v in enumerate(verdicts) if "wrench_offset" in v.faults)
    assert first * PERIOD <= fault("wrench_offset").within_s and first == 99
    assert all(v.status is Status.LATCHED for v in verdicts[first:])
    assert "20.0 N" in verdicts[first].interventions[-1].reason
    zeroing.reset()
    assert zeroing.tick(bench.state(1.0), proposal(TIP, 1.0), Mode.NORMAL, 1.0).status is Status.STOPPED


def test_a_sensor_without_noise_is_accepted_where_the_configuration_says_so():
    arc = made(frozen_s=None)
    bench = Bench()
    for k in range(120):
        now = k * PERIOD
        state = bench.state(now, wrench=Wrench(now, FRAME, np.zeros(3), np.zeros(3)))
        assert not arc.tick(state, proposal(TIP, now), Mode.NORMAL, now).faults


@pytest.mark.integration
@pytest.mark.parametrize("joint", [1, 3, 6])
def test_a_jump_of_an_encoder_latches_and_the_arm_comes_to_rest(arc, joint):
    bench, now = moving(arc)
    jump = np.zeros(7)
    jump[joint] = 0.3
    verdicts = comes_to_rest(arc, bench, lambda t: bench.state(t, q=bench.q + jump), now)
    assert reacted(verdicts, "encoder_jump") == 0.0
    assert {v.status for v in verdicts} == {Status.LATCHED}
    assert ARM.joints[joint] in verdicts[0].interventions[-1].reason
    # It stays latched with good states too, until somebody resets it.
    again = arc.tick(bench.state(now + 1.0), proposal(TIP, now + 1.0), Mode.NORMAL, now + 1.0)
    assert (again.status, again.mode) == (Status.LATCHED, Mode.PROTECTIVE_STOP)
    arc.reset()
    assert not arc.tick(bench.state(now + 1.001), proposal(TIP, now + 1.001), Mode.NORMAL, now + 1.001).faults


def test_a_joint_that_is_said_to_be_impossibly_fast_is_a_jump_too(arc):
    bench = Bench()
    arc.tick(bench.state(0.0), proposal(TIP), Mode.NORMAL, 0.0)
    fast = np.zeros(7)
    fast[2] = 2.0 * ARM.max_velocity[2]
    verdict = arc.tick(bench.state(PERIOD, dq=fast), proposal(TIP), Mode.NORMAL, PERIOD)
    assert verdict.faults == ("encoder_jump",)
    gravity = arc.tick(bench.state(2 * PERIOD), proposal(TIP), Mode.NORMAL, 2 * PERIOD).command
    assert verdict.command == pytest.approx(gravity, abs=1e-6)  # braked as if at rest, not against nonsense


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "spoiled"),
    [
        ("state_misfit", {"joints": ARM.joints[::-1]}),
        ("state_misfit", {"joints": tuple(n.replace("panda", "fr3") for n in ARM.joints)}),
        ("state_not_finite", {"q": np.full(7, math.nan)}),
        ("state_not_finite", {"dq": np.full(7, math.inf)}),
        ("frame_mismatch", {"frame": "odom"}),
    ],
)
def test_a_state_of_no_use_stops_the_arm_at_once_and_it_comes_to_rest(arc, name, spoiled):
    bench, now = moving(arc)
    verdicts = comes_to_rest(arc, bench, lambda t: bench.state(t, **spoiled), now, UNSEEN)
    assert reacted(verdicts, name) == 0.0


@pytest.mark.integration
@pytest.mark.parametrize("state", [True, False])
def test_states_that_cease_stop_the_arm_in_time_and_it_comes_to_rest(arc, state):
    bench, now = moving(arc)
    last = bench.state(now - PERIOD) if state else None
    verdicts = comes_to_rest(arc, bench, lambda t: last, now, UNSEEN)
    name = "wrench_stale" if state else "state_missing"  # the wrench is the first to be too old
    first = next(k for k, v in enumerate(verdicts) if v.faults)
    assert verdicts[first].faults == (name,)
    assert first * PERIOD <= fault(name).within_s


def test_after_a_fault_the_arm_begins_anew_at_the_tip_as_it_is(arc):
    bench, now = moving(arc)
    wish = proposal(TIP + [0.1, 0.0, 0.0], now)
    before = arc.tick(bench.state(now), wish, Mode.NORMAL, now).contact
    assert np.linalg.norm(before.reference - before.tip) > 0.002
    arc.tick(bench.state(now + PERIOD, wrench=None), wish, Mode.NORMAL, now + PERIOD)
    after = arc.tick(bench.state(now + 2 * PERIOD), wish, Mode.NORMAL, now + 2 * PERIOD).contact
    assert np.linalg.norm(after.reference - after.tip) < 0.001


@pytest.mark.integration
@pytest.mark.parametrize("seed", range(6))
def test_the_force_stays_within_its_limits_whatever_the_task_policy_wants_and_without_a_critic(alone, seed):
    rng = np.random.default_rng(seed)
    alone.reset()
    bench = Bench(rng.uniform(0.505, 0.54), rng.uniform(3e3, 2e4), 20.0, rng.uniform(0.0, 0.4), seed)
    stiffness = np.diag([*np.exp(rng.uniform(math.log(100.0), math.log(1500.0), 2)), 1000.0])
    verdicts = reach(alone, bench, 1.0, TIP + [0.2, rng.uniform(-0.2, 0.2), 0.0], stiffness=stiffness)
    assert 3.0 < bench.largest <= 40.0
    assert np.linalg.norm(bench.force) <= 25.0
    assert not any(v.faults for v in verdicts)
    assert verdicts[-1].contact.underflows == 0
    assert abs(bench.tip()[0][2] - TIP[2]) < 0.004  # the height is kept meanwhile
    assert verdicts[-1].contact.reflex == ""


@pytest.mark.integration
def test_without_barrier_and_critic_the_same_wish_breaks_the_limit():
    arc = made(critic=False, barrier=False)
    bench = Bench(0.53)
    reach(arc, bench, 1.0, TIP + [0.2, 0.0, 0.0], stiffness=np.diag([1500.0, 1500.0, 1000.0]))
    assert bench.largest > 40.0


@pytest.mark.integration
@pytest.mark.parametrize("rule", ["soften", "retreat", "hold", "brake"])
def test_reflex_by_rule_lets_go_of_what_it_presses_on(rule):
    arc = made(rule=rule, rule_threshold=0.4, barrier=False)
    bench = Bench(0.51)
    verdicts = reach(arc, bench, 0.6, TIP + [0.1, 0.0, 0.0])
    acted = [k for k, v in enumerate(verdicts) if v.contact.reflex]
    assert acted
    first = verdicts[acted[0]]
    assert first.contact.reflex == rule
    assert first.contact.reflexes == 1
    assert first.risk > 0.4
    assert first.status is Status.FILTERED
    reason = next(i.reason for i in first.interventions if i.stage == "reflex")
    assert reason.startswith(f"{rule}: risk ") and "threshold 0.400" in reason
    # The stretch is dropped in the same tick.
    assert np.linalg.norm(first.contact.reference - first.contact.tip) < 0.002
    if rule == "soften":
        assert first.contact.stiffness[0, 0] == pytest.approx(100.0)
    if rule == "retreat":
        behind = verdicts[min(acted[0] + 90, len(verdicts) - 1)].contact
        assert behind.reference[0] < first.contact.tip[0] - 0.008


def test_a_proposal_during_a_recovery_waits_until_its_time_is_over():
    arc = made(rule_threshold=0.3, barrier=False)
    bench = Bench()

    def tick(now, force, wish):
        wrench = Wrench(now, FRAME, np.array(force) + 1e-3 * bench.rng.normal(size=3), np.zeros(3))
        return arc.tick(bench.state(now, wrench=wrench), wish, Mode.NORMAL, now).contact.reflex

    first, second = proposal(TIP + [0.02, 0.0, 0.0], 0.0), proposal(TIP + [0.0, 0.02, 0.0], 0.02)
    assert tick(0.0, [0.0, 0.0, 0.0], first) == ""
    assert tick(0.001, [-15.0, 0.0, 0.0], first) == "soften"
    who = {k: tick(k * PERIOD, [0.0, 0.0, 0.0], first if k < 20 else second) for k in range(2, 140)}
    over = 1 + round(DECISION_S / PERIOD)
    assert all(who[k] == "soften" for k in range(2, over))
    assert all(who[k] == "" for k in range(over, 140))


class Scripted:
    """Critic and recovery that say what the test wants."""

    threshold, every_s, dwell_s, release, force = 0.5, 0.005, 0.02, 0.5, math.inf

    def __init__(self):
        self.says, self.answer, self.asked, self.views = 0.0, np.array([0.5, 0.0, 0.0, -1.0]), [], []

    def risk(self, view):
        self.views.append(view.copy())
        return self.says

    def recovery(self, view):
        return self.answer


@pytest.fixture
def scripted():
    arc, reflexes = made(barrier=False), Scripted()
    for name in ("critic", "reflex"):
        stages(arc)[name]._reflexes = reflexes
    stages(arc)["critic"]._every = 0.005 - 1e-9
    stages(arc)["critic"]._dwell = 0.02 - 1e-9
    return arc, reflexes


def test_critic_looks_at_every_new_action_and_then_as_often_as_it_was_learned(scripted):
    arc, reflexes = scripted
    bench = Bench()
    for k in range(21):
        now = k * PERIOD
        wish = proposal(TIP + [0.02, 0.0, 0.0], 0.0 if k < 12 else 0.012)
        risk = arc.tick(bench.state(now), wish, Mode.NORMAL, now).risk
        assert risk == 0.0
    # at 0, 5, 10 ms, the new proposal at 12 ms, then at 17 ms
    assert len(reflexes.views) == 5


def test_recovery_is_carried_out_in_the_frame_of_the_refused_motion(scripted):
    arc, reflexes = scripted
    reflexes.says = 0.9
    reflexes.answer = np.array([-0.5, 0.25, 1.0, -1.0])  # half a step back, a quarter to the left
    verdict = arc.tick(Bench().state(0.0), proposal(TIP + [0.0, 0.03, 0.0]), Mode.NORMAL, 0.0)
    motion = stages(arc)["impedance"]._motion
    assert verdict.contact.reflex == "recovery"
    assert motion.goal - TIP == pytest.approx([-0.25 * STEP, -0.5 * STEP, 0.0], abs=1e-4)
    e = np.array([-1.0, -2.0]) / math.sqrt(5.0)
    stiff = motion.stiffness[:2, :2]
    assert e @ stiff @ e == pytest.approx(1500.0)
    assert np.array([-e[1], e[0]]) @ stiff @ np.array([-e[1], e[0]]) == pytest.approx(100.0)


@pytest.mark.parametrize("answer", [np.full(4, math.nan), np.zeros(3), np.array([0.0, math.inf, 0.0, 0.0])])
def test_rule_acts_where_the_recovery_has_no_usable_answer(scripted, answer):
    arc, reflexes = scripted
    reflexes.says, reflexes.answer = math.nan, answer
    verdict = arc.tick(Bench().state(0.0), proposal(TIP + [0.0, 0.03, 0.0]), Mode.NORMAL, 0.0)
    assert verdict.contact.reflex == "soften"
    assert np.isfinite(verdict.command).all()
    assert math.isnan(verdict.risk)


def test_recovery_beyond_its_box_is_cut_to_it(scripted):
    arc, reflexes = scripted
    reflexes.says, reflexes.answer = 0.9, np.array([50.0, 0.0, 9.0, -9.0])
    arc.tick(Bench().state(0.0), proposal(TIP + [0.03, 0.0, 0.0]), Mode.NORMAL, 0.0)
    motion = stages(arc)["impedance"]._motion
    assert motion.goal[0] - TIP[0] == pytest.approx(STEP, abs=1e-4)
    assert motion.stiffness[0, 0] == pytest.approx(1500.0)


def test_after_a_recovery_the_task_policy_must_stay_below_the_released_threshold(scripted):
    arc, reflexes = scripted
    bench = Bench()

    def tick(k, stamp):
        now = k * PERIOD
        return arc.tick(
            bench.state(now), proposal(TIP + [0.02, 0.0, 0.0], stamp), Mode.NORMAL, now
        ).contact.reflex

    reflexes.says = 0.9
    assert tick(0, 0.0) == "recovery"
    reflexes.says = 0.4  # below the threshold of 0.5, above half of it
    assert [tick(k, 0.05) for k in range(1, 102)][-2:] == ["recovery", "recovery"]
    reflexes.says = 0.2
    assert [tick(k, 0.15) for k in range(102, 202)][-1] == ""


def test_a_force_above_the_one_that_was_learned_is_a_reflex_too(scripted):
    arc, reflexes = scripted
    reflexes.force = 12.0
    bench = Bench()
    strong = Wrench(0.0, FRAME, np.array([-13.0, 0.0, 0.0]), np.zeros(3))
    verdict = arc.tick(bench.state(0.0, wrench=strong), proposal(TIP + [0.03, 0.0, 0.0]), Mode.NORMAL, 0.0)
    assert verdict.contact.reflex == "recovery"


@pytest.mark.integration
def test_power_and_force_limiting_keeps_the_tip_slow():
    fast, slow = {}, {}
    arc = made(critic=False, surface_n_m=1000.0)
    for mode, found in ((Mode.NORMAL, fast), (Mode.POWER_FORCE_LIMITED, slow)):
        arc.reset()
        bench = Bench()
        verdicts = reach(arc, bench, 0.5, TIP + [0.0, 0.15, 0.0], mode)
        found["speed"] = max(float(np.linalg.norm(v.contact.velocity)) for v in verdicts)
    assert fast["speed"] > 0.25
    assert 0.02 < slow["speed"] <= 0.25


@pytest.mark.integration
@pytest.mark.parametrize("mode", [Mode.PROTECTIVE_STOP, Mode.EMERGENCY_STOP])
def test_stop_modes_bring_the_arm_to_rest(arc, mode):
    bench, now = moving(arc)
    for k in range(600):
        t = now + k * PERIOD
        verdict = arc.tick(bench.state(t), proposal(TIP + [0.04, 0.0, 0.0], t), mode, t)
        assert verdict.status is Status.STOPPED
        bench.step(verdict.command)
    assert np.abs(bench.dq).max() < 0.005


@pytest.mark.integration
def test_somebody_who_pushes_the_arm_moves_it_and_it_comes_back(alone):
    alone.reset()
    bench = Bench()
    wish = proposal(TIP, 0.0, np.diag([300.0, 300.0, 1000.0]))
    places = []
    for k in range(1500):
        now = k * PERIOD
        bench.pushed = np.array([0.0, 15.0, 0.0]) if 200 <= k < 500 else np.zeros(3)
        wish = proposal(TIP, now - now % 0.1, np.diag([300.0, 300.0, 1000.0]))
        verdict = alone.tick(bench.state(now), wish, Mode.NORMAL, now)
        bench.step(verdict.command)
        places.append(bench.tip()[0])
    off = np.array(places)[:, 1] - TIP[1]
    assert 0.02 < off.max() < 0.12
    assert abs(off[-1]) < 0.005
    assert verdict.contact.underflows == 0


def test_a_body_region_lowers_the_limits_and_the_head_is_refused():
    arc = made(region="lower_leg", peak_n=500.0, sustained_n=300.0)
    limits = stages(arc)["force_barrier"].barrier.limits
    assert (limits.peak, limits.sustained, limits.stiffness, limits.body) == (260.0, 130.0, 60e3, 75.0)
    for region, words in (("face", "not permitted"), ("tail", "lower_leg")):
        with pytest.raises(ConfigError, match=words):
            made(region=region)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"sustained_n": 60.0}, "above peak_n"),
        ({"tank_j": 9.0}, "tank_least_j <= tank_j"),
        ({"least_stiffness_n_m": 2000.0, "max_stiffness_n_m": 100.0}, "least_stiffness"),
        ({"touching_n": 39.0}, "touching_n"),
        ({"rule": "pray"}, "soften"),
        ({"every_s": 0.0}, "every_s"),
    ],
)
def test_configuration_that_makes_no_sense_is_refused(bad, words):
    with pytest.raises(ConfigError, match=words):
        ArcConfig.from_dict(CONFIG | {"contact": bad})


def test_weights_that_are_not_there_are_refused(tmp_path):
    pytest.importorskip("reflexarc.reflex.contact.agent")
    with pytest.raises(ModelError):
        made(weights=str(tmp_path / "none.safetensors"))


def test_arm_without_its_tool_is_not_changed_by_the_arc_that_gives_it_one(arc):
    assert load_arm("panda").end_effector == "panda_hand_tcp"
    assert stages(arc)["impedance"]._motion.tip.arm.end_effector == "tool_tip"
    assert np.linalg.norm(TIP - [0.5, 0.0, 0.015]) < 1e-3
    assert DOWN.shape == (7,)
