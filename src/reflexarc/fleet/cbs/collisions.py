# SPDX-License-Identifier: Apache-2.0
r"""How two motions that collide split a node of continuous-time search in two, without losing a plan.

Motions A (of a, started at t_a) and B (of b, at t_b): a may not start A in [t_a, t_a') or b may not start B in
[t_b, t_b'), with t' the first start that is free of the other's motion as it is. The starts at which both collide
depend on their difference only and form an interval (`reflexarc.fleet.cbs.swept`), so any two starts out of the two
ranges collide.

A wait of a at vertex p and a motion of b that started at s and overlaps p during [s + x, s + y): a is at p during
[l, h) within it. With c between l and h: a may not be at p in [c, s + y), or b may not start in [s, c - x). Any time of
the first range and any start of the second collide, so nothing is lost here either; forbidding both whole ranges, as is
often done, would lose plans (arXiv 2508.16410). Halving goes on down to `RESOLUTION`, below which the whole range is
forbidden: costs are optimal up to that resolution per conflict.

Disjoint splits (Andreychuk et al., AAAI 2021): one child forbids a drive to its agent, the other demands it and forbids
the other agent's part. The demanded drive becomes a duty of the agent.
"""

import math
from typing import NamedTuple

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.fleet.cbs.swept import first_free_start, overlap_with_point
from reflexarc.fleet.graph import Graph
from reflexarc.fleet.instances import Instance

RESOLUTION = 1e-3
"""Shortest wait that is halved. [s]"""
PLACE, WAY, DUTY = -1, 1, 2
"""Kinds of rules."""


class Motion(NamedTuple):
    """Where a motion starts, its velocity, start and duration; `edge` is -1 for a wait at `vertex`."""

    x: float
    y: float
    vx: float
    vy: float
    start: float
    duration: float
    vertex: int
    edge: int


class Rule(NamedTuple):
    """In [low, high): not at vertex `place` (`PLACE`), not onto edge `place` (`WAY`), or once onto it (`DUTY`)."""

    kind: int
    place: int
    low: float
    high: float


class Timed(NamedTuple):
    """A path with its waits as states of their own."""

    vertices: np.ndarray
    times: np.ndarray
    cost: float


def motion_of(path: Timed, k: int, graph: Graph, edge_of: dict[tuple[int, int], int]) -> Motion:
    """Return the motion that begins with state `k` of a path; the last one is a wait without an end."""
    u, t = int(path.vertices[k]), float(path.times[k])
    x, y = graph.positions[u].tolist()
    if k + 1 == len(path.times):
        return Motion(x, y, 0.0, 0.0, t, math.inf, u, -1)
    v, d = int(path.vertices[k + 1]), float(path.times[k + 1]) - t
    if u == v:
        return Motion(x, y, 0.0, 0.0, t, d, u, -1)
    to_x, to_y = graph.positions[v].tolist()
    return Motion(x, y, (to_x - x) / d, (to_y - y) / d, t, d, u, edge_of[u, v])


def rules_of(one: Motion, other: Motion, instance: Instance) -> tuple[Rule, Rule]:
    """Return what two colliding motions forbid to the agent of the first, or to that of the second.

    Raises:
        ConfigError: both wait, so that two vertices are nearer than two radii.
    """
    reach = 2.0 * instance.radius
    if one.edge < 0 and other.edge < 0:
        label = instance.graph.label
        raise ConfigError(
            f"{label(one.vertex)} and {label(other.vertex)} are nearer than two radii of {instance.radius} m: two "
            f"agents cannot stand there at once; use a smaller radius"
        )
    if one.edge >= 0 and other.edge >= 0:
        return (
            Rule(WAY, one.edge, one.start, first_free_start(*one[:6], *other[:6], reach)),
            Rule(WAY, other.edge, other.start, first_free_start(*other[:6], *one[:6], reach)),
        )
    if one.edge >= 0:
        second, first = rules_of(other, one, instance)
        return first, second
    enter, leave = overlap_with_point(
        other.x, other.y, other.vx, other.vy, other.duration, one.x, one.y, reach
    )
    low = max(one.start, other.start + enter)
    high = min(one.start + one.duration, other.start + leave)
    cut = 0.5 * (low + high) if high - low > RESOLUTION else low
    return (
        Rule(PLACE, one.vertex, cut, other.start + leave),
        Rule(WAY, other.edge, other.start, max(cut - enter, other.start + RESOLUTION)),
    )


def with_duty(rules: tuple[Rule, ...], rule: Rule, duration: float) -> tuple[Rule, ...] | None:
    """Return an agent's rules with one more duty; None if their order would not be known.

    Args:
        rules: the agent's.
        rule: what is forbidden in the other child.
        duration: of the edge. [s]
    """
    low, high, kept = rule.low, rule.high, []
    for known in rules:
        if known.kind != DUTY or known.high <= low or high <= known.low:
            kept.append(known)
            continue
        # nobody starts onto one edge twice within its duration, so both duties are one drive
        if known.place != rule.place or max(high, known.high) - min(low, known.low) > duration:
            return None
        low, high = max(low, known.low), min(high, known.high)
    return (*kept, Rule(DUTY, rule.place, low, high))
