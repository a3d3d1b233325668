# SPDX-License-Identifier: Apache-2.0
"""The plan monitor: its risk against a direct simulation, what it accepts, and what it calls unknown."""

import dataclasses
import math
import time

import numpy as np
import pytest
from shapely import affinity
from shapely.geometry import Point, box

from reflexarc.core.types import BaseState, Obstacles, Plan, PlanRisk, Walls
from reflexarc.policies.intention import intention
from reflexarc.policies.risk_aware import RiskAware, kind_of
from reflexarc.policies.route_follower import RouteFollower
from reflexarc.reach.monitor import PlanMonitor
from reflexarc.reach.monitor_config import MonitorConfig
from reflexarc.robots import load_robot

ROBOT = load_robot("segway_e1")
CONFIG = MonitorConfig(particles=4000, screening=500)
NOW = 7.0


@pytest.fixture(scope="module")
def warm():
    return PlanMonitor(CONFIG, ROBOT)


@pytest.fixture
def monitor(warm):
    warm.reset()
    return warm


def straight(speed=1.5, stamp=NOW, origin=(0.0, 0.0), yaw=0.0):
    t = np.arange(0.0, 4.26, 0.25)
    way = speed * t[:, None] * np.array([math.cos(yaw), math.sin(yaw)]) + np.array(origin)
    return Plan(stamp, "odom", t, np.column_stack([way, np.full_like(t, yaw)]))


def state(people=(), speed=1.5, walls=(), stamp=NOW, pose=(0.0, 0.0, 0.0), std=(0.05, 0.1), **replaced):
    table = np.array(people, dtype=float).reshape(-1, 4)
    n = len(table)
    tracked = Obstacles(
        replaced.get("seen", stamp),
        replaced.get("frame", "odom"),
        table[:, :2],
        table[:, 2:],
        np.full(n, 0.3),
        np.full(n, std[0]),
        np.full(n, std[1]),
    )
    lines = Walls(stamp, "odom", np.array(walls, dtype=float).reshape(-1, 4))
    return BaseState(stamp, "odom", pose, [speed, 0.0], tracked, lines)


def test_free_road_is_accepted_as_it_is_with_the_bound_of_zero_contacts(monitor):
    risk = monitor.judge(straight(), state(), NOW)
    assert (risk.known, risk.accepted, risk.p) == (True, True, 0.0)
    assert (risk.speed_scale, risk.lateral_offset, monitor.safer) == (1.0, 0.0, None)
    assert risk.upper == pytest.approx(-math.expm1(math.log(0.05 / 4) / 4000))


def simulated_risk(people, std, speed=1.5, count=1500, seed=3):
    """Share of runs with a contact, by shapely on a unicycle with the same controller, written again."""
    rng, hits, dt = np.random.default_rng(seed), 0, 0.02
    outline = box(-ROBOT.length / 2, -ROBOT.width / 2, ROBOT.length / 2, ROBOT.width / 2).buffer(
        CONFIG.clearance_m
    )
    for _ in range(count):
        x, y, yaw = rng.normal(0.0, [CONFIG.position_std_m, CONFIG.position_std_m, CONFIG.heading_std_rad])
        drift = rng.uniform(0.0, CONFIG.drift_per_s)
        spots = [
            (
                px + rng.normal(0, std[0]),
                py + rng.normal(0, std[0]),
                vx + rng.normal(0, std[1]),
                vy + rng.normal(0, std[1]),
            )
            for px, py, vx, vy in people
        ]
        touched = False
        for k in range(int(3.0 / dt) + 1):
            t = k * dt
            body = None
            for px, py, vx, vy in spots:
                spot = (px + vx * t, py + vy * t)
                if math.hypot(spot[0] - x, spot[1] - y) < 1.0:
                    body = body or affinity.translate(
                        affinity.rotate(outline, yaw, origin=(0, 0), use_radians=True), x, y
                    )
                    touched |= body.distance(Point(spot)) <= 0.3
            ahead, side = speed * t - x, -y
            xe = math.cos(yaw) * ahead + math.sin(yaw) * side
            ye = -math.sin(yaw) * ahead + math.cos(yaw) * side
            v = speed * math.cos(-yaw) + 0.5 * xe
            omega = speed * (0.5 * ye + 1.0 * math.sin(-yaw))
            x += dt * (v * math.cos(yaw) - drift * ahead)
            y += dt * (v * math.sin(yaw) - drift * side)
            yaw += dt * omega
            if touched:
                break
        hits += touched
    return hits / count


