# SPDX-License-Identifier: Apache-2.0
"""Planning a fleet under way: what is committed stays, the rest is planned anew, and adopted if it can be executed.

Each robot first drives what it was permitted, at least to the next vertex. From there `movers` are planned among what
the others will do. Who finds no way stands, and the others are planned again around it.
"""

import math

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.execution.dependencies import ActionGraph
from reflexarc.fleet.execution.executor import Executor
from reflexarc.fleet.execution.insertion import Task, keep_free, plan_among
from reflexarc.fleet.execution.members import FleetEvent, FleetOptions, Member
from reflexarc.fleet.execution.tracks import Track, joined, simplified, standing
from reflexarc.fleet.graph import Graph, roadmap


class PlannedFleet:
    """Members, tracks and the executor of a fleet, and how they are planned."""

    def __init__(self, graph: Graph, options: FleetOptions):
        """Start without robots.

        Raises:
            ConfigError: radii that do not fit each other or the roadmap.
        """
        if not 0.0 < options.radius < options.plan_radius < math.inf:
            raise ConfigError(
                f"plan_radius {options.plan_radius} must be above radius {options.radius}, both > 0 [m]"
            )
        self.roadmap, self.options = graph, options
        self.events: list[FleetEvent] = []
        self.plans = 0
        """Plans adopted so far."""
        self.kept = 0
        """Plans that were looked for and not adopted."""
        self._graph = graph
        self._blocked: set[tuple[int, int]] = set()
        self._members: list[Member] = []
        self._tracks: tuple[Track, ...] = ()
        self._executor = Executor(ActionGraph((), options.radius))
        self._last_plan = self._last_try = -math.inf

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the robots, lost ones included."""
        return tuple(m.name for m in self._members)

    def _plan(
        self,
        now: float,
        movers: list[int] | None = None,
        stand: tuple[int, ...] = (),
        because_late: bool = False,
    ) -> bool:
        """Plan `movers` (all that have goals if None) from where they can be; return whether all got a way.

        Args:
            now: [s]
            movers: robots to plan; the others keep what they have.
            stand: robots that stand where they are, whatever their track says.
            because_late: adopt a plan only if it is better than going on.
        """
        members, o = self._members, self.options
        everybody = movers is None
        moving = [k for k, m in enumerate(members) if m.goal is not None] if movers is None else movers
        moving = [k for k in moving if members[k].goal is not None and not members[k].lost]
        upto = np.array(self._executor.graph.count)
        short = self._executor.committed(self._needed())
        gone = tuple(k for k, m in enumerate(members) if m.lost)
        fresh = len(members) - len(upto)  # robots that have no track yet
        for k in moving:
            if k < len(upto):
                upto[k] = short[k]
        if everybody or stand:
            for k, m in enumerate(members[: len(upto)]):
                if m.goal is None and k not in stand:
                    upto[k] = max(short[k], self._executor.done[k])
        upto = self._executor.without(upto, gone)
        hold = {
            k: now + o.stall
            for k, m in enumerate(members[: len(upto)])
            if now - m.seen > o.stall and not self._executor.finished(k) and not self._executor.waits_for(k)
        }
        before = self._executor.retimed(now, hold, upto)
        before += tuple(
            standing(m.place, self._vertex_at(m.place), now) for m in members[len(members) - fresh :]
        )
        before = tuple(standing(members[k].place, -1, now) if k in gone else t for k, t in enumerate(before))
        tracks, failed = before, tuple(moving)
        for radius in (o.plan_radius, 0.5 * (o.plan_radius + o.radius)):
            tracks, failed = self._search(before, moving, radius, now)
            if not failed:
                break
        if failed and not stand and (movers is not None or any(members[k].planned for k in failed)):
            return False
        if because_late:
            going_on = self._executor.retimed(now, hold)
            gain = math.fsum(t.arrival for t in going_on) - math.fsum(t.arrival for t in tracks)
            if failed or gain < o.better_by:
                self.kept += 1
                for k, m in enumerate(members):
                    m.late = self._executor.delay(k, now)
                self._say(now, "kept", "", f"no plan is better by {o.better_by:g} s; the order stays")
                return False
        if not self._adopt(tracks, now):
            return False
        for k in moving:
            members[k].planned = k not in failed
        if failed:
            names = ", ".join(members[k].name for k in failed)
            self._say(now, "partial", "", f"no way for {names}; they stand until there is one")
        return not failed

    def _search(
        self, before: tuple[Track, ...], moving: list[int], radius: float, now: float
    ) -> tuple[tuple[Track, ...], tuple[int, ...]]:
        """Plan; who finds no way stands, and the others are planned again around it."""
        failed: list[int] = []
        left = self._left()
        plain = tuple(simplified(track) for track in before)
        kept = {k: keep_free(plain[k], s, 0.3) for k, s in enumerate(left) if not self._members[k].lost}
        while True:
            tasks = {
                k: Task(before[k].vertices[-1], float(before[k].times[-1]), int(self._members[k].goal))  # type: ignore[arg-type]
                for k in moving
                if k not in failed and before[k].vertices[-1] >= 0
            }
            failed += [k for k in moving if k not in tasks and k not in failed]
            given = {k: t for k, t in enumerate(plain) if k not in tasks}
            passing = {k: plain[k] for k in tasks}
            tries = self.options.tries if len(tasks) > 1 else 1
            found, missing = plan_among(self._graph, tasks, given, passing, kept, radius, tries)
            if not missing:
                tracks = tuple(joined(t, found[k]) if k in found else t for k, t in enumerate(before))
                return tracks, tuple(failed)
            failed += missing

    def _adopt(self, tracks: tuple[Track, ...], now: float, quiet: bool = False) -> bool:
        try:
            graph = ActionGraph(tracks, self.options.radius)
        except ConfigError as error:
            if not quiet:
                self.kept += 1
                self._say(now, "kept", "", f"the new plan cannot be ordered ({error}); the one before stays")
            return False
        left = self._left()
        old = self._tracks, self._executor, [m.permitted for m in self._members]
        self._tracks, self._executor = tracks, Executor(graph, self.options.tolerance)
        for k, member in enumerate(self._members):
            member.permitted = 0.0
            if not member.lost:
                along, _ = self._project(k, member.place)
                self._executor.report(k, along)
        for k in range(len(self._members)):
            self._permit(k)
        now_left = self._left()
        taken = [
            k
            for k, m in enumerate(self._members[: len(left)])
            if now_left[k] < left[k] - 2.0 * self.options.tolerance and not m.lost
        ]
        if taken:
            self._tracks, self._executor = old[:2]
            for member, permitted in zip(self._members, old[2], strict=True):
                member.permitted = permitted
            self.kept += 1
            names = ", ".join(self._members[k].name for k in taken)
            self._say(
                now, "kept", "", f"the new plan would take back what {names} may drive; the one before stays"
            )
            return False
        self._last_plan = now
        self.plans += 1
        for member in self._members:
            member.late = 0.0
        self._say(now, "plan", "", f"{len(tracks)} robots, {sum(graph.count)} pieces")
        return True

    def _needed(self) -> Array:
        """Return how far along its track each robot drives in any case, shape (n,). [m]"""
        count = len(self._executor.marks)
        return np.array(
            [max(m.permitted, self._executor.place(k)) for k, m in enumerate(self._members[:count])]
        )

    def _left(self) -> Array:
        """Return how far each robot may still drive, shape (n,). [m]"""
        needed = self._needed()
        return needed - [self._executor.place(k) for k in range(len(needed))]

    def _permit(self, k: int) -> None:
        """Let the permission grow: to the first vertex `ahead` of the robot, as far as the order allows."""
        lengths = self._executor.lengths[k]
        wanted = self._executor.progress[k] + self.options.ahead
        at = [s for s, v in zip(lengths, self._tracks[k].vertices, strict=True) if v >= 0 and s >= wanted]
        limit = min(at, default=float(lengths[-1]))
        self._members[k].permitted = max(self._members[k].permitted, min(self._executor.permitted(k), limit))

    def _project(self, k: int, place: Array) -> tuple[float, float]:
        """Return how far along its track a robot is, near what it has driven so far, and how far beside it. [m]"""
        lengths, points = self._executor.lengths[k], self._tracks[k].points
        if len(points) == 1:
            return 0.0, math.dist(place, points[0])
        start, along = points[:-1], np.diff(points, axis=0)
        square = np.maximum((along**2).sum(axis=1), 1e-12)
        low = np.zeros(len(start))
        low[0] = -0.5 / math.sqrt(square[0])  # it may stand a little before where its track begins
        share = np.clip(((place - start) * along).sum(axis=1) / square, low, 1.0)
        gap = np.hypot(*(start + share[:, None] * along - place).T)
        where = lengths[:-1] + share * np.sqrt(square) * (np.diff(lengths) > 0.0)
        driven = self._executor.progress[k]
        near = (where >= driven - 0.6) & (where <= max(self._members[k].permitted, driven) + 0.5)
        best = int(np.where(near, gap, np.inf).argmin())
        return (float(where[best]), float(gap[best])) if near.any() else (float(driven), math.inf)

    def _vertex_at(self, place: Array) -> int:
        gaps = np.hypot(*(self.roadmap.positions - place).T)
        nearest = int(gaps.argmin())
        return nearest if gaps[nearest] < 1e-6 else -1

    def _set_blocked(self, blocked: set[tuple[int, int]]) -> None:
        self._blocked = blocked
        g = self.roadmap
        edges = zip(g.tail.tolist(), g.head.tolist(), g.duration.tolist(), strict=True)
        self._graph = roadmap(g.positions, [e for e in edges if e[:2] not in blocked], g.rows)

    def _drives_on(self, k: int, pairs: set[tuple[int, int]]) -> bool:
        return math.isfinite(self._begin_of(k, pairs))

    def _begin_of(self, k: int, pairs: set[tuple[int, int]]) -> float:
        """Return where along its track a robot is to begin to drive on one of these edges, inf if nowhere. [m]"""
        track, lengths = self._tracks[k], self._executor.lengths[k]
        known = [(s, v) for s, v in zip(lengths, track.vertices, strict=True) if v >= 0]
        for (s, u), (e, v) in zip(known, known[1:], strict=False):
            if (u, v) in pairs and e > self._executor.progress[k] + 1e-6:
                return float(s)
        return math.inf

    def _index(self, name: str) -> int:
        for k, member in enumerate(self._members):
            if member.name == name:
                return k
        raise ConfigError(f"there is no robot {name!r}; known: {', '.join(self.names) or 'none'}")

    def _say(self, now: float, kind: str, robot: str, text: str) -> None:
        self.events.append(FleetEvent(now, kind, robot, text))
