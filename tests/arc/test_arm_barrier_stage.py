# SPDX-License-Identifier: Apache-2.0
"""The barrier stage of an arm with filters that are told what to answer: what it feeds them, how it stops the arm."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

from reflexarc.arc import arm_barrier
from reflexarc.arc.arm_barrier import ArmBarrierStage, ArmCheckStage, workspace_of
from reflexarc.arc.config import ArcConfig
from reflexarc.barrier.arm.scene import Workspace
from reflexarc.barrier.arm.verdict import Status as Outcome
from reflexarc.core.types import Status
from tests.arc import contact_scene as scene
from tests.arc.arm_bench import ARM, SPEED, START, USELESS, Filter, around, passing, seen

PERIOD = 0.002
DATA = {"robot": "panda", "rate_hz": 500.0, "frame_id": scene.FRAME}


@pytest.fixture(autouse=True)
def filters(monkeypatch):
    for name in ("VelocityFilter", "TorqueFilter"):
        monkeypatch.setattr(arm_barrier, name, Filter)


def config(command="velocity", **more):
    arm = {"command": command, "clearance_m": 0.03, "sigmas": 2.0, "obstacle_acceleration_m_s2": 4.0}
    return ArcConfig.from_dict(DATA | {"arm": arm | more.pop("arm", {})} | more)


def made(command="velocity", share=0.3, workspace=None, **more):
    return ArmBarrierStage(config(command, **more), ARM, SimpleNamespace(speed_share=share), workspace)


# How it is built.


def test_the_work_space_is_the_configured_one_unless_another_is_given():
    plain = workspace_of(config())
    assert (plain.planes.shape, plain.self_collision, plain.manipulability) == ((0, 4), True, None)
    bounded = workspace_of(
        config(arm={"table_height_m": -0.2, "self_collision": False, "manipulability": 0.05})
    )
    assert bounded.planes.tolist() == [[0.0, 0.0, 1.0, -0.2]]
    assert (bounded.self_collision, bounded.manipulability) == (False, 0.05)
    assert made(arm={"table_height_m": 0.1})._velocity.made[1].planes.tolist() == [[0.0, 0.0, 1.0, 0.1]]
    own = Workspace()
    assert made(workspace=own)._velocity.made[1] is own


def test_the_filter_is_the_one_of_the_commanded_quantity_with_its_numbers():
    fast = made(arm={"alpha": 3.0, "obstacles": 5}, freshness={"state_s": 0.07})
    assert fast._torque is None
    assert fast._velocity.made[2:] == (PERIOD, 3.0)
    told = {key: fast._velocity.more[key] for key in ("obstacles", "max_age", "learned")}
    assert told == {"obstacles": 5, "max_age": 0.07, "learned": None}
    strong = made("torque", arm={"alpha": 3.0, "alpha_2": 4.0, "margin_m": 0.01})
    assert strong._velocity is None
    assert strong._torque.made[2:] == (3.0, 4.0, 0.01)


@pytest.mark.parametrize("uncertified", [True, False])
def test_a_learned_barrier_says_whether_it_is_certified_and_without_one_nothing_is_uncertified(
    monkeypatch, uncertified
):
    rows = SimpleNamespace(uncertified=uncertified)
    monkeypatch.setattr(arm_barrier, "LearnedArmRows", lambda *_: rows)
    stage = made(learned={"enabled": True})
    assert stage.uncertified is uncertified
    assert stage._velocity.more["learned"] is rows
    assert made().uncertified is False


# What the filter is fed, and its answer.


def test_obstacles_are_carried_to_the_state_and_grow_by_all_that_is_not_known():
    stage = made()
    balls = around(START - 0.2, 2, (0.5, 0.0, -1.0))
    stage.apply(passing(seen(START - 0.05, balls=balls)))
    position, velocity, command, spheres, age = stage._velocity.given
    assert (position.tolist(), velocity.tolist(), command.tolist()) == (
        scene.DOWN.tolist(),
        SPEED.tolist(),
        [0.0] * 7,
    )
    assert age == pytest.approx(0.05)
    assert spheres.position == pytest.approx(np.tile([1.075, 1.0, 0.85], (2, 1)))
    assert spheres.clearance == pytest.approx(
        np.full(2, 0.03 + 2.0 * (0.01 + 0.2 * 0.05) + 0.5 * 4.0 * 0.2**2)
    )
    assert spheres.velocity.tolist() == [[0.5, 0.0, -1.0]] * 2
    assert spheres.acceleration == 4.0
    stage.apply(passing(seen(START + 0.01, balls=around(START + 0.01, 1))))
    assert stage._velocity.given[4] == 0.0, "a state from the future is not old"
    assert stage._velocity.given[3].clearance == pytest.approx([0.03 + 2.0 * 0.01])


def test_a_torque_filter_is_told_the_speed_of_the_mode_and_what_presses():
    stage = made("torque", share=0.4)
    stage.external = np.arange(7.0)
    stage.apply(passing(seen(), command=np.arange(7.0)))
    assert stage._torque.given[2].tolist() == list(range(7))
    assert stage._torque.given[4:] == (0.4, stage.external)


def answered(**answer):
    stage = made()
    stage._velocity.answer = answer
    tick = passing(seen(), stage=stage)
    stage.apply(tick)
    return tick


def test_a_passed_command_is_measured_and_left():
    tick = answered(h=0.4, slack=0.01, learned_margin=0.2)
    assert (tick.margin, tick.slack, tick.learned_margin) == (0.4, 0.01, 0.2)
    assert (tick.status, tick.interventions) == (Status.PASSED, [])


@pytest.mark.parametrize("binds", [False, True])
@pytest.mark.parametrize(
    ("status", "slack", "words"), [(Outcome.FILTERED, 0.0, ""), (Outcome.RELAXED, 0.02, "; slack 0.02")]
)
def test_a_filtered_command_is_sent_with_the_reason_of_who_bound(status, slack, words, binds):
    tick = answered(status=status, command=np.arange(7.0), slack=slack, learned_binds=binds)
    assert (tick.status, tick.command.tolist(), tick.done) == (Status.FILTERED, list(range(7)), False)
    (found,) = tick.interventions
    assert found.stage == ("learned_barrier" if binds else "barrier")
    assert found.reason == f"hand and ball at 0.250 m: nearest command that keeps every row{words}"
    assert (
        answered(status=status, reason="why", h=math.inf)
        .interventions[0]
        .reason.startswith("hand and ball: why")
    )


@pytest.mark.parametrize(
    ("learned", "margin", "by", "fault"),
    [
        (True, math.nan, "learned_barrier", "learned_failed"),
        (True, 0.1, "barrier", "arm_backup"),
        (False, math.nan, "barrier", "arm_backup"),
    ],
)
def test_a_backup_stops_the_arm_in_the_name_of_what_failed(monkeypatch, learned, margin, by, fault):
    monkeypatch.setattr(arm_barrier, "LearnedArmRows", lambda *_: SimpleNamespace(uncertified=False))
    stage = made(learned={"enabled": learned})
    stage._velocity.answer = {"status": Outcome.BACKUP, "reason": "no row", "learned_margin": margin}
    tick = passing(seen(), stage=stage)
    stage.apply(tick)
    assert (tick.status, tick.done, tick.faults) == (Status.BACKUP, True, [fault])
    assert (tick.interventions[0].stage, tick.interventions[0].reason) == (
        by,
        "hand and ball at 0.250 m: no row: brake",
    )


def test_a_stage_that_is_switched_off_asks_no_filter():
    stage = made(barrier={"enabled": False})
    tick = passing(seen())
    stage.apply(tick)
    assert stage._velocity.given is None
    assert math.isnan(tick.margin)


# How it stops the arm.


def test_velocities_are_braked_from_what_was_sent_and_before_that_from_what_is_measured():
    stage = made()
    less = ARM.max_acceleration * PERIOD
    assert stage.halt(passing(None)) == [0.0] * 7
    stage.reset()
    fast = np.array([0.5, -0.5, 0.01, -0.01, 0.0, 1.0, -1.0])
    once = np.sign(fast) * np.maximum(np.abs(fast) - less, 0.0)
    assert stage.halt(passing(seen(velocity=fast))) == pytest.approx(once)
    twice = np.sign(fast) * np.maximum(np.abs(fast) - 2.0 * less, 0.0)
    assert stage.halt(passing(seen(velocity=-fast))) == pytest.approx(twice), (
        "what is measured is not asked again"
    )
    stage.sent(fast)
    assert stage.halt(passing(None)) == pytest.approx(once)
    stage.reset()
    for sign in (-1.0, 1.0):
        stage.reset()
        command = stage.halt(passing(seen(velocity=sign * 50.0 * ARM.max_velocity)))
        assert command == pytest.approx(sign * ARM.max_velocity)


@pytest.mark.parametrize("state", USELESS)
def test_a_state_of_no_use_says_nothing_about_the_velocity(state):
    assert made().halt(passing(state)) == [0.0] * 7
    torque = made("torque")
    assert torque.halt(passing(state)) == [0.0] * 7, "nobody knows what would hold the arm"
    torque.apply(passing(seen()))
    assert torque.halt(passing(state)) == [2.0] * 7
    torque.reset()
    assert torque.halt(passing(state)) == [0.0] * 7


@pytest.mark.parametrize(
    ("late", "fresh"), [(0.0, True), (0.0999, True), (-0.0999, True), (0.1001, False), (-0.1001, False)]
)
def test_torques_brake_while_the_state_is_fresh_and_hold_afterwards(late, fresh):
    stage = made("torque")
    state = seen(START - late)
    assert stage.halt(passing(state)) == [1.0 if fresh else 0.0] * 7
    stage.apply(passing(seen()))
    assert stage.halt(passing(state)) == [1.0 if fresh else 2.0] * 7
    assert all((q is state.position and dq is state.velocity) for q, dq in stage._torque.braked)


# The last look.


@pytest.mark.parametrize("torque", [False, True])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_last_look_lets_pass_what_is_within_the_limits_and_notes_it(torque, sign):
    stage = made("torque" if torque else "velocity")
    limit = ARM.max_torque if torque else ARM.max_velocity
    look = ArmCheckStage(ARM, stage, torque)
    tick = passing(seen(), command=sign * limit)
    look.apply(tick)
    assert (tick.done, stage._last.tolist()) == (False, (sign * limit).tolist())
    for bad in (sign * limit[4] * (1.0 + 1e-8), math.nan, sign * math.inf):
        command = 0.5 * limit
        command[4] = bad
        tick = passing(seen(), command=command)
        look.apply(tick)
        assert (tick.status, tick.faults, tick.command.tolist()) == (
            Status.BACKUP,
            ["postcheck_failed"],
            [9.0] * 7,
        )
        unit = "N m" if torque else "rad/s"
        start = f"the command of {ARM.joints[4]}, {bad:.3f} {unit}, is beyond its limit {limit[4]:.3f}: brake"
        assert tick.interventions[0].reason == start
    assert stage._last.tolist() == (sign * limit).tolist()
