# SPDX-License-Identifier: Apache-2.0
"""A log and a closed-loop run of the twin: same scenario, seed and controller, another plant.

event time   first tick whose verdict is not `passed`, those of the wait for inputs or a supervisor's start left out,
             log less twin [s]; 0 where neither has one, and the length of the drive where only one has
STL sign     share of the requirements exercised in both whose smallest robustness has another sign
"""

import math
from dataclasses import dataclass

from reflexarc.assurance.monitors.recorded import Finding, judge, sample_recording
from reflexarc.assurance.monitors.requirements import Requirements
from reflexarc.core.types import Status
from reflexarc.core.wire import STATUS_CODES
from reflexarc.report.recording import Recording

_WAITING = (Status.STOPPED, Status.NO_PROPOSAL)
"""Verdicts of an arc that has not begun to let proposals through."""


@dataclass(frozen=True, slots=True)
class RequirementPair:
    """One requirement in both runs; NaN where it was not exercised."""

    session: str
    id: str
    unit: str
    log: float
    """Smallest robustness of the log."""
    twin: float

    @property
    def compared(self) -> bool:
        """Whether both are finite."""
        return math.isfinite(self.log) and math.isfinite(self.twin)

    @property
    def agrees(self) -> bool:
        """Whether both hold or both do not."""
        return (self.log >= 0.0) == (self.twin >= 0.0)


def compare(
    session: str, log: Recording, twin: Recording, requirements: Requirements
) -> tuple[dict[str, float], list[RequirementPair]]:
    """Return the metrics of the pair and the requirements in both.

    Raises:
        RecordingError: a topic that a requirement needs is not in one of them.
    """
    found = [judge(sample_recording(recording, requirements), requirements) for recording in (log, twin)]
    pairs = [
        RequirementPair(session, a.requirement.id, a.requirement.unit, _robustness(a), _robustness(b))
        for a, b in zip(*found, strict=True)
    ]
    compared = [pair for pair in pairs if pair.compared]
    share = sum(not pair.agrees for pair in compared) / len(compared) if compared else math.nan
    return {"event_time": _event_time(log, twin), "stl_sign": share}, pairs


def _robustness(finding: Finding) -> float:
    return finding.robustness if finding.exercised else math.nan


def _event_time(log: Recording, twin: Recording) -> float:
    first, second = _first(log), _first(twin)
    if math.isinf(first) and math.isinf(second):
        return 0.0
    length = log.topic("verdict")[-1].message.now
    return min(first, length) - min(second, length) if first != second else 0.0


def _first(recording: Recording) -> float:
    waits = True
    for entry in recording.topic("verdict"):
        status = STATUS_CODES[entry.message.status]
        waits = waits and status in _WAITING
        if not waits and status is not Status.PASSED:
            return entry.message.now
    return math.inf
