# SPDX-License-Identifier: Apache-2.0
"""The protocol of twin validation: manifest, split, open-loop replay, gap, closed loop, verdict.

Identification sessions give the noise of the twin's odometry. Tuning sessions are measured and shown, so that a twin
can be mended with them. Held-out sessions alone decide.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from reflexarc.assurance.monitors.requirements import Requirements
from reflexarc.assurance.twin.contact import contact_gap, recorded_contacts
from reflexarc.assurance.twin.gap import drive_gap, standstill_noise
from reflexarc.assurance.twin.judgement import Judged, judge
from reflexarc.assurance.twin.latency import effect_gap, loop_gap
from reflexarc.assurance.twin.modes import MODES, SwitchPair, mode_gap, paired
from reflexarc.assurance.twin.paired import RequirementPair, compare
from reflexarc.assurance.twin.sessions import Log, Part, manifest_problems, modes_replayed, replayed
from reflexarc.assurance.twin.tolerances import Tolerance
from reflexarc.assurance.twin.trace import Trace, trace_from
from reflexarc.core.errors import RecordingError
from reflexarc.core.plant import ContactEvent
from reflexarc.core.types import Array
from reflexarc.report.recording import read_recording


class Twin(Protocol):
    """What is validated."""

    supervised: bool
    """Whether a supervisor sets the mode in the scenario."""
    period: float
    """Of the arc. [s]"""

    def drive(self, command: Array) -> Trace:
        """Return the drive under commands of shape (n, 2), one per sample of a trace."""
        ...

    def touch(self, command: Array) -> Sequence[ContactEvent]:
        """Return what it touches from in front of a bollard under commands of shape (n, 2)."""
        ...

    def rerun(self, seed: int, seconds: float, noise: float, path: Path) -> None:
        """Record the scenario with the same controller and seed; see `reflexarc_sim.surrogate_twin`."""
        ...


@dataclass(slots=True)
class Validation:
    """All that was found."""

    manifest: list[dict[str, Any]]
    problems: list[str]
    """Hashes that differ and parts that could not be done; each of them fails the validation."""
    noise: float
    """Identified standard deviation of the log's velocity. [m/s]"""
    replays: list[dict[str, Any]] = field(default_factory=list)
    tuning: list[Judged] = field(default_factory=list)
    held_out: list[Judged] = field(default_factory=list)
    pairs: list[RequirementPair] = field(default_factory=list)
    drives: dict[str, tuple[Trace, Trace]] = field(default_factory=dict)
    """Log and twin of each held-out session."""
    mode_replays: list[dict[str, Any]] = field(default_factory=list)
    """Of the supervisor, one for each drive that has one."""
    switches: list[SwitchPair] = field(default_factory=list)
    """Of the held-out sessions."""

    @property
    def failures(self) -> list[str]:
        """Why the verdict is FAIL, in a sentence each; empty for PASS."""
        replays = [
            f"replay of {r['log']}: {r['ticks'] - r['unheard'] - r['equal']} of {r['ticks']} verdicts not reproduced, "
            f"{r['gaps']} gaps" + (f"; {r['first']}" if r["first"] else "")
            for r in self.replays
            if not r["same"]
        ]
        modes = [
            f"replay of the supervisor of {r['log']}: {r['first']}"
            for r in self.mode_replays
            if not r["same"]
        ]
        return [*self.problems, *replays, *modes, *(_why(item) for item in self.held_out if not item.passed)]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