@pytest.mark.parametrize(
    "people",
    [
        [(3.5, 0.75, 0.0, 0.0)],  # beside the way
        [(5.0, 1.6, -0.6, -0.35)],  # crossing it
        [(3.0, 0.8, 0.0, 0.0), (2.0, -0.85, 0.2, 0.0)],
    ],
)
def test_risk_is_that_of_a_direct_simulation(monitor, people):
    std = (0.1, 0.15)
    risk = monitor.judge(straight(), state(people, std=std), NOW)
    direct = simulated_risk(people, std)
    assert 0.05 < direct < 0.95
    noise = 4.0 * math.sqrt(direct * (1 - direct) / 1500)
    # The rectangle of a step is taken at its middle heading and grown, so a little more counts than touches.
    assert risk.ci_low - noise <= direct + 0.02
    assert direct <= risk.ci_high + noise


def test_risk_does_not_depend_on_where_in_the_world_it_happens(monitor):
    people = np.array([[3.5, 0.75, 0.0, 0.0]])
    here = monitor.judge(straight(), state(people), NOW)
    monitor.reset()
    far = np.array([5e4, -2e4])
    moved = people + np.array([*far, 0, 0])
    there = monitor.judge(straight(origin=far), state(moved, pose=(*far, 0.0)), NOW)
    assert there.p == pytest.approx(here.p, abs=0.01)


def test_equal_judgements_since_reset_are_equal(monitor):
    people = [(3.5, 0.7, 0.0, 0.0)]
    first = [monitor.judge(straight(), state(people), NOW) for _ in range(3)]
    monitor.reset()
    assert [monitor.judge(straight(), state(people), NOW) for _ in range(3)] == first
    assert first[0].p != first[1].p  # and each has draws of its own


def test_somebody_half_in_the_way_is_passed_on_the_other_side(monitor):
    risk = monitor.judge(straight(), state([(3.5, 0.5, 0.0, 0.0)]), NOW)
    assert (risk.known, risk.accepted) == (True, True)
    assert risk.p > risk.limit >= risk.upper
    assert risk.lateral_offset < 0.0 or risk.speed_scale < 1.0
    assert monitor.safer is not None
    assert monitor.safer.time[-1] == pytest.approx(3.0)


def test_safer_plan_is_not_accepted_by_luck(monitor):
    # The accepted variant judged again with other particles, as the plan itself.
    risk = monitor.judge(straight(), state([(3.5, 0.5, 0.0, 0.0)]), NOW)
    safer = monitor.safer
    longer = np.vstack([safer.pose, safer.pose[-1] + 0.25 * (safer.pose[-1] - safer.pose[-2])])
    speed = float(np.hypot(*(safer.pose[1, :2] - safer.pose[0, :2]))) / 0.25
    plan = Plan(NOW, "odom", np.append(safer.time, 3.25), longer)
    again = monitor.judge(plan, state([(3.5, 0.5, 0.0, 0.0)], speed=speed), NOW)
    assert again.p <= risk.limit


def test_crowd_without_a_gap_is_refused_and_says_what_the_least_risk_is(monitor):
    wall_of_people = [(1.6, y, -0.5, 0.0) for y in np.arange(-3.0, 3.1, 0.5)]
    risk = monitor.judge(straight(), state(wall_of_people), NOW)
    assert (risk.known, risk.accepted, risk.speed_scale) == (True, False, 0.0)
    assert "no variant is accepted" in risk.reason
    assert monitor.safer is None


def test_a_refusal_takes_less_than_a_period(monitor):
    """Own time with 20 people around and the kerbs of a pavement, three times what is wanted: cores are shared."""
    crowd = [(1.6 + 0.3 * (i % 2), y, -0.5, 0.0) for i, y in enumerate(np.linspace(-3.0, 3.0, 20))]
    kerbs = [(-20.0, side, 50.0, side) for side in (-3.5, 3.5)]
    busy = PlanMonitor(MonitorConfig(), ROBOT)
    times = []
    for _ in range(5):
        began = time.process_time()
        assert not busy.judge(straight(), state(crowd, walls=kerbs), NOW).accepted
        times.append(time.process_time() - began)
    assert min(times) <= 0.15


