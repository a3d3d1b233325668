# SPDX-License-Identifier: Apache-2.0
"""The double-integrator ladder: the known figures without margins, and none below zero with them."""

import jax
import numpy as np
import pytest

from reflexarc.barrier.analytic.batch import BatchFilter, DelayedFilter
from reflexarc.barrier.analytic.braking import along_line
from reflexarc.barrier.analytic.cbf import cbf
from reflexarc.barrier.analytic.filter import AnalyticFilter
from reflexarc.barrier.analytic.hocbf import hocbf
from reflexarc.barrier.analytic.latency import LatencyPredictor
from reflexarc.barrier.analytic.robust import box_error
from reflexarc.barrier.analytic.sampled import OneStepGuard, curvature_bound, taylor_margin
from reflexarc.core.errors import ConfigError
from reflexarc.robots.systems.double_integrator import DOUBLE_INTEGRATOR, stopping_margin
from reflexarc.robots.systems.integrate import rk4
from reflexarc.robots.systems.rollout import rollout

STARTS = np.array([[-4.0 + 0.01 * k, 0.0] for k in range(11)])
PLAIN = {0.001: -0.005, 0.005: -0.006, 0.01: -0.025, 0.02: -0.105, 0.05: -0.243, 0.1: -0.507}
"""Least h over the starts by period, gain 5 1/s, no margin; known to 1 mm. [s], [m]"""
DELAYED = {
    (20.0, 0.01): -0.026,
    (20.0, 0.02): -0.020,
    (20.0, 0.05): -0.111,
    (20.0, 0.1): -0.317,
    (5.0, 0.01): -0.025,
    (5.0, 0.02): -0.027,
    (5.0, 0.05): -0.011,
    (5.0, 0.1): -0.051,
}
"""The same at 5 ms by gain and delay. [1/s, s], [m]"""
KNOWN_TO = 6e-4
"""Half of the last known digit, and rounding. [m]"""


def run(safety, period, delay=0.0, horizon=15.0):
    return rollout(
        DOUBLE_INTEGRATOR,
        STARTS,
        safety,
        period=period,
        steps=round(horizon / period),
        delay=round(delay / period),
        watch=stopping_margin,
    )


def plain(gain):
    return BatchFilter(DOUBLE_INTEGRATOR, cbf(DOUBLE_INTEGRATOR, stopping_margin, gain))


def guarded(period, gain=5.0):
    guard = OneStepGuard(
        DOUBLE_INTEGRATOR, stopping_margin, lambda x: -1.0 + 0.0 * x[:1], period=period, curvature=2.0
    )
    return BatchFilter(DOUBLE_INTEGRATOR, cbf(DOUBLE_INTEGRATOR, stopping_margin, gain), guard)


@pytest.mark.parametrize("period", PLAIN)
def test_without_a_margin_the_known_depths_are_reached(period):
    assert run(plain(5.0), period).margin.min() == pytest.approx(PLAIN[period], abs=KNOWN_TO)


@pytest.mark.parametrize("period", [0.001, 0.005, 0.01, 0.02, 0.05])
def test_with_the_one_step_check_the_wall_is_never_touched_and_no_room_is_lost(period):
    result = run(guarded(period), period)
    assert result.margin.min() >= 0.0
    assert -result.final[:, 0].max() < 1e-3  # it still arrives at the wall


@pytest.mark.parametrize("period", [0.005, 0.02, 0.05])
def test_with_the_additive_margin_the_wall_is_never_touched_and_the_row_is_feasible(period):
    def h(x):
        return along_line(-x[0], x[1], 1.0, period)

    nu = taylor_margin(curvature_bound(DOUBLE_INTEGRATOR, h), period, 5.0)
    assert nu == pytest.approx(period, rel=1e-3)  # M = 2 a for this barrier
    result = run(BatchFilter(DOUBLE_INTEGRATOR, cbf(DOUBLE_INTEGRATOR, h, 5.0, nu)), period)
    assert result.margin.min() >= 0.0
    assert result.infeasible.max() == 0.0
    assert -result.final[:, 0].max() == pytest.approx(nu / 5.0, rel=0.05)  # stands where alpha h = nu


