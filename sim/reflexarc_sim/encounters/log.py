# SPDX-License-Identifier: Apache-2.0
"""Log of a lock-step run for learning: the robot's motion and the true positions of everybody, at the policy's rate."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reflexarc.core.errors import RecordingError
from reflexarc.core.plant import PlantEvent
from reflexarc.core.types import Array, BaseState, Proposal, Verdict


@dataclass(frozen=True, slots=True)
class EncounterRun:
    """One run, n samples, p pedestrians."""

    time: Array
    """Shape (n,), evenly spaced. [s]"""
    pose: Array
    """x, y, yaw of base_link, shape (n, 3). [m, m, rad]"""
    twist: Array
    """Measured forward and yaw velocity, shape (n, 2). [m/s, rad/s]"""
    command: Array
    """Command sent at the sample, shape (n, 2). [m/s, rad/s]"""
    people: Array
    """True centres, shape (n, p, 2); NaN where somebody is not in the scene. [m]"""
    about: dict[str, Any]
    """Scenario, seed and whether the arc was in the loop."""

    @property
    def period(self) -> float:
        """Time between two samples. [s]"""
        return float(self.time[1] - self.time[0])

    def save(self, path: Path) -> None:
        """Write an npz file."""
        arrays = {
            "time": self.time,
            "pose": self.pose,
            "twist": self.twist,
            "command": self.command,
            "people": self.people.astype(np.float32),
        }
        np.savez_compressed(path, about=np.array(json.dumps(self.about, sort_keys=True)), **arrays)


def load_run(path: Path) -> EncounterRun:
    """Read what `EncounterRun.save` wrote.

    Raises:
        RecordingError: the file is missing or is no such log.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = [data[key].astype(np.float64) for key in ("time", "pose", "twist", "command", "people")]
            time, pose, twist, command, people = arrays
            return EncounterRun(time, pose, twist, command, people, json.loads(str(data["about"])))
    except (OSError, KeyError, ValueError) as error:
        raise RecordingError(f"{path}: no log of encounters ({error!r})") from error


class EncounterLog:
    """Observer of a lock-step run; `finish` gives the log."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._rows: list[tuple[float, ...]] = []
        self._people: list[dict[str, tuple[float, float]]] = []
        self._newest: tuple[float, ...] = ()

    def tick(
        self,
        state: BaseState,
        proposal: Proposal | None,
        command: Array,
        verdict: Verdict | None,
        min_distance: float,
    ) -> None:
        """Remember the newest period."""
        self._newest = (state.stamp, *state.pose, *state.twist, *command)

    def pedestrians(self, time: float, names: tuple[str, ...], positions: Array) -> None:
        """Add a sample: where people are, and what the robot does now."""
        self._rows.append(self._newest)
        self._people.append(dict(zip(names, map(tuple, positions.tolist()), strict=True)))

    def plant_event(self, event: PlantEvent) -> None:
        """Contacts follow from the geometry."""

    def event(self, time: float, kind: str, text: str, **details: Any) -> None:
        """Missions do not matter here."""

    def finish(self, **about: Any) -> EncounterRun:
        """Return the log."""
        table = np.array(self._rows)
        names = sorted({name for row in self._people for name in row})
        people = np.full((len(table), len(names), 2), np.nan)
        for k, row in enumerate(self._people):
            for name, position in row.items():
                people[k, names.index(name)] = position
        return EncounterRun(table[:, 0], table[:, 1:4], table[:, 4:6], table[:, 6:8], people, about)
