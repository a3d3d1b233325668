# SPDX-License-Identifier: Apache-2.0
"""Execution of a supervisor table: signals and time in, mode out. Pure: no clock, no thread, no input or output.

The table's automaton is the verified one. This class only chooses between its two rows: `release` needs that every
hazard to be resumed was clear for the dwell and, out of a latched stop, that somebody acknowledges it while no hazard
is perceived. Whatever cannot be judged, an unknown, missing or undeclared signal, or a time that does not advance,
leads to the table's default stop, which is latched.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from reflexarc.assurance.supervisor.table import SupervisorTable, TableState
from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Mode

DWELL_S = 1.0
"""Time for which a hazard must be clear before its mitigation ends, if nobody says otherwise. [s]"""


class Decision(NamedTuple):
    """What the supervisor decided at one step."""

    mode: Mode
    state: str
    """Name of the table's state."""
    reason: str
    """Why this mode, and what its end waits for."""
    active: tuple[str, ...]
    """Hazards that are perceived or held mitigated."""
    alarms: tuple[float, ...]
    """Intensity of each alarm of the table, 0 to 1."""


class Supervisor:
    """Runs one table.

    Raises:
        ConfigError: the dwell is negative or not finite.
    """

    def __init__(self, table: SupervisorTable, dwell_s: float = DWELL_S) -> None:
        if not (math.isfinite(dwell_s) and dwell_s >= 0.0):
            raise ConfigError(f"dwell_s = {dwell_s}: must be a finite number >= 0; no supervisor was made")
        self._table, self._dwell = table, dwell_s
        self._bits = {
            signal: sum(1 << i for i, names in enumerate(table.hazards.values()) if signal in names)
            for signal in table.signals
        }
        self.reset()

    @property
    def table(self) -> SupervisorTable:
        """The table that is run."""
        return self._table

    def reset(self) -> None:
        """Start anew in the initial state. This is no acknowledgement: call it before motion is possible."""
        self._index = self._table.initial
        self._now: float | None = None
        self._since = -math.inf
        self._perceived_at = [-math.inf] * len(self._table.hazards)

    def place(self, index: int, now: float) -> None:
        """Put the supervisor into a state, as reached at `now` with every hazard perceived: for conformance tests."""
        self._index, self._now, self._since = index, now, now
        self._perceived_at = [now] * len(self._table.hazards)

    def step(self, seen: Mapping[str, bool | None], now: float, acknowledged: bool = False) -> Decision:
        """Decide.

        Args:
            seen: every signal of the table; None says that it is not known.
            now: seconds of any clock; must be greater than at the step before.
            acknowledged: whether somebody acknowledges a stop at this very step.
        """
        time_fault = self._time_fault(now)
        if math.isfinite(now):
            self._now = now
        fault = time_fault or self._signal_fault(seen)
        if fault:
            self._index = self._table.default_stop
            self._since = self._now if self._now is not None else -math.inf
            return self._decision(f"{fault}: default stop", 0)
        perceived = 0
        for signal, bits in self._bits.items():
            if seen[signal]:
                perceived |= bits
        for i in range(len(self._perceived_at)):
            if perceived >> i & 1:
                self._perceived_at[i] = now
        if perceived:
            self._since = now
        before = self._table.states[self._index]
        wait = self._wait(before, perceived, now, acknowledged)
        successor = (self._table.hold if wait else self._table.release)[self._index][perceived]
        if successor != self._index:
            self._index, self._since = successor, now
        return self._decision(self._reason(before, perceived, wait), perceived)

    def _time_fault(self, now: float) -> str:
        if not math.isfinite(now):
            return f"the time is {now}"
        if self._now is not None and now <= self._now:
            return f"the time went from {self._now:.3f} s to {now:.3f} s"
        return ""

    def _signal_fault(self, seen: Mapping[str, bool | None]) -> str:
        for name in seen:
            if name not in self._bits:
                return f"signal {name!r} is not of this table"
        for name in self._bits:
            if name not in seen:
                return f"signal {name!r} is missing"
            if seen[name] is True or seen[name] is False:
                continue
            excuse = self._table.excused_by.get(name)
            if seen[name] is not None or excuse is None or seen.get(excuse) is not True:
                return f"signal {name!r} is unknown ({seen[name]!r})"
        return ""

    def _wait(self, state: TableState, perceived: int, now: float, acknowledged: bool) -> str:
        """Return what a resumption still waits for; nothing if it may happen."""
        waiting = [t for i, t in enumerate(self._perceived_at) if (state.hazards & ~perceived) >> i & 1]
        since = max(waiting, default=self._since)
        if state.latched:
            if perceived:
                return "the hazards to end"
            since = max(since, self._since)
        if now - since < self._dwell:
            return f"{self._dwell:g} s without the hazard"
        return "" if not state.latched or acknowledged is True else "an acknowledgement"

    def _reason(self, before: TableState, perceived: int, wait: str) -> str:
        after = self._table.states[self._index]
        what = ", ".join(self._table.names(perceived)) or "no hazard perceived"
        if self._index == self._table.default_stop and perceived and before is not after:
            return f"{what}: not provided for, default stop"
        held = after.hazards & ~perceived
        if held or (wait and before is after and after.latched):
            names = ", ".join(self._table.names(held)) or "stop"
            return f"{what}; {names} held, waits for {wait or 'the next step'}"
        return what

    def _decision(self, reason: str, perceived: int) -> Decision:
        state = self._table.states[self._index]
        active = self._table.names(perceived | state.hazards)
        return Decision(state.arc_mode, state.name, reason, active, state.alarms)
