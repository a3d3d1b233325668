# SPDX-License-Identifier: Apache-2.0
"""The velocity filter in closed loop, judged by coal on the arm's own shapes, and its answers to bad input."""

import coal
import numpy as np
import pinocchio as pin
import pytest
from scipy.optimize import LinearConstraint, minimize

from reflexarc.barrier.arm.primitives import PrimitiveRows, Shape
from reflexarc.barrier.arm.scene import SphereObstacles, Workspace, no_obstacles, table
from reflexarc.barrier.arm.velocity_filter import VelocityFilter
from reflexarc.barrier.arm.verdict import Status
from reflexarc.core.errors import ConfigError
from tests.barrier.arm.conftest import configuration, tabletop

PERIOD = 0.002
TABLE = 0.0


class Judge:
    """Smallest distance of the arm's primitive shapes from obstacles, table and each other, by pinocchio and coal."""

    def __init__(self, arm, radii):
        self.arm, self.shapes = arm, pin.GeometryModel(arm.geometry)
        own = self.shapes.ngeoms
        self.own = own
        moving = [g for g in range(own) if self.shapes.geometryObjects[g].parentJoint > 1]
        for i, r in enumerate(radii):
            thing = pin.GeometryObject(f"o{i}", 0, pin.SE3.Identity(), coal.Sphere(float(r)))
            added = self.shapes.addGeometryObject(thing)
            for g in moving:
                self.shapes.addCollisionPair(pin.CollisionPair(g, added))
        floor = pin.GeometryObject(
            "table", 0, pin.SE3(np.eye(3), np.array([0, 0, TABLE - 0.5])), coal.Box(9, 9, 1)
        )
        added = self.shapes.addGeometryObject(floor)
        for g in moving:
            self.shapes.addCollisionPair(pin.CollisionPair(g, added))
        self.data, self.results = arm.model.createData(), self.shapes.createData()

    def __call__(self, q, position):
        for i, p in enumerate(position):
            self.shapes.geometryObjects[self.own + i].placement = pin.SE3(np.eye(3), p)
        pin.computeDistances(self.arm.model, self.data, self.shapes, self.results, q)
        return min(r.min_distance for r in self.results.distanceResults)


def _reach(arm, rng):
    """Return a joint-space controller towards random configurations, changing every second."""
    goal = {}

    def target(q, step):
        if step % 500 == 0:
            goal["q"] = rng.uniform(arm.lower - 0.3, arm.upper + 0.3)
        return np.clip(6.0 * (goal["q"] - q), -arm.max_velocity, arm.max_velocity)

    return target


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_touched_whatever_is_proposed_among_things_that_stand(panda, seed):
    obstacles = tabletop(8, seed)
    keep = np.linalg.norm(obstacles.position - np.array([0.307, 0.0, 0.49]), axis=1) > 0.35
    obstacles = SphereObstacles.create(obstacles.position[keep], 0.6 * obstacles.radius[keep])
    filtering = VelocityFilter(panda, Workspace(planes=table(TABLE)), PERIOD)
    judge, target = Judge(panda, obstacles.radius), _reach(panda, np.random.default_rng(seed))
    q, dq, smallest, changed, unfiltered = panda.home.copy(), np.zeros(7), np.inf, 0, panda.home.copy()
    touched = False
    for step in range(6000):
        verdict = filtering.step(q, dq, target(q, step), obstacles)
        assert verdict.status in (Status.PASSED, Status.FILTERED), verdict.reason
        assert verdict.h >= 0.0
        assert (np.abs(verdict.command) <= panda.max_velocity).all()
        changed += verdict.status == Status.FILTERED
        dq = verdict.command
        q = q + PERIOD * dq
        assert (q >= panda.lower - 1e-9).all() and (q <= panda.upper + 1e-9).all()
        if step % 30 == 0:
            smallest = min(smallest, judge(q, obstacles.position))
            proposed = np.clip(unfiltered, panda.lower, panda.upper)
            touched = touched or judge(proposed, obstacles.position) < 0.0
        unfiltered = unfiltered + PERIOD * target(unfiltered, 1)
    assert smallest > 0.0
    assert changed > 100
    assert touched, "the proposals alone hit something; otherwise the test says nothing"


