# SPDX-License-Identifier: Apache-2.0
"""Rows against coal's distances and against finite differences along trajectories."""

import coal
import numpy as np
import pinocchio as pin
import pytest

from reflexarc.barrier.arm.kinematics import build_tree, jacobians, move, new_motion, new_pose, place
from reflexarc.barrier.arm.rows import (
    BOX,
    OBSTACLE,
    PAIR,
    PLANE,
    SINGULARITY,
    Task,
    capacity,
    fill_rows,
    new_rows,
)
from reflexarc.barrier.arm.scene import SphereObstacles, Workspace, table
from reflexarc.core.errors import ConfigError
from tests.barrier.arm.conftest import configuration, tabletop

STEP = 1e-5


class Evaluator:
    """All rows of one arm and scene, unscreened."""

    def __init__(self, arm, obstacles):
        self.tree, radius = build_tree(arm)
        self.obstacles = obstacles
        points = len(self.tree.point)
        self.task = Task(
            radius=radius,
            moving=arm.spheres.moving,
            planes=table(0.05),
            pairs=np.array(arm.spheres.pairs),
            box=np.array([[0.15, -0.25, 0.25], [0.75, 0.25, 0.75]]),
            least=1e-3,
            margin=np.zeros(points),
            alpha=10.0,
            top_speed=np.full(points, np.inf),
        )
        self.pose, self.motion = new_pose(self.tree), new_motion(self.tree)
        self.jacobian = np.zeros((points, 3, arm.n))
        self.rows = new_rows(capacity(self.task, len(obstacles)), arm.n)

    def __call__(self, q, dq, second_order, after=0.0):
        o = self.obstacles
        place(self.tree, q, self.pose)
        move(self.tree, self.pose, dq, self.motion)
        jacobians(self.tree, self.pose, self.jacobian)
        return fill_rows(
            self.tree,
            self.pose,
            self.motion,
            self.jacobian,
            self.task,
            o.position + o.velocity * after,
            o.velocity,
            o.radius + o.clearance,
            o.acceleration,
            second_order,
            self.rows,
        )


@pytest.fixture(scope="module")
def moving():
    still = tabletop(6)
    velocity = np.random.default_rng(8).normal(size=(6, 3))
    return SphereObstacles.create(still.position, still.radius, velocity, clearance=0.02)


def test_there_is_one_row_for_each_thing_that_could_be_touched(panda, moving):
    evaluate = Evaluator(panda, moving)
    count, *_ = evaluate(panda.home, np.zeros(7), False)
    kinds = evaluate.rows.label[:count, 0].tolist()
    assert kinds.count(OBSTACLE) == 21 * 6
    assert kinds.count(PLANE) == 21
    assert kinds.count(PAIR) == len(panda.spheres.pairs)
    assert kinds.count(BOX) == 6
    assert kinds.count(SINGULARITY) == 1


def test_distances_are_those_of_coal(panda, moving):
    evaluate, data, rng = Evaluator(panda, moving), panda.model.createData(), np.random.default_rng(0)
    balls = [coal.Sphere(float(r)) for r in panda.spheres.radius]
    things = [coal.Sphere(float(r)) for r in moving.radius + moving.clearance]
    floor = coal.Halfspace(np.array([0.0, 0.0, 1.0]), 0.05)
    request = coal.DistanceRequest()
    for _ in range(5):
        q = configuration(panda, rng)
        count, least, *_ = evaluate(q, np.zeros(7), False)
        pin.framesForwardKinematics(panda.model, data, q)
        at = []
        for link, centre in zip(panda.spheres.links, panda.spheres.centre, strict=True):
            at.append(
                coal.Transform3s(np.eye(3), data.oMf[panda.model.getFrameId(link)].act(np.array(centre)))
            )
        smallest = np.inf
        for row in range(count):
            kind, i, j = evaluate.rows.label[row]
            if kind == OBSTACLE:
                other, where = things[j], coal.Transform3s(np.eye(3), moving.position[j])
            elif kind == PLANE:
                other, where = floor, coal.Transform3s.Identity()
            elif kind == PAIR:
                other, where = balls[j], at[j]
            else:
                continue
            expected = coal.distance(balls[i], at[i], other, where, request, coal.DistanceResult())
            assert evaluate.rows.h[row] == pytest.approx(expected, abs=1e-9)
            smallest = min(smallest, expected)
        assert least == pytest.approx(smallest, abs=1e-9)


