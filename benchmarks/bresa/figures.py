# SPDX-License-Identifier: Apache-2.0
"""Figures over seeds, with 95 % percentile bootstrap intervals; seeds are what is drawn again."""

from collections.abc import Sequence

import numpy as np

from reflexarc.core.types import Array

RESAMPLES = 10_000


def ratio(reached: float, failed: float) -> float:
    """Return successes to violations, one added to both so that it exists without violations."""
    return (reached + 1.0) / (failed + 1.0)


def mean(values: Sequence[float | None]) -> list[float] | None:
    """Return the mean with its interval, of the values that there are; None without any."""
    known = np.array([v for v in values if v is not None], dtype=np.float64)
    return _spread(known) if known.size else None


def geometric_mean(values: Sequence[float]) -> list[float]:
    """Return the geometric mean with its interval."""
    return [float(np.exp(x)) for x in _spread(np.log(np.asarray(values, dtype=np.float64)))]


def advantage(of: Sequence[float], over: Sequence[float]) -> list[float]:
    """Return the geometric mean of `of` over `over`, paired seed by seed, with the interval of the paired bootstrap.

    Where one has more seeds than the other, the first ones that both have are compared.
    """
    n = min(len(of), len(over))
    return geometric_mean(np.asarray(of[:n], dtype=np.float64) / np.asarray(over[:n], dtype=np.float64))  # type: ignore[arg-type]


def _spread(values: Array) -> list[float]:
    rng = np.random.default_rng(0)
    means = values[rng.integers(values.size, size=(RESAMPLES, values.size))].mean(axis=1)
    return [float(values.mean()), *(float(x) for x in np.quantile(means, (0.025, 0.975)))]
