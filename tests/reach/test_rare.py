# SPDX-License-Identifier: Apache-2.0
"""Rare events: known tails, intervals that hold although the pilot was misled, and their price."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import ncx2

from reflexarc.core.errors import ConfigError
from reflexarc.core.intervals import clopper_pearson
from reflexarc.reach.flow import Flow
from reflexarc.reach.initial import Gaussian, Uniform
from reflexarc.reach.obstacles import Discs, Footprint
from reflexarc.reach.rare import fit, rare_risk, rare_touch_risk, shift
from reflexarc.reach.system import ClosedLoop
from reflexarc.robots.systems.system import Coordinate

PLANE = Gaussian(np.zeros(2), np.eye(2))


def crude_samples(p, width):
    """Samples of crude Monte Carlo whose Clopper-Pearson interval at the expected count is as narrow."""
    low, high = 1, 10**12
    while high - low > max(1, low // 1000):
        n = (low + high) // 2
        low, high = (low, n) if np.diff(clopper_pearson(round(p * n), n, 0.05))[0] <= width else (n, high)
    return high


def test_an_event_of_1e_5_costs_a_fiftieth_of_crude_sampling_at_the_same_width():
    limit = -ndtri(1e-5)
    risk = rare_risk(lambda x: limit - x[:, 0], PLANE, np.random.default_rng(0), count=8_000_000)
    assert risk.ci_low <= 1e-5 <= risk.ci_high
    assert risk.p == pytest.approx(1e-5, rel=0.01)
    assert crude_samples(1e-5, risk.ci_high - risk.ci_low) >= 50 * risk.n


@pytest.mark.parametrize("parts", [1, 2])
def test_the_pilot_reaches_a_tail_and_fits_it(parts):
    limit = -ndtri(1e-7)
    shifted, _, spent = shift(lambda x: limit - x[:, 0], PLANE, np.random.default_rng(1), 5000, parts)
    assert shifted is not None
    assert spent <= 100_000
    x = shifted.sample(np.random.default_rng(2), 20_000)
    assert 0.3 < (x[:, 0] > limit).mean() < 0.95
    assert abs(x[:, 1].mean()) < 0.2


def test_two_places_of_an_event_are_both_found():
    limit = 4.5
    risk = rare_risk(lambda x: limit - np.abs(x[:, 0]), PLANE, np.random.default_rng(3), count=200_000)
    assert risk.p == pytest.approx(2.0 * ndtr(-limit), rel=0.1)
    assert risk.ci_low <= 2.0 * ndtr(-limit) <= risk.ci_high


def test_the_interval_covers_the_truth_over_many_repeats():
    limit, covered, narrow = 3.0, [], []
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        risk = rare_risk(lambda x: limit - x[:, 0], PLANE, rng, count=1500, pilot=200, parts=1)
        covered.append(risk.ci_low <= ndtr(-limit) <= risk.ci_high)
        narrow.append(risk.ci_high)
    assert np.mean(covered) >= 0.95
    assert np.median(narrow) < 8e-3


def test_the_interval_covers_an_event_in_a_place_that_the_score_hides_from_the_pilot():
    """Half of the event, 1e-3, lies where the score says that it is far away."""
    limit, hidden = -ndtri(1e-3), ndtri([0.1, 0.101])

    def score(x):
        return np.where((x[:, 0] > hidden[0]) & (x[:, 0] < hidden[1]), -1.0, limit - x[:, 0])

    covered, missed = [], 0
    for seed in range(200):
        risk = rare_risk(score, PLANE, np.random.default_rng(seed), count=2000, pilot=300, parts=1)
        covered.append(risk.ci_low <= 2e-3 <= risk.ci_high)
        missed += risk.p < 1.5e-3
    assert np.mean(covered) >= 0.95
    assert missed > 20  # the estimate alone is often wrong; the interval says so


def test_an_event_that_cannot_happen_gets_the_bound_of_clean_samples():
    risk = rare_risk(
        lambda x: 1.0 + 0.0 * x[:, 0], Uniform([0, 0], [1, 1]), np.random.default_rng(4), count=29_956
    )
    assert risk.p == 0.0
    assert risk.upper <= 1e-4
    assert risk.method == "clopper-pearson"


def test_a_score_that_is_not_a_number_is_the_event():
    """A trajectory that escapes has no score."""
    risk = rare_risk(
        lambda x: np.where(x[:, 0] > 2.0, np.nan, 3.0 - x[:, 0]),
        PLANE,
        np.random.default_rng(5),
        count=50_000,
    )
    assert risk.ci_low <= ndtr(-2.0) <= risk.ci_high


def test_samples_outside_the_density_count_nothing():
    """The event touches the edge of a uniform density; the fitted Gaussians reach beyond it."""
    square = Uniform([-1.0, -1.0], [1.0, 1.0])
    risk = rare_risk(lambda x: 0.999 - x[:, 0], square, np.random.default_rng(6), count=200_000)
    assert risk.p == pytest.approx(5e-4, rel=0.1)
    assert risk.ci_low <= 5e-4 <= risk.ci_high


def test_errors_of_the_robot_and_of_a_tracked_disc_are_shifted_together():
    still = ClosedLoop(
        "still", "none", (Coordinate("x", "m"), Coordinate("y", "m")), lambda x, t, p: 0.0 * x,
        np.full(2, -1.0), np.full(2, 1.0), 0.1, 2,
    )  # fmt: skip
    variance = 0.2**2 + 0.15**2
    truth = ncx2.cdf(0.5**2 / variance, 2, 1.5**2 / variance)
    assert 1e-5 < truth < 1e-4
    risk = rare_touch_risk(
        Flow(still),
        Gaussian(np.zeros(2), 0.04 * np.eye(2)),
        Discs([[1.5, 0.0], [0.0, 9.0]], [0.3, 0.3], None, [0.15, 0.15]),
        Footprint(radius=0.2),
        rng=np.random.default_rng(7),
        count=200_000,
        parts=1,
    )
    assert risk.p == pytest.approx(truth, rel=0.05)
    assert risk.ci_low <= truth <= risk.ci_high


def test_the_fit_finds_two_weighted_clusters():
    rng = np.random.default_rng(8)
    x = np.concatenate([rng.normal([-3.0, 0.0], 0.2, (500, 2)), rng.normal([2.0, 1.0], 0.5, (500, 2))])
    weight = np.repeat([3.0, 1.0], 500)
    mixture = fit(x, weight, 2, rng, np.full(2, 1e-6))
    order = np.argsort([part.mean[0] for part in mixture.parts])
    assert np.allclose(mixture.weights[order], [0.75, 0.25], atol=0.02)
    assert np.allclose(mixture.parts[order[0]].mean, [-3.0, 0.0], atol=0.05)
    assert np.allclose(mixture.parts[order[1]].mean, [2.0, 1.0], atol=0.1)


@pytest.mark.parametrize("settings", [{"defensive": 1.0}, {"defensive": 0.0}, {"count": 1}])
def test_settings_without_an_interval_are_refused(settings):
    with pytest.raises(ConfigError, match="must lie between 0 and 1"):
        rare_risk(lambda x: x[:, 0], PLANE, np.random.default_rng(0), **settings)
