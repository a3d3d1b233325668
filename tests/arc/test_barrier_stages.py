# SPDX-License-Identifier: Apache-2.0
"""The barrier stages of wheeled and legged bases alone: the programme they pose, and what they make of its answer."""

import dataclasses
import math

import numpy as np
import pytest

from reflexarc.arc.barrier_stage import _predict, stopping_parameters
from reflexarc.arc.config import ArcConfig
from reflexarc.arc.legged_barrier import disc_parameters, predict
from reflexarc.arc.stage import Tick
from reflexarc.barrier.disc import disc_margin
from reflexarc.barrier.qp import Tier
from reflexarc.barrier.stopping import barrier_margin
from reflexarc.core.types import Mode, Status
from tests.arc.barrier_bench import AHEAD, Base, Learned, Solver
from tests.arc.scenes import obstacles, state


@pytest.fixture(params=[False, True], ids=["wheeled", "legged"])
def legged(request):
    return request.param


def test_parameters_are_those_of_robot_and_configuration(legged):
    base = Base(legged)
    make = disc_parameters if legged else stopping_parameters
    chosen = {
        "clearance_m": 0.31, "wall_clearance_m": 0.17, "sigmas": 1.5, "obstacle_acceleration_m_s2": 1.25,
        "creep_speed_m_s": 0.04, "person_speed_m_s": 1.6,
    }  # fmt: skip
    name = {"robot": "go2" if legged else "segway_e1", "rate_hz": 100.0, "barrier": chosen}
    found = make(ArcConfig.from_dict(name), base.robot)
    robot = base.robot
    assert found.delay == pytest.approx(0.01 + robot.actuation_latency)
    assert make(ArcConfig.from_dict(name | {"latency_s": 0.3}), robot).delay == pytest.approx(0.31)
    assert make(ArcConfig.from_dict(name | {"latency_s": 0.0}), robot).delay == pytest.approx(0.01)
    assert (found.clearance, found.wall_clearance, found.sigmas) == (0.31, 0.17, 1.5)
    assert (found.obstacle_acceleration, found.creep_speed, found.person_speed) == (1.25, 0.04, 1.6)
    assert (found.deceleration, found.yaw_deceleration) == (
        robot.max_deceleration,
        robot.max_yaw_deceleration,
    )
    if legged:
        assert (found.radius, found.top_speed) == (robot.radius, robot.max_speed)
    else:
        assert (2.0 * found.half_length, 2.0 * found.half_width) == (robot.length, robot.width)
        assert found.longest_stop > found.delay + robot.max_speed / robot.max_deceleration - 1e-9


@pytest.mark.parametrize("left", [0.0, 0.2, -0.2])
@pytest.mark.parametrize(
    ("forward", "yaw"), [(1.5, 0.3), (1.5, -0.3), (-1.5, 0.1), (1.4, 9.0), (1.4, -9.0), (1.4, 0.0)]
)
def test_the_programme_keeps_each_speed_between_nothing_and_the_proposal(legged, forward, yaw, left):
    base = Base(legged)
    base.stage._solver = solver = Solver()
    command = base.vector(forward, yaw, left)
    people = [(math.copysign(1.9, forward), 0.2, -math.copysign(0.3, forward), 0.0)]
    base.tick(command, people)
    problem = solver.problem
    target = np.array(command) / base.scale
    assert problem.target == pytest.approx(target)
    lower, upper = np.minimum(target, 0.0), np.maximum(target, 0.0)
    upper[-1] = max(base.robot.max_yaw_rate, abs(yaw)) / 0.5
    lower[-1] = -upper[-1]
    assert problem.lower == pytest.approx(lower)
    assert problem.upper == pytest.approx(upper)
    assert problem.weight.tolist() == [1.0] * len(command)
    assert 0 < len(problem.rows) == len(problem.offsets) == len(problem.tiers) <= base.config.barrier.rows
    assert (problem.tiers == Tier.COLLISION).all()


@pytest.mark.parametrize("yaw", [0.0, 0.4, -0.4])
def test_a_row_touches_the_barrier_where_the_ray_of_the_proposal_meets_it(legged, yaw):
    base = Base(legged)
    base.stage._solver = solver = Solver()
    command = base.vector(1.5, yaw, 0.1)
    base.tick(command)
    share, _ = base.stage.share(*command)
    assert 0.05 < share < 0.95
    p = solver.problem
    assert (p.offsets - p.rows @ (share * p.target)).min() == pytest.approx(0.0, abs=1e-6)


