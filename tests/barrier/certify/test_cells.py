# SPDX-License-Identifier: Apache-2.0
"""The cell-wise certificate proves what is true, refutes what is not with a state, and says what it left open."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from reflexarc.barrier.certify.cells import CellSettings, as_claim, certify_cells, settings_of
from reflexarc.barrier.learned import LearnedBarrier, Mlp
from reflexarc.core.errors import ConfigError
from tests.barrier.certify.nets import affine_barrier
from tests.barrier.certify.systems import double_integrator

STATE = ("x0", "x1")
SPEEDS = np.linspace(-0.2, 1.5, 9)


def braking_barrier(shift=0.05, curve=1.0):
    """V = -x - q(v) - shift, q a convex polygon: a member per segment, a little steeper than v^2 / 2 at the segment's
    faster end, so that full braking keeps up. With curve < 1 it brakes too late.
    """
    rows, offsets, distance = [(-1.0, 0.0)], [-shift], 0.0
    for slow, fast in zip(SPEEDS[:-1], SPEEDS[1:], strict=True):
        slope = curve * fast + 0.05
        rows.append((-1.0, -slope))
        offsets.append(slope * slow - distance - shift)
        distance += slope * (fast - slow)
    return affine_barrier(rows, offsets, "double_integrator_test", STATE)


def smooth_barrier(shift=0.1):
    """V = -x - a softplus-shaped brake: margin minus softplus, as the second form has it."""
    margin = Mlp((np.array([[-1.0, 0.0]]),), (np.array([0.0]),), "softplus")
    brake = Mlp((np.array([[0.0, 2.2]]),), (np.array([-1.0]),), "softplus")
    return LearnedBarrier(
        (margin, brake), "margin_minus", np.zeros(2), np.ones(2), shift, "double_integrator_test", STATE, {}
    )


def test_a_true_barrier_is_proven_on_the_whole_box():
    result = certify_cells(double_integrator(), braking_barrier(), CellSettings(alpha=4.0))
    assert result.verdict == "proven"
    assert (result.proven, result.refuted, result.undecided) == (1.0, 0.0, 0.0)
    assert result.failure[0] == result.condition[0] == pytest.approx(1.0)
    assert result.counterexamples == ()


def test_a_barrier_that_brakes_too_late_is_refuted_by_a_state_where_no_input_helps():
    barrier = braking_barrier(curve=0.3)
    result = certify_cells(double_integrator(), barrier, CellSettings(alpha=0.5, smallest_cell=2.0**-7))
    assert result.verdict == "refuted"
    (worst, *_) = result.counterexamples
    assert worst.claim == "condition"
    value, gradient = barrier.value_and_gradient(np.array(worst.state))
    best = gradient[0] * worst.state[1] + abs(gradient[1])  # max over |u| <= 1 of grad V . (v, u)
    assert value >= 0.0 and best + 0.5 * value == pytest.approx(worst.amount) and worst.amount < 0.0
    assert result.failure[1] == 0.0 and result.condition[1] > 0.0


def test_a_barrier_that_calls_failed_states_safe_is_refuted_by_one():
    barrier = braking_barrier(shift=-0.2)
    system = double_integrator()
    result = certify_cells(system, barrier, CellSettings(alpha=4.0, smallest_cell=2.0**-7))
    examples = [c for c in result.counterexamples if c.claim == "failure"]
    assert examples and all(c.state[0] > 0.0 for c in examples)
    assert all(barrier.values(np.array([c.state]))[0] > 0.0 for c in examples)
    x = np.random.default_rng(0).uniform(system.low, system.high, (100_000, 2))
    share = np.mean((x[:, 0] > 0.0) & (barrier.values(x) >= 0.0))
    assert result.failure[1] == pytest.approx(share, rel=0.15)


def test_the_model_error_term_can_turn_that_proof_into_a_refutation():
    pushed = CellSettings(alpha=4.0, model_error=1.5, smallest_cell=2.0**-5)  # proven without, see above
    assert certify_cells(double_integrator(), braking_barrier(), pushed).verdict == "refuted"


def test_no_sampled_state_contradicts_a_proof():
    system, barrier, alpha = double_integrator(), smooth_barrier(), 1.0
    result = certify_cells(system, barrier, CellSettings(alpha=alpha, smallest_cell=2.0**-7))
    assert result.proven > 0.5
    x = np.random.default_rng(0).uniform(system.low, system.high, (4000, 2))
    wrong = 0
    for state in x:
        value, gradient = barrier.value_and_gradient(state)
        condition = gradient[0] * state[1] + abs(gradient[1]) + alpha * value
        wrong += value >= 0.0 and (state[0] > 0.0 or condition < 0.0)
    share = wrong / len(x)
    assert share <= result.refuted + result.undecided + 4.0 * np.sqrt(0.25 / len(x))


def test_an_exhausted_budget_leaves_volume_undecided_and_repeats_exactly():
    first = certify_cells(double_integrator(), braking_barrier(), CellSettings(alpha=4.0, batches=3))
    assert first.batches == 3 and first.verdict == "undecided"
    assert first.proven + first.refuted + first.undecided == pytest.approx(1.0)
    claim = as_claim(first)
    assert not claim["holds"] and "undecided" in claim["statement"]
    again = certify_cells(double_integrator(), braking_barrier(), settings_of(claim))
    assert again._replace(seconds=0, settings=None) == first._replace(seconds=0, settings=None)


def test_a_barrier_below_zero_everywhere_is_proven_but_vacuous():
    result = certify_cells(double_integrator(), braking_barrier(shift=9.0), CellSettings())
    assert result.verdict == "proven" and result.cells < 100


def test_a_system_that_cannot_be_enclosed_is_refused():
    odd = replace(double_integrator(), margin=lambda x: -jax.numpy.sort(x)[0])
    with pytest.raises(ConfigError, match="no sound enclosure"):
        certify_cells(odd, braking_barrier(), CellSettings())


@pytest.mark.parametrize("key, value", [("alpha", float("nan")), ("smallest_cell", 0.0), ("seconds", -1.0)])
def test_unacceptable_settings_are_refused(key, value):
    with pytest.raises(ConfigError, match=key):
        CellSettings(**{key: value})