def test_people_out_of_reach_change_nothing(monitor):
    beside = [(3.5, 0.75, 0.0, 0.0)]
    far = [(-9.0, 0.0, -1.0, 0.0), (3.0, 40.0, 0.0, -1.0), (60.0, 0.0, 0.0, 0.0)]
    alone = monitor.judge(straight(), state(beside), NOW)
    monitor.reset()
    assert monitor.judge(straight(), state(beside + far), NOW) == alone
    monitor.reset()
    # From seven metres beside, at 2 m/s, somebody reaches the path in time.
    coming = monitor.judge(straight(), state([*beside, (4.5, 7.0, 0.0, -2.3)]), NOW)
    assert coming.p > alone.p + 0.05


def test_a_robot_beside_its_plan_meets_who_is_beside_it(monitor):
    """The plan starts two metres to the left of the robot; people within reach of either count."""
    beside = monitor.judge(straight(origin=(0.0, 2.0)), state([(0.9, 0.0, -0.3, 0.0)]), NOW)
    assert beside.p > 0.9


def test_walls_count(monitor):
    open_road = monitor.judge(straight(), state(), NOW)
    blocked = monitor.judge(straight(), state(walls=[(3.0, -5.0, 3.0, 5.0)]), NOW)
    assert open_road.p == 0.0
    assert blocked.p == 1.0


def test_age_of_the_tracks_carries_people_on(monitor):
    # Seen 0.25 s ago at 3.4 m, coming at 2 m/s: it is nearer by half a metre now, which a slow robot would notice.
    people = [(4.4, 0.0, -2.0, 0.0)]
    fresh = monitor.judge(straight(speed=0.1), state(people, speed=0.1, std=(0.01, 0.01)), NOW)
    old = monitor.judge(straight(speed=0.1), state(people, speed=0.1, seen=NOW - 0.25, std=(0.01, 0.3)), NOW)
    assert fresh.p == pytest.approx(1.0, abs=0.01)
    assert old.known


def test_larger_covariance_means_more_risk(monitor):
    beside = state([(1.5, 0.85, 0.0, 0.0)], std=(0.02, 0.02))
    sure = monitor.judge(straight(), beside, NOW, np.diag([1e-4, 1e-4, 1e-4]))
    unsure = monitor.judge(straight(), beside, NOW, np.diag([0.09, 0.09, 0.01]))
    assert unsure.ci_low > sure.ci_high


GOOD = straight()


def wrong_people(**values):
    measured = state([(3.0, 3.0, 0.0, 0.0)])
    people = dataclasses.replace(measured.obstacles, **{k: np.array([v]) for k, v in values.items()})
    return dataclasses.replace(measured, obstacles=people)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None, state()), "no plan"),
        ((GOOD, None), "no state"),
        ((straight(stamp=NOW - 0.4), state()), "plan is 0.400 s old"),
        ((GOOD, state(stamp=NOW - 0.4)), "state is 0.400 s old"),
        ((GOOD, state(seen=NOW - 0.4)), "obstacles is 0.400 s old"),
        ((GOOD, state(seen=NOW + 0.4)), "obstacles is -0.400 s old"),
        ((dataclasses.replace(GOOD, frame_id="map"), state()), "must be in one"),
        ((GOOD, state(frame="map")), "must be in one"),
        ((dataclasses.replace(GOOD, time=GOOD.time[::-1]), state()), "must increase"),
        ((dataclasses.replace(GOOD, pose=GOOD.pose * np.nan), state()), "not finite"),
        ((GOOD, state(pose=(math.nan, 0.0, 0.0))), "not finite"),
        ((GOOD, state([(math.inf, 0.0, 0.0, 0.0)])), "finite"),
        ((GOOD, state([(9.0, 9.0, 1e6, 0.0)])), "a track moves at 1e+06 m/s, allowed 20 m/s"),
        ((GOOD, wrong_people(radius=-0.3)), "negative radius"),
        ((GOOD, wrong_people(position_std=-0.1)), "negative radius or standard deviation"),
        ((GOOD, state(), np.full((3, 3), math.nan)), "covariance"),
        ((GOOD, state(), np.diag([0.01, 0.01, 0.0])), "singular"),
        ((GOOD, state(), np.diag([0.01, -0.01, 0.01])), "negative"),
        ((GOOD, state(), np.array([[1, 2, 0], [0, 1, 0], [0, 0, 1.0]])), "symmetric"),
    ],
)
def test_what_cannot_be_judged_is_unknown_with_the_reason(monitor, arguments, words):
    plan, measured, *covariance = arguments
    risk = monitor.judge(plan, measured, NOW, *covariance)
    assert not risk.known
    assert not risk.accepted
    assert (risk.ci_low, risk.ci_high, risk.upper, risk.speed_scale) == (0.0, 1.0, 1.0, 0.0)
    assert words in risk.reason


