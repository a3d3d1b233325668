# SPDX-License-Identifier: Apache-2.0
"""Signals that say whether hazards are answered in time and mitigations end late enough."""

import math

import pytest

from reflexarc.assurance.regression.answers import NEVER_S, Moment, answers
from reflexarc.core.errors import UnknownNameError

REQUIRED = {"NEAR": 1, "CLOSE": 3}


def found(*rows):
    """Return the signals of rows (rank, near, close), a tenth of a second apart."""
    return answers(
        [Moment(0.1 * k, r, {"NEAR": n, "CLOSE": c}) for k, (r, n, c) in enumerate(rows)], REQUIRED
    )


def test_the_time_without_an_answer_counts_from_the_hazard_and_ends_with_the_mode():
    signals = found((0, 0, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1), (1, 1, 1), (3, 1, 1))
    assert signals.unanswered == pytest.approx([0.0, 0.0, 0.1, 0.2, 0.0, 0.0, 0.1, 0.0])


def test_a_stricter_mode_answers_too_and_the_longest_of_two_hazards_counts():
    signals = found((3, 1, 1), (0, 1, 1), (0, 1, 1), (1, 1, 1))
    assert signals.unanswered == pytest.approx([0.0, 0.0, 0.1, 0.2])


def test_a_resumption_is_told_with_the_time_since_its_hazard():
    signals = found((1, 1, 0), (1, 0, 0), (1, 0, 0), (0, 0, 0))
    assert list(signals.resumed) == [0.0, 0.0, 0.0, 1.0]
    assert signals.clear_time[-1] == pytest.approx(0.3)


def test_from_a_stop_to_slow_only_the_hazard_of_the_stop_has_to_be_clear():
    signals = found((3, 1, 1), (3, 1, 0), (3, 1, 0), (1, 1, 0))
    assert list(signals.resumed) == [0.0, 0.0, 0.0, 1.0]
    assert signals.clear_time[-1] == pytest.approx(0.3)


def test_leaving_the_first_stop_resumes_nothing_as_no_hazard_was_there():
    signals = found((3, 0, 0), (0, 0, 0))
    assert not signals.resumed.any() and (signals.clear_time == NEVER_S).all()


def test_a_hazard_without_an_answer_in_the_policy_is_refused():
    with pytest.raises(UnknownNameError, match="unknown hazard 'HOT'"):
        answers([Moment(0.0, 0, {"HOT": True})], REQUIRED)


def test_nothing_gives_nothing():
    assert all(len(signal) == 0 for signal in answers([], REQUIRED))
    assert math.isfinite(NEVER_S)
