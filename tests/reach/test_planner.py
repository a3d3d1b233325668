# SPDX-License-Identifier: Apache-2.0
"""Planning under risk: plans, scenes, the nominal programme, rollouts, checks, the loop, baselines and the journal."""

import dataclasses
import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.reach.planner import nominal
from reflexarc.reach.planner.baselines import METHODS, method
from reflexarc.reach.planner.candidates import OFFSETS, SCALINGS, descent, lattice
from reflexarc.reach.planner.check import Checker, RiskLimits
from reflexarc.reach.planner.clearance import walk
from reflexarc.reach.planner.contacts import Contacts
from reflexarc.reach.planner.executor import drive
from reflexarc.reach.planner.plan import Plan, advance
from reflexarc.reach.planner.plots import mission_figure
from reflexarc.reach.planner.replan import RiskPlanner
from reflexarc.reach.planner.rollout import Rollouts, surroundings
from reflexarc.reach.planner.scene import CASES, DRIVING, HOVERCRAFT, Scene, TrackingBelief, generate

BELIEF = TrackingBelief(np.array([0.06, 0.06, 0.03]), np.array([0.3]))
AIR_BELIEF = TrackingBelief(np.array([0.08, 0.08, 0.03, 0.08]), np.array([0.6, 0.6]))


def road(discs, belief=BELIEF, **more):
    """A car from (1, 3) to (11, 3) and discs (x, y, radius)."""
    discs = np.array(discs, dtype=float).reshape(-1, 3)
    centre = np.column_stack([discs[:, :2], np.zeros(len(discs))])
    return Scene(
        DRIVING,
        0,
        np.array([1.0, 3.0, 0.0, 0.0]),
        np.array([11.0, 3.0, 0.0]),
        centre,
        discs[:, 2],
        belief,
        **more,
    )


def gate(half_width, x=6.0, radius=0.6):
    """Discs across the road but for a gap of the given half width, seen by the robot's hull, at y = 3."""
    first = 3.0 + half_width + DRIVING.robot + radius
    above = [(x, y, radius) for y in np.arange(first, 6.5, radius)]
    return above + [(x, 6.0 - y, r) for x, y, r in above]


def straight(segments, speed=1.0):
    controls = np.zeros((segments, 2, 3))
    controls[..., 0] = speed
    return controls


def wavy(segments, climb=0.0, seed=0):
    rng = np.random.default_rng(seed)
    controls = np.zeros((segments, 2, 3))
    controls[:, :, 0] = rng.uniform(0.6, 1.3, (segments, 1))
    controls[:, :, 1] = rng.uniform(-1.2, 1.2, (segments, 2))
    controls[:, :, 2] = rng.uniform(-climb, climb, (segments, 2))
    return controls


def integrated(start, controls, steps=500):
    """Positions of a plan by the midpoint rule in small steps, every 0.5 s / steps."""
    pose, path = np.array(start, dtype=float), [np.array(start, dtype=float)]
    h = 0.5 / steps
    for v, w, climb in controls.reshape(-1, 3):
        for _ in range(steps):
            middle = pose[3] + 0.5 * h * w
            pose = pose + h * np.array([v * math.cos(middle), v * math.sin(middle), climb, w])
            path.append(pose)
    return np.array(path)


def missions(scene, count):
    case = scene.case
    return count * [
        {
            "centre": scene.centre,
            "radius": scene.radius,
            "size": np.array(case.size),
            "robot": case.robot,
            "goal": scene.goal,
            "goal_radius": case.goal_radius,
        }
    ]


def driven(scene, plan, truths):
    count = len(truths)
    starts = np.repeat(plan.start[None], count, axis=0)
    return drive(scene.case.dimension, starts, count * [plan.controls], truths, missions(scene, count))


def judged(scene, path, t):
    """Least clearance of positions (T, 3) at times (T,), by a loop."""
    least = math.inf
    for point, now in zip(path, t, strict=True):
        for axis in range(scene.case.dimension):
            least = min(least, point[axis], scene.case.size[axis] - point[axis])
        for k, (centre, radius) in enumerate(zip(scene.centre, scene.radius, strict=True)):
            moved = centre if scene.velocity is None else centre + now * scene.velocity[k]
            least = min(least, math.dist(point, moved) - radius)
    return least - scene.case.robot


