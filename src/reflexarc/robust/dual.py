# SPDX-License-Identifier: Apache-2.0
r"""The multiplier of the constraint L = E[eta I - C] >= 0 (intensity I, cost C): grows while L < 0, else falls.

    plain    lambda <- P(lambda - a L)
    PI       s <- P(s - a L),   lambda <- P(s - k L)

with P the projection on [0, most]. The proportional part of the second damps the swing of the first, whose multiplier
goes on growing until the constraint has been satisfied for as long as it was not (Stooke, Achiam & Abbeel, ICML 2020).
"""

import math
from dataclasses import dataclass

from reflexarc.core.config import quantity


@dataclass(frozen=True)
class DualConfig:
    """Parameters of the multiplier."""

    start: float = quantity(0.0, low=0.0, high=1e6, doc="lambda before the first step")
    rate: float = quantity(0.05, low=0.0, high=1e3, doc="a: step of the integral, per unit of the slack")
    proportional: float = quantity(
        0.0, low=0.0, high=1e3, doc="k: part of the slack that acts at once; 0: plain"
    )
    most: float = quantity(20.0, low=0.0, high=1e6, doc="largest lambda")


class Dual:
    """The multiplier over a training."""

    def __init__(self, config: DualConfig):
        """Start at `config.start`."""
        self._config = config
        self.integral = config.start
        self.value = config.start
        """lambda."""

    def step(self, slack: float) -> float:
        """Take L and return the new lambda; a slack that is not finite changes nothing."""
        c = self._config
        if math.isfinite(slack):
            self.integral = min(max(self.integral - c.rate * slack, 0.0), c.most)
            self.value = min(max(self.integral - c.proportional * slack, 0.0), c.most)
        return self.value
