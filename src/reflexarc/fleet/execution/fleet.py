# SPDX-License-Identifier: Apache-2.0
"""A fleet under way: goals come and go, robots are late, lost or new, edges are blocked; order is kept all the time.

Whatever happens, each robot first drives what it was permitted (it could not stop in no time), at least to the next
vertex. From there it is planned anew among what the others will do, its own way first with all others left as they are,
then all together. A new plan is adopted only if it covers what it must and its action graph can be made; else the graph
before stays in force, which is free of deadlocks. A robot for which there is no way stands at the end of what it was
permitted, keeps its goal and is tried again: the plan is partial, and says so.
"""

import math

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.fleet.execution.members import Member
from reflexarc.fleet.execution.planning import PlannedFleet
from reflexarc.fleet.execution.tracks import Track, standing


class Fleet(PlannedFleet):
    """Everything that is known of a fleet, and what each robot may do next."""

    # ---- what is asked

    def track(self, name: str) -> Track:
        """Return what a robot is meant to do from the last plan on."""
        return self._tracks[self._index(name)]

    def goal(self, name: str) -> int | None:
        """Return the vertex where a robot is to go, None if it has no goal."""
        return self._members[self._index(name)].goal

    def end(self, name: str) -> Array:
        """Return where a robot goes, or stands once it has driven its track; a lost one where it was last seen. [m]"""
        return self._end(self._index(name))

    def has_way(self, name: str) -> bool:
        """Whether the robot's track leads to its goal."""
        return self._members[self._index(name)].planned

    def lost(self, name: str) -> bool:
        """Whether the robot was given up."""
        return self._members[self._index(name)].lost

    def progress(self, name: str) -> tuple[float, float, float]:
        """Return way driven, way permitted and length of a robot's track. [m]"""
        k = self._index(name)
        return (
            float(self._executor.progress[k]),
            self._members[k].permitted,
            float(self._executor.marks[k][-1]),
        )

    def delay(self, name: str, now: float) -> float:
        """Return how much later than planned a robot is. [s]"""
        return self._executor.delay(self._index(name), now)

    def waits_for(self, name: str) -> tuple[str, ...]:
        """Return the robots that must go on before this one's permission grows."""
        return tuple(self._members[i].name for i in self._executor.waits_for(self._index(name)))

    def permission(self, name: str, behind: float = 1.0) -> Array:
        """Return the way that a robot may drive, from a little behind it, shape (n, 2), n >= 2. [m]

        A robot that may not move gets two points that end where it stands.
        """
        k = self._index(name)
        track, lengths = self._tracks[k], self._executor.lengths[k]
        low, high = max(0.0, float(self._executor.progress[k]) - behind), self._members[k].permitted
        inner = [p for p, s in zip(track.points, lengths, strict=True) if low + 1e-6 < s < high - 1e-6]
        ends = [[np.interp(s, lengths, track.points[:, c]) for c in (0, 1)] for s in (low, high)]
        points = np.array([ends[0], *inner, ends[1]])
        moved = np.concatenate(([True], np.hypot(*np.diff(points, axis=0).T) > 1e-6))
        points = points[moved]
        return points if len(points) > 1 else np.vstack((points[0] - (1e-3, 0.0), points[0]))

    # ---- what happens

    def join(self, name: str, vertex: int, now: float) -> None:
        """Take in a robot that stands at a vertex.

        Raises:
            ConfigError: its name is taken, the vertex does not exist, or it is too near to where another robot is or
                is going to be at once.
        """
        if name in self.names:
            raise ConfigError(f"there is a robot {name!r} already; it was not taken in")
        if not 0 <= vertex < self.roadmap.vertices:
            raise ConfigError(f"{vertex} is no vertex; allowed: 0..{self.roadmap.vertices - 1}")
        place = self.roadmap.positions[vertex]
        upto = self._executor.committed(self._needed())
        for k, track in enumerate(self._executor.retimed(now, upto=upto)):
            gap = _distance_to(track.points, place)
            if gap < 2.0 * self.options.radius:
                raise ConfigError(
                    f"{name} cannot join at {self.roadmap.label(vertex)}: {self._members[k].name} is or will be "
                    f"{gap:.2f} m away, allowed is {2.0 * self.options.radius:.2f} m; it was not taken in"
                )
        self._members.append(Member(name, seen=now, place=place.copy()))
        self._say(now, "joined", name, f"stands at {self.roadmap.label(vertex)}")
        tracks = self._executor.retimed(now)
        if not self._adopt((*tracks, standing(place, vertex, now)), now, quiet=True):
            self._plan(
                now, [k for k, m in enumerate(self._members) if m.goal is not None], (len(self._members) - 1,)
            )

    def send(self, name: str, goal: int, now: float) -> bool:
        """Give a robot a goal in place of the one before; return whether there is a way at once.

        Raises:
            ConfigError: the vertex does not exist, is another robot's goal or is blocked, or the robot was lost.
        """
        k = self._index(name)
        if self._members[k].lost:
            raise ConfigError(f"{name} was lost; it takes no goal")
        if not 0 <= goal < self.roadmap.vertices:
            raise ConfigError(f"{name}: {goal} is no vertex; allowed: 0..{self.roadmap.vertices - 1}")
        for other, member in enumerate(self._members):
            near = math.dist(self._end(other), self.roadmap.positions[goal]) < 2.0 * self.options.radius
            if other != k and near and (member.goal is not None or member.lost):
                raise ConfigError(
                    f"{name}: its goal, {self.roadmap.label(goal)}, is too near to where {member.name} goes or stands"
                )
        member = self._members[k]
        member.goal, member.planned = goal, False
        self._say(now, "goal", name, f"to {self.roadmap.label(goal)}")
        if not self._plan(now, [k]):
            self._plan(now)
        return member.planned

    def report(self, name: str, place: Array, now: float) -> None:
        """Take where a robot is, shape (2,). [m]

        Raises:
            ConfigError: the place is not finite.
        """
        if not np.isfinite(place).all():
            raise ConfigError(f"{name}: its place {place} is not finite; it was not taken")
        k = self._index(name)
        member = self._members[k]
        member.place = np.array(place, dtype=np.float64)
        if member.lost:
            return
        along, gap = self._project(k, member.place)
        if (gap > self.options.off_track) != member.off:
            member.off = not member.off
            text = f"{gap:.2f} m beside its track" if member.off else "back on its track"
            self._say(now, "off_track", name, text)
        if member.off:
            return
        if along > self._executor.progress[k] + 0.05:
            member.seen = now
        self._executor.report(k, along)
        self._permit(k)
        if member.goal is not None and member.planned and self._executor.finished(k):
            self._say(now, "arrival", name, f"at {self.roadmap.label(member.goal)}")
            member.goal = None

    def block(self, tail: int, head: int, now: float, both_ways: bool = True) -> None:
        """Take an edge out of the roadmap and plan anew whoever was to drive on it.

        Raises:
            ConfigError: there is no such edge.
        """
        pairs = {(tail, head), (head, tail)} if both_ways else {(tail, head)}
        known = set(zip(self.roadmap.tail.tolist(), self.roadmap.head.tolist(), strict=True))
        if (tail, head) not in known:
            raise ConfigError(f"there is no edge {tail} -> {head}")
        self._set_blocked(self._blocked | (pairs & known))
        self._say(now, "blocked", "", f"edge {tail} - {head}")
        hit = [k for k in range(len(self._members)) if self._drives_on(k, pairs)]
        for k in hit:
            member = self._members[k]
            # it may not even use what it was permitted there; it can still stop before
            first = self._begin_of(k, pairs)
            member.permitted = max(float(self._executor.progress[k]), min(member.permitted, first))
            member.planned = False
        if hit and not self._plan(now, hit):
            self._plan(now)

    def free(self, tail: int, head: int, now: float) -> None:
        """Give a blocked edge back, both ways; robots without a way are tried again."""
        self._set_blocked(self._blocked - {(tail, head), (head, tail)})
        self._say(now, "free", "", f"edge {tail} - {head}")
        self._last_try = -math.inf
        self.tick(now)

    def lose(self, name: str, now: float) -> None:
        """Give a robot up: it stands where it was last seen and the others go round it."""
        k = self._index(name)
        member = self._members[k]
        member.lost, member.goal, member.planned = True, None, True
        self._say(now, "lost", name, f"stands at ({member.place[0]:.2f}, {member.place[1]:.2f})")
        self._plan(now, stand=(k,))

    def tick(self, now: float) -> None:
        """Look for a better plan where robots are late, and for any where robots have none."""
        o = self.options
        if now - self._last_try < o.retry:
            return
        gone = tuple(k for k, m in enumerate(self._members) if m.lost and not self._executor.finished(k))
        if gone:  # no plan round them could be made so far
            self._last_try = now
            self._plan(now, stand=gone)
            return
        without = [k for k, m in enumerate(self._members) if m.goal is not None and not m.planned]
        if without:
            self._last_try = now
            if not self._plan(now, without):
                self._plan(now)
            return
        late = [
            m.name
            for k, m in enumerate(self._members)
            if m.goal is not None and self._executor.delay(k, now) - m.late > o.replan_after
        ]
        if late:
            self._last_try = now
            self._plan(now, because_late=True)

    def _end(self, k: int) -> Array:
        member = self._members[k]
        if member.lost:
            return member.place
        return self._tracks[k].points[-1] if member.goal is None else self.roadmap.positions[member.goal]


def _distance_to(points: Array, place: Array) -> float:
    """Return the smallest distance of a place from a polyline. [m]"""
    if len(points) == 1:
        return math.dist(points[0], place)
    along = np.diff(points, axis=0)
    square = np.maximum((along**2).sum(axis=1), 1e-12)
    share = np.clip(((place - points[:-1]) * along).sum(axis=1) / square, 0.0, 1.0)
    return float(np.hypot(*(points[:-1] + share[:, None] * along - place).T).min())
