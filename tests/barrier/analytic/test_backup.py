# SPDX-License-Identifier: Apache-2.0
"""Backup sets: laws within bounds, sets that are kept, rows that are right, and the plan that takes over."""

import numpy as np
import pytest

from reflexarc.barrier.analytic.backup import BackupBarrier, BackupSet
from reflexarc.barrier.analytic.catalogue import standard_filter
from reflexarc.barrier.analytic.filter import PlannedBackup
from reflexarc.barrier.analytic.laws import brake, hold
from reflexarc.barrier.analytic.rows import compile_rows
from reflexarc.core.errors import ConfigError, ModelError, UnknownNameError
from reflexarc.robots.systems import SYSTEMS
from reflexarc.robots.systems.integrate import batched


@pytest.fixture(scope="module")
def pendulum():
    return standard_filter("inverted_pendulum")


def test_brake_stops_in_a_straight_line_and_within_the_bounds():
    system = SYSTEMS["double_integrator_2d"]
    law = brake(system, (2, 3), (0, 1), 10.0, system.period)
    u = np.asarray(law(np.array([0.0, 0.0, 0.4, -0.2])))
    assert np.abs(u).max() == pytest.approx(1.0)  # as hard as possible
    assert u[0] / u[1] == pytest.approx(-2.0, rel=1e-5)  # against the velocity
    slow = np.asarray(law(np.array([0.0, 0.0, 0.1, 0.0])))
    assert 0.1 + 10.0 * slow[0] * system.period == pytest.approx(0.0, abs=1e-7)  # stands after the period


def test_hold_refuses_what_the_actuators_cannot_give():
    system = SYSTEMS["planar_quadrotor_a"]
    assert np.asarray(hold(system, np.full(2, 0.13))(np.zeros(6))) == pytest.approx([0.13, 0.13])
    with pytest.raises(ConfigError, match="not within"):
        hold(system, np.zeros(2))  # below the least thrust


def test_set_of_the_pendulum_is_kept_and_a_larger_one_is_refused(pendulum):
    report = pendulum.backup.check_set()
    assert report.checked > 1000
    assert report.least_margin > 0.0
    system = SYSTEMS["inverted_pendulum"]
    law = pendulum.backup.backup.law

    def too_large(x):  # at 1.5 rad the damped fall cannot be stopped
        return 0.5 - abs(x[1])

    def sample(rng, count):
        return rng.uniform([-1.6, -0.5], [1.6, 0.5], (count, 2))

    with pytest.raises(ModelError, match="not kept"):
        BackupBarrier(system, BackupSet(law, too_large, sample), 1.0).check_set()


def test_rows_are_the_rates_of_the_margins_along_the_backup_trajectory(pendulum):
    system, barrier = SYSTEMS["inverted_pendulum"], pendulum.backup
    stride, alpha = 50, 2.0
    rows = compile_rows(system, barrier.rows(alpha, stride))
    flow = batched(barrier.flow)
    margin = batched(system.margin)
    rng = np.random.default_rng(1)
    for _ in range(5):
        x, u = rng.uniform([-0.8, -0.5], [0.8, 0.5]), rng.uniform(-5.0, 5.0, 1)
        rate = np.asarray(system.f(x), dtype=float) + np.asarray(system.g(x), dtype=float) @ u
        step = 1e-5
        ahead, behind = (margin(flow((x + s * rate)[None])[0][::stride]) for s in (step, -step))
        change = (ahead - behind) / (2.0 * step)
        level = margin(flow(x[None])[0][::stride]) - barrier.slack
        answer = rows(x)
        room = (answer.b - answer.a @ u)[: len(change)]
        assert room == pytest.approx(change + alpha * level, abs=1e-3)


def test_state_outside_the_safe_set_is_said_to_be_unsafe_and_gets_the_backup_input(pendulum):
    x = np.array([1.3, 0.7])  # |x| < 1.5, but falling too fast to be caught
    assert batched(pendulum.safe)(x[None])[0] < 0.0
    answer = pendulum.filter.step(x, np.array([10.0]))
    assert not answer.safe
    assert answer.backup
    assert answer.u[0] == pytest.approx(-10.0)
    assert "not even the backup" in answer.reason


def test_plan_of_the_cycle_before_takes_over_when_the_state_is_lost(pendulum):
    system = SYSTEMS["inverted_pendulum"]
    barrier = pendulum.backup
    planned = PlannedBackup(pendulum.filter, barrier)
    x, wanted = np.array([0.9, 0.4]), np.array([5.0])
    margins = []
    for k in range(150):
        state = x if k < 5 else np.full(2, np.nan)
        answer = planned.step(state, wanted)
        assert (k >= 5) == ("previous backup plan" in answer.reason)
        x = barrier.predict(x, answer.u)
        margins.append(float(system.margin(x)))
    assert min(margins) >= 0.0
    assert abs(x[1]) < 0.1  # the plan has stopped it


def test_late_answer_is_replaced_by_the_plan(pendulum):
    clock = iter([0.0, 0.001, 1.0, 1.5, 1.6])
    planned = PlannedBackup(pendulum.filter, pendulum.backup, deadline=0.01, clock=lambda: next(clock))
    x = np.array([0.2, 0.0])
    first = planned.step(x, np.zeros(1))
    assert not first.backup
    expected = pendulum.backup.plan(pendulum.backup.predict(x, first.u))[0]
    late = planned.step(x, np.zeros(1))
    assert late.backup
    assert late.u == pytest.approx(expected)
    assert "late" in late.reason


def test_without_a_first_state_nothing_is_sent(pendulum):
    with pytest.raises(ConfigError, match="no backup plan"):
        PlannedBackup(pendulum.filter, pendulum.backup).step(np.array([np.nan, 0.0]), np.zeros(1))


def test_system_without_an_analytic_barrier_is_named():
    with pytest.raises(UnknownNameError, match="cart_pole"):
        standard_filter("boat")
