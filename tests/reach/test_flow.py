# SPDX-License-Identifier: Apache-2.0
"""The flow of [x, ln rho]: orders of the methods, both precisions, exact traces, maps, and what is refused."""

import time
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from reflexarc.core.errors import ConfigError
from reflexarc.reach.flow import Bundle, Flow, divergence, propagate
from tests.reach.problems import K2, ML2, cubic, linear, loop, pendulum, riccati, van_der_pol


def states(system, count, seed=0):
    return np.random.default_rng(seed).uniform(system.low, system.high, (count, system.n))


@pytest.mark.parametrize("method", ["rk4", "tsit5"])
def test_states_and_gains_agree_with_an_adaptive_integrator(method):
    system = van_der_pol()
    x0 = states(system, 5)
    bundle = Flow(system, method, "float64").run(x0, 20)

    def rate(_, y):  # written by hand, with the divergence 1 - x^2
        x, v, _ = y
        return [v, (1 - x**2) * v - x, -(1 - x**2)]

    for i, start in enumerate(x0):
        exact = solve_ivp(rate, (0, 1), [*start, 0.0], rtol=1e-12, atol=1e-12, t_eval=bundle.t.clip(0, 1)).y
        assert np.abs(bundle.x[:, i].T - exact[:2]).max() < 2e-6
        assert np.abs(bundle.gain[:, i] - exact[2]).max() < 2e-6


@pytest.mark.parametrize(("method", "order"), [("rk4", 4), ("tsit5", 5)])
def test_a_method_converges_with_its_order(method, order):
    system = van_der_pol()
    x0 = states(system, 200)
    runs = [Flow(system, method, "float64", s).run(x0 / 2.0, 20) for s in (2, 4, 64)]
    for name in ("x", "gain"):
        coarse, fine = (np.abs(getattr(r, name) - getattr(runs[2], name)).mean() for r in runs[:2])
        assert np.log2(coarse / fine) == pytest.approx(order, abs=0.4)


def test_single_precision_follows_double_precision_in_one_process():
    system = van_der_pol()
    x0 = states(system, 1000)
    single, double = Flow(system, dtype="float32").run(x0), Flow(system, dtype="float64").run(x0)
    again = Flow(system, dtype="float32").run(x0)
    assert single.x.dtype == single.gain.dtype == np.float32
    assert double.x.dtype == double.gain.dtype == np.float64
    assert np.abs(single.x - double.x).max() < 2e-4
    assert np.abs(single.gain - double.gain).max() < 2e-4
    assert np.array_equal(single.x, again.x)


def test_the_first_output_is_the_start_and_times_are_evenly_spaced():
    system = van_der_pol()
    x0 = states(system, 3)
    bundle = Flow(system, dtype="float64").run(x0, 7, start=2.0)
    assert np.array_equal(bundle.x[0], x0) and not bundle.gain[0].any()
    assert np.allclose(bundle.t, 2.0 + 0.05 * np.arange(8))
    assert bundle.x.shape == (8, 3, 2) and bundle.gain.shape == (8, 3)


def test_time_and_parameters_reach_the_field():
    system = loop(
        lambda x, t, p: p["rate"] * x + jnp.cos(t), [-1], [1], 0.1, 10, parameters={"rate": 0.0}, substeps=4
    )
    flow = Flow(system, dtype="float64")
    x0 = np.array([[0.5]])
    assert flow.run(x0, start=3.0).x[-1, 0, 0] == pytest.approx(0.5 + np.sin(4.0) - np.sin(3.0), abs=1e-7)
    changed = flow.run(x0, parameters={"rate": -2.0})
    assert changed.gain[-1, 0] == pytest.approx(2.0, abs=1e-9)
    exact = solve_ivp(lambda t, x: -2 * x + np.cos(t), (0, 1), [0.5], rtol=1e-11, atol=1e-11).y[0, -1]
    assert changed.x[-1, 0, 0] == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("n", [3, 9])
