# SPDX-License-Identifier: Apache-2.0
"""The time on which inputs are judged.

In simulation time comes in messages. If it simply stood still when they stop, a dead plant would leave
every input fresh for ever. So the clock runs on with the machine's steady clock from the newest message,
and inputs grow old. It never runs backwards on its own, but it shows a message that does: the arc must see
that and latch.
"""

import math
import time
from collections.abc import Callable


class SimClock:
    """Newest clock message plus the steady time since it arrived."""

    def __init__(self, steady: Callable[[], float] = time.monotonic):
        """Take the steady clock [s]; tests give their own."""
        self._steady = steady
        self._stamp = math.nan
        self._arrival = -math.inf
        self._floor = 0.0
        self._jump: float | None = None

    def update(self, stamp: float) -> None:
        """Take the time of a clock message. [s]"""
        if stamp < self._stamp:
            self._floor = self._jump = stamp
        self._stamp, self._arrival = stamp, self._steady()

    def now(self) -> float:
        """Return the time; 0 before the first message. [s]

        A jump backwards is returned once even if a later message has already undone it.
        """
        if self._jump is not None:
            jump, self._jump = self._jump, None
            return jump
        if math.isnan(self._stamp):
            return 0.0
        self._floor = max(self._floor, self._stamp + (self._steady() - self._arrival))
        return self._floor

    def silence(self) -> float:
        """Return how long no message has come, inf before the first. [s]"""
        return self._steady() - self._arrival


class SystemClock:
    """The machine's clock, for a robot."""

    def update(self, stamp: float) -> None:
        """Ignore clock messages."""

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def silence(self) -> float:
        """Return 0: it never stops."""
        return 0.0
