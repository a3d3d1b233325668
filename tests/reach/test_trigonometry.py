# SPDX-License-Identifier: Apache-2.0
"""Sine and cosine in single precision are those of double precision, and so are their slopes."""

import jax
import numpy as np
import pytest

from reflexarc.reach import trigonometry


@pytest.mark.parametrize(
    ("ours", "theirs", "slope"), [("sin", np.sin, np.cos), ("cos", np.cos, lambda x: -np.sin(x))]
)
def test_single_precision_is_right_to_a_few_units_in_the_last_place(ours, theirs, slope):
    function = getattr(trigonometry, ours)
    quarters = np.arange(-20, 21) * (np.pi / 4.0)
    x = np.concatenate([np.linspace(-40.0, 40.0, 100_001), quarters, np.linspace(-1000.0, 1000.0, 9999)])
    x = x.astype(np.float32)
    assert np.asarray(function(x)).dtype == np.float32
    assert np.asarray(function(x)) == pytest.approx(theirs(x.astype(np.float64)), abs=3e-7)
    slopes = jax.vmap(jax.grad(function))(x)
    assert np.asarray(slopes) == pytest.approx(slope(x.astype(np.float64)), abs=2e-6)


def test_double_precision_is_left_to_the_compiler():
    with jax.enable_x64(True):
        x = np.linspace(-9.0, 9.0, 101)
        assert np.asarray(trigonometry.sin(x)) == pytest.approx(np.sin(x), abs=1e-15)
        assert np.asarray(trigonometry.cos(x)) == pytest.approx(np.cos(x), abs=1e-15)


def test_what_is_not_finite_stays_so():
    assert np.isnan(trigonometry.sin(np.float32([np.nan, np.inf]))).all()
