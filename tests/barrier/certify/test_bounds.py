# SPDX-License-Identifier: Apache-2.0
"""Bounds of networks contain what dense sampling finds, and are tight where they promise to be."""

import decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflexarc.barrier.certify.bounds import (
    Interval,
    activation,
    affine,
    backward_bounds,
    bound_barrier,
    bound_mlp,
    hidden_layers,
    interval_layers,
    slopes,
)
from tests.barrier.certify.nets import random_barrier, random_mlp

KINDS = ("relu", "tanh", "softplus")


def boxes(rng, n, count, half):
    centre = rng.normal(0.0, 1.5, (count, n))
    width = half * rng.uniform(0.0, 1.0, (count, n))
    return centre - width, centre + width


def sampled(rng, low, high, count=200):
    """Points of every box, its corners among them: shape (count, boxes, n)."""
    share = rng.uniform(size=(count, *low.shape))
    share[: count // 4] = np.round(share[: count // 4])
    return low + share * (high - low)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 4),
    hidden=st.lists(st.integers(1, 12), min_size=0, max_size=3),
    kind=st.sampled_from(KINDS),
    half=st.sampled_from([0.0, 1e-9, 1e-3, 0.1, 2.0]),
    gain=st.sampled_from([0.3, 2.0, 30.0]),
)
def test_values_and_gradients_lie_within_their_bounds(seed, n, hidden, kind, half, gain):
    rng = np.random.default_rng(seed)
    mlp = random_mlp(rng, (n, *hidden, 1), kind, gain)
    low, high = boxes(rng, n, 5, half)
    bounds = bound_mlp(mlp, low, high)
    # the samples' own rounding: slopes are evaluated to an absolute 1e-16, and multiplied by the weights
    slack = 1e-14 * np.prod([1.0 + np.abs(w).sum() for w in mlp.weights])
    for points in sampled(rng, low, high, 40):
        for i, z in enumerate(points):
            value, gradient = mlp.value_and_gradient(z)
            assert bounds.value.low[i] <= value <= bounds.value.high[i]
            assert np.all(bounds.gradient.low[i] - slack <= gradient)
            assert np.all(gradient <= bounds.gradient.high[i] + slack)


@pytest.mark.parametrize("form", ["min", "margin_minus"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_barrier_lies_within_the_bounds_of_its_members(form, kind):
    barrier = random_barrier(3, 3, form, kind, members=3)
    rng = np.random.default_rng(4)
    low, high = boxes(rng, 3, 20, 0.2)
    parts = bound_barrier(barrier, low, high)
    least = np.min([p.value.low for p in parts], axis=0)
    most = np.min([p.value.high for p in parts], axis=0)
    for points in sampled(rng, low, high, 50):
        for i, x in enumerate(points):
            value, gradient = barrier.value_and_gradient(x)
            assert least[i] <= value <= most[i]
            fits = [
                np.all(p.gradient.low[i] <= gradient)
                and np.all(gradient <= p.gradient.high[i])
                and p.value.low[i] <= value <= p.value.high[i]
                for p in parts
            ]
            assert any(fits)


@pytest.mark.parametrize("kind", KINDS)
def test_backward_and_interval_bounds_are_each_sound(kind):
    rng = np.random.default_rng(5)
    mlp = random_mlp(rng, (2, 20, 20, 1), kind)
    low, high = boxes(rng, 2, 30, 1.0)
    crown = backward_bounds(mlp, hidden_layers(mlp, low, high), low, high)
    _, plain = interval_layers(mlp, low, high)
    for points in sampled(rng, low, high):
        values = mlp.values(points)
        assert np.all((crown.low <= values) & (values <= crown.high))
        assert np.all((plain.low[:, 0] <= values) & (values <= plain.high[:, 0]))


@pytest.mark.parametrize("kind", KINDS)
def test_small_boxes_are_bounded_nearly_exactly_and_far_better_than_by_intervals(kind):
    rng = np.random.default_rng(6)
    mlp = random_mlp(rng, (2, 64, 64, 1), kind)
    centre = rng.normal(size=(20, 2))
    low, high = centre - 0.002, centre + 0.002
    values = mlp.values(sampled(rng, low, high, 400).reshape(-1, 2)).reshape(400, -1)
    found = np.ptp(values, axis=0)
    bounds = bound_mlp(mlp, low, high)
    width = bounds.value.high - bounds.value.low
    _, plain = interval_layers(mlp, low, high)
    assert np.median(width / found) < 1.4
    assert np.median((plain.high - plain.low)[:, 0] / found) > 4.0


def test_the_gradient_at_a_kink_is_bounded_by_both_sides():
    mlp = random_mlp(np.random.default_rng(0), (1, 1, 1), "relu")
    mlp.weights[0][:], mlp.biases[0][:], mlp.weights[1][:], mlp.biases[1][:] = 1.0, 0.0, 3.0, 0.0
    at_kink = bound_mlp(mlp, np.array([[0.0]]), np.array([[0.0]])).gradient
    assert at_kink.low[0, 0] <= 0.0 and at_kink.high[0, 0] >= 3.0
    right = bound_mlp(mlp, np.array([[0.5]]), np.array([[1.0]])).gradient
    assert right.low[0, 0] == pytest.approx(3.0) == right.high[0, 0]


def test_an_affine_layer_is_exact_up_to_rounding():
    weight, bias = np.array([[1.0, -2.0]]), np.array([0.5])
    bound = affine(weight, bias, np.array([[-1.0, -1.0]]), np.array([[1.0, 2.0]]))
    assert bound.low[0, 0] == pytest.approx(-4.5, abs=1e-12) and bound.low[0, 0] < -4.5
    assert bound.high[0, 0] == pytest.approx(3.5, abs=1e-12) and bound.high[0, 0] > 3.5


@pytest.mark.parametrize("kind", KINDS)
def test_activations_and_slopes_stay_sound_at_extreme_inputs(kind):
    low = np.array([-1e3, -800.0, -40.0, -1e-300, 0.0, 39.0, 700.0])
    high = np.array([-900.0, 800.0, -39.0, 1e-300, 1e-20, 40.0, 1e3])
    value, slope = activation(Interval(low, high), kind), slopes(Interval(low, high), kind)
    assert np.all(np.isfinite([*value, *slope])) and np.all(value.low <= value.high)
    assert np.all((0.0 <= slope.low) & (slope.low <= slope.high) & (slope.high <= 1.0))
    exact, exact_slope = EXACT[kind]
    with decimal.localcontext(prec=400):
        for i in range(len(low)):
            for end in (low[i], high[i]):
                point = decimal.Decimal(float(end))
                assert value.low[i] <= exact(point) <= value.high[i]
                assert slope.low[i] <= exact_slope(point) <= slope.high[i]


def _tanh(p):
    folded = (2 * abs(p)).exp()
    return (1 - 2 / (folded + 1)).copy_sign(p)


EXACT = {
    "relu": (lambda p: max(p, 0), lambda p: 1 if p > 0 else 0),
    "tanh": (_tanh, lambda p: 1 - _tanh(p) ** 2),
    "softplus": (lambda p: (1 + p.exp()).ln(), lambda p: 1 / (1 + (-p).exp())),
}
"""Activation and slope in 400 digits."""
