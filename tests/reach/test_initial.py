# SPDX-License-Identifier: Apache-2.0
"""Initial densities: normalised, sampled as they are evaluated, weighed with honest bounds, refused when impossible."""

import numpy as np
import pytest
from scipy import stats

from reflexarc.core.errors import ConfigError
from reflexarc.reach.initial import (
    Empirical,
    FromLogDensity,
    Gaussian,
    Mixture,
    Truncated,
    Uniform,
    missing_mass,
    particles,
    reweight,
    weight_bound,
)

COV = np.array([[0.5, 0.3], [0.3, 0.4]])


def corner(x):
    """A linear ramp on the unit square, not normalised: its integral is 7."""
    with np.errstate(divide="ignore"):
        return np.log(14.0 * x[:, 0])


DENSITIES = {
    "uniform": lambda: Uniform([-1.0, -0.5], [1.0, 1.5]),
    "gaussian": lambda: Gaussian([0.2, 0.3], COV),
    "truncated uniform": lambda: Truncated(Uniform([-1, -1], [1, 1]), [0, -3], [3, 0.5]),
    "truncated diagonal": lambda: Truncated(Gaussian([0.0, 0.0], np.diag([0.3, 0.8])), [0.4, -1], [2, 1]),
    "truncated correlated": lambda: Truncated(Gaussian([0.2, 0.3], COV), [-0.5, 0], [1, 2]),
    "mixture": lambda: Mixture([1, 3], [Gaussian([0.8, 0.0], 0.1 * COV), Uniform([-1, -1], [0, 0])]),
    "function": lambda: FromLogDensity(corner, [0, 0], [1, 1]),
    "empirical": lambda: Empirical(np.random.default_rng(5).normal(size=(40, 2)) * [1.0, 0.3]),
}


@pytest.fixture(params=DENSITIES)
def density(request):
    return DENSITIES[request.param]()


