# SPDX-License-Identifier: Apache-2.0
"""What the planners under a risk budget are compared with: searches over everything, in plain Python."""

import itertools
import math

from reflexarc.fleet.instances import Instance


def crosses(positions, first, second) -> bool:
    """Return whether two edges (u, v) may not be driven in one step: swapped, or with a point in common inside."""
    if first == second[::-1]:
        return True
    if set(first) & set(second):
        return False  # the small graphs here have no overlapping edges
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = (positions[v] for v in (*first, *second))

    def side(px, py, qx, qy, rx, ry):
        return (
            math.copysign(1.0, s) if abs(s := (qx - px) * (ry - py) - (qy - py) * (rx - px)) > 1e-12 else 0.0
        )

    c, d = side(ax, ay, bx, by, cx, cy), side(ax, ay, bx, by, dx, dy)
    a, b = side(cx, cy, dx, dy, ax, ay), side(cx, cy, dx, dy, bx, by)
    return c * d < 0.0 and a * b < 0.0


def joint_front(
    instance: Instance, edge_risk, wait_risk, crossing: bool, most: int
) -> list[tuple[int, float]]:
    """Return all trade-offs (sum of costs, sum of risks) of plans of at most `most` steps.

    Labels over all agents' vertices and who has ended; an agent that has ended stays and pays nothing.
    """
    graph, goals, count = instance.graph, instance.goals, instance.agents
    ends = zip(graph.tail.tolist(), graph.head.tolist(), strict=True)
    risk = {pair: float(r) for pair, r in zip(ends, edge_risk, strict=True)}
    near = {v: [v] for v in range(graph.vertices)}
    for u, v in risk:
        near[u].append(v)
    layer: dict[tuple, list[tuple[int, float]]] = {(tuple(instance.starts), 0): [(0, 0.0)]}
    everybody, front = (1 << count) - 1, []
    for _ in range(most + 1):
        # who stands at its goal may end there
        for agent in range(count):
            for (places, ended), labels in list(layer.items()):
                if places[agent] == goals[agent] and not ended >> agent & 1:
                    _merge(layer, (places, ended | 1 << agent), labels)
        for (_, ended), labels in layer.items():
            if ended == everybody:
                front += labels
        following: dict[tuple, list[tuple[int, float]]] = {}
        for (places, ended), labels in layer.items():
            running = count - ended.bit_count()
            if not running:
                continue
            options = ([v] if ended >> k & 1 else near[v] for k, v in enumerate(places))
            for then in itertools.product(*options):
                if len(set(then)) < count or not _apart(graph.positions, places, then, crossing):
                    continue
                added = sum(
                    float(wait_risk[u]) if u == v else risk[u, v]
                    for k, (u, v) in enumerate(zip(places, then, strict=True))
                    if not ended >> k & 1
                )
                _merge(following, (then, ended), [(c + running, r + added) for c, r in labels])
        layer = following
    return _pareto(front)


def _apart(positions, places, then, crossing) -> bool:
    moves = [(u, v) for u, v in zip(places, then, strict=True) if u != v]
    for first, second in itertools.combinations(moves, 2):
        if first == second[::-1] or (crossing and crosses(positions, first, second)):
            return False
    return True


def _merge(table, key, labels) -> None:
    table[key] = _pareto(table.get(key, []) + labels)


def _pareto(labels: list[tuple[int, float]]) -> list[tuple[int, float]]:
    front: list[tuple[int, float]] = []
    for cost, risk in sorted(labels):
        if not front or risk < front[-1][1] - 1e-9:
            front.append((cost, risk))
    return front


def cheapest(front: list[tuple[int, float]], budget: float) -> int | None:
    """Return the smallest sum of costs of a front within the budget."""
    return next((cost for cost, risk in front if risk <= budget + 1e-9), None)