def test_now_that_is_not_a_number_is_unknown(monitor):
    assert not monitor.judge(GOOD, state(), math.nan).known


def follower():
    policy = RouteFollower.from_dict({}, "test")
    policy.reset(np.array([[0.0, 0.0], [20.0, 0.0]]))
    return policy


def test_intention_is_where_the_policy_goes_and_leaves_it_as_it_was():
    policy = follower()
    before = policy.propose(state(), NOW).twist
    plan = intention(policy, state(), NOW, 4.25)
    assert plan.time[-1] == pytest.approx(4.3, abs=0.06)
    assert plan.pose[-1, 0] == pytest.approx(1.5 * plan.time[-1], rel=0.01)
    assert np.abs(plan.pose[:, 1:]).max() < 1e-6
    assert policy.propose(state(), NOW).twist.tolist() == before.tolist()


def verdict(**changes):
    values = {
        "stamp": NOW, "p": 0.01, "ci_low": 0.0, "ci_high": 0.02, "limit": 0.05, "n": 4000, "known": True,
        "accepted": True, "upper": 0.02, "speed_scale": 1.0, "lateral_offset": 0.0, "reason": "",
    }  # fmt: skip
    return PlanRisk(**values | changes)


@pytest.mark.parametrize(
    ("risk", "moves"),
    [
        (None, False),
        (verdict(), True),
        (verdict(stamp=NOW - 0.31), False),
        (verdict(stamp=NOW + 0.31), False),
        (verdict(stamp=math.nan), False),
        (verdict(accepted=False, speed_scale=0.0), False),
        (PlanRisk.unknown(NOW, 0.05, "no state has arrived"), False),
        (verdict(known=False), False),
        (verdict(speed_scale=math.nan), False),
        (verdict(speed_scale=5.0), False),
        (verdict(speed_scale=-1.0), False),
        (verdict(lateral_offset=math.nan), False),
        (verdict(lateral_offset=50.0), False),
    ],
)
def test_policy_stands_unless_a_fresh_judgement_accepts(risk, moves):
    policy = RiskAware(follower(), max_age=0.3)
    policy.reset(np.array([[0.0, 0.0], [20.0, 0.0]]))
    if risk is not None:
        policy.take(risk)
    assert bool(policy.propose(state(), NOW).twist.any()) == moves


def test_policy_goes_slower_and_to_the_side_as_accepted():
    policy = RiskAware(follower(), max_age=0.3)
    policy.take(verdict())
    free = policy.propose(state(), NOW).twist
    policy.take(verdict(speed_scale=0.4))
    assert policy.propose(state(), NOW).twist == pytest.approx(0.4 * free)
    policy.take(verdict(lateral_offset=0.4))
    assert policy.propose(state(), NOW).twist[1] > 0.1
    policy.take(verdict(lateral_offset=-0.4))
    assert policy.propose(state(), NOW).twist[1] < -0.1
    assert policy.answers == {"accepted": 1, "changed": 3}


def test_new_route_forgets_what_was_accepted_on_the_old_one():
    policy = RiskAware(follower(), max_age=0.3)
    policy.take(verdict())
    policy.reset(np.array([[0.0, 0.0], [0.0, 20.0]]))
    assert not policy.propose(state(), NOW).twist.any()


def test_kinds_of_judgements():
    assert kind_of(verdict()) == "accepted"
    assert kind_of(verdict(speed_scale=0.8)) == "changed"
    assert kind_of(verdict(accepted=False)) == "refused"
    assert kind_of(PlanRisk.unknown(NOW, 0.05, "why")) == "unknown"
