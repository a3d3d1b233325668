# SPDX-License-Identifier: Apache-2.0
"""The offset of a force sensor, from the time before anything is touched.

A strain gauge drifts by newtons with temperature; what the arc compares with limits would be off by as much. While the
tip is free and at rest the mean of n samples estimates the offset with a standard deviation of sigma / sqrt(n).
"""

import math

import numpy as np

from reflexarc.core.types import Wrench

_STILL = 0.02
"""A tip that moves faster is not at rest. [m/s]"""


class Tare:
    """Averages the force until enough samples are there."""

    def __init__(self, samples: int, most: float):
        """Take the number of samples, and the largest offset that is believed. [N]"""
        self._samples, self._most = samples, most
        self.offset = np.zeros(3)
        """Mean force while nothing was touched, always this array; zero until it is known. [N]"""
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.offset[:] = 0.0
        self.done = False
        self._sum, self._count, self._stamp = np.zeros(3), 0, -math.inf

    def add(self, wrench: Wrench, speed: float) -> tuple[str, bool]:
        """Take in a sample; return why the arm must wait, empty when the offset is known, and whether that is a fault.

        Args:
            wrench: on the tip, as measured; the same one counts once.
            speed: of the tip; moving begins anew. [m/s]
        """
        if not speed <= _STILL:
            self.reset()
            return f"the force sensor is not zeroed yet: the tip moves at {speed:.3f} m/s", False
        if wrench.stamp > self._stamp:
            self._stamp = wrench.stamp
            self._sum += wrench.force
            self._count += 1
        if self._count < self._samples:
            return f"the force sensor is being zeroed, {self._count} of {self._samples} samples", False
        offset = self._sum / self._count
        size = math.hypot(*offset.tolist())
        if size > self._most:
            return f"a force of {size:.1f} N before anything is touched, allowed {self._most:.1f} N", True
        self.offset[:] = offset
        self.done = True
        return "", False
