# SPDX-License-Identifier: Apache-2.0
"""The log of one run as arrays: what the report draws, whichever clock the run had.

A lock-step run fills it directly through `RunLogBuilder`; a live run's log is read from its MCAP recording
(`reflexarc.report.from_recording`). Positions are in the fixed frame, times are simulated seconds since the
start.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.core.errors import RecordingError
from reflexarc.core.plant import CargoEvent, ContactEvent, PlantEvent, RolloverEvent
from reflexarc.core.types import Array, BaseState, Proposal, Status, Verdict

STATUS_ORDER = tuple(Status)
NO_STATUS = 255
"""Status index of ticks without a verdict (the arc was not in the loop)."""
EPISODE_GAP_S = 0.25
"""Interventions of one stage that are at most this far apart are listed as one; the same gap as contact
episodes.
"""
_COLUMNS = (
    "now",
    "x",
    "y",
    "yaw",
    "v",
    "w",
    "pv",
    "pw",
    "cv",
    "cw",
    "margin",
    "learned",
    "distance",
    "status",
    "used",
    "late",
    "uncertified",
)


@dataclass(frozen=True, slots=True)
class RunLog:
    """One run, sampled at every tick; k stages, p pedestrians, n ticks, f track samples."""

    time: Array
    """Time of each tick, shape (n,). [s]"""
    pose: Array
    """x, y, yaw of base_link, shape (n, 3); NaN before the first measurement. [m, m, rad]"""
    twist: Array
    """Measured forward and yaw velocity, shape (n, 2). [m/s, rad/s]"""
    proposal: Array
    """Newest proposal, shape (n, 2); NaN where there was none. [m/s, rad/s]"""
    command: Array
    """What the robot received, shape (n, 2). [m/s, rad/s]"""
    margin: Array
    """Barrier margin h, shape (n,); NaN where it was not computed. [m]"""
    learned_margin: Array
    """Smallest value of the learned barrier, shape (n,); inf with nobody near, NaN without one. [m]"""
    uncertified: np.ndarray
    """Whether a learned barrier without a matching certificate took part, shape (n,), bool."""
    min_distance: Array
    """Clearance between the robot's footprint and the nearest pedestrian, shape (n,); NaN where unknown. [m]
    """
    status: np.ndarray
    """Index into `STATUS_ORDER`, shape (n,), uint8; `NO_STATUS` without the arc."""
    stages: tuple[str, ...]
    """Names of the stages that ever intervened."""
    changed: Array
    """Norm of each stage's change of the command, shape (n, k); 0 where it did not intervene."""
    tick_time: Array
    """Wall time used by each tick, shape (n,); NaN without the arc. [s]"""
    lateness: Array
    """How much later than planned each tick began, shape (n,); NaN in lock-step. [s]"""
    track_time: Array
    """Time of each pedestrian sample, shape (f,). [s]"""
    track_names: tuple[str, ...]
    """Names of the pedestrians."""
    tracks: Array
    """Pedestrian positions, shape (f, p, 2); NaN where one was not seen. [m]"""
    events: tuple[dict[str, Any], ...]
    """Contacts, cargo, rollovers, missions and interventions in order of `time`; each has `time`, `kind`,
    `text`.
    """

    def save(self, path: Path) -> None:
        """Write the log as a compressed numpy archive."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays["stages"] = np.array(self.stages, dtype=str)
        arrays["track_names"] = np.array(self.track_names, dtype=str)
        arrays["events"] = np.array([json.dumps(event) for event in self.events], dtype=str)
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> "RunLog":
        """Read a log written by `save`.

        Raises:
            RecordingError: the file is missing, damaged or of another version.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {f.name: archive[f.name] for f in fields(cls)}
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise RecordingError(f"cannot read the run log {path}: {error}") from error
        arrays["stages"] = tuple(str(name) for name in arrays["stages"])
        arrays["track_names"] = tuple(str(name) for name in arrays["track_names"])
        arrays["events"] = tuple(json.loads(str(text)) for text in arrays["events"])
        return cls(**arrays)

    @property
    def duration(self) -> float:
        """Return the simulated time from the first to the last tick in [s]."""
        return float(self.time[-1] - self.time[0]) if len(self.time) else 0.0

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind (contact, cargo, rollover, mission, intervention)."""
        return [event for event in self.events if event["kind"] == kind]


class RunLogBuilder:
    """Collects a run tick by tick."""

    def __init__(self) -> None:
        self._rows: list[tuple] = []
        self._distance = np.nan
        self._changes: list[tuple[int, str, float]] = []
        self._track_rows: list[tuple[float, tuple[str, ...], Array]] = []
        self._events: list[dict[str, Any]] = []
        self._open: dict[str, dict[str, Any]] = {}

    def tick(
        self,
        state: BaseState,
        proposal: Proposal | None,
        command: Array,
        verdict: Verdict | None,
        min_distance: float = np.nan,
        lateness: float = np.nan,
    ) -> None:
        """Add one control period; `verdict` is None when the arc is not in the loop.

        `min_distance` [m] may be NaN at ticks where it was not measured; the last one is kept. `lateness` in
        [s].
        """
        row = len(self._rows)
        if np.isfinite(min_distance):
            self._distance = min_distance
        now = verdict.now if verdict else state.stamp
        self._rows.append(
            (
                now,
                *state.pose,
                *state.twist,
                *(proposal.twist if proposal else (np.nan, np.nan)),
                *command,
                verdict.margin if verdict else np.nan,
                verdict.learned_margin if verdict else np.nan,
                self._distance,
                STATUS_ORDER.index(verdict.status) if verdict else NO_STATUS,
                verdict.time_used if verdict else np.nan,
                lateness,
                verdict.uncertified if verdict else False,
            )
        )
        for intervention in verdict.interventions if verdict else ():
            self._changes.append((row, intervention.stage, intervention.change))
            self._extend_episode(now, intervention.stage, intervention.reason, intervention.change)

    def pedestrians(self, time: float, names: tuple[str, ...], positions: Array) -> None:
        """Add where the pedestrians `names` are, positions in [m] of shape (len(names), 2)."""
        self._track_rows.append((time, names, np.array(positions, dtype=np.float64).reshape(-1, 2)))

    def event(self, time: float, kind: str, text: str, **details: Any) -> None:
        """Add something worth a line in the event list."""
        self._events.append({"time": float(time), "kind": kind, "text": text, **details})

    def plant_event(self, event: PlantEvent) -> None:
        """Add a contact, cargo loss or rollover."""
        match event:
            case ContactEvent():
                self.event(
                    event.start,
                    "contact",
                    f"contact with {event.contact_class} {event.partner}: impulse {event.impulse:.1f} N s, "
                    f"peak force {event.peak_force:.0f} N, delta-v {event.delta_v:.2f} m/s, "
                    f"robot at {event.robot_speed:.2f} m/s",
                    contact_class=str(event.contact_class),
                    position=[float(c) for c in event.position],
                    impulse=float(event.impulse),
                    robot_speed=float(event.robot_speed),
                    start=float(event.start),
                    end=float(event.end),
                    partner=event.partner,
                    peak_force=float(event.peak_force),
                    delta_v=float(event.delta_v),
                )
            case CargoEvent():
                self.event(event.stamp, "cargo", f"{event.lost} of {event.total} pieces of cargo lost")
            case RolloverEvent():
                self.event(event.stamp, "rollover", f"the robot rolled over (tilt {event.tilt:.2f} rad)")

    def finish(self) -> RunLog:
        """Return the log of everything added so far."""
        table = np.array(self._rows, dtype=np.float64).reshape(-1, len(_COLUMNS))
        stages = tuple(sorted({stage for _, stage, _ in self._changes}))
        changed = np.zeros((len(table), len(stages)))
        for row, stage, change in self._changes:
            changed[row, stages.index(stage)] += change
        names = tuple(sorted({name for _, row_names, _ in self._track_rows for name in row_names}))
        column = {name: i for i, name in enumerate(names)}
        tracks = np.full((len(self._track_rows), len(names), 2), np.nan)
        for row, (_, row_names, positions) in enumerate(self._track_rows):
            tracks[row, [column[name] for name in row_names]] = positions
        return RunLog(
            time=table[:, 0],
            pose=table[:, 1:4],
            twist=table[:, 4:6],
            proposal=table[:, 6:8],
            command=table[:, 8:10],
            margin=table[:, 10],
            learned_margin=table[:, 11],
            uncertified=table[:, 16].astype(bool),
            min_distance=table[:, 12],
            status=table[:, 13].astype(np.uint8),
            stages=stages,
            changed=changed,
            tick_time=table[:, 14],
            lateness=table[:, 15],
            track_time=np.array([time for time, _, _ in self._track_rows], dtype=np.float64),
            track_names=names,
            tracks=tracks,
            events=tuple(sorted([*self._events, *self._open.values()], key=lambda event: event["time"])),
        )

    def _extend_episode(self, now: float, stage: str, reason: str, change: float) -> None:
        """Grow the running episode of `stage`, or close it and open a new one."""
        episode = self._open.get(stage)
        if episode is not None and now - episode["until"] <= EPISODE_GAP_S:
            episode["until"] = now
            if change > episode["change"]:
                episode["change"], episode["text"] = float(change), reason
            return
        if episode is not None:
            self._events.append(episode)
        self._open[stage] = {
            "time": float(now),
            "until": float(now),
            "kind": "intervention",
            "stage": stage,
            "change": float(change),
            "text": reason,
        }
