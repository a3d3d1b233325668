# SPDX-License-Identifier: Apache-2.0
"""The arc of an arm: what holds for every tick, what stops the arm and how, in both kinds of command."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("pinocchio", reason="arms need pinocchio (pip install 'reflexarc[arms]')")

import pinocchio

from reflexarc.arc import Arc, ArcConfig, build_arc
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import JointProposal, JointState, Mode, Proposal, Spheres, Status
from reflexarc.robots.arm import load_arm
from tests.arc.scenes import state as base_state

ARM = load_arm("panda")
HOME = np.array(ARM.home)
REST = np.zeros(7)
PERIOD = 0.002
CONFIG = {"robot": "panda", "rate_hz": 500.0, "frame_id": "panda_link0", "arm": {"table_height_m": 0.0}}
TORQUE = CONFIG | {"arm": {"table_height_m": 0.0, "command": "torque", "margin_m": 0.01}}
SHARED_ARC = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
BALL = (0.55, 0.0, 0.5, 0.08)


@pytest.fixture(scope="module")
def both():
    return {
        "velocity": build_arc(ArcConfig.from_dict(CONFIG)),
        "torque": build_arc(ArcConfig.from_dict(TORQUE)),
    }


@pytest.fixture(params=["velocity", "torque"])
def arc(both, request):
    both[request.param].reset()
    return both[request.param]


@pytest.fixture
def velocity(both):
    both["velocity"].reset()
    return both["velocity"]


@pytest.fixture
def torque(both):
    both["torque"].reset()
    return both["torque"]


def spheres(balls=(), now=0.0, frame="panda_link0", velocity=None, std=0.0):
    table = np.array(balls, dtype=float).reshape(-1, 4)
    n = len(table)
    moving = np.zeros((n, 3)) if velocity is None else np.array(velocity, dtype=float).reshape(n, 3)
    return Spheres(now, frame, table[:, :3], moving, table[:, 3], np.full(n, std), np.full(n, std))


def state(q=HOME, dq=REST, balls=(), now=0.0, joints=ARM.joints, **replaced):
    around = replaced.get("obstacles", spheres(balls, now))
    return JointState(replaced.get("stamp", now), replaced.get("frame", "panda_link0"), joints, q, dq, around)


def proposal(target=REST, now=0.0, joints=ARM.joints):
    return JointProposal(now, joints, target)


def limit_of(arc):
    return ARM.max_torque if arc.config.arm.command == "torque" else ARM.max_velocity


@SHARED_ARC
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=7, max_size=7),
    st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7),
    st.sampled_from(Mode),
)
def test_command_is_always_finite_and_within_the_limits(arc, target, share, mode):
    arc.reset()
    q = ARM.lower + np.array(share) * (ARM.upper - ARM.lower)
    verdict = arc.tick(state(q, balls=[BALL]), proposal(np.array(target)), mode, 0.0)
    assert verdict.command.shape == (7,)
    assert (np.abs(verdict.command) <= limit_of(arc) * (1.0 + 1e-9)).all()
    assert all(i.stage and i.reason for i in verdict.interventions)


def test_free_space_passes_the_proposal_untouched(velocity):
    target = np.array([0.2, -0.1, 0.0, 0.1, 0.0, 0.2, -0.3])
    verdict = velocity.tick(state(), proposal(target), Mode.NORMAL, 0.0)
    assert (verdict.status, verdict.command.tolist()) == (Status.PASSED, target.tolist())
    assert 0.0 < verdict.margin < 1.0


def test_obstacle_in_the_way_is_named_with_its_distance(velocity):
    near = (0.42, 0.0, 0.5, 0.05)
    verdict = velocity.tick(
        state(balls=[near]), proposal(np.array([0, 2.0, 0, 1.0, 0, 0, 0])), Mode.NORMAL, 0.0
    )
    assert verdict.status is Status.FILTERED
    assert verdict.interventions[-1].stage == "barrier"
    assert "obstacle 0 at " in verdict.interventions[-1].reason


def test_equal_ticks_since_reset_give_equal_verdicts(arc):
    rng = np.random.default_rng(3)
    ticks = [(rng.uniform(-0.3, 0.3, 7), rng.uniform(-1, 1, 7) * limit_of(arc)) for _ in range(20)]

    def play():
        arc.reset()
        return [
            arc.tick(
                state(HOME + a, balls=[BALL], now=k * PERIOD),
                proposal(b, k * PERIOD),
                Mode.NORMAL,
                k * PERIOD,
            )
            for k, (a, b) in enumerate(ticks)
        ]

    assert [v.command.tobytes() for v in play()] == [v.command.tobytes() for v in play()]


class Joints:
    """An arm that follows joint velocities, or torques through pinocchio's forward dynamics."""

    def __init__(self, torque):
        self.q, self.dq, self.torque = HOME.copy(), np.zeros(7), torque
        self.data = ARM.model.createData()

    def step(self, command, dt):
        if not self.torque:
            self.dq = command.copy()
            self.q = self.q + dt * self.dq
            return
        for _ in range(4):
            acceleration = pinocchio.aba(ARM.model, self.data, self.q, self.dq, command)
            self.dq = self.dq + dt / 4 * acceleration
            self.q = self.q + dt / 4 * self.dq


