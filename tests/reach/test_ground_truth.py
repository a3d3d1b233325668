# SPDX-License-Identifier: Apache-2.0
"""Densities with closed forms: every path through the code against answers that share nothing with it.

The bound on |ln rho - exact| is 1e-5 nat in double precision throughout.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.linalg import expm

from reflexarc.reach.flow import Flow
from reflexarc.reach.initial import FromLogDensity, Gaussian, Uniform
from reflexarc.reach.noise import NoisyFlow
from reflexarc.reach.query import log_density
from tests.reach.problems import K2, ML2, cubic, linear, loop, pendulum, riccati, van_der_pol

CLOSE = 1e-5


def carried(system, initial, steps=None, count=500, method="tsit5", **rest):
    """Return final states of particles and the log-density that they carry."""
    x0 = initial.sample(np.random.default_rng(0), count)
    bundle = Flow(system, method, "float64").run(x0, steps, **rest)
    assert bundle.finite.all()
    return bundle.x[-1], initial.log_density(x0) + bundle.gain[-1]


def queried(system, initial, x, steps=None, **rest):
    return log_density(system, initial, x, steps, **rest).log_density


@pytest.mark.parametrize("method", ["rk4", "tsit5"])
def test_case_1_a_linear_system_keeps_a_gaussian(method):
    rng = np.random.default_rng(1)
    a, mean, root = rng.normal(size=(4, 4)), rng.normal(size=4), rng.normal(size=(4, 4))
    cov = root @ root.T + 0.1 * np.eye(4)
    flow_map = expm(a)
    exact = stats.multivariate_normal(flow_map @ mean, flow_map @ cov @ flow_map.T)
    system = linear(a, -np.ones(4), np.ones(4), 0.1, 10, substeps=20)
    initial = Gaussian(mean, cov)
    x, value = carried(system, initial, method=method)
    assert np.abs(value - exact.logpdf(x)).max() <= CLOSE
    x0 = initial.sample(np.random.default_rng(0), 10)
    gain = Flow(system, method, "float64").run(x0).gain
    assert np.abs(gain + np.trace(a) * np.linspace(0, 1, 11)[:, None]).max() < 1e-9
    assert np.abs(queried(system, initial, x, method=method) - exact.logpdf(x)).max() <= CLOSE


def test_case_2_cubic_contraction_has_compact_support():
    initial, t = Gaussian([0.3], [[1.0]]), 1.0
    bottom = lambda x: 1 - 2 * t * x[:, 0] ** 2  # noqa: E731
    exact = lambda x: stats.norm(0.3).logpdf(x[:, 0] / np.sqrt(bottom(x))) - 1.5 * np.log(bottom(x))  # noqa: E731
    x, value = carried(cubic(substeps=16), initial)
    assert np.abs(value - exact(x)).max() <= CLOSE
    grid = np.linspace(-0.68, 0.68, 101)[:, None]
    assert np.abs(queried(cubic(substeps=16), initial, grid) - exact(grid)).max() <= CLOSE


def hopf(x, t, p):
    r2 = x[0] ** 2 + x[1] ** 2
    return jnp.stack([x[0] * (1 - r2) - x[1], x[1] * (1 - r2) + x[0]])


def test_case_3_a_limit_cycle_in_closed_form():
    t, mean = 1.0, np.array([0.4, -0.2])
    system, initial = loop(hopf, [-2, -2], [2, 2], 0.05, 20, substeps=8), Gaussian(mean, 0.3 * np.eye(2))

    def exact(x):
        r2, angle = (x**2).sum(axis=1), np.arctan2(x[:, 1], x[:, 0]) - t
        bottom = 1 - r2 * (1 - np.exp(-2 * t))
        r0 = np.sqrt(r2 * np.exp(-2 * t) / bottom)
        x0 = np.stack([r0 * np.cos(angle), r0 * np.sin(angle)], axis=1)
        return stats.multivariate_normal(mean, 0.3 * np.eye(2)).logpdf(x0) - 2 * t - 2 * np.log(bottom)

    x, value = carried(system, initial)
    assert np.abs(value - exact(x)).max() <= CLOSE
    assert np.ptp(value - initial.log_density(initial.sample(np.random.default_rng(0), 500))) > 3.0
    angle = np.linspace(0, 2 * np.pi, 40)
    ring = np.concatenate(
        [r * np.stack([np.cos(angle), np.sin(angle)], axis=1) for r in (0.1, 0.6, 0.95, 1.04)]
    )
    assert np.abs(queried(system, initial, ring) - exact(ring)).max() <= CLOSE


def test_case_4_the_pendulum_contracts_by_the_gain_that_its_torque_uses():
    initial = Uniform(pendulum().low, pendulum().high)
    x0 = initial.sample(np.random.default_rng(0), 500)
    bundle = Flow(pendulum(), "rk4", "float64").run(x0)
    exact = -bundle.t[:, None] * K2 * np.exp(x0[:, 2]) / ML2
    assert np.abs(bundle.gain - exact).max() <= CLOSE
    assert exact[-1].max() / np.exp(x0[:, 2].max()) == pytest.approx(2.834, abs=1e-3)


def test_case_5_the_kraichnan_orszag_system_keeps_volume_and_its_invariants():
    def field(x, t, p):
        return jnp.stack([x[0] * x[2], -x[1] * x[2], -(x[0] ** 2) + x[1] ** 2])

    system = loop(field, [0, -2, -2], [2, 2, 2], 0.125, 80, substeps=16)
    bundle = Flow(system, "tsit5", "float64").run(
        Uniform(system.low, system.high).sample(np.random.default_rng(0), 200)
    )
    assert np.abs(bundle.gain).max() <= 1e-12
    assert np.abs(bundle.x[..., 0] * bundle.x[..., 1] - bundle.x[0, :, 0] * bundle.x[0, :, 1]).max() <= CLOSE
    assert np.abs((bundle.x**2).sum(axis=2) - (bundle.x[0] ** 2).sum(axis=1)).max() <= CLOSE


def test_case_6_logistic_growth_from_an_unstable_to_a_stable_state():
    t, beta = 2.0, stats.beta(2.0, 3.0)
    system = loop(lambda x, t, p: x * (1 - x), [0], [1], 0.1, 20, substeps=4)
    initial = FromLogDensity(lambda x: beta.logpdf(x[:, 0]), [0.0], [1.0])
    bottom = lambda x: x + (1 - x) * np.exp(t)  # noqa: E731
    exact = lambda x: (beta.logpdf(x / bottom(x)) + t - 2 * np.log(bottom(x)))[:, 0]  # noqa: E731
    x, value = carried(system, initial)
    assert np.abs(value - exact(x)).max() <= CLOSE
    grid = np.linspace(0.01, 0.99, 99)[:, None]
    assert np.abs(queried(system, initial, grid) - exact(grid)).max() <= CLOSE


def test_case_7_a_finite_escape_time_is_kept_apart_from_the_rest():
    initial, t = Uniform([-2.0], [0.7]), 1.0
    system = riccati(substeps=32)
    x, value = carried(system, initial)
    exact = lambda x: -np.log(2.7) - 2 * np.log(1 + t * x[:, 0])  # noqa: E731
    assert np.abs(value - exact(x)).max() <= CLOSE
    assert np.abs(queried(system, initial, x) - exact(x)).max() <= CLOSE
    late = Flow(system, "tsit5", "float64").run(np.array([[0.7], [1.1], [40.0]]))
    assert late.finite.tolist() == [True, False, False]


@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_case_8_a_unicycle_at_constant_speed_and_turn_moves_rigidly(turn):
    v, t = 1.2, 2.0

    def field(x, t, p):
        return jnp.stack([v * jnp.cos(x[2]), v * jnp.sin(x[2]), turn + 0.0 * x[2]])

    cov = np.diag([0.2, 0.1, 0.05]) + 0.02
    system, initial = loop(field, -np.ones(3), np.ones(3), 0.1, 20, substeps=2), Gaussian(np.zeros(3), cov)

    def back(x):
        heading = x[:, 2] - turn * t
        if turn == 0.0:
            return x - v * t * np.stack([np.cos(heading), np.sin(heading), 0 * heading], axis=1)
        dx, dy = np.sin(x[:, 2]) - np.sin(heading), np.cos(heading) - np.cos(x[:, 2])
        return x - np.stack([v / turn * dx, v / turn * dy, turn * t + 0 * heading], axis=1)

    exact = lambda x: stats.multivariate_normal(np.zeros(3), cov).logpdf(back(x))  # noqa: E731
    x, value = carried(system, initial)
    assert np.abs(value - exact(x)).max() <= CLOSE
    assert np.abs(queried(system, initial, x) - exact(x)).max() <= CLOSE


def test_case_9_a_double_integrator_shears_with_any_input_as_flow_and_as_map():
    dt, steps, cov = 0.1, 15, np.array([[0.3, 0.1], [0.1, 0.2]])
    u = np.sin(3.0 * np.arange(steps) * dt)  # held over a step, as the map has it

    def field(x, t, p):
        held = p[jnp.clip(jnp.floor(t / dt + 1e-9).astype(int), 0, steps - 1)]
        return jnp.stack([x[1], held])

    def step(x, k, p):
        return jnp.stack([x[0] + dt * x[1] + 0.5 * dt**2 * p[k], x[1] + dt * p[k]])

    initial = Gaussian([0.2, -0.1], cov)
    mean, shear = initial.mean, np.array([[1.0, dt], [0.0, 1.0]])
    for k in range(steps):
        mean = shear @ mean + np.array([0.5 * dt**2, dt]) * u[k]
    whole = np.linalg.matrix_power(shear, steps)
    exact = stats.multivariate_normal(mean, whole @ cov @ whole.T)
    discrete = loop(step, [-1, -1], [1, 1], dt, steps, kind="map", parameters=u)
    x, value = carried(discrete, initial)
    assert np.abs(value - exact.logpdf(x)).max() <= CLOSE
    assert np.abs(queried(discrete, initial, x) - exact.logpdf(x)).max() <= CLOSE
    # stages at a step's end see the next input, so the flow is run input by input
    x = initial.sample(np.random.default_rng(0), 500)
    value = initial.log_density(x)
    constant = loop(lambda x, t, p: jnp.stack([x[1], p]), [-1, -1], [1, 1], dt, 1, parameters=0.0)
    flow = Flow(constant, "rk4", "float64")
    for k in range(steps):
        bundle = flow.run(x, parameters=u[k])
        x, value = bundle.x[-1], value + bundle.gain[-1]
    assert np.abs(value - exact.logpdf(x)).max() <= CLOSE


def test_case_10_an_uncertain_rate_is_a_state_and_is_marginalised_by_quadrature():
    """x' = -a x from x0 near 1, a ~ U[0.5, 2]: the marginal of x is 1 / (t (a2 - a1) x)."""
    t, low, high, width = 1.0, 0.5, 2.0, 1e-3
    system = loop(
        lambda x, t, p: jnp.stack([-x[1] * x[0], 0.0 * x[1]]), [0, low], [2, high], 0.1, 10, substeps=4
    )
    initial = Uniform([1 - width, low], [1 + width, high])
    x, value = carried(system, initial)
    assert np.abs(value - (x[:, 1] * t - np.log(2 * width * (high - low)))).max() <= CLOSE
    for place in (0.2, 0.3, 0.45):
        # the joint density is not zero where x0 = place exp(a t) lies within the width of 1
        rate = -np.log(place) + 1.05 * width * (np.arange(4000) - 1999.5) / 2000
        joint = np.exp(queried(system, initial, np.stack([np.full(4000, place), rate], axis=1)))
        assert 2.1 * width * joint.mean() == pytest.approx(1 / (t * (high - low) * place), rel=1e-3)


