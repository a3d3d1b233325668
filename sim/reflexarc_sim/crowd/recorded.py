# SPDX-License-Identifier: Apache-2.0
"""Recorded pedestrians in the four-column format of the ETH and UCY data: frame, id, x, y.

Columns are separated by blanks or tabs; 10 frames are 0.4 s (25 frames per second, annotated at 2.5 Hz); x and y are
metres. Between annotations people move uniformly. They do not see the robot, since they were recorded without it; one
that has bumped into it steps aside for a moment and then returns to its recorded place with limited force. Who would
appear within 1 m of the robot's centre, where there is no room for a body, appears as soon as there is.

S. Pellegrini, A. Ess, K. Schindler, L. van Gool: You'll Never Walk Alone, ICCV 2009.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc_sim.crowd.avoidance import Walker, step_aside
from reflexarc_sim.crowd.base import CROWD_PERIOD, Intent, Surroundings

FRAMES_PER_SECOND = 25.0
_APPEAR_DISTANCE = 1.0  # [m] from the centre of the robot: half its diagonal, the body's radius and some air
_ASIDE_TIME = 2.0  # [s] after a bump
_ASIDE_SPEED = 1.2  # [m/s]
_PARKED = 1.0e3  # [m] x of those who are not in the scene


@dataclass(frozen=True, slots=True)
class Track:
    """One recorded person."""

    person: str
    """Identity in the file."""
    times: Array
    """Strictly increasing, shape (k,). [s]"""
    positions: Array
    """Shape (k, 2). [m]"""


def read_tracks(path: Path) -> list[Track]:
    """Read a recording, ordered by first appearance.

    Raises:
        ConfigError: the file is not in the format; the message names the line.
    """
    rows: dict[str, list[tuple[float, float, float]]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as text: {error}") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        frame, person, x, y = _parse(path, number, words)
        track = rows.setdefault(f"{person:g}", [])
        if track and frame / FRAMES_PER_SECOND <= track[-1][0]:
            raise ConfigError(
                f"{path}, line {number}: frame {frame:g} of person {person:g} is not after the one before"
            )
        track.append((frame / FRAMES_PER_SECOND, x, y))
    if not rows:
        raise ConfigError(f"{path}: no line with the columns frame, id, x, y")
    tracks = [Track(person, np.array(t)[:, 0], np.array(t)[:, 1:]) for person, t in rows.items()]
    return sorted(tracks, key=lambda track: (track.times[0], track.person))


def _parse(path: Path, number: int, words: list[str]) -> list[float]:
    expected = "expected four finite numbers: frame, id, x, y"
    if len(words) != 4:
        raise ConfigError(f"{path}, line {number}: {len(words)} columns; {expected}")
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise ConfigError(f"{path}, line {number}: {' '.join(words)!r}; {expected}") from None
    if not all(map(math.isfinite, values)):
        raise ConfigError(f"{path}, line {number}: {' '.join(words)!r}; {expected}")
    return values


class Recorded:
    """A recording played back from a given time; a body is used again when its person has left."""

    def __init__(
        self, tracks: list[Track], start: float, rotate: float = 0.0, translate: tuple[float, float] = (0, 0)
    ) -> None:
        """Prepare the playback.

        Args:
            tracks: as from `read_tracks`.
            start: time of the recording at plant time 0. [s]
            rotate: counter-clockwise rotation about the recording's origin. [rad]
            translate: shift after the rotation. [m]
        """
        cos, sin = math.cos(rotate), math.sin(rotate)
        turn = np.array([[cos, sin], [-sin, cos]])
        used = [track for track in tracks if len(track.times) > 1 and track.times[-1] > start]
        self._times = [track.times - start for track in used]
        self._positions = [track.positions @ turn + np.array(translate) for track in used]
        self._slots, self.count = _assign_slots(self._times)

    def start(self, robot_pose: Array) -> Intent:
        """Place those who are there at time 0."""
        self._shown = np.zeros(len(self._times), bool)
        self._aside_until = np.full(self.count, -np.inf)
        return self._at(0.0, robot_pose, clear=3.0)

    def step(self, seen: Surroundings) -> Intent:
        """Return where the recording has everybody at the end of this period, except for who steps aside."""
        intent = self._at(seen.time + CROWD_PERIOD, seen.robot_pose, clear=_APPEAR_DISTANCE)
        for slot in seen.touched:
            self._aside_until[slot] = seen.time + _ASIDE_TIME
        for slot in np.flatnonzero((self._aside_until > seen.time) & intent.present):
            here = seen.bodies[slot]
            aim, _ = step_aside(Walker(here, np.zeros(2), 0, (-np.inf, np.inf)), seen.robot_pose)
            if aim is not None:
                way = aim - here
                velocity = _ASIDE_SPEED * way / max(float(np.hypot(*way)), 1e-6)
                intent.velocity[slot] = velocity
                intent.position[slot] = here + velocity * CROWD_PERIOD
        return intent

    def _at(self, time: float, robot_pose: Array, clear: float) -> Intent:
        position = np.full((self.count, 2), _PARKED)
        position[:, 1] = 5.0 * np.arange(self.count)
        velocity = np.zeros((self.count, 2))
        present = np.zeros(self.count, bool)
        for k, (times, positions) in enumerate(zip(self._times, self._positions, strict=True)):
            if not times[0] <= time <= times[-1]:
                continue
            j = min(int(np.searchsorted(times, time, side="right")), len(times) - 1)
            slope = (positions[j] - positions[j - 1]) / (times[j] - times[j - 1])
            here = positions[j - 1] + slope * (time - times[j - 1])
            if not self._shown[k] and np.hypot(*(here - robot_pose[:2])) < clear:
                continue
            self._shown[k] = True
            slot = self._slots[k]
            position[slot], velocity[slot], present[slot] = here, slope, True
        return Intent(position, velocity, present)


def _assign_slots(times: list[Array]) -> tuple[list[int], int]:
    """Give each track a body that nobody else uses meanwhile; return the bodies and their number."""
    free_at: list[float] = []
    slots = []
    for track in times:
        slot = next((i for i, until in enumerate(free_at) if until + CROWD_PERIOD < track[0]), len(free_at))
        if slot == len(free_at):
            free_at.append(0.0)
        free_at[slot] = float(track[-1])
        slots.append(slot)
    return slots, len(free_at)