def test_a_thing_that_moves_is_avoided_while_the_arm_can(panda):
    """A ball comes along y at 0.3 m/s and leaves again; its velocity is told."""
    filtering = VelocityFilter(panda, Workspace(planes=table(TABLE)), PERIOD)
    judge, q, dq, smallest, blind = Judge(panda, [0.12]), panda.home.copy(), np.zeros(7), np.inf, np.inf
    for step in range(2500):
        t = step * PERIOD
        at, speed = np.array([[0.4, -0.75 + 0.3 * t, 0.5]]), np.array([[0.0, 0.3, 0.0]])
        ball = SphereObstacles.create(at, np.array([0.12]), speed)
        verdict = filtering.step(q, dq, 3.0 * (panda.home - q), ball)
        assert verdict.status in (Status.PASSED, Status.FILTERED)
        dq = verdict.command
        q = q + PERIOD * dq
        if step % 10 == 0:
            smallest = min(smallest, judge(q, at + PERIOD * speed))
            blind = min(blind, judge(panda.home, at + PERIOD * speed))
    assert smallest > 0.0
    assert blind < 0.0, "an arm that stays is hit"


def test_what_the_margin_promises_holds_at_a_slow_rate_and_fails_without_it(panda):
    """At 20 Hz and full speed towards a ball, looked at between the samples too."""
    period, gap = 0.05, {False: np.inf, True: np.inf}
    radius = panda.spheres.radius[: panda.spheres.moving]
    for held in (False, True):
        filtering = VelocityFilter(
            panda, Workspace(self_collision=False), period, alpha=20.0, sampled_data_margin=held
        )
        rng, runs = np.random.default_rng(5), 0
        while runs < 25:
            q = configuration(panda, rng)
            direction = rng.choice([-1.0, 1.0], 7) * panda.max_velocity
            ahead = filtering.centres(q + 4 * period * direction)[20]
            ball = SphereObstacles.create(ahead[None], np.array([0.05]))
            if filtering.step(q, np.zeros(7), np.zeros(7), ball).h < 0.2:
                continue
            runs += 1
            for _ in range(8):
                verdict = filtering.step(q, np.zeros(7), direction, ball)
                assert verdict.status <= Status.FILTERED or not held
                for part in np.linspace(0.0, 1.0, 5):
                    now = filtering.centres(q + part * period * verdict.command)[: len(radius)]
                    apart = np.linalg.norm(now - ahead, axis=1) - radius - 0.05
                    gap[held] = min(gap[held], float(apart.min()))
                q = q + period * verdict.command
    assert gap[True] >= 0.0
    assert gap[False] < 0.0


def _sphere_centres(arm, q):
    data = arm.model.createData()
    pin.framesForwardKinematics(arm.model, data, q)
    spheres = arm.spheres
    places = zip(spheres.links, spheres.centre, strict=True)
    return np.array([data.oMf[arm.model.getFrameId(link)].act(np.array(c)) for link, c in places])


def test_the_command_is_the_nearest_one_that_keeps_every_row(panda):
    """Against a general-purpose optimiser on rows made of pinocchio's Jacobians."""
    alpha, obstacles = 10.0, tabletop(5)
    filtering = VelocityFilter(
        panda, Workspace(planes=table(TABLE), self_collision=False), 1e-3, alpha, sampled_data_margin=False
    )
    rng, compared = np.random.default_rng(3), 0
    while compared < 12:
        q, target = configuration(panda, rng), rng.uniform(-1, 1, 7) * panda.max_velocity
        verdict = filtering.step(q, np.zeros(7), target, obstacles)
        if verdict.status != Status.FILTERED or verdict.h < 0.0 or verdict.programme_rows == 0:
            continue
        compared += 1
        normals, offsets = _rows_by_pinocchio(panda, q, obstacles, alpha)
        low = np.maximum(-panda.max_velocity, alpha * (panda.lower - q))
        high = np.minimum(panda.max_velocity, alpha * (panda.upper - q))
        reference = minimize(
            lambda u, t=target: 0.5 * np.sum((u - t) ** 2),
            np.zeros(7),
            jac=lambda u, t=target: u - t,
            bounds=list(zip(low, high, strict=True)),
            constraints=LinearConstraint(normals, -np.inf, offsets),
            method="SLSQP",
            options={"maxiter": 300, "ftol": 1e-14},
        )
        assert reference.success
        assert np.allclose(verdict.command, reference.x, atol=1e-5)