@pytest.mark.parametrize(("gain", "delay"), DELAYED)
def test_without_prediction_a_delay_costs_the_known_depths(gain, delay):
    result = run(plain(gain), 0.005, delay)
    assert result.margin.min() == pytest.approx(DELAYED[gain, delay], abs=KNOWN_TO)


@pytest.mark.parametrize("delay", [0.01, 0.02, 0.05])
def test_prediction_over_the_delay_keeps_the_wall_untouched(delay):
    period = 0.005
    predictor = LatencyPredictor(DOUBLE_INTEGRATOR, delay)
    safety = DelayedFilter(guarded(period, 20.0), predictor, period, np.zeros((11, 1)))
    result = run(safety, period, delay)
    assert result.margin.min() >= 0.0
    assert -result.final[:, 0].max() < 1e-3


@pytest.mark.parametrize(
    ("gain", "depth", "infeasible"), [(1.5, 0.0, 0.0), (2.0, 0.12, None), (5.0, 2.04, 0.33)]
)
def test_wrong_gains_of_a_high_order_barrier_penetrate_as_known(gain, depth, infeasible):
    row = hocbf(DOUBLE_INTEGRATOR, lambda x: -x[0], (gain, gain))
    result = rollout(
        DOUBLE_INTEGRATOR,
        STARTS[:1],
        BatchFilter(DOUBLE_INTEGRATOR, row),
        period=0.001,
        steps=15000,
    )
    assert min(0.0, result.margin[0]) == pytest.approx(-depth, abs=5e-3)
    if infeasible is not None:
        assert result.infeasible[0] == pytest.approx(infeasible, abs=5e-3)


def test_filter_for_one_robot_and_filter_for_batches_agree():
    period = 0.02
    guard = OneStepGuard(
        DOUBLE_INTEGRATOR, stopping_margin, lambda x: -1.0 + 0.0 * x[:1], period=period, curvature=2.0
    )
    single = AnalyticFilter(DOUBLE_INTEGRATOR, [cbf(DOUBLE_INTEGRATOR, stopping_margin, 5.0)], guard)
    x = np.random.default_rng(0).uniform([-4.0, -1.0], [0.0, 2.8], (300, 2))
    wanted = np.ones((300, 1))
    assert single(x, wanted).u == pytest.approx(guarded(period)(x, wanted).u, abs=2e-3)


def test_bounded_model_error_is_covered_by_the_robust_term_only():
    weak = 0.2  # the plant accelerates by up to 0.2 m/s^2 towards the wall more than the model says
    period, steps = 0.005, 3000

    def h(x):  # braking at 1 - weak remains
        return along_line(-x[0], x[1], 1.0 - weak, period)

    margins = {}
    for name, rho in (("robust", box_error(np.array([0.0, weak]))), ("plain", None)):
        safety = BatchFilter(DOUBLE_INTEGRATOR, cbf(DOUBLE_INTEGRATOR, h, 5.0, 0.5 * period * 2.0, rho))
        advance = jax.jit(jax.vmap(lambda x, u: rk4(DOUBLE_INTEGRATOR, x, u + weak, period)))
        x, least = STARTS.copy(), np.inf
        for _ in range(steps):
            u = safety(x, np.ones((len(x), 1))).u
            with jax.enable_x64(True):
                x = np.asarray(advance(x, u))
            least = min(least, float((-x[:, 0]).min()))
        margins[name] = least
    assert margins["robust"] >= 0.0
    assert margins["plain"] < -0.01


@pytest.mark.parametrize(("period", "alpha"), [(0.1, 20.0), (0.0, 1.0), (0.01, -1.0)])
def test_margin_for_a_gain_that_overshoots_within_a_period_is_refused(period, alpha):
    with pytest.raises(ConfigError, match="gain times period"):
        taylor_margin(1.0, period, alpha)