def test_the_trace_is_exact_below_and_above_the_unrolled_size(n):
    a = np.random.default_rng(n).normal(size=(n, n)) / n

    def field(x, t, p):
        return jnp.sin(jnp.asarray(a, x.dtype) @ x)

    system = loop(field, -np.ones(n), np.ones(n), 0.1, 5)
    x = states(system, 20)
    by_hand = (np.cos(x @ a.T) * np.diag(a)).sum(axis=1)
    assert np.allclose(divergence(system, x), by_hand, atol=1e-12)
    one = Flow(system, dtype="float64", substeps=20).run(x, 1)
    assert np.allclose(one.gain[1], -0.1 * by_hand, atol=0.02)  # to first order in the step
    written = replace(system, divergence=lambda x, t, p: jnp.sum(jnp.cos(jnp.asarray(a) @ x) * np.diag(a)))
    assert np.allclose(Flow(written, dtype="float64").run(x).gain, Flow(system, dtype="float64").run(x).gain)


def test_a_wrong_hand_written_divergence_is_refused():
    """The published pendulum takes the gain of the wrong state here."""
    right = replace(pendulum(), divergence=lambda x, t, p: K2 * jnp.exp(x[2]) / ML2)
    Flow(right)
    wrong = replace(pendulum(), divergence=lambda x, t, p: K2 * jnp.exp(x[3]) / ML2)
    with pytest.raises(ConfigError, match="hand-written divergence"):
        Flow(wrong)


def test_a_run_backward_returns_to_the_start_with_the_same_gain():
    system = van_der_pol()
    x0 = states(system, 50)
    flow = Flow(system, "tsit5", "float64")
    forth = flow.run(x0, 20, start=1.0)
    back = flow.run_back(forth.x[-1], 20, start=1.0)
    assert np.allclose(back.t, forth.t[::-1])
    assert np.abs(back.x[::-1] - forth.x).max() < 1e-5
    assert np.abs(back.gain[::-1] - forth.gain).max() < 1e-5


def test_a_run_backward_of_a_timed_field_uses_the_right_times():
    system = loop(lambda x, t, p: jnp.cos(t) * jnp.ones(1, x.dtype), [-1], [1], 0.1, 10)
    x = np.array([[0.3]])
    back = Flow(system, "tsit5", "float64").run_back(x, start=2.0)
    assert back.x[-1, 0, 0] == pytest.approx(0.3 - np.sin(3.0) + np.sin(2.0), abs=1e-9)


def test_the_tangent_is_the_derivative_of_the_flow_map():
    system = van_der_pol()
    x0 = states(system, 4)
    with jax.enable_x64(True):
        _, x, g, tangent = propagate(system, x0, 20, 4, "rk4", None, 0.0, tangent=True)
        h = 1e-6
        for i in range(2):
            up, down = (
                propagate(system, x0 + s * h * np.eye(2)[i], 20, 4, "rk4", None, 0.0)[1] for s in (1, -1)
            )
            assert np.allclose(tangent[:, :, i], (up - down)[-1] / (2 * h), atol=1e-6)
        assert np.allclose(np.linalg.slogdet(tangent)[1], -g[-1], atol=1e-5)
        assert not propagate(system, x0, 2, 1, "rk4", None, 0.0, gain=False)[2].any()


def test_the_pure_function_maps_over_parameters_and_differentiates():
    system = loop(lambda x, t, p: p * x, [-1], [1], 0.1, 10, substeps=4, parameters=1.0)
    with jax.enable_x64(True):
        end = lambda p: propagate(system, jnp.array([[0.5]]), 10, 4, "rk4", p, 0.0)[1][-1, 0, 0]  # noqa: E731
        rates = jnp.array([-1.0, 0.0, 0.5])
        assert np.allclose(jax.vmap(end)(rates), 0.5 * np.exp(rates), atol=1e-6)
        assert np.allclose(jax.vmap(jax.grad(end))(rates), 0.5 * np.exp(rates), atol=1e-6)


def test_a_map_adds_the_log_determinant_and_gets_the_number_of_its_step():
    f = np.array([[0.9, 0.4], [-0.3, 1.2]])

    def field(x, k, p):
        return jnp.asarray(f, x.dtype) @ x + k

    system = loop(field, [-1, -1], [1, 1], 0.5, 4, kind="map")
    x0 = states(system, 10)
    bundle = Flow(system, dtype="float64").run(x0, start=1.0)
    x = x0
    for k in range(4):
        assert np.allclose(bundle.x[k], x)
        assert np.allclose(bundle.gain[k], -k * np.log(np.linalg.det(f)))
        x = x @ f.T + (k + 2)
    assert np.allclose(divergence(system, x0), np.log(np.linalg.det(f)))
    with pytest.raises(ConfigError, match="a map is not run backward"):
        Flow(system).run_back(x0)


