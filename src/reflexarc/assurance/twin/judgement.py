# SPDX-License-Identifier: Apache-2.0
"""From metrics per session to a verdict: bootstrap interval of the mean over sessions, against the tolerance.

A metric passes if its whole interval lies within plus and minus its tolerance, which a noisy log cannot do by chance.
What was not measured fails.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reflexarc.assurance.twin.tolerances import Tolerance

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Judged:
    """One metric over sessions."""

    name: str
    values: tuple[float, ...]
    """Of each session; NaN where it was not measured."""
    mean: float
    low: float
    """Lower end of the interval of the mean."""
    high: float
    tolerance: Tolerance

    @property
    def measured(self) -> bool:
        """Whether every session has a finite value."""
        return bool(self.values) and all(math.isfinite(value) for value in self.values)

    @property
    def passed(self) -> bool:
        """Whether it was measured and its interval is within the tolerance."""
        limit = self.tolerance.tolerance
        return self.measured and -limit <= self.low and self.high <= limit


def judge(sessions: Sequence[Mapping[str, float]], tolerances: Mapping[str, Tolerance]) -> list[Judged]:
    """Judge every metric that has a tolerance; `sessions` hold the metrics of each session."""
    judged = []
    for name, tolerance in tolerances.items():
        values = tuple(float(session.get(name, math.nan)) for session in sessions)
        mean, low, high = interval(values)
        judged.append(Judged(name, values, mean, low, high, tolerance))
    return judged


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """Return mean and percentile bootstrap interval of the mean; NaN if a value is not finite or there is none."""
    data = np.asarray(values, dtype=np.float64)
    if not len(data) or not np.isfinite(data).all():
        return math.nan, math.nan, math.nan
    picks = np.random.default_rng(seed).integers(len(data), size=(RESAMPLES, len(data)))
    low, high = np.quantile(data[picks].mean(axis=1), [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return float(data.mean()), float(low), float(high)
