# SPDX-License-Identifier: Apache-2.0
"""The boat: its exact value, and the committed barrier against it."""

import json
from pathlib import Path

import numpy as np
import pytest

from reflexarc.barrier.learn.closed_loop import (
    bounded_filter,
    published_filter,
    safe_starts,
    simulate,
    unfiltered,
)
from reflexarc.barrier.learn.ground_truth import solve_grid
from reflexarc.barrier.learned import load_barrier
from reflexarc.core.errors import ConfigError
from reflexarc.robots.systems import SYSTEMS

BOAT = SYSTEMS["boat"]
WEIGHTS = Path(__file__).resolve().parents[3] / "models" / "barriers" / "boat" / "barrier.safetensors"
ROWS = WEIGHTS.parents[3] / "benchmarks" / "barrier" / "learning" / "rows.jsonl"
LOW, HIGH = np.array([-2.95, -2.0]), np.array([-0.1, 2.0])


@pytest.fixture(scope="module")
def truth():
    return solve_grid(BOAT, (251, 201), 0.02)


@pytest.fixture(scope="module")
def starts(truth):
    return safe_starts(LOW, HIGH, truth.value, 200, 3)


def test_the_grid_finds_the_known_shares_of_the_box(truth):
    """Known from an independent solution on 251 x 201 cells: 6.98 % unavoidable, 6.35 % failed."""
    assert (truth.values < 0.0).mean() == pytest.approx(0.0698, abs=0.001)
    assert (truth.margin < 0.0).mean() == pytest.approx(0.0635, abs=0.001)


def test_discounting_alone_calls_a_good_part_of_the_doomed_ring_safe(truth):
    """Known: 26.8 % at 0.99 per 5 ms."""
    ring = (truth.values < 0.0) & (truth.margin >= 0.0)
    discounted = solve_grid(BOAT, (251, 201), 0.02, gamma=0.99**4)
    assert (discounted.values[ring] >= 0.0).mean() == pytest.approx(0.268, abs=0.02)


def test_the_apex_of_the_doomed_ring_lies_where_geometry_puts_it(truth):
    """Before a disc of radius r in a current c > 1 the inputs lead away at asin(1 / c): V* = 0 at r c upstream."""
    x = np.linspace(-1.6, -0.9, 141)
    along = truth.value(np.column_stack((x, np.full(141, 0.5))))
    apex = x[np.flatnonzero(along >= 0.0).max()]
    assert apex == pytest.approx(-0.5 - 0.4 * (2.0 - 0.125), abs=0.05)


def test_bounded_inputs_and_the_exact_value_keep_every_safe_start_safe(truth, starts):
    exact = truth.value_and_gradient
    outcome = simulate(BOAT, starts, bounded_filter(BOAT, exact, 10.0), clip=True)
    plain = simulate(BOAT, starts, unfiltered, clip=True)
    published = simulate(BOAT, starts, published_filter(BOAT, exact, 10.0), clip=True)
    assert not outcome.violated.any() and plain.violated.mean() > 0.25
    assert published.violated.mean() > outcome.violated.mean() + 0.02
    assert outcome.returns.mean() > -680.0


def test_the_committed_barrier_holds_its_claim(truth, starts):
    barrier = load_barrier(WEIGHTS, state=("x", "y"))
    alpha = float(barrier.recipe["alpha"])
    outcome = simulate(BOAT, starts, bounded_filter(BOAT, barrier.values_and_gradients, alpha), clip=True)
    exact = simulate(BOAT, starts, bounded_filter(BOAT, truth.value_and_gradient, 10.0), clip=True)
    assert outcome.violated.sum() <= 2
    assert outcome.returns.mean() > 1.05 * exact.returns.mean()
    axes = [np.linspace(a, b, k) for a, b, k in zip(truth.low, truth.high, truth.values.shape, strict=True)]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    ring = ((truth.values < 0.0) & (truth.margin >= 0.0)).reshape(-1)
    assert (barrier.values(x[ring]) >= 0.0).mean() < 0.1
    safe = truth.values.reshape(-1) > 0.1
    assert (barrier.values(x[safe]) >= 0.0).mean() > 0.97


def test_the_committed_barrier_calls_nothing_safe_that_its_data_did_not_show():
    barrier = load_barrier(WEIGHTS)
    away = np.array([[-5.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, -4.0], [4.0, 4.0]])
    assert (barrier.values(away) < 0.0).all()


def test_the_kept_study_meets_the_promised_figures():
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]

    def mean(controller, figure):
        return np.mean([r[figure] for r in rows if r["controller"] == controller])

    assert mean("grid", "violations") == 0.0
    assert mean("vocbf", "violations") <= 0.005
    assert mean("vocbf", "return") >= -663.6 and mean("vocbf", "return") >= 1.05 * mean("grid", "return")
    assert mean("vocbf", "false_safe_ring") < 0.1
    assert mean("published", "violations") > mean("vocbf", "violations")
    assert mean("published", "return") < mean("vocbf", "return")
    assert all(r["starts"] == 1000 for r in rows)


def test_a_grid_that_does_not_fit_the_system_is_refused():
    with pytest.raises(ConfigError, match="3 axes for 2 states"):
        solve_grid(BOAT, (5, 5, 5), 0.1)
    with pytest.raises(ConfigError, match="did not converge in 2 sweeps"):
        solve_grid(BOAT, (26, 21), 0.1, most_sweeps=2)
