# SPDX-License-Identifier: Apache-2.0
"""The last gate before the plant: commands pass only while every watched source proves that it is alive.

Closed is the default. The gate opens on an acknowledgement that comes after all sources have been good for the dwell;
an acknowledgement before that is refused and not remembered. It closes on the first fault of any source and stays
closed, whatever comes afterwards, until the next acknowledgement. A beat may also say that its sender lets nothing
move; an open gate then holds the robot until the sender says otherwise: the supervisor's second way to stop it.

A gate that is closed or holds commands zero velocity, which is how a base stops: its drive decelerates as fast as it
can. (Zero torque would let an arm fall; this gate is not for torques.)

The gate knows no model and learns nothing. Time is the receiver's steady clock.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from reflexarc.assurance.heartbeat import HeartbeatConfig, Pulse, refuse_disabled
from reflexarc.core.config import quantity
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array

SOURCES = ("arc", "plant", "supervisor")
"""Who must be alive for a base to move."""


@dataclass(frozen=True, slots=True)
class GateConfig:
    """What the gate demands."""

    heartbeat: HeartbeatConfig = field(default_factory=HeartbeatConfig)
    dwell_s: float = quantity(
        0.5, unit="s", low=0.05, high=60.0, doc="all sources must be good so long before an acknowledgement"
    )

    def __post_init__(self) -> None:
        refuse_disabled(dwell_s=self.dwell_s)


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether commands pass, and why not."""

    open: bool
    source: str
    """Whose fault closed it, or who holds the robot; empty while it is open, and before it has ever been."""
    reason: str
    """What closed it, or what its first opening waits for; empty while it is open."""
    fault: str = ""
    """Name in the fault table of what closed it; empty where somebody only holds the robot."""
    ready: bool = False
    """Whether an acknowledgement would open it."""


class Gate:
    """Opens and closes; see the module."""

    def __init__(self, config: GateConfig, sources: Iterable[str] = SOURCES):
        """Take what is demanded, and of whom.

        Raises:
            ConfigError: nobody is watched, or a name is empty or given twice.
        """
        names = tuple(sources)
        if not names or not all(names) or len(set(names)) != len(names):
            raise ConfigError(f"sources {names}: at least one is needed, each named once")
        self._config = config
        self._pulses = {name: Pulse(config.heartbeat) for name in names}
        self._motion = dict.fromkeys(names, True)
        self._open = False
        self._closed_by = ("", "", "")
        self._now = -math.inf
        self.closings = 0
        """How often an open gate has closed."""

    def beat(self, source: str, seq: int, stamp: float, now: float, motion: bool = True) -> None:
        """Take a beat.

        Args:
            source: who sent it; an unknown name closes the gate.
            seq: its number.
            stamp: sender's steady clock. [s]
            now: receiver's steady clock. [s]
            motion: whether the sender lets the robot move.
        """
        if not self._advance(now):
            return
        if source not in self._pulses:
            known = ", ".join(self._pulses)
            self._close("heartbeat_source", source, f"unknown source {source!r}, allowed: {known}")
            return
        pulse = self._pulses[source]
        late = pulse.missing(now)
        fault, reason = pulse.beat(seq, stamp, now)
        if late[0] == "heartbeat_late":
            fault, reason = late
        if fault:
            self._close(fault, source, reason)
        self._motion[source] = motion

    def open(self, now: float) -> GateVerdict:
        """Return whether commands pass at steady time `now` [s]."""
        if self._advance(now):
            for name, pulse in self._pulses.items():
                fault, reason = pulse.missing(now)
                if fault:
                    self._close(fault, name, reason)
        holds = next((name for name, motion in self._motion.items() if not motion), "")
        if self._open:
            return GateVerdict(not holds, holds, f"{holds} lets nothing move" if holds else "")
        fault, source, reason = self._closed_by
        waiting = self._waiting(self._now)
        return GateVerdict(False, source, reason or waiting or "not acknowledged yet", fault, not waiting)

    def acknowledge(self, now: float) -> str:
        """Open the gate if all sources have been good for the dwell; return why it stays closed, empty if it opens."""
        self.open(now)
        if self._open:
            return "the gate is open already"
        if waiting := self._waiting(now):
            return waiting
        self._open, self._closed_by = True, ("", "", "")
        return ""

    def command(self, wanted: Array | None, now: float) -> Array:
        """Return what the plant may execute at steady time `now` [s]: `wanted`, or zero of the same shape.

        Args:
            wanted: velocity of the base, shape (2,) or (3,); None: there is none, or it is old.
            now: receiver's steady clock. [s]
        """
        if self.open(now).open and wanted is not None and np.isfinite(wanted).all():
            return wanted
        return np.zeros(2) if wanted is None else np.zeros_like(wanted)

    def _waiting(self, now: float) -> str:
        """Say whose good row is too short for an acknowledgement; empty if nobody's."""
        if not math.isfinite(now):
            return f"the gate's clock reads {now} s"
        for name, pulse in self._pulses.items():
            good = now - pulse.good_since
            if not good >= self._config.dwell_s:
                told = "not heard" if math.isnan(good) else f"good for {good:.2f} s"
                return f"{name} is {told}, needed {self._config.dwell_s:g} s"
        return ""

    def _advance(self, now: float) -> bool:
        """Take the time; one that is not finite or goes back closes the gate and forgets every source."""
        if math.isfinite(now) and now >= self._now:
            self._now = now
            return True
        self._close("gate_clock", "gate", f"the gate's own clock went from {self._now:.3f} s to {now} s")
        for pulse in self._pulses.values():
            pulse.forget()
        if math.isfinite(now):
            self._now = now
        return False

    def _close(self, fault: str, source: str, reason: str) -> None:
        """Close an open gate; the fault that closed it is kept, since those after it may be its consequences."""
        if self._open:
            self._open, self._closed_by = False, (fault, source, f"{source}: {reason}")
            self.closings += 1
