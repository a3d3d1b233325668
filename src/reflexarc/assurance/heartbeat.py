# SPDX-License-Identifier: Apache-2.0
r"""Heartbeats: what a sender counts, and what a receiver checks of one sender.

A beat is (sequence number n, stamp s on the sender's steady clock). The two clocks need not agree. The receiver takes
the fastest way that a beat has ever had as the offset between them,

    o <- min(o + d dt, r - s),     age = r - s - o,

with r the receiver's steady clock, dt the time since the last beat and d the drift that is allowed between two clocks.
A beat is good for one lease from when it was *sent*, so a delay on the way uses the lease up and never prolongs it:

    good while     r <= r_arrival - age + lease.

Everything else is a fault: a number that is repeated, lower, or too far ahead; a stamp that stands still, is not finite
or is ahead of the receiver's clock by more than the skew. After a fault the beat that caused it is the new start.
"""

import math
from dataclasses import dataclass

from reflexarc.core.config import quantity
from reflexarc.core.errors import ConfigError
from reflexarc.core.gate_interfaces import LEASE_S

DRIFT = 2e-4
"""Largest drift between two machines' clocks, twice that of an ordinary crystal (100 ppm). [s/s]"""
RATE_HZ = 50.0
"""Beats per second of every sender. [Hz]"""


@dataclass(frozen=True, slots=True)
class HeartbeatConfig:
    """What a receiver demands of a sender. No value can switch a check off."""

    lease_s: float = quantity(
        LEASE_S, unit="s", low=0.005, high=5.0, doc="a beat vouches for its sender so long"
    )
    max_gap: int = quantity(10, low=1, high=1000, doc="beats that may be lost between two that arrive")
    skew_s: float = quantity(
        0.05, unit="s", low=0.001, high=1.0, doc="how far a stamp may be ahead of the receiver's clock"
    )

    def __post_init__(self) -> None:
        refuse_disabled(lease_s=self.lease_s, max_gap=self.max_gap, skew_s=self.skew_s)


def refuse_disabled(**values: float) -> None:
    """Refuse limits that would switch a check off.

    Raises:
        ConfigError: one of them is not finite or not above zero.
    """
    for name, value in values.items():
        if not math.isfinite(value) or value <= 0.0:
            raise ConfigError(
                f"{name} = {value}: must be finite and above 0; zero does not switch a heartbeat check off"
            )


class Heart:
    """A sender: tells when the next beat is due and numbers it."""

    def __init__(self, rate_hz: float = RATE_HZ):
        """Take the rate. [Hz]

        Raises:
            ConfigError: it is not finite or not above zero.
        """
        refuse_disabled(rate_hz=rate_hz)
        self._period = 1.0 / rate_hz
        self._due = -math.inf
        self._seq = 0

    def beat(self, now: float) -> int | None:
        """Return the number of the beat that is due at steady time `now` [s], or None where none is."""
        if now < self._due:
            return None
        late = now - self._due
        self._due = now + self._period if late > self._period else self._due + self._period
        self._seq += 1
        return self._seq - 1


class Pulse:
    """What a receiver knows of one sender."""

    def __init__(self, config: HeartbeatConfig):
        """Take what is demanded; nothing has come yet."""
        self._config = config
        self.good_since = math.nan
        """Receiver's time of the first of the unbroken row of good beats; nan: there is none. [s]"""
        self._seq = -1
        self._stamp = self._arrival = self._offset = math.nan
        self._until = -math.inf

    def beat(self, seq: int, stamp: float, now: float) -> tuple[str, str]:
        """Take a beat that arrived at steady time `now` [s] and return (fault, reason), both empty when it is good."""
        known = not math.isnan(self.good_since)
        fault = self._judge(seq, stamp, now) if known else self._judge_first(seq, stamp)
        if fault[0] == "heartbeat_not_finite":
            self.good_since, self._until = math.nan, -math.inf
            return fault
        way = now - stamp
        if known and not fault[0]:
            self._offset = min(self._offset + DRIFT * (now - self._arrival), way)
        else:
            self.good_since, self._offset = now, way
        self._seq, self._stamp, self._arrival = seq, stamp, now
        self._until = now - (way - self._offset) + self._config.lease_s
        return fault

    def missing(self, now: float) -> tuple[str, str]:
        """Return (fault, reason) where no beat vouches for the sender at steady time `now` [s], else empty texts."""
        if math.isnan(self.good_since):
            return "heartbeat_missing", "no good beat has arrived"
        if now <= self._until:
            return "", ""
        since = now - self._until + self._config.lease_s
        self.good_since = math.nan
        return "heartbeat_late", f"the newest beat is {since:.3f} s old, allowed {self._config.lease_s:g} s"

    def forget(self) -> None:
        """Begin anew, as after a jump of the receiver's clock."""
        self.good_since, self._until = math.nan, -math.inf

    def _judge_first(self, seq: int, stamp: float) -> tuple[str, str]:
        if not math.isfinite(stamp) or seq < 0:
            return "heartbeat_not_finite", f"stamp {stamp} s, number {seq}: no first beat"
        return "", ""

    def _judge(self, seq: int, stamp: float, now: float) -> tuple[str, str]:
        limit = self._config
        age = now - stamp - (self._offset + DRIFT * (now - self._arrival))
        if not math.isfinite(stamp):
            return "heartbeat_not_finite", f"stamp {stamp} s"
        if seq == self._seq:
            return "heartbeat_repeated", f"number {seq} came twice"
        if seq < self._seq:
            return "heartbeat_out_of_order", f"number {seq} came after {self._seq}"
        if seq - self._seq - 1 > limit.max_gap:
            return (
                "heartbeat_gap",
                f"{seq - self._seq - 1} beats are missing before {seq}, allowed {limit.max_gap}",
            )
        if stamp == self._stamp:
            return "heartbeat_frozen", f"the stamp stands at {stamp:.3f} s"
        if stamp < self._stamp:
            return "heartbeat_clock", f"the stamp went back by {self._stamp - stamp:.3f} s"
        if age < -limit.skew_s:
            return "heartbeat_clock", f"the stamp is {-age:.3f} s ahead, allowed {limit.skew_s:g} s"
        if age > limit.lease_s:
            return "heartbeat_late", f"the beat was {age:.3f} s on its way, allowed {limit.lease_s:g} s"
        return "", ""