class Spy:
    """A belief that keeps what it gave."""

    def __init__(self, belief):
        self.belief, self.given = belief, []

    def sample(self, rng, count):
        self.given.append(self.belief.sample(rng, count))
        return self.given[-1]


# plans


def test_poses_are_those_of_a_unicycle_integrated_in_small_steps():
    start = np.array([1.0, 2.0, 0.5, -0.7])
    plan = Plan(start, wavy(3, climb=0.4))
    fine = integrated(start, plan.controls)
    np.testing.assert_allclose(plan.poses(5), fine[::100], atol=1e-6)
    np.testing.assert_allclose(plan.pose(2), fine[2000], atol=1e-6)


@pytest.mark.parametrize(
    "start, controls, words",
    [
        (np.zeros(3), np.zeros((2, 2, 3)), "pose"),
        (np.zeros(4), np.zeros((2, 3)), "controls"),
        (np.zeros(4), np.full((1, 2, 3), np.nan), "finite"),
        (np.array([0.0, np.inf, 0.0, 0.0]), np.zeros((1, 2, 3)), "finite"),
    ],
)
def test_a_plan_of_the_wrong_shape_or_with_nan_is_refused(start, controls, words):
    with pytest.raises(ConfigError, match=words):
        Plan(start, controls)


# scenes


@pytest.mark.parametrize("case", CASES)
def test_equal_seeds_give_equal_scenes_with_room_around_start_and_goal(case):
    one, same, other = generate(case, 5), generate(case, 5), generate(case, 6)
    np.testing.assert_array_equal(one.centre, same.centre)
    assert one.centre.shape != other.centre.shape or not np.array_equal(one.centre, other.centre)
    room = one.case.start_room - 1e-9
    assert one.clearance(one.start[:3]) >= room and one.clearance(one.goal) >= room


def test_an_unknown_case_is_named():
    with pytest.raises(UnknownNameError, match="driving, hovercraft"):
        generate("boat", 0)


def test_beliefs_stay_in_their_support_and_fill_it():
    x = AIR_BELIEF.sample(np.random.default_rng(0), 50_000)
    assert (np.abs(x[:, :4]) <= 3.0 * AIR_BELIEF.std).all()
    np.testing.assert_allclose(x[:, :4].std(axis=0), AIR_BELIEF.std * 0.9866, rtol=0.02)  # cut at 3 std
    np.testing.assert_allclose(x[:, 4:].mean(axis=0), AIR_BELIEF.drift / 2.0, rtol=0.02)
    corners = AIR_BELIEF.corners()
    assert len(np.unique(corners, axis=0)) == 64 and corners[:, 4:].min() == 0.0


# nominal plans


@pytest.mark.parametrize("case, margin", [("driving", 0.0), ("driving", 0.2), ("hovercraft", 0.1)])
def test_nominal_plans_reach_the_goal_within_limits_and_keep_their_margin(case, margin):
    limits = CASES[case].limits
    for seed in range(3):
        scene = generate(case, 40_000 + seed)
        plan = next(nominal.solve(scene, margin, routes=3)).plan
        path = integrated(scene.start, plan.controls, 25)
        assert judged(scene, path[:, :3], np.zeros(len(path))) >= margin - 0.02
        assert math.dist(path[-1, :3], scene.goal) <= 0.11
        v, w = plan.controls[..., 0], plan.controls[..., 1]
        assert limits.slowest - 1e-6 <= v.min() and v.max() <= limits.fastest + 1e-6
        assert (np.abs(w) <= np.minimum(limits.turn_rate, limits.curvature * v) + 1e-4).all()
        assert (np.abs(np.diff(v[:, 0])) <= limits.change + 1e-4).all()


def test_a_closed_road_has_no_nominal_plan():
    assert list(nominal.solve(road(gate(-0.3)), 0.0, routes=3)) == []


