# SPDX-License-Identifier: Apache-2.0
"""The arc of a quadruped: what holds for every tick, what a fault does and how soon, when the reflex takes over."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError
from reflexarc.core.faults import fault
from reflexarc.core.paths import models_dir
from reflexarc.core.types import BaseState, Mode, Obstacles, Proposal, Status, Walls
from reflexarc.robots.quadruped import JOINT_NAMES
from tests.walking.walker_scene import (
    CONFIG,
    CROUCH,
    HIGH,
    LOW,
    PERIOD,
    STANCE,
    constant,
    made,
    proposal,
    state,
    with_recovery,
    write_critic,
)

SHARED_ARC = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LEANS = 0.2
"""Action of the recovery in these tests: its targets lie 0.05 rad beside the stance."""
RECOVERY = STANCE + 0.05
FALLING = np.array([0.0, 1.0, 0.0])
"""A velocity at which the critic of these tests is alarmed. [m/s]"""


@pytest.fixture(scope="module")
def critic(tmp_path_factory):
    return write_critic(tmp_path_factory.mktemp("critic") / "fall.safetensors")


@pytest.fixture(scope="module")
def shared(critic):
    return made(critic)


@pytest.fixture
def arc(shared):
    shared.reset()
    with_recovery(shared, constant(LEANS))
    return shared


def ticks(arc, count, start=0, **changed):
    """Tick with good inputs, states changed as said; return the verdicts."""
    found = []
    for k in range(start, start + count):
        now = k * PERIOD
        found.append(arc.tick(state(now, **changed), proposal(now), Mode.NORMAL, now))
    return found


def test_stages_stand_in_their_order(arc):
    assert [s.name for s in arc.stages] == [
        "sanity", "mode_limits", "critic", "reflex", "joint_limits", "post_check",
    ]  # fmt: skip


def test_a_good_proposal_passes_unchanged(arc):
    target = STANCE + np.linspace(-0.1, 0.1, 12)
    verdict = arc.tick(state(), proposal(target=target), Mode.NORMAL, 0.0)
    np.testing.assert_array_equal(verdict.command, target)
    assert verdict.status is Status.PASSED and not verdict.faults and verdict.walker.reflex == ""
    assert verdict.risk == pytest.approx(1.0 / (1.0 + math.exp(4.0)), rel=1e-5)


ANY = st.floats(allow_nan=True, allow_infinity=True)


@SHARED_ARC
@given(
    st.lists(ANY, min_size=12, max_size=12),
    st.lists(ANY, min_size=3, max_size=3),
    st.lists(ANY, min_size=4, max_size=4),
    st.lists(ANY, min_size=12, max_size=12),
    st.sampled_from(Mode),
    st.sampled_from([0.2, math.inf, math.nan]),
)
def test_command_is_always_finite_and_within_range(arc, target, velocity, turn, joints, mode, action):
    arc.reset()
    with_recovery(arc, constant(LEANS, refuses=True) if math.isnan(action) else constant(0.2))
    for changed in ({"velocity": velocity}, {"turn": turn}, {"position": joints}, {"joint_rate": joints}, {}):
        verdict = arc.tick(state(**changed), proposal(target=target), mode, 0.0)
        assert np.isfinite(verdict.command).all(), changed
        assert (verdict.command >= LOW).all() and (verdict.command <= HIGH).all()
        assert all(i.stage and i.reason and math.isfinite(i.change) for i in verdict.interventions)
        for name in verdict.faults:
            fault(name)


def test_equal_ticks_since_reset_give_equal_verdicts(arc):
    def play():
        arc.reset()
        found = ticks(arc, 60) + ticks(arc, 120, 60, velocity=FALLING) + ticks(arc, 60, 180)
        found.append(arc.tick(None, None, Mode.NORMAL, 1.0))
        return [(v.command.tobytes(), v.status, v.faults, v.risk, v.walker) for v in found]

    assert play() == play()


BASE = BaseState(0.0, "odom", np.zeros(3), np.zeros(2), Obstacles.none(0.0), Walls.none())
STOPS = [
    (None, proposal(), "state_missing", False),
    (BASE, proposal(), "state_misfit", False),
    (state(joints=JOINT_NAMES[3:] + JOINT_NAMES[:3]), proposal(), "state_misfit", False),
    (state(frame="map"), proposal(), "frame_mismatch", False),
    (state(stamp=math.nan), proposal(), "state_not_finite", False),
    (state(turn=[math.nan, 0, 0, 0]), proposal(), "state_not_finite", False),
    (state(velocity=[0, math.inf, 0]), proposal(), "state_not_finite", False),
    (state(rate=[0, math.nan, 0]), proposal(), "state_not_finite", False),
    (state(position=np.full(12, math.nan)), proposal(), "state_not_finite", False),
    (state(joint_rate=np.full(12, math.nan)), proposal(), "state_not_finite", False),
    (state(stamp=-0.021), proposal(), "state_stale", False),
    (state(stamp=0.021), proposal(), "state_stale", False),
    (state(turn=[0.0, 0.0, 0.0, 0.0]), proposal(), "state_implausible", False),
    (state(turn=[0.98, 0.0, 0.0, 0.0]), proposal(), "state_implausible", False),
    (state(velocity=[8.1, 0.0, 0.0]), proposal(), "state_implausible", False),
    (state(rate=[0.0, 20.1, 0.0]), proposal(), "state_implausible", False),
    (state(joint_rate=[0.0] * 11 + [50.1]), proposal(), "state_implausible", False),
    (state(position=[*STANCE[:11], HIGH[11] + 0.21]), proposal(), "state_implausible", False),
    (state(position=[LOW[0] - 0.21, *STANCE[1:]]), proposal(), "state_implausible", False),
    (state(), None, "proposal_missing", True),
    (state(), Proposal(0.0, [0.5, 0.0]), "proposal_misfit", True),
    (state(), proposal(joints=JOINT_NAMES[::-1]), "proposal_misfit", True),
    (state(), proposal(target=[math.nan] * 12), "proposal_not_finite", True),
    (state(), proposal(now=math.nan), "proposal_not_finite", True),
    (state(), proposal(target=[0.0] * 11 + [math.inf]), "proposal_not_finite", True),
    (state(), proposal(target=[0.0] * 11 + [-100.1]), "proposal_implausible", True),
    (state(), proposal(target=[1.7e308] * 12), "proposal_implausible", True),
    (state(), proposal(now=-0.061), "proposal_stale", True),
    (state(), proposal(now=0.061), "proposal_stale", True),
]


@pytest.mark.parametrize(("known", "wish", "name", "usable"), STOPS)
def test_fault_halts_the_robot_and_is_named(arc, known, wish, name, usable):
    """The very first tick: by its recovery policy where the state can be trusted, else it crouches."""
    verdict = arc.tick(known, wish, Mode.NORMAL, 0.0)
    assert verdict.faults == (name,)
    assert verdict.status is (Status.NO_PROPOSAL if usable else Status.STOPPED)
    np.testing.assert_allclose(verdict.command, RECOVERY if usable else CROUCH)
    assert verdict.walker.reflex == ("recovery" if usable else "crouch")
    fault(name)
    assert ticks(arc, 1, 10)[0].status is Status.PASSED, "the next good inputs go through"


def test_a_state_before_the_last_one_is_refused_and_what_is_in_order_goes_on(arc):
    ticks(arc, 3)
    old = arc.tick(state(PERIOD), proposal(2 * PERIOD), Mode.NORMAL, 3 * PERIOD)
    assert old.faults == ("state_out_of_order",) and old.walker.reflex == "crouch"
    same = arc.tick(state(2 * PERIOD), proposal(2 * PERIOD), Mode.NORMAL, 4 * PERIOD)
    assert not same.faults


@pytest.mark.parametrize("what", ["state", "proposal"])
def test_silence_is_answered_as_soon_as_it_is_too_old(arc, what):
    """Late inputs: nothing happens up to their age, and in the next tick the robot is halted."""
    limit = 0.02 if what == "state" else 0.06
    for k in range(1, 40):
        now = k * PERIOD
        known, wish = state(PERIOD if what == "state" else now), proposal(PERIOD if what != "state" else now)
        verdict = arc.tick(known, wish, Mode.NORMAL, now)
        late = now - PERIOD > limit + 1e-9
        assert verdict.faults == ((f"{what}_stale",) if late else ()), now
        assert verdict.walker.reflex == ("" if not late else "crouch" if what == "state" else "recovery")


@pytest.mark.parametrize("now", [-1.0, math.nan, math.inf])
def test_time_that_runs_backwards_latches_until_reset_and_crouches(arc, now):
    ticks(arc, 3)
    verdict = arc.tick(state(0.1), proposal(0.1), Mode.NORMAL, now)
    assert verdict.status is Status.LATCHED and verdict.mode is Mode.PROTECTIVE_STOP
    later = ticks(arc, 5, 10)
    assert all(v.status is Status.LATCHED and v.faults == ("clock_backwards",) for v in later)
    np.testing.assert_allclose(later[-1].command, CROUCH)
    arc.reset()
    assert ticks(arc, 1, 20)[0].status is Status.PASSED


@pytest.mark.parametrize("mode", list(Mode))
def test_stop_modes_halt_and_the_others_let_walk(arc, mode):
    verdict = arc.tick(state(), proposal(), mode, 0.0)
    walks = mode < Mode.PROTECTIVE_STOP
    assert verdict.status is (Status.PASSED if walks else Status.STOPPED)
    np.testing.assert_allclose(verdict.command, STANCE if walks else RECOVERY)
    assert arc.tick(state(PERIOD), proposal(PERIOD), 7, PERIOD).status is Status.STOPPED


def test_the_reflex_acts_in_the_tick_in_which_the_risk_passes_its_threshold_and_keeps_its_dwell(arc):
    assert not any(v.walker.reflex for v in ticks(arc, 5))
    first = ticks(arc, 1, 5, velocity=FALLING)[0]
    assert first.risk > 0.9 and first.walker.reflex == "recovery" and first.walker.reflexes == 1
    assert first.status is Status.FILTERED and first.interventions[0].stage == "reflex"
    np.testing.assert_allclose(first.command, RECOVERY)
    calm = ticks(arc, 100, 6)
    acting = [v.walker.reflex == "recovery" for v in calm]
    assert acting.index(False) == 74, "0.3 s after it took over"
    assert not any(acting[74:]) and calm[-1].walker.reflexes == 1


def test_the_reflex_gives_back_only_well_below_its_threshold(arc):
    ticks(arc, 1, velocity=FALLING)
    between = ticks(arc, 100, 1, velocity=[0.0, 0.45, 0.0])
    assert 0.25 < between[-1].risk < 0.5 and all(v.walker.reflex for v in between)
    below = ticks(arc, 1, 101, velocity=[0.0, 0.3, 0.0])[0]
    assert below.risk < 0.25 and not below.walker.reflex


def test_a_critic_that_gives_no_number_is_a_reflex_and_a_fault(arc):
    stage = next(s for s in arc.stages if s.name == "critic")
    before, stage._critic = stage._critic, type("Broken", (), {"risk": lambda *_: math.nan})()
    try:
        found = ticks(arc, 200)
    finally:
        stage._critic = before
    assert all(v.faults == ("critic_failed",) and v.walker.reflex == "recovery" for v in found)
    assert found[-1].walker.reflexes == 1
    assert not ticks(arc, 1, 200)[0].faults


def test_a_recovery_keeps_its_rate_where_ticks_are_missing(arc):
    """Ticks 0.1 s apart: it decides in each, and once more 0.02 s later."""
    policy, decided = constant(LEANS), []
    with_recovery(arc, policy)
    arc.tick(state(0.0, velocity=FALLING), proposal(), Mode.NORMAL, 0.0)
    decide = policy.propose
    policy.propose = lambda known, told, now: (decided.append(now), decide(known, told, now))[1]
    for now in (0.1, 0.2, 0.204, 0.216, 0.22):
        arc.tick(state(now, velocity=FALLING), proposal(now), Mode.NORMAL, now)
    assert decided == [0.1, 0.2, 0.22]


def test_a_recovery_that_gives_no_number_is_replaced_by_the_crouch(arc):
    with_recovery(arc, constant(0.0, refuses=True))
    found = ticks(arc, 10, velocity=FALLING)
    assert all(v.faults == ("recovery_failed",) and v.walker.reflex == "crouch" for v in found)
    np.testing.assert_allclose(found[-1].command, CROUCH)
    stopped = arc.tick(state(0.04), None, Mode.NORMAL, 0.04)
    assert set(stopped.faults) == {"proposal_missing", "recovery_failed"}


def test_without_a_recovery_policy_it_crouches_and_that_is_no_fault(arc):
    with_recovery(arc, None)
    target = STANCE + 0.1
    verdict = arc.tick(state(velocity=FALLING), proposal(target=target), Mode.NORMAL, 0.0)
    np.testing.assert_allclose(verdict.command, CROUCH)
    assert verdict.walker.reflex == "crouch" and not verdict.faults


class Spy:
    """A recovery that notes when it was asked, what it was told and what it was to go on from."""

    def __init__(self):
        self.inner, self.asked, self.followed = constant(LEANS), [], []

    def reset(self, told=None):
        self.inner.reset(told)

    def follow(self, targets):
        self.followed.append(targets.copy())
        self.inner.follow(targets)

    def propose(self, known, command, now):
        self.asked.append((now, *command))
        return self.inner.propose(known, command, now)


def test_the_recovery_decides_at_its_own_rate_and_begins_where_the_robot_was_drawn_to(arc):
    with_recovery(arc, spy := Spy())
    drawn = STANCE + np.linspace(-0.1, 0.1, 12)
    for k in range(3):
        arc.tick(state(k * PERIOD), proposal(k * PERIOD, drawn), Mode.NORMAL, k * PERIOD)
    ticks(arc, 26, 3, velocity=FALLING)
    times = np.array([row[0] for row in spy.asked])
    np.testing.assert_allclose(np.diff(times), 0.02)
    assert len(times) == 6 and times[0] == pytest.approx(3 * PERIOD)
    assert len(spy.followed) == 1
    np.testing.assert_allclose(spy.followed[0], drawn)


@pytest.mark.parametrize(("rule", "told"), [("along", 2.0), ("stand", 0.0)])
def test_a_reflex_goes_along_with_the_push_or_stands(critic, rule, told):
    arc = made(critic, rule=rule)
    with_recovery(arc, spy := Spy())
    ticks(arc, 11, velocity=[0.3, 2.0, 0.0])
    assert [row[2] for row in spy.asked] == [told] * 3
    assert [row[1] for row in spy.asked] == [0.3 if rule == "along" else 0.0] * 3
    assert all(row[3] == 0.0 for row in spy.asked)


def test_a_robot_that_is_stopped_comes_to_rest_within_its_time_and_then_stands(arc):
    with_recovery(arc, spy := Spy())
    for k in range(400):
        now = k * PERIOD
        arc.tick(state(now, velocity=[0.8, 0.0, 0.0]), None, Mode.NORMAL, now)
    at = {round(row[0], 3): row[1] for row in spy.asked}
    for now, ahead in at.items():
        assert ahead == pytest.approx(0.8 * max(0.0, 1.0 - now), abs=1e-9)
    assert len(at) == 80


def test_targets_are_kept_within_range_and_their_change_within_its_limit(arc):
    ticks(arc, 1)
    far = arc.tick(state(PERIOD), proposal(PERIOD, STANCE + 5.0), Mode.NORMAL, PERIOD)
    np.testing.assert_allclose(far.command, np.minimum(STANCE + 0.6, HIGH))
    assert far.status is Status.FILTERED and far.interventions[-1].stage == "joint_limits"
    for k in range(2, 20):
        before = far.command
        far = arc.tick(state(k * PERIOD), proposal(k * PERIOD, STANCE + 5.0), Mode.NORMAL, k * PERIOD)
        assert (np.abs(far.command - before) <= 0.6 + 1e-12).all()
    np.testing.assert_allclose(far.command, HIGH)


def test_the_first_targets_are_near_to_where_the_joints_are(arc):
    """Also those that stop the robot: one that lies on the ground is not thrown up."""
    lying = LOW + 0.05
    with_recovery(arc, None)
    verdict = arc.tick(state(position=lying), None, Mode.NORMAL, 0.0)
    np.testing.assert_allclose(verdict.command, np.clip(CROUCH, lying - 0.6, lying + 0.6))


@pytest.mark.parametrize("broken", [math.nan, 100.0])
def test_post_check_refuses_what_a_broken_stage_lets_through(arc, monkeypatch, broken):
    ticks(arc, 1)
    stage = next(s for s in arc.stages if s.name == "joint_limits")
    monkeypatch.setattr(stage, "apply", lambda tick: tick.command.fill(broken))
    verdict = ticks(arc, 1, 1)[0]
    assert verdict.status is Status.BACKUP and verdict.faults == ("postcheck_failed",)
    np.testing.assert_allclose(verdict.command, RECOVERY)


def test_an_arc_without_critic_knows_no_risk_and_no_reflex():
    arc = build_arc(ArcConfig.from_dict(CONFIG | {"walker": {"critic": False}}))
    verdict = ticks(arc, 1, velocity=FALLING)[0]
    assert math.isnan(verdict.risk) and math.isnan(verdict.walker.threshold) and not verdict.walker.reflex


def test_what_cannot_be_built_says_why(tmp_path, critic):
    with pytest.raises(ConfigError, match=r"arc\.walker\.fall"):
        build_arc(ArcConfig.from_dict(CONFIG))
    with pytest.raises(ModelError, match="not a readable file"):
        made(tmp_path / "missing.safetensors")
    with pytest.raises(ModelError, match="critic of 'aliengo'; wanted: one of 'go1'"):
        made(write_critic(tmp_path / "other.safetensors", robot="aliengo"))
    weights = models_dir() / "go1/hinf/walk/hinf.safetensors"
    other = write_critic(tmp_path / "aliengo.safetensors", robot="aliengo")
    with pytest.raises(ModelError, match="policy of 'go1'; wanted: one of 'aliengo'"):
        build_arc(
            ArcConfig.from_dict(
                CONFIG | {"robot": "aliengo", "walker": {"fall": str(other), "recovery": str(weights)}}
            )
        )
    with pytest.raises(UnknownNameError, match="along, stand"):
        made(critic, rule="jump")
