# SPDX-License-Identifier: Apache-2.0
"""The check and the polishing, each on its own."""

import numpy as np
import pytest

from reflexarc.barrier.qp import kkt_residual
from reflexarc.barrier.qp.backends.polish import polish
from tests.barrier.qp.problems import BOX, feasible, oracle

FREE = np.full(2, -9.0), np.full(2, 9.0)


def residual(z, duals, target, rows, offsets, bounds=FREE):
    arrays = (np.array(a, dtype=float) for a in (z, duals, target, rows, offsets, *bounds))
    return kkt_residual(*arrays)


def test_a_solution_has_no_residual():
    assert residual([0.5, 0.0], [0, 0, 0.5], [1, 0], [[1, 0]], [0.5]) == 0.0
    assert residual([9.0, 0.0], [3.0, 0, 0], [12, 0], [[0, 1]], [0.5]) == 0.0
    assert residual([-9.0, 0.0], [-3.0, 0, 0], [-12, 0], [[0, 1]], [0.5]) == 0.0


@pytest.mark.parametrize(
    "z, duals, expected",
    [
        pytest.param([1.0, 0.0], [0, 0, 0.0], 0.5, id="the row is broken"),
        pytest.param([0.3, 0.0], [0, 0, 0.7], 0.2, id="multiplier on a row that is not active"),
        pytest.param([1.2, 0.0], [0, 0, -0.2], 0.7, id="multiplier of the wrong sign"),
        pytest.param([0.4, 0.0], [0.6, 0, 0.0], 0.6, id="multiplier on a bound that is far away"),
        pytest.param([0.4, 0.0], [0.0, 0, 0.0], 0.6, id="not stationary"),
        pytest.param([0.5, 0.0], [0, np.nan, 0.5], np.inf, id="a multiplier that is not a number"),
        pytest.param([np.inf, 0.0], [0, 0, 0.5], np.inf, id="infinite"),
    ],
)
def test_every_condition_is_measured(z, duals, expected):
    assert residual(z, duals, [1, 0], [[1, 0]], [0.5]) == pytest.approx(expected)


def test_a_broken_bound_is_measured_on_either_side():
    assert residual([9.25, 0.0], [0, 0], [9.25, 0], np.zeros((0, 2)), []) == 0.25
    assert residual([0.0, -9.5], [0, 0], [0, -9.5], np.zeros((0, 2)), []) == 0.5


def test_overflow_is_not_a_small_residual():
    assert residual([1e300, -1e300], [0, 0, 0], [1e300, -1e300], [[1e300, 1e300]], [0.0]) == np.inf


def test_polishing_turns_two_digits_into_fourteen():
    rng, polished = np.random.default_rng(0), 0
    for _ in range(200):
        p = feasible(rng, 7, 30)
        length = np.linalg.norm(p.rows, axis=1)
        rows, offsets = p.rows / length[:, None], p.offsets / length
        expected = oracle(p._replace(weight=np.ones(7)))
        room = offsets - rows @ expected
        # a rough dual: positive where the row is nearly active, wrong by half
        y = np.concatenate(
            [np.sign(expected) * (np.abs(expected) > BOX - 1e-9), np.where(room < 0.01, 0.5, 0)]
        )
        z = expected + rng.normal(scale=1e-2, size=7)
        if polish(p.target, rows, offsets, p.lower, p.upper, z, y, 20):
            polished += 1
            np.testing.assert_allclose(z, expected, atol=1e-9)
            assert kkt_residual(z, y, p.target, rows, offsets, p.lower, p.upper) < 1e-9
    assert polished > 190


def test_polishing_leaves_alone_what_it_cannot_mend():
    rows, offsets = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([-1.0, -1.0])  # contradictory
    z, y = np.array([0.1, 0.2]), np.array([0.0, 0.0, 1.0, 1.0])
    assert not polish(np.ones(2), rows, offsets, *FREE, z, y, 20)
    assert z.tolist() == [0.1, 0.2] and y.tolist() == [0.0, 0.0, 1.0, 1.0]