def test_an_elastic_plan_gives_up_margin_only_in_the_narrow_gap():
    scene = road(gate(0.2))
    assert list(nominal.solve(scene, 0.4, routes=3)) == []
    found = next(nominal.solve(scene, 0.4, elastic=True))
    at_gate = int(np.argmin(np.abs(found.plan.poses(1)[1::2, 0] - 6.0)))
    assert found.kappa[at_gate] < 0.7
    far = [k for s, k in enumerate(found.kappa) if abs(s - at_gate) > 2]
    assert min(far) > 0.95
    path = integrated(scene.start, found.plan.controls, 25)
    assert judged(scene, path[:, :3], np.zeros(len(path))) > 0.1


# particles


@pytest.mark.parametrize("case, belief, climb", [(DRIVING, BELIEF, 0.0), (HOVERCRAFT, AIR_BELIEF, 0.3)])
def test_particles_move_as_the_plant_of_the_executor(case, belief, climb):
    plan = Plan(np.array([4.0, 3.0, 1.5, 0.3]) * [1, 1, case.dimension - 2, 1], wavy(4, climb))
    x = belief.sample(np.random.default_rng(1), 20)
    scene = dataclasses.replace(generate(case, 0), start=plan.start)
    drives = driven(scene, plan, x)
    rollouts = Rollouts(case)
    at_start = rollouts.carry(x, plan.controls[:3])
    path, _ = rollouts.path(at_start, plan.pose(3), plan.controls[3])
    for k, done in enumerate(drives):
        np.testing.assert_allclose(path[:, k], done.path[300::10, : case.dimension], atol=2e-3)
    many = rollouts.paths(at_start, plan.pose(3), plan.controls[2:4])
    np.testing.assert_allclose(many[1], path, atol=1e-5)


@pytest.mark.parametrize("case, belief", [("driving", BELIEF), ("hovercraft", AIR_BELIEF)])
def test_contacts_are_those_of_a_judge_with_fine_steps(case, belief):
    scene = generate(case, 40_001)
    plan = next(nominal.solve(scene, 0.0)).plan
    x = belief.sample(np.random.default_rng(2), 300)
    contacts = Contacts(scene, 300, np.random.default_rng(0))
    touched = np.any([t for t, _ in walk(Rollouts(scene.case), contacts, x, plan)], axis=0)
    clearance = np.array([d.clearance for d in driven(scene, plan, x)])
    assert 0 < touched.sum() < 300
    assert touched[clearance <= 0.0].all()  # no contact is missed
    assert not touched[clearance > 0.012].any()  # and none invented, beyond the growth of 5 mm


def test_a_particle_that_is_not_finite_touches():
    scene = road([(6.0, 1.0, 0.3)])
    paths = np.zeros((1, 11, 2, 2), np.float32) + 3.0
    paths[0, 5:, 1] = np.nan
    assert Contacts(scene, 2, np.random.default_rng(0)).touched(paths, 0.0)[0].tolist() == [False, True]


def test_moving_and_uncertain_discs_are_met_where_they_are():
    crossing = road([(3.0, 6.0, 0.4)], velocity=np.array([[0.0, -1.5, 0.0]]))
    plan = Plan(crossing.start, straight(4))
    x = np.zeros((500, 4))
    rollouts, rng = Rollouts(DRIVING), np.random.default_rng(0)

    def share(scene, plan):
        return np.any([t for t, _ in walk(rollouts, Contacts(scene, 500, rng), x, plan)], axis=0).mean()

    assert share(crossing, plan) == 1.0  # both are at (3, 3) after 2 s
    assert share(crossing, Plan(crossing.start, straight(4, 0.4))) == 0.0
    unsure = road([(3.0, 3.9, 0.4)], position_std=np.array([0.5]))
    # touched if the disc's y, N(3.9, 0.5), is within 0.65 m of the path y = 3
    expected = 0.5 * (math.erf(1.55 / 0.5 / math.sqrt(2.0)) - math.erf(0.25 / 0.5 / math.sqrt(2.0)))
    assert share(unsure, plan) == pytest.approx(expected, abs=0.08)
    slower = road([(3.0, 6.0, 0.4)], velocity=np.array([[0.0, -1.3, 0.0]]))
    avoiding = next(nominal.solve(slower, 0.1, routes=3)).plan
    path = integrated(slower.start, avoiding.controls, 25)
    assert judged(slower, path[:, :3], np.linspace(0.0, avoiding.segments, len(path))) >= 0.08
    with pytest.raises(ConfigError, match="stand still"):
        Contacts(dataclasses.replace(generate("hovercraft", 0), velocity=np.zeros((1, 3))), 5, rng)


