# SPDX-License-Identifier: Apache-2.0
"""The arc of a legged robot: what holds for every tick, and a crowd in which it walks."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reflexarc.arc import ArcConfig, build_arc
from reflexarc.arc.legged_barrier import predict
from reflexarc.core.errors import ModelError, UnknownNameError
from reflexarc.core.types import Mode, Proposal, Status
from reflexarc.robots import load_legged
from tests.arc.scenes import ANY_NUMBER, PERSON, state

ROBOT = load_legged("go2")
REST = (0.0, 0.0, 0.0)
PEOPLE = st.lists(PERSON, max_size=8)
SHARED_ARC = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def warm():
    return build_arc(ArcConfig(robot="go2"))


@pytest.fixture
def arc(warm):
    warm.reset()
    return warm


def proposal(vx=1.0, vy=0.0, omega=0.0, now=0.0):
    return Proposal(now, np.array([vx, vy, omega]))


def scene(people=(), now=0.0, twist=REST, **replaced):
    return state(people, now=now, twist=twist, **replaced)


@SHARED_ARC
@given(PEOPLE, ANY_NUMBER, ANY_NUMBER, ANY_NUMBER, st.sampled_from(Mode))
def test_command_is_always_finite_and_within_the_limits(arc, people, vx, vy, omega, mode):
    arc.reset()
    command = arc.tick(scene(people), proposal(vx, vy, omega), mode, 0.0).command
    assert command.shape == (3,)
    assert np.isfinite(command).all()
    assert -ROBOT.max_backward_speed - 1e-9 <= command[0] <= ROBOT.max_forward_speed + 1e-9
    assert abs(command[1]) <= ROBOT.max_lateral_speed + 1e-9
    assert abs(command[2]) <= ROBOT.max_yaw_rate + 1e-9


@SHARED_ARC
@given(PEOPLE, st.floats(-1, 2.5), st.floats(-0.8, 0.8), st.floats(-2, 2))
def test_no_component_over_ground_is_larger_than_proposed_or_turned_round(arc, people, vx, vy, omega):
    arc.reset()
    verdict = arc.tick(scene(people), proposal(vx, vy, omega), Mode.NORMAL, 0.0)
    for sent, wanted in zip(verdict.command[:2], (vx, vy), strict=True):
        assert abs(sent) <= abs(wanted) + 1e-9
        assert sent * wanted >= 0.0
    assert verdict.slack <= 1e-9  # a robot at rest is never told to violate the barrier
    assert (verdict.status is Status.PASSED) == (not verdict.intervened)
    assert verdict.status is not Status.BACKUP


def test_free_road_passes_the_proposal_untouched(arc):
    verdict = arc.tick(scene(), proposal(0.8, 0.3, 0.2), Mode.NORMAL, 0.0)
    assert (verdict.status, verdict.command.tolist()) == (Status.PASSED, [0.8, 0.3, 0.2])


@pytest.mark.parametrize("side", [(1.4, 0.0), (0.0, 1.4), (-1.4, 0.0), (0.0, -1.4)])
def test_somebody_in_the_way_slows_the_robot_whatever_way_it_walks(arc, side):
    wanted = 0.7 * np.sign(side)
    people = [(*side, 0.0, 0.0)]
    verdict = arc.tick(scene(people, walls=()), proposal(*wanted), Mode.NORMAL, 0.0)
    assert verdict.status is Status.FILTERED
    assert verdict.interventions[-1].stage == "barrier"
    assert "obstacle 0 at 0.66 m" in verdict.interventions[-1].reason
    assert np.linalg.norm(verdict.command[:2]) < 0.6


def test_filter_side_steps_rather_than_stop(arc):
    # Somebody ahead to the right: most of the motion to the left remains.
    verdict = arc.tick(scene([(1.1, -0.6, 0.0, 0.0)], walls=()), proposal(1.5, 0.6), Mode.NORMAL, 0.0)
    assert verdict.command[1] / 0.6 > 1.2 * verdict.command[0] / 1.5


@pytest.mark.parametrize(("mode", "limit"), [(Mode.SPEED_SEPARATION, 1.5), (Mode.POWER_FORCE_LIMITED, 0.25)])
def test_mode_limits_the_speed_over_ground_and_keeps_the_direction(arc, mode, limit):
    command = arc.tick(scene(walls=()), proposal(2.4, 0.7, 0.5), mode, 0.0).command
    assert math.hypot(*command[:2]) == pytest.approx(limit)
    assert command / limit == pytest.approx(np.array([2.4, 0.7, 0.5]) / 2.5)


@pytest.mark.parametrize("mode", [Mode.PROTECTIVE_STOP, Mode.EMERGENCY_STOP, 17])
def test_stop_modes_stop(arc, mode):
    verdict = arc.tick(scene(), proposal(), mode, 0.0)
    assert (verdict.status, verdict.command.tolist()) == (Status.STOPPED, [0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("bad_state", "bad_proposal", "fault"),
    [
        (None, proposal(), "state_missing"),
        (scene(twist=(0.0, 0.0)), proposal(), "state_misfit"),
        (scene(), Proposal(0.0, [1.0, 0.0]), "proposal_misfit"),
        (scene(twist=(math.nan, 0.0, 0.0)), proposal(), "state_not_finite"),
        (scene(), proposal(math.nan), "proposal_not_finite"),
        (scene(now=-0.2), proposal(), "state_stale"),
        (scene(), proposal(now=-0.5), "proposal_stale"),
    ],
)
def test_fault_stops_the_robot_and_is_named(arc, bad_state, bad_proposal, fault):
    verdict = arc.tick(bad_state, bad_proposal, Mode.NORMAL, 0.0)
    assert verdict.faults == (fault,)
    assert verdict.command.tolist() == [0.0, 0.0, 0.0]


def test_failed_solver_sends_the_admissible_share_and_says_so(arc, monkeypatch):
    stage = next(s for s in arc.stages if s.name == "barrier")
    monkeypatch.setattr(
        stage._solver, "solve", lambda _: type("Failed", (), {"found": False, "u": np.full(3, np.nan)})()
    )
    wanted = proposal(1.5, 0.5)
    verdict = arc.tick(scene([(1.6, 0.4, 0.0, 0.0)], walls=()), wanted, Mode.NORMAL, 0.0)
    assert (verdict.status, verdict.faults) == (Status.BACKUP, ("solver_failed",))
    assert verdict.command[0] / 1.5 == pytest.approx(verdict.command[1] / 0.5)
    assert 0.0 < verdict.command[0] < 1.5
    assert verdict.margin >= -1e-9


def test_post_check_refuses_what_a_broken_stage_lets_through(warm):
    for broken in ([5.0, 0.0, 0.0], [math.nan, 0.0, 0.0], [1.5, 0.0, 0.0]):
        warm.reset()
        barrier = next(s for s in warm.stages if s.name == "barrier")

        class Broken:
            name = "broken"

            def reset(self):
                pass

            def apply(self, tick, command=broken):
                tick.command[:] = command

        check = warm.stages[-1]
        arc = type(warm)(warm.config, (warm.stages[0], barrier, Broken(), check), components=3)
        verdict = arc.tick(scene([(1.0, 0.0, 0.0, 0.0)]), proposal(0.1), Mode.NORMAL, 0.0)
        assert verdict.faults == ("postcheck_failed",)
        assert verdict.command.tolist() == [0.0, 0.0, 0.0]


def test_robot_with_delay_and_lag_walks_through_a_crowd_without_touching_anybody(arc):
    # The plant is written here: dead time, then the guaranteed deceleration; people walk straight on.
    rng = np.random.default_rng(4)
    dt, steps = arc.config.period, 2400
    hits, moved, before = [], 0.0, np.full(8, np.inf)
    people = np.column_stack([rng.uniform(2.0, 14.0, 8), rng.uniform(-4, 4, 8), rng.normal(0.0, 0.6, (8, 2))])
    pose, twist, queue = np.zeros(3), np.zeros(3), [np.zeros(3)] * int(0.2 / dt)
    for k in range(steps):
        now = k * dt
        goal = np.array([16.0, 0.0]) - pose[:2]
        cos, sin = math.cos(pose[2]), math.sin(pose[2])
        body = np.array([cos * goal[0] + sin * goal[1], cos * goal[1] - sin * goal[0]])
        wanted = 1.5 * body / max(1.0, float(np.linalg.norm(body)))
        verdict = arc.tick(
            scene(people, now, twist, pose=pose, walls=()),
            proposal(*np.clip(wanted, -0.8, 1.5), 0.3 * math.sin(now), now=now),
            Mode.NORMAL,
            now,
        )
        queue.append(verdict.command)
        step = np.array([2.0, 2.0, 4.0]) * dt
        twist = twist + np.clip(queue.pop(0) - twist, -step, step)
        pose = pose + dt * np.array(
            [cos * twist[0] - sin * twist[1], sin * twist[0] + cos * twist[1], twist[2]]
        )
        people[:, :2] += dt * people[:, 2:]
        gap = np.linalg.norm(people[:, :2] - pose[:2], axis=1) - ROBOT.radius - 0.3
        hits += [math.hypot(*twist[:2])] * int(
            ((gap <= 0.0) & (before > 0.0)).sum()
        )  # they walk on as ghosts
        before = gap
        moved = max(moved, pose[0])
    assert moved > 5.0
    assert all(speed < 0.1 for speed in hits), hits


def test_pose_is_carried_forward_along_the_exact_arc():
    old = scene(twist=(0.8, -0.4, 0.9), pose=(1.0, 2.0, 0.3))
    fine, out = np.array([1.0, 2.0, 0.3]), np.zeros(3)
    for _ in range(20000):
        c, s = math.cos(fine[2]), math.sin(fine[2])
        fine += 0.2 / 20000 * np.array([c * 0.8 + s * 0.4, s * 0.8 - c * 0.4, 0.9])
    predict(old, 0.2, out)
    assert out == pytest.approx(fine, abs=1e-5)


def test_learned_barrier_of_a_wheeled_robot_is_refused():
    with pytest.raises(ModelError, match="is for 'segway_e1_crowd', this arc drives 'go2'"):
        build_arc(ArcConfig.from_dict({"robot": "go2", "learned": {"enabled": True}}))


def test_unknown_robot_names_those_of_every_kind():
    with pytest.raises(UnknownNameError, match="go2, panda, segway_e1"):
        build_arc(ArcConfig(robot="no_such_robot"))
    with pytest.raises(UnknownNameError, match="unknown legged robot 'panda'.*allowed: go2"):
        load_legged("panda")


def test_limit_without_source_is_refused(tmp_path, monkeypatch):
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog/legged.yaml").write_text("parameters: {mass: {value: 10.0, unit: kg, source: ''}}\n")
    monkeypatch.setenv("REFLEXARC_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="'mass' has no source"):
        load_legged("dog")


def test_mass_is_that_of_the_urdf():
    pinocchio = pytest.importorskip("pinocchio", reason="needs pinocchio (pip install 'reflexarc[arms]')")
    from reflexarc.robots.arm import distribution_file  # noqa: PLC0415

    urdf = distribution_file("example-robot-data", "go2_description/urdf/go2.urdf")
    model = pinocchio.buildModelFromUrdf(str(urdf), pinocchio.JointModelFreeFlyer())
    assert sum(i.mass for i in model.inertias) == pytest.approx(ROBOT.mass, abs=0.05)


def test_late_solution_is_refused_and_the_admissible_share_sent():
    arc = build_arc(ArcConfig.from_dict({"robot": "go2", "barrier": {"deadline_s": 1e-6}}))
    verdict = arc.tick(scene([(1.6, 0.4, 0.0, 0.0)], walls=()), proposal(1.5, 0.5), Mode.NORMAL, 0.0)
    assert (verdict.status, verdict.faults) == (Status.BACKUP, ("solver_failed",))
    assert 0.0 < verdict.command[0] < 1.5
