# SPDX-License-Identifier: Apache-2.0
"""The projection: right answers, an honest `found`, and a residual check that catches a wrong solver."""

import numpy as np
import pytest
import scipy.optimize

from reflexarc.barrier import qp
from reflexarc.barrier.qp import OsqpProjection, qp_residuals


@pytest.fixture
def osqp_alone(monkeypatch):
    """Let no starting point count as a solution, and start OSQP at zero."""

    def useless(target, normals, offsets, lower, upper, sweeps, z, y):
        z[:], y[:] = 0.0, 0.0
        return np.inf, np.inf

    monkeypatch.setattr(qp, "_starting_point", useless)


def random_problem(rng, rows=8):
    """A feasible problem (the origin satisfies every row) of the filter's kind."""
    target = rng.uniform(-2.0, 2.0, 2)
    angle = rng.uniform(0.0, 2.0 * np.pi, rows)
    normals = np.column_stack((np.cos(angle), np.sin(angle)))
    offsets = rng.uniform(0.0, 1.5, rows)
    return target, normals, offsets, np.minimum(target, -1.0), np.maximum(target, 1.0)


def oracle(target, normals, offsets, lower, upper):
    """Independent solution by sequential least squares programming."""
    answer = scipy.optimize.minimize(
        lambda z: 0.5 * ((z - target) ** 2).sum(),
        np.zeros(2),
        jac=lambda z: z - target,
        bounds=list(zip(lower, upper, strict=True)),
        constraints={"type": "ineq", "fun": lambda z: offsets - normals @ z, "jac": lambda z: -normals},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 200},
    )
    return answer.x


def test_solutions_agree_with_an_independent_oracle():
    check_against_oracle(at_least=495)


def test_osqp_alone_agrees_with_the_oracle(osqp_alone):
    check_against_oracle(at_least=450)


def check_against_oracle(at_least):
    """Solve 500 problems; every answer that counts as found must be right, and most must be found."""
    rng = np.random.default_rng(0)
    solver = OsqpProjection(2, 12)
    solved = 0
    for _ in range(500):
        problem = random_problem(rng)
        solution = solver.solve(*problem)
        if solution.found:
            solved += 1
            assert np.abs(solution.z - oracle(*problem)).max() < 1e-3
    assert solved >= at_least  # the rest is told, not used


def test_answer_does_not_depend_on_what_was_solved_before():
    rng = np.random.default_rng(1)
    problems = [random_problem(rng) for _ in range(50)]
    used, fresh = OsqpProjection(2, 12), None
    for problem in problems:
        fresh = OsqpProjection(2, 12)
        assert used.solve(*problem).z.tobytes() == fresh.solve(*problem).z.tobytes()


@pytest.mark.parametrize("wrong", ["shifted", "nan", "nominal", "halved"])
def test_residual_check_refuses_a_planted_wrong_answer(wrong, monkeypatch, osqp_alone):
    rng = np.random.default_rng(2)
    solver = OsqpProjection(2, 12)
    real = solver._run

    def lying(linear):
        z, y, iterations = real(linear)
        planted = {"shifted": z + 0.01, "nan": np.full(2, np.nan), "nominal": -linear, "halved": 0.5 * z}
        return planted[wrong], y, iterations

    monkeypatch.setattr(solver, "_run", lying)
    caught = 0
    for _ in range(50):
        target, *rest = random_problem(rng)
        if (rest[0] @ target > rest[1]).any():  # the truth differs from the nominal command
            assert not solver.solve(target, *rest).found
            caught += 1
    assert caught > 20


def test_residuals_see_a_multiplier_on_an_inactive_row():
    target, normals, offsets = np.array([1.0, 0.0]), np.array([[1.0, 0.0]]), np.array([5.0])
    z = np.array(
        [0.5, 0.0]
    )  # not the projection, made to look stationary by a multiplier that has no right to be there
    multipliers = np.array([0.0, 0.0, 0.5])
    bounds = np.array([-9.0, -9.0]), np.array([9.0, 9.0])
    assert qp_residuals(z, multipliers, target, normals, offsets, *bounds)[1] == pytest.approx(0.5)


def test_no_rows_gives_the_clipped_target():
    solver = OsqpProjection(2, 4)
    solution = solver.solve(
        np.array([2.0, -3.0]), np.zeros((0, 2)), np.zeros(0), np.array([-1.0, -1.0]), np.array([1.0, 1.0])
    )
    assert solution.found
    assert np.allclose(solution.z, [1.0, -1.0], atol=1e-4)