def validate(
    logs: Sequence[Log],
    twin: Twin,
    tolerances: Mapping[str, Tolerance],
    requirements: Requirements,
    hashes: Mapping[str, str],
    out: Path,
    progress: Callable[[str], None],
) -> Validation:
    """Go through the protocol.

    Args:
        logs: of all sessions, dealt.
        twin: what is validated.
        tolerances: of every metric; those of modes count where the twin is supervised.
        requirements: judged in log and twin.
        hashes: that the logs must carry: version, scenario, robot.
        out: folder for the twin's recordings.
        progress: told what is going on.

    Raises:
        RecordingError: a log cannot be compared at all.
    """
    identifying = [log for log in logs if log.part is Part.IDENTIFICATION]
    noises = [
        standstill_noise(trace_from(log.recording)) for log in identifying if _compared(log, identifying)
    ]
    known = [noise for noise in noises if np.isfinite(noise)]
    problems = [problem for log in logs for problem in manifest_problems(log, hashes)]
    if not known:
        problems.append("no identification log stands still at its start; the odometry's noise is not known")
    result = Validation([_entry(log) for log in logs], problems, float(np.median(known)) if known else 0.0)
    judged_by = {name: item for name, item in tolerances.items() if twin.supervised or name not in MODES}
    for log in logs:
        if log.contact and not log.recording.optional_topic("verdict"):
            continue  # driven without the arc
        progress(f"replay {log.session}/{log.recording.path.name}")
        result.replays.append(replayed(log))
        if log.of_scenario and twin.supervised:
            result.mode_replays.append(modes_replayed(log))
    for part in (Part.TUNING, Part.HELD_OUT):
        names = list(dict.fromkeys(log.session for log in logs if log.part is part))
        metrics = []
        for name in names:
            progress(f"twin of {name} ({part})")
            of_session = [log for log in logs if log.session == name and log.part is part]
            metrics.append(_session(of_session, twin, requirements, part, out / name, result))
        judged = judge(metrics, judged_by)
        if part is Part.TUNING:
            result.tuning = judged
        else:
            result.held_out = judged
    return result


def _compared(log: Log, logs: Sequence[Log]) -> bool:
    """Return whether its motion is compared: a drive of the scenario's only where its session has no manoeuvres."""
    return not (log.of_scenario and any(m.manoeuvres for m in logs if m.session == log.session))


def _session(
    logs: list[Log], twin: Twin, requirements: Requirements, part: Part, out: Path, result: Validation
) -> dict[str, float]:
    """Return the metrics of one session; those of a drive from its manoeuvres where it has some."""
    chosen = next(
        (log for log in logs if log.manoeuvres), next((log for log in logs if not log.contact), None)
    )
    if chosen is None:
        result.problems.append(f"session {logs[0].session} has drives of contact only")
        return {}
    trace = trace_from(chosen.recording)
    twinned = twin.drive(trace.command)
    metrics = drive_gap(trace, twinned) | effect_gap(trace, twinned)
    if part is Part.HELD_OUT:
        result.drives[chosen.session] = (trace, twinned)
    for log in (log for log in logs if log.contact):
        touched = twin.touch(trace_from(log.recording).command)
        metrics |= contact_gap(recorded_contacts(log.recording), touched)
    scenario = next((log for log in logs if log.of_scenario), None)
    if scenario is None or not scenario.meta.get("seed", "").isdigit():
        return metrics
    return metrics | _closed_loop(scenario, twin, requirements, part, out, result)


def _closed_loop(
    log: Log, twin: Twin, requirements: Requirements, part: Part, out: Path, result: Validation
) -> dict[str, float]:
    """Return the metrics of a drive of the scenario, which the twin drives too."""
    path = out / "twin.mcap"
    twin.rerun(int(log.meta["seed"]), log.recording.topic("verdict")[-1].message.now, result.noise, path)
    again = read_recording(path)
    try:
        found, pairs = compare(log.session, log.recording, again, requirements)
        found |= loop_gap(log.recording, again, twin.period)
        switched = paired(log.session, log.recording, again) if twin.supervised else []
    except RecordingError as error:
        result.problems.append(f"closed loop of {log.session}: {error}")
        return {}
    if part is Part.HELD_OUT:
        result.pairs += pairs
        result.switches += switched
    return found | mode_gap(switched) if twin.supervised else found


def _entry(log: Log) -> dict[str, Any]:
    return {
        "session": log.session,
        "part": str(log.part),
        "log": str(log.recording.path),
        "sha256": log.sha256,
        "recorded": dict(log.meta),
    }


def _why(item: Judged) -> str:
    limit, unit = item.tolerance.tolerance, "" if item.tolerance.unit == "1" else f" {item.tolerance.unit}"
    if not item.measured:
        return f"{item.name}: not measured in every held-out session"
    between = f"95 % interval {item.low:.4g} to {item.high:.4g}"
    return f"{item.name}: mean {item.mean:.4g}, {between}, allowed ±{limit:g}{unit}"
