# SPDX-License-Identifier: Apache-2.0
"""Figures over runs."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import t


def mean_interval(values: Sequence[float]) -> list[float | None] | None:
    """Return the mean and its 95 % interval (Student), which one value does not have; None without values."""
    if not len(values):
        return None
    mean = float(np.mean(values))
    if len(values) == 1:
        return [mean, None, None]
    half = float(t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return [mean, mean - half, mean + half]