def test_gradients_and_rates_agree_with_finite_differences(panda, moving):
    evaluate, rng = Evaluator(panda, moving), np.random.default_rng(1)
    still = np.zeros(7)
    for _ in range(3):
        q = configuration(panda, rng)
        count, *_ = evaluate(q, still, False)
        gradient, rate = evaluate.rows.gradient[:count].copy(), evaluate.rows.rate[:count].copy()
        for j in range(7):
            ends = []
            for sign in (1, -1):
                evaluate(q + sign * STEP * np.eye(7)[j], still, False)
                ends.append(evaluate.rows.h[:count].copy())
            assert np.allclose(gradient[:, j], (ends[0] - ends[1]) / (2 * STEP), atol=1e-5)
        ends = []
        for sign in (1, -1):
            evaluate(q, still, False, sign * STEP)
            ends.append(evaluate.rows.h[:count].copy())
        assert np.allclose(rate, (ends[0] - ends[1]) / (2 * STEP), atol=1e-5)


def test_second_derivatives_along_a_parabola_agree_with_differences(panda, moving):
    evaluate, rng, step = Evaluator(panda, moving), np.random.default_rng(2), 1e-4
    for _ in range(3):
        q, dq, ddq = configuration(panda, rng), rng.normal(size=7), 3.0 * rng.normal(size=7)
        count, *_ = evaluate(q, dq, True)
        rows = evaluate.rows
        distances = (
            rows.label[:count, 0] != SINGULARITY
        )  # whose second derivative the torque filter adds itself
        first, second = rows.rate[:count].copy(), rows.gradient[:count] @ ddq + rows.bend[:count]
        values = []
        for t in (-step, 0.0, step):
            evaluate(q + t * dq + 0.5 * t * t * ddq, dq, True, t)
            values.append(rows.h[:count].copy())
        assert np.allclose(first[distances], ((values[2] - values[0]) / (2 * step))[distances], atol=1e-4)
        bend = ((values[2] - 2.0 * values[1] + values[0]) / step**2)[distances]
        assert np.allclose(second[distances], bend, rtol=1e-3, atol=1e-3)


def test_each_row_has_the_margin_of_the_points_that_move_in_it(panda, moving):
    evaluate = Evaluator(panda, moving)
    margin = np.linspace(0.001, 0.02, len(evaluate.tree.point))
    evaluate.task = evaluate.task._replace(margin=margin)
    expected = {
        OBSTACLE: lambda i, j: margin[i],
        PLANE: lambda i, j: margin[i],
        PAIR: lambda i, j: margin[i] + margin[j],
        BOX: lambda i, j: margin[-1],
        SINGULARITY: lambda i, j: 0.0,
    }
    for second_order in (False, True):
        count, *_ = evaluate(panda.home, np.zeros(7), second_order)
        for row in range(count):
            kind, i, j = evaluate.rows.label[row].tolist()
            assert evaluate.rows.margin[row] == expected[kind](i, j)


def test_concentric_spheres_give_a_row_without_direction(panda):
    evaluate = Evaluator(panda, tabletop(0))
    place(evaluate.tree, panda.home.copy(), evaluate.pose)
    centre = evaluate.pose.point[10].copy()
    obstacles = SphereObstacles.create(centre[None], np.array([0.05]))
    evaluate = Evaluator(panda, obstacles)
    for second_order in (False, True):
        count, least, kind, first, _ = evaluate(panda.home, np.zeros(7), second_order)
        row = next(i for i in range(count) if tuple(evaluate.rows.label[i, :2]) == (OBSTACLE, 10))
        assert np.array_equal(evaluate.rows.gradient[row], np.zeros(7))
        assert np.isfinite([evaluate.rows.h[row], evaluate.rows.rate[row], evaluate.rows.bend[row]]).all()
        assert (kind, first) == (OBSTACLE, 10)
        assert least == pytest.approx(-panda.spheres.radius[10] - 0.05)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SphereObstacles.create(np.zeros((2, 2)), np.zeros(2)), r"shape \(m, 3\), got \(2, 2\)"),
        (lambda: SphereObstacles.create(np.zeros((2, 3)), np.zeros(3)), r"radii must have shape \(2,\)"),
        (
            lambda: SphereObstacles.create(np.zeros((2, 3)), np.zeros(2), np.zeros(3)),
            "velocities must have shape",
        ),
        (lambda: Workspace(planes=np.array([[0.0, 0.0, 2.0, 0.1]])), "unit length"),
        (lambda: Workspace(planes=np.zeros((1, 3))), r"got shape \(1, 3\)"),
        (lambda: Workspace(box_low=np.zeros(3)), "together"),
        (lambda: Workspace(box_low=np.ones(3), box_high=np.zeros(3)), "must lie below"),
        (lambda: Workspace(manipulability=-1.0), "must be positive"),
    ],
)
def test_a_scene_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
