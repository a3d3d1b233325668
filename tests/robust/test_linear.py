# SPDX-License-Identifier: Apache-2.0
"""Worst disturbances and least gains of linear systems, against what is known and against each other."""

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError, UnknownNameError
from reflexarc.robust.linear.gain import hinf_gain, worst_case
from reflexarc.robust.linear.game import least_gain, saddle
from reflexarc.robust.linear.problem import LinearProblem
from reflexarc.robust.linear.systems import SYSTEMS, LinearSystem, system

SCALAR = LinearSystem("scalar", 1.0, *(np.array([[x]]) for x in (0.5, 1.0, 1.0, 1.0, 1.0)))


def driven(problem, disturbances):
    """Sum of the cost of one episode from rest under a row of disturbances."""
    problem.begin(np.random.default_rng(0))
    problem._step[:] = 0
    total = 0.0
    for d in disturbances:
        _, step = problem.step(np.zeros((1, problem.action)), d[None], np.random.default_rng(0))
        total -= float(step.task[0])
    return total


def test_of_a_first_order_lag_the_gain_is_known():
    # x+ = x / 2 + d without control: the transfer function is largest at rest, 1 / (1 - 1/2) = 2.
    assert hinf_gain(SCALAR, np.zeros((1, 1))) == pytest.approx(4.0, rel=1e-8)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_worst_disturbance_reaches_the_gain_and_no_other_does(name):
    s = system(name)
    feedback, rng = s.lqr(), np.random.default_rng(1)
    gain, worst = worst_case(s, feedback, 40)
    problem = LinearProblem(s, 1, 41, feedback)
    assert driven(problem, worst) == pytest.approx(gain, rel=1e-9)
    for _ in range(20):
        d = rng.normal(size=worst.shape)
        assert driven(problem, d) < gain * (d**2).sum()


@pytest.mark.parametrize("name", SYSTEMS)
def test_over_more_steps_the_gain_grows_to_that_of_all_time(name):
    s = system(name)
    found = [worst_case(s, s.lqr(), steps)[0] for steps in (20, 80, 400)]
    limit = hinf_gain(s, s.lqr())
    assert found == sorted(found) and 0.98 * limit < found[-1] <= limit


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_saddle_points_feedback_has_the_least_gain(name):
    s = system(name)
    best = least_gain(s, tolerance=1e-4)
    assert hinf_gain(s, best.feedback) == pytest.approx(best.gain, rel=1e-3)
    assert hinf_gain(s, s.lqr()) > 1.2 * best.gain, "least squares is not robust"
    assert saddle(s, 0.99 * best.gain) is None
    for change in np.random.default_rng(2).normal(size=(10, *best.feedback.shape)):
        assert hinf_gain(s, best.feedback * (1.0 + 0.02 * change)) >= best.gain * (1.0 - 1e-3)


def test_a_finite_game_is_easier_than_the_endless_one():
    s = system("mass_spring_damper")
    found = [least_gain(s, steps, 1e-4).gain for steps in (10, 30)]
    assert found == sorted(found) and 1.01 * found[1] < least_gain(s, tolerance=1e-4).gain


def test_an_unstable_loop_has_no_gain():
    with pytest.raises(ConfigError, match="spectral radius"):
        hinf_gain(system("double_integrator"), np.zeros((1, 2)))
    lost = LinearSystem("lost", 1.0, *(np.array([[x]]) for x in (2.0, 0.0, 1.0, 1.0, 1.0)))
    with pytest.raises(ConfigError, match="no feedback bounds"):
        least_gain(lost)


def test_an_unknown_system_is_refused():
    with pytest.raises(UnknownNameError, match="pendulum"):
        system("pendulum")
