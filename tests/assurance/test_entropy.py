# SPDX-License-Identifier: Apache-2.0
"""Cluster entropy has its known values, and doubt, also about the plans themselves, asks for a slower mode."""

import math

import numpy as np
import pytest

from reflexarc.assurance.monitors.entropy import (
    ANCHORS,
    THRESHOLD,
    EntropyMonitor,
    cluster_entropy,
    lateral_anchors,
)
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Mode

TIME = np.linspace(0.1, 4.0, 40)
FIVE = lateral_anchors(2.0, TIME)


def near(counts, seed=0):
    """So many plans around each anchor."""
    rng = np.random.default_rng(seed)
    index = np.repeat(np.arange(5), counts)
    return FIVE[index] + rng.normal(0.0, 0.05, (len(index), 40, 2)), index


@pytest.mark.parametrize(
    ("weights", "entropy"),
    [
        ((1, 0, 0, 0, 0), 0.0),
        ((0, 3, 3, 0, 0), math.log(2.0)),
        ((1, 1, 1, 1, 1), math.log(5.0)),
        ((0, 0, 3, 1, 0), 0.25 * math.log(4.0) + 0.75 * math.log(4.0 / 3.0)),
        ((4, 2, 1, 1, 0), 0.5 * math.log(2.0) + 0.25 * math.log(4.0) + 0.25 * math.log(8.0)),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_the_entropy_is_that_of_the_summed_scores_and_not_of_the_plans(weights, entropy, scale):
    plans, index = near([10, 20, 30, 5, 1])
    scores = scale * np.array(weights, dtype=float)[index] / np.array([10, 20, 30, 5, 1])[index]
    found = cluster_entropy(plans, scores, FIVE)
    assert found.entropy == pytest.approx(entropy, abs=1e-12)
    assert found.share == pytest.approx(np.array(weights) / sum(weights))
    assert (found.cluster == index).all()


def test_the_order_of_the_plans_does_not_count():
    plans, _ = near([3, 1, 4, 1, 5])
    scores = np.random.default_rng(1).uniform(0.0, 1.0, 14)
    order = np.random.default_rng(2).permutation(14)
    a, b = cluster_entropy(plans, scores, FIVE), cluster_entropy(plans[order], scores[order], FIVE)
    assert a.entropy == pytest.approx(b.entropy)


def test_anchors_end_where_they_say_are_arcs_and_are_mirror_images():
    assert len(FIVE) == len(ANCHORS)
    assert FIVE[:, -1, 1] == pytest.approx([4.0, 1.5, 0.0, -1.5, -4.0], abs=1e-9)
    assert FIVE[0] * (1.0, -1.0) == pytest.approx(FIVE[4])
    steps = np.linalg.norm(np.diff(FIVE, axis=1), axis=2)
    assert steps == pytest.approx(np.full_like(steps, 0.2), rel=1e-3)  # chords of equal arcs
    turns = np.diff(np.unwrap(np.arctan2(*np.moveaxis(np.diff(FIVE[0], axis=0), 1, 0)[::-1])))
    assert turns == pytest.approx(np.full_like(turns, turns[0]))


@pytest.mark.parametrize(
    "arguments",
    [
        (0.0, TIME),
        (-1.0, TIME),
        (math.nan, TIME),
        (2.0, TIME[::-1]),
        (2.0, np.array([])),
        (2.0, np.zeros(1)),
        (0.1, TIME),
    ],
)
def test_anchors_that_cannot_be_are_refused(arguments):
    with pytest.raises(ConfigError):
        lateral_anchors(*arguments)


def broken(kind):
    plans, _ = near([2, 2, 2, 2, 2])
    scores = np.ones(10)
    match kind:
        case "nan way point":
            plans[3, 7, 1] = math.nan
        case "nan score":
            scores[2] = math.nan
        case "negative score":
            scores[2] = -0.1
        case "all zero":
            scores[:] = 0.0
        case "infinite":
            scores[0] = math.inf
        case "other length":
            plans = plans[:, :-1]
        case "no plans":
            plans, scores = plans[:0], scores[:0]
        case "too few scores":
            scores = scores[:-1]
    return plans, scores


KINDS = (
    "nan way point", "nan score", "negative score", "all zero", "infinite", "other length", "no plans", "too few scores"
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_plans_that_cannot_be_judged_are_refused_and_count_as_doubt(kind):
    with pytest.raises(ConfigError):
        cluster_entropy(*broken(kind), FIVE)
    monitor = EntropyMonitor(FIVE, dwell=0.0)
    sure = near([0, 0, 10, 0, 0])[0], np.ones(10)
    assert monitor.update(0.0, *sure).mode is Mode.NORMAL
    doubt = monitor.update(0.1, *broken(kind))
    assert doubt.mode is Mode.SPEED_SEPARATION
    assert doubt.reason
    assert math.isnan(doubt.entropy)
    assert monitor.update(0.2, *sure).mode is Mode.NORMAL


def test_doubt_degrades_to_speed_and_separation_and_ends_only_after_the_dwell():
    monitor = EntropyMonitor(FIVE, on=0.8, off=0.5, dwell=0.25)
    sure, torn, between = (near(c)[0] for c in ([0, 0, 10, 0, 0], [0, 5, 0, 5, 5], [0, 0, 5, 5, 0]))
    sequence = [sure] * 4 + [torn, between, sure, sure, sure, sure, between]
    modes = [monitor.update(0.1 * k, plans, np.ones(len(plans))).mode for k, plans in enumerate(sequence)]
    asked = [mode is Mode.SPEED_SEPARATION for mode in modes]
    assert asked == [False, False, False, False, True, True, True, True, True, False, False]
    assert {Mode.NORMAL, Mode.SPEED_SEPARATION} == set(modes)


def test_time_that_does_not_advance_is_doubt_and_the_reason_says_so():
    monitor = EntropyMonitor(FIVE, dwell=0.0)
    sure = near([0, 0, 10, 0, 0])[0], np.ones(10)
    monitor.update(1.0, *sure)
    for time in (1.0, 0.5, math.nan):
        doubt = monitor.update(time, *sure)
        assert doubt.mode is Mode.SPEED_SEPARATION
        assert "is not after" in doubt.reason


def test_before_the_first_good_plans_and_after_reset_the_slower_mode_is_asked_for():
    monitor = EntropyMonitor(FIVE)
    assert monitor.update(0.0, *broken("no plans")).mode is Mode.SPEED_SEPARATION
    assert monitor.update(0.1, near([1, 1, 1, 1, 1])[0], np.ones(5)).mode is Mode.SPEED_SEPARATION
    assert math.log(5.0) > THRESHOLD > 0.8
