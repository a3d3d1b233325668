# SPDX-License-Identifier: Apache-2.0
r"""Judge a plan without trusting whoever made it; nothing of the planners is used here.

Rules: starts, goals, times (from 0, strictly increasing), edges exist, edges take their time; in steps no two agents at
one vertex and none changing places, and a risk budget kept where there is one (`risk_rules`); in continuous time no two
discs overlap. Between two events both discs move uniformly, so that with relative position p + v s the squared distance
is a parabola,

    d^2(s) = p.p + 2 p.v s + v.v s^2,      smallest at s* = -p.v / v.v, cut to the interval,

which is exact, not sampled. An agent stands at its start before its path begins and at its goal after it ends.
"""

import math
from dataclasses import dataclass
from typing import Any

from reflexarc.fleet.risk_rules import risk_words

TIME_TOLERANCE = 1e-6
"""Rounding of durations in continuous time. [s]"""
GAP_TOLERANCE = 1e-6
"""Overlap of two discs that is rounding: planners put them exactly beside each other. [m]"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule."""

    rule: str
    """`agents`, `start`, `goal`, `time`, `edge`, `duration`, `vertex`, `swap`, `disc`, `risk` or `cross`."""
    agents: tuple[int, ...]
    time: float
    text: str


def validate(plan: dict[str, Any], limit: int = 100) -> list[Finding]:
    """Return what is wrong with a plan in the form of its file; empty if nothing is.

    Args:
        plan: keys time, radius, positions, edges, starts, goals, paths as `FleetPlan.to_json` writes them.
        limit: stop after so many findings.
    """
    findings: list[Finding] = []
    paths = [[(int(v), float(t)) for v, t in path] for path in plan["paths"]]
    starts, goals = plan["starts"], plan["goals"]
    if not len(paths) == len(starts) == len(goals) or not paths:
        text = f"{len(paths)} paths, {len(starts)} starts, {len(goals)} goals"
        return [Finding("agents", (), 0.0, f"{text}: every agent needs one of each")]
    edges = {(int(u), int(v)): float(time) for u, v, time in plan["edges"]}
    steps = plan["time"] == "steps"
    for agent, path in enumerate(paths):
        findings += _alone(agent, path, starts[agent], goals[agent], edges, steps, len(plan["positions"]))
    if findings:
        return findings[:limit]
    if steps:
        found = _together_in_steps(paths, limit)
        if plan.get("risk") is not None:
            found += [Finding(*words) for words in risk_words(plan, paths)]
        return found[:limit]
    return _together_as_discs(paths, plan["positions"], float(plan["radius"]), limit)


def _alone(agent, path, start, goal, edges, steps, vertices) -> list[Finding]:
    """Judge one path by itself."""
    if not path:
        return [Finding("start", (agent,), 0.0, f"agent {agent} has no path")]
    found = []
    if path[0][0] != start:
        found.append(("start", 0.0, f"begins at vertex {path[0][0]} instead of its start {start}"))
    if path[-1][0] != goal:
        found.append(("goal", path[-1][1], f"ends at vertex {path[-1][0]} instead of its goal {goal}"))
    if path[0][1] != 0.0:
        found.append(("time", path[0][1], f"begins at time {path[0][1]} instead of 0"))
    for (u, t), (v, s) in zip(path, path[1:], strict=False):
        if not (math.isfinite(s) and s > t) or (steps and s - t != 1.0):
            found.append(("time", t, f"goes from time {t} to {s}"))
        elif not 0 <= v < vertices or (u != v and (u, v) not in edges):
            found.append(("edge", t, f"goes from vertex {u} to {v}, between which there is no edge"))
        elif u != v and not steps and abs(s - t - edges[u, v]) > TIME_TOLERANCE:
            found.append(("duration", t, f"takes {s - t} s from vertex {u} to {v}, its edge {edges[u, v]} s"))
    return [Finding(rule, (agent,), time, f"agent {agent} {text}") for rule, time, text in found]


def _together_in_steps(paths, limit) -> list[Finding]:
    """Look for two agents at one vertex, and for two that change places."""
    found: list[Finding] = []
    before: dict[int, int] = {}
    for t in range(max(len(path) for path in paths)):
        here: dict[int, int] = {}
        for agent, path in enumerate(paths):
            v = path[min(t, len(path) - 1)][0]
            if v in here:
                text = f"agents {here[v]} and {agent} are both at vertex {v} at step {t}"
                found.append(Finding("vertex", (here[v], agent), float(t), text))
            here[v] = agent
        for agent, path in enumerate(paths):
            if t and t < len(path) and path[t][0] != path[t - 1][0]:
                other = before.get(path[t][0])
                if other is not None and other < agent and _at(paths[other], t) == path[t - 1][0]:
                    u, v = path[t - 1][0], path[t][0]
                    text = f"agents {other} and {agent} change places on {u} - {v} in step {t - 1}"
                    found.append(Finding("swap", (other, agent), float(t - 1), text))
        if len(found) >= limit:
            return found[:limit]
        before = here
    return found


def _at(path, t) -> int:
    return path[min(t, len(path) - 1)][0]


def _together_as_discs(paths, positions, radius, limit) -> list[Finding]:
    """Look for two discs that overlap at any time."""
    found: list[Finding] = []
    points = [[(t, *positions[v]) for v, t in path] for path in paths]
    for a in range(len(points)):
        for b in range(a + 1, len(points)):
            gap, time = _smallest_distance(points[a], points[b])
            if gap < 2.0 * radius - GAP_TOLERANCE or (gap <= 0.0 and radius == 0.0):
                text = f"agents {a} and {b} are {gap:.6g} m apart at {time:.6g} s, allowed >= {2.0 * radius:.6g} m"
                found.append(Finding("disc", (a, b), time, text))
                if len(found) >= limit:
                    return found
    return found


def _smallest_distance(first, second) -> tuple[float, float]:
    """Return how near two moving points come and when; beyond their paths' ends both stand."""
    times = sorted({row[0] for row in first} | {row[0] for row in second})
    best = (math.dist(first[-1][1:], second[-1][1:]), times[-1])
    for begin, end in zip(times, times[1:], strict=False):
        p0 = [x - y for x, y in zip(_where(first, begin), _where(second, begin), strict=True)]
        p1 = [x - y for x, y in zip(_where(first, end), _where(second, end), strict=True)]
        move = [q - p for p, q in zip(p0, p1, strict=True)]
        square = sum(m * m for m in move)
        share = 0.0 if square == 0.0 else -sum(p * m for p, m in zip(p0, move, strict=True)) / square
        share = min(1.0, max(0.0, share))
        gap = math.hypot(*(p + share * m for p, m in zip(p0, move, strict=True)))
        best = min(best, (gap, begin + share * (end - begin)))
    return best


def _where(rows, time) -> tuple[float, float]:
    """Return the position at a time."""
    if time >= rows[-1][0]:
        return rows[-1][1:]
    k = next(k for k in range(len(rows) - 1) if rows[k + 1][0] > time)
    (t0, x0, y0), (t1, x1, y1) = rows[k], rows[k + 1]
    share = max(0.0, (time - t0) / (t1 - t0))
    return x0 + share * (x1 - x0), y0 + share * (y1 - y0)