def smallest_distance(arc, q, balls):
    """Distance of the arm's spheres from balls and table, written again from the sphere set with pinocchio."""
    data = ARM.model.createData()
    pinocchio.framesForwardKinematics(ARM.model, data, q)
    least = math.inf
    for i in range(ARM.spheres.moving):
        frame = ARM.model.getFrameId(ARM.spheres.links[i])
        centre, radius = data.oMf[frame].act(np.array(ARM.spheres.centre[i])), float(ARM.spheres.radius[i])
        if frame and ARM.model.frames[frame].parentJoint > 1:
            least = min(least, *(np.linalg.norm(centre - b[:3]) - b[3] - radius for b in np.array(balls)))
            least = min(least, float(centre[2]) - radius)
    return least


@pytest.mark.integration
def test_arm_that_is_told_to_go_through_a_ball_stops_before_it(arc):
    torque = arc.config.arm.command == "torque"
    arm, goal = Joints(torque), HOME + np.array([0.0, 0.6, 0.0, 0.3, 0.0, 0.0, 0.0])
    least = math.inf
    for k in range(1500):
        now = k * PERIOD
        target = 2.0 * (goal - arm.q)
        if torque:
            target = (
                60.0 * (goal - arm.q)
                - 12.0 * arm.dq
                + pinocchio.rnea(ARM.model, arm.data, arm.q, arm.dq, np.zeros(7))
            )
            target = np.clip(target, -ARM.max_torque, ARM.max_torque)
        verdict = arc.tick(state(arm.q, arm.dq, [BALL], now), proposal(target, now), Mode.NORMAL, now)
        assert not verdict.faults
        arm.step(verdict.command, PERIOD)
        if k % 10 == 0:
            least = min(least, smallest_distance(arc, arm.q, [BALL]))
    assert 0.0 <= least < 0.06
    assert np.abs(arm.q - HOME).max() > 0.05


@pytest.mark.parametrize(
    ("bad_state", "bad_proposal", "fault"),
    [
        (None, proposal(), "state_missing"),
        (state(q=np.full(7, math.nan)), proposal(), "state_not_finite"),
        (state(stamp=-0.2), proposal(), "state_stale"),
        (state(frame="odom"), proposal(), "frame_mismatch"),
        (state(obstacles=spheres([BALL], frame="odom")), proposal(), "frame_mismatch"),
        (state(obstacles=spheres([BALL], now=-0.5)), proposal(), "obstacles_stale"),
        (state(obstacles=spheres([(math.nan, 0, 0, 0.1)])), proposal(), "obstacles_not_finite"),
        (state(obstacles=spheres([BALL], velocity=[[1e4, 0, 0]])), proposal(), "obstacles_implausible"),
        (state(), None, "proposal_missing"),
        (state(), proposal(np.full(7, math.inf)), "proposal_not_finite"),
        (state(), proposal(now=-0.5), "proposal_stale"),
    ],
)
def test_fault_brakes_the_arm_and_is_named(arc, bad_state, bad_proposal, fault):
    verdict = arc.tick(bad_state, bad_proposal, Mode.NORMAL, 0.0)
    assert verdict.faults == (fault,)
    expected = Status.NO_PROPOSAL if fault.startswith("proposal") else Status.STOPPED
    assert verdict.status is expected
    assert (np.abs(verdict.command) <= limit_of(arc)).all()


OTHERS = ARM.joints[1:] + ARM.joints[:1]


def test_input_of_another_robot_stops_the_arm(arc):
    cases = [
        (state(joints=OTHERS), proposal(), "state_misfit", "panda_joint2, "),
        (base_state(), proposal(), "state_misfit", "not that of an arm"),
        (state(), proposal(joints=OTHERS), "proposal_misfit", "in this order"),
        (state(), Proposal(0.0, [1.0, 0.0]), "proposal_misfit", "not that of an arm"),
    ]
    for bad_state, bad_proposal, fault, words in cases:
        arc.reset()
        verdict = arc.tick(bad_state, bad_proposal, Mode.NORMAL, 0.0)
        assert verdict.faults == (fault,)
        assert words in verdict.interventions[-1].reason


