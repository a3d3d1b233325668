# SPDX-License-Identifier: Apache-2.0
"""Judge what robots really did: no two discs may overlap at any time. Nothing of the executor is used here.

A trace holds positions of all robots at common times; between two of them motion is uniform, so the smallest distance
of two robots within an interval follows from a parabola in closed form: nothing is sampled.
"""

from dataclasses import dataclass

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two robots that came too near, from when on until when, and how near."""

    robots: tuple[int, int]
    begin: float
    """[s]"""
    end: float
    """[s]"""
    gap: float
    """Smallest distance between centres. [m]"""


def meetings(times: Array, positions: Array, reach: float) -> list[Meeting]:
    """Return every time two robots came nearer than `reach`; one that lasts is one.

    Args:
        times: increasing, shape (t,). [s]
        positions: shape (t, n, 2); NaN where a robot is not there. [m]
        reach: sum of two radii. [m]

    Raises:
        ConfigError: shapes do not fit or times do not increase.
    """
    times, positions = np.asarray(times, float), np.asarray(positions, float)
    if positions.ndim != 3 or positions.shape[::2] != (len(times), 2) or (np.diff(times) <= 0.0).any():
        raise ConfigError(
            f"a trace needs increasing times (t,) and positions (t, n, 2), got {positions.shape}"
        )
    found = []
    for a in range(positions.shape[1]):
        for b in range(a + 1, positions.shape[1]):
            gaps = smallest_gaps(positions[:, a], positions[:, b])
            near = gaps < reach
            edges = np.flatnonzero(np.diff(np.concatenate(([False], near, [False])).astype(int)))
            for first, last in zip(edges[::2], edges[1::2], strict=True):
                found.append(
                    Meeting((a, b), float(times[first]), float(times[last]), float(gaps[first:last].min()))
                )
    return sorted(found, key=lambda m: m.begin)


def smallest_gaps(first: Array, second: Array) -> Array:
    """Return how near two robots come within each interval, shape (t - 1,); both (t, 2). [m]"""
    offset = first - second
    start, move = offset[:-1], np.diff(offset, axis=0)
    square = (move**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(square > 0.0, -(start * move).sum(axis=1) / square, 0.0)
    share = np.clip(share, 0.0, 1.0)
    gaps = np.hypot(*(start + share[:, None] * move).T)
    return np.where(np.isnan(gaps), np.inf, gaps)