def test_rows_say_the_same_in_every_scale(legged):
    rng, turning = np.random.default_rng(0), 0.0
    bases = {scale: Base(legged, barrier={"yaw_rate_scale_rad_s": scale}) for scale in (0.5, 3.0)}
    command = bases[0.5].vector(1.2, 1.1, 0.3)
    for _ in range(60):
        people = [[*rng.uniform(-2.5, 2.5, 2), *rng.uniform(-1.0, 1.0, 2)] for _ in range(3)]
        rows = []
        for scale, base in bases.items():
            base.stage._solver = solver = Solver()
            base.tick(command, people, speed=0.3)
            if solver.problem is not None:
                in_si = solver.problem.rows / np.array([*base.scale[:-1], scale])
                rows.append(
                    np.column_stack((in_si, solver.problem.offsets)) / np.linalg.norm(in_si, axis=1)[:, None]
                )
        if rows:
            assert rows[0].shape == rows[1].shape
            assert all(np.abs(rows[1] - row).max(axis=1).min() < 1e-9 for row in rows[0])  # in another order
            turning = max(turning, np.abs(rows[0][:, -2]).max())
    assert turning > 0.02


def test_an_answer_is_turned_back_into_speeds_and_kept_within_its_bounds(legged):
    base = Base(legged)
    for forward in (1.5, -1.5):
        people = [(math.copysign(1.9, forward), 0.2, 0.0, 0.0)]
        base.stage._solver = Solver(base.vector(math.copysign(0.1, forward), -0.08, 0.05))
        tick = base.tick(base.vector(forward, 0.3, 0.2), people)
        assert tick.command == pytest.approx(base.vector(math.copysign(0.2, forward), -0.04, 0.1))
        base.stage._solver = Solver(base.vector(-math.copysign(5.0, forward), 50.0, -5.0))
        tick = base.tick(base.vector(forward, 0.3, 0.2), people)
        share, _ = base.stage.share(*base.vector(0.0, base.robot.max_yaw_rate))
        assert tick.command == pytest.approx(base.vector(0.0, share * base.robot.max_yaw_rate))


def test_an_answer_that_the_barrier_does_not_admit_is_shrunk_until_it_does(legged):
    base = Base(legged)
    base.stage._solver = Solver()
    command = base.vector(1.5, 0.3, 0.1)
    tick = base.tick(command)
    share, _ = base.stage.share(*command)
    assert tick.command == pytest.approx(share * np.array(command))
    assert (tick.status, tick.faults, tick.slack) == (Status.FILTERED, [], 0.0)
    assert base.stage.admissible(*tick.command)
    assert not base.stage.admissible(*(1.001 * tick.command))


@pytest.mark.parametrize(("found", "tier"), [(False, -1), (True, 0), (True, 1), (True, 2)])
@pytest.mark.parametrize("learned", [None, 0.2])
def test_without_a_trusted_answer_the_admissible_share_of_the_proposal_is_sent(legged, found, tier, learned):
    base = Base(legged, None if learned is None else Learned(learned))
    base.stage._solver = Solver(found=found, tier=tier)
    command = base.vector(1.5, 0.3, 0.1)
    tick = base.tick(command)
    share, _ = base.stage.share(*command)
    assert share > 0.25
    assert (tick.status, tick.faults) == (Status.BACKUP, ["solver_failed"])
    assert tick.command == pytest.approx((share if learned is None else learned) * np.array(command))
    assert "no solution passed the residual check" in tick.interventions[0].reason


@pytest.mark.parametrize("command", [(0.0, 0.0), (1.0, 0.0), (0.0, 0.5), (0.8, -0.2)])
@pytest.mark.parametrize("learned", [None, 1.0])
def test_what_the_barriers_admit_is_left_as_it_is(legged, command, learned):
    base = Base(legged, None if learned is None else Learned(learned))
    base.stage._solver = None
    asked = base.vector(*command)
    tick = base.tick(asked, [(7.0, 0.0, 0.0, 0.0)])
    assert (tick.status, tick.interventions, tick.command.tolist()) == (Status.PASSED, [], asked)
    assert tick.margin > 0.0


@pytest.mark.parametrize(
    ("command", "person"), [((1.5, 0.0), (1.4, 0.0, 0, 0)), ((0.0, 1.4), (0.55, 0.75, 0, 0))]
)
def test_driving_straight_and_turning_on_the_spot_are_filtered_alone(command, person):
    base = Base(legged=False, barrier={"clearance_m": 0.0})
    tick = base.tick(list(command), [person])
    assert tick.status is Status.FILTERED
    assert np.abs(tick.command).sum() < sum(command)