# candidates


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_lattice_moves_the_end_sideways_keeps_the_heading_and_the_limits(case):
    segment = straight(1)[0]
    found = lattice(case, segment)
    assert len(found.cost) == len(OFFSETS) * len(SCALINGS) * (case.dimension - 1)
    ends = np.array([integrated(np.zeros(4), c[None], 50)[-1] for c in found.controls])
    full = slice(2, 45, 5)  # scaling 1
    np.testing.assert_allclose(ends[full, 1], OFFSETS, atol=0.03)
    np.testing.assert_allclose(ends[:45, 3], 0.0, atol=1e-9)
    unchanged = int(np.argmin(found.cost))
    assert found.cost[unchanged] == 0.0
    np.testing.assert_allclose(found.controls[unchanged], segment, atol=1e-12)
    if case.dimension == 3:
        np.testing.assert_allclose(ends[45:][full, 2], OFFSETS, atol=1e-9)
    v, w = found.controls[..., 0], found.controls[..., 1]
    assert case.limits.slowest <= v.min() and v.max() <= case.limits.fastest
    assert (np.abs(w) <= np.minimum(case.limits.turn_rate, case.limits.curvature * v) + 1e-12).all()


def test_the_gradient_of_the_softened_risk_is_its_slope_and_leads_away_from_the_disc():
    scene = road([(2.0, 3.5, 0.4)])
    rollouts, x = Rollouts(DRIVING), BELIEF.sample(np.random.default_rng(0), 1000)
    around, segment = surroundings(scene, scene.start, 0.0), straight(1)[0]
    _, slope = rollouts.soft_gradient(x, scene.start, segment, around)
    for index, step in (((0, 0), 2e-2), ((0, 1), 5e-2), ((1, 1), 5e-2)):
        moved = [segment.copy(), segment.copy()]
        moved[0][index] -= step
        moved[1][index] += step
        low, high = (rollouts.soft_gradient(x, scene.start, m, around)[0] for m in moved)
        assert slope[index] == pytest.approx((high - low) / (2.0 * step), rel=0.1, abs=2e-3)
    found, values = descent(rollouts, x, scene.start, segment, around)
    after, _ = rollouts.soft_gradient(x, scene.start, found.controls[-1], around)
    assert after < 0.5 * values[0]
    assert found.controls[-1][0, 1] < 0.0  # to the right, the disc is on the left


# checks


def test_the_papers_limit_of_1e_4_needs_29956_particles_in_a_single_check():
    once = {"per_segment": 1e-4, "checks": 1, "segments": 1}
    with pytest.raises(ConfigError, match="29956"):
        RiskLimits(particles=29_955, **once)
    limits = RiskLimits(particles=29_956, **once)
    scene = road([(6.0, 1.0, 0.3)])
    checker = Checker(scene, Rollouts(DRIVING), limits, np.random.default_rng(0))
    found = checker.check(Plan(scene.start, straight(1)))
    assert found.accepted == 1 and found.hits.tolist() == [0] and found.upper[0] <= 1e-4


def test_every_bound_shares_delta_among_checks_and_segments():
    assert RiskLimits(delta=0.05, checks=10, segments=20).level == pytest.approx(0.05 / 200)
    with pytest.raises(ConfigError, match="checks"):
        RiskLimits(checks=0)


