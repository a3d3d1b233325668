# SPDX-License-Identifier: Apache-2.0
"""Judge a recording against requirements: signals on a grid, hold-last with their stamps, then each monitor in turn.

Times are those of the messages' own stamps. The grid begins when the last needed topic has its first message, and ends
with the newest message of all of them. A message with a stamp before an earlier one's is not used, and the sample at
which it arrived has no usable stamp, which a monitor takes for a violation.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reflexarc.assurance.monitors.monitor import Outcome
from reflexarc.assurance.monitors.recorded_signals import AGE, NEED_ROBOT, SIGNALS, setting, signal
from reflexarc.assurance.monitors.requirements import Requirement, Requirements
from reflexarc.assurance.monitors.units import BOOL, describe, si_unit
from reflexarc.core.errors import ConfigError, RecordingError
from reflexarc.core.types import Array
from reflexarc.core.wire import seconds
from reflexarc.report.recorded_config import recorded_arc_config
from reflexarc.report.recording import Recording

_NS = 1e-9
"""Half of what stamps are rounded to, twice. [s]"""


@dataclass(frozen=True, slots=True)
class Samples:
    """Signals on a grid of n samples."""

    time: Array
    """Shape (n,). [s]"""
    values: dict[str, Array]
    """Per signal, shape (n,), in SI."""
    stamps: dict[str, Array]
    """When each value was measured, shape (n,); NaN where it cannot be trusted. [s]"""
    begin: float
    """First stamp of any needed topic; up to `time[0]` nothing could be judged. [s]"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a recording says of one requirement."""

    requirement: Requirement
    outcome: Outcome
    """Violated if any sample was; unknown if none could be judged."""
    robustness: float
    """Smallest over the judged samples, in the requirement's unit; inf where no flag ever asked, NaN without any."""
    when: float
    """Of the first violation, else of the smallest robustness. [s]"""
    reason: str
    """Of the first sample that could not be trusted."""
    satisfied: int
    """Samples."""
    violated: int
    """Samples, those that could not be trusted included."""
    untrusted: int
    """Samples that could not be trusted."""
    unknown: int
    """Samples whose windows were not filled yet, or hold one that could not be trusted."""
    series: Array
    """Robustness at each sample, shape (n,); NaN where it is unknown or the sample could not be trusted."""

    @property
    def exercised(self) -> bool:
        """Whether the requirement ever asked for something that could be judged."""
        return math.isfinite(self.robustness) or self.violated > self.untrusted


def sample_recording(recording: Recording, requirements: Requirements) -> Samples:
    """Return the signals of a requirements file from a recording.

    Raises:
        RecordingError: a topic is not in it, or has no message; or the arc's configuration is needed and missing.
        ConfigError: a signal cannot be had from recordings, or is declared with another unit.
    """
    chosen = {name: signal(name) for name in requirements.signals}
    for name, declared in requirements.signals.items():
        _check_unit(name, declared.unit, chosen[name].unit, str(requirements.path))
    topics = {topic: _Topic(recording, topic) for item in chosen.values() for topic in item.topics}
    begin = min(topic.stamps[0] for topic in topics.values())
    start = max(topic.stamps[0] for topic in topics.values())
    end = max(topic.stamps[-1] for topic in topics.values())
    time = start + requirements.period * np.arange(math.floor((end - start) / requirements.period + 1e-6) + 1)
    needs_robot = NEED_ROBOT & set(chosen)
    where = setting(recorded_arc_config(recording), requirements.separation) if needs_robot else None
    values, stamps = {}, {}
    for name, item in chosen.items():
        held = [topics[topic].held(time) for topic in item.topics]
        stamps[name] = np.min([stamp for _, stamp in held], axis=0)
        if name not in SIGNALS and name.endswith(AGE):
            values[name] = time - stamps[name]
            continue
        indices = np.stack([index for index, _ in held], axis=1)
        distinct, inverse = np.unique(indices, axis=0, return_inverse=True)
        messages = [topics[topic].messages for topic in item.topics]
        read = [
            item.read(where, *(m[i] for m, i in zip(messages, row, strict=True))) for row in distinct.tolist()
        ]
        values[name] = np.array(read, dtype=np.float64)[inverse.reshape(-1)]
    return Samples(time, values, stamps, begin)