def _rows_by_pinocchio(arm, q, obstacles, alpha):
    data = arm.model.createData()
    pin.computeJointJacobians(arm.model, data, q)
    pin.updateFramePlacements(arm.model, data)
    normals, offsets = [], []
    for i in range(arm.spheres.moving):
        frame = arm.model.frames[arm.model.getFrameId(arm.spheres.links[i])]
        at = frame.placement * pin.SE3(np.eye(3), np.array(arm.spheres.centre[i]))
        jacobian = pin.getFrameJacobian(arm.model, data, frame.parentJoint, at, pin.LOCAL_WORLD_ALIGNED)[:3]
        centre = (data.oMi[frame.parentJoint] * at).translation
        for p, r in zip(obstacles.position, obstacles.radius, strict=True):
            away = centre - p
            distance = np.linalg.norm(away)
            normals.append(-(away / distance) @ jacobian)
            offsets.append(alpha * (distance - r - arm.spheres.radius[i]))
        normals.append(-jacobian[2])
        offsets.append(alpha * (centre[2] - TABLE - arm.spheres.radius[i]))
    return np.array(normals), np.array(offsets)


def test_screening_and_working_sets_do_not_change_the_command(panda):
    space, obstacles = Workspace(planes=table(TABLE)), tabletop(25)
    filters = [
        VelocityFilter(panda, space, 1e-3, screening=screening, working_rows=few)
        for screening, few in ((False, 0), (True, 0), (True, 5), (False, 20))
    ]
    rng, compared = np.random.default_rng(4), 0
    for _ in range(150):
        q, target = configuration(panda, rng), rng.uniform(-1, 1, 7) * panda.max_velocity
        verdicts = [f.step(q, np.zeros(7), target, obstacles) for f in filters]
        assert len({v.status for v in verdicts}) == 1
        assert len({v.rows for v in verdicts}) == 1
        for other in verdicts[1:]:
            assert other.h == verdicts[0].h
            assert np.allclose(other.command, verdicts[0].command, atol=1e-6)
        if verdicts[0].status == Status.FILTERED and verdicts[0].programme_rows:
            compared += 1
            assert verdicts[0].programme_rows == verdicts[0].rows > verdicts[1].programme_rows
    assert compared > 20


def test_the_end_effector_stays_in_its_box_and_away_from_singularities(panda):
    low, high = np.array([0.15, -0.25, 0.25]), np.array([0.75, 0.25, 0.75])
    space = Workspace(box_low=low, box_high=high, manipulability=1e-3)
    filtering, rng = VelocityFilter(panda, space, PERIOD), np.random.default_rng(6)
    data, tool = panda.model.createData(), panda.model.getFrameId(panda.end_effector)
    target, q, lowest, left = _reach(panda, rng), panda.home.copy(), np.inf, 0
    for step in range(2500):
        verdict = filtering.step(q, np.zeros(7), target(q, step), no_obstacles())
        assert verdict.tier != 1, "collisions are never traded for comfort"
        left += verdict.status == Status.RELAXED
        q = q + PERIOD * verdict.command
        jacobian = pin.computeFrameJacobian(panda.model, data, q, tool, pin.LOCAL_WORLD_ALIGNED)
        lowest = min(lowest, np.prod(np.linalg.svd(jacobian, compute_uv=False)))
        pin.framesForwardKinematics(panda.model, data, q)
        if left == 0:
            at = data.oMf[tool].translation
            assert (at >= low - 1e-6).all() and (at <= high + 1e-6).all()
            assert lowest >= 1e-3 - 1e-5


