# SPDX-License-Identifier: Apache-2.0
"""Switches of the supervisor's mode in log and twin.

A switch is a change of mode; the n-th switch from a mode to another in the log belongs to the n-th of the same pair in
the twin. One that is left over on either side is unmatched.

    mode_time_median, mode_time_p95    of |t_log - t_twin| over the matched switches of a drive [s]
    mode_unmatched                     unmatched switches of both, as a share of all switches of both
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from reflexarc.core import wire
from reflexarc.core.errors import RecordingError
from reflexarc.core.types import Mode
from reflexarc.report.recording import Recording

MODES = {"mode_time_median": "s", "mode_time_p95": "s", "mode_unmatched": "1"}
"""Metrics of a pair of supervised drives and their units."""


@dataclass(frozen=True, slots=True)
class Switch:
    """One change of mode."""

    time: float
    """[s]"""
    before: Mode
    after: Mode


@dataclass(frozen=True, slots=True)
class SwitchPair:
    """The same switch in log and twin; None on the side that does not have it."""

    session: str
    before: Mode
    after: Mode
    log: float | None
    """[s]"""
    twin: float | None

    @property
    def error(self) -> float | None:
        """Log less twin [s], None where it is unmatched."""
        return None if self.log is None or self.twin is None else self.log - self.twin


def switches(recording: Recording) -> list[Switch]:
    """Return every change of mode; the first message is where the changes begin.

    Raises:
        RecordingError: there is no `mode`, so that nobody knows how the robot was supervised.
    """
    entries = recording.topic("mode")
    told = [(wire.seconds(entry.message.header.stamp), wire.mode_from(entry.message)) for entry in entries]
    times = [time for time, _ in told]
    if any(b < a for a, b in zip(times, times[1:], strict=False)):
        raise RecordingError(f"{recording.path}: mode goes back in time; no switch was compared")
    pairs = zip(told, told[1:], strict=False)
    return [Switch(time, before, after) for (_, before), (time, after) in pairs if before != after]


def paired(session: str, log: Recording, twin: Recording) -> list[SwitchPair]:
    """Return the switches of log and twin, matched in order by their pair of modes.

    Raises:
        RecordingError: as of `switches`.
    """
    sides: list[dict[tuple[Mode, Mode], list[float]]] = []
    for recording in (log, twin):
        times: dict[tuple[Mode, Mode], list[float]] = defaultdict(list)
        for switch in switches(recording):
            times[switch.before, switch.after].append(switch.time)
        sides.append(times)
    found = []
    for before, after in sorted({*sides[0], *sides[1]}):
        a, b = (side.get((before, after), []) for side in sides)
        for k in range(max(len(a), len(b))):
            found.append(
                SwitchPair(session, before, after, a[k] if k < len(a) else None, b[k] if k < len(b) else None)
            )
    return sorted(found, key=lambda pair: min(t for t in (pair.log, pair.twin) if t is not None))


def mode_gap(pairs: list[SwitchPair]) -> dict[str, float]:
    """Return the metrics of `MODES`; errors are NaN where nothing matched, all are where nothing switched."""
    errors = np.abs([pair.error for pair in pairs if pair.error is not None])
    total = len(pairs) + len(errors)  # a matched switch is one of both
    median, high = np.quantile(errors, [0.5, 0.95]) if len(errors) else (np.nan, np.nan)
    share = (len(pairs) - len(errors)) / total if total else np.nan
    return {"mode_time_median": float(median), "mode_time_p95": float(high), "mode_unmatched": float(share)}
