# SPDX-License-Identifier: Apache-2.0
"""Sequential sampling: stops early where the answer is clear, and its interval still holds."""

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.reach.risk import Touches
from reflexarc.reach.sequential import sequential


def coin(p, rng):
    return lambda count: np.where(rng.random(count) < p, 1, -1)


@pytest.mark.parametrize("p", [0.0, 0.002, 0.01, 0.05])
def test_the_interval_at_the_stop_covers_the_truth(p):
    """p = limit is the worst case: it goes on to the end, through every look."""
    rng = np.random.default_rng(0)
    ends = [sequential(coin(p, rng), outputs=2, limit=0.01, batch=100, most=6400) for _ in range(1000)]
    assert np.mean([r.ci_low <= p <= r.ci_high for r in ends]) >= 0.95
    wrong = [r.ci_low > 0.01 if p <= 0.01 else r.ci_high <= 0.01 for r in ends]
    assert np.mean(wrong) <= 0.05


def test_a_clear_answer_costs_few_trajectories_and_a_close_one_many():
    rng = np.random.default_rng(1)
    clean, dirty, close = (
        np.median(
            [sequential(coin(p, rng), outputs=2, limit=0.01, batch=500, most=2**7 * 500).n for _ in range(60)]
        )
        for p in (0.0001, 0.2, 0.0095)
    )
    assert dirty == 500
    assert clean <= 1000
    assert close > 16_000


def test_a_width_is_reached_and_no_more():
    rng = np.random.default_rng(2)
    risk = sequential(coin(0.3, rng), outputs=2, width=0.05, batch=100)
    assert risk.ci_high - risk.ci_low <= 0.05
    assert risk.n <= 12_800
    assert risk.first_hit.sum() == pytest.approx(risk.p)


def test_the_most_trajectories_are_never_exceeded():
    calls = []
    draw = coin(0.01, np.random.default_rng(3))
    risk = sequential(lambda n: calls.append(n) or draw(n), outputs=2, limit=0.01, batch=100, most=1000)
    assert risk.n == sum(calls) == 800
    assert set(calls) == {100}


def test_many_escapes_end_the_sampling_with_an_unknown_risk():
    def draw(count):
        escaped = np.arange(count) < count // 10
        return Touches(np.where(escaped, 1, -1), escaped)

    risk = sequential(draw, outputs=2, limit=0.5, batch=100)
    assert not risk.known
    assert risk.n == 100


@pytest.mark.parametrize(
    "settings", [{}, {"limit": 0.1, "batch": 0}, {"limit": 0.1, "batch": 20, "most": 10}]
)
def test_a_question_that_cannot_be_answered_is_refused(settings):
    with pytest.raises(ConfigError):
        sequential(coin(0.1, np.random.default_rng(0)), outputs=2, **settings)
