# SPDX-License-Identifier: Apache-2.0
"""Gains against input bounds: the double integrator's known limit, with counterexamples that hold."""

import math

import numpy as np
import pytest

from reflexarc.barrier.analytic.gains import GainError, ReachableSearch, require_gains, search_set
from reflexarc.core.errors import ConfigError, ModelError
from reflexarc.robots.systems import SYSTEMS
from reflexarc.robots.systems.adaptive_cruise import ADAPTIVE_CRUISE, headway_barrier
from reflexarc.robots.systems.double_integrator import DOUBLE_INTEGRATOR, stopping_margin


def wall(x):
    return -x[0]


@pytest.fixture(scope="module")
def search():
    return ReachableSearch(DOUBLE_INTEGRATOR, wall, np.array([[-4.0, 0.0]]), 10.0)


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_gains_within_the_bounds_are_accepted(search, gain):
    report = require_gains(DOUBLE_INTEGRATOR, wall, (gain, gain), search)
    assert report.honoured
    assert report.checked > 10000


@pytest.mark.parametrize("gain", [2.0, 5.0])
def test_gains_beyond_the_bounds_are_refused_with_a_state_that_proves_it(search, gain):
    with pytest.raises(GainError) as caught:
        require_gains(DOUBLE_INTEGRATOR, wall, (gain, gain), search)
    x, v = caught.value.report.state
    # by hand: the row asks -u >= 2 alpha v + alpha^2 x, and -u <= 1
    assert 2.0 * gain * v + gain * gain * x > 1.0
    assert -v - gain * x >= 0.0  # the state lies in the set: the row had held so far
    assert 1.5 < caught.value.largest * gain < 1.6
    assert f"{x:.3f}"[:-1] in str(caught.value)
    assert "allowed" in str(caught.value)


def test_largest_gain_is_the_one_of_the_closed_form(search):
    # Filtered motion after the row binds is critically damped; its hardest braking is y exp(-1 - 1 / y) with
    # y = alpha psi_1 at the moment of binding; equal to the bound 1 at y = 3.5911.
    def hardest(alpha):
        v = (-2.0 * alpha + math.sqrt(4.0 * alpha**2 + 2.0 * alpha**2 * (4.0 * alpha**2 - 1.0))) / alpha**2
        y = alpha * (alpha * (4.0 - 0.5 * v * v) - v)
        return y * math.exp(-1.0 - 1.0 / y)

    low, high = 1.0, 2.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if hardest(middle) < 1.0 else (low, middle)
    with pytest.raises(GainError) as caught:
        require_gains(DOUBLE_INTEGRATOR, wall, (2.0, 2.0), search)
    assert 2.0 * caught.value.largest == pytest.approx(low, abs=5e-3)


def test_braking_barrier_honours_any_gain_on_its_whole_set():
    assert search_set(DOUBLE_INTEGRATOR, stopping_margin, [50.0]).honoured
    assert search_set(ADAPTIVE_CRUISE, headway_barrier, [5.0]).honoured


def test_position_barrier_with_linear_gains_fails_on_the_whole_set():
    report = search_set(DOUBLE_INTEGRATOR, wall, [1.0, 1.0])
    x, v = report.state
    assert not report.honoured
    assert report.surplus == pytest.approx(1.0 - 2.0 * v - x, abs=1e-6)
    assert report.surplus == pytest.approx(-2.0, abs=0.05)  # at x = -3, v = 3, the fastest state of the box


def test_questions_that_cannot_be_asked_are_errors():
    with pytest.raises(ConfigError, match="none of"):
        search_set(DOUBLE_INTEGRATOR, lambda x: x[0] - 5.0, [1.0, 1.0])
    with pytest.raises(ConfigError, match="box of inputs"):
        ReachableSearch(SYSTEMS["boat"], wall, np.zeros((1, 2)), 1.0)
    with pytest.raises(ModelError, match="relative degree"):
        require_gains(DOUBLE_INTEGRATOR, wall, (1.0,))
