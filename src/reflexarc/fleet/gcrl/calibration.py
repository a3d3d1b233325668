# SPDX-License-Identifier: Apache-2.0
r"""Are the critics right? Predicted against true steps and costs on held-out pairs, and bounds that hold.

Truth of a policy's steps and cost is its roll-out; the truth of the distance is also the least number of steps, where
it is known. Split-conformal recalibration (as CP-Solver does for learned edges, arXiv 2507.22282): with the score of a
pair u = true - upper, upper the largest mean of the ensemble, and q the ceil((m + 1)(1 - alpha))-th smallest of m
scores, upper + q bounds a new pair of the same kind with probability at least 1 - alpha. Likewise
lower - q' from below. Roll-outs that never arrive have an infinite score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.intervals import conformal_level
from reflexarc.core.types import Array

BINS = ((0.0, 2.5), (2.5, 5.5), (5.5, 10.5), (10.5, 20.0))
"""Bins of the true steps, of which the report speaks."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What to add to the ensemble so that it bounds the truth."""

    alpha: float
    steps_above: float
    """q of the steps from above."""
    steps_below: float
    """q' of the steps from below."""
    cost_above: float
    """q of the cost from above."""
    pairs: int
    """Calibration pairs."""


def conformal_bounds(
    steps: Array, costs: Array, true_steps: Array, true_costs: Array, alpha: float = 0.1
) -> Bounds:
    """Return the corrections.

    Args:
        steps: predicted per member, shape (members, n).
        costs: predicted per member, shape (members, n).
        true_steps: of the roll-outs, infinity where the goal was not reached, shape (n,).
        true_costs: of the roll-outs, shape (n,).
        alpha: share of misses that each bound allows.

    Raises:
        ConfigError: fewer than 1 / alpha pairs, predictions that are not finite, or shapes that do not fit.
    """
    if (
        steps.shape != costs.shape
        or steps.shape[1:] != true_steps.shape
        or true_steps.shape != true_costs.shape
    ):
        raise ConfigError(
            f"predictions {steps.shape} and {costs.shape} do not fit {true_steps.shape} and {true_costs.shape} "
            "true values; shapes (members, n) and (n,) are needed"
        )
    if not (np.isfinite(steps).all() and np.isfinite(costs).all()):
        raise ConfigError("predicted steps or costs are not finite; no bounds were made")
    if len(true_steps) < 1.0 / alpha:
        raise ConfigError(f"{len(true_steps)} pairs cannot bound a share of {alpha:g}; use more")
    late = np.where(np.isfinite(true_steps), true_costs, np.inf)
    early = np.where(np.isfinite(true_steps), steps.min(axis=0) - true_steps, -np.inf)
    return Bounds(
        alpha,
        conformal_level(true_steps - steps.max(axis=0), alpha),
        conformal_level(early, alpha),
        conformal_level(late - costs.max(axis=0), alpha),
        len(true_steps),
    )


def coverage(
    bounds: Bounds, steps: Array, costs: Array, true_steps: Array, true_costs: Array
) -> dict[str, Any]:
    """Return how often the bounds held on other pairs; shapes as of `conformal_bounds`."""
    arrived = np.isfinite(true_steps)
    return {
        "pairs": len(true_steps),
        "steps_above": float((true_steps <= steps.max(axis=0) + bounds.steps_above).mean()),
        "steps_below": float((true_steps >= steps.min(axis=0) - bounds.steps_below).mean()),
        "cost_above": float((arrived & (true_costs <= costs.max(axis=0) + bounds.cost_above)).mean()),
        "steps_above_uncorrected": float((true_steps <= steps.max(axis=0)).mean()),
        "cost_above_uncorrected": float((arrived & (true_costs <= costs.max(axis=0))).mean()),
    }


def report(
    steps: Array,
    costs: Array,
    true_steps: Array,
    true_costs: Array,
    least: Array,
    bins: Sequence[tuple[float, float]] = BINS,
) -> list[dict[str, Any]]:
    """Return a row per bin of the least steps: predictions beside roll-outs and optimum.

    Args:
        steps: predicted per member, shape (members, n).
        costs: predicted per member, shape (members, n).
        true_steps: of the roll-outs, infinity where the goal was not reached, shape (n,).
        true_costs: of the roll-outs, shape (n,).
        least: least number of steps, shape (n,).
        bins: low and high of each bin; high belongs to it.
    """
    rows = []
    for low, high in bins:
        here = (least > low) & (least <= high)
        arrived = here & np.isfinite(true_steps)
        if not here.any():
            continue
        row: dict[str, Any] = {
            "least_steps": [low, high],
            "pairs": int(here.sum()),
            "arrived": float(arrived.sum() / here.sum()),
            "least_mean": float(least[here].mean()),
            "predicted_steps": float(steps[:, here].mean()),
            "predicted_cost": float(costs[:, here].mean()),
        }
        if arrived.any():
            error = steps[:, arrived].mean(axis=0) - true_steps[arrived]
            cost_error = costs[:, arrived].mean(axis=0) - true_costs[arrived]
            row |= {
                "rolled_steps": float(true_steps[arrived].mean()),
                "steps_bias": float(error.mean()),
                "steps_error": float(np.abs(error).mean()),
                "rolled_cost": float(true_costs[arrived].mean()),
                "cost_bias": float(cost_error.mean()),
                "cost_error": float(np.abs(cost_error).mean()),
            }
        rows.append(row)
    return rows
