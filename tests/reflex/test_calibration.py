# SPDX-License-Identifier: Apache-2.0
"""Thresholds from wanted rates, and reliability of predictions."""

import numpy as np
import pytest
from scipy.stats import binom

from reflexarc.core.errors import ConfigError
from reflexarc.reflex import calibration
from reflexarc.reflex.calibration import controlled_threshold, reliability

GRID = np.array([0.1, 0.2, 0.3, 0.4])


def outcomes(*failures, of=99):
    return np.array([[k < count for k in range(of)] for count in failures])


def test_the_largest_threshold_that_keeps_the_rate_is_taken():
    # (n R + 1) / (n + 1): 0.01, 0.02, 0.05, 0.06
    failed = outcomes(0, 1, 4, 5)
    assert controlled_threshold(GRID, failed, 0.05) == 0.3
    assert controlled_threshold(GRID, failed, 0.015) == 0.1
    assert controlled_threshold(GRID, failed, 0.5) == 0.4


def test_one_threshold_that_breaks_the_rate_ends_the_search():
    assert controlled_threshold(GRID, outcomes(0, 9, 0, 0), 0.05) == 0.1


def test_where_no_threshold_keeps_the_rate_there_is_none():
    assert controlled_threshold(GRID, outcomes(50, 60, 70, 80), 0.01) is None


def test_the_rate_holds_for_the_next_episode():
    rng, alpha, lost = np.random.default_rng(0), 0.1, []
    for _ in range(4000):
        limits = rng.random(51)  # an episode fails under thresholds above its limit
        grid = np.linspace(0.0, 1.0, 201)
        chosen = controlled_threshold(grid, limits[None, :50] < grid[:, None], alpha)
        lost.append(limits[50] < chosen)
    assert alpha - 0.04 < np.mean(lost) < alpha + 0.005


def test_a_threshold_passes_whatever_the_smaller_ones_do_and_none_does_without_proof():
    thresholds = np.array([0.01, 0.1, 0.5, 0.9])
    failed, reached = np.zeros((2, 4, 1000), dtype=bool)
    failed[0], failed[3, :3] = True, True  # as where the recovery drives all the time
    reached[1:3, :990], reached[3] = True, True
    assert calibration.tested_threshold(thresholds, failed, reached, 0.01) == 0.9
    failed[3, :30] = True
    assert calibration.tested_threshold(thresholds, failed, reached, 0.01) == 0.5  # of equal ones the largest
    reached[2] = False
    assert calibration.tested_threshold(thresholds, failed, reached, 0.01) == 0.1
    assert (
        calibration.tested_threshold(thresholds, failed[:, :100], reached[:, :100], 0.01) is None
    )  # too few to prove it


def test_a_threshold_that_fails_too_often_passes_as_seldom_as_promised():
    rng = np.random.default_rng(4)
    reached = np.ones((10, 1000), dtype=bool)
    thresholds = np.linspace(0.1, 1.0, 10)
    bad = rng.random((400, 10, 1000)) < 0.0101
    passed = sum(
        calibration.tested_threshold(thresholds, failed, reached, 0.01) is not None for failed in bad
    )
    assert 0 < passed <= binom.ppf(0.999, 400, 0.1)


def test_reliability_of_honest_and_of_wrong_predictions():
    rng = np.random.default_rng(1)
    said = rng.random(200_000)
    honest = reliability(said, rng.random(said.size) < said)
    assert honest.error < 0.01 and honest.count.sum() == said.size
    np.testing.assert_allclose(honest.predicted, honest.observed, atol=0.02)
    wrong = reliability(said, rng.random(said.size) < said**2)
    assert wrong.error == pytest.approx(1.0 / 6.0, abs=0.01)  # mean of p - p^2


@pytest.mark.parametrize(
    ("thresholds", "failed", "alpha"),
    [
        (GRID, outcomes(0, 1), 0.1),
        (GRID[::-1], outcomes(0, 1, 2, 3), 0.1),
        (GRID, outcomes(0, 1, 2, 3), 0.0),
        (np.empty(0), np.empty((0, 5)), 0.1),
    ],
)
def test_what_cannot_be_meant_is_refused(thresholds, failed, alpha):
    with pytest.raises(ConfigError):
        controlled_threshold(thresholds, failed, alpha)
    with pytest.raises(ConfigError):
        calibration.tested_threshold(thresholds, failed, failed, alpha)


def test_predictions_outside_of_zero_to_one_are_refused():
    for said in ([0.5, np.nan], [0.5, 1.1]):
        with pytest.raises(ConfigError, match="predictions"):
            reliability(np.array(said), np.zeros(2))
    with pytest.raises(ConfigError):
        reliability(np.zeros(3), np.zeros(2))
