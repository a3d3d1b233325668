# SPDX-License-Identifier: Apache-2.0
"""Rows of shapes against coal asked about every pair, and against finite differences."""

import numpy as np
import pinocchio as pin
import pytest

from reflexarc.barrier.arm.primitives import PrimitiveRows, Shape
from reflexarc.core.errors import ConfigError, UnknownNameError
from tests.barrier.arm.conftest import configuration, tabletop


def _obstacles():
    balls = tabletop(5)
    shapes = [Shape("sphere", (float(r),), p) for p, r in zip(balls.position, balls.radius, strict=True)]
    turned = pin.utils.rpyToMatrix(0.3, -0.2, 0.5)
    return [
        *shapes,
        Shape("box", (0.2, 0.3, 0.4), np.array([0.6, 0.5, 0.2]), turned),
        Shape("cylinder", (0.05, 0.8), np.array([0.5, -0.5, 0.4])),
        Shape("capsule", (0.06, 0.5), np.array([-0.4, 0.5, 0.5]), turned),
    ]


def _all_pairs(arm, obstacles):
    """Return a function q -> sorted distances of every pair, by pinocchio alone."""
    import coal  # noqa: PLC0415

    shapes = pin.GeometryModel(arm.geometry)
    own = shapes.ngeoms
    kinds = {"sphere": coal.Sphere, "box": coal.Box, "cylinder": coal.Cylinder, "capsule": coal.Capsule}
    for i, o in enumerate(obstacles):
        rotation = np.eye(3) if o.rotation is None else o.rotation
        thing = pin.GeometryObject(f"o{i}", 0, pin.SE3(rotation, o.position), kinds[o.kind](*o.size))
        added = shapes.addGeometryObject(thing)
        for g in range(own):
            if shapes.geometryObjects[g].parentJoint > 0:
                shapes.addCollisionPair(pin.CollisionPair(g, added))
    data, results = arm.model.createData(), shapes.createData()

    def distances(q):
        pin.computeDistances(arm.model, data, shapes, results, q)
        names = [shapes.geometryObjects[p.first].name for p in shapes.collisionPairs]
        values = np.array([r.min_distance for r in results.distanceResults])
        # link1 turns about its own axis; its shapes are no obstacle's concern, only the pairs of the SRDF have it.
        fixed = np.array([n.startswith("panda_link1") for n in names])
        fixed[: len(arm.geometry.collisionPairs)] = False
        return np.sort(values[~fixed])

    return distances


def test_the_nearest_rows_are_the_nearest_of_all_pairs(panda):
    obstacles = _obstacles()
    rows, every, rng = (
        PrimitiveRows(panda, obstacles, nearest=12),
        _all_pairs(panda, obstacles),
        np.random.default_rng(0),
    )
    for _ in range(30):
        q = configuration(panda, rng)
        found, expected = rows.evaluate(q), every(q)[:12]
        assert (np.diff(found.h) >= 0.0).all()
        apart = expected > 0.0
        assert np.allclose(found.h[apart], expected[apart], atol=1e-6)
        assert np.allclose(found.h[~apart], expected[~apart], atol=1e-3)  # penetration depth is iterative
        assert found.tested < len(rows.names) / 4


def test_gradients_agree_with_finite_differences(panda):
    # coal iterates to 1e-6 m where both shapes are curved: a smaller step would measure that.
    rows, rng, step = PrimitiveRows(panda, _obstacles(), nearest=10), np.random.default_rng(1), 1e-3
    checked = 0
    for _ in range(30):
        q = configuration(panda, rng)
        found = rows.evaluate(q)
        gradient = found.gradient.copy()
        middle = dict(zip(found.pairs, found.h, strict=True))
        ends = []
        for j in range(7):
            for sign in (1, -1):
                near = rows.evaluate(q + sign * step * np.eye(7)[j])
                ends.append(dict(zip(near.pairs, near.h, strict=True)))
        for k, pair in enumerate(found.pairs):
            if middle[pair] < 0.01 or any(pair not in end for end in ends):
                continue
            slopes = [(ends[2 * j][pair] - ends[2 * j + 1][pair]) / (2 * step) for j in range(7)]
            checked += 1
            assert np.allclose(gradient[k], slopes, atol=2e-3), rows.names[pair]
    assert checked > 100


def test_a_moving_obstacle_changes_the_distance_at_the_rate_of_its_row(panda):
    rows = PrimitiveRows(panda, [Shape("sphere", (0.05,), np.zeros(3))], nearest=5, self_collision=False)
    at, velocity, step = np.array([0.6, 0.1, 0.3]), np.array([0.3, -0.4, 0.2]), 1e-6
    ends = []
    for t in (step, -step):
        rows.move_obstacle(0, at + t * velocity, velocity=velocity)
        ends.append(rows.evaluate(panda.home).h)
    rows.move_obstacle(0, at, velocity=velocity)
    assert np.allclose(rows.evaluate(panda.home).rate, (ends[0] - ends[1]) / (2 * step), atol=1e-5)


def test_the_shapes_are_never_farther_than_their_spheres(panda):
    """Spheres cover the shapes, so distances of shapes are at least those of spheres."""
    from tests.barrier.arm.test_rows import Evaluator  # noqa: PLC0415

    balls, rng = tabletop(4), np.random.default_rng(2)
    shapes = [Shape("sphere", (float(r),), p) for p, r in zip(balls.position, balls.radius, strict=True)]
    rows, evaluate = PrimitiveRows(panda, shapes, nearest=1, self_collision=False), Evaluator(panda, balls)
    for _ in range(30):
        q = configuration(panda, rng)
        count, *_ = evaluate(q, np.zeros(7), False)
        obstacle = evaluate.rows.label[:count, 0] == 0
        # The fingers stand where the model locks them; their spheres hold their whole travel.
        assert rows.evaluate(q).h[0] >= evaluate.rows.h[:count][obstacle].min() - 1e-6


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda arm: Shape("cone", (1.0,), np.zeros(3)),
            UnknownNameError,
            "unknown shape 'cone'.*allowed: box",
        ),
        (lambda arm: Shape("box", (1.0, 1.0), np.zeros(3)), ConfigError, "a box needs 3 positive sizes"),
        (lambda arm: Shape("sphere", (-1.0,), np.zeros(3)), ConfigError, "a sphere needs 1 positive sizes"),
        (lambda arm: Shape("sphere", (1.0,), np.full(3, np.nan)), ConfigError, "three finite numbers"),
        (lambda arm: PrimitiveRows(arm, nearest=0), ConfigError, "nearest 0"),
        (
            lambda arm: PrimitiveRows(arm).move_obstacle(0, np.zeros(3)),
            ConfigError,
            "obstacle 0 does not exist",
        ),
    ],
)
def test_wrong_shapes_are_refused(panda, make, error, message):
    with pytest.raises(error, match=message):
        make(panda)