def midpoints(low, high, nodes):
    axes = [a + (b - a) * (np.arange(nodes) + 0.5) / nodes for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    return grid, np.prod((np.asarray(high) - low) / nodes)


def test_a_density_integrates_to_one(density):
    grid, cell = midpoints([-6, -6], [6, 6], 1200)
    assert np.exp(density.log_density(grid)).sum() * cell == pytest.approx(1.0, abs=2e-3)


def test_samples_fall_where_the_density_says(density):
    x = density.sample(np.random.default_rng(0), 40_000)
    assert x.shape == (40_000, 2) and np.isfinite(density.log_density(x)).all()
    grid, cell = midpoints([-4, -4], [4, 4], 800)
    chance = (np.exp(density.log_density(grid)) * cell).reshape(10, 80, 10, 80).sum(axis=(1, 3)).ravel()
    counts = np.histogram2d(*x.T, bins=10, range=[[-4, 4]] * 2)[0].ravel()
    keep = chance > 1e-3
    expected = chance[keep] * len(x)
    statistic = ((counts[keep] - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(statistic, keep.sum()) > 1e-4


def test_the_mass_of_a_box_is_the_integral_of_the_density(density):
    low, high = np.array([-0.3, -0.2]), np.array([0.9, 0.8])
    grid, cell = midpoints(low, high, 1000)
    mass = density.mass(low, high)
    assert mass.value == pytest.approx(np.exp(density.log_density(grid)).sum() * cell, abs=2e-3)
    assert 0.0 <= mass.error < 1e-3
    everything = density.mass(np.full(2, -50.0), np.full(2, 50.0))
    assert everything.value == pytest.approx(1.0, abs=1e-3)


def test_no_log_density_exceeds_the_peak(density):
    grid, _ = midpoints([-4, -4], [4, 4], 400)
    assert density.log_density(grid).max() <= density.peak + 1e-12


def test_nothing_lies_outside_the_support(density):
    x = density.sample(np.random.default_rng(1), 2000)
    low, high = density.support
    assert ((x >= low) & (x <= high)).all()


def test_a_gaussian_is_the_textbook_one():
    x = np.random.default_rng(0).normal(size=(50, 2))
    ours = Gaussian([0.2, 0.3], COV)
    assert np.allclose(ours.log_density(x), stats.multivariate_normal([0.2, 0.3], COV).logpdf(x))


@pytest.mark.parametrize("n", [3, 8])
def test_a_correlated_mass_agrees_with_the_equicorrelated_closed_form(n):
    """X_i = sqrt(r) Z + sqrt(1 - r) E_i: the mass is a one-dimensional integral over Z."""
    r, z = 0.4, np.linspace(-10, 10, 20_001)
    low, high = np.full(n, -0.5), np.full(n, 2.0)
    inner = stats.norm.cdf((high[0] - np.sqrt(r) * z) / np.sqrt(1 - r))
    inner -= stats.norm.cdf((low[0] - np.sqrt(r) * z) / np.sqrt(1 - r))
    exact = np.trapezoid(inner**n * stats.norm.pdf(z), z)
    mass = Gaussian(np.zeros(n), r + (1 - r) * np.eye(n)).mass(low, high)
    assert abs(mass.value - exact) < 5 * mass.error + 1e-12
    assert 0 < mass.error < 1e-3 * exact


def test_the_mass_of_a_far_tail_keeps_its_digits():
    mass = Gaussian([0.0], [[1.0]]).mass(np.array([9.0]), np.array([np.inf]))
    assert mass.value == pytest.approx(stats.norm.sf(9.0), rel=1e-10)


def test_a_function_in_five_dimensions_is_normalised_with_a_stated_error():
    spread = 0.4
    target = FromLogDensity(lambda x: -0.5 * (x**2).sum(axis=1) / spread**2, -np.ones(5), np.ones(5))
    exact = (np.sqrt(2 * np.pi) * spread * (2 * stats.norm.cdf(1 / spread) - 1)) ** 5
    assert 0 < target.error < 0.01
    assert abs(np.exp(target.log_integral) / exact - 1) < 5 * target.error
    x = target.sample(np.random.default_rng(0), 4000)
    expected = stats.truncnorm.std(-1 / spread, 1 / spread) * spread
    assert np.allclose(x.std(axis=0), expected, rtol=0.05)


def test_rejection_raises_its_bound_when_a_draw_exceeds_it():
    """A ridge that lies between the nodes of the quadrature, but carries little of the mass."""

    def ridge(x):
        return np.where(np.abs(x[:, 0] - 0.500195) < 3e-5, 3.0, 0.0)

    target = FromLogDensity(ridge, [0.0], [1.0])
    assert target.largest == 0.0
    x = target.sample(np.random.default_rng(0), 400_000)
    share = (ridge(x) > 0).mean()
    assert share == pytest.approx(6e-5 * np.exp(3), rel=0.35)


def test_weights_turn_one_density_into_another():
    proposal, target = Uniform([-4.0, -4.0], [4.0, 4.0]), Gaussian([0.5, -0.2], COV)
    drawn = particles(target, 50_000, np.random.default_rng(0), proposal)
    w = drawn.weights
    assert w.w.sum() == pytest.approx(1.0) and w.ratio.mean() == pytest.approx(1.0, abs=0.03)
    mean = w.w @ drawn.x
    assert np.allclose(mean, target.mean, atol=0.02)
    assert np.allclose((drawn.x - mean).T @ ((drawn.x - mean) * w.w[:, None]), COV, atol=0.02)
    assert drawn.ess == w.ess == pytest.approx(1 / (w.w**2).sum())
    # the expected share is 1 / integral(rho^2 / q) = 4 pi sqrt(det) / volume
    assert w.ess / 50_000 == pytest.approx(4 * np.pi * np.sqrt(np.linalg.det(COV)) / 64, rel=0.03)


def test_equal_densities_have_equal_weights():
    target = Gaussian([0.0], [[2.0]])
    weights = reweight(target, Gaussian([0.0], [[2.0]]), target.sample(np.random.default_rng(0), 100))
    assert weights.ess == pytest.approx(100) and np.allclose(weights.w, 0.01)
    assert reweight(target, target, np.zeros((3, 1))).bound == 1.0
    direct = particles(target, 7, np.random.default_rng(0))
    assert direct.weights is None and direct.ess == 7.0


PAIRS = {
    "uniform": (Gaussian([0.1, 0.0], COV), Uniform([-1, -1], [1, 1])),
    "defensive": (
        Gaussian([0.1, 0.0], COV),
        Mixture([0.1, 0.9], [Gaussian([0.1, 0.0], COV), Gaussian([2, 0], COV)]),
    ),
    "wider": (Gaussian([0.1, 0.0], COV), Gaussian([1.0, 0.4], 1.5 * COV)),
    "truncated target": (Truncated(Gaussian([0, 0], COV), [0, 0], [1, 1]), Gaussian([0.5, 0.5], 2 * COV)),
    "truncated proposal": (Uniform([0, 0], [1, 1]), Truncated(Uniform([-1, -1], [1, 1]), [-0.5, 0], [1, 1])),
    "mixed target": (
        Mixture([1, 1], [Uniform([0, 0], [1, 1]), Uniform([0, 0], [0.5, 0.5])]),
        Uniform([0, 0], [1, 1]),
    ),
    "kernel": (Empirical(np.array([[0.0, 0.1], [0.5, 0.2], [0.1, 0.7]])), Uniform([-9, -9], [9, 9])),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_a_weight_bound_is_finite_and_holds_on_a_grid(pair):
    target, proposal = PAIRS[pair]
    grid, _ = midpoints([-4, -4], [4, 4], 321)
    drawn = proposal.log_density(grid)
    at = np.isfinite(drawn)
    largest = np.exp(target.log_density(grid)[at] - drawn[at]).max()
    bound = weight_bound(target, proposal)
    assert largest <= bound * (1 + 1e-9) and bound < 20 * largest


def test_a_weight_bound_is_infinite_where_none_is_known():
    gaussian = Gaussian([0.0, 0.0], COV)
    assert weight_bound(gaussian, Gaussian([1.0, 0.0], COV)) == np.inf  # a shift alone is unbounded
    assert weight_bound(gaussian, Gaussian([0.0, 0.0], 0.5 * COV)) == np.inf
    assert weight_bound(FromLogDensity(corner, [0, 0], [1, 1]), Uniform([0, 0], [1, 1])) == np.inf


def test_mass_that_the_proposal_cannot_reach_is_stated():
    gaussian = Gaussian([0.0], [[1.0]])
    outside = 2 * stats.norm.sf(1.5)
    assert missing_mass(gaussian, Uniform([-1.5], [1.5])) == pytest.approx(outside)
    assert missing_mass(Uniform([0], [1]), Uniform([-1], [1])) == 0.0
    assert missing_mass(gaussian, Mixture([1, 1], [Uniform([-1.5], [1.5]), Gaussian([3.0], [[1.0]])])) == 0.0
    x = np.linspace(-1.4, 1.4, 10)[:, None]
    assert reweight(gaussian, Uniform([-1.5], [1.5]), x).missing == pytest.approx(outside)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Uniform([1.0], [0.0]), "must not lie above"),
        (lambda: Uniform([1.0, 0.0], [1.0, 1.0]), "positive volume"),
        (lambda: Uniform([0.0], [np.inf]), "finite, positive volume"),
        (lambda: Uniform([0.0], [1.0, 2.0]), "two corners"),
        (lambda: Gaussian([0, 0], [[1, 1], [1, 1]]), "covariance is singular"),
        (lambda: Gaussian([0, 0], np.diag([1, 0])), "covariance is singular"),
        (lambda: Gaussian([0, 0], [[1, 2], [2, 1]]), "covariance is singular"),
        (lambda: Gaussian([0, 0], [[1, 0.5], [0, 1]]), "symmetric"),
        (lambda: Gaussian([0, 0], np.eye(3)), "covariance"),
        (lambda: Truncated(Uniform([0], [1]), [2], [3]), "integrates to zero"),
        (lambda: Truncated(Gaussian([0], [[1]]), [90], [91]), "integrates to zero"),
        (lambda: Truncated(Uniform([0], [1]), [0, 0], [1, 1]), r"shape \(1,\)"),
        (lambda: Mixture([0, 0], [Uniform([0], [1])] * 2), "integrates to zero"),
        (lambda: Mixture([1, -1], [Uniform([0], [1])] * 2), "not negative"),
        (lambda: Mixture([1], []), "one weight per part"),
        (lambda: Mixture([1, 1], [Uniform([0], [1]), Uniform([0, 0], [1, 1])]), "must agree"),
        (lambda: FromLogDensity(lambda x: np.full(len(x), -np.inf), [0], [1]), "integrates to zero"),
        (lambda: FromLogDensity(lambda x: np.full(len(x), np.nan), [0], [1]), "NaN"),
        (lambda: FromLogDensity(lambda x: x, [0], [1]), r"in the shape"),
        (
            lambda: FromLogDensity(lambda x: -1e6 * (x**2).sum(axis=1), -np.ones(6), np.ones(6)),
            "give a closer box",
        ),
        (lambda: Empirical(np.zeros((5, 1))), "bandwidth must be positive"),
        (lambda: Empirical(np.zeros((1, 1)), 1.0), "M >= 2"),
        (
            lambda: Truncated(Gaussian([0, 0], COV), [4, 4], [5, 5]).sample(np.random.default_rng(0), 1),
            "rejection",
        ),
        (lambda: Uniform([0], [1]).log_density(np.zeros(3)), r"shape \(N, 1\)"),
        (lambda: reweight(Uniform([0], [1]), Uniform([2], [3]), np.array([[2.5]])), "zero at all 1 states"),
        (
            lambda: reweight(Uniform([0], [1]), Uniform([2], [3]), np.array([[0.5]])),
            "no density under the proposal",
        ),
        (lambda: reweight(Uniform([0], [1]), Uniform([0, 0], [1, 1]), np.zeros((1, 2))), "must agree"),
        (lambda: particles(Uniform([0], [1]), 0, np.random.default_rng(0)), "at least 1"),
    ],
)
def test_what_is_no_density_is_refused(make, text):
    with pytest.raises(ConfigError, match=text):
        make()