def test_case_11_ornstein_uhlenbeck_noise():
    rate, sigma, t, mean, var = 0.8, 0.6, 1.5, 0.7, 0.09
    system = loop(lambda x, t, p: -rate * x, [-1], [1], 0.1, 15, substeps=4)
    initial = Gaussian([mean], [[var]])
    x0 = initial.sample(np.random.default_rng(0), 300)
    bundle = NoisyFlow(system, [[sigma]], dtype="float64").run(initial, x0)
    shrink = np.exp(-2 * rate * t)
    exact = stats.norm(mean * np.exp(-rate * t), np.sqrt(var * shrink + sigma**2 * (1 - shrink) / (2 * rate)))
    value = initial.log_density(x0) + bundle.gain[-1]
    assert np.abs(value - exact.logpdf(bundle.x[-1, :, 0])).max() <= CLOSE


def test_case_12_a_gaussian_rate_gives_a_lognormal_with_heavy_tails():
    t, mean, std, spread = 1.0, 0.3, 0.8, 0.1
    system = loop(lambda x, t, p: jnp.stack([x[1] * x[0], 0.0 * x[1]]), [0, -1], [2, 1], 0.05, 20, substeps=8)
    cov = np.diag([spread**2, std**2])
    initial = FromLogDensity(
        lambda z: (
            stats.norm.logpdf(np.log(z[:, 0]), 0, spread)
            - np.log(z[:, 0])
            + stats.norm.logpdf(z[:, 1], mean, std)
        ),
        [0.4, -5.0],
        [2.0, 5.0],
    )  # x0 lognormal: ln x(t) = ln x0 + a t is Gaussian together with a
    joint = stats.multivariate_normal(
        [mean * t, mean], np.array([[1, t], [0, 1]]) @ cov @ np.array([[1, 0], [t, 1]])
    )
    exact = lambda x: joint.logpdf(np.stack([np.log(x[:, 0]), x[:, 1]], axis=1)) - np.log(x[:, 0])  # noqa: E731
    x, value = carried(system, initial)
    assert x[:, 0].max() / np.median(x[:, 0]) > 5.0
    assert np.abs(value - exact(x)).max() <= CLOSE