def test_walking_sideways_is_filtered_too():
    tick = Base(legged=True).tick([0.0, 0.5, 0.0], [(0.0, 1.0, 0.0, 0.0)])
    assert tick.status is Status.FILTERED
    assert 0.0 <= tick.command[1] < 0.5


def test_a_stage_that_is_switched_off_measures_and_changes_nothing(legged):
    base = Base(legged, barrier={"enabled": False})
    command = base.vector(1.5, 0.3)
    tick = base.tick(command)
    assert (tick.command.tolist(), tick.interventions) == (command, [])
    assert tick.margin < 0.0 and tick.slack == -tick.margin


# Margin and slack.


@pytest.mark.parametrize("speed", [2.0, 0.9, -2.0])
@pytest.mark.parametrize("forward", [0.0, 0.5, -0.5])
def test_margin_is_that_of_the_speed_that_the_robot_can_have_after_a_period(legged, speed, forward):
    base = Base(legged, barrier={"enabled": False}, rate_hz=10.0)
    walls = ((-9.0, 6.0, 9.0, 6.0), (3.0, -9.0, 3.0, 9.0), (-3.0, -9.0, -3.0, 9.0))
    braked = abs(speed) - 0.1 * base.robot.max_deceleration
    effective = math.copysign(braked, speed) if braked > abs(forward) else forward
    tick = base.tick(base.vector(forward, 0.2), [], speed=speed, walls=walls)
    margin, stage = disc_margin if legged else barrier_margin, base.stage
    expected, _ = margin(stage._rows, stage._count, *base.vector(effective, 0.2), stage.parameters)
    assert tick.margin == pytest.approx(expected)


def test_a_legged_base_brakes_along_the_way_that_it_goes():
    base = Base(True, barrier={"enabled": False}, rate_hz=10.0)
    walls = ((-9.0, 2.0, 9.0, 2.0), (3.0, -9.0, 3.0, 9.0))
    twist = np.array([0.8, 0.6, 0.0]) * 1.0
    still = 0.1 * base.robot.max_deceleration
    seen = state([], walls, 0.0, twist=twist)
    margins = []
    for command in ([0.0, 0.0, 0.0], [*(twist[:2] * (1.0 - still)), 0.0]):
        tick = Tick(0.0, seen, None, Mode.NORMAL, np.array(command), lambda _: [0.0] * 3)
        base.stage.apply(tick)
        margins.append(tick.margin)
    assert 1.0 - still > 0.0
    assert margins[0] == pytest.approx(margins[1])


def test_slack_is_what_is_violated_beyond_creeping_and_escaping(legged):
    base = Base(legged, barrier={"enabled": False})
    rng = np.random.default_rng(3)
    seen = {"violated": 0, "creeping": 0, "escaping": 0, "kept": 0}
    for k in range(3000):
        person = [rng.uniform(-2.5, 2.5, 2).tolist() + rng.uniform(-1.0, 1.0, 2).tolist()]
        forward = rng.uniform(-1.5, 1.5) if k % 3 else rng.uniform(-0.06, 0.06)
        command = base.vector(forward, rng.uniform(-1.0, 1.0))
        tick = base.tick(command, person)
        if tick.margin >= 0.0:
            case = "kept"
        elif abs(forward) <= 0.05:
            case = "creeping"
        else:
            case = "escaping" if base.stage.admissible(*command) else "violated"
        seen[case] += 1
        assert tick.slack == (-tick.margin if case == "violated" else 0.0)
    assert min(seen[case] for case in ("violated", "creeping", "escaping", "kept")) > 20


@pytest.mark.parametrize(
    ("legged", "command", "person", "speed"),
    [
        (False, (0.733, 0.085), (1.158, 0.49, 0.96, 1.161), -0.925),
        (True, (0.643, 0.113, -0.12), (1.516, 0.254, 1.28, 0.925), -0.82),
    ],
)
def test_slack_is_judged_at_the_speed_that_the_robot_has_and_not_at_a_command_it_cannot_follow_yet(
    legged, command, person, speed
):
    base = Base(legged, barrier={"enabled": False})
    tick = base.tick(list(command), [person], speed=speed)
    assert not base.stage.admissible(*command)
    assert tick.margin > 0.1
    assert tick.slack == 0.0


