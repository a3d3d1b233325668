# SPDX-License-Identifier: Apache-2.0
"""Sample sizes, Clopper-Pearson and conformal levels: known numbers, and coverage by simulation."""

import math

import numpy as np
import pytest

from reflexarc.barrier.certify.statistics import conformal_level, required_samples, upper_bound
from reflexarc.core.errors import ConfigError


@pytest.mark.parametrize(
    "epsilon, beta, samples",
    [(1e-2, 1e-3, 688), (1e-2, 1e-6, 1375), (1e-2, 1e-9, 2062), (1e-3, 1e-6, 13_809), (1e-4, 1e-6, 138_149)],
)
def test_the_sample_sizes_are_the_known_ones(epsilon, beta, samples):
    assert required_samples(epsilon, beta) == samples
    assert (1.0 - epsilon) ** samples <= beta < (1.0 - epsilon) ** (samples - 1)


@pytest.mark.parametrize("violations", [0, 1, 3, 10])
def test_a_bound_is_where_the_binomial_tail_is_beta(violations):
    n, beta = 500, 1e-4
    p = upper_bound(violations, n, beta)
    tail = sum(math.comb(n, k) * p**k * (1.0 - p) ** (n - k) for k in range(violations + 1))
    assert tail == pytest.approx(beta, rel=1e-6)


@pytest.mark.parametrize("violations", [1, 2, 7])
def test_a_sample_sized_for_violations_is_the_smallest_that_bears_them(violations):
    n = required_samples(0.02, 1e-3, violations)
    assert upper_bound(violations, n, 1e-3) <= 0.02 < upper_bound(violations, n - 1, 1e-3)


@pytest.mark.parametrize("p", [0.003, 0.02, 0.2])
def test_the_bound_covers_the_true_probability_as_often_as_it_says(p):
    beta, n, trials = 0.05, 300, 4000
    hits = np.random.default_rng(1).binomial(n, p, trials)
    table = np.array([upper_bound(k, n, beta) for k in range(hits.max() + 1)])
    missed = np.mean(table[hits] < p)
    assert missed <= beta + 3.0 * math.sqrt(beta * (1.0 - beta) / trials)


@pytest.mark.parametrize("miscoverage, size", [(0.1, 19), (0.02, 99), (0.01, 99), (0.05, 400)])
def test_the_conformal_level_covers_the_next_score_as_often_as_it_says(miscoverage, size):
    rng = np.random.default_rng(2)
    trials = 4000
    exceeded = 0
    for _ in range(trials):
        # most starts are fine and score -infinity, as those of a barrier do
        scores = np.where(rng.random(size + 1) < 0.4, rng.exponential(size=size + 1), -np.inf)
        exceeded += scores[-1] > conformal_level(scores[:-1], miscoverage)
    limit = miscoverage + 3.0 * math.sqrt(miscoverage / trials)
    assert exceeded / trials <= limit
    assert exceeded / trials >= miscoverage - 1.0 / size - 4.0 * math.sqrt(miscoverage / trials)


def test_a_conformal_level_of_too_few_scores_is_infinite():
    assert conformal_level(np.arange(50.0), 0.01) == math.inf
    assert conformal_level(np.arange(99.0), 0.01) == 98.0


def test_all_violations_bound_nothing():
    assert upper_bound(7, 7, 1e-6) == 1.0


@pytest.mark.parametrize(
    "epsilon, beta", [(0.0, 0.5), (1.0, 0.5), (0.1, 0.0), (0.1, 1.0), (float("nan"), 0.5)]
)
def test_probabilities_outside_their_range_are_refused(epsilon, beta):
    with pytest.raises(ConfigError, match="strictly between 0 and 1"):
        required_samples(epsilon, beta)


def test_impossible_counts_are_refused():
    with pytest.raises(ConfigError, match="not possible"):
        upper_bound(5, 4, 0.1)
    with pytest.raises(ConfigError, match="at least 0"):
        required_samples(0.1, 0.1, -1)
    with pytest.raises(ConfigError, match="at least one"):
        conformal_level(np.array([]), 0.1)
