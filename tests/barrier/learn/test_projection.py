# SPDX-License-Identifier: Apache-2.0
"""One barrier row with the bounds inside the programme, against a general solver; and the published filter."""

import numpy as np
import pytest
import scipy.optimize

from reflexarc.barrier.learn.projection import project, unbounded_then_clip
from reflexarc.robots.systems.system import Ball, Box

BOX = Box(np.array([-1.0, -0.5, -2.0]), np.array([0.5, 1.0, 2.0]))
BALL = Ball(0.8, 3)


def reference(u, a, c, inputs):
    constraints = [{"type": "ineq", "fun": lambda v: a @ v - c, "jac": lambda v: a}]
    bounds = None
    start = np.zeros(len(u))
    if isinstance(inputs, Box):
        bounds = list(zip(inputs.lower, inputs.upper, strict=True))
        start = np.where(a > 0, inputs.upper, inputs.lower)
    else:
        constraints.append(
            {"type": "ineq", "fun": lambda v: inputs.radius**2 - v @ v, "jac": lambda v: -2.0 * v}
        )
        start = inputs.radius * a / np.linalg.norm(a)
    answer = scipy.optimize.minimize(
        lambda v: ((v - u) ** 2).sum(),
        start,
        jac=lambda v: 2.0 * (v - u),
        bounds=bounds,
        constraints=constraints,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return answer.x


@pytest.mark.parametrize("inputs", [BOX, BALL], ids=["box", "ball"])
def test_the_batched_projection_agrees_with_a_general_solver(inputs):
    rng = np.random.default_rng(0)
    u, a, c = rng.normal(size=(60, 3)), rng.normal(size=(60, 3)), rng.normal(size=60) * 0.8
    answers, found = project(u, a, c, inputs)
    assert 10 < found.sum() < 60
    for k in np.flatnonzero(found):
        assert answers[k] == pytest.approx(reference(u[k], a[k], c[k], inputs), abs=2e-5)


@pytest.mark.parametrize("inputs", [BOX, BALL], ids=["box", "ball"])
def test_every_answer_respects_the_bounds_and_the_row_where_it_can(inputs):
    rng = np.random.default_rng(1)
    u, a, c = 3 * rng.normal(size=(5000, 3)), rng.normal(size=(5000, 3)), 2 * rng.normal(size=5000)
    answers, found = project(u, a, c, inputs)
    if isinstance(inputs, Box):
        assert (answers >= inputs.lower).all() and (answers <= inputs.upper).all()
        best = np.where(a > 0, inputs.upper, inputs.lower)
    else:
        assert (np.linalg.norm(answers, axis=1) <= inputs.radius + 1e-12).all()
        best = inputs.radius * a / np.linalg.norm(a, axis=1, keepdims=True)
    reach = (a * best).sum(axis=1)
    assert (found == (reach >= c)).all()
    assert ((a * answers).sum(axis=1)[found] >= c[found] - 1e-9).all()
    assert (a * answers).sum(axis=1)[~found] == pytest.approx(reach[~found])


@pytest.mark.parametrize("inputs", [BOX, BALL], ids=["box", "ball"])
def test_an_admissible_nominal_input_passes_unchanged(inputs):
    u = np.array([[0.1, 0.2, -0.3]])
    answer, found = project(u, np.ones((1, 3)), np.array([-1.0]), inputs)
    assert found.all() and (answer == u).all()


@pytest.mark.parametrize("inputs", [BOX, BALL], ids=["box", "ball"])
def test_a_vanishing_gradient_gives_a_decided_answer(inputs):
    u = np.array([[0.1, 0.2, -0.3]])
    answer, found = project(u, np.zeros((1, 3)), np.array([1.0]), inputs)
    assert not found.any() and (answer == u).all()
    _, found = project(u, np.zeros((1, 3)), np.array([-1.0]), inputs)
    assert found.all()


def test_clipping_afterwards_breaks_the_row_that_the_bounded_programme_keeps():
    box = Box(np.array([-1.0, -1.0]), np.array([1.0, 1.0]))
    u, a, c = np.array([[0.0, -1.0]]), np.array([[1.0, 0.3]]), np.array([0.95])
    clipped = unbounded_then_clip(u, a, c, box)
    kept, found = project(u, a, c, box)
    assert found.all()
    assert (a * clipped).sum() < c[0] - 0.05
    assert (a * kept).sum() >= c[0] - 1e-12
