# SPDX-License-Identifier: Apache-2.0
"""Process noise by the probability flow: exact where it says so, against paths of the noisy system elsewhere."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from reflexarc.core.errors import ConfigError
from reflexarc.reach.flow import Flow
from reflexarc.reach.initial import Gaussian, Mixture, Uniform
from reflexarc.reach.noise import NoisyFlow, exponents
from tests.reach.problems import linear, loop, van_der_pol

A = np.array([[-0.4, 1.0, 0.0], [-1.0, 0.2, 0.3], [0.2, 0.0, -0.5]])
SIGMA = np.array([[0.0, 0.1], [0.4, 0.0], [0.2, 0.3]])


def lyapunov(cov, t):
    """Return the covariance of the linear system, integrated here."""
    rate = lambda _, p: (A @ (m := p.reshape(3, 3)) + m @ A.T + SIGMA @ SIGMA.T).ravel()  # noqa: E731
    return solve_ivp(rate, (0, t), cov.ravel(), rtol=1e-11, atol=1e-12).y[:, -1].reshape(3, 3)


def paths(drift, sigma, x, t, count, rng):
    """Euler-Maruyama: states of independent paths at time t."""
    h = t / count
    for _ in range(count):
        x = x + h * drift(x) + np.sqrt(h) * rng.standard_normal((len(x), sigma.shape[1])) @ sigma.T
    return x


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-5), ("float32", 2e-3)])
def test_a_linear_gaussian_system_is_exact_at_any_points(dtype, bound):
    system = linear(A, -np.ones(3), np.ones(3), 0.1, 10, substeps=4)
    cov = np.array([[0.3, 0.1, 0.0], [0.1, 0.2, 0.05], [0.0, 0.05, 0.1]])
    initial = Gaussian([0.5, -0.2, 0.1], cov)
    x0 = np.random.default_rng(0).uniform(-1, 1, (50, 3))  # no draws of the density
    bundle = NoisyFlow(system, SIGMA, dtype=dtype).run(initial, x0)
    exact = stats.multivariate_normal(expm(A) @ initial.mean, lyapunov(cov, 1.0))
    value = initial.log_density(x0) + bundle.gain[-1]
    assert bundle.x.dtype == dtype and bundle.x.shape == (11, 50, 3)
    assert np.abs(value - exact.logpdf(bundle.x[-1])).max() < bound


def test_draws_become_draws_of_the_later_law():
    system = linear(A, -np.ones(3), np.ones(3), 0.1, 10, substeps=2)
    initial = Gaussian(np.zeros(3), 0.1 * np.eye(3))
    x0 = initial.sample(np.random.default_rng(0), 20_000)
    x = NoisyFlow(system, SIGMA).run(initial, x0).x[-1]
    assert np.allclose(np.cov(x.T), lyapunov(initial.cov, 1.0), atol=0.01)


@pytest.mark.parametrize("closure", ["gaussian", "ensemble"])
def test_without_noise_the_flow_is_the_plain_one(closure):
    system, initial = van_der_pol(), Gaussian([0.5, 0.0], 0.1 * np.eye(2))
    x0 = initial.sample(np.random.default_rng(0), 300)
    noisy = NoisyFlow(system, np.zeros((2, 1)), closure, 2, dtype="float64").run(initial, x0, 10, start=1.0)
    plain = Flow(system, dtype="float64").run(x0, 10, start=1.0)
    assert (
        np.allclose(noisy.x, plain.x)
        and np.allclose(noisy.gain, plain.gain)
        and np.allclose(noisy.t, plain.t)
    )


def test_the_ensemble_of_order_two_is_a_gaussian_up_to_its_sampling_error():
    system = linear(A, -np.ones(3), np.ones(3), 0.1, 10, substeps=2)
    initial = Gaussian([0.5, -0.2, 0.1], 0.1 * np.eye(3))
    x0 = initial.sample(np.random.default_rng(0), 4000)
    bundle = NoisyFlow(system, SIGMA, "ensemble", 2, dtype="float64").run(initial, x0)
    exact = stats.multivariate_normal(expm(A) @ initial.mean, lyapunov(initial.cov, 1.0))
    error = initial.log_density(x0) + bundle.gain[-1] - exact.logpdf(bundle.x[-1])
    assert np.sqrt((error**2).mean()) < 0.05


DOUBLE_WELL = loop(lambda x, t, p: x - x**3, [-2], [2], 0.05, 20, substeps=2)


@pytest.fixture(scope="module")
def wells():
    """A Gaussian between two wells, and where 200,000 noisy paths from it are after 1 s."""
    initial, rng = Gaussian([0.1], [[0.4]]), np.random.default_rng(1)
    x = paths(lambda x: x - x**3, np.array([[0.5]]), initial.sample(rng, 200_000), 1.0, 200, rng)
    return initial, x[:, 0]


def in_bins(initial, bundle, x0, ends, edges):
    """Return the mean density of the particles per bin and the histogram of the paths' ends, where both are sure."""
    density = np.exp(initial.log_density(x0) + bundle.gain[-1])
    here, _ = np.histogram(bundle.x[-1, :, 0], edges)
    carried, _ = np.histogram(bundle.x[-1, :, 0], edges, weights=density)
    seen, _ = np.histogram(ends, edges)
    sure = (here > 20) & (seen > 2000)
    return carried[sure] / here[sure], seen[sure] / len(ends) / np.diff(edges)[sure]


