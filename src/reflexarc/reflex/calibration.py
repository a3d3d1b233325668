# SPDX-License-Identifier: Apache-2.0
r"""Thresholds of risk from a wanted rate of failures, and how far the critic's numbers can be believed.

Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster, ICLR 2024, arXiv 2208.02814): with losses
L_i(eps) in {0, 1} of n exchangeable episodes that do not fall as eps grows,

    eps* = sup { eps : (n R_n(eps) + 1) / (n + 1) <= alpha },   R_n the mean loss,   gives  E[L_{n+1}(eps*)] <= alpha.

Failure of a shielded episode is not exactly monotone in its threshold; so eps* is the largest threshold of a grid at
which the bound holds together with all smaller ones.
"""

from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array


def controlled_threshold(thresholds: Array, failed: Array, alpha: float) -> float:
    """Return the largest threshold that keeps the rate of failures, or the smallest one if none does.

    Args:
        thresholds: ascending, shape (k,).
        failed: whether each of n episodes failed under each threshold, shape (k, n).
        alpha: wanted rate.

    Raises:
        ConfigError: shapes that do not fit, thresholds that do not ascend, or a rate outside (0, 1).
    """
    thresholds, failed = np.asarray(thresholds, dtype=np.float64), np.asarray(failed, dtype=np.float64)
    if failed.ndim != 2 or failed.shape[0] != thresholds.size or not failed.size:
        raise ConfigError(
            f"{thresholds.size} thresholds and outcomes of shape {failed.shape}; needed: (k, n)"
        )
    if (np.diff(thresholds) <= 0.0).any():
        raise ConfigError("thresholds must ascend")
    if not 0.0 < alpha < 1.0:
        raise ConfigError(f"rate {alpha} must lie strictly between 0 and 1")
    n = failed.shape[1]
    fine = (failed.sum(axis=1) + 1.0) / (n + 1.0) <= alpha
    first_bad = thresholds.size if fine.all() else int(np.argmin(fine))
    return float(thresholds[max(first_bad - 1, 0)])


class Reliability(NamedTuple):
    """A reliability diagram."""

    predicted: Array
    """Mean prediction of each bin that holds anything, shape (b,)."""
    observed: Array
    """Mean of what happened."""
    count: np.ndarray
    error: float
    """Expected calibration error, sum of count / n |predicted - observed| (Guo et al., ICML 2017)."""


def reliability(predicted: Array, happened: Array, bins: int = 10) -> Reliability:
    """Return how predictions in [0, 1] compare with what happened, in bins of equal width.

    Args:
        predicted: shape (n,).
        happened: shape (n,), in [0, 1]: discounted outcomes where discounted probabilities are judged.
        bins: how many.

    Raises:
        ConfigError: no values, shapes that differ, or predictions outside [0, 1].
    """
    predicted, happened = np.asarray(predicted, dtype=np.float64), np.asarray(happened, dtype=np.float64)
    if predicted.shape != happened.shape or predicted.ndim != 1 or not predicted.size:
        raise ConfigError(
            f"{predicted.shape} predictions for {happened.shape} outcomes; needed: (n,) of both"
        )
    if not ((predicted >= 0.0) & (predicted <= 1.0)).all():
        raise ConfigError("predictions must lie in [0, 1]")
    which = np.minimum((predicted * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    held = count > 0
    mean = [np.bincount(which, x, bins)[held] / count[held] for x in (predicted, happened)]
    error = float((count[held] * np.abs(mean[0] - mean[1])).sum() / predicted.size)
    return Reliability(mean[0], mean[1], count[held], error)
