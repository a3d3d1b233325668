# SPDX-License-Identifier: Apache-2.0
"""Where the robots of a fleet were last heard to be, and whose word is still good.

Progress lets others go on, so a place that cannot be right must not count as progress: what is not finite, comes out of
order or from the future, or is farther from the place before than the robot can have driven is refused. A robot that is
heard no more, or only such things, becomes stale and then lost.
"""

import math
from collections.abc import Sequence

import numpy as np

from reflexarc.core.types import Array

SLACK_M = 0.5
"""By how much a localisation may correct itself at once. [m]"""


class Positions:
    """Last good place of each robot."""

    def __init__(self, names: Sequence[str], speed: float, stale: float, lost: float):
        """Start without any place.

        Args:
            names: of the robots.
            speed: no robot is faster. [m/s]
            stale: an older place is no progress. [s]
            lost: a robot without a newer place is given up. [s]
        """
        self._names, self._speed, self._stale, self._lost = tuple(names), speed, stale, lost
        self._known: dict[str, tuple[float, Array]] = {}
        self._listening_since = -math.inf
        self.refused: dict[str, str] = {}
        """Why the last word of a robot was refused; gone with its next good one."""

    def take(self, name: str, stamp: float, place: Array, now: float) -> bool:
        """Take a robot's place, shape (2,) [m], of time `stamp`, or refuse it and note why; return whether taken."""
        reason = self._wrong(name, stamp, place, now)
        if reason:
            self.refused[name] = reason
            return False
        self.refused.pop(name, None)
        self._known[name] = stamp, np.array(place, dtype=np.float64)
        return True

    def listen_anew(self, now: float) -> None:
        """Count nobody's silence before time `now` [s]: whoever asks did not run, and could not have heard anybody."""
        self._listening_since = now

    def fresh(self, now: float) -> dict[str, Array]:
        """Return the places that count as progress at time `now` [s]."""
        return {name: place for name, (stamp, place) in self._known.items() if now - stamp <= self._stale}

    def missing(self) -> list[str]:
        """Return the robots that have never been heard."""
        return [name for name in self._names if name not in self._known]

    def stale(self, now: float) -> list[str]:
        """Return the robots whose place is known but too old at time `now` [s]."""
        fresh = self.fresh(now)
        return [name for name in self._names if name in self._known and name not in fresh]

    def lost(self, now: float) -> list[str]:
        """Return the robots that are to be given up at time `now` [s]."""
        since = {n: max(stamp, self._listening_since) for n, (stamp, _) in self._known.items()}
        return [n for n in self._names if n in since and now - since[n] > self._lost]

    def _wrong(self, name: str, stamp: float, place: Array, now: float) -> str:
        if not (math.isfinite(stamp) and np.isfinite(place).all()):
            return "not finite"
        if stamp > now + self._stale:
            return f"{stamp - now:.2f} s in the future"
        if name not in self._known:
            return ""
        then, before = self._known[name]
        if stamp <= then:
            return "out of order"
        gap, most = math.dist(place, before), self._speed * (stamp - then) + SLACK_M
        return f"{gap:.2f} m in {stamp - then:.2f} s, possible are {most:.2f} m" if gap > most else ""
