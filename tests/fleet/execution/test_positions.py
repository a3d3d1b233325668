# SPDX-License-Identifier: Apache-2.0
"""Words of robots that count as progress, and those that do not."""

import math

import numpy as np
import pytest

from reflexarc.fleet.execution.positions import SLACK_M, Positions

NAMES = ("a", "b")
SPEED, STALE, LOST = 2.0, 0.5, 10.0


@pytest.fixture
def positions():
    made = Positions(NAMES, SPEED, STALE, LOST)
    for name in NAMES:
        assert made.take(name, 1.0, np.zeros(2), 1.0)
    return made


@pytest.mark.parametrize(
    ("stamp", "place", "reason"),
    [
        (1.1, (math.nan, 0.0), "not finite"),
        (1.1, (0.0, math.inf), "not finite"),
        (math.nan, (0.0, 0.0), "not finite"),
        (1.0, (0.0, 0.0), "out of order"),
        (0.9, (0.0, 0.0), "out of order"),
        (1.7, (0.0, 0.0), "in the future"),
        (1.1, (0.0, 4.0), "4.00 m in 0.10 s, possible are 0.70 m"),
    ],
)
def test_what_cannot_be_right_is_refused_and_the_place_before_stays(positions, stamp, place, reason):
    assert not positions.take("a", stamp, np.array(place), 1.1)
    assert reason in positions.refused["a"]
    assert "b" not in positions.refused
    np.testing.assert_array_equal(positions.fresh(1.1)["a"], (0.0, 0.0))
    assert positions.stale(1.6) == ["a", "b"], "and it grows old"


def test_the_next_good_word_ends_the_refusal(positions):
    positions.take("a", 1.1, np.array((9.0, 0.0)), 1.1)
    assert positions.take("a", 1.2, np.array((0.2, 0.0)), 1.2)
    assert not positions.refused
    np.testing.assert_array_equal(positions.fresh(1.2)["a"], (0.2, 0.0))


def test_a_place_far_off_is_good_once_the_robot_can_have_driven_there(positions):
    far = np.array((0.0, 4.0))
    needs = (4.0 - SLACK_M) / SPEED
    assert not positions.take("a", 1.0 + needs - 0.01, far, 1.0 + needs)
    assert positions.take("a", 1.0 + needs + 0.01, far, 1.0 + needs)


def test_nobody_is_lost_for_the_time_in_which_nobody_listened(positions):
    assert positions.lost(30.0) == ["a", "b"]
    positions.listen_anew(30.0)
    assert positions.lost(30.0 + LOST) == [] and positions.stale(30.0) == ["a", "b"]
    assert positions.take("a", 30.1, np.zeros(2), 30.1)
    assert positions.lost(30.05 + LOST) == ["b"]


def test_silence_is_stale_and_then_lost():
    positions = Positions(NAMES, SPEED, STALE, LOST)
    assert positions.missing() == ["a", "b"]
    positions.take("a", 1.0, np.zeros(2), 1.0)
    assert positions.missing() == ["b"]
    assert (positions.stale(1.5), positions.lost(11.0)) == ([], [])
    assert (positions.stale(1.51), positions.lost(11.01)) == (["a"], ["a"])


def test_what_is_kept_does_not_change_with_the_callers_array(positions):
    place = np.array((0.1, 0.0))
    positions.take("a", 1.1, place, 1.1)
    place[:] = 99.0
    np.testing.assert_array_equal(positions.fresh(1.1)["a"], (0.1, 0.0))
