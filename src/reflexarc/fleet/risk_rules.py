# SPDX-License-Identifier: Apache-2.0
"""The validator's rules on risk: what a plan risks must fit its budget, and nobody may cross another's edge.

A plan's file with the key `risk` holds `budget` (null for none), `edges` (risk of each row of the plan's edges), `wait`
(risk of each vertex and step) and `crossing`. Nothing of the planners is used here.
"""

import math
from collections.abc import Sequence
from typing import Any

RISK_TOLERANCE = 1e-8
"""Share of 1 + budget that sums may exceed it by, for rounding."""
Word = tuple[str, tuple[int, ...], float, str]
"""Rule, agents, step and text of what is wrong."""


def risk_words(plan: dict[str, Any], paths: Sequence[Sequence[tuple[int, float]]]) -> list[Word]:
    """Return what is wrong with the risks of a plan in steps whose edges are known to exist."""
    given = plan["risk"]
    edges = [(int(row[0]), int(row[1])) for row in plan["edges"]]
    by_edge, by_vertex = [float(r) for r in given["edges"]], [float(r) for r in given["wait"]]
    if len(by_edge) != len(edges) or len(by_vertex) != len(plan["positions"]):
        text = f"{len(by_edge)} risks for {len(edges)} edges, {len(by_vertex)} for {len(plan['positions'])} vertices"
        return [("risk", (), 0.0, text)]
    if not all(math.isfinite(r) and r >= 0.0 for r in by_edge + by_vertex):
        return [("risk", (), 0.0, "a risk is negative or not finite")]
    risk = dict(zip(edges, by_edge, strict=True))
    total = 0.0
    for path in paths:
        stay = len(path) - 1  # what stands at the end risks nothing
        while stay > 0 and path[stay - 1][0] == path[stay][0]:
            stay -= 1
        for k in range(stay):
            here, there = path[k][0], path[k + 1][0]
            total += by_vertex[here] if here == there else risk[here, there]
    words: list[Word] = []
    budget = given["budget"]
    if budget is not None and not total <= float(budget) + RISK_TOLERANCE * (1.0 + float(budget)):
        words.append(("risk", (), 0.0, f"the plan risks {total:.9g}, its budget is {float(budget):.9g}"))
    if given["crossing"]:
        words += _crossings(plan["positions"], paths)
    return words


def _crossings(positions, paths) -> list[Word]:
    """Look for two agents whose edges of one step cross between their ends."""
    words: list[Word] = []
    for t in range(max(len(path) for path in paths) - 1):
        moves = [
            (agent, path[t][0], path[t + 1][0])
            for agent, path in enumerate(paths)
            if t + 1 < len(path) and path[t][0] != path[t + 1][0]
        ]
        for i, (a, u, v) in enumerate(moves):
            for b, x, y in moves[i + 1 :]:
                if not {u, v} & {x, y} and _meet(positions[u], positions[v], positions[x], positions[y]):
                    text = f"agents {a} and {b} cross on {u} - {v} and {x} - {y} in step {t}"
                    words.append(("cross", (a, b), float(t), text))
    return words


def _meet(a, b, c, d) -> bool:
    """Return whether two segments have a point in common."""
    sides = (_side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b))
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(s == 0 and _between(*three) for s, three in zip(sides, ends, strict=True))


def _side(a, b, p) -> int:
    area = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
    return (area > 0.0) - (area < 0.0)


def _between(a, b, p) -> bool:
    return min(a[0], b[0]) <= p[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])
