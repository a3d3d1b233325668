# SPDX-License-Identifier: Apache-2.0
r"""The statistics of hold-out certificates: sample sizes, exact binomial bounds, conformal levels.

Of N independent starts k lead to a violation. With confidence 1 - beta the probability p of a violation is at most
the Clopper-Pearson bound, the (1 - beta) quantile of Beta(k + 1, N - k); for k = 0 it is 1 - beta^(1/N), so that

    N >= ln(beta) / ln(1 - epsilon)

starts without a violation certify p <= epsilon.
"""

import math

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array


def required_samples(epsilon: float, beta: float, violations: int = 0) -> int:
    """Return the smallest N for which `violations` of N certify p <= epsilon with confidence 1 - beta.

    Raises:
        ConfigError: epsilon or beta outside (0, 1), or a negative number of violations.
    """
    _check(epsilon, beta)
    if violations < 0:
        raise ConfigError(f"violations: {violations} must be at least 0")
    count = math.ceil(math.log(beta) / math.log1p(-epsilon))
    if violations == 0:
        return count
    low, high = count, count
    while upper_bound(violations, high, beta) > epsilon:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if upper_bound(violations, middle, beta) <= epsilon else (middle, high)
    return high


def upper_bound(violations: int, samples: int, beta: float) -> float:
    """Return the Clopper-Pearson upper bound on the probability of a violation, with confidence 1 - beta."""
    if not 0 <= violations <= samples or samples < 1:
        raise ConfigError(f"{violations} violations of {samples} samples is not possible")
    _check(0.5, beta)
    if violations == samples:
        return 1.0
    if violations == 0:
        return -math.expm1(math.log(beta) / samples)
    from scipy import stats  # noqa: PLC0415 - slow to import, and not needed without violations

    return float(stats.beta.ppf(1.0 - beta, violations + 1, samples - violations))


def conformal_level(scores: Array, miscoverage: float) -> float:
    r"""Return the split-conformal level q of a calibration sample: P(next score > q) <= miscoverage.

        q = the ceil((M + 1)(1 - miscoverage))-th smallest of M exchangeable scores, infinity if there are too few.

    Raises:
        ConfigError: no scores, or a miscoverage outside (0, 1).
    """
    scores = np.sort(np.asarray(scores, dtype=np.float64))
    _check(miscoverage, 0.5)
    if scores.size == 0:
        raise ConfigError("a conformal level needs at least one calibration score")
    rank = math.ceil((scores.size + 1) * (1.0 - miscoverage) - 1e-9)
    return float(scores[rank - 1]) if rank <= scores.size else math.inf


def _check(epsilon: float, beta: float) -> None:
    for name, value in (("epsilon", epsilon), ("beta", beta)):
        if not 0.0 < value < 1.0:
            raise ConfigError(f"{name}: {value} must lie strictly between 0 and 1")