def test_a_check_counts_first_contacts_on_fresh_particles_and_bounds_their_union():
    scene = road([(4.0, 3.75, 0.4), (7.0, 2.3, 0.4)], Spy(BELIEF))
    plan, rollouts = Plan(scene.start, straight(9)), Rollouts(DRIVING)
    limits = RiskLimits(epsilon=0.9, particles=2000)
    checker = Checker(scene, rollouts, limits, np.random.default_rng(3))
    found = checker.check(plan)
    fresh = scene.belief.given[0]
    first = [
        next((t for t in range(901) if judged_at(scene, d.path, t)), None)
        for d in driven(scene, plan, fresh[:400])
    ]
    by_segment = np.bincount([min(max(t - 1, 0) // 100, 8) for t in first if t is not None], minlength=9)
    assert found.accepted == 9 and (found.hits > 0).sum() >= 2
    np.testing.assert_allclose(found.hits / 2000, by_segment / 400, atol=0.03)
    assert found.bound == found.upper[-1] >= found.hits.sum() / 2000
    checker.check(plan)
    assert not np.array_equal(scene.belief.given[0], scene.belief.given[1])


def judged_at(scene, path, t):
    return judged(scene, path[t : t + 1], [0.0]) <= 0.0


def test_a_check_accepts_up_to_the_risky_segment_and_spends_what_it_accepts():
    scene = road([(6.0, 3.3, 0.5)])
    plan = Plan(scene.start, straight(9))
    checker = Checker(scene, Rollouts(DRIVING), RiskLimits(checks=2), np.random.default_rng(0))
    found = checker.check(plan)
    assert 3 <= found.accepted <= 4  # the disc begins at x = 5.25, 4.25 s on the way
    assert checker.spent == found.bound > 0.0
    again = checker.check(plan, found.accepted)
    assert again.accepted == 0 and checker.spent == found.bound
    with pytest.raises(ConfigError, match="not checked"):
        checker.check(plan)


def test_wrong_acceptance_is_as_rare_as_it_says():
    # a plan whose true risk is twice the limit: accepted with probability at most delta
    scene, rollouts = road([(4.0, 3.0 + 0.25 + 0.4 + 0.06, 0.4)]), Rollouts(DRIVING)
    plan = Plan(scene.start, straight(5))
    x = BELIEF.sample(np.random.default_rng(9), 100_000)
    contacts = Contacts(scene, len(x), np.random.default_rng(0))
    p = sum(t.sum() for t, _ in walk(rollouts, contacts, x, plan)) / len(x)
    limits = RiskLimits(epsilon=0.9 * p, delta=0.2, checks=1, segments=5, particles=500)
    accepted = 0
    for seed in range(60):
        checker = Checker(scene, rollouts, limits, np.random.default_rng(seed))
        accepted += checker.check(plan).accepted == 5
    assert accepted <= 60 * 0.2


# the loop


def test_the_planner_perturbs_a_risky_nominal_plan_and_the_true_risk_keeps_the_limit():
    scene = road([(4.0, 3.3, 0.5), (7.5, 2.8, 0.5)])
    rejected = next(nominal.solve(scene, 0.0)).plan
    mission = RiskPlanner(DRIVING).plan(scene, np.random.default_rng(0))
    assert mission.plan is not None and mission.perturbations and mission.brake is None
    assert mission.bound <= 1e-2
    truths = BELIEF.sample(np.random.default_rng(5), 1000)
    assert np.mean([d.contact for d in driven(scene, rejected, truths)]) > 0.1
    drives = driven(scene, mission.plan, truths)
    assert np.mean([d.contact for d in drives]) <= 0.02  # 1e-2 and three standard errors
    assert np.mean([d.success for d in drives]) >= 0.98
    figure = mission_figure(scene, mission, 1e-2)
    assert "candidates" in figure.axes[1].get_title() and figure.axes[0].get_title() == "accepted plan"


def test_a_gap_too_narrow_for_the_belief_is_not_driven_and_the_robot_would_brake():
    scene = road(gate(0.06), TrackingBelief(2.0 * BELIEF.std, np.array([0.5])))
    mission = RiskPlanner(DRIVING).plan(scene, np.random.default_rng(0))
    assert mission.plan is None and "segment" in mission.reason
    assert mission.brake is not None
    assert mission.brake.controls[-1, -1, 0] < 0.5 * mission.brake.controls[-2, -1, 0]
    assert mission.brake.pose(mission.brake.segments)[0] < 6.0
    sure = dataclasses.replace(scene, belief=TrackingBelief(BELIEF.std / 20.0, np.array([0.5])))
    assert RiskPlanner(DRIVING).plan(sure, np.random.default_rng(0)).plan is not None


def test_a_closed_road_is_answered():
    mission = RiskPlanner(DRIVING).plan(road(gate(-0.3)), np.random.default_rng(0))
    assert mission.plan is None and mission.checks == 0 and "no nominal plan" in mission.reason
    assert mission_figure(road(gate(-0.3)), mission, 1e-2).axes


# baselines, executor, journal


def test_the_baselines_differ_as_they_say():
    scene = road([(6.0, 3.2, 0.5)])
    rng = np.random.default_rng(0)
    extremes = np.concatenate([BELIEF.corners(), BELIEF.sample(rng, 200)])
    least = {}
    for name in ("original", "d=0.2", "reach"):
        plan = method(name, DRIVING)(scene, rng).plan
        assert plan is not None
        least[name] = min(d.clearance for d in driven(scene, plan, extremes))
    assert least["original"] < least["d=0.2"] and least["original"] < 0.0 < least["reach"]
    assert method("d=1", DRIVING)(road(gate(0.9)), rng).plan is None
    assert method("reach", DRIVING)(road(gate(0.15)), rng).plan is None
    with pytest.raises(UnknownNameError, match="original"):
        method("hope", DRIVING)


def test_the_executor_stays_on_a_straight_reference_and_sees_contact_edge_and_arrival():
    free = road([])
    plan = Plan(free.start, straight(10))
    done = driven(free, plan, np.zeros((1, 4)))[0]
    np.testing.assert_allclose(done.path[::100, 0], 1.0 + np.arange(11), atol=1e-9)
    assert done.success and done.clearance == pytest.approx(0.75, abs=1e-6)
    beside = driven(road([(5.0, 4.0, 0.74)]), plan, np.zeros((1, 4)))[0]
    assert not beside.contact and beside.clearance == pytest.approx(0.01, abs=1e-4)
    assert driven(road([(5.0, 4.0, 0.76)]), plan, np.zeros((1, 4)))[0].contact
    off = driven(free, Plan(free.start, straight(12)), np.zeros((1, 4)))[0]
    assert off.contact and not off.arrived
    assert not driven(free, Plan(free.start, straight(5)), np.zeros((1, 4)))[0].arrived


def study():
    path = Path(__file__).parents[2] / "benchmarks" / "density" / "planning.py"
    spec = importlib.util.spec_from_file_location("planning", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_stopped_study_goes_on_from_its_journal(tmp_path, monkeypatch):
    planning, asked = study(), []

    def rows(case, seeds):
        asked.append(seeds)
        return [{"seed": seed} for seed in seeds]

    monkeypatch.setattr(planning, "rows", rows)
    monkeypatch.setattr(planning, "HERE", tmp_path)
    chunks = planning._chunks("driving", 50)
    next(chunks), next(chunks)
    chunks.close()
    journal = tmp_path / "planning" / "driving.jsonl"
    with journal.open("a", encoding="utf-8") as torn:
        torn.write('{"seed": 2')  # killed while writing
    done = [row["seed"] for chunk in planning._chunks("driving", 50) for row in chunk]
    assert done == list(range(50)) and asked == [range(0, 20), range(20, 40), range(40, 50)]
    assert [json.loads(line)["seed"] for line in journal.read_text().splitlines()] == done


def test_rates_and_headline_of_the_study():
    planning = study()
    made = [{"feasible": True, "contact": k < 2, "success": k >= 2, "seconds": 0.1} for k in range(8)]
    made += 2 * [{"feasible": False, "seconds": 0.1}]
    table = planning.summary(made)
    assert [table[k]["rate"] for k in ("feasibility", "safety", "success")] == [0.8, 0.75, 0.6]
    assert table["safety"]["low"] < 0.75 < table["safety"]["high"]
    good = planning.summary([{"feasible": True, "contact": False, "success": True, "seconds": 0.1}] * 10)
    part = {"driving": dict.fromkeys(METHODS, table) | {"ours": good}}
    assert planning.headline(part)["planning_driving_lead"] == 1.0  # no baseline is safe
    part["driving"]["reach"] = planning.summary(
        [{"feasible": k < 7, "contact": False, "success": True, "seconds": 0.1} for k in range(10)]
    )
    assert planning.headline(part)["planning_driving_lead"] == pytest.approx(0.3)


def test_advance_of_a_turn_in_place_is_exact():
    turned = advance(np.zeros(4), np.array([0.0, 1.0, 0.2]), np.array(0.5))
    np.testing.assert_allclose(turned, [0.0, 0.0, 0.1, 0.5])
