# SPDX-License-Identifier: Apache-2.0
"""Release the pieces of a plan as others get done: what each robot may drive now, how late it is, what comes of it.

A permission says how far along its track a robot may go. It never shrinks, and nothing has to be taken back when
somebody is late: whoever waits for the late one has not been permitted to go on.
"""

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.execution.dependencies import ActionGraph
from reflexarc.fleet.execution.tracks import Track


class Executor:
    """Progress of every robot on one action graph."""

    def __init__(self, graph: ActionGraph, tolerance: float = 1e-6):
        """Start with nothing done.

        Args:
            graph: what is executed.
            tolerance: a piece is done when the robot is as near to its end as this; part of the discs' margin. [m]
        """
        self.graph, self.tolerance = graph, tolerance
        self.marks = tuple(graph.marks(k) for k in range(len(graph.tracks)))
        """Way driven up to the beginning of each piece of each robot, and to the end. [m]"""
        self.lengths = tuple(track.lengths for track in graph.tracks)
        """Way driven up to each point of each robot's track. [m]"""
        self.progress = np.zeros(len(graph.tracks))
        """Way driven by each robot on its track. [m]"""
        self.done = np.zeros(len(graph.tracks), dtype=np.int32)
        """Pieces done by each robot."""
        self._granted = np.zeros(len(graph.tracks), dtype=np.int32)
        self._release()

    def report(self, robot: int, progress: float) -> None:
        """Take how far along its track a robot is [m], negative before its start; falling back does not undo a piece.

        Raises:
            ConfigError: the number is not finite.
        """
        if not np.isfinite(progress):
            raise ConfigError(f"progress {progress} of robot {robot} is not finite; it was not taken")
        marks = self.marks[robot]
        self.progress[robot] = min(max(progress, self.progress[robot]), float(marks[-1]))
        done = int(np.searchsorted(marks[1:], progress + self.tolerance, side="right"))
        if done > self.done[robot]:
            self.done[robot] = done
            self._release()

    def permitted(self, robot: int) -> float:
        """Return how far along its track the robot may drive. [m]"""
        return float(self.marks[robot][self._granted[robot]])

    def place(self, robot: int) -> float:
        """Return how far along its track a robot counts as being: at least at the end of what it has done. [m]"""
        return max(float(self.progress[robot]), float(self.marks[robot][self.done[robot]]))

    def finished(self, robot: int) -> bool:
        """Whether the robot has done its whole track."""
        return bool(self.done[robot] == self.graph.count[robot])

    @property
    def complete(self) -> bool:
        """Whether every robot has."""
        return all(self.finished(k) for k in range(len(self.graph.count)))

    def waits_for(self, robot: int) -> tuple[int, ...]:
        """Return the robots that must do something before this one's permission grows."""
        k = int(self._granted[robot])
        if k >= self.graph.count[robot]:
            return ()
        return tuple(i for i, need in self.graph.waits_for(robot, k) if self.done[i] < need)

    def delay(self, robot: int, now: float) -> float:
        """Return how much later than planned the robot is, 0 if it is not late. [s]"""
        if self.finished(robot):
            return 0.0
        return max(0.0, now - self.graph.tracks[robot].due(float(self.progress[robot])))

    def retimed(
        self, now: float, hold: dict[int, float] | None = None, upto: Array | None = None
    ) -> tuple[Track, ...]:
        """Return what happens if from `now` on nobody is late any more: a track per robot from where it is.

        Ends of pieces stay points of the track, so that the order can be kept in the next graph: robots that wait for
        each other follow at exactly 2 r, where no other cut can be ordered.

        Args:
            now: [s]
            hold: robots that do not move before a time. [s]
            upto: pieces after which each robot is left out, shape (n,); all by default. What the pieces up to there
                wait for must lie before these limits too, see `committed`.
        """
        graph, n = self.graph, len(self.graph.count)
        upto = np.array(graph.count) if upto is None else upto
        ready = np.full(n, float(now))
        for robot, time in (hold or {}).items():
            ready[robot] = max(now, time)
        finish = [np.full(c, -np.inf) for c in graph.count]
        rows: list[list[tuple[float, float, float]]] = []
        for k in range(n):
            x, y = self._where(k)
            rows.append([(now, x, y)])
        for robot, piece in graph.order():
            if piece < self.done[robot] or piece >= upto[robot]:
                continue
            begin = ready[robot]
            for other, need in graph.waits_for(robot, piece):
                if need > self.done[other]:
                    begin = max(begin, finish[other][need - 1])
            p = graph.pieces[robot][piece]
            marks = self.marks[robot]
            driven = max(self.place(robot), float(marks[piece]))
            left = (marks[piece + 1] - driven) / (marks[piece + 1] - marks[piece])
            end = begin + max((p[5] - p[4]) * left, 1e-6)
            if begin > rows[robot][-1][0] + 1e-9:
                rows[robot].append((begin, *rows[robot][-1][1:]))
            rows[robot].append((end, float(p[2]), float(p[3])))
            finish[robot][piece] = ready[robot] = end
        return tuple(self._track(k, rows[k]) for k in range(n))

    def committed(self, lengths: Array) -> Array:
        """Return the pieces that must be driven before anything else can be planned, per robot, shape (n,).

        A robot goes on to the first vertex at or after what it cannot give up, and so does everybody it waits for.

        Args:
            lengths: how far along its track each robot will drive in any case, shape (n,). [m]
        """
        graph = self.graph
        pieces = [int(np.searchsorted(m[:-1], s - 1e-6)) for m, s in zip(self.marks, lengths, strict=True)]
        pieces = [min(k, c) for k, c in zip(pieces, graph.count, strict=True)]
        upto = np.array([self._to_vertex(k, max(p, int(self.done[k]))) for k, p in enumerate(pieces)])
        changed = True
        while changed:
            changed = False
            for robot, need in enumerate(graph.needs):
                rows = need[self.done[robot] : upto[robot]]
                if not len(rows):
                    continue
                for other, count in enumerate(rows.max(axis=0)):
                    if count > max(upto[other], self.done[other]):
                        upto[other], changed = self._to_vertex(other, int(count)), True
        return upto

    def without(self, upto: Array, lost: tuple[int, ...]) -> Array:
        """Return limits `upto` cut so that nothing waits for robots that do no more. shape (n,)"""
        graph, upto = self.graph, upto.copy()
        for k in lost:
            if k < len(upto):
                upto[k] = self.done[k]
        changed = bool(lost)
        while changed:
            changed = False
            for robot, need in enumerate(graph.needs):
                late = (need[self.done[robot] : upto[robot]] > np.maximum(upto, self.done)).any(axis=1)
                if late.any():
                    upto[robot], changed = self.done[robot] + int(late.argmax()), True
        return upto

    def _to_vertex(self, robot: int, pieces: int) -> int:
        """Return the number of pieces, at least `pieces`, after which the robot is at a vertex."""
        marks, lengths = self.marks[robot], self.lengths[robot]
        along = max(float(marks[pieces]), self.place(robot))
        at = [s for s, v in zip(lengths, self.graph.tracks[robot].vertices, strict=True) if v >= 0]
        ahead = min((s for s in at if s >= along - 1e-6), default=float(marks[-1]))
        return min(int(np.searchsorted(marks, ahead - 1e-6)), len(marks) - 1)

    def _where(self, robot: int) -> tuple[float, float]:
        s, track = self.place(robot), self.graph.tracks[robot]
        lengths = self.lengths[robot]
        return float(np.interp(s, lengths, track.points[:, 0])), float(
            np.interp(s, lengths, track.points[:, 1])
        )

    def _track(self, robot: int, rows: list[tuple[float, float, float]]) -> Track:
        track = self.graph.tracks[robot]
        names = {
            tuple(np.round(p, 6)): v for p, v in zip(track.points, track.vertices, strict=True) if v >= 0
        }
        table = np.array(rows)
        return Track(table[:, 1:], table[:, 0], tuple(names.get(tuple(np.round(r[1:], 6)), -1) for r in rows))

    def _release(self) -> None:
        for k in range(len(self.graph.count)):
            self._granted[k] = self.graph.granted(k, self.done, int(self._granted[k]))
