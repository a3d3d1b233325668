# SPDX-License-Identifier: Apache-2.0
"""The time on which inputs are judged.

In simulation time comes in messages. If it simply stood still when they stop, a dead plant would leave
every input fresh for ever. So the clock runs on from the newest message and inputs grow old: first as fast as
simulated time has gone lately, never faster than the machine's steady clock, and as fast as that once messages stay
away for longer than usual. At full speed all the time, every input would seem old beside a plant that is slower than
real time.

Where inputs may be only a few milliseconds old, even the hiccups of the machine that the plant runs on would make
them old. A clock *in step* therefore goes at most `LEAD_S` beyond the newest message until messages stay away for
longer than usual: a plant that stutters slows time down and nothing else, and one that is dead is noticed as above.

It never runs backwards on its own, but it shows a message that does: the arc must see that and latch.
"""

import math
import time
from collections import deque
from collections.abc import Callable

LATELY_S = 1.0
"""Over this time the speed of simulated time is measured. [s]"""
PATIENCE_S, USUAL = 0.25, 5.0
"""Silence longer than this, and than so many usual gaps between messages, is unusual. [s]"""
LEAD_S, IN_STEP_PATIENCE_S = 0.002, 1.0
"""A clock in step runs ahead of its messages by as much as two periods of the fastest loop, and takes a shorter silence
than the second for a stutter. [s]"""


class SimClock:
    """Newest clock message plus the time since it arrived."""

    def __init__(self, steady: Callable[[], float] = time.monotonic, in_step: bool = False):
        """Take the steady clock [s], tests give their own; and whether time goes in step with its messages."""
        self._steady = steady
        self._lead, self._least = (LEAD_S, IN_STEP_PATIENCE_S) if in_step else (math.inf, PATIENCE_S)
        self._stamp = math.nan
        self._arrival = -math.inf
        self._floor = 0.0
        self._jump: float | None = None
        self._lately: deque[tuple[float, float]] = deque()
        self._speed, self._patience = 1.0, self._least

    def update(self, stamp: float) -> None:
        """Take the time of a clock message. [s]"""
        if stamp < self._stamp:
            self._floor = self._jump = stamp
            self._lately.clear()
        self._stamp, self._arrival = stamp, self._steady()
        lately = self._lately
        lately.append((self._arrival, stamp))
        while len(lately) > 2 and lately[1][0] <= self._arrival - LATELY_S:
            lately.popleft()
        span = self._arrival - lately[0][0]
        if span > 0.0:
            self._speed = min((stamp - lately[0][1]) / span, 1.0)
            self._patience = max(self._least, USUAL * span / (len(lately) - 1))

    def now(self) -> float:
        """Return the time; 0 before the first message. [s]

        A jump backwards is returned once even if a later message has already undone it.
        """
        if self._jump is not None:
            jump, self._jump = self._jump, None
            return jump
        if math.isnan(self._stamp):
            return 0.0
        silence = self.silence()
        usual = min(silence, self._patience)
        self._floor = max(self._floor, self._stamp + min(self._speed * usual, self._lead) + (silence - usual))
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
