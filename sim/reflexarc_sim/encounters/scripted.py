# SPDX-License-Identifier: Apache-2.0
"""One person who crosses the way of the delivery robot as a case says, and what is really so in such a run.

The robot drives one mission on an empty square under the supervisor and gate of its scenario. Where it is when comes
from a drive without anybody; there and then the person would meet it. The person sees nothing and gives no way.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.plant import ContactEvent, PlantEvent
from reflexarc.core.types import FIXED_FRAME, Array, BaseState, Mode, Obstacles, Proposal, Verdict, Walls
from reflexarc_sim.crowd.base import PEDESTRIAN_RADIUS
from reflexarc_sim.crowd.recorded import FRAMES_PER_SECOND

KINDS = ("walks_into", "walks_past", "stops_ahead")
"""Straight through the meeting point; past it at `PAST_M`; to it, and stays there for `STAY_S`."""
PHASES = ("setting_off", "driving", "arriving")
"""Of the mission."""
PAST_M, STAY_S, LEAD_S = 0.9, 3.0, 4.0
"""Distance of who walks past [m]; how long somebody stands [s]; time from appearing to the meeting [s]."""
_SETTING_OFF_M, _ARRIVING_M = 2.0, 3.0
_SAMPLE_S = 0.2


class Drive(NamedTuple):
    """A run, sampled at every tick."""

    time: Array
    """Shape (n,). [s]"""
    pose: Array
    """x, y, yaw, shape (n, 3). [m, m, rad]"""
    twist: Array
    """Shape (n, 2). [m/s, rad/s]"""
    mode: Array
    """Mode in which the arc ran, shape (n,)."""
    gap: Array
    """Between footprint and person, shape (n,); inf without anybody. [m]"""
    people: tuple[tuple[float, Array], ...]
    """Time [s] and centres, shape (k, 2) [m], at the policy's rate; k is 0 while nobody is there."""
    contacts: int
    """Episodes of contact."""
    finished: bool
    """Whether the mission reached its goal."""

    def truth(self, at: float, index: int) -> BaseState:
        """Return the state at time `at` [s], sample `index`, with the person where they really are."""
        return BaseState(at, FIXED_FRAME, self.pose[index], self.twist[index], self._person(at), Walls.none())

    def _person(self, at: float) -> Obstacles:
        times = [t for t, _ in self.people]
        k = min(max(int(np.searchsorted(times, at, side="right")) - 1, 0), len(times) - 1)
        before, now = self.people[max(k - 1, 0)], self.people[k]
        if not len(now[1]):
            return Obstacles.none(at)
        velocity = np.zeros_like(now[1])
        if k > 0 and len(before[1]) == len(now[1]):
            velocity = (now[1] - before[1]) / (now[0] - before[0])
        n = len(now[1])
        place = now[1] + velocity * (at - now[0])
        return Obstacles(
            at, FIXED_FRAME, place, velocity, np.full(n, PEDESTRIAN_RADIUS), np.zeros(n), np.zeros(n)
        )


class DriveLog:
    """Observer of a lock-step run; `drive` gives what it saw."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._rows: list[tuple[float, ...]] = []
        self._people: list[tuple[float, Array]] = []
        self._contacts = 0
        self._finished = False

    def tick(
        self,
        state: BaseState,
        proposal: Proposal | None,
        command: Array,
        verdict: Verdict | None,
        min_distance: float,
    ) -> None:
        """Remember one period."""
        mode = Mode.NORMAL if verdict is None else verdict.mode
        self._rows.append((state.stamp, *state.pose, *state.twist, float(mode), min_distance))

    def pedestrians(self, time: float, names: tuple[str, ...], positions: Array) -> None:
        """Remember where people are."""
        self._people.append((time, np.array(positions, dtype=np.float64).reshape(-1, 2)))

    def plant_event(self, event: PlantEvent) -> None:
        """Count contacts."""
        self._contacts += isinstance(event, ContactEvent)

    def event(self, time: float, kind: str, text: str, **details: Any) -> None:
        """Remember whether the goal was reached."""
        if kind == "mission" and details.get("ended"):
            self._finished = str(details.get("outcome")) == "success"

    def drive(self) -> Drive:
        """Return the run."""
        table = np.array(self._rows)
        return Drive(
            table[:, 0],
            table[:, 1:4],
            table[:, 4:6],
            table[:, 6],
            table[:, 7],
            tuple(self._people),
            self._contacts,
            self._finished,
        )


def meetings(drive: Drive) -> Mapping[str, tuple[float, Array]]:
    """Return, per phase, when and at which pose of an undisturbed drive the person is met. [s; m, m, rad]

    Raises:
        ConfigError: the drive is too short, or the robot did not get anywhere.
    """
    way = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(drive.pose[:, :2], axis=0).T))))
    marks = (_SETTING_OFF_M, 0.5 * way[-1], way[-1] - _ARRIVING_M)
    if not _SETTING_OFF_M < marks[1] < marks[2]:
        raise ConfigError(f"a drive of {way[-1]:.1f} m is too short to meet somebody in every phase")
    found = {}
    for name, mark in zip(PHASES, marks, strict=True):
        k = int(np.searchsorted(way, mark))
        found[name] = (float(drive.time[k]), drive.pose[k])
    return found


def track(levels: Mapping[str, str], meeting: tuple[float, Array], end: float) -> str:
    """Return the person's path, in the columns that `reflexarc_sim.crowd.recorded` reads.

    Args:
        levels: of the factors angle [deg, 0 is head-on], speed [m/s], kind.
        meeting: time [s] and pose of the robot [m, m, rad] there.
        end: of the path. [s]
    """
    when, (x, y, yaw) = meeting
    speed, kind = float(levels["speed"]), levels["kind"]
    heading = yaw + math.pi + math.radians(float(levels["angle"]))
    ahead, side = np.array((math.cos(heading), math.sin(heading))), PAST_M * (kind == "walks_past")
    place = np.array((x, y)) + side * np.array((-ahead[1], ahead[0]))
    begin = max(when - LEAD_S, 0.0)
    rows = []
    for t in np.arange(begin, end, _SAMPLE_S):
        moved = t - when
        if kind == "stops_ahead" and moved > 0.0:
            moved = max(moved - STAY_S, 0.0)
        p = place + speed * moved * ahead
        rows.append(f"{t * FRAMES_PER_SECOND:.1f} 1 {p[0]:.4f} {p[1]:.4f}")
    return "\n".join(rows) + "\n"


def grid(drive: Drive, period: float) -> Sequence[tuple[float, int]]:
    """Return times [s] on a grid of `period` [s] with the index of the newest tick at each."""
    count = int((drive.time[-1] - drive.time[0]) / period + 1e-6) + 1
    times = drive.time[0] + period * np.arange(count)
    index = np.searchsorted(drive.time, times + 1e-9, side="right") - 1
    return list(zip(times.tolist(), index.tolist(), strict=True))
