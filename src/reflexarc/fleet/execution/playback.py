# SPDX-License-Identifier: Apache-2.0
"""Drive a plan with point robots that are sometimes late: by the clock, or by the action graph.

Robots drive their tracks at the planned speed of each drive. A robot may be told to stand for some time when it has
driven so far (`Stop`), and to drive slower than planned (`slowness`). By the clock, a robot begins every drive at its
planned time, or at once if it is late by then; by the graph, it drives as far as it is permitted, as soon as it may.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reflexarc.core.types import Array
from reflexarc.fleet.execution.dependencies import ActionGraph
from reflexarc.fleet.execution.executor import Executor


@dataclass(frozen=True, slots=True)
class Stop:
    """A robot stands for a while."""

    robot: int
    after: float
    """When it has driven so far. [m]"""
    duration: float
    """[s]"""


@dataclass(frozen=True, slots=True)
class Playback:
    """What came of it."""

    times: Array
    """Shape (t,). [s]"""
    positions: Array
    """Shape (t, n, 2). [m]"""
    arrivals: Array
    """When each robot had driven its whole track, inf if never; shape (n,). [s]"""

    @property
    def makespan(self) -> float:
        """When the last one had. [s]"""
        return float(self.arrivals.max(initial=0.0))


def play(
    graph: ActionGraph,
    ordered: bool,
    stops: Sequence[Stop] = (),
    slowness: Sequence[float] | None = None,
    step: float = 0.05,
    limit: float = 1e4,
) -> Playback:
    """Drive a plan.

    Args:
        graph: of the plan.
        ordered: by the graph; else by the clock.
        stops: when who stands.
        slowness: time that each robot takes for a drive of one planned second, >= 1; 1 by default. [s]
        step: time between two positions; within it motion is uniform. [s]
        limit: give up after so long. [s]
    """
    n = len(graph.count)
    slow = np.ones(n) if slowness is None else np.asarray(slowness, float)
    executor = Executor(graph)
    marks = executor.marks
    speeds = [(m[1:] - m[:-1]) / (p[:, 5] - p[:, 4]) for m, p in zip(marks, graph.pieces, strict=True)]
    waiting = [sorted((s for s in stops if s.robot == k), key=lambda s: s.after) for k in range(n)]
    stand_until = np.zeros(n)
    along, arrivals = np.zeros(n), np.where(np.array(graph.count) > 0, np.inf, 0.0)
    now, times, positions = 0.0, [0.0], [_positions(graph, executor, along)]
    while np.isinf(arrivals).any() and now < limit:
        permitted = [executor.permitted(k) for k in range(n)]
        for k in np.flatnonzero(np.isinf(arrivals)).tolist():
            left, clock = step, now
            while left > 1e-12:
                if waiting[k] and along[k] >= waiting[k][0].after - 1e-9:
                    stand_until[k] = max(stand_until[k], clock) + waiting[k].pop(0).duration
                start = max(clock, stand_until[k])
                piece = int(np.searchsorted(marks[k][1:], along[k] + 1e-9, side="right"))
                if not ordered:
                    start = max(start, _planned_begin(graph, k, piece, along[k], marks[k]))
                elif along[k] >= permitted[k] - 1e-9:
                    break
                if start >= now + step:
                    break
                left, clock = now + step - start, start
                end = float(marks[k][piece + 1])
                if waiting[k]:
                    end = min(end, max(waiting[k][0].after, along[k] + 1e-9))
                speed = speeds[k][piece] / slow[k]
                drive = min(end - along[k], speed * left)
                along[k] += drive
                clock += drive / speed
                left = now + step - clock
                if along[k] >= marks[k][-1] - 1e-9:
                    arrivals[k] = clock
                    break
        now += step
        for k in range(n):
            executor.report(k, along[k])
        times.append(now)
        positions.append(_positions(graph, executor, along))
    return Playback(np.array(times), np.array(positions), arrivals)


def _planned_begin(graph: ActionGraph, robot: int, piece: int, along: float, marks: Array) -> float:
    """Return the planned time of the place where the robot is, where the drive that begins there starts. [s]"""
    p = graph.pieces[robot][piece]
    share = (along - marks[piece]) / (marks[piece + 1] - marks[piece])
    return float(p[4] + max(share, 0.0) * (p[5] - p[4]))


def _positions(graph: ActionGraph, executor: Executor, along: Array) -> Array:
    out = np.empty((len(along), 2))
    for k, track in enumerate(graph.tracks):
        lengths = executor.lengths[k]
        out[k] = [np.interp(along[k], lengths, track.points[:, c]) for c in (0, 1)]
    return out
