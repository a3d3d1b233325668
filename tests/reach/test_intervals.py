# SPDX-License-Identifier: Apache-2.0
"""Intervals: known sample sizes, binomial tails, and coverage over 1,000 repeats."""

import math

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.core.intervals import (
    clopper_pearson,
    clopper_pearson_upper,
    empirical_bernstein,
    required_samples,
    weighted_share,
)

REPEATS = 1000


@pytest.mark.parametrize(
    ("limit", "delta", "samples"),
    [
        (1e-2, 0.05, 299),
        (1e-3, 0.05, 2995),
        (1e-4, 0.05, 29_956),
        (1e-2, 0.01, 459),
        (1e-3, 0.01, 4603),
        (1e-4, 0.01, 46_050),
    ],
)
def test_samples_without_a_hit_that_prove_a_limit_are_the_known_numbers(limit, delta, samples):
    assert required_samples(limit, delta) == samples
    assert clopper_pearson_upper(0, samples, delta) <= limit < clopper_pearson_upper(0, samples - 1, delta)


@pytest.mark.parametrize(("hits", "samples"), [(0, 40), (3, 40), (40, 40), (17, 300)])
def test_the_ends_are_where_the_binomial_tails_are_half_of_delta(hits, samples):
    def tail(p, counts):
        return sum(math.comb(samples, k) * p**k * (1.0 - p) ** (samples - k) for k in counts)

    low, high = clopper_pearson(hits, samples, 0.1)
    assert (low == 0.0) if hits == 0 else tail(low, range(hits, samples + 1)) == pytest.approx(0.05, rel=1e-6)
    assert (high == 1.0) if hits == samples else tail(high, range(hits + 1)) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize("p", [0.002, 0.03, 0.4])
def test_two_sided_counts_cover_the_truth(p):
    n = 500
    hits = np.random.default_rng(1).binomial(n, p, REPEATS)
    table = {k: clopper_pearson(int(k), n, 0.05) for k in np.unique(hits)}
    assert np.mean([table[k][0] <= p <= table[k][1] for k in hits]) >= 0.95


def test_empirical_bernstein_covers_the_truth_and_narrows_with_the_variance():
    rng = np.random.default_rng(2)
    values = 3.0 * rng.beta(0.3, 2.0, (REPEATS, 400))
    truth = 3.0 * 0.3 / 2.3
    ends = np.array([empirical_bernstein(row, 3.0, 0.05) for row in values])
    assert np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) >= 0.95
    wide = np.ptp(empirical_bernstein(rng.choice([0.0, 1.0], 10_000), 1.0, 0.05))
    narrow = np.ptp(empirical_bernstein(rng.uniform(0.49, 0.51, 10_000), 1.0, 0.05))
    assert narrow < 0.1 * wide


def test_empirical_bernstein_is_the_published_formula():
    values = np.array([0.0, 0.5, 1.0, 0.5] * 200)
    n, mean = len(values), 0.5
    variance = np.sum((values - mean) ** 2) / (n - 1)
    log = math.log(2.0 / 0.05)  # one side of a two-sided 0.1
    reach = math.sqrt(2.0 * variance * log / n) + 7.0 * log / (3.0 * (n - 1))
    assert empirical_bernstein(values, 1.0, 0.1) == pytest.approx((mean - reach, mean + reach))


@pytest.mark.parametrize("scale", [1.0, 7.5])
def test_self_normalised_weights_cover_the_truth_in_any_scale(scale):
    """The density 2x on [0, 1] seen through uniform samples: P(x > 0.9) = 0.19, weights 2x."""
    x = np.random.default_rng(3).random((REPEATS, 300))
    ends = np.array([weighted_share(row > 0.9, scale * 2.0 * row, scale * 2.0, 0.05) for row in x])
    assert np.mean((ends[:, 0] <= 0.19) & (0.19 <= ends[:, 1])) >= 0.95
    many = np.random.default_rng(4).random(400_000)
    low, high = weighted_share(many > 0.9, scale * 2.0 * many, scale * 2.0, 0.05)
    assert low < 0.19 < high
    assert high - low < 0.006


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clopper_pearson(5, 4, 0.1), "not possible"),
        (lambda: clopper_pearson_upper(0, 0, 0.1), "not possible"),
        (lambda: clopper_pearson(1, 4, 0.0), "strictly between 0 and 1"),
        (lambda: required_samples(float("nan"), 0.5), "strictly between 0 and 1"),
        (lambda: empirical_bernstein([0.5], 1.0, 0.1), "at least two"),
        (lambda: empirical_bernstein([0.5, 1.5], 1.0, 0.1), "must lie in"),
        (lambda: empirical_bernstein([0.5, math.nan], 1.0, 0.1), "must lie in"),
        (lambda: weighted_share([1, 0], [0.0, 0.0], 1.0, 0.1), "all weights are zero"),
        (lambda: weighted_share([1, 0, 1], [0.5, 0.1], 1.0, 0.1), "one weight per sample"),
        (lambda: empirical_bernstein([0.5, 0.5], math.inf, 0.1), "positive and finite"),
    ],
)
def test_what_has_no_interval_is_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
