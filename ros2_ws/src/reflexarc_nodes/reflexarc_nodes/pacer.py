# SPDX-License-Identifier: Apache-2.0
"""A loop on absolute times: the k-th turn is due at start + k period, however long the turns before it
took.
"""

import time
from collections.abc import Callable

import numpy as np


class Pacer:
    """Tells when the next turn is due and how late it began.

    Turns that are late by up to `make_up` are made up, one at once after the other; beyond that whole
    periods are dropped.
    """

    def __init__(
        self,
        period: float,
        make_up: float = 0.0,
        steady: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        """Take the period [s], how much lateness is made up [s], and the clock and sleep of the tests."""
        self.period, self.make_up = period, make_up
        self.dropped = 0
        self._steady, self._sleep = steady, sleep
        self.start()

    def start(self) -> None:
        """Let the next turn be due now."""
        self._due = self._steady()

    def remaining(self) -> float:
        """Return the time until the next turn, 0 when it is due. [s]"""
        return max(0.0, self._due - self._steady())

    def begin(self) -> float:
        """Begin the turn that is due, and return how late it is. [s]"""
        late = self._steady() - self._due
        self._due += self.period
        if late > max(self.make_up, self.period):
            drop = int((late - self.make_up) / self.period)
            self._due += drop * self.period
            self.dropped += drop
        return late

    def wait(self) -> float:
        """Sleep until the next turn, begin it and return how late it is. [s]"""
        remaining = self.remaining()
        if remaining > 0.0:
            self._sleep(remaining)
        return self.begin()


class Histogram:
    """Distribution of durations in a fixed amount of memory, for quantiles over a run of any length."""

    def __init__(self, resolution: float = 5e-6, bins: int = 4000):
        """Take the width of a bin [s] and their number; what is longer falls into the last."""
        self._resolution = resolution
        self._counts = np.zeros(bins, dtype=np.int64)
        self.total = 0
        self.longest = 0.0

    def add(self, value: float) -> None:
        """Count one duration. [s]"""
        index = min(max(int(value / self._resolution), 0), len(self._counts) - 1)
        self._counts[index] += 1
        self.total += 1
        self.longest = max(self.longest, value)

    def quantile(self, share: float) -> float:
        """Return an upper bound, one bin wide, of the quantile; NaN while empty. [s]"""
        if self.total == 0:
            return float("nan")
        index = int(np.searchsorted(np.cumsum(self._counts), share * self.total))
        return min((index + 1) * self._resolution, self.longest)


class TickStatistics:
    """Lateness and duration of ticks."""

    def __init__(self, period: float):
        """Take the period; a tick later than half of it missed its deadline. [s]"""
        self.period = period
        self.late = Histogram()
        self.used = Histogram()
        self.misses = 0

    def add(self, lateness: float, used: float) -> None:
        """Count a tick that began `lateness` after its time and took `used`. [s]"""
        self.late.add(lateness)
        self.used.add(used)
        self.misses += lateness > 0.5 * self.period

    @property
    def miss_fraction(self) -> float:
        """Share of ticks that missed their deadline; NaN before the first."""
        return self.misses / self.late.total if self.late.total else float("nan")

    def figures(self) -> dict[str, float]:
        """Return the figures for diagnostics and logs."""
        return {
            "ticks": self.late.total,
            "deadline_miss_fraction": self.miss_fraction,
            "tick_p50_us": 1e6 * self.used.quantile(0.50),
            "tick_p99_us": 1e6 * self.used.quantile(0.99),
            "tick_max_us": 1e6 * self.used.longest,
            "lateness_p50_us": 1e6 * self.late.quantile(0.50),
            "lateness_p99_us": 1e6 * self.late.quantile(0.99),
            "lateness_max_us": 1e6 * self.late.longest,
        }
