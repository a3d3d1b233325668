# SPDX-License-Identifier: Apache-2.0
"""Robust check: every uncertain probability is an interval; nominal and worst value are both reported.

The worst value is the largest over all corners of the box of the intervals. P(mishap within the horizon) need not be
monotone in a probability that occurs again and again, so a corner is no proof for the inside of the box; random points
inside are checked beside the corners and the largest of all counts. With more uncertain probabilities than can be
enumerated, each is first moved alone to both of its ends; the most influential ones make the corners, and each of the
others stays at the end that was worse alone. An interval model would let every occurrence of one
probability take a value of its own, which is wider than what is not known.
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

from reflexarc.assurance.hazards.cell import Cell
from reflexarc.assurance.synthesis.checker import Checker
from reflexarc.assurance.synthesis.prism import model_text
from reflexarc.assurance.synthesis.queries import mishap_query
from reflexarc.assurance.synthesis.sweep import Configuration

Values = dict[str, float]
"""Probabilities by path."""
MOST_UNCERTAIN = 8
"""2^8 corners; with more, the most influential are chosen."""
SCREENED = 6
"""2^6 corners of those that were chosen."""
INSIDE = 8
"""Random points inside the box."""


def intervals(cell: Cell) -> dict[str, tuple[float, float]]:
    """Return every uncertain probability with its interval."""
    return {
        path: probability.interval(cell.limits.confidence)
        for path, probability in cell.probabilities().items()
        if probability.uncertain
    }


def robust_mishap(
    cell: Cell, point: Configuration, checker: Checker, inside: int = INSIDE, seed: int = 0
) -> dict[str, Any]:
    """Return nominal and worst P(mishap within the horizon) and the probabilities that give the worst.

    `worst` is None if any query stayed undecided.

    Raises:
        ConfigError: Storm is not installed.
        ModelError: Storm refuses the model.
    """
    box = intervals(cell)
    rng = random.Random(seed)
    query = mishap_query(cell)

    def ask(values: Values) -> float | None:
        text = model_text(cell, point.policy, point.alarms, values=values)
        return checker.check(text, [query]).number(query.name)

    points: list[Values] = [{}]
    found = [ask({})]
    chosen, rest = dict(box), dict[str, float]()
    if len(box) > MOST_UNCERTAIN:
        alone = [{path: end} for path, edge in box.items() for end in edge]
        answers = [ask(values) for values in alone]
        points, found = points + alone, found + answers
        chosen, rest = _screened(box, found[0], answers)
    corners = [
        {**rest, **dict(zip(chosen, corner, strict=True))} for corner in itertools.product(*chosen.values())
    ]
    more = [
        *(corners if box else []),
        *({path: rng.uniform(*edge) for path, edge in box.items()} for _ in range(inside if box else 0)),
    ]
    points, found = points + more, found + [ask(values) for values in more]
    decided = [value for value in found if value is not None]
    worst = max(decided) if len(decided) == len(points) else None
    return {
        "nominal": found[0],
        "worst": worst,
        "worst_at": points[found.index(worst)] if worst is not None else {},
        "intervals": {path: list(edge) for path, edge in box.items()},
        "corners": len(corners) if box else 0,
        "inside": inside if box else 0,
    }


def _screened(
    box: Mapping[str, tuple[float, float]], nominal: float | None, alone: Sequence[float | None]
) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Return the intervals that make corners, and the end at which each other probability stays.

    Args:
        box: every uncertain probability with its interval.
        nominal: P(mishap) with every probability at its value; None where undecided.
        alone: P(mishap) with each at its lower and its upper end, two per probability.
    """
    ends = {path: tuple(x or 0.0 for x in alone[2 * i : 2 * i + 2]) for i, path in enumerate(box)}
    reach = {path: max(abs(x - (nominal or 0.0)) for x in pair) for path, pair in ends.items()}
    ranked = sorted(box, key=lambda path: -reach[path])
    rest = {path: box[path][ends[path][1] >= ends[path][0]] for path in ranked[SCREENED:]}
    return {path: box[path] for path in ranked[:SCREENED]}, rest
