# SPDX-License-Identifier: Apache-2.0
"""A fleet under way, with points that drive what they may: goals, delays, blocked edges, lost and new robots."""

import math

import numpy as np
import pytest

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.execution import Fleet, FleetOptions
from reflexarc.fleet.execution.insertion import starts_that_collide
from reflexarc.fleet.execution.judge import meetings
from reflexarc.fleet.graph import roadmap

OPTIONS = FleetOptions(radius=0.4, plan_radius=0.5, tolerance=0.05, ahead=2.0, replan_after=6.0, retry=2.0)
REACH = 2.0 * (OPTIONS.radius - OPTIONS.tolerance)
"""Centres never come nearer than this."""


def ladder():
    """Two lanes, one each way, with rungs between and a bay at each end of both: vertex = column + 7 * row."""
    places = [(2.0 * x, 2.0 * y) for y in range(2) for x in range(7)]
    edges = [(x, x + 1) for x in range(6)] + [(8 + x, 7 + x) for x in range(6)]
    edges += [(x, x + 7) for x in range(7)] + [(x + 7, x) for x in range(7)]
    places += [(2.0 * x, y) for y in (-2.0, 4.0) for x in (0, 3, 6)]
    bays = list(range(14, 20))
    for bay, lane in zip(bays, (0, 3, 6, 7, 10, 13), strict=True):
        edges += [(bay, lane), (lane, bay)]
    return roadmap(np.array(places), edges), bays


class Points:
    """Robots that drive at 1 m/s along what they are permitted, unless they are held."""

    def __init__(self, starts, options=OPTIONS):
        graph, _ = ladder()
        self.fleet, self.now = Fleet(graph, options), 0.0
        self.places, self.held, self.gone = {}, {}, set()
        for name, vertex in starts.items():
            self.join(name, vertex)
        self.times, self.trace = [], []

    def join(self, name, vertex):
        self.fleet.join(name, vertex, self.now)
        self.places[name] = self.fleet.roadmap.positions[vertex].astype(float)

    def drive(self, seconds):
        for _ in range(round(seconds / 0.2)):
            for name, place in self.places.items():
                if self.now >= self.held.get(name, 0.0) and name not in self.gone:
                    self.places[name] = _along(self.fleet.permission(name), place, 0.2)
            self.now += 0.2
            self.times.append(self.now)
            self.trace.append(dict(self.places))
            for name, place in self.places.items():
                if name not in self.gone:
                    self.fleet.report(name, place, self.now)
            self.fleet.tick(self.now)

    def until_idle(self, limit=120.0):
        end = self.now + limit
        while self.now < end and any(
            self.fleet.goal(n) is not None for n in self.places if n not in self.gone
        ):
            self.drive(1.0)

    def met(self):
        names = list(self.places)
        rows = [[at.get(n, np.full(2, np.nan)) for n in names] for at in self.trace]
        return meetings(np.array(self.times), np.array(rows), REACH - 1e-6)

    def at(self, name):
        gaps = np.hypot(*(self.fleet.roadmap.positions - self.places[name]).T)
        return int(gaps.argmin()) if gaps.min() < 0.1 else -1

    def kinds(self, kind):
        return [e for e in self.fleet.events if e.kind == kind]


def _along(way, place, step):
    """Move a point along a polyline from the place on it that is nearest."""
    best = (math.inf, 0, way[0])
    for k, (a, b) in enumerate(zip(way, way[1:], strict=False)):
        d = b - a
        share = min(max(float((place - a) @ d) / max(float(d @ d), 1e-12), 0.0), 1.0)
        gap = math.dist(a + share * d, place)
        if gap < best[0] - 1e-9:
            best = (gap, k, a + share * d)
    _, k, here = best
    while k < len(way) - 1:
        left = math.dist(here, way[k + 1])
        if left > step:
            return here + (way[k + 1] - here) * step / left
        here, step, k = way[k + 1], step - left, k + 1
    return here


BAYS = ladder()[1]


def four():
    points = Points({"a": BAYS[0], "b": BAYS[2], "c": BAYS[3], "d": BAYS[5]})
    for name, goal in zip("abcd", (BAYS[5], BAYS[3], BAYS[2], BAYS[0]), strict=True):
        points.fleet.send(name, goal, 0.0)
    return points


def test_everybody_arrives_and_keeps_apart():
    points = four()
    points.until_idle()
    assert [points.at(n) for n in "abcd"] == [BAYS[5], BAYS[3], BAYS[2], BAYS[0]]
    assert not points.met()
    assert len(points.kinds("arrival")) == 4


@pytest.mark.parametrize("seed", range(3))
def test_goals_without_end_under_random_stops(seed):
    rng = np.random.default_rng(seed)
    points = Points({"a": BAYS[0], "b": BAYS[2], "c": BAYS[3], "d": BAYS[5]})
    reached = 0
    for _ in range(60):
        for name in "abcd":
            if points.fleet.goal(name) is None:
                ends = [
                    points.fleet.goal(n) or points.fleet.track(n).vertices[-1] for n in "abcd" if n != name
                ]
                free = [b for b in BAYS if b not in ends and b != points.at(name)]
                points.fleet.send(name, int(rng.choice(free)), points.now)
            if rng.random() < 0.1:
                points.held[name] = points.now + rng.uniform(1.0, 5.0)
        points.drive(1.0)
        reached = len(points.kinds("arrival"))
    assert not points.met()
    assert reached >= 6