def test_an_end_effector_that_starts_outside_its_box_comes_back_in_good_order(panda):
    low, high = np.array([0.3, -0.1, 0.3]), np.array([0.6, 0.1, 0.6])
    filtering = VelocityFilter(panda, Workspace(box_low=low, box_high=high), PERIOD)
    data, tool = panda.model.createData(), panda.model.getFrameId(panda.end_effector)
    q = panda.home + np.array([1.2, 0.3, 0.0, 0.3, 0.0, 0.0, 0.0])
    gaps = []
    for _ in range(3000):
        pin.framesForwardKinematics(panda.model, data, q)
        at = data.oMf[tool].translation
        gaps.append(float(np.maximum(low - at, at - high).max()))
        verdict = filtering.step(q, np.zeros(7), np.zeros(7), no_obstacles())
        assert verdict.status != Status.BACKUP
        q = q + PERIOD * verdict.command
    assert gaps[0] > 0.2
    assert np.max(-np.diff(gaps)) <= 1.05 * 0.2 * PERIOD
    assert gaps[-1] <= 1e-3


def test_shapes_can_take_the_place_of_spheres(panda):
    things = tabletop(5)
    shapes = [Shape("sphere", (float(r),), p) for p, r in zip(things.position, things.radius, strict=True)]
    rows = PrimitiveRows(panda, shapes, nearest=16, clearance=0.005)
    filtering = VelocityFilter(panda, Workspace(self_collision=False), PERIOD, primitives=rows)
    judge, target = Judge(panda, things.radius), _reach(panda, np.random.default_rng(2))
    q, smallest = panda.home.copy(), np.inf
    for step in range(800):
        verdict = filtering.step(q, np.zeros(7), target(q, step), no_obstacles())
        assert verdict.status in (Status.PASSED, Status.FILTERED)
        q = q + PERIOD * verdict.command
        if step % 20 == 0:
            rows.move_obstacle(0, things.position[0])
            smallest = min(smallest, _without_table(judge, q, things.position))
    assert smallest > 0.0
    assert smallest < 0.05, "nothing came near"


def _without_table(judge, q, position):
    judge(q, position)
    last = judge.shapes.ngeoms - 1
    pairs = zip(judge.shapes.collisionPairs, judge.results.distanceResults, strict=True)
    return min(r.min_distance for p, r in pairs if p.second != last)


def test_an_arm_that_is_boxed_in_is_stopped_within_its_deceleration(panda):
    """Balls that close in from all sides faster than the arm can leave: relaxed or stopped, never a wild command."""
    filtering = VelocityFilter(panda, Workspace(), 1e-3, max_slack=0.05)
    hand = _sphere_centres(panda, panda.home)[17]
    sides = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float)
    balls = SphereObstacles.create(hand + 0.1 * sides, np.full(6, 0.05), -2.0 * sides)
    dq = 0.5 * np.array(panda.max_velocity)
    verdict = filtering.step(panda.home, dq, dq, balls)
    assert verdict.status == Status.BACKUP
    assert verdict.reason
    assert np.allclose(verdict.command, dq - panda.max_acceleration * 1e-3)
    for _ in range(300):
        dq = verdict.command
        verdict = filtering.step(panda.home, dq, dq, balls)
    assert np.array_equal(verdict.command, np.zeros(7))


def test_a_start_inside_an_obstacle_is_relaxed_reported_and_leads_out(panda):
    filtering = VelocityFilter(panda, Workspace(), PERIOD)
    q = panda.home.copy()
    ball = SphereObstacles.create(
        _sphere_centres(panda, q)[20][None] + np.array([0.02, 0, 0]), np.array([0.05])
    )
    first = filtering.step(q, np.zeros(7), np.zeros(7), ball)
    assert first.h < 0.0 and "obstacle 0" in first.nearest
    for _ in range(1500):
        verdict = filtering.step(q, np.zeros(7), np.zeros(7), ball)
        q = q + PERIOD * verdict.command
    assert verdict.h >= -1e-4