def test_more_obstacles_than_the_arc_has_room_for_stop_the_arm(arc):
    crowd = np.column_stack([np.random.default_rng(0).uniform(1.5, 3.0, (33, 3)), np.full(33, 0.05)])
    verdict = arc.tick(state(balls=crowd), proposal(), Mode.NORMAL, 0.0)
    assert verdict.faults == ("obstacles_too_many",)
    assert "33 obstacles, the arc was built for 32" in verdict.interventions[-1].reason


def test_arm_brakes_where_no_command_keeps_the_rows(arc):
    # A ball that rushes at the hand at 15 m/s: what it would take is beyond the bounds of the slack.
    arc.reset()
    rushing = spheres([(0.75, 0.0, 0.6, 0.1)], velocity=[[-15.0, 0, 0]])
    verdict = arc.tick(state(dq=np.full(7, 0.3), obstacles=rushing), proposal(REST), Mode.NORMAL, 0.0)
    assert (verdict.status, verdict.faults) == (Status.BACKUP, ("arm_backup",))
    assert (np.abs(verdict.command) <= limit_of(arc)).all()


def test_stopped_velocities_fall_at_the_deceleration_limits_and_end_at_zero(velocity):
    going = np.array([0.5, 0.2, -0.4, 0.1, 0.6, -0.3, 0.2])
    last = velocity.tick(state(dq=going), proposal(going), Mode.NORMAL, 0.0).command
    assert last.tolist() == going.tolist()
    for k in range(1, 60):
        # The state went stale: its velocity says nothing any more.
        command = velocity.tick(state(dq=going), proposal(going), Mode.NORMAL, 0.2 + k * PERIOD).command
        assert (np.abs(last - command) <= ARM.max_acceleration * PERIOD + 1e-12).all()
        assert (np.abs(command) <= np.abs(last)).all()
        last = command
    assert not last.any()


def test_velocities_are_braked_from_the_measured_ones_where_nothing_was_sent_yet(velocity):
    going = np.full(7, 0.4)
    command = velocity.tick(state(dq=going), None, Mode.NORMAL, 0.0).command
    assert command == pytest.approx(going - ARM.max_acceleration * PERIOD)
    velocity.reset()
    assert not velocity.tick(None, None, Mode.NORMAL, 0.0).command.any()


@pytest.mark.integration
def test_stopped_torques_bring_the_arm_to_rest_and_hold_it(torque):
    arm = Joints(torque=True)
    arm.dq = np.array([0.5, -0.3, 0.4, 0.5, -0.6, 0.4, 0.5])
    start = arm.q.copy()
    for k in range(500):
        now = k * PERIOD
        verdict = torque.tick(state(arm.q, arm.dq, now=now), proposal(now=now), Mode.EMERGENCY_STOP, now)
        assert verdict.status is Status.STOPPED
        arm.step(verdict.command, PERIOD)
    assert np.abs(arm.dq).max() < 1e-3
    assert np.abs(arm.q - start).max() < 0.1


def test_stale_state_gets_the_torques_that_held_the_last_good_position(torque):
    torque.tick(state(), proposal(), Mode.NORMAL, 0.0)
    command = torque.tick(state(dq=np.full(7, 1.0)), proposal(now=0.2), Mode.NORMAL, 0.2).command
    gravity = pinocchio.computeGeneralizedGravity(ARM.model, ARM.model.createData(), HOME)
    assert command == pytest.approx(gravity)


def test_no_torque_is_sent_before_the_first_state(torque):
    assert not torque.tick(None, None, Mode.NORMAL, 0.0).command.any()
    torque.tick(state(), proposal(), Mode.NORMAL, 0.1)
    assert torque.tick(None, None, Mode.NORMAL, 0.2).command.any()


def test_time_running_backwards_latches_and_brakes(arc):
    arc.tick(state(now=1.0), proposal(now=1.0), Mode.NORMAL, 1.0)
    verdict = arc.tick(state(now=1.0), proposal(now=1.0), Mode.NORMAL, 0.5)
    assert (verdict.status, verdict.mode) == (Status.LATCHED, Mode.PROTECTIVE_STOP)
    assert arc.tick(state(now=2.0), proposal(now=2.0), Mode.NORMAL, 2.0).status is Status.LATCHED
    arc.reset()
    assert arc.tick(state(now=2.0), proposal(now=2.0), Mode.NORMAL, 2.0).status is not Status.LATCHED


def points_speed(q, dq):
    """Largest speed of the spheres and the end effector, by finite differences of pinocchio's kinematics. [m/s]"""

    def where(q):
        data = ARM.model.createData()
        pinocchio.framesForwardKinematics(ARM.model, data, q)
        frames = [*ARM.spheres.links[: ARM.spheres.moving], ARM.end_effector]
        local = [*ARM.spheres.centre[: ARM.spheres.moving], np.zeros(3)]
        return np.array(
            [data.oMf[ARM.model.getFrameId(f)].act(np.array(c)) for f, c in zip(frames, local, strict=True)]
        )

    step = 1e-6
    return float(np.linalg.norm(where(q + step * dq) - where(q - step * dq), axis=1).max() / (2 * step))


