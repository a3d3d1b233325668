# SPDX-License-Identifier: Apache-2.0
"""Rows from barriers: right numbers, and decided answers where the input does not enter."""

import jax.numpy as jnp
import numpy as np
import pytest

from reflexarc.barrier.analytic.cbf import cbf
from reflexarc.barrier.analytic.filter import AnalyticFilter
from reflexarc.barrier.analytic.hocbf import exponential_cbf, exponential_gains, hocbf
from reflexarc.barrier.analytic.project import project
from reflexarc.barrier.analytic.robust import ball_error, box_error
from reflexarc.barrier.analytic.rows import compile_rows
from reflexarc.barrier.qp import FilterQp, QpProblem
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.robots.systems import SYSTEMS
from reflexarc.robots.systems.adaptive_cruise import headway_barrier
from reflexarc.robots.systems.cart_pole import ellipsoid
from reflexarc.robots.systems.double_integrator import DOUBLE_INTEGRATOR, stopping_margin

BARRIERS = {
    "double_integrator": stopping_margin,
    "adaptive_cruise": headway_barrier,
    "cart_pole": ellipsoid,
    "unicycle": lambda x: jnp.hypot(x[0], x[1]) - 0.1 * x[2] * jnp.cos(x[3]),
    "point_robot": lambda x: jnp.sum((x[:3] - x[6:9]) ** 2) - x[3:6] @ x[3:6],
}


@pytest.mark.parametrize("name", BARRIERS)
def test_row_is_the_rate_of_the_barrier_along_the_dynamics(name):
    system, h, alpha, nu = SYSTEMS[name], BARRIERS[name], 3.0, 0.2
    rows = compile_rows(system, cbf(system, h, alpha, nu))
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = rng.uniform(system.low, system.high)
        u = rng.uniform(system.inputs.lower, system.inputs.upper)
        rate = np.asarray(system.f(x)) + np.asarray(system.g(x)) @ u
        step = 1e-4
        change = (float(h(x + step * rate)) - float(h(x - step * rate))) / (2.0 * step)
        answer = rows(x)
        room = float(answer.b[0] - answer.a[0] @ u)
        assert room == pytest.approx(change + alpha * float(h(x)) - nu, rel=2e-2, abs=2e-2)
        assert answer.h[0] == pytest.approx(float(h(x)), rel=1e-4, abs=1e-4)


def test_high_order_row_of_the_double_integrator_is_the_one_derived_by_hand():
    rows = compile_rows(DOUBLE_INTEGRATOR, hocbf(DOUBLE_INTEGRATOR, lambda x: -x[0], (2.0, 3.0)))
    x, v = -1.3, 0.7
    # psi_1 = -v - 2 x, row: -u - 2 v + 3 (-v - 2 x) >= 0
    answer = rows(np.array([x, v]))
    assert answer.a[0] == pytest.approx([1.0])
    assert answer.b[0] == pytest.approx(-2.0 * v + 3.0 * (-v - 2.0 * x))
    assert answer.h[0] == pytest.approx(-v - 2.0 * x)


def test_exponential_row_has_the_coefficients_of_its_poles():
    poles = (1.0, 4.0)
    rows = compile_rows(DOUBLE_INTEGRATOR, exponential_cbf(DOUBLE_INTEGRATOR, lambda x: -x[0], poles))
    k = exponential_gains(poles)
    assert k == pytest.approx([4.0, 5.0])
    x, v = -0.8, -0.4
    answer = rows(np.array([x, v]))
    assert answer.b[0] == pytest.approx(k[1] * (-v) + k[0] * (-x))  # h'' = -u, h' = -v, h = -x


@pytest.mark.parametrize(("gains", "words"), [((1.0,), "higher"), ((1.0, 1.0, 1.0), "give 2 gains")])
def test_wrong_relative_degree_is_refused(gains, words):
    with pytest.raises(ModelError, match=words):
        hocbf(DOUBLE_INTEGRATOR, lambda x: -x[0], gains)


@pytest.mark.parametrize("gains", [(), (1.0, -1.0), (0.0, 1.0), (float("nan"), 1.0)])
def test_gains_that_are_no_positive_numbers_are_refused(gains):
    with pytest.raises(ConfigError):
        hocbf(DOUBLE_INTEGRATOR, lambda x: -x[0], gains)


