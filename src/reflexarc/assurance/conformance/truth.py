# SPDX-License-Identifier: Apache-2.0
r"""What a tracker without any error would have said of the persons, as far as its accuracy lets anybody tell.

The geometry is that of `reflexarc.assurance.guards`, with the persons' true positions at the stamp of the tracks and
the same odometry. The boundary of a location is blurred by what a track may be off:

    m_p = k sigma_p                                     for person_close and person_ahead,
    m_n = k sqrt(sigma_p^2 + (sigma_v (T_r + T_s))^2)   for person_near, whose S_p grows with the person's speed,

with the standard deviations of the tracks and T_s = v / a. A signal is *certain* if it holds with every person farther
away by the margin, and *possible* if it holds with every person nearer by it; of the path, whose ends know no radius,
also with everybody shifted along it by as much. A tracker that says something in between
has not failed.
"""

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from reflexarc.assurance.guards import PERSON_SIGNALS, Base, GuardConfig, person_signals
from reflexarc.core.types import Array, BaseState, Obstacles

NEAR, CLOSE, AHEAD = PERSON_SIGNALS
SIGMAS = 4.0
"""k. A run has some 2400 sets of tracks: beyond 3 deviations several are by chance alone, beyond 4 one in ten runs."""
HISTORY_S = 2.0
"""So long true positions are kept. [s]"""
RADIUS_M = 0.25
"""Of a person's disc while nobody is tracked. [m]"""
RELEVANT_M = 8.0
"""Persons farther away than this make no signal true at the speeds of a base. [m]"""


@dataclass(frozen=True, slots=True)
class PersonTruth:
    """Signals of persons that must and that may be true."""

    certain: frozenset[str]
    possible: frozenset[str]


class TruePersons:
    """True positions over time, taken as they come, asked for at the stamp of tracks."""

    def __init__(self) -> None:
        """Nobody has been seen."""
        self._seen: deque[tuple[float, dict[str, Array]]] = deque()

    def add(self, time: float, names: tuple[str, ...], positions: Array) -> None:
        """Take true positions, shape (n, 2), at `time`; later than those before. [s, m]"""
        if self._seen and time <= self._seen[-1][0]:
            return
        self._seen.append((time, dict(zip(names, np.asarray(positions, dtype=np.float64), strict=True))))
        while self._seen[0][0] < time - HISTORY_S:
            self._seen.popleft()

    def at(self, stamp: float) -> tuple[Array, Array] | None:
        """Return positions and velocities, each (n, 2), interpolated or carried on from the nearest two; None if there
        are none within half a second. [m, m/s]
        """
        times = [time for time, _ in self._seen]
        if len(times) < 2 or not (times[0] - 0.5 <= stamp <= times[-1] + 0.5):
            return None
        right = min(max(int(np.searchsorted(times, stamp)), 1), len(times) - 1)
        (t0, before), (t1, after) = self._seen[right - 1], self._seen[right]
        both = [name for name in after if name in before]
        if not both:
            return np.zeros((0, 2)), np.zeros((0, 2))
        p0, p1 = (np.stack([part[name] for name in both]) for part in (before, after))
        velocity = (p1 - p0) / (t1 - t0)
        return p0 + velocity * (stamp - t0), velocity


def person_truth(
    state: BaseState, persons: tuple[Array, Array], robot: Base, config: GuardConfig
) -> PersonTruth | None:
    """Return what the persons' signals must and may be; None where the odometry says nothing.

    Args:
        state: newest measurements; its tracks give the standard deviations and the radius of a person's disc.
        persons: true positions and velocities at the stamp of the tracks, each (n, 2). [m, m/s]
        robot: whose size and deceleration count.
        config: limits of the signals.
    """
    tracks = state.obstacles
    sigma_p = float(tracks.position_std.max()) if len(tracks) else 0.0
    radius = float(tracks.radius.max()) if len(tracks) else RADIUS_M
    sigma_v = float(tracks.velocity_std.max()) if len(tracks) else 0.0
    lasting = config.reaction_s + abs(float(state.twist[0])) / robot.max_deceleration
    tight, wide = SIGMAS * sigma_p, SIGMAS * math.hypot(sigma_p, sigma_v * lasting)
    position, velocity = persons
    offset = position - state.pose[:2]
    relevant = np.hypot(offset[:, 0], offset[:, 1]) <= RELEVANT_M
    position, velocity = position[relevant], velocity[relevant]
    n = len(position)
    heading = np.array((math.cos(state.pose[2]), math.sin(state.pose[2])))

    def said(margin: float, shift: float = 0.0) -> frozenset[str] | None:
        moved = Obstacles(
            tracks.stamp,
            state.frame_id,
            position + shift * heading,
            velocity,
            np.full(n, max(radius + margin, 0.0)),
            np.full(n, sigma_p),
            np.full(n, sigma_v),
        )
        found = person_signals(replace(state, obstacles=moved), robot, config)
        return None if None in found.values() else frozenset(name for name in found if found[name])

    low, high = said(-tight), said(tight)
    low_far, high_far = said(-wide), said(wide)
    shifted = [(said(-tight, s), said(tight, s)) for s in (-tight, tight)]  # the strip's ends have no radius
    if low is None or high is None or low_far is None or high_far is None:
        return None
    certain = (
        (low & {CLOSE}) | (low_far & {NEAR}) | (low & {AHEAD}).intersection(*(a or () for a, _ in shifted))
    )
    possible = (
        (high & {CLOSE})
        | (high_far & {NEAR})
        | (high & {AHEAD}).union(*((b or frozenset()) & {AHEAD} for _, b in shifted))
    )
    return PersonTruth(certain, possible)