VAN_DER_POL = van_der_pol(substeps=2)


def box_average(system, initial, steps, low, high, nodes):
    axes = [a + (b - a) * (np.arange(nodes) + 0.5) / nodes for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    return np.exp(queried(system, initial, grid, steps)).mean() * np.prod(np.subtract(high, low))


def test_case_13_the_van_der_pol_box_has_the_probability_0_0606():
    initial = Uniform(VAN_DER_POL.low, VAN_DER_POL.high)
    p = box_average(VAN_DER_POL, initial, 20, [1.5, -0.5], [2.0, 0.5], 128)
    assert p == pytest.approx(0.0606, abs=1e-4)


def test_case_13_the_van_der_pol_mass_is_one():
    initial = Gaussian([0.3, 0.1], 0.09 * np.eye(2))  # smooth, so that the midpoint rule is accurate
    mass = box_average(VAN_DER_POL, initial, 20, [-2.6, -3.6], [2.6, 3.6], 128)
    assert mass == pytest.approx(1.0, abs=1e-3)


def test_case_14_a_linear_map_takes_the_log_determinant_and_not_the_trace():
    f, cov = np.array([[0.9, 0.2], [-0.1, 0.7]]), np.array([[0.5, 0.1], [0.1, 0.2]])
    system, initial = linear(f, [-1, -1], [1, 1], 1.0, 6, kind="map"), Gaussian([1.0, 0.5], cov)
    power = np.linalg.matrix_power(f, 6)
    exact = stats.multivariate_normal(power @ initial.mean, power @ cov @ power.T)
    x, value = carried(system, initial)
    assert np.abs(value - exact.logpdf(x)).max() <= CLOSE
    assert np.abs(queried(system, initial, x) - exact.logpdf(x)).max() <= CLOSE
    euler = -6 * np.log(1 + np.trace(f - np.eye(2)))  # what 1 - dt div f makes of it
    assert abs(euler + 6 * np.log(np.linalg.det(f))) > 0.1