def test_a_density_that_splits_agrees_with_a_histogram_of_paths(wells):
    initial, ends = wells
    x0 = initial.sample(np.random.default_rng(0), 4000)
    bundle = NoisyFlow(DOUBLE_WELL, [[0.5]], "ensemble", 8, dtype="float64").run(initial, x0)
    assert bundle.finite.all()
    carried, seen = in_bins(initial, bundle, x0, ends, np.linspace(-2, 2, 41))
    assert len(seen) > 25 and seen.max() / seen.min() > 4  # two wells and the ridge between them
    assert np.abs(np.log(carried / seen)).max() < 0.15
    assert stats.ks_2samp(bundle.x[-1, :, 0], ends[:20_000]).pvalue > 1e-3


def test_one_gaussian_does_not_represent_two_wells(wells):
    """The closure is documented as a linearisation; this is what it costs here."""
    initial, ends = wells
    x0 = initial.sample(np.random.default_rng(0), 4000)
    bundle = NoisyFlow(DOUBLE_WELL, [[0.5]], dtype="float64").run(initial, x0)
    carried, seen = in_bins(initial, bundle, x0, ends, np.linspace(-2, 2, 41))
    assert np.abs(np.log(carried / seen)).max() > 0.3


def test_noise_in_one_coordinate_of_van_der_pol_agrees_with_paths():
    system, sigma = van_der_pol(substeps=1), np.array([[0.0], [0.5]])
    initial, rng = Gaussian([0.5, 0.0], 0.15 * np.eye(2)), np.random.default_rng(0)
    x0 = initial.sample(rng, 5000)
    bundle = NoisyFlow(system, sigma, "ensemble", dtype="float64").run(initial, x0, 20)
    drift = lambda x: np.stack([x[:, 1], (1 - x[:, 0] ** 2) * x[:, 1] - x[:, 0]], axis=1)  # noqa: E731
    ends = paths(drift, sigma, initial.sample(rng, 200_000), 1.0, 100, rng)
    edges = [np.linspace(-1.5, 2.5, 21), np.linspace(-3.0, 2.5, 21)]
    density = np.exp(initial.log_density(x0) + bundle.gain[-1])
    here = np.histogram2d(*bundle.x[-1].T, bins=edges)[0]
    carried = np.histogram2d(*bundle.x[-1].T, bins=edges, weights=density)[0]
    seen = np.histogram2d(*ends.T, bins=edges, density=True)[0]
    sure = (here > 20) & (seen > 0.02)
    assert sure.sum() > 60
    assert np.abs(np.log(carried[sure] / here[sure] / seen[sure])).mean() < 0.06


def test_a_mixture_starts_the_gaussian_closure_with_its_moments():
    """Any rho_0 may be carried; its own log-density enters, only the score is that of a Gaussian."""
    system = loop(lambda x, t, p: -x, [-1], [1], 0.1, 5)
    initial = Mixture([1, 1], [Gaussian([-0.1], [[0.2]]), Gaussian([0.1], [[0.2]])])
    x0 = np.linspace(-1, 1, 9)[:, None]
    alike = NoisyFlow(system, [[0.3]], dtype="float64").run(initial, x0)
    exact = NoisyFlow(system, [[0.3]], dtype="float64").run(Gaussian([0.0], [[0.21]]), x0)
    assert np.abs(alike.gain - exact.gain).max() < 0.02


def test_the_monomials_are_all_of_a_degree_from_one_to_the_order():
    assert exponents(2, 2).tolist() == [[1, 0], [0, 1], [2, 0], [1, 1], [0, 2]]
    assert len(exponents(4, 4)) == 69


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda s, r: NoisyFlow(s, [[1.0]]), r"shape \(2, m\)"),
        (lambda s, r: NoisyFlow(s, [[np.nan], [0.0]]), "finite"),
        (lambda s, r: NoisyFlow(s, np.eye(2), "kernel"), "gaussian and ensemble"),
        (lambda s, r: NoisyFlow(s, np.eye(2), order=3), "must be even"),
        (
            lambda s, r: NoisyFlow(linear(np.eye(2), [-1, -1], [1, 1], 1, 1, kind="map"), np.eye(2)),
            "not through maps",
        ),
        (lambda s, r: NoisyFlow(s, np.eye(2)).run(r, np.zeros((3, 1))), r"\(N, 2\)"),
        (lambda s, r: NoisyFlow(s, np.eye(2)).run(Uniform([0], [1]), np.zeros((3, 2))), "must agree"),
        (lambda s, r: NoisyFlow(s, np.eye(2)).run(r, np.zeros((3, 2)), 0), "at least 1"),
        (
            lambda s, r: NoisyFlow(s, np.eye(2), "ensemble").run(r, np.zeros((99, 2))),
            "at least 140 particles, got 99",
        ),
    ],
)
def test_a_wrong_call_is_refused(call, text):
    with pytest.raises(ConfigError, match=text):
        call(van_der_pol(), Gaussian([0.0, 0.0], np.eye(2)))
