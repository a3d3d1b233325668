# SPDX-License-Identifier: Apache-2.0
r"""Thresholds of risk from a wanted rate of failures, and how far the critic's numbers can be believed.

Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster, ICLR 2024, arXiv 2208.02814): with losses
L_i(eps) in {0, 1} of n exchangeable episodes that do not fall as eps grows,

    eps* = sup { eps : (n R_n(eps) + 1) / (n + 1) <= alpha },   R_n the mean loss,   gives  E[L_{n+1}(eps*)] <= alpha.

Failure of a shielded episode is not exactly monotone in its threshold; so eps* is the largest threshold of a grid at
which the bound holds together with all smaller ones. At thresholds near zero the recovery drives all the time, which
need not be safe by itself; then there is none.

Learn then test (Angelopoulos, Bates, Candes, Jordan and Lei, arXiv 2110.01052) needs nothing of the kind. Each of k
thresholds' hypothesis "failures are more frequent than alpha" has the p-value P(Binomial(n, alpha) <= failures); those
below delta / k are rejected, and with probability 1 - delta no threshold that is left fails more often than alpha,
whichever of them is taken, and why.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

DELTA = 0.1
"""Probability that a threshold passes that should not."""


def controlled_threshold(thresholds: Array, failed: Array, alpha: float) -> float | None:
    """Return the largest threshold that keeps the rate of failures together with all smaller ones; None if none does.

    Args:
        thresholds: ascending, shape (k,).
        failed: whether each of n episodes failed under each threshold, shape (k, n).
        alpha: wanted rate.

    Raises:
        ConfigError: shapes that do not fit, thresholds that do not ascend, or a rate outside (0, 1).
    """
    thresholds, failed = _checked(thresholds, failed, alpha)
    n = failed.shape[1]
    fine = (failed.sum(axis=1) + 1.0) / (n + 1.0) <= alpha
    first_bad = thresholds.size if fine.all() else int(np.argmin(fine))
    return float(thresholds[first_bad - 1]) if first_bad else None


def tested_threshold(
    thresholds: Array, failed: Array, reached: Array, alpha: float, delta: float = DELTA
) -> float | None:
    """Return the threshold that passes the test and reaches the goal most often, the largest such; None if none passes.

    Args:
        thresholds: ascending, shape (k,).
        failed: whether each of n episodes failed under each threshold, shape (k, n).
        reached: whether it reached the goal, shape (k, n).
        alpha: wanted rate of failures.
        delta: probability that a threshold passes that should not.

    Raises:
        ConfigError: as `controlled_threshold`, outcomes of two shapes, or a delta outside (0, 1).
    """
    thresholds, failed = _checked(thresholds, failed, alpha)
    if np.shape(reached) != failed.shape:
        raise ConfigError(
            f"failures of shape {failed.shape} and successes of {np.shape(reached)}; needed: the same"
        )
    if not 0.0 < delta < 1.0:
        raise ConfigError(f"delta {delta} must lie strictly between 0 and 1")
    k, n = failed.shape
    passed = binom.cdf(failed.sum(axis=1), n, alpha) <= delta / k
    if not passed.any():
        return None
    goals = np.where(passed, np.asarray(reached).sum(axis=1), -1)
    return float(thresholds[np.flatnonzero(goals == goals.max())[-1]])


def _checked(thresholds: Array, failed: Array, alpha: float) -> tuple[Array, Array]:
    thresholds, failed = np.asarray(thresholds, dtype=np.float64), np.asarray(failed, dtype=np.float64)
    if failed.ndim != 2 or failed.shape[0] != thresholds.size or not failed.size:
        raise ConfigError(
            f"{thresholds.size} thresholds and outcomes of shape {failed.shape}; needed: (k, n)"
        )
    if (np.diff(thresholds) <= 0.0).any():
        raise ConfigError("thresholds must ascend")
    if not 0.0 < alpha < 1.0:
        raise ConfigError(f"rate {alpha} must lie strictly between 0 and 1")
    return thresholds, failed


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