def test_slow_mode_limits_the_speed_of_the_fastest_point_and_keeps_the_direction(velocity):
    target = np.array([1.0, -0.2, 0.5, 0.3, 0.2, -0.4, 0.6])
    command = velocity.tick(state(), proposal(target), Mode.POWER_FORCE_LIMITED, 0.0).command
    assert points_speed(HOME, command) == pytest.approx(0.25, rel=1e-5)
    assert command / np.linalg.norm(command) == pytest.approx(target / np.linalg.norm(target))


@pytest.mark.integration
def test_slow_mode_limits_the_speed_that_torques_lead_to(torque):
    arm = Joints(torque=True)
    fastest = 0.0
    for k in range(400):
        now = k * PERIOD
        gravity = pinocchio.rnea(ARM.model, arm.data, arm.q, arm.dq, np.zeros(7))
        target = np.clip(gravity + np.array([8.0, -4, 4, 4, 1, 1, 1]), -ARM.max_torque, ARM.max_torque)
        verdict = torque.tick(
            state(arm.q, arm.dq, now=now), proposal(target, now), Mode.POWER_FORCE_LIMITED, now
        )
        arm.step(verdict.command, PERIOD)
        fastest = max(fastest, points_speed(arm.q, arm.dq))
    assert 0.02 < fastest <= 0.25


def test_old_and_uncertain_obstacles_count_as_nearer(velocity):
    moving = {"velocity": [[-0.05, 0.0, 0.0]]}
    ball = (0.6, 0.0, 0.55, 0.08)
    exact = velocity.tick(state(obstacles=spheres([ball])), proposal(), Mode.NORMAL, 0.0).margin
    velocity.reset()
    noisy = velocity.tick(state(obstacles=spheres([ball], std=0.01)), proposal(), Mode.NORMAL, 0.0).margin
    velocity.reset()
    now = 0.2
    old = state(now=now, obstacles=spheres([ball], now=0.0, **moving))
    aged = velocity.tick(old, proposal(now=now), Mode.NORMAL, now).margin
    assert noisy == pytest.approx(exact - 0.02, abs=1e-6)
    # It has come nearer by up to 0.01 m and may have accelerated by 2 m/s^2 meanwhile.
    shift = exact - aged
    assert 0.004 < shift - 0.5 * 2.0 * 0.2**2 <= 0.01 + 1e-6


def test_post_check_refuses_what_a_broken_stage_lets_through(arc):
    class Broken:
        name = "broken"

        def __init__(self, value):
            self.value = value

        def reset(self):
            pass

        def apply(self, tick):
            tick.command[2] = self.value

    barrier = next(s for s in arc.stages if s.name == "barrier")
    for value in (math.nan, math.inf, -1.001 * limit_of(arc)[2]):
        broken = Arc(
            arc.config, (arc.stages[0], barrier, Broken(value), arc.stages[-1]), ARM.n, halt=barrier.halt
        )
        verdict = broken.tick(state(), proposal(), Mode.NORMAL, 0.0)
        assert (verdict.status, verdict.faults) == (Status.BACKUP, ("postcheck_failed",))
        assert "panda_joint3" in verdict.interventions[-1].reason
        broken.reset()


def test_gain_that_the_period_cannot_honour_is_refused():
    with pytest.raises(ConfigError, match="alpha \\* period"):
        build_arc(ArcConfig.from_dict(CONFIG | {"rate_hz": 10.0, "arm": {"alpha": 20.0}}))


def test_example_of_the_page_runs_and_names_the_ball(capsys):
    page = (Path(__file__).parents[2] / "docs/arc.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    exec(example.group(1), {})
    assert "FILTERED" in capsys.readouterr().out


@pytest.mark.parametrize("base", [CONFIG, TORQUE], ids=["velocity", "torque"])
def test_late_solution_is_refused_and_the_arm_brakes(base):
    arc = build_arc(ArcConfig.from_dict(base | {"barrier": {"deadline_s": 1e-6}}))
    wanted = np.array([0, 2.0, 0, 1.0, 0, 0, 0]) * (30.0 if base is TORQUE else 1.0)
    verdict = arc.tick(state(balls=[(0.42, 0.0, 0.5, 0.05)]), proposal(wanted), Mode.NORMAL, 0.0)
    assert (verdict.status, verdict.faults) == (Status.BACKUP, ("arm_backup",))
    assert "later than 1 us" in verdict.interventions[-1].reason