def test_vanishing_row_that_holds_is_dropped_and_one_that_does_not_is_named():
    rows = compile_rows(DOUBLE_INTEGRATOR, cbf(DOUBLE_INTEGRATOR, stopping_margin, 5.0))
    held, violated = rows(np.array([-1.0, 0.0])).decided()  # L_g h = -v = 0, h = 1
    assert len(held.b) == 0
    assert violated.tolist() == []
    _, violated = rows(np.array([0.2, 0.0])).decided()  # h = -0.2
    assert violated.tolist() == [0]
    kept, violated = rows(np.array([-1.0, 0.5])).decided()
    assert len(kept.b) == 1
    assert violated.tolist() == []


@pytest.mark.parametrize(("x", "infeasible"), [(-1.0, False), (0.2, True)])
def test_filter_decides_where_the_barriers_gradient_vanishes(x, infeasible):
    system = SYSTEMS["double_integrator"]
    safety = AnalyticFilter(system, [cbf(system, stopping_margin, 5.0)])
    answer = safety.step(np.array([x, 0.0]), np.array([1.0]))
    assert answer.infeasible is infeasible
    assert np.isfinite(answer.u).all()
    assert ("do not contain the input" in answer.reason) is infeasible


def test_gradient_that_vanishes_altogether_is_decided():
    system = SYSTEMS["cart_pole"]
    rows = compile_rows(system, cbf(system, lambda x: ellipsoid(x) - 1.5, 1.0))
    kept, violated = rows(np.zeros(4)).decided()  # the top of the ellipsoid, where h = -0.5
    assert len(kept.b) == 0
    assert violated.tolist() == [0]


def test_row_that_is_not_finite_is_an_error_and_infeasible_in_the_filter():
    system = SYSTEMS["double_integrator"]

    def broken(x):
        return jnp.sqrt(-1.0 - x[0] ** 2) + x[1]

    with pytest.raises(ModelError, match="not finite"):
        compile_rows(system, cbf(system, broken, 1.0))(np.zeros(2))
    answer = AnalyticFilter(system, [cbf(system, broken, 1.0)]).step(np.zeros(2), np.array([0.5]))
    assert answer.infeasible
    assert "not finite" in answer.reason


def test_closed_form_projection_agrees_with_the_filters_programme():
    rng = np.random.default_rng(2)
    solver, found = FilterQp(3, 1), 0
    for _ in range(300):
        lower, upper = -rng.uniform(0.1, 1.0, 3), rng.uniform(0.1, 1.0, 3)
        a, b, wanted = rng.normal(size=3) * (rng.random(3) < 0.8), rng.normal(), 2.0 * rng.normal(size=3)
        u, feasible = project(jnp.asarray(wanted), jnp.asarray(a), b, jnp.asarray(lower), jnp.asarray(upper))
        best = np.where(a > 0.0, lower, upper) @ a
        if not np.any(a):
            continue
        assert bool(feasible) == (best <= b)
        if best < b - 1e-3:
            solution = solver.solve(
                QpProblem(wanted, np.ones(3), a[None], np.array([b]), np.zeros(1, dtype=int), lower, upper)
            )
            assert solution.found
            assert np.asarray(u) == pytest.approx(solution.u, abs=2e-5)
            found += 1
    assert found > 100


@pytest.mark.parametrize("make", ["ball", "box"])
def test_robust_term_is_the_worst_case_over_the_errors(make):
    rng = np.random.default_rng(4)
    gradient = rng.normal(size=(3, 4))
    eps = 0.3 if make == "ball" else np.array([0.1, 0.0, 0.4, 0.2])
    rho = np.asarray((ball_error(eps) if make == "ball" else box_error(eps))(jnp.asarray(gradient)))
    errors = rng.normal(size=(200000, 4))
    errors /= np.linalg.norm(errors, axis=1, keepdims=True)
    errors = eps * errors if make == "ball" else np.sign(errors) * eps
    worst = (-gradient @ errors.T).max(axis=1)
    assert (worst <= rho + 1e-6).all()
    assert worst == pytest.approx(rho, rel=2e-2)


@pytest.mark.parametrize("eps", [-0.1, float("nan")])
def test_model_error_that_is_no_bound_is_refused(eps):
    with pytest.raises(ConfigError):
        ball_error(eps)
    with pytest.raises(ConfigError):
        box_error(np.array([0.1, eps]))
