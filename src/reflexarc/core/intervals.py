# SPDX-License-Identifier: Apache-2.0
r"""Intervals for probabilities that hold at every sample size, and the sample sizes that they ask for.

Counts: k hits of N independent samples. The Clopper-Pearson bound is the (1 - delta) quantile of Beta(k + 1, N - k);
for k = 0 it is 1 - delta^(1/N), so that N >= ln(delta) / ln(1 - epsilon) samples without a hit prove p <= epsilon.

Values in [0, B], such as weighted hits (Maurer and Pontil 2009, theorem 4, once for each side): with probability
1 - delta

    |mean - expectation| <= sqrt(2 V ln(4 / delta) / N) + 7 B ln(4 / delta) / (3 (N - 1)),     V = sample variance.

Several statements at once (candidates, segments): give each delta / count (Bonferroni).
"""

import math

import numpy as np
import numpy.typing as npt

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array


def clopper_pearson(hits: int, samples: int, delta: float) -> tuple[float, float]:
    """Return the two-sided interval of a probability, of confidence 1 - delta (delta / 2 on each side).

    Raises:
        ConfigError: more hits than samples, no samples, or delta outside (0, 1).
    """
    upper = clopper_pearson_upper(hits, samples, 0.5 * delta)
    return 1.0 - clopper_pearson_upper(samples - hits, samples, 0.5 * delta), upper


def clopper_pearson_upper(hits: int, samples: int, delta: float) -> float:
    """Return the one-sided upper bound of a probability, of confidence 1 - delta.

    Raises:
        ConfigError: more hits than samples, no samples, or delta outside (0, 1).
    """
    if not 0 <= hits <= samples or samples < 1:
        raise ConfigError(f"{hits} hits of {samples} samples is not possible")
    _check(delta=delta)
    if hits == samples:
        return 1.0
    if hits == 0:
        return -math.expm1(math.log(delta) / samples)
    from scipy import special  # noqa: PLC0415 - slow to import, and not needed without hits

    return float(special.betainccinv(hits + 1.0, samples - hits, delta))


def required_samples(epsilon: float, beta: float, violations: int = 0) -> int:
    """Return the smallest N for which `violations` of N prove p <= epsilon with confidence 1 - beta.

    Without violations and at 95 %: 299 for 1e-2, 2,995 for 1e-3, 29,956 for 1e-4.

    Raises:
        ConfigError: epsilon or beta outside (0, 1), or a negative number of violations.
    """
    _check(epsilon=epsilon, beta=beta)
    if violations < 0:
        raise ConfigError(f"violations: {violations} must be at least 0")
    count = math.ceil(math.log(beta) / math.log1p(-epsilon))
    if violations == 0:
        return count
    low, high = count, count
    while clopper_pearson_upper(violations, high, beta) > epsilon:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = clopper_pearson_upper(violations, middle, beta) <= epsilon
        low, high = (low, middle) if enough else (middle, high)
    return high


def empirical_bernstein(values: npt.ArrayLike, bound: float, delta: float) -> tuple[float, float]:
    """Return the two-sided interval of an expectation, of confidence 1 - delta.

    Args:
        values: independent and identically distributed, each in [0, bound]; shape (N,).
        bound: largest possible value, known beforehand.
        delta: probability that the interval misses.

    Raises:
        ConfigError: fewer than two values, a value outside [0, bound], or delta outside (0, 1).
    """
    values = np.asarray(values, dtype=np.float64)
    _check_values(values, bound, delta, "values")
    mean = float(values.mean())
    reach = _reach(float(values.var(ddof=1)), values.size, bound, delta)
    return max(mean - reach, 0.0), min(mean + reach, bound)


def weighted_share(
    hit: npt.ArrayLike, weights: npt.ArrayLike, bound: float, delta: float
) -> tuple[float, float]:
    r"""Return the two-sided interval of a probability from self-normalised weighted samples.

    The weights are w = c rho / q with an unknown c > 0. The true p is the root of E[w (1[hit] - p)] = 0; the values
    w (1[hit] - p) lie in an interval of length `bound`, and the result is the hull of all p for which the empirical
    Bernstein interval of their mean holds 0. It is valid because the true p is one fixed number.

    Args:
        hit: whether each sample is in the event, shape (N,).
        weights: unnormalised weights, each in [0, bound], shape (N,).
        bound: largest possible weight, in the scale of `weights`.
        delta: probability that the interval misses.

    Raises:
        ConfigError: as of `empirical_bernstein`, or all weights zero.
    """
    hit, w = np.asarray(hit, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    _check_values(w, bound, delta, "weights")
    if hit.shape != w.shape:
        raise ConfigError(f"{hit.size} samples and {w.size} weights; one weight per sample is needed")
    if not w.any():
        raise ConfigError("all weights are zero: the proposal and the density have no sample in common")
    a, b = w * hit, w
    mean_a, mean_b = float(a.mean()), float(b.mean())
    covariance = np.cov(a, b)

    def excess(p: float, sign: float) -> float:
        variance = covariance[0, 0] - 2.0 * p * covariance[0, 1] + p * p * covariance[1, 1]
        return sign * (mean_a - p * mean_b) - _reach(max(float(variance), 0.0), w.size, bound, delta)

    centre = min(mean_a / mean_b, 1.0)
    return _edge(lambda p: excess(p, 1.0), centre, 0.0), _edge(lambda p: excess(p, -1.0), centre, 1.0)


def conformal_level(scores: Array, miscoverage: float) -> float:
    r"""Return the split-conformal level q of a calibration sample: P(next score > q) <= miscoverage.

        q = the ceil((M + 1)(1 - miscoverage))-th smallest of M exchangeable scores, infinity if there are too few.

    Raises:
        ConfigError: no scores, or a miscoverage outside (0, 1).
    """
    scores = np.sort(np.asarray(scores, dtype=np.float64))
    _check(miscoverage=miscoverage)
    if scores.size == 0:
        raise ConfigError("a conformal level needs at least one calibration score")
    rank = math.ceil((scores.size + 1) * (1.0 - miscoverage) - 1e-9)
    return float(scores[rank - 1]) if rank <= scores.size else math.inf


def _reach(variance: float, count: int, bound: float, delta: float) -> float:
    log = math.log(4.0 / delta)
    return math.sqrt(2.0 * variance * log / count) + 7.0 * bound * log / (3.0 * (count - 1))


def _edge(excess, inside: float, outside: float) -> float:
    """Return where the concave `excess` leaves <= 0 on the way from `inside` to `outside`, or `outside`."""
    if excess(outside) <= 0.0:
        return outside
    for _ in range(60):
        middle = 0.5 * (inside + outside)
        inside, outside = (middle, outside) if excess(middle) <= 0.0 else (inside, middle)
    return outside


def _check_values(values: Array, bound: float, delta: float, name: str) -> None:
    _check(delta=delta)
    if values.ndim != 1 or values.size < 2:
        raise ConfigError(f"{name}: at least two in one row are needed, got shape {values.shape}")
    if not (math.isfinite(bound) and bound > 0.0):
        raise ConfigError(f"{name}: the bound {bound} must be positive and finite")
    if not (values.min() >= 0.0 and values.max() <= bound):  # also catches NaN
        raise ConfigError(
            f"{name}: all must lie in [0, {bound:g}], got {values.min():g} to {values.max():g}; no interval was made"
        )


def _check(**probabilities: float) -> None:
    for name, value in probabilities.items():
        if not 0.0 < value < 1.0:
            raise ConfigError(f"{name}: {value} must lie strictly between 0 and 1")
