# SPDX-License-Identifier: Apache-2.0
r"""Lower bounds on what a set of pairs costs together.

If the pairs (i, j) of a graph need at least w_ij more than their costs, all agents together need at least

    min sum_i x_i   with   x_i + x_j >= w_ij,   x_i >= 0 whole,

the edge-weighted minimum vertex cover (Li et al., IJCAI 2019). Solved exactly component by component; where that takes
too many steps, a greedy matching stands in, which is smaller and so still a bound.
"""

from collections.abc import Mapping

MAX_STEPS = 3000
"""Assignments tried per component before the matching stands in."""


class Cover:
    """Covers, remembered per component."""

    def __init__(self) -> None:
        self._known: dict[frozenset[tuple[int, int, int]], int] = {}

    def bound(self, weights: Mapping[tuple[int, int], int]) -> int:
        """Return the smallest cover of the edges {(i, j): w}, or something smaller."""
        total = 0
        for part in _components(weights):
            key = frozenset((i, j, w) for (i, j), w in part.items())
            if key not in self._known:
                self._known[key] = _cover(part)
            total += self._known[key]
        return total


def _components(weights: Mapping[tuple[int, int], int]) -> list[dict[tuple[int, int], int]]:
    root: dict[int, int] = {}

    def find(i: int) -> int:
        root.setdefault(i, i)
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for i, j in weights:
        root[find(i)] = find(j)
    parts: dict[int, dict[tuple[int, int], int]] = {}
    for (i, j), w in weights.items():
        parts.setdefault(find(i), {})[i, j] = w
    return list(parts.values())


def _cover(edges: Mapping[tuple[int, int], int]) -> int:
    if len(edges) == 1:
        return next(iter(edges.values()))
    near: dict[int, dict[int, int]] = {}
    for (i, j), w in edges.items():
        near.setdefault(i, {})[j] = w
        near.setdefault(j, {})[i] = w
    centre = next((i for i, others in near.items() if len(others) == len(edges)), None)
    order = sorted(near, key=lambda i: -len(near[i]))
    best = sum(max(near[i].values()) for i in order) if centre is None else 0
    if centre is not None:  # a star
        return min(x + sum(max(0, w - x) for w in near[centre].values()) for x in {0, *near[centre].values()})
    matched = _matching(edges)
    value: dict[int, int] = {}
    steps = 0

    def assign(k: int, so_far: int) -> None:
        nonlocal best, steps
        steps += 1
        if so_far >= best or steps > MAX_STEPS:
            return
        if k == len(order):
            best = so_far
            return
        i = order[k]
        low = max((w - value[j] for j, w in near[i].items() if j in value), default=0)
        low = max(low, 0)
        high = max((w for j, w in near[i].items() if j not in value), default=0)
        for x in range(low, max(low, high) + 1):
            value[i] = x
            assign(k + 1, so_far + x)
            if best == matched:
                break
        del value[i]

    assign(0, 0)
    return best if steps <= MAX_STEPS else matched


def _matching(edges: Mapping[tuple[int, int], int]) -> int:
    total, used = 0, set()
    for (i, j), w in sorted(edges.items(), key=lambda item: -item[1]):
        if i not in used and j not in used:
            used |= {i, j}
            total += w
    return total