def judge(
    samples: Samples, requirements: Requirements, progress: Callable[[str], None] | None = None
) -> list[Finding]:
    """Return the finding of every requirement, in the file's order; `progress` is told each id."""
    findings = []
    for requirement in requirements.requirements:
        if progress is not None:
            progress(requirement.id)
        findings.append(_judge(samples, requirements, requirement))
    return findings


def _judge(samples: Samples, requirements: Requirements, requirement: Requirement) -> Finding:
    monitor = requirements.monitor(requirement)
    values = np.stack([samples.values[name] for name in monitor.signals], axis=1).tolist()
    stamps = np.stack([samples.stamps[name] for name in monitor.signals], axis=1).tolist()
    series = np.full(len(samples.time), math.nan)
    counts = dict.fromkeys(Outcome, 0)
    reason, first, untrusted = "", math.nan, 0
    for k, time in enumerate(samples.time.tolist()):
        found = monitor.update(time, values[k], stamps[k])
        counts[found.outcome] += 1
        if found.reason:
            untrusted += 1
            reason = reason or found.reason
        elif found.outcome is not Outcome.UNKNOWN:
            series[k] = found.high if found.outcome is Outcome.VIOLATED else found.low
        if found.outcome is Outcome.VIOLATED and math.isnan(first):
            first = time
    known = ~np.isnan(series)
    least = int(np.argmin(np.where(known, series, math.inf))) if known.any() else -1
    if least >= 0 and not known[least]:  # all that is known is inf
        least = int(np.argmax(known))
    if counts[Outcome.VIOLATED]:
        outcome = Outcome.VIOLATED
    else:
        outcome = Outcome.SATISFIED if counts[Outcome.SATISFIED] else Outcome.UNKNOWN
        first = samples.time[least] if least >= 0 else math.nan
    return Finding(
        requirement,
        outcome,
        float(series[least]) if least >= 0 else math.nan,
        float(first),
        reason,
        counts[Outcome.SATISFIED],
        counts[Outcome.VIOLATED],
        untrusted,
        counts[Outcome.UNKNOWN],
        series,
    )


class _Topic:
    """Messages of one topic in the order in which they came, those out of order set aside."""

    def __init__(self, recording: Recording, name: str) -> None:
        entries = recording.topic(name)
        if not entries:
            raise RecordingError(
                f"{recording.path}: the topic {name!r} has no message, nothing can be judged"
            )
        stamps = np.array([seconds(entry.message.header.stamp) for entry in entries])
        newest = np.maximum.accumulate(stamps)
        good = stamps >= newest
        self.messages = [entry.message for entry, keep in zip(entries, good, strict=True) if keep]
        self.stamps = stamps[good]
        self._late = newest[~good]

    def held(self, time: Array) -> tuple[np.ndarray, Array]:
        """Return index and stamp of the newest message at each time, which is never before the first one."""
        index = np.searchsorted(self.stamps, time + _NS, side="right") - 1
        stamps = self.stamps[index].copy()
        hit = np.searchsorted(time, self._late[self._late >= time[0]] - _NS)
        stamps[hit[hit < len(time)]] = math.nan
        return index, stamps


def _check_unit(name: str, declared: str, given: str, where: str) -> None:
    if BOOL in (declared, given):
        fits = declared == given
    else:
        fits = si_unit(declared, where).dimension == si_unit(given, where).dimension
    if not fits:
        unit = given if given == BOOL else describe(si_unit(given, where).dimension)
        raise ConfigError(
            f"{where}: the signal {name} is declared in {declared}, recordings give it in {unit}"
        )