def test_particles_that_escape_inside_the_horizon_are_flagged_and_others_are_not():
    x0 = np.linspace(-2.0, 3.0, 101)[:, None]  # x0 / (1 - x0 t) escapes at t = 1 / x0
    with np.errstate(over="ignore"):
        bundle = Flow(riccati(), dtype="float64").run(x0, 20)
    escapes = x0[:, 0] >= 1.0
    assert np.array_equal(bundle.finite, ~escapes)
    assert np.allclose(bundle.x[-1, ~escapes], x0[~escapes] / (1 - x0[~escapes]), rtol=2e-2)


def test_an_escape_in_the_very_last_step_is_flagged_by_the_unresolved_gain():
    bundle = Flow(riccati(), dtype="float64").run(np.array([[1.001], [0.9]]), 20)
    assert np.isfinite(bundle.x).all()  # the fixed steps jump over the pole without noticing
    assert bundle.finite.tolist() == [False, True]


def test_finite_says_so_for_infinite_states_and_gains():
    x, gain = np.zeros((3, 4, 2)), np.zeros((3, 4))
    x[1, 0, 1], gain[2, 2] = np.inf, np.nan
    assert Bundle(np.arange(3.0), x, gain).finite.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("system", "text"),
    [
        (lambda: loop(lambda x, t, p: jnp.log(x), [-1], [1], 0.1, 5), "field is not finite"),
        (lambda: loop(lambda x, t, p: jnp.sqrt(jnp.abs(x)), [-1], [1], 0.1, 5), "divergence is not finite"),
        (lambda: loop(lambda x, t, p: x[:1], [-1, -1], [1, 1], 0.1, 5), r"must return shape \(2,\)"),
        (lambda: loop(lambda x, t, p: x @ jnp.eye(3), [-1, -1], [1, 1], 0.1, 5), "cannot be traced"),
        (lambda: loop(lambda x, t, p: x, [1], [-1], 0.1, 5), "lies above its upper bound"),
        (
            lambda: linear(np.diag([1.0, 0.0]), [-1, -1], [1, 1], 1, 5, kind="map"),
            "ln .det DF. is not finite",
        ),
    ],
)
def test_a_system_that_carries_no_density_is_refused(system, text):
    with pytest.raises(ConfigError, match=text):
        Flow(system())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda s: Flow(s, method="euler"), "allowed are rk4, tsit5"),
        (lambda s: Flow(s, dtype="float16"), "allowed are float32 and float64"),
        (lambda s: Flow(s, substeps=0), "at least 1"),
        (lambda s: Flow(s).run(np.zeros((4, 2))), r"must have shape \(N, 1\)"),
        (lambda s: Flow(s).run(np.zeros(4)), r"must have shape \(N, 1\)"),
        (lambda s: Flow(s).run(np.zeros((0, 1))), "N >= 1"),
        (lambda s: Flow(s).run(np.zeros((4, 1)), steps=0), "at least 1"),
        (lambda s: Flow(s).run(np.zeros((4, 1)), start=np.nan), "not finite"),
    ],
)
def test_a_wrong_call_is_refused(call, text):
    with pytest.raises(ConfigError, match=text):
        call(cubic())


def test_a_second_flow_of_the_same_system_compiles_nothing(caplog):
    system = van_der_pol()
    x0 = states(system, 101)
    with jax.log_compiles():
        Flow(system).run(x0)
        assert "XLA compilation" in caplog.text
        caplog.clear()
        for other in (system, replace(system, name="the same field")):
            Flow(other).run(x0)
        assert "XLA compilation" not in caplog.text


def test_ten_thousand_van_der_pol_particles_take_less_than_25_ms():
    system = van_der_pol(substeps=1)
    x0 = states(system, 10_000)
    flow = Flow(system)
    flow.run(x0)
    used = []
    for _ in range(20):  # processor time: the wall time of a loaded machine says nothing
        begin = time.process_time()
        flow.run(x0)
        used.append(time.process_time() - begin)
    assert min(used) < 0.025