def test_concentric_spheres_are_answered_with_the_backup(panda):
    filtering = VelocityFilter(panda, Workspace(), PERIOD)
    ball = SphereObstacles.create(filtering.centres(panda.home)[12][None], np.array([0.05]))
    dq = 0.1 * np.ones(7)
    verdict = filtering.step(panda.home, dq, dq, ball)
    assert verdict.status == Status.BACKUP
    assert "never hold" in verdict.reason or "zero" in verdict.reason
    assert (np.abs(verdict.command) <= np.abs(dq)).all()
    assert "sphere 12" in verdict.nearest


@pytest.mark.parametrize("where", ["q", "dq", "target", "position", "velocity", "radius"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_answered_with_the_backup(panda, where, value):
    filtering = VelocityFilter(panda, Workspace(), PERIOD)
    arrays = {"q": panda.home.copy(), "dq": np.full(7, 0.4), "target": np.ones(7)}
    scene = {
        "position": np.array([[0.5, 0.0, 0.2]]),
        "velocity": np.zeros((1, 3)),
        "radius": np.array([0.05]),
    }
    ({**arrays, **scene})[where].flat[0] = value
    obstacles = SphereObstacles.create(scene["position"], scene["radius"], scene["velocity"])
    verdict = filtering.step(arrays["q"], arrays["dq"], arrays["target"], obstacles)
    assert verdict.status == Status.BACKUP
    assert "not finite" in verdict.reason
    assert np.isfinite(verdict.command).all()
    assert (np.abs(verdict.command) <= 0.4).all()


@pytest.mark.parametrize("age", [-0.001, 0.2, np.nan])
def test_a_state_of_the_wrong_age_is_answered_with_the_backup(panda, age):
    verdict = VelocityFilter(panda, Workspace(), PERIOD).step(
        panda.home, np.zeros(7), np.ones(7), no_obstacles(), age
    )
    assert verdict.status == Status.BACKUP and "old" in verdict.reason


def test_age_carries_state_and_obstacles_forward(panda):
    filtering = VelocityFilter(panda, Workspace(), PERIOD)
    dq, age = 0.3 * np.ones(7), 0.02
    things = tabletop(3)
    speed = np.random.default_rng(1).normal(size=(3, 3))
    then = SphereObstacles.create(things.position, things.radius, speed)
    now = SphereObstacles.create(things.position + age * speed, things.radius, speed)
    carried = filtering.step(panda.home, dq, np.ones(7), then, age)
    fresh = filtering.step(panda.home + age * dq, dq, np.ones(7), now)
    assert np.allclose(carried.command, fresh.command, atol=1e-9)
    assert carried.h == pytest.approx(fresh.h, abs=1e-12)


@pytest.mark.parametrize("which", ["q", "dq", "target"])
def test_a_wrong_dimension_is_refused(panda, which):
    values = {"q": panda.home, "dq": np.zeros(7), "target": np.zeros(7), which: np.zeros(6)}
    with pytest.raises(ConfigError, match=r"panda has 7 joints.*\(6,\)"):
        VelocityFilter(panda, Workspace(), PERIOD).step(**values, obstacles=no_obstacles())


def test_more_obstacles_than_room_are_refused(panda):
    with pytest.raises(ConfigError, match="5 obstacles, the filter was built for 4"):
        VelocityFilter(panda, Workspace(), PERIOD, obstacles=4).step(
            panda.home, np.zeros(7), np.zeros(7), tabletop(5)
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"period": 0.2}, r"alpha \* period <= 1"),
        ({"period": -0.1}, "must be positive"),
        ({"period": 0.01, "weight": np.ones(6)}, "weight must be 7 positive numbers"),
        ({"period": 0.01, "weight": -np.ones(7)}, "weight must be 7 positive numbers"),
        ({"period": 0.01, "max_age": np.nan}, "must not be negative"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(panda, arguments, message):
    with pytest.raises(ConfigError, match=message):
        VelocityFilter(panda, Workspace(), **arguments)