def test_what_is_behind_a_row_is_named_person_or_wall(legged):
    base = Base(legged)
    east = (1.0, -9.0, 1.0, 9.0)
    far = [(8.0, 3.0, 0.0, 0.0), (8.0, -3.0, 0.0, 0.0)]
    tick = base.tick(base.vector(1.5, 0.0), far, walls=((-9.0, 5.0, 9.0, 5.0), east))
    assert tick.interventions[0].reason.startswith("wall 1 at ")
    tick = base.tick(base.vector(1.5, 0.0), [*far, *AHEAD], walls=((-9.0, 5.0, 9.0, 5.0),))
    assert tick.interventions[0].reason.startswith("obstacle 2 at ")
    assert "closing at 0." in tick.interventions[0].reason
    people = obstacles([*far, *AHEAD])
    named = dataclasses.replace(people, ids=("a", "b", "c"))
    tick = base.tick(base.vector(1.5, 0.0), obstacles=named)
    assert tick.interventions[0].reason.startswith("obstacle c at ")


@pytest.mark.parametrize(("people", "walls"), [(40, 0), (0, 40), (70, 0), (20, 100), (100, 20)])
def test_there_is_room_for_the_rows_of_everything_that_is_seen(legged, people, walls):
    base = Base(legged)
    angle = np.linspace(0.0, 6.0, max(people, walls))
    around = [(2.0 * math.cos(a), 2.0 * math.sin(a), 0.0, 0.0) for a in angle[:people]]
    room = [(1.8 * math.cos(a), 1.8 * math.sin(a)) * 2 for a in angle[:walls]]
    base.tick(base.vector(0.5, 0.0), around, walls=room)
    corners = 1 if legged else 2
    assert base.stage._count == corners * (people + walls), "everything is within reach"
    assert len(base.stage._rows) >= base.stage._count
    base.stage.reset()
    assert base.stage._count == 0


# Times.


def test_old_tracks_have_moved_on(legged):
    exact = {"sigmas": 0.0, "obstacle_acceleration_m_s2": 0.0}
    base = Base(legged, learned := Learned(), barrier=exact)
    command = base.vector(0.0, 0.0)
    old = base.tick(command, now=10.0, obstacles=obstacles([(2.5, 0.3, -0.5, 0.1)], stamp=9.8))
    assert learned.age == pytest.approx(0.2)
    new = base.tick(command, now=10.0, obstacles=obstacles([(2.4, 0.32, -0.5, 0.1)], stamp=10.0))
    assert math.isfinite(new.margin) and old.margin == pytest.approx(new.margin)
    assert learned.age == 0.0
    ahead = base.tick(command, now=10.0, obstacles=obstacles([(2.4, 0.32, -0.5, 0.1)], stamp=10.1))
    assert ahead.margin == pytest.approx(new.margin), "what is from the future is not carried back"
    assert learned.age == 0.0


@pytest.mark.parametrize("yaw", [0.0, 0.7])
@pytest.mark.parametrize("omega", [0.0, 9e-7, -9e-7, 1.8e-6, 5e-5, 1.5e-4, -3e-4, 0.9, -0.9])
@pytest.mark.parametrize(("legged", "left"), [(False, 0.0), (True, 0.0), (True, -0.8)])
def test_a_pose_is_carried_exactly_to_the_time_of_the_tick(legged, yaw, omega, left):
    twist = (1.2, left, omega) if legged else (1.2, omega)
    out = np.zeros(3)
    (predict if legged else _predict)(state(stamp=10.0, pose=(1.0, -2.0, yaw), twist=twist), 11.0, out)
    # integral of the body velocity turned by the heading, with series that are exact for small turns
    sine = omega**0 * (math.sin(omega) / omega if omega else 1.0)
    versine = math.sin(0.5 * omega) ** 2 * 2.0 / omega if omega else 0.0
    moved = complex(sine, versine) * complex(1.2, left) * np.exp(1j * yaw)
    assert out == pytest.approx(
        [1.0 + moved.real, -2.0 + moved.imag, yaw + omega], abs=2e-13 if abs(omega) > 0.1 else 3e-10
    )


def test_a_pose_from_the_future_stays_where_it_is(legged):
    out = np.zeros(3)
    twist = (1.2, 0.3, 0.4) if legged else (1.2, 0.4)
    (predict if legged else _predict)(state(stamp=10.0, pose=(1.0, -2.0, 0.5), twist=twist), 9.0, out)
    assert out == pytest.approx([1.0, -2.0, 0.5])