def test_a_lost_robot_is_an_obstacle_and_the_others_go_round_it():
    points = four()
    points.drive(5.0)
    points.gone.add("a")
    points.fleet.lose("a", points.now)
    points.until_idle()
    assert not points.met()
    assert points.fleet.lost("a") and points.kinds("lost")
    for name, goal in zip("bcd", (BAYS[3], BAYS[2], BAYS[0]), strict=True):
        assert points.at(name) == goal or not points.fleet.has_way(name), f"{name} arrives or is reported"
    with pytest.raises(ConfigError, match="a was lost"):
        points.fleet.send("a", BAYS[1], points.now)


def test_a_robot_that_blocks_the_only_way_leaves_a_partial_plan_that_says_so():
    points = Points({"a": BAYS[1], "b": BAYS[4]})
    points.fleet.lose("a", 0.0)
    graph = points.fleet.roadmap
    for tail, head in zip(graph.tail.tolist(), graph.head.tolist(), strict=True):
        if head == BAYS[0]:
            points.fleet.block(tail, head, 0.0)
    assert not points.fleet.send("b", BAYS[0], 0.0)
    assert "no way for b" in points.kinds("partial")[-1].text
    before = points.places["b"].copy()
    points.drive(5.0)
    assert np.allclose(points.places["b"], before), "it stands where it may"
    points.fleet.free(0, BAYS[0], points.now)
    points.until_idle()
    assert points.at("b") == BAYS[0]


def test_a_blocked_edge_is_driven_round():
    points = Points({"a": BAYS[0]})
    points.fleet.send("a", BAYS[2], 0.0)
    points.fleet.block(3, 4, 0.0)
    points.until_idle()
    assert points.at("a") == BAYS[2] or not points.fleet.has_way("a")
    assert not any(abs(at["a"][1]) < 0.1 and 6.2 < at["a"][0] < 7.8 for at in points.trace)
    with pytest.raises(ConfigError, match="no edge"):
        points.fleet.block(0, 5, points.now)


def test_a_new_robot_is_taken_in_where_there_is_room_and_refused_where_there_is_not():
    points = four()
    with pytest.raises(ConfigError, match="is or will be"):
        points.join("e", points.fleet.track("a").vertices[1])
    points.join("e", BAYS[1])
    points.fleet.send("e", BAYS[4], points.now)
    points.until_idle()
    assert points.at("e") == BAYS[4]
    assert not points.met()


def test_a_long_delay_is_planned_round_if_that_is_better():
    points = four()
    points.held["a"] = 40.0
    points.until_idle(150.0)
    assert not points.met()
    assert [points.at(n) for n in "abcd"] == [BAYS[5], BAYS[3], BAYS[2], BAYS[0]]
    late = [e for e in points.fleet.events if e.kind in ("plan", "kept") and e.time > 2.0]
    assert late, "the delay was looked at"


def test_bad_requests_are_refused_with_a_reason():
    points = Points({"a": BAYS[0], "b": BAYS[2]})
    points.fleet.send("a", BAYS[5], 0.0)
    for call, words in (
        (lambda: points.fleet.send("b", BAYS[5], 0.0), "too near to where a goes"),
        (lambda: points.fleet.send("b", 999, 0.0), "999 is no vertex"),
        (lambda: points.fleet.send("x", BAYS[1], 0.0), "no robot 'x'"),
        (lambda: points.fleet.join("a", BAYS[1], 0.0), "robot 'a' already"),
        (lambda: points.fleet.report("a", np.array([np.nan, 0.0]), 0.0), "not finite"),
        (lambda: Fleet(points.fleet.roadmap, FleetOptions(0.5, 0.4)), "must be above radius"),
    ):
        with pytest.raises(ConfigError, match=words):
            call()


def test_a_robot_off_its_track_makes_no_progress():
    points = Points({"a": BAYS[0]})
    points.fleet.send("a", BAYS[2], 0.0)
    points.drive(2.0)
    driven = points.fleet.progress("a")[0]
    points.fleet.report("a", points.places["a"] + (0.0, -1.5), points.now)
    assert points.fleet.progress("a")[0] == driven
    assert "beside its track" in points.kinds("off_track")[-1].text


def test_the_starts_at_which_two_drives_collide_agree_with_sampling():
    rng = np.random.default_rng(0)
    for _ in range(60):
        a, ad = rng.uniform(-2.0, 2.0, 4), rng.uniform(0.5, 3.0)
        b = np.array([*rng.uniform(-2.0, 2.0, 4), 1.0, 1.0 + rng.uniform(0.5, 3.0)])
        reach = rng.uniform(0.2, 0.8)
        low, high = starts_that_collide(*a, ad, b, reach)
        for start in np.linspace(b[4] - ad, b[5], 40):
            time = np.linspace(max(start, b[4]), min(start + ad, b[5]), 200)
            p = a[:2] + a[2:] * (time - start)[:, None]
            q = b[:2] + b[2:4] * (time - b[4])[:, None]
            if np.hypot(*(p - q).T).min() < reach - 1e-3:
                assert low < start < high
